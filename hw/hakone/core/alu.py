"""Arithmetic unit of the execute stage: one adder, one shifter, one logic unit, comparisons from the adder's carry.

Combinational, no clock. Source: RISC-V ISA Manual, Volume I (20240411), section 2.4.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .control import AluOp


class Alu(wiring.Component):
    """``result`` = ``a`` op ``b`` in the same cycle.

    ``sum`` is the adder alone (a + b, or a - b for SUB and the comparisons): the address of memory instructions and of
    indirect jumps, ahead of the result selection. ``equal``, ``less`` and ``less_unsigned`` compare a with b; the
    last two are valid only when ``op`` is SUB, SLT or SLTU. Time does not depend on data.
    """

    op: In(AluOp)
    a: In(32)
    b: In(32)
    result: Out(32)
    sum: Out(32)
    equal: Out(1)
    less: Out(1)
    less_unsigned: Out(1)

    def elaborate(self, platform):
        m = Module()
        a, b = self.a, self.b
        subtract = Signal()
        total = Signal(33)
        m.d.comb += [
            subtract.eq((self.op == AluOp.SUB) | (self.op == AluOp.SLT) | (self.op == AluOp.SLTU)),
            total.eq(a + (b ^ subtract.replicate(32)) + subtract),
            self.sum.eq(total),
            self.equal.eq(a == b),
            self.less_unsigned.eq(~total[32]),
            self.less.eq(Mux(a[31] == b[31], ~total[32], a[31])),
        ]
        # Left shifts go through the right shifter with both ends reversed: half the area of two shifters.
        left = Signal()
        shift_in = Signal(32)
        shifted = Signal(32)
        fill = Signal()
        m.d.comb += [
            left.eq(self.op == AluOp.SLL),
            fill.eq((self.op == AluOp.SRA) & a[31]),
            shift_in.eq(Mux(left, a[::-1], a)),
            shifted.eq(Cat(shift_in, fill.replicate(31)) >> b[:5]),
        ]
        with m.Switch(self.op):
            with m.Case(AluOp.ADD, AluOp.SUB):
                m.d.comb += self.result.eq(total)
            with m.Case(AluOp.SLT):
                m.d.comb += self.result.eq(self.less)
            with m.Case(AluOp.SLTU):
                m.d.comb += self.result.eq(self.less_unsigned)
            with m.Case(AluOp.XOR):
                m.d.comb += self.result.eq(a ^ b)
            with m.Case(AluOp.OR):
                m.d.comb += self.result.eq(a | b)
            with m.Case(AluOp.AND):
                m.d.comb += self.result.eq(a & b)
            with m.Case(AluOp.PASS):
                m.d.comb += self.result.eq(b)
            with m.Case(AluOp.SLL):
                m.d.comb += self.result.eq(shifted[::-1])
            with m.Case(AluOp.SRL, AluOp.SRA):
                m.d.comb += self.result.eq(shifted)
        return m
