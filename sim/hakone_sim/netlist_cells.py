"""Verilog for the cells that Yosys' ``synth_ecp5`` leaves in a netlist, written for speed in Verilator.

Logic becomes expressions, flops are gathered by clock enable and reset, memories become arrays. Behaviour is that of
the Lattice documents FPGA-DS-02012 (ECP5 family data sheet: slices, carry, distributed memory) and FPGA-TN-02204
(sysMEM: block RAM, its write modes, data widths and the address bits that are byte enables), as far as Yosys uses it;
any setting beyond that raises ``NetlistError``.

A block RAM that reads an address which its other port writes in the same cycle answers with the inverse of what stood
there, in the bytes that are written: the data sheet leaves the answer open, and synthesis was told of some memories
that nobody looks at it.
"""

from collections.abc import Callable, Iterable
from functools import cache


class NetlistError(ValueError):
    """The netlist uses a cell, or a cell in a way, that is not modelled here."""


Cell = dict
Net = Callable[[int | str], str]  #: bit of the netlist to a Verilog expression

_ALL = {1: 0b11, 2: 0xF, 4: 0xFFFF, 3: 0xFF}


@cache
def expression(table: int, names: tuple[str, ...]) -> str:
    """A short expression with the truth table ``table``; ``names[0]`` is the lowest bit of its index.

    Splits by one variable after the other (Shannon), with the simple cases of each split.
    """
    return _split(table, len(names))[1].format(*names)


@cache
def _split(table: int, count: int) -> tuple[int, str]:
    """Operations and text with ``{n}`` for variable ``n``."""
    full = (1 << (1 << count)) - 1
    if table == 0:
        return 0, "1'b0"
    if table == full:
        return 0, "1'b1"
    best: tuple[int, str] | None = None
    for n in range(count):
        low, high = _cofactors(table, count, n)
        if low == high and count > 1:
            return _renamed(_split(low, count - 1), n, count)
        part_full = (1 << (1 << (count - 1))) - 1
        name = f"{{{n}}}"

        def sub(part: int, n: int = n) -> tuple[int, str]:
            return _renamed(_split(part, count - 1), n, count)

        if low == 0 and high == part_full:
            found = (0, name)
        elif low == part_full and high == 0:
            found = (1, f"~{name}")
        elif low == 0:
            cost, text = sub(high)
            found = (cost + 1, f"({name} & {text})")
        elif high == 0:
            cost, text = sub(low)
            found = (cost + 2, f"(~{name} & {text})")
        elif high == part_full:
            cost, text = sub(low)
            found = (cost + 1, f"({name} | {text})")
        elif low == part_full:
            cost, text = sub(high)
            found = (cost + 2, f"(~{name} | {text})")
        elif low == part_full ^ high:
            cost, text = sub(low)
            found = (cost + 1, f"({name} ^ {text})")
        else:
            (cost0, text0), (cost1, text1) = sub(low), sub(high)
            found = (cost0 + cost1 + 3, f"({name} ? {text1} : {text0})")
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None
    return best


def _renamed(part: tuple[int, str], removed: int, count: int) -> tuple[int, str]:
    """Text of a function without variable ``removed`` in terms of all ``count`` variables."""
    kept = [f"{{{k}}}" for k in range(count) if k != removed]
    return part[0], part[1].format(*kept)


def _cofactors(table: int, count: int, n: int) -> tuple[int, int]:
    """Truth tables with variable ``n`` at 0 and at 1."""
    halves = [0, 0]
    places = [0, 0]
    for index in range(1 << count):
        side = index >> n & 1
        halves[side] |= (table >> index & 1) << places[side]
        places[side] += 1
    return halves[0], halves[1]


def _restricted(table: int, bits: list[int | str]) -> tuple[int, list[int | str]]:
    """The function of the inputs that are no constants."""
    count = len(bits)
    for n in reversed(range(count)):
        if isinstance(bits[n], str):
            table = _cofactors(table, len(bits), n)[bits[n] == "1"]
            bits = bits[:n] + bits[n + 1 :]
    return table, bits


def logic(table: int, bits: list[int | str], net: Net) -> str:
    """Expression of a look-up table with constant inputs folded."""
    table, kept = _restricted(table, list(bits))
    return expression(table, tuple(net(b) for b in kept)) if kept else f"1'b{table & 1}"


def number(value: str | int) -> int:
    """A parameter as Yosys' JSON has it: bits as text, an ``x`` counts as 0."""
    return value if isinstance(value, int) else int(value.replace("x", "0").replace("z", "0") or "0", 2)


def _needs(cell: Cell, name: str, **wanted: Iterable[str | int]) -> None:
    for key, values in wanted.items():
        value = cell["parameters"].get(key)
        plain = value.strip() if isinstance(value, str) else value
        if value is not None and plain not in values:
            raise NetlistError(f"{name}: {cell['type']} with {key} = {value} is not modelled")


def lut(cell: Cell, name: str, net: Net) -> list[str]:
    """LUT4: a truth table."""
    pins = {p: b[0] for p, b in cell["connections"].items()}
    if isinstance(pins["Z"], str):
        return []
    table = number(cell["parameters"]["INIT"])
    return [f"assign {net(pins['Z'])} = {logic(table, [pins[p] for p in 'ABCD'], net)};"]


