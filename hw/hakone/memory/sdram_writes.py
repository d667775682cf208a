"""The write side of the SDRAM controller: bursts and their data become beats to be written, word by word.

Clock domain ``sync``. AXI4 as in ``bus.axi4``.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from .axi_burst import ADDRESS_BITS, Burst, from_channel, walked
from .sdram_timing import BURST_WORDS

WORD_BITS = 16


class SdramWrites(wiring.Component):
    """One write burst, and one beat of data, which may come before its address.

    A beat is offered with ``pending``, ``ready`` (its data are here, and the answer of a last beat has its place) and
    ``address`` until ``take``. From that cycle on ``word`` and ``mask`` (a 1 keeps a byte as it is in the chip) are
    its four words, one a cycle, while ``sending``. ``lively``: ready, or it may be so when the words on their way have
    left. The burst is acknowledged after its last beat was taken: a read that is taken later finds it. Beats outside
    the chip are dropped and answered with DECERR. ``wlast`` is not looked at.

    Parameters: ``base``, ``size_bytes`` (power of two): the addresses that the chip has.
    """

    def __init__(self, base: int, size_bytes: int):
        self._base, self._size_log2 = base, size_bytes.bit_length() - 1
        super().__init__(
            {
                "axi": In(Axi4()),
                "pending": Out(1),
                "ready": Out(1),
                "lively": Out(1),
                "address": Out(ADDRESS_BITS),
                "take": In(1),
                "word": Out(WORD_BITS),
                "mask": Out(2),
                "sending": Out(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Address, data, answer."""
        m = Module()
        axi = self.axi
        burst = Signal(Burst)
        valid, full = Signal(), Signal()
        words_left = Signal(range(BURST_WORDS))  # of a beat that was taken
        beat, strobe = Signal(64, reset_less=True), Signal(8, reset_less=True)
        incoming = from_channel(m, axi, "aw", self._base, self._size_log2, "incoming")
        after = walked(m, burst, "after")
        outside = burst.outside
        final, dropped, advance = Signal(), Signal(), Signal()
        answer_free = ~axi.bvalid
        m.d.comb += [
            axi.awready.eq(~valid),
            final.eq(burst.beats == 0),
            self.pending.eq(valid & ~outside),
            self.ready.eq(full & (~final | answer_free)),
            self.lively.eq(self.ready | (words_left != 0)),
            self.address.eq(burst.address),
            dropped.eq(valid & outside & full & (~final | answer_free)),
            advance.eq(self.take | dropped),
            # The register is free again in the cycle in which its last word leaves.
            axi.wready.eq(~full & (words_left <= 1)),
            self.sending.eq(self.take | (words_left != 0)),
            self.word.eq(beat[:WORD_BITS]),
            self.mask.eq(~strobe[:2]),
        ]
        with m.If(~valid):
            m.d.sync += [burst.eq(incoming), valid.eq(axi.awvalid)]
        with m.Elif(advance):
            m.d.sync += [burst.eq(after), valid.eq(~final)]
        with m.If(self.take):
            m.d.sync += words_left.eq(BURST_WORDS - 1)
        with m.Elif(words_left != 0):
            m.d.sync += words_left.eq(words_left - 1)
        with m.If(advance):
            m.d.sync += full.eq(0)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [full.eq(1), beat.eq(axi.wdata), strobe.eq(axi.wstrb)]
        with m.Elif(self.sending):
            m.d.sync += [beat.eq(Cat(beat[WORD_BITS:], beat[:WORD_BITS])), strobe.eq(Cat(strobe[2:], strobe[:2]))]
        with m.If(advance & final):
            m.d.sync += [
                axi.bvalid.eq(1),
                axi.bid.eq(burst.id),
                axi.bresp.eq(Mux(outside, Response.DECERR, Response.OKAY)),
            ]
        with m.Elif(axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        return m
