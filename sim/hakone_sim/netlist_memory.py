"""Verilog for DP16KD, the block RAM of an ECP5, as ``netlist_cells`` does it for the other cells.

18 Kbit, two ports, in the settings that Yosys uses (FPGA-TN-02204): no output register, synchronous reset of the output
latch, equal widths at both ports or one port unused. With 18 or 36 bits the low address bits of the writing port are
byte enables; with 36 bits port A only writes and port B only reads, their data pins put together.
"""

from .netlist_cells import Cell, Net, NetlistError, number

WORD_BITS, WORDS_OF_INIT, INIT_WORDS = 18, 16, 64
ADDRESS_BITS = 14
_SKIPPED = {1: 0, 2: 1, 4: 2, 9: 3, 18: 4, 36: 5}  #: address bits below a word of this width
_LANES = {18: 2, 36: 4}  #: byte enables; narrower words have none


def contents(parameters: dict[str, str]) -> int:
    """All bits, from address 0 on, nine for each byte."""
    found = 0
    for row in range(INIT_WORDS):
        value = number(parameters.get(f"INITVAL_{row:02X}", 0))
        for n in range(WORDS_OF_INIT):
            word = value >> 20 * n & ((1 << WORD_BITS) - 1)
            found |= word << WORD_BITS * (row * WORDS_OF_INIT + n)
    return found


