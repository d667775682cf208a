"""``make bench``: measures, prints a table and writes ``build/bench.json``.

Every figure stands beside the plain figure of the same run. Cycles are the hardware's own count (``mcycle`` read by
the kernel around its work, or a bench's cycle counter); wall time appears in one figure only, the simulator's speed.
All is of the preset ``default``, memory at the latency that the name says, 14 cycles where it says none, 10 for
CoreMark. With ``RECORD=1`` the figures are appended to the history (``history``), and the table of lost cycles becomes
a page of the reference.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from hakone.soc.config import PRESETS, SocConfig
from hakone_sim import line_bench
from hakone_sim.run import Result, simulate

from . import bench_coremark, bench_lost, bench_sdram, bench_sharing, bench_switches, history
from .errors import ToolError
from .paths import BUILD, ROOT
from .programs import KERNELS, Program, build_plain, build_sealed, kernel_sources

LATENCY_CYCLES = 14
SPEED_KERNEL = "sha256"
SPEED_RUNS = 3
WORK = BUILD / "bench"
DEFAULT = PRESETS["default"]
LOST_PAGE = ROOT / history.LOST_PAGE
#: Goals by pattern of the name: (pattern, comparison, now, beyond).
GOALS = (
    (r"sim\.cycles_per_second", ">=", 300_000, 1_000_000),
    (r"fill\.xts128\.lat\d+\.added", "<=", 14, 9),
    (r"evict\.xts128\.lat\d+\.added", "<=", 14, 4),
    (r"core\.ipc\.mean", ">=", None, 0.85),
    (r"core\.coremark_per_mhz", ">=", 2.7, 3.1),
    (r"slowdown\.xts128\.mean", "<=", None, 1.03),
    (r"slowdown\.xts128\.cache1k\.mean", "<=", None, 1.10),
    (r"trap\.plain\.cycles", "<=", 8, 5),
    (r"ctxrun\.cycles", "<=", 10, 5),
    (r"share\.access\.added", "<=", 0, 0),
)

Record = dict[str, object]


def record(name: str, value: float, unit: str, plain: float | None, only: str) -> Record:
    """One figure, in the form that ``build/bench.json`` has. ``only`` is the part of the bench that repeats it."""
    return {"name": name, "value": value, "unit": unit, "plain": plain, "command": f"make bench ONLY={only}"}


def kernel_cycles(result: Result, name: str) -> tuple[int, str]:
    """Cycles and result that a kernel printed. Raises ``RuntimeError`` when the run failed or printed neither."""
    found = re.search(rb"cycles (\d+) result (0x[0-9a-f]+)", result.uart)
    if result.status or not found:
        raise RuntimeError(f"kernel {name}: ended with status {result.status} ({result.reason} {result.detail})")
    return int(found[1]), found[2].decode()


def run_kernel(program: Program, config: SocConfig = DEFAULT) -> Result:
    """Run a kernel, the snooper on when it is a sealed one."""
    options: dict[str, Any] = {}
    if program.fuses:
        options = {"fuses": program.fuses, "plaintexts": program.plaintexts}
    return simulate(config, program.elf, latency=LATENCY_CYCLES, max_cycles=None, **options)


def kernels() -> Iterator[Record]:
    """Instructions per cycle and the cost of protection, for every kernel, cold start, on the preset."""
    yield from _kernels(DEFAULT, "", "kernels")


def small_caches() -> Iterator[Record]:
    """The cost of protection with caches of 1 KiB each."""
    config = replace(DEFAULT, icache_bytes=1024, dcache_bytes=1024)
    yield from (r for r in _kernels(config, "cache1k.", "cache1k") if str(r["name"]).startswith("slowdown"))


def _kernels(config: SocConfig, prefix: str, only: str) -> Iterator[Record]:
    ipc, slow = [], []
    for name in track(KERNELS, description=f"kernels {prefix}", console=Console(stderr=True), transient=True):
        plain = run_kernel(build_plain(name, kernel_sources(name), WORK), config)
        protected = run_kernel(build_sealed(name, kernel_sources(name), WORK, seed=1), config)
        (plain_cycles, plain_says), (cycles, says) = kernel_cycles(plain, name), kernel_cycles(protected, name)
        if plain_says != says or protected.snooper["bus_plaintext_hits"]:
            raise RuntimeError(f"kernel {name}: the protected run says {says}, the plain one {plain_says}")
        ipc.append(plain.instructions / plain.cycles)
        slow.append(cycles / plain_cycles)
        yield record(f"core.ipc.{name}", round(ipc[-1], 3), "instructions/cycle", None, "kernels")
        yield record(f"slowdown.xts128.{prefix}{name}", round(slow[-1], 4), "ratio", 1.0, only)
    yield record("core.ipc.mean", round(statistics.mean(ipc), 3), "instructions/cycle", None, "kernels")
    yield record(f"slowdown.xts128.{prefix}mean", round(statistics.mean(slow), 4), "ratio", 1.0, only)


def speed() -> Iterator[Record]:
    """Simulated cycles per second of wall time: an encrypted kernel, snooper on, median of three runs."""
    program = build_sealed(SPEED_KERNEL, kernel_sources(SPEED_KERNEL), WORK, seed=1)
    rates = [run_kernel(program).cycles_per_second for _ in range(SPEED_RUNS)]
    plain = run_kernel(build_plain(SPEED_KERNEL, kernel_sources(SPEED_KERNEL), WORK))
    value, beside = statistics.median(rates), plain.cycles_per_second
    yield record("sim.cycles_per_second", round(value), "1/s", round(beside), "speed")


def lines() -> Iterator[Record]:
    """Cycles that the cipher adds to a line's fill and to its eviction."""
    for r in line_bench.figures():
        yield record(str(r["name"]), r["value"], str(r["unit"]), r["plain"], "lines")


