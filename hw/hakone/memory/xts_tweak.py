"""Tweaks of AES-XTS: encrypted ahead of their lines, kept while these are cached, multiplied from block to block.

Clock domain ``sync``. Which line gets which place is left to whoever drives ``xts.XtsLine``. Source: IEEE 1619-2018,
5.2.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import SLOT_BITS
from ..crypto.aes_lane import BLOCK_BYTES, COLUMN_BITS, COLUMNS, AesLane, KeyReadPort
from ..isa.formats import Algorithm
from .xts_port import PLACE_BITS, TWEAK_PLACES, XtsPrepare, XtsRecall

TWEAK_BITS = 128
_REDUCTION = 0x87  # alpha^128


def times_alpha(tweak, power: int) -> list:
    """The 16 bytes of ``tweak`` times alpha to a power from 0 to 8 in GF(2^128) (IEEE 1619-2018, 5.2)."""
    shifted = Cat(Const(0, power), tweak)
    result = [shifted[8 * n : 8 * n + 8] for n in range(BLOCK_BYTES)]
    for n in range(power):
        top = tweak[TWEAK_BITS - power + n]
        for byte in range(2):
            bits = (_REDUCTION << n) >> 8 * byte & 0xFF
            if bits:
                result[byte] = result[byte] ^ Mux(top, Const(bits, 8), Const(0, 8))
    return result


class TweakUnit(wiring.Component):
    """Encrypts tweaks, holds some of them ready in places, and keeps one for each slot in block RAM.

    ``prepare`` is taken when no other tweak is at work; 11 cycles later (15 for AES-256) the encrypted tweak goes to
    its place, and in the following cycle ``prepared`` has the bit of the place set. Taking ``prepare`` clears it.

    ``place`` (constant while it matters) selects what ``tweak`` shows. ``tweak_fresh`` is high in the last of the 11
    cycles and the one after, when the new tweak belongs to ``place``: ``fresh`` then has it before it can be read
    back.

    ``keep`` writes ``kept`` to row ``keep_slot`` at the end of the cycle, unless there is a recall in that cycle: so it
    must be high for two cycles. ``recall_valid`` clears the bit of its place; the row's tweak is in the place two
    cycles later, or three when an encryption ends just then. Rows are not cleared at reset: whoever recalls one knows
    that it was written.

    Members: ``prepare``, ``prepared``; ``place``, ``tweak``, ``tweak_fresh``, ``fresh``; ``keep``, ``keep_slot``,
    ``kept``; ``recall_valid``, ``recall``; ``keys`` (tweak keys).
    """

    prepare: In(stream.Signature(XtsPrepare))
    prepared: Out(TWEAK_PLACES)
    place: In(PLACE_BITS)
    tweak: Out(TWEAK_BITS)
    tweak_fresh: Out(1)
    fresh: Out(TWEAK_BITS)
    keep: In(1)
    keep_slot: In(SLOT_BITS)
    kept: In(TWEAK_BITS)
    recall_valid: In(1)
    recall: In(XtsRecall)
    keys: Out(KeyReadPort())

    def elaborate(self, _platform) -> Module:
        """One lane that only encrypts, a memory of places, a bit for each, and the rows."""
        m = Module()
        m.submodules.lane = lane = AesLane(decrypt=False)
        m.submodules.places = places = memory.Memory(shape=TWEAK_BITS, depth=TWEAK_PLACES, init=[])
        write, read = places.write_port(), places.read_port(domain="comb")
        wiring.connect(m, lane.keys, wiring.flipped(self.keys))
        request, place, after = Signal(TWEAK_BITS), Signal(PLACE_BITS), Signal()
        taken = self.prepare.valid & self.prepare.ready
        wanted = self.prepare.payload
        m.d.comb += [
            self.prepare.ready.eq(lane.idle),
            lane.load.eq(taken),
            lane.key_slot.eq(wanted.key_slot),
            lane.long.eq(wanted.algorithm == Algorithm.AES256_XTS),
            lane.start.eq(lane.armed),
            lane.release.eq(lane.done),
            read.addr.eq(self.place),
            self.tweak.eq(read.data),
            self.fresh.eq(Cat(lane.result)),
            self.tweak_fresh.eq((lane.done | after) & (place == self.place)),
        ]
        recalled, recall_place, recalling = self._rows(m)
        # One write port for both; an encryption that ends goes first.
        m.d.comb += [
            write.en.eq(lane.done | recalling),
            write.addr.eq(Mux(lane.done, place, recall_place)),
            write.data.eq(recalled),
        ]
        with m.If(lane.done):
            m.d.comb += write.data.eq(self.fresh)
        with m.If(recalling & ~lane.done):
            m.d.sync += [recalling.eq(0), self.prepared.bit_select(recall_place, 1).eq(1)]
        m.d.comb += [lane.block[n].eq(request.word_select(n, COLUMN_BITS)) for n in range(COLUMNS)]
        m.d.sync += after.eq(lane.done)
        with m.If(lane.done):
            m.d.sync += self.prepared.bit_select(place, 1).eq(1)
        with m.If(taken):
            m.d.sync += [
                request.eq(wanted.tweak),
                place.eq(wanted.place),
                self.prepared.bit_select(wanted.place, 1).eq(0),
            ]
        with m.If(self.recall_valid):
            m.d.sync += [
                recalling.eq(1),
                recall_place.eq(self.recall.place),
                self.prepared.bit_select(self.recall.place, 1).eq(0),
            ]
        return m

    def _rows(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """The block RAM. Returns what was read last and stays there, and two flops: where it shall go, and that it
        waits. The output goes nowhere but to the places, because block RAM is slow.
        """
        m.submodules.rows = rows = memory.Memory(
            shape=TWEAK_BITS, depth=1 << SLOT_BITS, init=[], attrs={"ram_style": "block"}
        )
        write, read = rows.write_port(), rows.read_port()
        m.d.comb += [
            write.addr.eq(self.keep_slot),
            write.data.eq(self.kept),
            # Never together: so the RAM needs no rule for a read and a write of one row.
            write.en.eq(self.keep & ~self.recall_valid),
            read.addr.eq(self.recall.slot),
            read.en.eq(self.recall_valid),
        ]
        return read.data, Signal(PLACE_BITS, name="recall_place"), Signal(name="recalling")
