"""The generated Verilog: the same bytes wherever and however it is made, and clean but for the waived classes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hakone_tools.cmd_generate import LINT_WAIVED, lint

ROOT = Path(__file__).resolve().parents[2]


def generate(tree: Path, output: Path, hash_seed: int) -> bytes:
    """Run ``hakone generate`` out of ``tree`` and return what it wrote."""
    rooms = os.pathsep.join(str(tree / room) for room in ("hw", "sim", "tools"))
    env = {**os.environ, "PYTHONPATH": rooms, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "hakone_tools.cli", "generate", "-o", str(output)]
    done = subprocess.run(command, cwd=output.parent, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output.read_bytes()


def test_same_bytes_from_another_place_under_another_hash_seed_and_lint_is_clean(tmp_path):
    elsewhere = tmp_path / "a much longer path" / "clone"
    for room in ("hw", "sim", "tools"):
        shutil.copytree(ROOT / room, elsewhere / room, ignore=shutil.ignore_patterns("__pycache__"))
    first = generate(ROOT, tmp_path / "first.v", 1)
    second = generate(elsewhere, tmp_path / "second.v", 4711)
    assert first == second
    assert len(first) > 100_000
    assert str(ROOT).encode() not in first
    assert lint(tmp_path / "first.v", "hakone") == []


def test_lint_finds_what_is_not_waived(tmp_path):
    bad = tmp_path / "bad.v"
    bad.write_text("module bad(input a, output b);\n  wire c;\n  assign b = a & c;\nendmodule\n")
    assert lint(bad, "bad") == []  # an undriven wire is not an error for Verilator's default lint
    bad.write_text("module bad(output [1:0] b);\n  assign b[0] = b[1];\n  assign b[1] = b[0];\nendmodule\n")
    assert any("UNOPTFLAT" in message for message in lint(bad, "bad"))
    assert "UNOPTFLAT" not in LINT_WAIVED
