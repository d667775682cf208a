"""From the netlist that Yosys makes for the ECP5 to a simulation model of the harness.

``translate`` turns the JSON netlist into one flat Verilog module; ``pair`` puts it beside the Verilog that it was made
from, under the same inputs: the netlist drives the ports, every output of both is compared in every cycle, and what the
harness wants to see inside (the probe) comes from the other. The first difference ends the run with the finisher code
``DIFFERS``.

The input ``open_checks``, which the netlist does not have, chooses a fault in it instead: 0 for none, else the number
of one of ``faults`` (see ``Fault``) from 1 on, with ``COMPARED`` to go on comparing; ``SHOWN`` prints the memories
whose cells have a name in ``shown`` when the run is over. While a fault is in force without ``COMPARED``, the probe is
silent: the other would show what it does itself.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import netlist_cells
from .netlist_cells import Flops, NetlistError
from .netlist_memory import block_memory

DIFFERS = 0xD1FF  #: finisher code of a run in which netlist and source differ
SHOWN = 1 << 15  #: in ``open_checks``: print memories at the end
COMPARED = 1 << 16  #: in ``open_checks``: compare although there is a fault
CELLS: dict[str, Callable] = {
    "LUT4": netlist_cells.lut,
    "CCU2C": netlist_cells.carry,
    "MULT18X18D": netlist_cells.multiplier,
    "TRELLIS_DPR16X4": netlist_cells.small_memory,
    "DP16KD": block_memory,
}


@dataclass(frozen=True)
class Fault:
    """A net of the netlist, by its name in the flattened design, that is stuck at ``value`` (0 or 1): its bits
    ``bits``, or every one that synthesis has left.
    """

    net: str
    value: int
    bits: tuple[int, ...] = ()


@dataclass(frozen=True)
class Netlist:
    """The module ``top`` of a JSON netlist."""

    top: str
    module: dict

    @classmethod
    def read(cls, path: Path, top: str = "hakone") -> "Netlist":
        """From the file that Yosys has written."""
        return cls(top, json.loads(path.read_text())["modules"][top])

    def bits(self, name: str) -> list[int | str]:
        """Numbers of a net's bits, constants as text. Raises ``NetlistError`` for a net that synthesis has removed."""
        if name not in self.module["netnames"]:
            raise NetlistError(f"{name}: not in the netlist")
        return self.module["netnames"][name]["bits"]

    def places(self, fault: Fault) -> list[int]:
        """Numbers of the nets that a fault sticks. Raises ``NetlistError`` when one of them is not there."""
        bits = self.bits(fault.net)
        found = [bits[n] for n in fault.bits] if fault.bits else [b for b in bits if isinstance(b, int)]
        kept = [b for b in found if isinstance(b, int)]
        if not kept or len(kept) < len(found):
            raise NetlistError(f"{fault.net}: synthesis has left a constant")
        return kept

    def flops(self) -> set[int]:
        """Numbers of the nets that flops drive."""
        cells = self.module["cells"].values()
        return {c["connections"]["Q"][0] for c in cells if c["type"] == "TRELLIS_FF"}


def translate(netlist: Netlist, faults: Sequence[Fault] = (), shown: str = "") -> str:
    """Verilog of module ``netlist``, with an input ``fault`` of 16 bits; ``shown`` is the beginning of cell names.

    Raises ``NetlistError`` for cells that are not
    modelled and clocks other than ``clk``.
    """
    module = netlist.module
    clock = module["ports"]["clk"]["bits"][0]
    driven: set[int] = set()
    for c in module["cells"].values():
        for pin, direction in c["port_directions"].items():
            if direction == "output":
                driven |= {b for b in c["connections"][pin] if isinstance(b, int)}
    ports = {name: p for name, p in module["ports"].items() if name != "clk"}
    inputs = {b for p in ports.values() if p["direction"] == "input" for b in p["bits"]}
    stuck: dict[int, list[tuple[int, int]]] = {}
    for n, f in enumerate(faults, 1):
        for b in netlist.places(f):
            stuck.setdefault(b, []).append((n, f.value))

    def net(bit: int | str) -> str:
        if isinstance(bit, str):
            return "1'b1" if bit == "1" else "1'b0"
        if bit not in driven and bit not in inputs:
            raise NetlistError(f"net {bit} has no driver")
        return f"n{bit}"

    def source(bit: int | str) -> str:
        """Where a driver drives to: ahead of the fault, where there is one."""
        return f"n{bit}_well" if bit in stuck else net(bit)

    flops = Flops()
    lines: list[str] = []
    registers: set[int] = set()
    for number, (name, cell) in enumerate(sorted(module["cells"].items())):
        for pin in ("CLK", "CLKA", "CLKB", "WCK"):
            if cell["connections"].get(pin, [clock])[0] not in (clock, "0", "x"):
                raise NetlistError(f"{name}: another clock than clk")
        if cell["type"] == "$scopeinfo":  # where a module was
            continue
        if cell["type"] == "TRELLIS_FF":
            flops.add(cell, name)
            registers.add(cell["connections"]["Q"][0])
        elif cell["type"] in CELLS:
            made = CELLS[cell["type"]](cell, f"c{number}", net)
            if shown and name.startswith(shown) and cell["type"] == "DP16KD":
                made += _showing(f"c{number}", name, made)
            lines += [_redirected(line, stuck) for line in made]
        else:
            raise NetlistError(f"{name}: a cell {cell['type']} is not modelled")
    heads = []
    for name, p in module["ports"].items():
        width = f"[{len(p['bits']) - 1}:0] " if len(p["bits"]) > 1 else ""
        heads.append(f"  {p['direction']} {width}{name}")
    out = ["module netlist(", ",\n".join([*heads, "  input [15:0] fault"]), ");"]
    for bit in sorted(driven):
        out.append(f"{'reg' if bit in registers and bit not in stuck else 'wire'} n{bit};")
    for bit, ways in stuck.items():
        out.append(f"{'reg' if bit in registers else 'wire'} n{bit}_well;")
        if bit in inputs:
            out.append(f"wire n{bit};")
        choice = "".join(f"(fault[14:0] == {n}) ? 1'b{value} : " for n, value in ways)
        out.append(f"assign n{bit} = {choice}n{bit}_well;")
    for name, p in ports.items():
        word = [*reversed(p["bits"])]
        if p["direction"] == "input":
            for n, b in enumerate(p["bits"]):
                place = f"{name}[{n}]" if len(word) > 1 else name
                out.append(f"assign n{b}_well = {place};" if b in stuck else f"wire n{b} = {place};")
        else:
            out.append(f"assign {name} = {{{', '.join(net(b) for b in word)}}};")
    out += lines
    out += flops.lines(net, source)  # type: ignore[arg-type]
    return "\n".join([*out, "endmodule", ""])


