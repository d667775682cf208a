"""The self-checking programs of ``tests/system/isa``, run as any user would run such programs: through ``external``."""

import importlib.util
from pathlib import Path

import pytest

from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_tools.compiler import Options, compile_program

HERE = Path(__file__).resolve().parent
PROGRAMS = sorted((HERE / "isa").glob("*.S"))
_spec = importlib.util.spec_from_file_location("external", HERE / "external.py")
external = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(external)


def build(source: Path, target: Path) -> Path:
    """Assemble and link one program as such programs usually are: at 0x8000_0000, with ``tohost``."""
    options = Options(startup=False, linker_script=str(HERE / "isa" / "isa.ld"))
    compile_program([str(source)], str(target), options)
    return target


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(PRESETS["default"])


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_self_checking_program_passes(source, seed, tmp_path):
    """Each program passes, without and with random wait states of the memory."""
    verdict = external.run_one(build(source, tmp_path / source.stem), wait_seed=seed)
    assert verdict.passed, verdict.text


def test_a_failing_program_is_reported(tmp_path, capsys):
    """A program whose check fails is told with its number; the folder's run is then not a success."""
    text = (HERE / "isa" / "shifts.S").read_text().replace("    j pass", "    check x0, 1\n    j pass")
    broken = tmp_path / "broken.S"
    broken.write_text(text)
    (tmp_path / "isa.h").write_text((HERE / "isa" / "isa.h").read_text())
    folder = tmp_path / "programs"
    folder.mkdir()
    build(broken, folder / "broken.elf")
    build(HERE / "isa" / "upper.S", folder / "upper.elf")
    assert external.main([str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  broken.elf  tohost failure: test" in printed
    assert "pass  upper.elf" in printed


def test_a_folder_without_programs_is_refused(tmp_path, capsys):
    """One line, status 2."""
    assert external.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
