"""Installing a region at run time: ``setik`` from its first word to the entry.

Clock domain ``sync``. Part of ``region_unit.RegionUnit``. What is loaded, and what can be said of it by itself, is
``region_load``; the tables are looked through by ``region_walk``.
"""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, flipped

from ..bus.core_ports import DomainRow, ExecState, Fault
from ..bus.open_checks import OpenCheck, is_open
from ..isa import formats
from ..isa.cause import Cause, Sub
from ..isa.formats import RegionStatus
from ..isa.platform import LINE_LOG2
from .attributes import AttributeEntry
from .boot_loader import KeyWord
from .domains import DOMAINS
from .raw_keys import SLOTS, WORDS, KeySearchPort
from .region_load import RegionLoad
from .region_walk import WalkQuery

#: Members that are those of ``RegionLoad`` with the same names.
_LOADS = ("segments", "load_done", "data", "load_fault", "protected", "physical", "operand", "abort", "clear")


class RegionInstall(wiring.Component):
    """Executes ``setik``: every word is loaded once into the chip and judged as it stands there.

    ``start`` (one cycle) with ``operand``; ``state``, ``segments``, ``quota`` and ``abort`` as in ``RegionPort``, loads
    too. ``busy`` is high from the next cycle on; afterwards ``status``, ``fault`` and ``aborted`` stand until ``clear``
    (one cycle, also together with ``start``). Order of what can refuse: first all that ``RegionLoad`` finds, then
    overlap, quota, free entry, key and tag bound elsewhere, free key slot and domain.

    Members: ``query``, ``walking`` and ``overlap`` to ``slot`` (``TableWalk``); ``entry_free``; ``key_install``,
    ``key_cancel``, ``key_busy``, ``key_valid``, ``search`` (key store); ``attribute_install``, ``domain_install`` with
    ``domain_number`` and ``domain_row`` (tables).

    Parameters: ``ram_bytes`` as in ``RegionUnit``; ``switches``: see ``bus.open_checks``.

    Protects: nothing is seen of an installation before its last cycle, in which entry and row appear together; an
    ``abort`` before leaves nothing, and a key slot filled in vain is wiped. The buffer is overwritten at every end. No
    value of a key word decides how long anything takes; whether the key is new, and equal halves, do.
    """

    def __init__(self, ram_bytes: int, switches: Value | None = None):
        self._switches = switches
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "operand": In(32),
                "state": In(ExecState),
                "segments": In(1),
                "quota": In(5),
                "abort": In(1),
                "busy": Out(1),
                "status": Out(RegionStatus),
                "fault": Out(Fault),
                "aborted": Out(1),
                "load": Out(1),
                "probe": Out(1),
                "addr": Out(32),
                "load_done": In(1),
                "data": In(32),
                "load_fault": In(Fault),
                "protected": In(1),
                "physical": In(32),
                "query": Out(WalkQuery()),
                "walking": In(1),
                "overlap": In(1),
                "counted": In(5),
                "bound": In(1),
                "base_same": In(1),
                "domain_free": In(1),
                "domain": In(range(DOMAINS)),
                "key_found": In(1),
                "slot_free": In(1),
                "slot": In(range(SLOTS)),
                "entry_free": In(1),
                "search": Out(KeySearchPort()),
                "key_install": Out(stream.Signature(KeyWord)),
                "key_cancel": Out(1),
                "key_busy": In(1),
                "key_valid": In(SLOTS),
                "attribute_install": Out(stream.Signature(AttributeEntry)),
                "domain_install": Out(1),
                "domain_number": Out(range(DOMAINS)),
                "domain_row": Out(DomainRow),
            }
        )
        self._load = RegionLoad(ram_bytes, switches)
        self._word = Signal(range(WORDS))
        self._own_status, self._bound_elsewhere, self._own_aborted = Signal(RegionStatus), Signal(), Signal()

    def elaborate(self, _platform) -> Module:
        """The order of things; the work of each step stands in a method."""
        m = Module()
        m.submodules.load = load = self._load
        self._connect(m)
        with m.FSM(name="install_state") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.clear):
                    m.d.sync += [self._own_status.eq(0), self._bound_elsewhere.eq(0), self._own_aborted.eq(0)]
                with m.If(self.start):
                    m.d.comb += load.start.eq(1)
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += self._word.eq(0)
                with m.If(~load.busy):
                    m.d.comb += self.query.start.eq(load.good)
                    m.next = "CLEAR"
                    with m.If(load.good):
                        m.next = "ROOM"
            self._decide(m)
            self._store_key(m)
            with m.State("COMMIT"):
                m.d.comb += [self.attribute_install.valid.eq(1), self.domain_install.eq(self._new_domain())]
                self._end(m)
            with m.State("CLEAR"):
                m.d.comb += load.wipe.eq(1)
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(self._word == WORDS - 1):
                    m.next = "IDLE"
        return m

    def _connect(self, m: Module) -> None:
        """What does not depend on the state. Of the two parts of an answer only one is not zero."""
        load, fields, query, fault = self._load, self._load.fields, self.query, Signal(Fault)
        wiring.connect(m, flipped(self.search), load.search)
        m.d.comb += [getattr(load, name).eq(getattr(self, name)) for name in _LOADS]
        m.d.comb += [getattr(self, name).eq(getattr(load, name)) for name in ("load", "probe", "addr")]
        with m.If(self._bound_elsewhere):
            m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.REGION), fault.sub.eq(Sub.REGION_BOUND)]
        m.d.comb += [
            self.status.eq(load.status.as_value() | self._own_status.as_value()),
            self.fault.eq(load.fault.as_value() | fault.as_value()),
            self.aborted.eq(load.aborted | self._own_aborted),
            load.index.eq(self._word),
            query.context.eq(self.state.context),
            query.start_line.eq(fields.start_line),
            query.end_line.eq(fields.end_line),
            query.tag.eq(fields.tag),
            query.base_line.eq(load.base_line),
            query.equal.eq(self.search.equal & load.protected_region.replicate(SLOTS)),
            query.key_valid.eq(self.key_valid),
        ]
        self._drive_tables(m)

    def _drive_tables(self, m: Module) -> None:
        """What is installed; the states say when. Between commands the key's wires are zero, as the buffer is."""
        fields, protected = self._load.fields, self._load.protected_region
        entry, row, key = self.attribute_install.payload, self.domain_row, self.key_install.payload
        last = Signal()
        domain, slot = Mux(protected, self.domain, 0), Mux(protected, self.slot, 0)
        segment_base = self._load.base_line[6:] - fields.start_line[6 : formats.SEGMENT_SHIFT - LINE_LOG2]
        m.d.comb += [
            entry.range.context.eq(self.state.context),
            entry.range.start_line.eq(fields.start_line),
            entry.range.end_line.eq(fields.end_line),
            entry.content.algorithm.eq(fields.algorithm),
            entry.content.key_slot.eq(slot),
            entry.content.key_bytes.eq(fields.key_bytes),
            entry.content.flags.eq(fields.flags),
            entry.content.domain.eq(domain),
            entry.content.owner.eq(self.state.owner),
            entry.content.segment_base.eq(segment_base),
            entry.counted.eq(1),
            self.domain_number.eq(domain),
            row.valid.eq(1),
            row.algorithm.eq(fields.algorithm),
            row.key_slot.eq(slot),
            row.tag.eq(fields.tag),
            row.base_line.eq(self._load.base_line),
            key.slot.eq(slot),
            key.algorithm.eq(fields.algorithm),
            key.index.eq(self._word),
            key.word.eq(self._load.key_word),
            key.last.eq(last),
        ]
        # A cycle late, which no one sees: the key store looks at a word two cycles after it took the one before.
        m.d.sync += last.eq(self._load.key_last)

    def _new_domain(self):
        """The region brings a domain of its own."""
        return self._load.protected_region & ~self.bound

    def _end(self, m: Module) -> None:
        """Go and overwrite the buffer."""
        m.d.sync += self._word.eq(0)
        m.next = "CLEAR"

    def _refuse(self, m: Module, status: RegionStatus) -> None:
        """End with a status."""
        m.d.sync += self._own_status.eq(status)
        self._end(m)

    def _decide(self, m: Module) -> None:
        """After the walk over both tables."""
        fits, elsewhere = Signal(), Signal()
        m.d.comb += [
            fits.eq(self.domain_free & (self.key_found | self.slot_free)),
            elsewhere.eq(
                self._load.protected_region & self.bound & ~self.base_same & ~is_open(self._switches, OpenCheck.BOUND)
            ),
        ]
        with m.State("ROOM"):
            m.d.sync += self._word.eq(0)
            with m.If(~self.walking):
                m.next = "COMMIT"
                with m.If(self.overlap & ~is_open(self._switches, OpenCheck.OVERLAP)):
                    self._refuse(m, RegionStatus.OVERLAP)
                with m.Elif((self.counted >= self.quota) & ~is_open(self._switches, OpenCheck.QUOTA)):
                    self._refuse(m, RegionStatus.QUOTA)
                with m.Elif(~self.entry_free):
                    self._refuse(m, RegionStatus.NO_ENTRY)
                with m.Elif(elsewhere):
                    m.d.sync += self._bound_elsewhere.eq(1)
                    self._end(m)
                with m.Elif(self._new_domain() & ~fits):
                    self._refuse(m, RegionStatus.NO_KEY)
                with m.Elif(self._new_domain() & ~self.key_found):
                    m.next = "STORE_KEY"

    def _store_key(self, m: Module) -> None:
        """The key into its slot; an interrupt takes it out again."""
        key, last_taken = self.key_install, Signal()
        m.d.comb += last_taken.eq(key.ready & key.payload.last)
        with m.State("STORE_KEY"):
            m.d.comb += [key.valid.eq(1), self.key_cancel.eq(self.abort & ~last_taken)]
            with m.If(self.key_cancel):
                m.next = "CANCELLED"
            with m.Elif(key.ready):
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(key.payload.last):
                    m.next = "COMMIT"
        with m.State("CANCELLED"):
            with m.If(~self.key_busy):
                m.d.sync += self._own_aborted.eq(1)
                self._end(m)
