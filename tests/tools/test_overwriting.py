"""No verb destroys what it was given, and no image names more than the chip holds."""

import subprocess
import sys
from pathlib import Path

import pytest

from hakone.isa.formats import Algorithm, BootRecord, RegionFlag, pack_fuses
from hakone_tools.errors import ToolError
from hakone_tools.outputs import refuse_overwriting

ROOT = Path(__file__).resolve().parents[2]


def test_an_output_that_is_an_input_is_refused(tmp_path):
    file = tmp_path / "a.c"
    file.write_text("int main(void) { return 0; }\n")
    with pytest.raises(ToolError, match="is an input too"):
        refuse_overwriting([str(tmp_path / "." / "a.c")], [str(file)])
    refuse_overwriting([str(tmp_path / "a.elf")], [str(file)])


def test_cc_keeps_its_source(tmp_path):
    file = tmp_path / "a.c"
    file.write_text("int main(void) { return 0; }\n")
    before = file.read_bytes()
    command = [sys.executable, "-m", "hakone_tools", "cc", str(file), "-o", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "is an input too" in done.stderr and len(done.stderr.splitlines()) == 1
    assert file.read_bytes() == before


def record(contexts, start, key=bytes(range(32))) -> BootRecord:
    """A region of one line."""
    return BootRecord(frozenset(contexts), Algorithm.AES128_XTS, RegionFlag.READ, start, 64, tag=start, key=key)


def test_more_entries_than_the_chip_has_are_refused():
    many = [record(range(1, 10), 0x8000_0000), record(range(1, 9), 0x8000_1000)]
    with pytest.raises(ValueError, match="17 attribute entries"):
        pack_fuses(many)
    assert pack_fuses([many[0], record(range(1, 8), 0x8000_1000)])


def test_equal_halves_of_an_xts_key_are_refused():
    assert "equal" in str(record([1], 0x8000_0000, key=bytes(32)).check())
    assert record([1], 0x8000_0000).check() is None
