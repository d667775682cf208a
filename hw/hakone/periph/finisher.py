"""Test finisher, as SiFive's (``sifive,test0``) in QEMU's ``virt``: a program ends the run with its result. Domain
``sync``.

Which accesses fault, as QEMU 7.2 answers (``tests/vectors/qemu/finisher.txt`` and ``finisher_read.txt``).
"""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa.platform import FINISHER, FINISHER_FAIL, FINISHER_PASS, FINISHER_RESET

_WIDTH = (FINISHER.bytes - 1).bit_length()


class Finisher(wiring.Component):
    """A write at offset 0 with 0x5555 in bits 15..0 is a pass, 0x3333 a failure with its code in bits 31..16, 0x7777 a
    reset.

    From the next cycle on and until reset, ``finish_valid`` is high after a pass or a failure, with ``finish_code`` (0
    for a pass; a failure with code 0 cannot be told from one, as in QEMU), or ``finish_reset`` after a request for
    reset. The first such write counts; later ones change nothing. Reads are 0, other writes are ignored. Halfwords and
    words only: a byte access answers with an error. Answers in the same cycle. It does not stop the core.

    Members: ``bus``, ``finish_valid``, ``finish_code``, ``finish_reset``.
    """

    bus: In(RegisterBus(_WIDTH))
    finish_valid: Out(1)
    finish_code: Out(16)
    finish_reset: Out(1)

    def elaborate(self, _platform) -> Module:
        """Decode the first write that ends the run."""
        m = Module()
        bus = self.bus
        whole = (bus.strobe == 0xF) | (bus.strobe == 0x3) | (bus.strobe == 0xC)
        m.d.comb += [bus.ready.eq(1), bus.error.eq(~whole)]
        low_half = (bus.strobe == 0xF) | (bus.strobe == 0x3)
        finished = self.finish_valid | self.finish_reset
        with m.If(bus.valid & bus.write & low_half & (bus.addr == 0) & ~finished):
            with m.Switch(bus.wdata[:16]):
                with m.Case(FINISHER_PASS):
                    m.d.sync += [self.finish_valid.eq(1), self.finish_code.eq(0)]
                with m.Case(FINISHER_FAIL):
                    m.d.sync += self.finish_valid.eq(1)
                    with m.If(bus.strobe == 0xF):
                        m.d.sync += self.finish_code.eq(bus.wdata[16:])
                with m.Case(FINISHER_RESET):
                    m.d.sync += self.finish_reset.eq(1)
        return m
