"""Programs whose log QEMU's ``virt`` board recorded print the same here: exceptions, interrupts, registers, memory."""

import difflib
import importlib.util
from pathlib import Path

import pytest

from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.run import simulate

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "qemu_traps"
_spec = importlib.util.spec_from_file_location("record_traps", VECTORS / "record.py")
record = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(record)


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(PRESETS["default"])


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("name", record.NAMES)
def test_program_prints_what_qemu_recorded(name, seed, tmp_path):
    """Line for line the same log, whatever the memory's wait states."""
    record.build(name, tmp_path / "program")
    result = simulate(PRESETS["default"], tmp_path / "program", wait_seed=seed)
    expected = (VECTORS / f"{name}.log").read_text().splitlines()
    got = result.uart.decode().splitlines()
    assert len(expected) >= 5
    assert got == expected, "\n".join(difflib.unified_diff(expected, got, "QEMU", "Hakone", lineterm=""))
    assert result.status == 0, result.detail
