"""``line_cipher`` as somebody uses it who has its Verilog file only."""

import pytest
import stranger

TESTS = 9


@pytest.mark.long
def test_memory_behind_it_is_golden_ciphertext_and_plaintext_without_entries(tmp_path):
    file = stranger.generate("line_cipher", tmp_path)
    assert len(stranger.run([file], "line_cipher", "bench_line_cipher", tmp_path)) == TESTS
