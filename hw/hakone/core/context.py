"""Contexts: which one runs, at which level, and what is kept of the others; the switch between them.

Clock domain ``sync``. Source: the project's context model (``docs/reference``). Registers and program counters lie in
the banks of ``register_file``; execution modes are ``mode``'s business and only stored here.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..isa.cause import Sub
from .control import LEVEL_M
from .mode import ModeState
from .register_file import CONTEXT_BITS, CONTEXTS

#: Contexts 1 to 14 can be named by boot records; 0 always exists, 15 is reserved.
NAMEABLE = 0x7FFE


class ContextRow(data.Struct):
    """What is kept of a context that was interrupted. All zero (user level, plain) for one that never ran."""

    level: 2
    mode: ModeState


class ContextUnit(wiring.Component):
    """The running context and the 16 rows of the others.

    Commands come from the memory stage, at most one a cycle, and take effect at its end:

    - ``leave``: a trap into the trap context. The row of the running context is stored (``mode`` is its mode),
      ``trap_context`` runs at level 3.
    - ``run``: ``run_context`` runs at the level of its row; ``row`` is that row, in the same cycle, for the mode unit.
    - ``set_level``: the level becomes ``new_level`` (an ordinary trap, ``mret``).
    - ``seal``: the running context is sealed from now on.
    - ``pc_written``: the program counter of ``pc_context`` was stored in its bank.

    ``context`` and ``level`` tell who runs. ``switched`` is high two cycles after ``leave`` or ``run`` (when the last
    write of the context that was left is done) with ``previous``: then the masks are exchanged. ``sealed`` has a bit
    for each context, ``allowed`` one for each that may be the trap context. ``run_pc_known``: the bank of
    ``check_context`` holds a program counter (else it is 0).

    What it protects: a trap context that is sealed, or a sealed context 0, is found at every trap (``trap_refused``).
    """

    boot_contexts: In(CONTEXTS)
    trap_context: In(CONTEXT_BITS)
    mode: In(ModeState)
    leave: In(1)
    run: In(1)
    run_context: In(CONTEXT_BITS)
    row: Out(ContextRow)
    set_level: In(1)
    new_level: In(2)
    seal: In(1)
    pc_written: In(1)
    pc_context: In(CONTEXT_BITS)
    check_context: In(CONTEXT_BITS)
    run_pc_known: Out(1)
    context: Out(CONTEXT_BITS)
    level: Out(2, init=LEVEL_M)
    sealed: Out(CONTEXTS)
    exists: Out(CONTEXTS)
    allowed: Out(CONTEXTS)
    running_sealed: Out(1)
    trap_refused: Out(1)
    previous: Out(CONTEXT_BITS)
    switching: Out(1)
    switched: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=ContextRow, depth=CONTEXTS, init=[])
        read, write = rows.read_port(domain="comb"), rows.write_port()
        row_valid, pc_known = Signal(CONTEXTS), Signal(CONTEXTS)
        stored = Signal(ContextRow)
        m.d.comb += [
            stored.level.eq(self.level),
            stored.mode.eq(self.mode),
            read.addr.eq(self.run_context),
            self.row.eq(Mux(row_valid.bit_select(self.run_context, 1), read.data.as_value(), 0)),
            write.addr.eq(self.context),
            write.data.eq(stored),
            write.en.eq(self.leave),
            self.exists.eq(self.boot_contexts & NAMEABLE | 1),
            self.allowed.eq(self.exists & ~self.sealed),
            self.running_sealed.eq(self.sealed.bit_select(self.context, 1)),
            self.trap_refused.eq(self.sealed.bit_select(self.trap_context, 1) | self.sealed[0]),
            self.run_pc_known.eq(pc_known.bit_select(self.check_context, 1)),
        ]
        with m.If(self.leave):
            m.d.sync += [
                row_valid.bit_select(self.context, 1).eq(1),
                self.previous.eq(self.context),
                self.context.eq(self.trap_context),
                self.level.eq(LEVEL_M),
            ]
        with m.If(self.run):
            m.d.sync += [
                self.previous.eq(self.context),
                self.context.eq(self.run_context),
                self.level.eq(self.row.level),
            ]
        with m.If(self.set_level):
            m.d.sync += self.level.eq(self.new_level)
        with m.If(self.seal):
            m.d.sync += self.sealed.bit_select(self.context, 1).eq(1)
        with m.If(self.pc_written):
            m.d.sync += pc_known.bit_select(self.pc_context, 1).eq(1)
        m.d.sync += [self.switching.eq(self.leave | self.run), self.switched.eq(self.switching)]
        return m


class ContextCheck(wiring.Component):
    """Operand check of ``ctxput`` (``put``) and ``ctxrun``; combinational.

    ``operand`` is rs1: bits 3..0 the context, for ``ctxput`` bits 12..8 the register, the rest reserved. ``refused``
    with ``sub``: reserved bits set (CONTEXT_OPERAND); context 0, the running one or one that does not exist
    (CONTEXT_NUMBER); ``ctxput`` to a sealed context (CONTEXT_SEALED); in this order.
    """

    put: In(1)
    operand: In(32)
    context: In(CONTEXT_BITS)
    exists: In(CONTEXTS)
    sealed: In(CONTEXTS)
    refused: Out(1)
    sub: Out(Sub)

    def elaborate(self, platform):
        m = Module()
        number = self.operand[:CONTEXT_BITS]
        reserved = Signal()
        m.d.comb += reserved.eq(Mux(self.put, self.operand & Const(0xFFFF_E0F0, 32), self.operand[CONTEXT_BITS:]).any())
        with m.If(reserved):
            m.d.comb += [self.refused.eq(1), self.sub.eq(Sub.CONTEXT_OPERAND)]
        with m.Elif((number == 0) | (number == self.context) | ~self.exists.bit_select(number, 1)):
            m.d.comb += [self.refused.eq(1), self.sub.eq(Sub.CONTEXT_NUMBER)]
        with m.Elif(self.put & self.sealed.bit_select(number, 1)):
            m.d.comb += [self.refused.eq(1), self.sub.eq(Sub.CONTEXT_SEALED)]
        return m
