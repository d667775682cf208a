"""Attribute registers: which lines of which context lie under which domain, key slot, owner and rights.

Clock domain ``sync``. The ranges, which every look-up compares at once, stand in flops; the rest of an entry stands
in a small memory that a look-up reads at the index it found (two read ports: fetch and data). The comparison itself is
``lookup.AttributeLookup``. What the region unit must know of an entry stands once more in a memory that it walks.
Requirement AR-02 names the fields.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..isa.formats import Algorithm, RegionFlag

ENTRIES_MAX = 16  #: entries that an index of four bits can name
READ_PORTS = 2  #: fetch and data
CONTEXTS = 16


class AttributeRange(data.Struct):
    """What a look-up compares: the owner context and the first and last line, both inside the range."""

    context: 4
    start_line: LINE_BITS
    end_line: LINE_BITS


class AttributeContent(data.Struct):
    """What a look-up reads: cipher, key-store slot and key size in bytes, rights, domain and owner index.

    ``domain`` is 0 for a window to plain memory. ``owner`` is 0 for a window that a boot record installed: no owner id.
    ``segment_base``: see ``bus.core_ports.RegionMatch``; it means nothing for a window.
    """

    algorithm: Algorithm
    key_slot: 4
    key_bytes: 7
    flags: 8  # isa.formats.RegionFlag
    domain: 4
    owner: 4
    segment_base: 20


class AttributeEntry(data.Struct):
    """One whole attribute entry, as it is installed. ``counted``: it counts against its context's quota."""

    range: AttributeRange
    content: AttributeContent
    counted: 1


class AttributePlace(data.Struct):
    """What a walk sees of one place. Only ``used`` means something when it is low. ``code``: it may be executed;
    ``owner``: whose code installed it, 0 for a boot record's window.
    """

    used: 1
    counted: 1
    range: AttributeRange
    domain: 4
    code: 1
    owner: 4


class AttributeReadPort(wiring.Signature):
    """From a look-up to the registers: every range out of flops, and the content of entry ``index`` in the same cycle.

    A place without an entry has context 0, which never matches; its ``content`` means nothing. ``entries``: 1 to 16.
    """

    def __init__(self, entries: int):
        if not 1 <= entries <= ENTRIES_MAX:
            raise ValueError(f"entries = {entries}: 1 to {ENTRIES_MAX} are possible")
        self.entries = entries
        super().__init__(
            {
                "range": In(AttributeRange).array(entries),
                "index": Out(4),
                "content": In(AttributeContent),
            }
        )


class AttributeWalkPort(wiring.Signature):
    """From the region unit to the registers: ``place`` of number ``index`` in the same cycle, and ``remove``, which
    takes the entry at ``index`` away at the end of the cycle; ``last``: it is its context's only one. A number beyond
    the last place is never used.
    """

    def __init__(self):
        super().__init__({"index": Out(4), "place": In(AttributePlace), "remove": Out(1), "last": Out(1)})


class AttributeRegisters(wiring.Component):
    """The attribute entries of the chip. No software at any level has a way to read them.

    ``install`` takes one entry per cycle into the lowest free place; look-ups and walks see it from the next cycle on.
    ``install.ready`` is low when every place is taken: nothing is ever overwritten. ``free`` is the number of places
    left. ``walk`` shows places one by one and removes; not in a cycle in which an entry is installed. Synchronous reset
    empties all. The caller installs only entries that do not overlap another one of the same context, and none of
    context 0; the look-up ignores entries of context 0 in any case.

    Parameters: ``entries``, 1 to 16. Members: ``install`` (stream of ``AttributeEntry``), ``free`` (0 to ``entries``),
    ``walk`` and ``read`` (``AttributeWalkPort``, two ``AttributeReadPort``, seen from this side), ``contexts`` (bit per
    context that has an entry). Errors: ``ValueError`` for an impossible number of entries.
    """

    def __init__(self, entries: int = ENTRIES_MAX):
        port = AttributeReadPort(entries)
        self._entries = entries
        super().__init__(
            {
                "install": In(stream.Signature(AttributeEntry)),
                "free": Out(range(entries + 1), init=entries),
                "walk": In(AttributeWalkPort()),
                "read": In(port).array(READ_PORTS),
                "contexts": Out(CONTEXTS),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Flops for the ranges, memories for the rest, and which places are taken."""
        m = Module()
        m.submodules.contents = contents = memory.Memory(shape=AttributeContent, depth=ENTRIES_MAX, init=[])
        m.submodules.places = places = memory.Memory(shape=AttributePlace, depth=ENTRIES_MAX, init=[])
        ranges = [Signal(AttributeRange, name=f"range_{n}") for n in range(self._entries)]
        used, lowest = Signal(self._entries), Signal(4)
        taken, remove, entry = Signal(), Signal(), self.install.payload
        for n in reversed(range(self._entries)):
            with m.If(~used[n]):
                m.d.comb += lowest.eq(n)
        m.d.comb += [
            self.install.ready.eq(~used.all()),
            taken.eq(self.install.valid & self.install.ready),
            remove.eq(self.walk.remove & self.walk.place.used),
        ]
        code = entry.content.flags[RegionFlag.EXECUTE.bit_length() - 1]
        for store, value in (
            (contents, entry.content),
            (places, Cat(1, entry.counted, entry.range, entry.content.domain, code, entry.content.owner)),
        ):
            write = store.write_port()
            m.d.comb += [write.addr.eq(lowest), write.data.eq(value), write.en.eq(taken)]
        m.d.sync += self.free.eq(self.free - taken + remove)
        context = Mux(taken, entry.range.context, self.walk.place.range.context)
        with m.If(taken | (remove & self.walk.last)):
            m.d.sync += self.contexts.bit_select(context, 1).eq(taken)
        for n in range(self._entries):
            # A removed entry's lines are overwritten by whatever stands there: without a context they mean nothing.
            with m.If((taken | remove) & (Mux(taken, lowest, self.walk.index) == n)):
                m.d.sync += [
                    ranges[n].eq(entry.range),
                    ranges[n].context.eq(entry.range.context & taken.replicate(4)),
                    used[n].eq(taken),
                ]
        for port in self.read:
            content = contents.read_port(domain="comb")
            m.d.comb += [content.addr.eq(port.index), port.content.eq(content.data)]
            for n in range(self._entries):
                m.d.comb += port.range[n].eq(ranges[n])
        place = places.read_port(domain="comb")
        m.d.comb += [
            place.addr.eq(self.walk.index),
            self.walk.place.eq(place.data),
            self.walk.place.used.eq(used.bit_select(self.walk.index, 1)),
        ]
        return m
