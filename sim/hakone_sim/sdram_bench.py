"""The SDRAM controller by itself before the chip model, driven by cocotb: for its tests and its figures.

The pads are one word each way, so that a cycle costs one look and one value.
"""

import dataclasses
import json
import os
from pathlib import Path

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hakone.bus.axi4 import Axi4
from hakone.memory.sdram import SdramController
from hakone.memory.sdram_timing import SdramCycles, any_part

from . import unit_model
from .sdram_library import PARTS, Chip

CLOCK_HZ = 80_000_000
POWER_UP_CYCLES = 100  #: instead of 200 us, so that a test does not wait
TESTS = unit_model.builder.ROOT / "tests" / "unit" / "cocotb_sdram.py"
BENCH_VARIABLE = "HAKONE_SDRAM_BENCH"


def timed(size_bytes: int, clock_hz: int) -> SdramCycles:
    """What the bench's controller counts: as in the system, but for the pause at power-up."""
    return dataclasses.replace(any_part(size_bytes).cycles(clock_hz), power_up=POWER_UP_CYCLES)


class SdramBench(wiring.Component):
    """Controller with ``axi``, ``pads`` (``sdram_library.Pads.word``) and ``dq_i``."""

    def __init__(self, size_bytes: int, clock_hz: int):
        self._controller = SdramController(any_part(size_bytes), clock_hz, cycles=timed(size_bytes, clock_hz))
        super().__init__({"axi": In(Axi4()), "pads": Out(39), "dq_i": In(16)})

    def elaborate(self, _platform) -> Module:
        """Wires only."""
        m = Module()
        m.submodules.controller = controller = self._controller
        wiring.connect(m, wiring.flipped(self.axi), controller.axi)
        p = controller.pads
        names = ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm", "dq_oe", "dq_o")
        m.d.comb += [self.pads.eq(Cat(*(getattr(p, name) for name in names))), p.dq_i.eq(self.dq_i)]
        return m


def chip(size_bytes: int, clock_hz: int, **changes: int) -> Chip:
    """The chip that fits such a controller."""
    period = 10**12 // clock_hz
    shift = round(timed(size_bytes, clock_hz).clock_shift * period)
    changes = {"power_up": POWER_UP_CYCLES * period, **changes}
    return Chip(PARTS[size_bytes], period, shift, **changes)


def judge(
    folder: Path, seed: int, size_bytes: int = 32 << 20, clock_hz: int = CLOCK_HZ, tests: str = "", **changes: int
) -> tuple[list[str], list[dict]]:
    """Run ``tests/unit/cocotb_sdram.py``: names of the tests that passed, and what they noted, a row for each test.

    ``tests``: a regular expression for their names. ``changes``: values of the chip's data sheet. ``folder``, an empty
    one, takes report, log and notes. Raises ``AssertionError`` with the log when a test fails.
    """
    name = f"sdram_bench_{size_bytes >> 20}_{clock_hz // 10**6}"
    text = unit_model.generate(name, lambda: SdramBench(size_bytes, clock_hz), Path(__file__))
    setting = {"size_bytes": size_bytes, "clock_hz": clock_hz, "changes": changes}
    environment = {"HAKONE_SEED": str(seed), BENCH_VARIABLE: json.dumps(setting)}
    if tests:
        environment["COCOTB_TEST_FILTER"] = tests
    passed = unit_model.run_cocotb(TESTS, text, name, folder, environment)
    notes = folder / "notes.jsonl"
    return passed, [json.loads(row) for row in notes.read_text().splitlines()] if notes.exists() else []


def setting() -> dict:
    """What ``judge`` has told the tests that run in the model."""
    return json.loads(os.environ[BENCH_VARIABLE])
