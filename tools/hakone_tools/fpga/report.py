"""What is told of a build: figures in the form of ``make bench``, cells by room, and the longest paths in words."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from . import synthesis
from .flow import Built

Record = dict[str, Any]


def record(name: str, value: float, unit: str, command: str) -> Record:
    """One figure."""
    return {"name": name, "value": value, "unit": unit, "plain": None, "command": command}


def area_records(cells: dict[str, Counter], command: str, system: str = "hakone") -> list[Record]:
    """Cells of the whole system by kind, and LUT4 of core, caches and cipher."""
    records = [record(f"area.hakone.{c}", cells[system][c], c, command) for c in synthesis.COLUMNS]
    inside = synthesis.core_caches_cipher(cells)
    return [*records, record("fpga.core_caches_cipher.lut4", inside, "LUT4", command)]


def speed_records(built: Built, name: str, command: str) -> list[Record]:
    """Median rate over the seeds as ``fpga.<name>.fmax_mhz``, and the rate of each."""
    records = [record(f"fpga.{name}.fmax_mhz", built.median_mhz, "MHz", command)]
    for seed in built.seeds:
        records.append(record(f"fpga.{name}.fmax_mhz.seed{seed.seed}", seed.fmax_mhz, "MHz", command))
    return records


def rooms_table(cells: dict[str, Counter], system: str = "hakone") -> Table:
    """Cells of each module worth a line, with everything below it."""
    table = Table(title="Cells for ECP5 by room (Yosys synth_ecp5, hierarchy kept)")
    table.add_column("module", no_wrap=True)
    for name in synthesis.COLUMNS:
        table.add_column(name, justify="right")
    for name in synthesis.rooms(cells, system):
        table.add_row(name, *(str(cells[name][c]) for c in synthesis.COLUMNS))
    return table


def print_built(built: Built, goal_mhz: float | None, console: Console | None = None) -> None:
    """Seeds, utilisation, and the longest paths of the fastest seed."""
    console = console or Console()
    rates = ", ".join(f"seed {s.seed}: {s.fmax_mhz:.2f}" for s in built.seeds)
    console.print(f"Fmax in MHz: {rates}; median {built.median_mhz:.2f}", highlight=False, soft_wrap=True)
    if goal_mhz is not None:
        word = "meets" if built.best.fmax_mhz >= goal_mhz else "MISSES"
        console.print(f"seed {built.best.seed} {word} {goal_mhz:g} MHz", highlight=False)
    used = {n: u for n, u in built.best.used.items() if u[0]}
    text = ", ".join(f"{n} {u} of {there} ({100 * u // there} %)" for n, (u, there) in sorted(used.items()))
    console.print(f"device: {text}", highlight=False, soft_wrap=True)
    console.print(f"longest paths of seed {built.best.seed}:", highlight=False)
    for number, path in enumerate(built.best.paths, 1):
        console.print(f"{number}. {path.words()}", highlight=False, soft_wrap=True, markup=False)


def built_content(built: Built) -> dict[str, Any]:
    """Everything about a build but its figures, for the report's JSON."""
    return {
        "seeds": [
            {"seed": s.seed, "fmax_mhz": s.fmax_mhz, "constraint_mhz": s.constraint_mhz, "seconds": s.seconds}
            for s in built.seeds
        ],
        "best_seed": built.best.seed,
        "utilisation": {n: {"used": u, "available": a} for n, (u, a) in sorted(built.best.used.items())},
        "paths": [p.as_dict() for p in built.best.paths],
        "paths_in_words": [p.words().splitlines() for p in built.best.paths],
    }


def write(path: Path, records: list[Record], **content: Any) -> None:
    """Put figures and sections into the report at ``path``; what it has of others stays."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    names = {r["name"] for r in records}
    kept = [r for r in known.get("records", []) if r["name"] not in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**known, "records": kept + records, **content}, indent=1) + "\n")
