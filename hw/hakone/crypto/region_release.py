"""Releasing regions: ``clrk`` of an own one, or of everything that a dead context left.

Clock domain ``sync``. Part of ``region_unit.RegionUnit``. Lines are taken out of the caches by the miss unit and the
fetch unit, who has a share is told by ``region_walk``.
"""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainCleanPort, ExecState, Fault
from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Cause, Sub
from ..isa.platform import LINE_LOG2
from .domains import DOMAINS
from .region_walk import WalkMode, WalkQuery


class RegionRelease(wiring.Component):
    """Executes ``clrk`` for one entry, or with ``whole_context`` for every entry of one context.

    ``start`` (one cycle) with ``operand`` (the first address; with ``whole_context`` the context) and ``state``, as in
    ``RegionPort``. ``busy`` is high from the next cycle on; afterwards ``fault`` and ``aborted`` stand until ``clear``
    (one cycle, also together with ``start``).

    A domain ends with its last entry: its lines leave the data cache under its own key, the instruction cache is
    flushed (``flush_instruction`` for one cycle, then ``flush_busy`` is waited for), its row dies, and the key with it
    when no other domain has it. Only then the entry goes. Else the entry just goes. ``abort`` stops the cleaning, with
    the entry in place, or the work between two entries; from the flush on the release is finished.

    Members: ``query``, ``walking`` and ``found``, ``domain``, ``domain_shared``, ``slot_shared``, ``slot``,
    ``context_shared`` (``TableWalk``); ``place_code``: the entry found may be executed, and ``code``: so may one that
    was released by itself, until ``clear``.
    ``remove_entry`` with ``entry_last``, ``remove_domain`` (tables, at the place
    and row that the walk shows); ``key_erase``, ``key_busy`` (key store); ``clean``.

    Parameter ``switches``: see ``bus.open_checks``.
    """

    start: In(1)
    clear: In(1)
    whole_context: In(1)
    operand: In(32)
    state: In(ExecState)
    abort: In(1)
    busy: Out(1)
    fault: Out(Fault)
    aborted: Out(1)
    code: Out(1)
    place_code: In(1)
    query: Out(WalkQuery())
    walking: In(1)
    found: In(1)
    domain: In(range(DOMAINS))
    domain_shared: In(1)
    slot_shared: In(1)
    context_shared: In(1)
    slot: In(4)
    remove_entry: Out(1)
    entry_last: Out(1)
    remove_domain: Out(1)
    key_erase: Out(stream.Signature(4))
    key_busy: In(1)
    clean: Out(DomainCleanPort())
    flush_instruction: Out(1)
    flush_busy: In(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """Find, ask for sharers, and take apart from the outside in."""
        m = Module()
        m.d.comb += [
            self.query.context.eq(Mux(self.whole_context, self.operand[:4], self.state.context)),
            self.query.any_line.eq(self.whole_context),
            self.query.begin_line.eq(self.operand[LINE_LOG2:]),
            self.query.mode.eq(WalkMode.ENTRY),
            self.query.owner.eq(self.state.owner & self.state.encrypted.replicate(4)),
            self.entry_last.eq(~self.context_shared),
            self.key_erase.payload.eq(self.slot),
            self.clean.domain.eq(self.domain),
        ]
        with m.FSM(name="release_state") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.clear):
                    m.d.sync += [self.fault.eq(0), self.aborted.eq(0), self.code.eq(0)]
                with m.If(self.start):
                    m.next = "FIND"
                    with m.If(~self.whole_context & self.operand[:LINE_LOG2].any()):
                        self._fault(m, Sub.REGION_OPERAND)
            self._find(m)
            self._empty_caches(m)
            self._forget(m)
        return m

    def _fault(self, m: Module, sub: Sub) -> None:
        """End with a fault; nothing was changed."""
        m.d.sync += [self.fault.valid.eq(1), self.fault.cause.eq(Cause.REGION), self.fault.sub.eq(sub)]
        m.next = "IDLE"

    def _find(self, m: Module) -> None:
        """The entry, then who shares its domain, its key, its context."""
        with m.State("FIND"):
            m.d.comb += self.query.start.eq(1)
            m.next = "FINDING"
        with m.State("FINDING"):
            with m.If(~self.walking):
                m.next = "ASK"
                with m.If(~self.found):
                    m.next = "IDLE"
                    with m.If(~self.whole_context):
                        self._fault(m, Sub.REGION_NO_ENTRY)
        with m.State("ASK"):
            m.d.comb += [self.query.start.eq(1), self.query.mode.eq(WalkMode.SHARERS)]
            m.next = "ASKING"
        with m.State("ASKING"):
            m.d.comb += self.query.mode.eq(WalkMode.SHARERS)
            with m.If(~self.walking):
                m.next = "CLEAN"
                with m.If(is_open(self._switches, OpenCheck.RELEASE_CLEAN)):
                    m.next = "FORGET"
                with m.If((self.domain == 0) | self.domain_shared):
                    m.next = "REMOVE"

    def _empty_caches(self, m: Module) -> None:
        """No line of the domain stays on the chip."""
        stopped = Signal()
        with m.State("CLEAN"):
            m.d.comb += self.clean.start.eq(1)
            m.d.sync += stopped.eq(0)
            m.next = "CLEANING"
        with m.State("CLEANING"):
            m.d.comb += self.clean.abort.eq(self.abort | stopped)
            with m.If(self.clean.busy):
                m.d.sync += stopped.eq(stopped | self.abort)
            with m.Elif(stopped):
                m.d.sync += self.aborted.eq(1)
                m.next = "IDLE"
            with m.Else():
                m.next = "FLUSH"
        with m.State("FLUSH"):
            m.d.comb += self.flush_instruction.eq(1)
            m.next = "FLUSHING"
        with m.State("FLUSHING"):
            with m.If(~self.flush_busy):
                m.next = "FORGET"

    def _forget(self, m: Module) -> None:
        """Row, key, entry."""
        with m.State("FORGET"):
            m.d.comb += self.remove_domain.eq(1)
            m.next = "REMOVE"
            with m.If(~self.slot_shared & ~is_open(self._switches, OpenCheck.KEY_WIPE)):
                m.next = "ERASE"
        with m.State("ERASE"):
            m.d.comb += self.key_erase.valid.eq(1)
            with m.If(self.key_erase.ready):
                m.next = "ERASING"
        with m.State("ERASING"):
            with m.If(~self.key_busy):
                m.next = "REMOVE"
        with m.State("REMOVE"):
            m.d.comb += self.remove_entry.eq(1)
            m.d.sync += self.code.eq(self.place_code & ~self.whole_context)
            m.next = "IDLE"
            with m.If(self.whole_context):
                m.next = "FIND"
                with m.If(self.abort):
                    m.d.sync += self.aborted.eq(1)
                    m.next = "IDLE"
