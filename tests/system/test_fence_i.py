"""``fence.i`` and the data cache: what was stored before it stands in memory after it, and in the cache still."""

from pathlib import Path

import numpy as np
import pytest

from hakone.isa.events import Event
from hakone.isa.platform import RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim import trace
from hakone_sim.run import simulate
from hakone_tools.programs import build_plain

SOURCE = Path(__file__).resolve().parent / "programs" / "clean.S"


@pytest.mark.parametrize("wait_seed", [0, 17])
def test_fence_i_writes_every_dirty_line_and_keeps_it(wait_seed, tmp_path):
    """Sixteen lines in both ways of eight sets: all in memory, and the next load of one of them misses nothing."""
    program = build_plain("clean", [SOURCE], tmp_path)
    files = {"ram_out": tmp_path / "memory", "trace": tmp_path / "trace"}
    result = simulate(PRESETS["default"], program.elf, wait_seed=wait_seed, **files)
    assert result.status == 0, result.detail
    at = program.symbols()
    memory = (tmp_path / "memory").read_bytes()
    places = [at["lines"] - RAM_BASE + 320 * n + way for n in range(8) for way in (0, 4096)]
    words = [int.from_bytes(memory[p : p + 4], "little") for p in places]
    assert words == [0xC1EA0001 + n for n in range(16)]
    retired = trace.read(tmp_path / "trace").retired
    behind = np.nonzero(retired["pc"] == at["after"])[0][0]
    events = retired["events"]
    assert not (events[behind:] >> Event.DCACHE_MISS.value & 1).any()
    assert result.events["dcache_evict"] >= 16
