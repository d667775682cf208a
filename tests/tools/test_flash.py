"""``hakone flash`` with a programmer of our own on the path, and without one. No board is touched."""

import pytest

from hakone_tools import cmd_flash, programmer

FAKE = """#!/bin/sh
printf '%s\\n' "$@" > "{said}"
exit {status}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a programmer that notes its arguments on the path; gives a function that makes it."""

    def make(status: int = 0, name: str = "openFPGALoader"):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / name
        program.write_text(FAKE.format(said=tmp_path / "said", status=status))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return tmp_path / "said"

    return make


@pytest.fixture
def bitstream(tmp_path):
    file = tmp_path / "x.bit"
    file.write_bytes(b"\xff\x00")
    return file


@pytest.mark.parametrize("name", programmer.PROGRAMS)
def test_programmer_gets_board_and_file(hakone, fake, bitstream, name):
    said = fake(name=name)
    assert hakone("flash", "--board", "ulx3s-85f", "--bitstream", bitstream).status == 0
    assert said.read_text().split() == ["-b", "ulx3s", str(bitstream)]


def test_permanent_asks_for_the_flash_memory(hakone, fake, bitstream):
    said = fake()
    assert hakone("flash", "--board", "ecpix5-85f", "--bitstream", bitstream, "--permanent").status == 0
    assert said.read_text().split() == ["-b", "ecpix5", "--write-flash", str(bitstream)]


def test_bitstream_of_the_build_is_the_default(hakone, fake, monkeypatch, tmp_path):
    said = fake()
    monkeypatch.setattr(cmd_flash, "BUILD", tmp_path)
    place = tmp_path / "fpga" / "ecp5-evn" / "ecp5-evn.bit"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\xff")
    assert hakone("flash", "--board", "ecp5-evn").status == 0
    assert said.read_text().split()[-1] == str(place)


def test_failing_programmer_is_an_error(hakone, fake, bitstream):
    fake(status=3)
    outcome = hakone("flash", "--board", "ulx3s-85f", "--bitstream", bitstream)
    assert outcome.status == 2 and "ended with status 3" in outcome.err


def test_missing_programmer_says_what_to_install(hakone, bitstream, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programmer.sys, "executable", str(tmp_path / "python"))
    outcome = hakone("flash", "--board", "ulx3s-85f", "--bitstream", bitstream)
    assert outcome.is_one_line("openFPGALoader", "install", "libftdi1")


def test_missing_bitstream_says_how_to_make_it(hakone, monkeypatch, tmp_path):
    monkeypatch.setattr(cmd_flash, "BUILD", tmp_path)
    assert hakone("flash", "--board", "ulx3s-85f").is_one_line("ulx3s-85f.bit", "make fpga BOARD=ulx3s-85f")


def test_unknown_board_names_the_nearest(hakone):
    assert hakone("flash", "--board", "ulx3s-45f").is_one_line("ulx3s-45f", "did you mean ulx3s-85f?")
