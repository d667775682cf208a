"""The 64-bit counters ``mcycle`` and ``minstret``.

Clock domain ``sync``. Source: RISC-V Privileged Architecture (20240411), sections 3.1.10 and 3.1.12.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Counter(wiring.Component):
    """Counts cycles with ``count`` high; ``value`` is what stood before this cycle.

    ``write_low`` and ``write_high`` put ``wdata`` into one half; a write wins over the count of its cycle, so that an
    instruction that writes ``minstret`` is not counted itself. Starts at zero. ``count`` may come late in its cycle: it
    ends in one flop, and is added in the next.
    """

    count: In(1)
    write_low: In(1)
    write_high: In(1)
    wdata: In(32)
    value: Out(64)

    def elaborate(self, platform):
        m = Module()
        counted, pending = Signal(64), Signal()
        m.d.comb += self.value.eq(counted + pending)
        m.d.sync += [
            counted[:32].eq(Mux(self.write_low, self.wdata, self.value[:32])),
            counted[32:].eq(Mux(self.write_high, self.wdata, self.value[32:])),
            pending.eq(self.count & ~self.write_low & ~self.write_high),
        ]
        return m
