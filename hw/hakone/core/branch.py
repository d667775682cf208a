"""Branch unit of the execute stage: is the transfer taken, where does it go, and had the predictor said so?

Combinational, no clock. Source: RISC-V ISA Manual, Volume I (20240411), section 2.5.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .control import Transfer


class BranchUnit(wiring.Component):
    """Resolves one instruction in the same cycle.

    ``transfer`` and ``funct3`` name it; ``equal``, ``less``, ``less_unsigned`` compare its operands;
    ``direct_target`` is pc + immediate, ``register_target`` the address from rs1 (bit 0 is dropped), ``next_pc`` the
    instruction behind it. ``indirect`` makes it go to ``register_target`` whatever ``transfer`` says (mode switches).
    ``taken`` and ``goes_to`` tell what happens; ``mispredicted`` that the fetch unit went elsewhere, which includes
    an instruction that is no transfer but was predicted taken (the predictor's tags are partial).
    """

    transfer: In(Transfer)
    indirect: In(1)
    funct3: In(3)
    equal: In(1)
    less: In(1)
    less_unsigned: In(1)
    direct_target: In(32)
    register_target: In(32)
    next_pc: In(32)
    predicted_taken: In(1)
    predicted_target: In(32)
    taken: Out(1)
    goes_to: Out(32)
    mispredicted: Out(1)

    def elaborate(self, platform):
        m = Module()
        condition = Signal()
        with m.Switch(self.funct3[1:3]):
            with m.Case(0b00):
                m.d.comb += condition.eq(self.equal)
            with m.Case(0b10):
                m.d.comb += condition.eq(self.less)
            with m.Case(0b11):
                m.d.comb += condition.eq(self.less_unsigned)
        with m.Switch(self.transfer):
            with m.Case(Transfer.NONE):
                m.d.comb += self.taken.eq(0)
            with m.Case(Transfer.BRANCH):
                m.d.comb += self.taken.eq(condition ^ self.funct3[0])
            with m.Case(Transfer.JAL, Transfer.JALR):
                m.d.comb += self.taken.eq(1)
        by_register = Signal()
        target = Signal(32)
        m.d.comb += [
            by_register.eq((self.transfer == Transfer.JALR) | self.indirect),
            target.eq(Mux(by_register, Cat(Const(0, 1), self.register_target[1:]), self.direct_target)),
            self.goes_to.eq(Mux(self.taken | self.indirect, target, self.next_pc)),
            self.mispredicted.eq(
                (self.taken != self.predicted_taken) | (self.taken & (target != self.predicted_target))
            ),
        ]
        return m
