"""Writing lines: eight words of plaintext become an AXI4 burst, encrypted where the domain says so.

Clock domain ``sync``. Part of ``line_cipher.LineCipher``. AXI4 as in ``bus.axi4``.
"""

from amaranth import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from ..bus.core_ports import BEATS_PER_LINE, LINE_BITS, DomainRow, LineWrite
from ..isa.formats import Algorithm
from ..isa.platform import LINE_LOG2
from .line_read import BURST_INCREMENT, SIZE_8_BYTES, LineKind


class LineWriter(wiring.Component):
    """Serves one write at a time.

    A request is taken while idle, with ``kind`` and ``row`` of its domain in that cycle; its tweak was announced. From
    the first word of ``words`` on, the initiator must offer all eight without waiting for anything on the read side.
    Protected words go through the engine (``claim``, ``granted`` and ``leaving`` as in ``line_read``; the claim comes
    with the first word); what comes out is kept in a buffer of a whole line, so that the engine never waits for the
    bus. The address goes out with the first word in the buffer. ``done`` is high for one cycle with the
    acknowledgement, ``error`` tells a response other than OKAY. A refused request swallows its words and ends with
    ``error``; nothing reaches the bus.

    Members: ``request`` (stream), ``kind``, ``row``; ``words`` (stream of 64 bits); ``done``, ``error``; ``axi`` (only
    the write channels are used); ``waits`` (a protected line is not yet through the engine); ``claim`` with
    ``algorithm``, ``key_slot`` and ``place``; ``granted``, ``leaving``, ``data``, ``result``; ``encrypted`` (one cycle
    a line, with its last result).
    """

    request: In(stream.Signature(LineWrite))
    kind: In(LineKind)
    row: In(DomainRow)
    words: In(stream.Signature(64))
    done: Out(1)
    error: Out(1)
    axi: Out(Axi4())
    waits: Out(1)
    claim: Out(1)
    algorithm: Out(Algorithm)
    key_slot: Out(4)
    place: Out(1)
    granted: In(1)
    leaving: In(1)
    data: Out(stream.Signature(64))
    result: In(stream.Signature(64))
    encrypted: Out(1)

    def elaborate(self, _platform) -> Module:
        """Words in, words into the buffer, words out to the bus, each with its own count."""
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=64, depth=BEATS_PER_LINE, init=[])
        store, fetch = buffer.write_port(), buffer.read_port(domain="comb")
        active, address_sent = Signal(), Signal()
        kind = Signal(LineKind)
        line = Signal(LINE_BITS)
        words_in, words_held, words_sent = (
            Signal(range(BEATS_PER_LINE + 1), name=f"words_{n}") for n in ("in", "held", "sent")
        )
        axi = self.axi

        m.d.comb += self.request.ready.eq(~active)
        with m.If(self.request.ready & self.request.valid):
            m.d.sync += [
                active.eq(1),
                kind.eq(self.kind),
                line.eq(self.request.payload.line),
                self.algorithm.eq(self.row.algorithm),
                self.key_slot.eq(self.row.key_slot),
                self.place.eq(self.request.payload.place),
                address_sent.eq(0),
                words_in.eq(0),
                words_held.eq(0),
                words_sent.eq(0),
            ]

        taking = active & (words_in != BEATS_PER_LINE)
        protected = active & (kind == LineKind.PROTECTED)
        through = words_held == BEATS_PER_LINE
        m.d.comb += [
            self.waits.eq(protected & ~through),
            self.claim.eq(protected & ~through & self.words.valid),
            self.data.payload.eq(self.words.payload),
            store.addr.eq(words_held[:3]),
        ]
        with m.Switch(kind):
            with m.Case(LineKind.PLAIN):
                m.d.comb += [
                    self.words.ready.eq(taking),
                    store.en.eq(taking & self.words.valid),
                    store.data.eq(self.words.payload),
                ]
            with m.Case(LineKind.PROTECTED):
                m.d.comb += [
                    self.words.ready.eq(taking & self.granted & self.data.ready),
                    self.data.valid.eq(taking & self.granted & self.words.valid),
                    self.result.ready.eq(self.leaving),
                    store.en.eq(self.result.ready & self.result.valid),
                    store.data.eq(self.result.payload),
                ]
            with m.Default():  # refused, and whatever else: swallow
                m.d.comb += self.words.ready.eq(taking)
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += words_in.eq(words_in + 1)
        with m.If(store.en):
            m.d.sync += words_held.eq(words_held + 1)
            m.d.comb += self.encrypted.eq((kind == LineKind.PROTECTED) & (words_held == BEATS_PER_LINE - 1))

        self._send(m, active, line, words_held, words_sent, address_sent, fetch)
        refused = active & (kind != LineKind.PLAIN) & (kind != LineKind.PROTECTED) & (words_in == BEATS_PER_LINE)
        m.d.comb += [
            axi.bready.eq(1),
            self.done.eq(refused | (active & axi.bvalid)),
            self.error.eq(refused | (axi.bresp != Response.OKAY)),
        ]
        with m.If(self.done):
            m.d.sync += active.eq(0)
        return m

    def _send(self, m: Module, active, line, words_held, words_sent, address_sent, fetch) -> None:
        """Address and data channels, out of flops and the buffer; a word once offered stays."""
        axi = self.axi
        m.d.comb += [
            axi.awvalid.eq(active & (words_held != 0) & ~address_sent),
            axi.awaddr.eq(line << LINE_LOG2),
            axi.awlen.eq(BEATS_PER_LINE - 1),
            axi.awsize.eq(SIZE_8_BYTES),
            axi.awburst.eq(BURST_INCREMENT),
            fetch.addr.eq(words_sent[:3]),
            axi.wvalid.eq(active & (words_sent != words_held)),
            axi.wdata.eq(fetch.data),
            axi.wstrb.eq(0xFF),
            axi.wlast.eq(words_sent == BEATS_PER_LINE - 1),
        ]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += address_sent.eq(1)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += words_sent.eq(words_sent + 1)