def switches() -> Iterator[Record]:
    """A trap out of a plain context, and ``ctxrun``."""
    spent = bench_switches.measure(WORK, LATENCY_CYCLES)
    yield record("trap.plain.cycles", spent["trap"], "cycles", None, "switches")
    yield record("ctxrun.cycles", spent["ctxrun"], "cycles", None, "switches")


def sharing() -> Iterator[Record]:
    """An access to shared closed memory against one to a private region: every one a miss, and every one a hit."""
    cost = bench_sharing.measure(WORK / "sharing", LATENCY_CYCLES)
    # The worse of the two is the figure.
    yield record("share.access.added", round(max(cost["cold"], cost["warm"]), 3), "cycles", 0, "sharing")
    for name in ("cold", "warm"):
        private = round(cost[f"{name}_private"], 2)
        yield record(f"share.access.{name}.added", round(cost[name], 3), "cycles", private, "sharing")


def sdram() -> Iterator[Record]:
    """Lines, streams and kernels with an SDRAM chip at the pads."""
    for figures in (bench_sdram.lines(), bench_sdram.kernels(WORK, kernel_cycles)):
        for name, value, unit, plain in figures:
            yield record(name, value, unit, plain, "sdram")


def coremark(folder: Path) -> Iterator[Record]:
    """CoreMark out of ``folder``, plain and sealed. ``ToolError`` when it is no copy, ``RuntimeError`` when it finds an
    error.
    """
    other = bench_coremark.changed(bench_coremark.find(folder))
    if other:
        print(f"make bench: {', '.join(other)}: not as in the copy's {bench_coremark.SUMS}", file=sys.stderr)
    plain, sealed = bench_coremark.run_plain(folder, WORK), bench_coremark.run_sealed(folder, WORK)
    again = "coremark COREMARK=DIR"
    value = round(plain.per_mhz, 3)
    yield record("core.coremark_per_mhz", value, "1/MHz", None, again)
    yield record("core.coremark_per_mhz.sealed", round(sealed.per_mhz, 3), "1/MHz", value, again)
    ipc = plain.result.instructions / plain.result.cycles
    yield record("core.ipc.coremark", round(ipc, 3), "instructions/cycle", None, again)


