"""``line_cipher`` as somebody uses it who has its Verilog file only."""

import pytest
import stranger

TESTS = 11


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the file and its simulation."""
    folder = tmp_path_factory.mktemp("line_cipher")
    stranger.build([stranger.generate("line_cipher", folder)], "line_cipher", folder)
    return folder


@pytest.mark.long
def test_memory_behind_it_is_golden_ciphertext_and_plaintext_without_entries(built):
    assert len(stranger.simulate("line_cipher", "bench_line_cipher", built)) == TESTS


@pytest.mark.long
@pytest.mark.parametrize("fault", ["tweak", "entry"])
def test_the_bench_finds_a_wrong_tweak_and_a_lost_entry(built, fault):
    with pytest.raises(AssertionError, match="published_vectors.*without_entry.* failed"):
        stranger.simulate(
            "line_cipher",
            "bench_line_cipher",
            built,
            FAULT=fault,
            COCOTB_TEST_FILTER="published_vectors|without_entry",
        )
