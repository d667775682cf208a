"""The walk over attribute entries and domain rows that answers every question of ``setik`` and ``clrk`` about them.

Clock domain ``sync``. Both tables are read a place and a row a cycle, always all of them, so that the time of a walk
tells nothing.
"""

from amaranth import Module, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..bus.open_checks import OpenCheck, is_open
from .attributes import AttributeWalkPort
from .domains import DOMAINS, DomainWalkPort

SLOTS = 16
WALK_CYCLES = 16  #: in which ``busy`` is high
#: Members of ``TableWalk`` that answer, each for the worker that has a member of that name.
ANSWERS = (
    *("overlap", "counted", "bound", "base_same", "domain_free", "domain", "key_found", "slot_free", "slot"),
    *("found", "domain_shared", "slot_shared", "context_shared"),
)


class WalkMode(enum.Enum, shape=2):
    """What is looked for."""

    ROOM = 0  #: for a new entry: what is in its way, what it joins, what is free
    ENTRY = 1  #: the entry to release
    SHARERS = 2  #: who else uses that entry's domain, key and context


class WalkQuery(wiring.Signature):
    """What a walk compares with, constant from ``start`` (one cycle) until the answers have been used.

    ``context`` in every mode. ROOM: ``start_line``, ``end_line``, ``tag``, ``base_line``, ``equal`` (slots with an
    equal key; zero for a window), ``key_valid`` (slots that are in use). ENTRY: ``begin_line``, where the entry
    begins, and ``owner``, whose code asks (0: plain code), or with ``any_line`` the first entry of the context.
    SHARERS asks about what the ENTRY walk before it found.
    """

    def __init__(self):
        super().__init__(
            {
                "start": Out(1),
                "mode": Out(WalkMode),
                "context": Out(4),
                "any_line": Out(1),
                "begin_line": Out(LINE_BITS),
                "owner": Out(4),
                "start_line": Out(LINE_BITS),
                "end_line": Out(LINE_BITS),
                "tag": Out(32),
                "base_line": Out(LINE_BITS),
                "equal": Out(SLOTS),
                "key_valid": Out(SLOTS),
            }
        )


class TableWalk(wiring.Component):
    """Sixteen cycles from the one after ``query.start``, ``busy`` being high; then the answers stand until the next.

    ROOM: ``overlap`` (an entry of the context has a line of the range), ``counted`` (entries of the context that count
    against its quota); ``bound`` (key and tag have a domain) with ``domain``, its number, and ``base_same`` (it begins
    at ``base_line``), else ``domain_free`` with the lowest free row as ``domain``; ``key_found`` with ``slot``, else
    ``slot_free`` with the lowest free slot.
    ENTRY: ``found`` with ``place`` and ``domain`` (0: a window). Between walks the ports show this place and row.
    SHARERS: ``slot`` is the domain's; ``domain_shared`` (another entry has the domain), ``slot_shared`` (another domain
    has the key), ``context_shared`` (the context has another entry).

    Members: ``query`` (``WalkQuery``, seen from this side), ``attributes``, ``domains`` (the tables; ``remove`` is left
    to the releasing unit).
    """

    query: In(WalkQuery())
    attributes: Out(AttributeWalkPort())
    domains: Out(DomainWalkPort())
    busy: Out(1)
    overlap: Out(1)
    counted: Out(5)
    bound: Out(1)
    base_same: Out(1)
    domain_free: Out(1)
    domain: Out(range(DOMAINS))
    key_found: Out(1)
    slot_free: Out(1)
    slot: Out(range(SLOTS))
    found: Out(1)
    place: Out(4)
    domain_shared: Out(1)
    slot_shared: Out(1)
    context_shared: Out(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """A counter, and bits that collect."""
        m = Module()
        number, query = Signal(4), self.query
        for port, rest in ((self.attributes, self.place), (self.domains, self.domain)):
            m.d.comb += port.index.eq(rest)
            with m.If(self.busy):
                m.d.comb += port.index.eq(number)
        collected = (self.overlap, self.counted, self.bound, self.base_same, self.domain_free, self.key_found)
        shared = (self.slot_free, self.domain_shared, self.slot_shared, self.context_shared)
        with m.If(query.start):
            m.d.sync += [self.busy.eq(1), number.eq(0), *(answer.eq(0) for answer in (*collected, *shared))]
            with m.If(query.mode == WalkMode.SHARERS):
                m.d.sync += self.slot.eq(self.domains.row.key_slot)
            with m.Else():
                m.d.sync += self.found.eq(0)
        with m.If(self.busy):
            m.d.sync += number.eq(number + 1)
            with m.If(number == WALK_CYCLES - 1):
                m.d.sync += self.busy.eq(0)
            self._entry(m, number)
            self._row(m, number)
            self._key(m, number)
        return m

    def _entry(self, m: Module, number) -> None:
        """One attribute entry."""
        query, place = self.query, self.attributes.place
        mine = place.used & (place.range.context == query.context)
        other = number != self.place
        meets = ~(query.end_line < place.range.start_line) & ~(place.range.end_line < query.start_line)
        own = (place.owner == 0) | (place.owner == query.owner) | is_open(self._switches, OpenCheck.RELEASE_OWNER)
        begins = query.any_line | ((place.range.start_line == query.begin_line) & own)
        with m.Switch(query.mode):
            with m.Case(WalkMode.ROOM):
                m.d.sync += [
                    self.overlap.eq(self.overlap | (mine & meets)),
                    self.counted.eq(self.counted + (mine & place.counted)),
                ]
            with m.Case(WalkMode.ENTRY):
                with m.If(mine & begins & ~self.found):
                    m.d.sync += [self.found.eq(1), self.place.eq(number), self.domain.eq(place.domain)]
            with m.Case(WalkMode.SHARERS):
                with m.If(place.used & other):
                    m.d.sync += [
                        self.domain_shared.eq(self.domain_shared | (place.domain == self.domain)),
                        self.context_shared.eq(self.context_shared | (place.range.context == query.context)),
                    ]

    def _row(self, m: Module, number) -> None:
        """One domain row. Row 0 is never in use, and never free."""
        query, row = self.query, self.domains.row
        with m.Switch(query.mode):
            with m.Case(WalkMode.ROOM):
                with m.If(row.valid & query.equal.bit_select(row.key_slot, 1) & (row.tag == query.tag)):
                    m.d.sync += [
                        self.bound.eq(1),
                        self.base_same.eq(row.base_line == query.base_line),
                        self.domain.eq(number),
                    ]
                with m.Elif(~row.valid & (number != 0) & ~self.domain_free & ~self.bound):
                    m.d.sync += [self.domain_free.eq(1), self.domain.eq(number)]
            with m.Case(WalkMode.SHARERS):
                with m.If(row.valid & (row.key_slot == self.slot) & (number != self.domain)):
                    m.d.sync += self.slot_shared.eq(1)

    def _key(self, m: Module, number) -> None:
        """One key slot."""
        query = self.query
        with m.If(query.mode == WalkMode.ROOM):
            with m.If(query.equal.bit_select(number, 1)):
                m.d.sync += [self.key_found.eq(1), self.slot.eq(number)]
            with m.Elif(~query.key_valid.bit_select(number, 1) & ~self.slot_free & ~self.key_found):
                m.d.sync += [self.slot_free.eq(1), self.slot.eq(number)]
