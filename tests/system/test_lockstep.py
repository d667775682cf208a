"""The system in lockstep with the reference: random programs with random wait states and interrupts, and compiled C.

Every instruction, every cause and every pair of reasons to wait must have occurred in the random run, or the test
fails: lockstep proves nothing about what did not happen.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hakone.isa.platform import RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim import builder, lockstep, trace
from hakone_sim.coverage import Coverage
from hakone_sim.models.mismatch import MismatchError
from hakone_sim.program import load
from hakone_sim.random_program import random_program
from hakone_sim.run import simulate
from hakone_tools.compiler import Options, compile_program

FIRST_SEED = int(os.environ.get("HAKONE_LOCKSTEP_SEED", "1000"))
INSTRUCTIONS = int(os.environ.get("HAKONE_LOCKSTEP_COUNT", "100000"))
KERNELS = Path(__file__).resolve().parents[2] / "firmware" / "kernels"
CONFIG = PRESETS["default"]


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once before anything runs beside it."""
    builder.model(CONFIG)


def test_random_programs_agree_and_everything_occurs():
    """A hundred thousand instructions; a difference prints its seed and the command that repeats it."""
    coverage, done, seed = Coverage(), 0, FIRST_SEED
    with ThreadPoolExecutor(2) as pool:
        while done < INSTRUCTIONS or (coverage.missing() and done < 4 * INSTRUCTIONS):
            for outcome in pool.map(lockstep.run_random, range(seed, seed + 8)):
                done += outcome.instructions
                coverage.merge(outcome.coverage)
            seed += 8
    print(f"seeds {FIRST_SEED} to {seed - 1}: {done} instructions, {coverage.summary()}")
    assert coverage.missing() == []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One random program with its trace, to be spoilt."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "p.elf").write_bytes(random_program(3, blocks=120, ram_bytes=CONFIG.ram_bytes).elf())
    program = load(folder / "p.elf", CONFIG.ram_bytes)
    assert simulate(CONFIG, program, trace=folder / "trace").status == 0
    records = trace.read(folder / "trace").records
    lockstep.compare(records, program, CONFIG)
    return program, records


@pytest.mark.parametrize("field", ["pc", "raw", "value", "rd", "level", "cause", "store address", "store data", "gone"])
def test_a_wrong_record_is_found(recorded, field):
    """The comparison can fail: one wrong bit in one record is reported, whatever it is in."""
    program, records = recorded
    records = records.copy()
    kind, info = trace.info(records, "kind"), records["info"]
    in_ram = records["pc"] >= RAM_BASE
    wanted = {"cause": trace.TRAP, "store address": trace.STORE, "store data": trace.STORE}.get(field, trace.RETIRE)
    places = np.nonzero(
        (kind == wanted) & in_ram & ((trace.info(records, "rd_write") == 1) | (wanted != trace.RETIRE))
    )[0]
    n = places[len(places) // 2]
    match field:
        case "pc" | "store address":
            records["pc"][n] ^= 4
        case "raw" | "store data":
            # For a store, any lane that is written.
            records["raw"][n] ^= 0x0101_0101 if wanted == trace.STORE else 1 << 12
        case "value":
            records["value"][n] ^= 1
        case "rd":
            info[n] ^= 1 << trace.INFO["rd"][0]
        case "level":
            traps = np.nonzero(kind == trace.TRAP)[0]
            info[traps[3]] ^= 3 << trace.INFO["level"][0]
        case "cause":
            info[n] ^= 1 << trace.INFO["cause"][0]
        case "gone":
            records = np.delete(records, n)
    with pytest.raises(MismatchError, match="expected"):
        lockstep.compare(records, program, CONFIG)


@pytest.mark.parametrize("kernel", ["sha256", "lz", "quicksort", "records"])
def test_compiled_programs_agree(kernel, tmp_path):
    """C programs as the compiler makes them, with another latency and wait states each."""
    elf = tmp_path / f"{kernel}.elf"
    sources = [KERNELS / f"{kernel}.c", KERNELS / "kernel_main.c"]
    compile_program([str(s) for s in sources], str(elf), Options())
    seed = sum(kernel.encode())
    outcome = lockstep.run(elf, CONFIG, latency=2 + seed % 20, wait_seed=seed, repeat=f"wait_seed={seed} of {kernel}")
    print(f"{kernel}: {outcome.instructions} instructions, {outcome.result.cycles} cycles")
    assert outcome.instructions > 1000
