"""The FuseSoC core and the LiteX wrapper of ``integration/``, run by these packages as their users run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import stranger

INTEGRATION = stranger.ROOT / "integration"


def fusesoc(folder: Path, *arguments: str, cores: Path = INTEGRATION) -> subprocess.CompletedProcess:
    """One call with nothing of this user's settings, in ``folder``; Verilator and this Python are on the path."""
    stranger.verilator_environment()
    own = {name: str(folder / "settings") for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(cores), *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True)


def test_fusesoc_lists_the_core(tmp_path):
    done = fusesoc(tmp_path, "core", "list")
    assert done.returncode == 0, done.stderr
    assert "hakone:units:generated:1.0" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("unit", ["aes128_enc", "line_cipher"])
def test_fusesoc_generates_and_lints_a_unit(tmp_path, unit):
    done = fusesoc(tmp_path, "run", "--target", f"lint_{unit}", "hakone:units:generated")
    assert done.returncode == 0, done.stdout + done.stderr
    made = list(tmp_path.rglob(f"{unit}.v"))
    assert made and f"module {unit}" in made[0].read_text()


@pytest.mark.long
def test_fusesoc_tells_of_a_lint_that_fails(tmp_path):
    """The control: a target whose top level does not exist must not end with 0."""
    text = (INTEGRATION / "hakone_units.core").read_text()
    cores = tmp_path / "cores"
    cores.mkdir()
    text = text.replace("command: hakone_generate.py", f"command: {INTEGRATION / 'hakone_generate.py'}")
    (cores / "units.core").write_text(text.replace("toplevel: aes128_enc", "toplevel: nowhere"))
    done = fusesoc(tmp_path, "run", "--target", "lint_aes128_enc", "hakone:units:generated", cores=cores)
    assert done.returncode != 0 and "nowhere" in done.stdout + done.stderr


@pytest.mark.long
def test_line_cipher_between_litex_buses(tmp_path):
    """LiteX turns the wrapper into Verilog; the bench of the unit runs on that, through the wrapper's buses."""
    top = tmp_path / "litex_top.v"
    script = Path(__file__).parent / "litex_top.py"
    done = subprocess.run([sys.executable, str(script), str(top)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file = stranger.generate("line_cipher", tmp_path)
    passed = stranger.run([top, file], "litex_top", "bench_line_cipher", tmp_path)
    assert "published_vectors" in passed and "promised_cycles" in passed
