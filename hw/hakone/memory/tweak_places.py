"""Which encrypted tweak stands in which place of the XTS engine, and the tweak of the next line ahead of its use.

Clock domain ``sync``. Encrypting a tweak takes as long as a block. A memory that answers sooner would wait for it; but
lines are mostly used in order, so the tweak of line + 1 is encrypted while the data of a line is still on its way.
"""

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, DomainRow
from .xts_port import TWEAK_PLACES, XtsPrepare

READ_PLACES = 3  #: two streams of lines (instructions, data) keep their prediction beside the line in use
WRITE_PLACE = 3


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
    """Answers tweak requests of the reader and the writer, and predicts.

    ``read_valid`` is held with ``read`` until ``read_ready``; from the next cycle on ``read_place`` tells the place,
    which is safe until the next read request is answered (the engine knows whether the tweak is there already). The
    writer's requests go to a place of their own: ``write_prepared``. Reads go before writes, predictions last. A
    prediction may lie beyond its region: it is never used unless that line is asked for under the same domain.
    ``flush`` (one cycle, when a domain or a key changes) forgets every tweak held for reading. A request whose row was
    taken before (``read_current`` low) is served, but its tweak is not kept for another line, and nothing is predicted.

    Timing depends on the order of lines only, which the memory bus shows in any case. Source of the tweak:
    ``isa.formats.tweak_bytes``.
    """

    read_valid: In(1)
    read: In(TweakRequest)
    read_current: In(1)
    read_ready: Out(1)
    read_place: Out(2)
    write_valid: In(1)
    write: In(TweakRequest)
    write_ready: Out(1)
    write_prepared: Out(1)
    flush: In(1)
    prepare_valid: Out(1)
    prepare: Out(XtsPrepare)
    prepare_ready: In(1)
    prepared: In(TWEAK_PLACES)

    def elaborate(self, _platform) -> Module:
        """One request at a time to the engine; three tags in order of use."""
        m = Module()
        tags = Array(Signal(PlaceTag, name=f"tag_{n}") for n in range(READ_PLACES))
        next_pending = Signal()
        expected = Signal(TweakRequest)  # the prediction: line after the last one read
        oldest, middle, newest = Signal(2, init=0), Signal(2, init=1), Signal(2, init=2)
        touched, touch = Signal(2), Signal()

        def hits(request):
            return Cat(t.valid & (t.domain == request.domain) & (t.line == request.line) for t in tags)

        read_hits = hits(self.read)
        ask, place, request = Signal(), Signal(2), Signal(TweakRequest)
        m.d.comb += [place.eq(oldest), request.eq(self.read), touched.eq(oldest)]
        with m.If(self.read_valid):
            m.d.comb += [ask.eq(~read_hits.any()), self.read_ready.eq(read_hits.any() | self.prepare_ready)]
            with m.If(read_hits.any()):
                m.d.comb += touched.eq(Mux(read_hits[0], 0, Mux(read_hits[1], 1, 2)))
            with m.If(self.read_ready):
                m.d.comb += touch.eq(1)
                m.d.sync += [
                    self.read_place.eq(touched),
                    next_pending.eq(self.read_current),
                    expected.eq(self.read),
                    expected.line.eq(self.read.line + 1),
                ]
        with m.Elif(self.write_valid):
            m.d.comb += [
                ask.eq(1),
                place.eq(WRITE_PLACE),
                request.eq(self.write),
                self.write_ready.eq(self.prepare_ready),
            ]
        with m.Elif(next_pending):
            known = hits(expected).any()
            m.d.comb += [ask.eq(~known), request.eq(expected), touch.eq(~known & self.prepare_ready)]
            with m.If(known | self.prepare_ready):
                m.d.sync += next_pending.eq(0)

        row = request.row
        m.d.comb += [
            self.prepare_valid.eq(ask),
            self.prepare.algorithm.eq(row.algorithm),
            self.prepare.key_slot.eq(row.key_slot),
            self.prepare.place.eq(place),
            self.prepare.tweak.eq(Cat((request.line - row.base_line)[:LINE_BITS], Const(0, 64 - LINE_BITS), row.tag)),
            self.write_prepared.eq(self.prepared[WRITE_PLACE]),
        ]
        with m.If(ask & self.prepare_ready & (place != WRITE_PLACE)):
            m.d.sync += [
                tags[place].valid.eq(self.read_current | ~self.read_valid),
                tags[place].domain.eq(request.domain),
                tags[place].line.eq(request.line),
            ]
        with m.If(touch & (touched != newest)):
            m.d.sync += [newest.eq(touched), middle.eq(newest)]
            with m.If(touched == oldest):
                m.d.sync += oldest.eq(middle)
        with m.If(self.flush):
            m.d.sync += [next_pending.eq(0), *(t.valid.eq(0) for t in tags)]
        return m
