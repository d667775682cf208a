"""Which encrypted tweak stands in which place of the XTS engine, and the tweak of the next line ahead of its use.

Clock domain ``sync``. Encrypting a tweak takes as long as a block. A memory that answers sooner would wait for it; but
lines are mostly used in order, so the tweak of line + 1 is encrypted while the data of a line is still on its way.
"""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, DomainRow
from .xts_port import XtsPrepare

READ_PLACES = 3  #: two streams of lines (instructions, data) keep their prediction beside the line in use
WRITE_PLACES = 4  #: the first of the two places for lines to be written


class TweakRequest(data.Struct):
    """The tweak of ``line`` under ``domain``, whose row is ``row``."""

    line: LINE_BITS
    domain: 4
    row: DomainRow


class PlaceTag(data.Struct):
    """What a place holds or is about to hold."""

    valid: 1
    domain: 4
    line: LINE_BITS


class TweakPlaces(wiring.Component):
    """Answers the reader's tweak requests, and predicts.

    ``read_valid`` is held with ``read`` until ``read_ready``; ``read`` stays until the line is read, by when the
    prediction has begun: it waits for one tweak at most, and the line takes a block longer than its tweak. From the
    cycle after ``read_ready`` on ``read_place`` tells the place, which is safe until the next request is answered (the
    engine knows whether the tweak is there already). Predictions come after requests. A prediction may lie beyond its
    region: it is never used unless that line is asked for under the same domain. ``flush`` (one cycle, when a domain
    or a key changes) forgets every tweak held for reading. A request whose row was taken before (``read_current`` low)
    is served, but its tweak is not kept for another line, and nothing is predicted.

    Timing depends on the order of lines only, which the memory bus shows in any case. Source of the tweak:
    ``isa.formats.tweak_bytes``.
    """

    read_valid: In(1)
    read: In(TweakRequest)
    read_current: In(1)
    read_ready: Out(1)
    read_place: Out(2)
    flush: In(1)
    prepare_valid: Out(1)
    prepare: Out(XtsPrepare)
    prepare_ready: In(1)

    def elaborate(self, _platform) -> Module:
        """One request at a time to the engine, for the line read or for the one behind it; three tags in order of
        use.
        """
        m = Module()
        tags = Array(Signal(PlaceTag, name=f"tag_{n}") for n in range(READ_PLACES))
        next_pending = Signal()
        oldest, middle, newest = Signal(2, init=0), Signal(2, init=1), Signal(2, init=2)
        touched, touch = Signal(2), Signal()
        read, row = self.read, self.read.row
        line = Signal(LINE_BITS)
        m.d.comb += line.eq(read.line + ~self.read_valid)
        hits = Cat(t.valid & (t.domain == read.domain) & (t.line == line) for t in tags)
        known = hits.any()
        answered = Signal()
        m.d.comb += [
            self.prepare_valid.eq((self.read_valid | next_pending) & ~known),
            answered.eq((self.read_valid | next_pending) & (known | self.prepare_ready)),
            self.read_ready.eq(self.read_valid & answered),
            touched.eq(oldest),
            touch.eq(answered & (self.read_valid | ~known)),
            self.prepare.algorithm.eq(row.algorithm),
            self.prepare.key_slot.eq(row.key_slot),
            self.prepare.place.eq(oldest),
            self.prepare.tweak.eq(Cat((line - row.base_line)[:LINE_BITS], Const(0, 64 - LINE_BITS), row.tag)),
        ]
        with m.If(known):
            m.d.comb += touched.eq(Mux(hits[0], 0, Mux(hits[1], 1, 2)))
        with m.If(answered):
            m.d.sync += next_pending.eq(self.read_valid & self.read_current)
        with m.If(self.read_ready):
            m.d.sync += self.read_place.eq(touched)
        with m.If(self.prepare_valid & self.prepare_ready):
            m.d.sync += [
                tags[oldest].valid.eq(self.read_current | ~self.read_valid),
                tags[oldest].domain.eq(read.domain),
                tags[oldest].line.eq(line),
            ]
        with m.If(touch & (touched != newest)):
            m.d.sync += [newest.eq(touched), middle.eq(newest)]
            with m.If(touched == oldest):
                m.d.sync += oldest.eq(middle)
        with m.If(self.flush):
            m.d.sync += [next_pending.eq(0), *(t.valid.eq(0) for t in tags)]
        return m
