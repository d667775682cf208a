"""Reads of a foreign AXI4 manager, turned into reads of whole lines.

Clock domain ``sync``. Part of ``line_cipher_unit``. One burst at a time, line by line; AXI4 as in ``bus.axi4``.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4, Response
from ..bus.core_ports import BEATS_PER_LINE, LineBeat
from ..isa.platform import LINE_LOG2
from .axi_bursts import next_address, possible
from .verdict import FetchRequest, VerdictPort

ID_BITS = 8


class ReadSide(wiring.Component):
    """Serves one burst at a time; a line is fetched once for all beats of a burst that lie in it one after the other.

    Two cycles after an address was taken the line is asked for, if ``verdict`` knows it; each beat is given from the
    cycle on after its word came back. A line that must not be read (``verdict``), or a burst that AXI4 does not know,
    gives beats of zero with SLVERR and nothing is fetched; so does a word that came with an error.

    Members: ``axi`` (only the read channels are used), ``hold`` (no further burst is begun), ``busy``, ``verdict``,
    ``fetch`` (stream), answered by eight ``beat`` with ``beat_valid``.
    """

    axi: In(Axi4(id_bits=ID_BITS))
    hold: In(1)
    busy: Out(1)
    verdict: Out(VerdictPort())
    fetch: Out(stream.Signature(FetchRequest))
    beat_valid: In(1)
    beat: In(LineBeat)

    def elaborate(self, _platform) -> Module:
        """A burst's address and settings, a buffer of one line, and its words out."""
        m = Module()
        m.submodules.words = words = memory.Memory(shape=65, depth=BEATS_PER_LINE, init=[])
        store, load = words.write_port(), words.read_port(domain="comb")
        axi = self.axi
        address, length, left = Signal(32), Signal(8), Signal(8)
        size, burst = Signal(3), Signal(2)
        domain, refused = Signal(4), Signal()
        come = Signal(range(BEATS_PER_LINE + 1))  # words of the line that are here
        following = Signal(32)
        word = address[3:LINE_LOG2]
        m.d.comb += [
            following.eq(next_address(address, length, size, burst)),
            self.verdict.line.eq(address[LINE_LOG2:]),
            self.fetch.payload.line.eq(address[LINE_LOG2:]),
            self.fetch.payload.domain.eq(domain),
            store.addr.eq(come),
            store.data[:64].eq(self.beat.data),
            store.data[64].eq(self.beat.error),
            store.en.eq(self.beat_valid),
            load.addr.eq(word),
            self.busy.eq(1),
            axi.rlast.eq(left == 0),
        ]
        with m.If(self.beat_valid):
            m.d.sync += come.eq(come + 1)
        with m.FSM(name="read_state"):
            with m.State("IDLE"):
                m.d.comb += [self.busy.eq(0), axi.arready.eq(~self.hold)]
                m.d.sync += [
                    address.eq(axi.araddr),
                    length.eq(axi.arlen),
                    left.eq(axi.arlen),
                    size.eq(axi.arsize),
                    burst.eq(axi.arburst),
                    axi.rid.eq(axi.arid),
                ]
                with m.If(axi.arvalid & axi.arready):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                allowed = self.verdict.read & possible(length, size, burst)
                m.d.comb += self.verdict.want.eq(1)
                m.d.sync += [domain.eq(self.verdict.domain), refused.eq(~allowed), come.eq(0)]
                with m.If(self.verdict.ready):
                    m.next = "SEND"
                    with m.If(allowed):
                        m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.fetch.valid.eq(1)
                with m.If(self.fetch.ready):
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += axi.rvalid.eq(refused | (word < come))
                bad = refused | load.data[64]
                m.d.comb += [axi.rdata.eq(Mux(bad, 0, load.data[:64])), axi.rresp.eq(Mux(bad, Response.SLVERR, 0))]
                with m.If(axi.rvalid & axi.rready):
                    m.d.sync += [address.eq(following), left.eq(left - 1)]
                    with m.If((left == 0) | (following[LINE_LOG2:] != address[LINE_LOG2:])):
                        m.next = "REST"
            with m.State("REST"):  # the words of the line that nobody asked for
                with m.If(refused | (come == BEATS_PER_LINE)):
                    m.next = "JUDGE"
                    with m.If(left.all()):  # counted past the last beat
                        m.next = "IDLE"
        return m
