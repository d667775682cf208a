"""Attribute entries of which every range is compared in every cycle. Part of ``line_cipher_unit``.

Clock domain ``sync``. Two look-ups a cycle, each answered in that cycle, whatever the address: what the memory bus of a
stranger needs, who keeps to no range for long. The system itself uses copies (``crypto.lookup``), which are smaller and
quicker and may make an access wait.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from ..crypto.attributes import (
    CONTEXTS,
    ENTRIES_MAX,
    AttributeContent,
    AttributeEntry,
    AttributePlace,
    AttributeRange,
    AttributeWalkPort,
)
from ..isa.formats import RegionFlag

READ_PORTS = 2  #: one for each direction


class ParallelLookupPort(wiring.Signature):
    """Combinational attribute look-up: ``context`` and ``line`` out, ``match`` in the same cycle."""

    def __init__(self):
        super().__init__({"context": Out(4), "line": Out(LINE_BITS), "match": In(RegionMatch)})


class ParallelReadPort(wiring.Signature):
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


class ParallelRegisters(wiring.Component):
    """The attribute entries of the chip. No software at any level has a way to read them.

    ``install`` takes one entry per cycle into the lowest free place; look-ups and walks see it from the next cycle on.
    ``install.ready`` is low when every place is taken: nothing is ever overwritten. ``free`` is the number of places
    left. ``walk`` shows places one by one and removes; not in a cycle in which an entry is installed. Synchronous reset
    empties all. The caller installs only entries that do not overlap another one of the same context, and none of
    context 0; the look-up ignores entries of context 0 in any case.

    Parameters: ``entries``, 1 to 16. Members: ``install`` (stream of ``AttributeEntry``), ``free`` (0 to ``entries``),
    ``walk`` and ``read`` (``AttributeWalkPort``, two ``ParallelReadPort``, seen from this side), ``contexts`` (bit per
    context that has an entry). Errors: ``ValueError`` for an impossible number of entries.
    """

    def __init__(self, entries: int = ENTRIES_MAX):
        port = ParallelReadPort(entries)
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


class ParallelLookup(wiring.Component):
    """Finds the entry of ``port.context`` whose range holds ``port.line``, in the same cycle.

    Every range is compared at once; the number of the one that matches then reads its content from the small memory of
    the registers, which costs a tenth of a selector over all contents. Entries of one context never overlap, so that at
    most one matches. Context 0 never matches, whatever the entries say. ``port.match`` is all zero without a hit.

    Parameters: ``entries``, 1 to 16, as in the registers; ``switches``: see ``bus.open_checks``.
    Members: ``port`` (``ParallelLookupPort``, seen from this side),
    ``registers`` (``ParallelReadPort``). It tells no rights apart: the fetch unit and the load/store unit judge
    ``flags``, ``owner`` and ``key_slot``.
    """

    def __init__(self, entries: int = 16, switches: Value | None = None):
        self._switches = switches
        super().__init__({"port": In(ParallelLookupPort()), "registers": Out(ParallelReadPort(entries))})
        self._entries = entries

    def elaborate(self, _platform) -> Module:
        """Compare, encode, read, and mask when nothing matched."""
        m = Module()
        line, context = self.port.line, self.port.context
        matches = []
        for n in range(self._entries):
            place = self.registers.range[n]
            match = Signal(name=f"match_{n}")
            mine = (place.context == context) & (context != 0)  # empty places have context 0 as well
            if self._switches is not None:
                mine |= is_open(self._switches, OpenCheck.CONTEXT_TAG) & (context != 0) & (place.context != 0)
            # "Less than" only: for "less or equal" synthesis adds an equality comparator (26 LUT4) to the carry chain.
            m.d.comb += match.eq(mine & ~(line < place.start_line) & ~(place.end_line < line))
            matches.append(match)
        index_bits = [reduce(or_, (h for n, h in enumerate(matches) if n >> bit & 1), Const(0, 1)) for bit in range(4)]
        content, found = self.registers.content, Signal(RegionMatch)
        m.d.comb += [
            self.registers.index.eq(Cat(index_bits)),
            found.hit.eq(1),
            found.algorithm.eq(content.algorithm),
            found.flags.eq(content.flags),
            found.domain.eq(content.domain),
            found.key_slot.eq(content.key_slot),
            found.owner.eq(content.owner),
            found.segment_base.eq(content.segment_base),
        ]
        with m.If(Cat(matches).any()):
            m.d.comb += self.port.match.eq(found)
        return m
