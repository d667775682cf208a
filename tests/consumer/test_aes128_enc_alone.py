"""``aes128_enc`` as somebody uses it who has its Verilog file only."""

import pytest
import stranger


@pytest.mark.long
def test_published_vectors_streams_and_promised_cycles(tmp_path):
    file = stranger.generate("aes128_enc", tmp_path)
    passed = stranger.run([file], "aes128_enc", "bench_aes128_enc", tmp_path)
    assert len(passed) == 5


@pytest.mark.long
def test_the_bench_finds_a_wrong_s_box(tmp_path):
    """One bit of one S-box changed in the file: the published vectors must not pass."""
    file = stranger.generate("aes128_enc", tmp_path)
    text = file.read_text()
    assert text.count("[5] = 8'h6b;") >= 8  # S-box of 5 is 6b
    file.write_text(text.replace("[5] = 8'h6b;", "[5] = 8'h6a;", 1))
    with pytest.raises(AssertionError, match="published_blocks"):
        stranger.run([file], "aes128_enc", "bench_aes128_enc", tmp_path, COCOTB_TEST_FILTER="published")
