"""Divider: restoring division, two quotient bits a cycle, always the same number of cycles.

Clock domain ``sync``. Source: RISC-V ISA Manual, Volume I (20240411), section 13.2 (results for a zero divisor and for
overflow). The time does not depend on the operands, so a secret operand shows nothing.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_STEPS = 16  # cycles of two bits each


class Divider(wiring.Component):
    """``start`` (one cycle, with ``a``, ``b``, ``funct3``) begins; ``busy`` is high for the 16 following cycles, then
    ``result`` is valid until the next cycle with ``load``. ``load`` is high with every ``start``, and may be so before:
    while not busy it takes the operands, so that ``start``, which comes late in its cycle, reaches only a counter. A
    ``start`` while busy begins nothing.

    ``funct3`` (two low bits): 0 DIV, 1 DIVU, 2 REM, 3 REMU.
    """

    load: In(1)
    start: In(1)
    funct3: In(3)
    a: In(32)
    b: In(32)
    busy: Out(1)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        quotient = Signal(32)  # dividend bits leave at the top while quotient bits enter below
        remainder = Signal(32)
        divisor = Signal(32)
        negate = Signal()
        want_remainder = Signal()
        steps = Signal(range(_STEPS + 1))
        a_negative = ~self.funct3[0] & self.a[31]
        b_negative = ~self.funct3[0] & self.b[31]

        rest, bits = remainder, []
        for n in range(2):
            shifted = Signal(33, name=f"shifted_{n}")
            difference = Signal(34, name=f"difference_{n}")
            kept = Signal(32, name=f"kept_{n}")
            m.d.comb += [
                shifted.eq(Cat(quotient[31 - n], rest)),
                difference.eq(shifted - divisor),
                kept.eq(Mux(difference[33], shifted, difference)),
            ]
            rest = kept
            bits.insert(0, ~difference[33])
        with m.If(self.busy):
            m.d.sync += [quotient.eq(Cat(*bits, quotient[:30])), remainder.eq(rest), steps.eq(steps - 1)]
        with m.Elif(self.load):
            m.d.sync += [
                quotient.eq(Mux(a_negative, -self.a, self.a)),
                divisor.eq(Mux(b_negative, -self.b, self.b)),
                remainder.eq(0),
                # Remainder: sign of the dividend. Quotient of a division by zero stays all ones.
                negate.eq(Mux(self.funct3[1], a_negative, (a_negative ^ b_negative) & (self.b != 0))),
                want_remainder.eq(self.funct3[1]),
                steps.eq(Mux(self.start, _STEPS, 0)),
            ]
        chosen = Signal(32)
        m.d.comb += [
            self.busy.eq(steps != 0),
            chosen.eq(Mux(want_remainder, remainder, quotient)),
            self.result.eq(Mux(negate, -chosen, chosen)),
        ]
        return m
