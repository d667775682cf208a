"""Tweaks of AES-XTS: encrypted ahead of their lines, kept, and multiplied from block to block.

Clock domain ``sync``. Which line gets which place is left to whoever drives ``xts.XtsLine``. Source: IEEE 1619-2018,
5.2.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..crypto.aes_lane import BLOCK_BYTES, UNUSED, AesLane, KeyReadPort
from ..isa.formats import Algorithm
from .xts_port import TWEAK_PLACES, XtsPrepare

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
    """Encrypts tweaks and keeps four of them.

    ``prepare`` is taken when no other tweak is at work; 11 cycles later (15 for AES-256) the encrypted tweak goes to
    its place, and in the following cycle ``prepared`` has the bit of the place set. Taking ``prepare`` clears it.

    ``place`` (constant while it matters) selects what ``tweak`` shows. ``tweak_fresh`` is high in the last of the 11
    cycles and the one after, when the new tweak belongs to ``place``: ``fresh`` then has it before it can be read
    back.

    Members: ``prepare``, ``prepared``; ``place``, ``tweak``, ``tweak_fresh``, ``fresh``; ``keys`` (tweak keys).
    """

    prepare: In(stream.Signature(XtsPrepare))
    prepared: Out(TWEAK_PLACES)
    place: In(2)
    tweak: Out(TWEAK_BITS)
    tweak_fresh: Out(1)
    fresh: Out(TWEAK_BITS)
    keys: Out(KeyReadPort())

    def elaborate(self, _platform) -> Module:
        """One lane that only encrypts, a memory of four rows, a bit for each."""
        m = Module()
        m.submodules.lane = lane = AesLane(decrypt=False)
        m.submodules.places = places = memory.Memory(shape=TWEAK_BITS, depth=TWEAK_PLACES, init=[])
        write, read = places.write_port(), places.read_port(domain="comb")
        wiring.connect(m, lane.keys, wiring.flipped(self.keys))
        request, place, after = Signal(TWEAK_BITS), Signal(2), Signal()
        taken = self.prepare.valid & self.prepare.ready
        wanted = self.prepare.payload
        m.d.comb += [
            self.prepare.ready.eq(lane.idle),
            lane.load.eq(taken),
            lane.key_slot.eq(wanted.key_slot),
            lane.long.eq(wanted.algorithm == Algorithm.AES256_XTS),
            lane.start.eq(lane.armed),
            lane.release.eq(lane.done),
            write.en.eq(lane.done),
            write.addr.eq(place),
            write.data.eq(self.fresh),
            read.addr.eq(self.place),
            self.tweak.eq(read.data),
            self.fresh.eq(UNUSED),
            self.tweak_fresh.eq((lane.done | after) & (place == self.place)),
        ]
        with m.If(lane.done | after):
            m.d.comb += self.fresh.eq(Cat(lane.result))
        m.d.comb += [lane.block[n].eq(request[8 * n : 8 * n + 8]) for n in range(BLOCK_BYTES)]
        m.d.sync += after.eq(lane.done)
        with m.If(lane.done):
            m.d.sync += self.prepared.bit_select(place, 1).eq(1)
        with m.If(taken):
            m.d.sync += [
                request.eq(wanted.tweak),
                place.eq(wanted.place),
                self.prepared.bit_select(wanted.place, 1).eq(0),
            ]
        return m