def carry(cell: Cell, name: str, net: Net) -> list[str]:
    """CCU2C: two truth tables with a carry between them; without injection, as Yosys uses it."""
    _needs(cell, name, INJECT1_0=("NO",), INJECT1_1=("NO",))
    pins = {p: b[0] for p, b in cell["connections"].items()}
    lines = []
    before = net(pins["CIN"]) if "CIN" in pins else "1'b0"
    for half in "01":
        table = number(cell["parameters"][f"INIT{half}"])
        inputs = [pins.get(f"{p}{half}", "0") for p in "ABCD"]
        four = logic(table, inputs, net)
        two = logic(table & 15, inputs[:2], net)
        if f"S{half}" in pins:
            lines.append(f"assign {net(pins[f'S{half}'])} = {four} ^ {before};")
        after = f"(({four}) ? {before} : {two})"
        if half == "0":
            middle = f"carry_{name}"
            lines += [f"wire {middle} = {after};"]
            before = middle
        elif "COUT" in pins:
            lines.append(f"assign {net(pins['COUT'])} = {after};")
    return lines


def multiplier(cell: Cell, name: str, net: Net) -> list[str]:
    """MULT18X18D without registers: both factors signed, or neither (or each as its pin says)."""
    for key, value in cell["parameters"].items():
        if key.startswith("REG_") and key.endswith("_CLK") and value.strip() != "NONE":
            raise NetlistError(f"{name}: MULT18X18D with {key} = {value} is not modelled")
    pins = {p: b[0] for p, b in cell["connections"].items()}
    lines = []
    for factor in "AB":
        word = ", ".join(net(pins.get(f"{factor}{n}", "0")) for n in reversed(range(18)))
        sign = net(pins.get(f"SIGNED{factor}", "0"))
        lines.append(f"wire [17:0] {name}_{factor} = {{{word}}};")
        lines.append(
            f"wire signed [35:0] {name}_{factor}x = {{{{18{{{sign} & {name}_{factor}[17]}}}}, {name}_{factor}}};"
        )
    lines.append(f"wire [35:0] {name}_P = {name}_Ax * {name}_Bx;")
    for n in range(36):
        bit = pins.get(f"P{n}")
        if isinstance(bit, int):
            lines.append(f"assign {net(bit)} = {name}_P[{n}];")
    return lines


def small_memory(cell: Cell, name: str, net: Net) -> list[str]:
    """TRELLIS_DPR16X4: sixteen words of four bits, written at the clock, read at once."""
    _needs(cell, name, WCKMUX=("WCK",), WREMUX=("WRE",))
    c = cell["connections"]

    def word(pin: str) -> str:
        return "{" + ", ".join(net(b) for b in reversed(c[pin])) + "}"

    init = number(cell["parameters"].get("INITVAL", 0))
    lines = [f"reg [3:0] {name} [0:15];", f"wire [3:0] {name}_do = {name}[{word('RAD')}];"]
    sets = " ".join(f"{name}[{n}] = {init >> 4 * n & 15};" for n in range(16))
    lines.append(f"initial begin {sets} end")
    lines.append(f"always @(posedge clk) if ({net(c['WRE'][0])}) {name}[{word('WAD')}] <= {word('DI')};")
    lines += [f"assign {net(b)} = {name}_do[{n}];" for n, b in enumerate(c["DO"]) if isinstance(b, int)]
    return lines


class Flops:
    """TRELLIS_FF, gathered by reset and enable into one process each."""

    def __init__(self) -> None:
        self._groups: dict[tuple, list[tuple[int, str, str]]] = {}
        self.count = 0

    def add(self, cell: Cell, name: str) -> None:
        """Take a flop. Raises ``NetlistError`` for one with an asynchronous reset or another clock edge."""
        _needs(
            cell,
            name,
            CLKMUX=("CLK",),
            LSRMUX=("LSR",),
            SRMODE=("LSR_OVER_CE",),
            CEMUX=("CE", "INV", "1"),
            GSR=("DISABLED",),
        )
        _needs(cell, name, LSRMODE=("LSR",))
        pins = {p: b[0] for p, b in cell["connections"].items()}
        p = cell["parameters"]
        mux = p.get("CEMUX", "1").strip()
        enable = "1" if mux == "1" else pins.get("CE", "1")
        value = "1'b1" if p.get("REGSET", "RESET").strip() == "SET" else "1'b0"
        key = (pins.get("LSR", "0"), enable, mux == "INV")
        self._groups.setdefault(key, []).append((pins["Q"], pins["DI"], value))
        self.count += 1

    def lines(self, net: Net, register: Callable[[int], str]) -> list[str]:
        """The processes; ``register`` names the variable of a bit."""
        lines = []
        for (reset, enable, inverted), flops in self._groups.items():
            body = [f"{register(q)} <= {net(d)};" for q, d, _ in flops]
            text = f"begin {' '.join(body)} end"
            if (enable, inverted) not in (("1", False), ("0", True)):
                text = f"if ({'~' if inverted else ''}{net(enable)}) {text}"
            if reset != "0":
                sets = " ".join(f"{register(q)} <= {v};" for q, _, v in flops)
                text = f"if ({net(reset)}) begin {sets} end else {text}"
            lines.append(f"always @(posedge clk) {text}")
            lines += [f"initial {register(q)} = {v};" for q, _, v in flops]
        return lines
