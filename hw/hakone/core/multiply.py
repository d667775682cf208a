"""Multiplier: one product each cycle, in two stages so that no DSP block is followed by the wide addition at once.

Clock domain ``sync``. Source: RISC-V ISA Manual, Volume I (20240411), section 13.1. Time does not depend on data.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_LOW = 17  # an ECP5 multiplier takes 18-bit signed factors: 17 unsigned bits, and the rest with its sign


class Multiplier(wiring.Component):
    """``a`` and ``b`` with ``enable`` in one cycle; ``result`` from the next one until the next ``enable``.

    ``funct3`` (two low bits): 0 MUL, 1 MULH, 2 MULHSU, 3 MULHU. The factors are taken as 33-bit signed numbers and
    split into four partial products, which are registered; the sum is combinational in the second cycle.
    """

    enable: In(1)
    funct3: In(3)
    a: In(32)
    b: In(32)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        a_signed = self.funct3[:2] != 3
        b_signed = ~self.funct3[1]
        a_low, b_low = Signal(unsigned(_LOW)), Signal(unsigned(_LOW))
        a_high, b_high = Signal(signed(33 - _LOW)), Signal(signed(33 - _LOW))
        m.d.comb += [
            a_low.eq(self.a),
            b_low.eq(self.b),
            a_high.eq(Cat(self.a[_LOW:], self.a[31] & a_signed)),
            b_high.eq(Cat(self.b[_LOW:], self.b[31] & b_signed)),
        ]
        low = Signal(unsigned(2 * _LOW))
        middle_a, middle_b = Signal(signed(33)), Signal(signed(33))
        high = Signal(signed(2 * (33 - _LOW)))
        upper = Signal()
        with m.If(self.enable):
            m.d.sync += [
                low.eq(a_low * b_low),
                middle_a.eq(a_low * b_high),
                middle_b.eq(a_high * b_low),
                high.eq(a_high * b_high),
                upper.eq(self.funct3[:2] != 0),
            ]
        product = Signal(64)
        m.d.comb += [
            product.eq(Cat(low, high[: 64 - 2 * _LOW]) + ((middle_a + middle_b) << _LOW)),
            self.result.eq(Mux(upper, product[32:], product[:32])),
        ]
        return m
