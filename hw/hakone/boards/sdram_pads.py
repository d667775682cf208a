"""Pads of the SDRAM chip, and its clock. Clock domain ``sync``.

Source of the primitive: Lattice FPGA-TN-02035 (ECP5 high-speed I/O interface), generic output DDR.
"""

from amaranth import ClockDomain, ClockSignal, Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from ..memory.sdram_pads import SdramPads
from .pins import Pads

#: Member of the controller's pads, member of the board's resource, and whether the board's table inverts it.
OUTPUTS = (
    ("cke", "clk_en", False),
    ("cs_n", "cs", True),
    ("ras_n", "ras", True),
    ("cas_n", "cas", True),
    ("we_n", "we", True),
    ("ba", "ba", False),
    ("a", "a", False),
    ("dqm", "dqm", False),
)


class SdramIo(wiring.Component):
    """Buffers between the controller's flops and the chip. Adds no cycle: the flops at both ends are the controller's,
    and synthesis asks for them to be placed in the pads.

    The chip's clock comes out of a DDR register. Parameters: ``pads``, of a board with an SDRAM chip; ``shifted``, True
    when ``clock`` has the phase that the chip's clock is to have, False for the system's clock, inverted. Members:
    ``pads`` (``SdramPads``, from the chip's side); ``clock``, with ``shifted`` only.
    """

    def __init__(self, pads: Pads, shifted: bool):
        place = pads.board.sdram
        self._outputs = [
            (member, pads.take(place, pin), inverted) for member, pin, inverted in OUTPUTS if pads.has(place, pin)
        ]
        self._data, self._clock = pads.take(place, "dq"), pads.take(place, "clk")
        self._shifted = shifted
        super().__init__({"pads": In(SdramPads())} | ({"clock": In(1)} if shifted else {}))

    def elaborate(self, _platform) -> Module:
        """One buffer for each group of wires."""
        m = Module()
        for member, port, inverted in self._outputs:
            m.submodules[member] = buffer = io.Buffer("o", port)
            value = getattr(self.pads, member)
            # Inverted twice is not inverted: the flop stays next to its pad.
            m.d.comb += buffer.o.eq(~value if inverted else value)
        m.submodules.dq = dq = io.Buffer("io", self._data)
        m.d.comb += [dq.o.eq(self.pads.dq_o), dq.oe.eq(self.pads.dq_oe), self.pads.dq_i.eq(dq.i)]
        domain = "sync"
        if self._shifted:
            domain = "chip"
            m.domains.chip = ClockDomain("chip", local=True, reset_less=True)
            m.d.comb += ClockSignal("chip").eq(self.clock)
        m.submodules.chip_clock = chip_clock = io.DDRBuffer("o", self._clock, o_domain=domain)
        m.d.comb += [chip_clock.o[0].eq(int(self._shifted)), chip_clock.o[1].eq(int(not self._shifted))]
        return m
