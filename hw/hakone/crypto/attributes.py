"""Attribute registers: which lines of which context lie under which domain, key slot, owner and rights.

Clock domain ``sync``. The entries stand in small memories that are read one entry at a time: by the walker that finds
the range around a line (``lookup_walk.AttributeWalker``), and, with what the region unit must know, by that unit.
Every access looks at copies of the ranges in use (``lookup.RangeCopies``). Requirement AR-02 names the fields.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..isa.formats import Algorithm, RegionFlag

ENTRIES_MAX = 16  #: entries that an index of four bits can name
CONTEXTS = 16


class AttributeRange(data.Struct):
    """The context that an entry belongs to, and its first and last line, both inside the range."""

    context: 4
    start_line: LINE_BITS
    end_line: LINE_BITS


class AttributeContent(data.Struct):
    """What holds for an entry's lines: cipher, key-store slot and key size in bytes, rights, domain and owner index.

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
    """From the walker of the look-ups to the registers: entry ``index`` in the same cycle, whether there is one
    (``used``), and whether there is one behind it (``more``). ``contexts`` has a bit for each context with an entry.
    ``changes``: an entry is installed or removed at the end of this cycle.
    """

    def __init__(self):
        super().__init__(
            {
                "index": Out(4),
                "used": In(1),
                "more": In(1),
                "range": In(AttributeRange),
                "content": In(AttributeContent),
                "contexts": In(CONTEXTS),
                "changes": In(1),
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
    context 0; no look-up ever finds an entry of context 0.

    Parameters: ``entries``, 1 to 16. Members: ``install`` (stream of ``AttributeEntry``), ``free`` (0 to ``entries``),
    ``walk`` and ``read`` (``AttributeWalkPort``, ``AttributeReadPort``, seen from this side), ``contexts`` (bit per
    context that has an entry). Errors: ``ValueError`` for an impossible number of entries.
    """

    def __init__(self, entries: int = ENTRIES_MAX):
        if not 1 <= entries <= ENTRIES_MAX:
            raise ValueError(f"entries = {entries}: 1 to {ENTRIES_MAX} are possible")
        self._entries = entries
        super().__init__(
            {
                "install": In(stream.Signature(AttributeEntry)),
                "free": Out(range(entries + 1), init=entries),
                "walk": In(AttributeWalkPort()),
                "read": In(AttributeReadPort()),
                "contexts": Out(CONTEXTS),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Memories for the entries, and which places are taken."""
        m = Module()
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
        place = Cat(1, entry.counted, entry.range, entry.content.domain, code, entry.content.owner)
        read, walk = self.read, self.walk
        for name, shape, value, shown in (
            ("ranges", AttributeRange, entry.range, ((read.index, read.range),)),
            ("contents", AttributeContent, entry.content, ((read.index, read.content),)),
            ("places", AttributePlace, place, ((walk.index, walk.place),)),
        ):
            m.submodules[name] = store = memory.Memory(shape=shape, depth=ENTRIES_MAX, init=[])
            write = store.write_port()
            m.d.comb += [write.addr.eq(lowest), write.data.eq(value), write.en.eq(taken)]
            for index, target in shown:
                port = store.read_port(domain="comb")
                m.d.comb += [port.addr.eq(index), target.eq(port.data)]
        m.d.comb += [
            walk.place.used.eq(used.bit_select(walk.index, 1)),
            read.used.eq(used.bit_select(read.index, 1)),
            read.more.eq((used >> read.index)[1:].any()),
            read.contexts.eq(self.contexts),
            read.changes.eq(taken | remove),
        ]
        m.d.sync += self.free.eq(self.free - taken + remove)
        context = Mux(taken, entry.range.context, walk.place.range.context)
        with m.If(taken | (remove & walk.last)):
            m.d.sync += self.contexts.bit_select(context, 1).eq(taken)
        for n in range(self._entries):
            with m.If((taken | remove) & (Mux(taken, lowest, walk.index) == n)):
                m.d.sync += used[n].eq(taken)
        return m
