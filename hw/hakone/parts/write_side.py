"""Writes of a foreign AXI4 manager, turned into writes of whole lines.

Clock domain ``sync``. Part of ``line_cipher_unit``. One burst at a time, line by line; AXI4 as in ``bus.axi4``.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from ..bus.core_ports import BEATS_PER_LINE, LINE_BITS, DomainPort, LineBeat, LineWrite
from ..isa.platform import LINE_BYTES, LINE_LOG2
from ..memory.line_read import BURST_INCREMENT, SIZE_8_BYTES
from ..memory.tweak_places import WRITE_PLACES
from ..memory.xts_port import XtsPrepare
from .axi_bursts import next_address, possible
from .read_side import ID_BITS
from .verdict import FetchRequest, VerdictPort


class WriteSide(wiring.Component):
    """Serves one burst at a time, and of it what lies in one line at a time.

    All data of a line is taken before anything else is done with it, so that a manager may give it as late as it likes.
    Then: of a plain line, the bytes written go to ``memory_axi``, as a burst of eight beats with their strobes. Of a
    protected line that is written whole, the words go to ``write`` and ``words``. Of any other protected line, the old
    words come from ``fetch``, and what is written is put over them. The response comes when the memory has acknowledged
    every line. It is SLVERR when any line must not be written (``verdict``), could not be fetched or was not
    acknowledged well, or when the burst is none that AXI4 knows; such a line is left as it was, the others are written.

    The tweak of a protected line is ordered with ``prepare`` while its data comes, since a line need not have been read
    before.

    Members: ``axi`` (only the write channels are used), ``hold`` (no further burst is begun), ``busy``, ``verdict``,
    ``domain`` (row for the tweak), ``prepare`` (stream), ``fetch`` (stream) with ``beat`` and ``beat_valid``,
    ``write``, ``words``, ``write_done`` and ``write_error`` as in ``LinePort``, ``memory_axi`` (write channels) while
    ``plain``.
    """

    axi: In(Axi4(id_bits=ID_BITS))
    hold: In(1)
    busy: Out(1)
    verdict: Out(VerdictPort())
    domain: Out(DomainPort())
    prepare: Out(stream.Signature(XtsPrepare))
    fetch: Out(stream.Signature(FetchRequest))
    beat_valid: In(1)
    beat: In(LineBeat)
    write: Out(stream.Signature(LineWrite))
    words: Out(stream.Signature(64))
    write_done: In(1)
    write_error: In(1)
    plain: Out(1)
    memory_axi: Out(Axi4())

    def __init__(self):
        super().__init__()
        self._address, self._following = Signal(32), Signal(32)
        self._length, self._size, self._burst = Signal(8), Signal(3), Signal(2)
        self._left = Signal(9)  # beats to come, less one; all ones after the last
        self._number, self._allowed = Signal(4), Signal()  # the line's domain; it may be written
        self._line = Signal(LINE_BITS)
        self._mask = Signal(LINE_BYTES)
        self._error, self._line_error = Signal(), Signal()
        self._index = Signal(range(BEATS_PER_LINE + 1))
        self._address_sent = Signal()

    def elaborate(self, _platform) -> Module:
        """The line's buffer, then the steps of a line in their order."""
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=64, depth=BEATS_PER_LINE, init=[])
        store, load = buffer.write_port(granularity=8), buffer.read_port(domain="comb")
        m.d.comb += [
            self.busy.eq(1),
            self._following.eq(next_address(self._address, self._length, self._size, self._burst)),
            self.verdict.line.eq(self._address[LINE_LOG2:]),
            store.addr.eq(self._address[3:LINE_LOG2]),
            store.data.eq(self.axi.wdata),
            load.addr.eq(self._index),
            self.words.payload.eq(load.data),
            self.fetch.payload.line.eq(self._line),
            self.fetch.payload.domain.eq(self._number),
            self.write.payload.line.eq(self._line),
            self.write.payload.domain.eq(self._number),
        ]
        self._order_tweak(m)
        with m.FSM(name="write_state"):
            self._begin(m)
            self._collect(m, store)
            self._merge(m, store)
            self._write_protected(m)
            self._write_plain(m, load)
            self._finish(m)
        return m

    def _order_tweak(self, m: Module) -> None:
        """The tweak of the line whose data is being collected, or that is just before its write."""
        pending = self._tweak_pending = Signal(name="tweak_pending")
        row = self.domain.row
        m.d.comb += [
            self.domain.domain.eq(self._number),
            self.prepare.valid.eq(pending),
            self.prepare.payload.algorithm.eq(row.algorithm),
            self.prepare.payload.key_slot.eq(row.key_slot),
            self.prepare.payload.place.eq(WRITE_PLACES),
            self.prepare.payload.tweak.eq(
                Cat((self._line - row.base_line)[:LINE_BITS], Const(0, 64 - LINE_BITS), row.tag)
            ),
        ]
        with m.If(pending & self.prepare.ready):
            m.d.sync += pending.eq(0)

    def _begin(self, m: Module) -> None:
        """A burst's address; then what is known of its next line."""
        axi = self.axi
        with m.State("IDLE"):
            m.d.comb += [self.busy.eq(0), axi.awready.eq(~self.hold)]
            m.d.sync += [
                self._address.eq(axi.awaddr),
                self._length.eq(axi.awlen),
                self._left.eq(axi.awlen),
                self._size.eq(axi.awsize),
                self._burst.eq(axi.awburst),
                axi.bid.eq(axi.awid),
                self._error.eq(0),
            ]
            with m.If(axi.awvalid & axi.awready):
                m.next = "JUDGE"
        with m.State("JUDGE"):
            allowed = self.verdict.write & possible(self._length, self._size, self._burst)
            m.d.comb += self.verdict.want.eq(1)
            m.d.sync += [
                self._line.eq(self._address[LINE_LOG2:]),
                self._number.eq(self.verdict.domain),
                self._allowed.eq(allowed),
                self._tweak_pending.eq(allowed & (self.verdict.domain != 0)),
                self._mask.eq(0),
                self._index.eq(0),
                self._line_error.eq(0),
                self._address_sent.eq(0),
            ]
            with m.If(self.verdict.ready):
                m.next = "COLLECT"

    def _collect(self, m: Module, store) -> None:
        """Beats into the buffer, until the burst ends or leaves the line."""
        axi, word = self.axi, self._address[3:LINE_LOG2]
        with m.State("COLLECT"):
            m.d.comb += [axi.wready.eq(1), store.en.eq(axi.wstrb & axi.wvalid.replicate(8))]
            with m.If(axi.wvalid):
                for n in range(BEATS_PER_LINE):
                    with m.If(word == n):
                        m.d.sync += self._mask[8 * n : 8 * n + 8].eq(self._mask[8 * n : 8 * n + 8] | axi.wstrb)
                m.d.sync += [self._address.eq(self._following), self._left.eq(self._left - 1)]
                with m.If((self._left == 0) | (self._following[LINE_LOG2:] != self._line)):
                    m.next = "CHOOSE"
        with m.State("CHOOSE"):
            m.next = "FETCH"
            with m.If(~self._allowed):
                m.d.sync += self._error.eq(1)
                m.next = "NEXT"
            with m.Elif(self._number == 0):
                m.next = "PLAIN"
            with m.Elif(self._mask.all()):
                m.next = "REQUEST"

    def _merge(self, m: Module, store) -> None:
        """The line's old words, where they are not overwritten."""
        with m.State("FETCH"):
            m.d.comb += self.fetch.valid.eq(1)
            with m.If(self.fetch.ready):
                m.next = "MERGE"
        with m.State("MERGE"):
            old = ~self._mask.word_select(self._index[:3], 8)
            m.d.comb += [store.addr.eq(self._index), store.data.eq(self.beat.data)]
            m.d.comb += store.en.eq(old & self.beat_valid.replicate(8))
            with m.If(self.beat_valid):
                m.d.sync += [self._index.eq(self._index + 1), self._line_error.eq(self._line_error | self.beat.error)]
                with m.If(self.beat.last):
                    m.d.sync += self._index.eq(0)
                    m.next = "REQUEST"
                    with m.If(self._line_error | self.beat.error):
                        m.d.sync += self._error.eq(1)
                        m.next = "NEXT"

    def _write_protected(self, m: Module) -> None:
        """The whole line to the cipher, once its tweak is at work."""
        with m.State("REQUEST"):
            m.d.comb += self.write.valid.eq(~self._tweak_pending)
            with m.If(self.write.valid & self.write.ready):
                m.next = "WORDS"
        with m.State("WORDS"):
            m.d.comb += self.words.valid.eq(self._index != BEATS_PER_LINE)
            with m.If(self.words.valid & self.words.ready):
                m.d.sync += self._index.eq(self._index + 1)
            with m.If(self.write_done):
                m.d.sync += self._error.eq(self._error | self.write_error)
                m.next = "NEXT"

    def _write_plain(self, m: Module, load) -> None:
        """The bytes that were written, and no others: their neighbours may belong to somebody else."""
        axi = self.memory_axi
        with m.State("PLAIN"):
            m.d.comb += [
                self.plain.eq(1),
                axi.awvalid.eq(~self._address_sent),
                axi.awaddr.eq(self._line << LINE_LOG2),
                axi.awlen.eq(BEATS_PER_LINE - 1),
                axi.awsize.eq(SIZE_8_BYTES),
                axi.awburst.eq(BURST_INCREMENT),
                axi.wvalid.eq(self._index != BEATS_PER_LINE),
                axi.wdata.eq(load.data),
                axi.wstrb.eq(self._mask.word_select(self._index[:3], 8)),
                axi.wlast.eq(self._index == BEATS_PER_LINE - 1),
                axi.bready.eq(1),
            ]
            with m.If(axi.awready):
                m.d.sync += self._address_sent.eq(1)
            with m.If(axi.wvalid & axi.wready):
                m.d.sync += self._index.eq(self._index + 1)
            with m.If(axi.bvalid):
                m.d.sync += self._error.eq(self._error | (axi.bresp != Response.OKAY))
                m.next = "NEXT"

    def _finish(self, m: Module) -> None:
        """The next line of the burst, or the response."""
        axi = self.axi
        with m.State("NEXT"):
            m.next = "JUDGE"
            with m.If(self._left.all()):
                m.next = "RESPOND"
        with m.State("RESPOND"):
            m.d.comb += [axi.bvalid.eq(1), axi.bresp.eq(Mux(self._error, Response.SLVERR, Response.OKAY))]
            with m.If(axi.bready):
                m.next = "IDLE"
