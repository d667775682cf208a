"""Reading lines: a request becomes an AXI4 burst, and its beats come back in plaintext.

Clock domain ``sync``. Part of ``line_cipher.LineCipher``. AXI4 as in ``bus.axi4``.
"""

from amaranth import Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from ..bus.core_ports import BEATS_PER_LINE, SLOT_BITS, DomainRow, LineBeat, LineRead
from ..isa.platform import LINE_LOG2
from .tweak_places import TweakRequest

BURST_INCREMENT = 1
SIZE_8_BYTES = 3


class LineKind(enum.Enum, shape=2):
    """What a line needs: nothing, the cipher, or refusal because its domain cannot be used."""

    PLAIN = 0
    PROTECTED = 1
    REFUSED = 2


class LineReader(wiring.Component):
    """Serves one read at a time.

    A request is taken while idle, together with ``kind`` and ``row``, which belong to its domain in that cycle. The
    address goes out in the next cycle. Plain beats pass in the cycle in which they arrive; protected ones go to the
    engine, which is asked for with ``claim``, takes our words while ``granted``, and gives our results while
    ``leaving``. ``claim`` is raised when the tweak has its place and no eviction waits for the engine
    (``write_waits``), or else when the first beat is there. A refused request is answered by eight beats of zero with
    ``error``, and nothing reaches the bus. A response other than OKAY sets ``error`` from that beat on.

    Members: ``request`` (stream), ``kind``, ``row``; ``beat_valid``, ``beat``; ``axi`` (only the two read channels are
    used); ``tweak_valid`` (until ``tweak_ready``) with ``tweak`` (until the next request) and ``tweak_current`` (no
    ``flush`` came since its row was taken); ``keep`` and ``slot`` as requested; ``claim``, ``data`` and ``result``
    with ``granted`` and ``leaving``; ``decrypted`` (one cycle a line, with its last result).
    """

    request: In(stream.Signature(LineRead))
    kind: In(LineKind)
    row: In(DomainRow)
    beat_valid: Out(1)
    beat: Out(LineBeat)
    axi: Out(Axi4())
    tweak_valid: Out(1)
    tweak: Out(TweakRequest)
    tweak_current: Out(1)
    tweak_ready: In(1)
    flush: In(1)
    write_waits: In(1)
    keep: Out(1)
    slot: Out(SLOT_BITS)
    claim: Out(1)
    granted: In(1)
    leaving: In(1)
    data: Out(stream.Signature(64))
    result: In(stream.Signature(64))
    decrypted: Out(1)

    def elaborate(self, _platform) -> Module:
        """Three independent parts: the address, the words in, the words out; a line ends with the last word out."""
        m = Module()
        active, address_pending, tweak_pending = Signal(), Signal(), Signal()
        kind = Signal(LineKind)
        failed = Signal()
        words_in = Signal(range(BEATS_PER_LINE + 1))
        words_out = Signal(range(BEATS_PER_LINE))
        axi = self.axi

        m.d.comb += self.request.ready.eq(~active)
        with m.If(self.request.ready & self.request.valid):
            m.d.sync += [
                active.eq(1),
                kind.eq(self.kind),
                address_pending.eq(self.kind != LineKind.REFUSED),
                tweak_pending.eq(self.kind == LineKind.PROTECTED),
                self.tweak.line.eq(self.request.payload.line),
                self.tweak.domain.eq(self.request.payload.domain),
                self.tweak.row.eq(self.row),
                self.tweak_current.eq(1),
                self.keep.eq(self.request.payload.keep),
                self.slot.eq(self.request.payload.slot),
                failed.eq(self.kind == LineKind.REFUSED),
                words_in.eq(0),
                words_out.eq(0),
            ]
        with m.If(self.flush):
            m.d.sync += self.tweak_current.eq(0)
        m.d.comb += [
            axi.arvalid.eq(address_pending),
            axi.araddr.eq(self.tweak.line << LINE_LOG2),
            axi.arlen.eq(BEATS_PER_LINE - 1),
            axi.arsize.eq(SIZE_8_BYTES),
            axi.arburst.eq(BURST_INCREMENT),
            self.tweak_valid.eq(tweak_pending),
        ]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += address_pending.eq(0)
        with m.If(self.tweak_ready):
            m.d.sync += tweak_pending.eq(0)

        waiting = active & (words_in != BEATS_PER_LINE)
        bad_response = axi.rresp != Response.OKAY
        beat = self.beat
        m.d.comb += [
            self.claim.eq(active & (kind == LineKind.PROTECTED) & ~tweak_pending & (~self.write_waits | axi.rvalid)),
            self.data.payload.eq(axi.rdata),
            beat.last.eq(words_out == BEATS_PER_LINE - 1),
            beat.error.eq(failed),
        ]
        with m.Switch(kind):
            with m.Case(LineKind.PLAIN):
                m.d.comb += [
                    axi.rready.eq(waiting),
                    self.beat_valid.eq(waiting & axi.rvalid),
                    beat.data.eq(axi.rdata),
                    beat.error.eq(failed | bad_response),
                ]
            with m.Case(LineKind.PROTECTED):
                m.d.comb += [
                    axi.rready.eq(waiting & self.granted & self.data.ready),
                    self.data.valid.eq(waiting & self.granted & axi.rvalid),
                    self.result.ready.eq(active & self.leaving),
                    self.beat_valid.eq(active & self.leaving & self.result.valid),
                    beat.data.eq(self.result.payload),
                ]
            with m.Default():  # refused, and whatever else: no data, only errors
                m.d.comb += [self.beat_valid.eq(active), beat.data.eq(0), beat.error.eq(1)]

        with m.If(axi.rvalid & axi.rready):
            m.d.sync += words_in.eq(words_in + 1)
            with m.If(bad_response):
                m.d.sync += failed.eq(1)
        with m.If(self.beat_valid):
            m.d.sync += words_out.eq(words_out + 1)
            with m.If(beat.last):
                m.d.sync += active.eq(0)
                m.d.comb += self.decrypted.eq(kind == LineKind.PROTECTED)
        return m