def _showing(variable: str, name: str, made: list[str]) -> list[str]:
    """Prints a block RAM, a word a line, when the run is over."""
    depth = next(int(m[1]) for line in made if (m := re.match(r"reg \[\d+:0\] \w+ \[0:(\d+)\];", line))) + 1
    loop = f"for ({variable}_s = 0; {variable}_s < {depth}; {variable}_s = {variable}_s + 1)"
    show = f'$display("memory {name} %0d %h", {variable}_s, {variable}[{variable}_s])'
    return [f"integer {variable}_s; final if (fault[15]) {loop} {show};"]


def _redirected(line: str, stuck: dict) -> str:
    """An assignment to a net with a fault goes ahead of it."""
    found = re.match(r"assign n(\d+) = ", line)
    if found and int(found[1]) in stuck:
        return f"assign n{found[1]}_well = {line[found.end() :]}"
    return line


def pair(source: str, text: str) -> str:
    """Verilog of a module ``hakone`` with the ports of ``source``'s: the netlist ``text`` beside ``source``, which has
    a probe.
    """
    head = re.search(r"^module hakone\(.*?^endmodule", source, re.MULTILINE | re.DOTALL)
    if not head:
        raise NetlistError("the Verilog has no module `hakone`")
    ports = re.findall(r"^  (input|output) (\[\d+:0\] )?(\w+);", head[0], re.MULTILINE)
    own = [
        (kind, width, name) for kind, width, name in ports if not name.startswith("probe_") and name != "open_checks"
    ]
    outputs = [(width, name) for kind, width, name in own if kind == "output"]
    probes = [(width, name) for kind, width, name in ports if name.startswith("probe_")]
    lines = [f"module hakone({', '.join(name for *_, name in ports)});"]
    lines += [f"  {kind} {width}{name};" for kind, width, name in ports]
    lines += [f"  wire {width}of_netlist_{name};" for width, name in outputs]
    lines += [f"  wire {width}of_source_{name};" for width, name in (*outputs, *probes)]
    lines += ["  wire [15:0] fault = open_checks[15:0];", "  wire silent = |fault[14:0] & ~open_checks[16];"]

    def wires(prefix: str, rows: list[tuple[str, str, str]]) -> str:
        return ", ".join(f".{n}({prefix}{n})" if kind == "output" else f".{n}({n})" for kind, _, n in rows)

    lines.append(
        f"  source source({wires('of_source_', [p for p in ports if p[2] != 'open_checks'])}, .open_checks(0));"
    )
    lines.append(f"  netlist netlist({wires('of_netlist_', own)}, .fault(fault));")
    # While a valid bit is off, nobody may look at what goes with it, and synthesis may have made use of that.
    differences = [f"(of_netlist_{n} !== of_source_{n})" for _, n in outputs]
    lines += [f"  wire difference = {' | '.join(differences)};", "  reg differed = 0;"]
    lines.append("  always @(posedge clk) differed <= ~rst & ~silent & (differed | difference);")
    special = {
        "finish_valid": "of_netlist_finish_valid | differed",
        "finish_code": f"differed ? 16'd{DIFFERS} : of_netlist_finish_code",
        "finish_reset": "of_netlist_finish_reset & ~differed",
    }
    lines += [f"  assign {n} = {special.get(n, f'of_netlist_{n}')};" for _, n in outputs]
    lines += [f"  assign {n} = silent ? 0 : of_source_{n};" for _, n in probes]
    renamed = re.sub(r"^module hakone\(", "module source(", source, count=1, flags=re.MULTILINE)
    # The harness's builder takes the last module of the file to be the system.
    return "\n".join([renamed, text, *lines, "endmodule", ""])
