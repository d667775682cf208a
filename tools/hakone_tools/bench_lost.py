"""Where the cycles of a run go in which no instruction retires: the shares that the simulation counts, as a table."""

import statistics
from collections.abc import Mapping

from rich.table import Table

from hakone_sim.run import Result

#: Causes of lost cycles as the simulation names them, and what each of them is, in words for the table in docs.
CAUSES = {
    "start": "before the first instruction of all: boot loader, first fetch",
    "load_use": "the next instruction needs what a load (or atomic operation) brings",
    "multiply_use": "the next instruction needs a product",
    "other_use": "the next instruction needs a quotient, a CSR's value or another late result",
    "divide": "a division works",
    "branch": "a conditional branch was predicted wrongly",
    "return": "a return's target was predicted wrongly or not at all",
    "indirect": "another indirect jump's or call's target was predicted wrongly or not at all",
    "jump": "a direct jump or call was not known yet",
    "no_transfer": "something was predicted to be a transfer and is none",
    "flush": "fetched anew behind a CSR write, `fence.i`, `mret` and the like",
    "trap": "an exception or interrupt, and fetching its handler",
    "switch": "a change of context or mode, and fetching what follows",
    "fetch_miss": "the instruction cache fetched a line",
    "fetch_late": "a mispredicted target took longer than two cycles without a miss: it lies across two blocks",
    "fetch_empty": "the fetch queue was empty without a miss",
    "load_miss": "a load waited for a line",
    "store_miss": "a store waited for a line",
    "load_wait": "a load waited without a miss of its own: unaligned data, the line buffer busy",
    "store_wait": "a store, likewise",
    "split": "an access in two parts",
    "atomic": "an atomic operation beyond its first cycle",
    "device": "a device access",
    "memory_busy": "no access waited, but the data side was busy for itself when the next one came",
    "system": "`wfi`, fences, and instructions of contexts, modes and regions at work",
    "unknown": "not explained; a defect of the counting",
}


def shares(result: Result) -> dict[str, int]:
    """Lost cycles by cause. Raises ``RuntimeError`` when they and the instructions are not all cycles."""
    lost = dict(result.raw["lost"]["cycles"])
    if set(lost) != set(CAUSES):
        raise RuntimeError(f"lost cycles: causes {sorted(set(lost) ^ set(CAUSES))} are not known on both sides")
    known = sum(lost.values()) + result.instructions
    if known != result.cycles:
        raise RuntimeError(f"lost cycles: {known} of {result.cycles} cycles are accounted for")
    return lost


def means(runs: Mapping[str, Result]) -> dict[str, float]:
    """Share of all cycles that each cause takes, as a mean over the runs: every run counts the same."""
    return {c: statistics.mean(shares(r)[c] / r.cycles for r in runs.values()) for c in CAUSES}


def _percent(part: float) -> str:
    return f"{100 * part:.2f}" if part >= 0.00005 else ""


def rows(runs: Mapping[str, Result]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a row for every cause that shows, a column for every run, in per cent of its cycles."""
    used = [c for c in CAUSES if any(_percent(shares(r)[c] / r.cycles) for r in runs.values())]
    mean = means(runs)
    used.sort(key=lambda c: -mean[c])
    body = [[c, _percent(mean[c]), *(_percent(shares(r)[c] / r.cycles) for r in runs.values())] for c in used]
    busy = [r.instructions / r.cycles for r in runs.values()]
    total = ["instructions", _percent(statistics.mean(busy)), *map(_percent, busy)]
    return ["% of cycles", "mean", *runs], [total, *body]


def table(runs: Mapping[str, Result]) -> Table:
    """The same for the terminal."""
    head, body = rows(runs)
    shown = Table(title="Lost cycles (plain runs, cold start, preset default)")
    for n, name in enumerate(head):
        shown.add_column(name, justify="right" if n else "left", no_wrap=True)
    for row in body:
        shown.add_row(*row)
    return shown


def page(runs: Mapping[str, Result], command: str) -> str:
    """The same as a page of the reference, with the causes in words."""
    head, body = rows(runs)
    lines = [
        "# Lost cycles",
        "",
        f"Written by `{command}`. Plain runs from cold caches on the preset `default`;",
        "every cycle in which no instruction retires has exactly one cause, so each column adds up to 100. Less than",
        "0.005 per cent is left out. [Measuring](../guide/measuring.md) tells how it is counted.",
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in body),
        "",
        "| cause | what it is |",
        "|---|---|",
        *(f"| `{c}` | {text} |" for c, text in CAUSES.items()),
    ]
    return "\n".join(lines) + "\n"
