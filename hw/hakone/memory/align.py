"""Byte lanes of loads and stores: from 64-bit cache words to a register, and from a register to memory words.

Combinational. A load takes its bytes from the 64-bit block that holds the first one, rotated by the address's three low
bits; a store works on 32-bit words. What crosses these is done in two parts, whose bytes fall into place by the same
rotation.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .doors import CacheGeometry


def turned_down(value: Value, lanes: Value, lane_bits: int) -> Value:
    """``value`` rotated right by ``lanes`` lanes of ``lane_bits``; it has ``2 ** len(lanes)`` lanes."""
    for bit in reversed(range(len(lanes))):
        step = lane_bits << bit
        value = Mux(lanes[bit], Cat(value[step:], value[:step]), value)
    return value


class AccessShape(wiring.Component):
    """Where the bytes of an access lie, from its address and size.

    Members: ``offset`` (low three address bits), ``size_log2`` (0 to 2), ``wdata``; ``first_strobe`` and
    ``second_strobe`` are the byte lanes in the 32-bit word of the address and in the next one, ``lanes`` is ``wdata``
    turned to fit both. ``crosses_word`` and ``crosses_block`` (64 bits): it does not fit into one; ``misaligned``: it
    is not a multiple of its size. All in the same cycle.
    """

    offset: In(3)
    size_log2: In(2)
    wdata: In(32)
    first_strobe: Out(4)
    second_strobe: Out(4)
    lanes: Out(32)
    crosses_word: Out(1)
    crosses_block: Out(1)
    misaligned: Out(1)

    def elaborate(self, platform):
        m = Module()
        half, word = self.size_log2 == 1, self.size_log2 == 2
        low = self.offset[:2]
        lanes = Cat(1, half | word, word, word)
        m.d.comb += [
            Cat(self.first_strobe, self.second_strobe).eq(lanes << low),
            self.lanes.eq(turned_down(self.wdata, (0 - low)[:2], 8)),
            self.crosses_word.eq(self.second_strobe.any()),
            self.crosses_block.eq(self.crosses_word & self.offset[2]),
            self.misaligned.eq((half & low[0]) | (word & low.any())),
        ]
        return m


class LoadAligner(wiring.Component):
    """From the words of all ways to the value for the register.

    Every way is turned into place before the hit chooses one, because the hit is known late. Bytes that the cache does
    not give come in beside that path: of the write of the cycle before (``forward``, when ``forwarded``), or of
    ``kept`` where ``use_kept`` is set (byte by byte).

    Parameters: ``geometry``. Members: ``words``, ``ways`` (one-hot, which word), ``offset``, ``size_log2``,
    ``unsigned``, and the above in; ``raw`` (four bytes before extension) and ``value`` out, in the same cycle.
    """

    def __init__(self, geometry: CacheGeometry):
        self._ways = geometry.ways
        super().__init__(
            {
                "words": In(data.ArrayLayout(64, geometry.ways)),
                "ways": In(geometry.ways),
                "forward": In(geometry.write_layout()),
                "forwarded": In(1),
                "kept": In(32),
                "use_kept": In(4),
                "offset": In(3),
                "size_log2": In(2),
                "unsigned": In(1),
                "raw": Out(32),
                "value": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cached = Const(0, 32)
        for way in range(self._ways):
            turned = turned_down(self.words[way], self.offset, 8)[:32]
            cached = cached | (turned & self.ways[way].replicate(32))
        fresh = turned_down(self.forward.data, self.offset, 8)[:32]
        fresh_strobe = turned_down(self.forward.strobe, self.offset, 1)[:4]
        for k in range(4):
            lane = slice(8 * k, 8 * k + 8)
            beside = Mux(self.use_kept[k], self.kept[lane], fresh[lane])
            use_beside = self.use_kept[k] | (self.forwarded & fresh_strobe[k])
            m.d.comb += self.raw[lane].eq(Mux(use_beside, beside, cached[lane]))
        sign = Signal()
        m.d.comb += [
            sign.eq(~self.unsigned & Mux(self.size_log2 == 0, self.raw[7], self.raw[15])),
            self.value[:8].eq(self.raw[:8]),
            self.value[8:16].eq(Mux(self.size_log2 == 0, sign.replicate(8), self.raw[8:16])),
            self.value[16:].eq(Mux(self.size_log2 == 2, self.raw[16:], sign.replicate(16))),
        ]
        return m
