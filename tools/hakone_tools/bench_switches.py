"""What a trap out of a context and ``ctxrun`` cost, in cycles, to the first instruction that retires behind them."""

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from hakone.soc.config import PRESETS
from hakone_sim import trace
from hakone_sim.run import simulate

from .paths import FIRMWARE
from .programs import build_plain

SOURCE = FIRMWARE / "bench" / "switches.S"
_WARM = 4  #: rounds that fill the caches


def measure(folder: Path, latency: int) -> dict[str, float]:
    """Median cycles of a warm round: ``trap`` from a plain context's call to the handler, ``ctxrun`` from the
    instruction to the context. Raises ``RuntimeError`` when the program does not run to its end.
    """
    program = build_plain("switches", [SOURCE], folder)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "switches.trace"
        result = simulate(replace(PRESETS["default"], probe=True), program.elf, latency=latency, trace=path)
        if result.status:
            raise RuntimeError(f"switches: ended with status {result.status} ({result.reason} {result.detail})")
        records = trace.read(path).of_kind(trace.RETIRE, trace.TRAP)
    cycles, context = records["cycle"].astype(int), trace.info(records, "context")
    spent: dict[str, list[int]] = {"trap": [], "ctxrun": []}
    for n in range(len(records) - 1):
        if context[n] != context[n + 1]:
            spent["trap" if context[n] else "ctxrun"].append(int(cycles[n + 1] - cycles[n]))
    if min(map(len, spent.values())) < 2 * _WARM:
        raise RuntimeError(f"switches: only {spent} were seen")
    return {name: statistics.median(values[_WARM:]) for name, values in spent.items()}