def words(bits: int, width: int) -> list[int]:
    """``contents`` as words of a port; narrow words leave the ninth bits out."""
    count = 1 << (ADDRESS_BITS - _SKIPPED[width])
    if width >= 9:
        return [bits >> width * n & ((1 << width) - 1) for n in range(count)]
    places = (n * width for n in range(count))
    return [bits >> (at // 8 * 9 + at % 8) & ((1 << width) - 1) for at in places]


class _Port:
    """What one port's pins are, as expressions."""

    def __init__(self, cell: Cell, side: str, name: str, net: Net):
        self.side = side
        p, c = cell["parameters"], cell["connections"]
        self._pins = {pin: bits[0] for pin, bits in c.items()}
        self._net = net
        self.width = number(p[f"DATA_WIDTH_{side}"])
        self.mode = str(p.get(f"WRITEMODE_{side}", "NORMAL")).strip()
        for key, wanted in ((f"REGMODE_{side}", "NOREG"), (f"CLK{side}MUX", f"CLK{side}")):
            if str(p.get(key, wanted)).strip() != wanted:
                raise NetlistError(f"{name}: DP16KD with {key} = {p[key]} is not modelled")
        self.outputs = [self._pins.get(f"DO{side}{n}") for n in range(WORD_BITS)]
        self.reads = any(isinstance(bit, int) for bit in self.outputs)
        self.enable, self.write, self.reset = (self.pin(f"{x}{side}") for x in ("CE", "WE", "RST"))
        if self.reset != "1'b0" and str(p.get("RESETMODE", "SYNC")).strip() != "SYNC":
            raise NetlistError(f"{name}: DP16KD with an asynchronous reset is not modelled")
        self.writes = self.write != "1'b0" and self.enable != "1'b0"

    def pin(self, name: str) -> str:
        """Expression at a pin; open ones are 0."""
        return self._net(self._pins.get(name, "0"))

    def word(self, pins: list[str]) -> str:
        """Pins put together, lowest first."""
        return "{" + ", ".join(self.pin(p) for p in reversed(pins)) + "}"

    @property
    def address(self) -> str:
        """The word's address."""
        return self.word([f"AD{self.side}{n}" for n in range(_SKIPPED[self.width], ADDRESS_BITS)])

    def lanes(self) -> list[tuple[str, int, int]]:
        """Enable, lowest bit and width of each part that is written by itself."""
        if self.width in _LANES:
            return [(self.pin(f"AD{self.side}{n}"), 9 * n, 9) for n in range(_LANES[self.width])]
        return [("1'b1", 0, self.width)]


def block_memory(cell: Cell, name: str, net: Net) -> list[str]:
    """One DP16KD. Raises ``NetlistError`` for what the head of this file leaves out."""
    ports = {side: _Port(cell, side, name, net) for side in "AB"}
    used = [p for p in ports.values() if p.reads or p.writes]
    wide = any(p.width == 36 for p in used)
    a, b = ports["A"], ports["B"]
    if wide:
        if b.writes or not (a.writes or b.reads):
            raise NetlistError(f"{name}: DP16KD of 36 bits that writes at port B is not modelled")
        used = [b, *([a] if a.writes else [])]
        a.reads, b.reads = False, True
    if len({p.width for p in used}) > 1:
        raise NetlistError(f"{name}: DP16KD with ports of {a.width} and {b.width} bits is not modelled")
    width = used[0].width
    lines = [f"reg [{width - 1}:0] {name} [0:{(1 << (ADDRESS_BITS - _SKIPPED[width])) - 1}];"]
    stored = words(contents(cell["parameters"]), width)
    sets = " ".join(f"{name}[{n}] = {width}'h{word:x};" for n, word in enumerate(stored) if word)
    lines.append(f"integer {name}_n; initial begin for ({name}_n = 0; {name}_n < {len(stored)}; "
                 f"{name}_n = {name}_n + 1) {name}[{name}_n] = 0; {sets} end")  # fmt: skip
    for port in used:
        side = port.side
        lines.append(f"wire [{ADDRESS_BITS - _SKIPPED[width] - 1}:0] {name}_{side}_at = {port.address};")
        # A reset of the output latch holds up the write, too.
        writing = f"{port.enable} & {port.write} & ~{port.reset}" if not wide else f"{port.enable} & {port.write}"
        lines.append(f"wire {name}_{side}_write = {writing if port.writes else chr(49) + chr(39) + 'b0'};")
        if port.writes:
            names = [f"DI{side}{n}" for n in range(min(width, WORD_BITS))]
            names += [f"DIB{n}" for n in range(WORD_BITS)] if wide else []
            lines.append(f"wire [{width - 1}:0] {name}_{side}_in = {port.word(names)};")
    for port in used:
        lines += _writing(port, name) if port.writes else []
    for port in used:
        if port.reads:
            others = [p for p in used if p is not port and p.writes]
            lines += _reading(port, name, width, others)
            if wide:
                outputs = [*_Port(cell, "A", name, net).outputs, *port.outputs]
            else:
                outputs = port.outputs[:width]
            lines += [
                f"assign {net(bit)} = {name}_{port.side}_out[{n}];"
                for n, bit in enumerate(outputs)
                if isinstance(bit, int)
            ]
    return lines


def _writing(port: _Port, name: str) -> list[str]:
    own = f"{name}_{port.side}"
    parts = []
    for enable, low, count in port.lanes():
        place = f"{name}[{own}_at][{low + count - 1}:{low}]" if port.width in _LANES else f"{name}[{own}_at]"
        value = f"{own}_in[{low + count - 1}:{low}]"
        parts.append(f"if ({enable}) {place} <= {value};")
    return [f"always @(posedge clk) if ({own}_write) begin {' '.join(parts)} end"]


def _reading(port: _Port, name: str, width: int, others: list[_Port]) -> list[str]:
    own = f"{name}_{port.side}"
    lines = [f"reg [{width - 1}:0] {own}_out = 0;"]
    value = f"{name}[{own}_at]"
    for other in others:
        # Of what the other port writes at this moment nothing is known.
        lanes = ", ".join(f"{{{count}{{{enable}}}}}" for enable, _, count in reversed(other.lanes()))
        other_own = f"{name}_{other.side}"
        value = f"({value} ^ ({{{width}{{{other_own}_write & ({other_own}_at == {own}_at)}}}} & {{{lanes}}}))"
    if port.writes and port.mode == "WRITETHROUGH":
        lanes = ", ".join(f"{{{count}{{{enable}}}}}" for enable, _, count in reversed(port.lanes()))
        value = f"({own}_write ? ({value} & ~{{{lanes}}}) | ({own}_in & {{{lanes}}}) : {value})"
    step = f"{own}_out <= {value};"
    if port.writes and port.mode == "NORMAL":
        step = f"if (~{own}_write) {step}"
    lines.append(f"always @(posedge clk) if ({port.reset}) {own}_out <= 0; else if ({port.enable}) begin {step} end")
    return lines
