"""Lockstep: runs a program on the simulated system and replays its trace on the reference, instruction by instruction.

``run`` takes any program; ``run_random`` makes the program of a seed and derives memory latency and wait states from
it, so that one number repeats everything. ``python -m hakone_sim.lockstep --seed N`` does the same by hand and prints
the report of a difference.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hakone.soc.config import PRESETS, SocConfig

from . import trace
from .coverage import Coverage
from .models.context_model import CodeRegion
from .models.mismatch import MismatchError
from .models.reference import STEP, Reference
from .models.store_log import STORE
from .program import Program, load
from .random_program import random_program
from .run import Result, simulate

PIECE = 1 << 18  #: records that are compared at a time


class LockstepError(Exception):
    """The run did not end as its program must, so that there is nothing to compare to the end."""


@dataclass(frozen=True)
class Outcome:
    """A run in which nothing differed: ``instructions`` compared, how the run ended, what it exercised."""

    instructions: int
    result: Result
    coverage: Coverage


def steps_of(records: np.ndarray) -> np.ndarray:
    """Instructions and traps of a trace as the reference wants them."""
    records = records[trace.info(records, "kind") != trace.STORE]
    kind = trace.info(records, "kind")
    steps = np.zeros(len(records), STEP)
    for name in ("cycle", "pc", "raw", "value"):
        steps[name] = records[name]
    for name in ("rd", "rd_write", "cause", "level", "context", "encrypted"):
        steps[name] = trace.info(records, name)
    steps["retire"], steps["trap"] = kind == trace.RETIRE, kind == trace.TRAP
    return steps


def stores_of(records: np.ndarray, ram_end: int) -> np.ndarray:
    """Stores of a trace that went to RAM."""
    records = records[trace.info(records, "kind") == trace.STORE]
    records = records[(records["pc"] >= 0x8000_0000) & (records["pc"] < ram_end)]
    stores = np.zeros(len(records), STORE)
    stores["address"], stores["data"], stores["strobe"] = records["pc"], records["raw"], trace.info(records, "strobe")
    return stores


def compare(
    records: np.ndarray,
    program: Program,
    config: SocConfig,
    repeat: str = "",
    regions: Sequence[CodeRegion] = (),
) -> int:
    """Replay the records of a run; returns the number of instructions. ``regions``: see ``Reference``. Raises
    ``MismatchError``.
    """
    reference = Reference(
        list(program.segments), ram_bytes=config.ram_bytes, clock_hz=config.clock_hz, repeat=repeat, regions=regions
    )
    ram_end = 0x8000_0000 + config.ram_bytes
    for first in range(0, len(records), PIECE):
        piece = records[first : first + PIECE]
        reference.feed(steps_of(piece), stores_of(piece, ram_end))
    return reference.instructions


def run(
    program: Program | Path | str,
    config: SocConfig = PRESETS["default"],
    *,
    plain: Program | Path | str | None = None,
    repeat: str = "",
    **watch,
) -> Outcome:
    """Run ``program`` and compare. ``watch`` are fields of ``run.Watch``; ``plain`` is the same program before it was
    sealed, for the reference, which knows no encryption.

    The trace is compared even when the run ends badly: a difference explains more than a hang. Raises
    ``MismatchError`` or ``LockstepError``.
    """
    if not isinstance(program, Program):
        program = load(program, config.ram_bytes)
    if plain is not None and not isinstance(plain, Program):
        plain = load(plain, config.ram_bytes)
    with tempfile.TemporaryDirectory(prefix="hakone-lockstep-") as folder:
        path = Path(folder) / "trace"
        result = simulate(config, program, trace=path, **watch)
        records = trace.read(path).records
    instructions = compare(records, plain or program, config, repeat)
    if result.status:
        raise LockstepError(
            f"the run ended with status {result.status} ({result.reason}: {result.detail}) and no difference before it"
            + (f"; repeat with: {repeat}" if repeat else "")
        )
    coverage = Coverage()
    coverage.add(records)
    return Outcome(instructions, result, coverage)


def run_random(seed: int, config: SocConfig = PRESETS["default"]) -> Outcome:
    """The random program of ``seed`` under the memory latency and wait states of ``seed``."""
    rng = random.Random(seed ^ 0x10C5)
    blocks = rng.choice((60, 120, 120, 400))
    made = random_program(seed, blocks=blocks, ram_bytes=config.ram_bytes)
    with tempfile.TemporaryDirectory(prefix="hakone-random-") as folder:
        path = Path(folder) / f"random{seed}.elf"
        path.write_bytes(made.elf())
        return run(
            path,
            config,
            repeat=f"python -m hakone_sim.lockstep --seed {seed}",
            latency=rng.choice((1, 2, 10, 30)),
            wait_seed=rng.choice((0, seed + 1, seed + 1)),
            wait_percent=rng.choice((10, 30, 60)),
            max_cycles=5_000_000,
        )


def main(arguments: list[str] | None = None) -> int:
    """Run one seed, or one program file, in lockstep; 0 when nothing differs."""
    parser = argparse.ArgumentParser(prog="hakone_sim.lockstep", description=main.__doc__)
    parser.add_argument("--seed", type=int, help="seed of a random program")
    parser.add_argument("--elf", type=Path, help="run this program instead")
    parser.add_argument("--keep", type=Path, help="write the random program to this file as well")
    options = parser.parse_args(arguments)
    if options.keep and options.seed is not None:
        rng = random.Random(options.seed ^ 0x10C5)
        options.keep.write_bytes(random_program(options.seed, blocks=rng.choice((60, 120, 120, 400))).elf())
    try:
        outcome = run(options.elf) if options.elf else run_random(options.seed or 0)
    except (MismatchError, LockstepError) as problem:
        print(problem)
        return 1
    print(f"{outcome.instructions} instructions in lockstep, {outcome.result.cycles} cycles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
