"""Lines of the mask ROM for the instruction cache: sixteen reads over the register bus, packed into eight beats."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, LineBeat
from ..bus.register_bus import RegisterBus


class RomFill(wiring.Component):
    """Reads a line of the mask ROM. Clock domain ``sync``.

    ``start`` (one cycle) begins; ``line`` is held until the last beat. One word per bus access; a beat goes out in the
    cycle in which its second word arrives, with ``error`` when one of the two was refused.

    Members: ``rom`` (reads only), ``beat_valid`` with ``beat`` as in ``LinePort``.
    """

    start: In(1)
    line: In(LINE_BITS)
    rom: Out(RegisterBus())
    beat_valid: Out(1)
    beat: Out(LineBeat)

    def elaborate(self, platform):
        m = Module()
        busy, count = Signal(), Signal(4)
        low, low_error = Signal(32), Signal()
        answered = busy & self.rom.ready
        m.d.comb += [
            self.rom.valid.eq(busy),
            # Zero while idle: which lines are fetched is not for the register bus to show.
            self.rom.addr.eq(Mux(busy, Cat(Const(0, 2), count, self.line), 0)),
            self.rom.strobe.eq(0b1111),
            self.beat_valid.eq(answered & count[0]),
            self.beat.data.eq(Cat(low, self.rom.rdata)),
            self.beat.error.eq(low_error | self.rom.error),
            self.beat.last.eq(count == 15),
        ]
        with m.If(self.start):
            m.d.sync += [busy.eq(1), count.eq(0)]
        with m.If(answered):
            m.d.sync += [count.eq(count + 1), low.eq(self.rom.rdata), low_error.eq(self.rom.error)]
            with m.If(count == 15):
                m.d.sync += busy.eq(0)
        return m
