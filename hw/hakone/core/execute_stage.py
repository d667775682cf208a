"""Execute stage: arithmetic, branches, memory addresses, operand checks; multiplier and divider start here.

Clock domain ``sync`` (multiplier and divider only; the rest is combinational). Sources: see the units.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import MemoryRequest
from ..isa.cause import Cause, Sub
from ..isa.encoding import CTXGET_GENERATION
from .alu import Alu
from .branch import BranchUnit
from .context import ContextCheck
from .control import LateSource, ResultSource, System
from .divide import Divider
from .multiply import Multiplier
from .slots import ExecuteSlot, MemorySlot


class ExecuteStage(wiring.Component):
    """From ``slot`` to ``following`` in the same cycle.

    - ``late_result``: the write stage's result, for operands marked late.
    - ``moves``: the instruction moves on to the memory stage at the end of this cycle (a late signal).
    - ``interrupt``, ``interrupt_code``: an interrupt to attach. It takes the place of the instruction, which then
      does nothing.
    - ``request``, ``asks``: the memory operation and whether there is one to issue.
    - ``product`` and ``quotient``: results of the instruction that is in the memory stage; ``dividing``: the latter
      is not ready.
    - ``operand``: rs1 (for the early read of another context's bank).
    - ``context``, ``level``, ``trap_context``, ``exists``, ``managed``, ``sealed``, ``entries``, ``exhausted``: see
      ``ContextCheck``, as for the parameter ``switches``.
    - ``link_overflow``: a crossing now would need a ninth back link.
    """

    slot: In(ExecuteSlot)
    late_result: In(32)
    moves: In(1)
    interrupt: In(1)
    interrupt_code: In(Cause)
    context: In(4)
    level: In(2)
    trap_context: In(4)
    exists: In(16)
    managed: In(16)
    sealed: In(16)
    entries: In(16)
    exhausted: In(1)
    pc_known: In(1)
    link_overflow: In(1)
    following: Out(MemorySlot)
    request: Out(MemoryRequest)
    asks: Out(1)
    operand: Out(32)
    product: Out(32)
    quotient: Out(32)
    dividing: Out(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        slot, control, out = self.slot, self.slot.control, self.following
        m.submodules.alu = alu = Alu()
        m.submodules.branch = branch = BranchUnit()
        rs2 = self._rs2 = Signal(32)
        m.d.comb += [
            self.operand.eq(Mux(slot.rs1_late, self.late_result, slot.rs1)),
            rs2.eq(Mux(slot.rs2_late, self.late_result, slot.rs2)),
            alu.op.eq(control.alu),
            alu.a.eq(self.operand),
            alu.b.eq(Mux(slot.b_late, self.late_result, slot.b)),
            branch.transfer.eq(control.transfer),
            branch.indirect.eq(slot.indirect),
            branch.register_target.eq(Mux(slot.indirect, self.operand, alu.sum)),
            branch.funct3.eq(control.funct3),
            branch.equal.eq(alu.equal),
            branch.less.eq(alu.less),
            branch.less_unsigned.eq(alu.less_unsigned),
            branch.direct_target.eq(slot.target),
            branch.next_pc.eq(slot.next_pc),
            branch.predicted_taken.eq(slot.predicted_taken),
            branch.predicted_target.eq(slot.predicted_target),
            # Of all traps found here, only an interrupt can hit a memory instruction.
            self.asks.eq(slot.valid & control.memory & ~slot.trap.valid & ~self.interrupt),
            self.request.op.eq(control.memory_op),
            self.request.addr.eq(alu.sum),
            self.request.size_log2.eq(control.funct3[:2]),
            self.request.unsigned.eq(control.funct3[2]),
            self.request.wdata.eq(rs2),
            out.valid.eq(slot.valid),
            out.pc.eq(slot.pc),
            out.raw.eq(slot.raw),
            out.compressed.eq(slot.compressed),
            out.control.eq(control),
            out.rd.eq(slot.rd),
            out.goes_to.eq(branch.goes_to),
            out.taken.eq(branch.taken),
            out.mispredicted.eq(branch.mispredicted),
            out.redirect.eq(branch.mispredicted | control.flush),
            out.other.eq(self.operand[:4]),
            out.other_register.eq(self.operand[8:13]),
            out.other_birth.eq(self.operand[CTXGET_GENERATION.bit_length() - 1]),
            out.pc_known.eq(self.pc_known),
            out.region.eq(slot.region),
            out.automatic.eq(slot.automatic),
            out.key_slot.eq(slot.key_slot),
            out.owner.eq(slot.owner),
        ]
        with m.Switch(control.result):
            with m.Case(ResultSource.ALU):
                m.d.comb += out.result.eq(alu.result)
            with m.Case(ResultSource.LINK):
                m.d.comb += out.result.eq(slot.next_pc)
            with m.Case(ResultSource.TARGET):
                m.d.comb += out.result.eq(slot.target)
        self._traps(m)
        self._long_operations(m, rs2)
        return m

    def _traps(self, m):
        slot, system, trap = self.slot, self.slot.control.system, self.following.trap
        m.submodules.check = check = ContextCheck(self._switches)
        m.d.comb += [
            check.system.eq(system),
            check.operand.eq(self.operand),
            check.value.eq(self._rs2),
            trap.eq(slot.trap),
        ]
        for name in ("context", "level", "trap_context", "exists", "managed", "sealed", "entries", "exhausted"):
            m.d.comb += getattr(check, name).eq(getattr(self, name))
        with m.If(self.interrupt):
            m.d.comb += [trap.eq(0), trap.valid.eq(1), trap.interrupt.eq(1), trap.cause.eq(self.interrupt_code)]
        with m.Elif(~slot.trap.valid & check.refused):
            m.d.comb += [trap.valid.eq(1), trap.cause.eq(check.cause), trap.sub.eq(check.sub)]
        with m.Elif(~slot.trap.valid & (system == System.CROSS) & self.link_overflow):
            m.d.comb += [trap.valid.eq(1), trap.cause.eq(Cause.MODE), trap.sub.eq(Sub.MODE_BACKLINK_OVERFLOW)]

    def _long_operations(self, m, rs2):
        control = self.slot.control
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.divider = divider = Divider()
        # Operands are taken in every cycle in which such an instruction stands here. That loses no result: one of the
        # same kind in the memory stage either is still at work, or moves on in this very cycle, because nothing else
        # makes it wait. A division is begun only for an instruction that will ask for it.
        multiplies = self.slot.valid & (control.late == LateSource.MULTIPLY)
        divides = self.slot.valid & (control.late == LateSource.DIVIDE)
        for unit in (multiplier, divider):
            m.d.comb += [unit.funct3.eq(control.funct3), unit.a.eq(self.operand), unit.b.eq(rs2)]
        m.d.comb += [
            multiplier.enable.eq(multiplies),
            divider.load.eq(divides),
            divider.start.eq(divides & self.moves & ~self.slot.trap.valid & ~self.interrupt),
            self.product.eq(multiplier.result),
            self.quotient.eq(divider.result),
            self.dividing.eq(divider.busy),
        ]
