"""The read side of the SDRAM controller: bursts become beats to be read, and words from the chip become beats.

Clock domain ``sync``. AXI4 as in ``bus.axi4``.
"""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from .axi_burst import ADDRESS_BITS, Burst, from_channel, walked
from .sdram_timing import BURST_WORDS

WORD_BITS = 16
DEPTH = 8  #: beats that are asked for and not yet taken


class _Tag(data.Struct):
    """What goes with a beat: whose it is, whether it ends its burst, whether it is outside the chip."""

    id: unsigned(2)
    last: unsigned(1)
    outside: unsigned(1)


class SdramReads(wiring.Component):
    """Two read bursts: one whose beats are being read, and the one behind it.

    A burst is taken while the second place is free. Each beat of the first one is offered with ``pending`` and
    ``address`` until ``take``; ``ready`` says that there is room for its data. ``final`` marks the last of a burst.
    Beats outside the chip never are pending; they are answered with DECERR in their turn. ``next_pending`` and
    ``next_address``: first beat of the burst behind. The four words of a beat come one a cycle on ``word``;
    ``arriving`` stands beside the last one, in which cycle the beat is on the bus if nothing waits before it.

    Parameters: ``base``, ``size_bytes`` (power of two): the addresses that the chip has.
    """

    def __init__(self, base: int, size_bytes: int):
        self._base, self._size_log2 = base, size_bytes.bit_length() - 1
        super().__init__(
            {
                "axi": In(Axi4()),
                "pending": Out(1),
                "ready": Out(1),
                "final": Out(1),
                "address": Out(ADDRESS_BITS),
                "take": In(1),
                "next_pending": Out(1),
                "next_address": Out(ADDRESS_BITS),
                "word": In(WORD_BITS),
                "arriving": In(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Bursts, then what comes back for them."""
        m = Module()
        axi = self.axi
        burst, behind = Signal(Burst), Signal(Burst)
        valid, behind_valid = Signal(), Signal()
        incoming = from_channel(m, axi, "ar", self._base, self._size_log2, "incoming")
        after = walked(m, burst, "after")
        outside = burst.outside
        room = Signal()
        advance, done, free = Signal(), Signal(), Signal()
        m.d.comb += [
            axi.arready.eq(~behind_valid),
            self.pending.eq(valid & ~outside),
            self.ready.eq(room),
            self.final.eq(burst.beats == 0),
            self.address.eq(burst.address),
            self.next_pending.eq(behind_valid & ~behind.outside),
            self.next_address.eq(behind.address),
            advance.eq(self.take | (valid & outside & room)),
            done.eq(advance & self.final),
            free.eq(~valid | done),
        ]
        with m.If(free):
            m.d.sync += [
                burst.eq(Mux(behind_valid, behind, incoming)),
                valid.eq(behind_valid | axi.arvalid),
                behind_valid.eq(0),
            ]
        with m.Else():
            with m.If(advance):
                m.d.sync += burst.eq(after)
            with m.If(~behind_valid):
                m.d.sync += [behind.eq(incoming), behind_valid.eq(axi.arvalid)]
        self._answer(m, burst, outside, advance, room)
        return m

    def _answer(self, m: Module, burst, outside, advance, room) -> None:
        """Tags stand in line from the command on, data from their arrival on; a beat needs both."""
        axi = self.axi
        m.submodules.tags = tags = memory.Memory(shape=_Tag, depth=DEPTH, init=[])
        m.submodules.beats = beats = memory.Memory(shape=64, depth=DEPTH, init=[])
        put_tag, tag_port = tags.write_port(), tags.read_port(domain="comb")
        put_beat, beat_port = beats.write_port(), beats.read_port(domain="comb")
        tag = tag_port.data
        asked, stored = Signal(range(DEPTH + 1)), Signal(range(DEPTH + 1))
        held, direct, popped, pop_stored = Signal(), Signal(), Signal(), Signal()
        before = [Signal(WORD_BITS, name=f"word_before{n}", reset_less=True) for n in range(1, BURST_WORDS)]
        for newer, older in zip([self.word, *before], before, strict=False):
            m.d.sync += older.eq(newer)
        whole = Cat(*reversed(before), self.word)
        m.d.comb += [
            room.eq(asked != DEPTH),
            put_tag.en.eq(advance),
            put_tag.data.id.eq(burst.id),
            put_tag.data.last.eq(burst.beats == 0),
            put_tag.data.outside.eq(outside),
            held.eq(stored != 0),
            axi.rvalid.eq((asked != 0) & (tag.outside | held | self.arriving)),
            axi.rid.eq(tag.id),
            axi.rlast.eq(tag.last),
            axi.rresp.eq(Mux(tag.outside, Response.DECERR, Response.OKAY)),
            axi.rdata.eq(Mux(held, beat_port.data, whole)),
            popped.eq(axi.rvalid & axi.rready),
            pop_stored.eq(popped & ~tag.outside & held),
            direct.eq(popped & ~tag.outside & ~held),
            put_beat.en.eq(self.arriving & ~direct),
            put_beat.data.eq(whole),
        ]
        with m.If(put_tag.en):
            m.d.sync += put_tag.addr.eq(put_tag.addr + 1)
        with m.If(popped):
            m.d.sync += tag_port.addr.eq(tag_port.addr + 1)
        with m.If(put_beat.en):
            m.d.sync += put_beat.addr.eq(put_beat.addr + 1)
        with m.If(pop_stored):
            m.d.sync += beat_port.addr.eq(beat_port.addr + 1)
        m.d.sync += [asked.eq(asked + put_tag.en - popped), stored.eq(stored + put_beat.en - pop_stored)]
