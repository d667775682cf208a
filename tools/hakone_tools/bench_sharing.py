"""What an access to shared closed memory costs beside one to a private protected region: the operating system, the
library and two processes of ``firmware/bench/sharing.c``.
"""

import re
from pathlib import Path

from hakone.soc.config import PRESETS
from hakone_sim.run import simulate

from .paths import FIRMWARE
from .sealing import SeededKeys
from .system_image import Plan, build_system
from .system_programs import ClosedProgram, draw_shared

SOURCE = FIRMWARE / "bench" / "sharing.c"
SEED = 1


def measure(folder: Path, latency: int) -> dict[str, float]:
    """Cycles added for each access, ``cold`` (every one misses) and ``warm`` (every one hits), and what a private one
    takes: ``cold_private``, ``warm_private``. Raises ``RuntimeError`` when the program does not run to its end.
    """
    keys = draw_shared(SeededKeys(SEED))
    program = ClosedProgram(
        "sharing", [SOURCE], frozenset({1, 2}), SeededKeys(SEED + 1), keys, heap_bytes=0x1000, stack_bytes=0x1000
    )
    folder.mkdir(parents=True, exist_ok=True)
    system = build_system("sharing", Plan([program], [("sharing", 0), ("sharing", 0)]), folder)
    result = simulate(
        PRESETS["default"], system.program.elf, fuses=system.program.fuses, latency=latency, max_cycles=None
    )
    found = dict(re.findall(rb"(private|shared) (cold \d+ warm \d+ accesses \d+)", result.uart))
    if result.status or len(found) != 2:
        raise RuntimeError(f"sharing: ended with status {result.status} ({result.reason}); it said {result.uart!r}")
    cold, warm, count = ({name.decode(): int(text.split()[n]) for name, text in found.items()} for n in (1, 3, 5))
    answer: dict[str, float] = {}
    for name, cycles in (("cold", cold), ("warm", warm)):
        answer[name] = (cycles["shared"] - cycles["private"]) / count["shared"]
        answer[f"{name}_private"] = cycles["private"] / count["private"]
    return answer
