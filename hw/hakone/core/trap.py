"""Traps: what one leaves in the registers and where it goes.

Combinational, no clock. Sources: RISC-V Privileged Architecture (20240411), sections 3.1.7 and 3.1.14 to 3.1.16; the
project's context model (``docs/reference``) for the trap context.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..isa.cause import Cause, Sub
from .csr import TrapRecord


class TrapRequest(data.Struct):
    """A trap that an instruction carries down the pipeline. ``value_valid``: its value goes to ``mtval``, else 0."""

    valid: 1
    interrupt: 1
    cause: Cause
    sub: Sub
    value_valid: 1


class TrapUnit(wiring.Component):
    """Turns the request of the instruction in the memory stage into a record, a target and the kind of trap.

    ``request``, ``pc``, ``next_pc``, ``value`` belong to the instruction; ``context``, ``level``, ``encrypted``,
    ``sealed`` to who runs; ``trap_context``, ``mtvec``, ``hxtvec`` to the registers; ``refused``: a context that must
    not be sealed is. The record's ``sub`` says so. ``leaves``: the trap goes into the trap context; otherwise it is
    an ordinary one. ``saved_pc`` is kept for the return: the instruction itself, but past it (``past``) for the system
    call of a sealed context.

    What it protects: for a sealed context ``value`` is always 0, so no address and no instruction bits get out.
    """

    request: In(TrapRequest)
    pc: In(32)
    next_pc: In(32)
    value: In(32)
    context: In(4)
    level: In(2)
    encrypted: In(1)
    sealed: In(1)
    refused: In(1)
    trap_context: In(4)
    mtvec: In(32)
    hxtvec: In(32)
    leaves: Out(1)
    record: Out(TrapRecord)
    saved_pc: Out(32)
    past: Out(1)
    target: Out(32)

    def elaborate(self, platform):
        m = Module()
        request, record = self.request, self.record
        call = Signal()
        vectored = Signal()
        m.d.comb += [
            self.leaves.eq(self.context != self.trap_context),
            call.eq((request.cause == Cause.ECALL_U) & ~request.interrupt),
            self.past.eq(call & self.sealed),
            self.saved_pc.eq(Mux(self.past, self.next_pc, self.pc)),
            record.ordinary.eq(~self.leaves),
            record.interrupt.eq(request.interrupt),
            record.cause.eq(request.cause),
            record.sub.eq(Mux(self.refused, Sub.CONTEXT_TRAP_SEALED, request.sub)),
            record.value.eq(Mux(request.value_valid & ~self.sealed, self.value, 0)),
            record.pc.eq(self.saved_pc),
            record.level.eq(self.level),
            record.left.eq(Cat(self.context, self.sealed, self.encrypted)),
            vectored.eq(self.mtvec[0] & request.interrupt),
        ]
        offset = Mux(vectored, Cat(Const(0, 2), request.cause), 0)
        base = Cat(Const(0, 2), self.mtvec[2:])
        m.d.comb += self.target.eq(Mux(self.leaves, self.hxtvec, (base + offset)[:32]))
        return m
