"""``make area``: synthesise the default system for ECP5 with Yosys and report what each room takes.

The hierarchy is kept, so that every cell can be counted in the module it stands in; place and route is left out
(``make fpga`` has it). What a cell counts as stands in ``fpga.synthesis``, which both share.
"""

import sys
import time

from rich.console import Console

from hakone.gen import verilog
from hakone.soc.config import PRESETS

from . import history
from .errors import ToolError
from .fpga import report, synthesis
from .fpga.stage import Processes, StageError
from .paths import BUILD

OUT = BUILD / "fpga" / "ulx3s-85f"


def main() -> int:
    """Synthesise, print the table, put the figures into ``build/fpga/<board>/report.json``; record them if asked."""
    start = time.monotonic()
    try:
        writes = history.open_for("area")
    except ToolError as e:
        print(f"make area: {e}", file=sys.stderr)
        return 2
    source = verilog.generate_cached(PRESETS["default"], BUILD / "verilog" / "cache")
    try:
        with Console(stderr=True).status("Yosys synthesises hakone …"):
            cells = synthesis.counted(source.read_text(), "hakone", OUT / "cells-default", Processes())
    except StageError as e:
        print(f"make area: {e}", file=sys.stderr)
        return 1
    Console().print(report.rooms_table(cells))
    records = report.area_records(cells, "make area")
    report.write(OUT / "report.json", records, cells=cells)
    if writes:
        writes.record(records)
    inside = synthesis.core_caches_cipher(cells)
    print(f"core, caches and cipher: {inside} LUT4 (logic, carry and LUT RAM); {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
