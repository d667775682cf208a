"""The memories of the data cache: tags, dirty bits, replacement order and data, with their two doors.

Tags and dirty bits are small and stand in LUT RAM; tags are read a cycle early into flops, so that the compare starts
from flops. Data is block RAM, 64 bits wide in each way, one read and one write port. Clock domain ``sync``.
Who may use the memories when is the business of the load/store unit and the miss unit.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from .doors import WORD_BITS, CacheGeometry, CacheLookupPort, CacheRefillPort


def oldest_way(order: Value, ways: int) -> Value:
    """The way to replace, one-hot, from the replacement bits of a set (a binary tree; a bit names the older half)."""
    if ways == 1:
        return Const(1, 1)
    if ways == 2:
        return Cat(~order[0], order[0])
    low, high = ~order[0], order[0]
    return Cat(low & ~order[1], low & order[1], high & ~order[2], high & order[2])


def order_after(order: Value, touched: Value, ways: int) -> Value:
    """The replacement bits of a set after its way ``touched`` (one-hot) was used."""
    if ways == 1:
        return Const(0, 1)
    if ways == 2:
        return touched[0]
    low = touched[0] | touched[1]
    return Cat(low, Mux(low, touched[0], order[1]), Mux(low, order[2], touched[2]))


class DataCache(wiring.Component):
    """Memories of the data cache.

    Every cycle reads tags and data at one index; results stand in the next cycle. One write a cycle; a read of the word
    being written shows its old bytes, and ``lookup.forward`` tells the write. At reset the tags are not cleared: the
    miss unit walks through them before anything else.

    Parameters: ``geometry``.
    Members: ``lookup`` (load/store unit), ``refill`` (miss unit); see ``doors``.
    Protects nothing by itself. The domain in a tag is what the load/store unit compares.
    """

    def __init__(self, geometry: CacheGeometry):
        self._geometry = geometry
        super().__init__({"lookup": In(CacheLookupPort(geometry)), "refill": In(CacheRefillPort(geometry))})

    def elaborate(self, platform):
        m = Module()
        index = Signal(self._geometry.index_bits)
        write = Signal(self._geometry.write_layout())
        m.d.comb += [
            index.eq(Mux(self.refill.take, self.refill.index, self.lookup.index)),
            # Only one of them writes in a cycle: the miss unit does so while the other waits.
            write.eq(Mux(self.refill.write.ways.any(), self.refill.write, self.lookup.write)),
        ]
        m.d.sync += self.lookup.forward.eq(write)
        for way in range(self._geometry.ways):
            self._tag_way(m, way, index[WORD_BITS:])
            self._data_way(m, way, index, write)
        self._dirty_bits(m)
        self._order(m)
        return m

    def _tag_way(self, m, way, set_number):
        """Tags of one way: LUT RAM, read into flops; a write to the set being read goes into the flops as well."""
        geometry, refill = self._geometry, self.refill
        m.submodules[f"tags_{way}"] = tags = memory.Memory(shape=geometry.tag_layout, depth=geometry.sets, init=[])
        reader, writer = tags.read_port(domain="comb"), tags.write_port()
        entry = Signal(geometry.tag_layout, name=f"tag_{way}")
        m.d.comb += [
            reader.addr.eq(set_number),
            writer.addr.eq(refill.line_set),
            writer.data.eq(refill.tag),
            writer.en.eq(refill.tag_ways[way]),
            self.lookup.tags[way].eq(entry),
            refill.tags[way].eq(entry),
        ]
        with m.If(writer.en & (refill.line_set == set_number)):
            m.d.sync += entry.eq(refill.tag)
        with m.Else():
            m.d.sync += entry.eq(reader.data)

    def _data_way(self, m, way, index, write):
        """Data of one way: block RAM with byte enables."""
        m.submodules[f"data_{way}"] = words = memory.Memory(
            shape=64, depth=self._geometry.sets << WORD_BITS, init=[], attrs={"ram_style": "block"}
        )
        reader, writer = words.read_port(domain="sync"), words.write_port(granularity=8)
        m.d.comb += [
            reader.addr.eq(index),
            reader.en.eq(1),
            writer.addr.eq(write.index),
            writer.data.eq(write.data),
            writer.en.eq(Mux(write.ways[way], write.strobe, 0)),
            self.lookup.words[way].eq(reader.data),
            self.refill.words[way].eq(reader.data),
        ]

    def _dirty_bits(self, m):
        """A dirty bit for each line, read for the set that is being worked on."""
        geometry, lookup, refill = self._geometry, self.lookup, self.refill
        m.submodules.dirty = dirty = memory.Memory(shape=geometry.ways, depth=geometry.sets, init=[])
        # A read port for each door: what one of them takes next may depend on what it reads here.
        for door, set_number in ((lookup, lookup.line_set), (refill, refill.dirty_set)):
            reader = dirty.read_port(domain="comb")
            m.d.comb += [reader.addr.eq(set_number), door.dirty.eq(reader.data)]
        writer = dirty.write_port(granularity=1)
        cleaning = refill.clean_ways.any()
        m.d.comb += [
            writer.addr.eq(Mux(cleaning, refill.line_set, lookup.write.index[WORD_BITS:])),
            writer.data.eq(Mux(cleaning, 0, Const(-1, geometry.ways))),
            writer.en.eq(Mux(cleaning, refill.clean_ways, lookup.write.ways)),
        ]

    def _order(self, m):
        """Which way was used longest ago, per set."""
        geometry, lookup = self._geometry, self.lookup
        m.submodules.order = order = memory.Memory(shape=max(1, geometry.ways - 1), depth=geometry.sets, init=[])
        reader, writer = order.read_port(domain="comb"), order.write_port()
        m.d.comb += [
            reader.addr.eq(lookup.line_set),
            lookup.oldest.eq(oldest_way(reader.data, geometry.ways)),
            writer.addr.eq(lookup.line_set),
            writer.data.eq(order_after(reader.data, lookup.touch, geometry.ways)),
            writer.en.eq(lookup.touch.any()),
        ]
