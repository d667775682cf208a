"""Contexts: which one runs, at which level, and what is kept of the others; the switch between them.

Clock domain ``sync``. Source: the project's context model (``docs/reference``). Registers and program counters lie in
the banks of ``register_file``; execution modes are ``mode``'s business and only stored here.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Cause, Sub
from ..isa.encoding import CLRK_CONTEXT, CTXGET_GENERATION
from ..isa.formats import SEGMENT_WORD_LIMIT
from .control import LEVEL_M, LEVEL_U, System
from .mode import ModeState
from .register_file import CONTEXT_BITS, CONTEXTS

#: Contexts 1 to 14 can be named by boot records and made by ``ctxnew``; 0 always exists, 15 is reserved.
NAMEABLE = 0x7FFE
QUOTA_MAX = 16  #: attribute entries


class ContextRow(data.Struct):
    """What is kept of a context that was interrupted. All zero (user level, plain) for one that never ran."""

    level: 2
    mode: ModeState


class ContextBirth(data.Struct):
    """What a context was made with. ``generation``: no other life of any context has the same; 0 from reset on."""

    manager: 2  # level of the creator
    quota: 5  # attribute entries that it may install itself
    generation: 32


class ContextUnit(wiring.Component):
    """The running context, the 16 rows of the others, and their births.

    Commands come from the memory stage, at most one a cycle, and take effect at its end:

    - ``leave``: a trap into the trap context. The row of the running context is stored (``mode`` is its mode),
      ``trap_context`` runs at level 3.
    - ``run``: the row of the running context is stored likewise, then ``run_context`` runs at the level of its row;
      ``row`` is that row, in the same cycle, for the mode unit.
    - ``make``: ``run_context`` begins a life with ``make_quota``, at user level, managed by the running level;
      ``generation`` is its generation. ``kill``: the life of ``run_context`` ends. Both forget its row and its PC.
    - ``set_level``: the level becomes ``new_level`` (an ordinary trap, ``mret``).
    - ``seal``: the running context is sealed from now on.
    - ``pc_written``: the program counter of ``pc_context`` was stored in its bank.

    ``context`` and ``level`` tell who runs. ``switched`` is high two cycles after ``leave`` or ``run`` (when the last
    write of the context that was left is done) with ``previous``: then the masks are exchanged. ``exists`` and
    ``sealed`` have a bit for each context, ``managed`` one for each that the running level manages, ``allowed`` one for
    each that may be the trap context. ``run_pc_known``: the bank of ``check_context`` holds a program counter (else it
    is 0). ``quota`` is that of the running context, ``birth_of_other`` the generation of ``run_context``.
    ``exhausted``: no generation is left.

    Parameter ``boot_quota``: quota of the contexts that boot records name.

    What it protects: a trap context that is sealed, or a sealed context 0, is found at every trap (``trap_refused``).
    Nothing of a context's life is there in the next one.
    """

    def __init__(self, boot_quota: int = 4):
        self._boot_quota = boot_quota
        super().__init__()

    boot_contexts: In(CONTEXTS)
    trap_context: In(CONTEXT_BITS)
    mode: In(ModeState)
    leave: In(1)
    run: In(1)
    run_context: In(CONTEXT_BITS)
    row: Out(ContextRow)
    make: In(1)
    make_quota: In(5)
    kill: In(1)
    generation: Out(32, init=1)
    exhausted: Out(1)
    birth_of_other: Out(32)
    quota: Out(5)
    managed: Out(CONTEXTS)
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
        made, killed = Signal(CONTEXTS), Signal(CONTEXTS)  # by ctxnew and ctxkill; at most one of the two
        stored = Signal(ContextRow)
        m.d.comb += [
            stored.level.eq(self.level),
            stored.mode.eq(self.mode),
            read.addr.eq(self.run_context),
            self.row.eq(Mux(row_valid.bit_select(self.run_context, 1), read.data.as_value(), 0)),
            write.addr.eq(self.context),
            write.data.eq(stored),
            write.en.eq(self.leave | self.run),
            self.exists.eq((self.boot_contexts & NAMEABLE & ~killed) | made | 1),
            self.allowed.eq(self.exists & ~self.sealed),
            self.running_sealed.eq(self.sealed.bit_select(self.context, 1)),
            self.trap_refused.eq(self.sealed.bit_select(self.trap_context, 1) | self.sealed[0]),
            self.run_pc_known.eq(pc_known.bit_select(self.check_context, 1)),
        ]
        with m.If(write.en):
            m.d.sync += row_valid.bit_select(self.context, 1).eq(1)
        with m.If(self.leave):
            m.d.sync += [
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
        other = self.run_context
        with m.If(self.make):
            m.d.sync += [
                made.bit_select(other, 1).eq(1),
                killed.bit_select(other, 1).eq(0),
                self.generation.eq(self.generation + 1),
            ]
        with m.If(self.kill):
            m.d.sync += [made.bit_select(other, 1).eq(0), killed.bit_select(other, 1).eq(1)]
        with m.If(self.make | self.kill):
            m.d.sync += [
                row_valid.bit_select(other, 1).eq(0),
                pc_known.bit_select(other, 1).eq(0),
                self.sealed.bit_select(other, 1).eq(0),
            ]
        m.d.sync += [self.switching.eq(self.leave | self.run), self.switched.eq(self.switching)]
        self._births(m, made)
        return m

    def _births(self, m, made):
        """What ``ctxnew`` gave. Contexts that were there from reset on have no row; level 3 manages them."""
        m.submodules.births = births = memory.Memory(shape=ContextBirth, depth=CONTEXTS, init=[])
        own, other, write = births.read_port(domain="comb"), births.read_port(domain="comb"), births.write_port()
        managers = [Signal(2, name=f"manager_{n}", init=LEVEL_M) for n in range(CONTEXTS)]
        m.d.comb += [
            own.addr.eq(self.context),
            other.addr.eq(self.run_context),
            write.addr.eq(self.run_context),
            write.data.manager.eq(self.level),
            write.data.quota.eq(self.make_quota),
            write.data.generation.eq(self.generation),
            write.en.eq(self.make),
            self.quota.eq(Mux(made.bit_select(self.context, 1), own.data.quota, self._boot_quota)),
            self.birth_of_other.eq(Mux(made.bit_select(self.run_context, 1), other.data.generation, 0)),
            self.exhausted.eq(self.generation == 0),
            self.managed.eq(Cat(manager == self.level for manager in managers)),
        ]
        for n, manager in enumerate(managers):
            with m.If((self.make | self.kill) & (self.run_context == n)):
                m.d.sync += manager.eq(Mux(self.make, self.level, LEVEL_M))


class ContextCheck(wiring.Component):
    """Operand check of the context instructions, ``clrk``, ``setik`` and ``segput``; combinational.

    ``system`` is the instruction, ``operand`` its rs1 and ``value`` its rs2 (layout: ``isa.encoding``). ``refused``
    with ``cause`` and ``sub``: the first of the rules in ``elaborate`` that fails. Of instructions without such
    operands nothing is refused.

    Members: ``context`` and ``level`` of the running code, ``trap_context``; ``exists``, ``managed``, ``sealed``,
    ``entries`` (attribute entries are left) with a bit for each context; ``exhausted``: no generation is left.
    Parameter ``switches``: see ``bus.open_checks``.
    """

    system: In(System)
    operand: In(32)
    value: In(32)
    context: In(CONTEXT_BITS)
    level: In(2)
    trap_context: In(CONTEXT_BITS)
    exists: In(CONTEXTS)
    managed: In(CONTEXTS)
    sealed: In(CONTEXTS)
    entries: In(CONTEXTS)
    exhausted: In(1)
    refused: Out(1)
    cause: Out(Cause)
    sub: Out(Sub)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        number = self.operand[:CONTEXT_BITS]
        self._exists, self._nameable = Signal(), Signal()
        m.d.comb += [
            self.cause.eq(Cause.CONTEXT),
            self._exists.eq(self.exists.bit_select(number, 1)),
            self._nameable.eq((number != 0) & ~number.all()),
        ]
        mine = self._exists & self.managed.bit_select(number, 1) & (number != self.context)
        sealed = self.sealed.bit_select(number, 1) & ~is_open(self._switches, OpenCheck.SEALED)
        left_entries = self.entries.bit_select(number, 1) & ~is_open(self._switches, OpenCheck.ENTRIES)
        place = 0x0000_000F | 0x1F00  # context and register
        with m.Switch(self.system):
            with m.Case(System.CTXRUN):
                self._rules(m, (self._other_bits(0xF), Sub.CONTEXT_OPERAND), (~mine, Sub.CONTEXT_NUMBER))
            with m.Case(System.CTXPUT):
                self._rules(
                    m,
                    (self._other_bits(place), Sub.CONTEXT_OPERAND),
                    (~mine, Sub.CONTEXT_NUMBER),
                    (sealed, Sub.CONTEXT_SEALED),
                )
            with m.Case(System.CTXGET):
                asks_generation = self.operand[CTXGET_GENERATION.bit_length() - 1]
                self._rules(
                    m,
                    (self._other_bits(place | CTXGET_GENERATION), Sub.CONTEXT_OPERAND),
                    (asks_generation & self.operand[8:13].any(), Sub.CONTEXT_OPERAND),
                    (~mine, Sub.CONTEXT_NUMBER),
                    (sealed & ~asks_generation, Sub.CONTEXT_SEALED),
                )
            with m.Case(System.CTXKILL):
                self._rules(
                    m,
                    (self._other_bits(0xF), Sub.CONTEXT_OPERAND),
                    (~mine | ~self._nameable | (number == self.trap_context), Sub.CONTEXT_NUMBER),
                )
            with m.Case(System.CTXNEW):
                self._rules(
                    m,
                    (self._other_bits(0x0000_030F) | (self.value > QUOTA_MAX), Sub.CONTEXT_OPERAND),
                    (~self._nameable, Sub.CONTEXT_NUMBER),
                    (self._exists, Sub.CONTEXT_EXISTS),
                    # No other level outside the manager's exists.
                    (self.operand[8:10] != LEVEL_U, Sub.CONTEXT_LEVEL),
                    (left_entries, Sub.CONTEXT_ENTRIES),
                    (self.exhausted, Sub.CONTEXT_GENERATION),
                )
            with m.Case(System.SETIK):
                m.d.comb += self.cause.eq(Cause.REGION)
                self._rules(m, (self.operand[:2].any(), Sub.REGION_OPERAND))
            with m.Case(System.CLRK):
                self._release_rules(m)
            with m.Case(System.SEGPUT):
                self._segment_rules(m, mine, number)
        return m

    def _other_bits(self, used: int):
        """One bit: the operand has ones outside of ``used``."""
        return (self.operand & Const(~used & 0xFFFF_FFFF, 32)).any()

    def _rules(self, m, *rules):
        """The first of ``rules``, pairs of a condition and a sub-rule, that holds."""
        for number, (broken, sub) in enumerate(rules):
            with m.If(broken) if number == 0 else m.Elif(broken):
                m.d.comb += [self.refused.eq(1), self.sub.eq(sub)]

    def _release_rules(self, m):
        """Of an own region: a multiple of the line. Of a context: for its manager, when the context is dead."""
        of_context = self.operand[CLRK_CONTEXT.bit_length() - 1] & (self.level == LEVEL_M)
        with m.If(of_context):
            self._rules(
                m,
                (self._other_bits(CLRK_CONTEXT | 0xF), Sub.CONTEXT_OPERAND),
                (~self._nameable, Sub.CONTEXT_NUMBER),
                (self._exists, Sub.CONTEXT_EXISTS),
            )
        with m.Else():
            m.d.comb += self.cause.eq(Cause.REGION)
            self._rules(m, (self.operand[:6].any(), Sub.REGION_OPERAND))

    def _segment_rules(self, m, mine, number):
        """Any context of this manager, the running one included; then the value."""
        limit = self.operand[12] == SEGMENT_WORD_LIMIT
        with m.If(self._other_bits(0x0000_1F0F)):
            m.d.comb += [self.refused.eq(1), self.sub.eq(Sub.CONTEXT_OPERAND)]
        with m.Elif(~mine & (number != self.context)):
            m.d.comb += [self.refused.eq(1), self.sub.eq(Sub.CONTEXT_NUMBER)]
        with m.Elif(Mux(limit, self.value[28:].any(), self.value[6:12].any())):
            m.d.comb += [self.refused.eq(1), self.cause.eq(Cause.SEGMENT), self.sub.eq(Sub.SEGMENT_OPERAND)]