def lost(folder: Path | None, publish: bool) -> Iterator[Record]:
    """Where the cycles go: the kernels, and CoreMark when there is a copy. Prints the table and writes
    ``build/lost.json``; with ``publish`` also the page of the reference.
    """
    again = "lost" + (" COREMARK=DIR" if folder else "")
    runs = {name: run_kernel(build_plain(name, kernel_sources(name), WORK)) for name in KERNELS}
    mean = bench_lost.means(runs)
    if folder:
        runs["coremark"] = bench_coremark.run_plain(folder, WORK).result
    Console(width=max(120, 12 * len(runs) + 30)).print(bench_lost.table(runs))
    counts = {n: {"cycles": r.cycles, "instructions": r.instructions, "lost": r.raw["lost"]} for n, r in runs.items()}
    (BUILD / "lost.json").write_text(json.dumps(counts, indent=1) + "\n")
    if publish:
        LOST_PAGE.write_text(bench_lost.page(runs, f"make bench ONLY={again} RECORD=1"))
    yield from (record(f"lost.{c}.mean", round(part, 5), "ratio", None, again) for c, part in mean.items())


PARTS: dict[str, Callable[[], Iterator[Record]]] = {
    "speed": speed,
    "lines": lines,
    "switches": switches,
    "sharing": sharing,
    "sdram": sdram,
    "kernels": kernels,
    "cache1k": small_caches,
}
#: These take what the user gave.
MORE_PARTS = ("coremark", "lost")


def judge(name: str, value: float) -> str:
    """How a figure stands to its goals, in words; empty where there is none."""
    for pattern, comparison, now, beyond in GOALS:
        if re.fullmatch(pattern, name):
            holds = (lambda goal: value <= goal) if comparison == "<=" else (lambda goal: value >= goal)
            if holds(beyond):
                return f"beyond ({comparison} {beyond})"
            if now is None:
                return f"not beyond ({comparison} {beyond})"
            return f"holds ({comparison} {now})" if holds(now) else f"MISSED ({comparison} {now})"
    return ""


def show(records: list[Record]) -> bool:
    """Print the figures beside their goals; whether all goals are met."""
    table = Table(title="Figures (preset default)")
    for column in ("figure", "value", "plain", "unit", "goal"):
        table.add_column(
            column, justify="right" if column in ("value", "plain") else "left", no_wrap=column == "figure"
        )
    missed = 0
    for r in records:
        verdict = judge(str(r["name"]), float(str(r["value"])))
        missed += verdict.startswith("MISSED")
        table.add_row(str(r["name"]), str(r["value"]), str(r["plain"] or ""), str(r["unit"]), verdict)
    Console().print(table)
    return not missed


def measure(only: str, folder: Path | None, publish: bool) -> list[Record]:
    """The figures of one part, or of all: CoreMark's only with a folder to take it from."""
    parts = dict(PARTS)
    if folder:
        parts["coremark"] = lambda: coremark(folder)
    parts["lost"] = lambda: lost(folder, publish)
    return [r for name, part in parts.items() if not only or name == only for r in part()]


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; 1 when a goal is missed, 2 for bad input."""
    names = (*PARTS, *MORE_PARTS)
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--only", default="", help=f"one of {', '.join(names)}")
    parser.add_argument("--coremark", default="", metavar="FOLDER", help="a copy of EEMBC's CoreMark")
    given = parser.parse_args(arguments)
    only, folder = given.only, Path(given.coremark).absolute() if given.coremark else None
    if only and only not in names:
        print(f"make bench: ONLY={only}: no such part; there are {', '.join(names)}", file=sys.stderr)
        return 2
    if only == "coremark" and not folder:
        print("make bench: COREMARK: not given; name the folder of a copy of EEMBC's CoreMark", file=sys.stderr)
        return 2
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        if folder:
            bench_coremark.find(folder)
        writes = history.open_for("bench")
        records = measure(only, folder, writes is not None)
    except ToolError as e:
        print(f"make bench: {e}", file=sys.stderr)
        return 2
    met = show(records)
    path = BUILD / "bench.json"
    known = json.loads(path.read_text()) if only and path.exists() else []
    names_now = {r["name"] for r in records}
    path.write_text(json.dumps([r for r in known if r["name"] not in names_now] + records, indent=1) + "\n")
    print(f"wrote {Path('build') / path.name}")
    if writes:
        writes.record(records)
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
