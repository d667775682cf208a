"""The arithmetic of atomic memory operations. Source: RISC-V Unprivileged Architecture (20240411), chapter 13 "A"
Extension.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import MemoryOp


class AtomicUnit(wiring.Component):
    """New memory value of an AMO, combinational.

    Members: ``op`` (one of the ``AMO_`` members; for others ``result`` is ``operand``), ``memory`` the old value,
    ``operand`` the register's value, ``result`` in the same cycle. Words of 32 bits only.
    """

    op: In(MemoryOp)
    memory: In(32)
    operand: In(32)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        old, new = self.memory, self.operand
        unsigned = (self.op == MemoryOp.AMO_MINU) | (self.op == MemoryOp.AMO_MAXU)
        less = (
            Signal()
        )  # old < new; one comparator for both kinds: flipping the sign bits turns signed order into unsigned
        m.d.comb += less.eq(Cat(old[:31], old[31] ^ ~unsigned) < Cat(new[:31], new[31] ^ ~unsigned))
        with m.Switch(self.op):
            with m.Case(MemoryOp.AMO_ADD):
                m.d.comb += self.result.eq(old + new)
            with m.Case(MemoryOp.AMO_XOR):
                m.d.comb += self.result.eq(old ^ new)
            with m.Case(MemoryOp.AMO_AND):
                m.d.comb += self.result.eq(old & new)
            with m.Case(MemoryOp.AMO_OR):
                m.d.comb += self.result.eq(old | new)
            with m.Case(MemoryOp.AMO_MIN, MemoryOp.AMO_MINU):
                m.d.comb += self.result.eq(Mux(less, old, new))
            with m.Case(MemoryOp.AMO_MAX, MemoryOp.AMO_MAXU):
                m.d.comb += self.result.eq(Mux(less, new, old))
            with m.Case(
                MemoryOp.AMO_SWAP,
                MemoryOp.LOAD,
                MemoryOp.STORE,
                MemoryOp.LOAD_RESERVED,
                MemoryOp.STORE_CONDITIONAL,
            ):
                m.d.comb += self.result.eq(new)
        return m
