"""Fetching one line for the data cache: ask, take the beats, make it valid when all that must be true of it is.

Clock domain ``sync``. Saving what stood in its place is the miss unit's part.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LineBeat, LineRead
from .doors import WORD_BITS, CacheGeometry, InvalidatePort


class DataFill(wiring.Component):
    """One data miss at a time.

    ``start`` in the first cycle; ``fill`` is held until ``done``. From the first cycle on, the way is invalid and
    clean, memory is asked through ``read`` unless ``wait`` is high, and the instruction cache is told through
    ``invalidate``. Beats go into the data RAM as they come. ``done`` comes with the last beat, or with the instruction
    cache's answer if that is later; only then, and only if no beat had an ``error``, does the tag become valid.

    Parameters: ``geometry``. Members: ``start``, ``fill``, ``wait`` (memory must not be read for this line yet);
    ``read``, ``beat_valid``, ``beat`` as in ``LinePort``; ``write``, ``tag_ways``, ``tag``, ``clean_ways`` as in
    ``CacheRefillPort``, for the set of ``fill.line``; ``done`` with ``error``.
    Protects: a line with a bad beat is never visible; nor is one that the instruction cache still holds under another
    domain.
    """

    def __init__(self, geometry: CacheGeometry):
        self._geometry = geometry
        super().__init__(
            {
                "start": In(1),
                "fill": In(geometry.fill_layout()),
                "wait": In(1),
                "read": Out(stream.Signature(LineRead)),
                "beat_valid": In(1),
                "beat": In(LineBeat),
                "invalidate": Out(InvalidatePort()),
                "write": Out(geometry.write_layout()),
                "tag_ways": Out(geometry.ways),
                "tag": Out(geometry.tag_layout),
                "clean_ways": Out(geometry.ways),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform):
        """Four flags: busy, asked, told, and the state of the beats."""
        m = Module()
        geometry, fill = self._geometry, self.fill
        busy, asked, told, ended, bad = Signal(), Signal(), Signal(), Signal(), Signal()
        beats = Signal(WORD_BITS)
        active = self.start | busy
        arrived = ended | (self.beat_valid & self.beat.last)
        m.d.comb += [
            self.read.payload.line.eq(fill.line),
            self.read.payload.domain.eq(fill.domain),
            self.read.payload.keep.eq(1),
            self.read.payload.slot.eq(geometry.slot_of(geometry.set_of(fill.line), fill.ways)),
            self.read.valid.eq(active & ~asked & ~self.wait),
            self.invalidate.line.eq(fill.line),
            self.invalidate.domain.eq(fill.domain),
            self.invalidate.valid.eq(active & ~told),
            self.write.ways.eq(Mux(busy & self.beat_valid, fill.ways, 0)),
            self.write.index.eq(Cat(beats, geometry.set_of(fill.line))),
            self.write.strobe.eq(0xFF),
            self.write.data.eq(self.beat.data),
            self.done.eq(busy & arrived & (told | self.invalidate.done)),
            self.error.eq(bad | (self.beat_valid & self.beat.error)),
            self.clean_ways.eq(Mux(self.start, fill.ways, 0)),
        ]
        with m.If(self.start):
            m.d.comb += self.tag_ways.eq(fill.ways)  # with a tag of zero: not valid
        with m.Elif(self.done & ~self.error):
            m.d.comb += [
                self.tag_ways.eq(fill.ways),
                self.tag.valid.eq(1),
                self.tag.tag.eq(geometry.tag_of(fill.line)),
                self.tag.domain.eq(fill.domain),
            ]
        with m.If(self.done):
            m.d.sync += Cat(busy, asked, told, ended, bad, beats).eq(0)
        with m.Elif(active):
            m.d.sync += [
                busy.eq(1),
                asked.eq(asked | (self.read.valid & self.read.ready)),
                told.eq(told | self.invalidate.done),
            ]
            with m.If(busy & self.beat_valid):
                m.d.sync += [beats.eq(beats + 1), ended.eq(self.beat.last), bad.eq(bad | self.beat.error)]
        return m
