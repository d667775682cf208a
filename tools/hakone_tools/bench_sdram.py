"""What memory costs when it is an SDRAM chip: a line by the state of its row, streams of lines, and whole kernels.

Lines and streams are the controller's alone, before the chip model, at the clock of the preset; kernels run on the
whole system with the controller, against ideal memory of the same size. Every run is judged by the chip model.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from hakone.soc.config import PRESETS, SocConfig
from hakone_sim import sdram_bench
from hakone_sim.run import Result, simulate

from .programs import build_plain, kernel_sources

IDEAL_LATENCY = 10
SIZE = 32 << 20
SEED = 1
#: Three whose working sets exceed the caches, and one that fits.
KERNELS = ("stream", "lz", "quicksort", "crc32")
IDEAL = replace(PRESETS["default"], ram_bytes=SIZE)
CHIP = replace(IDEAL, memory="sdram")

Figure = tuple[str, float, str, float | None]


def lines() -> Iterator[Figure]:
    """Cycles from the acceptance of a line's address to its first and its last beat, and the part of the cycles in
    which sequential lines use the data pads.
    """
    with tempfile.TemporaryDirectory() as folder:
        clock = CHIP.clock_hz
        _, rows = sdram_bench.judge(Path(folder), SEED, SIZE, clock, "lines_take|lines_follow")
    notes = {row["test"]: row for row in rows}
    for state in ("hit", "closed", "conflict"):
        first = notes["lines"][state]
        yield f"sdram.fill.{state}.first", first, "cycles", None
        yield f"sdram.fill.{state}.last", first + notes["lines"]["beats"], "cycles", None
    for direction in ("read", "write"):
        yield f"sdram.bandwidth.{direction}", round(notes["stream"][direction], 4), "ratio", None


def kernels(folder: Path, cycles: Callable[[Result, str], tuple[int, str]]) -> Iterator[Figure]:
    """Cycles of plain kernels against ideal memory. ``cycles``: what a kernel has printed. Raises ``RuntimeError``
    when a result differs.
    """
    slow = []
    for name in KERNELS:
        program = build_plain(name, kernel_sources(name), folder)
        (ideal, says), (real, says_too) = (cycles(_run(config, program.elf), name) for config in (IDEAL, CHIP))
        if says != says_too:
            raise RuntimeError(f"kernel {name}: on the SDRAM it says {says_too}, on ideal memory {says}")
        slow.append(real / ideal)
        yield f"sdram.slowdown.{name}", round(slow[-1], 4), "ratio", 1.0
    yield "sdram.slowdown.mean", round(sum(slow) / len(slow), 4), "ratio", 1.0


def _run(config: SocConfig, elf: Path) -> Result:
    return simulate(config, elf, latency=IDEAL_LATENCY, max_cycles=None)
