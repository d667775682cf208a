"""Reading a whole line out of the data cache, 64 bits a cycle. Clock domain ``sync``."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .doors import WORD_BITS, CacheGeometry


class LineCopy(wiring.Component):
    """Reads the eight words of one line in address order.

    ``start`` in the first cycle, with ``set_number``, ``ways`` (one-hot) and ``to_fetch``, which may change afterwards.
    In this cycle and the seven after it the cache is read at ``index`` while ``active``; ``last`` is high in the
    eighth. Each word stands at ``word`` a cycle after its address, with ``saved`` (it goes to the victim buffer) or,
    after ``to_fetch``, with ``fetched`` (to the instruction cache); ``word_last`` is high with the eighth.

    Parameters: ``geometry``. Members as above, and ``words`` from the cache. No second start while ``active``.
    """

    def __init__(self, geometry: CacheGeometry):
        self._ways = geometry.ways
        super().__init__(
            {
                "start": In(1),
                "set_number": In(geometry.set_bits),
                "ways": In(geometry.ways),
                "to_fetch": In(1),
                "words": In(data.ArrayLayout(64, geometry.ways)),
                "active": Out(1),
                "last": Out(1),
                "index": Out(geometry.index_bits),
                "word": Out(64),
                "saved": Out(1),
                "fetched": Out(1),
                "word_last": Out(1),
            }
        )

    def elaborate(self, platform):
        """Count, and remember what to do with what arrives."""
        m = Module()
        running, arriving = Signal(), Signal()
        count = Signal(WORD_BITS)
        set_kept, ways_kept, to_fetch_kept = (
            Signal(len(member)) for member in (self.set_number, self.ways, self.to_fetch)
        )
        m.d.comb += [
            self.active.eq(self.start | running),
            self.last.eq(count.all()),
            self.index.eq(Cat(count, Mux(self.start, self.set_number, set_kept))),
        ]
        m.d.sync += [arriving.eq(self.active), self.word_last.eq(self.last)]
        with m.If(self.active):
            m.d.sync += [running.eq(~self.last), count.eq(count + 1)]
        with m.If(self.start):
            m.d.sync += [set_kept.eq(self.set_number), ways_kept.eq(self.ways), to_fetch_kept.eq(self.to_fetch)]
        word = Const(0, 64)
        for way in range(self._ways):
            word = word | (self.words[way] & ways_kept[way].replicate(64))
        m.d.comb += [
            self.word.eq(word),
            self.saved.eq(arriving & ~to_fetch_kept),
            self.fetched.eq(arriving & to_fetch_kept),
        ]
        return m
