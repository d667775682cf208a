"""Memory in the block RAM of an FPGA, behind an AXI4 port. Clock domain ``sync``. AXI4 as in ``bus.axi4``."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from ..bus.axi4 import Axi4, Response
from ..isa.platform import RAM_BASE
from .axi_burst import Burst, from_channel, walked

WORD_BYTES = 8


class BlockMemory(wiring.Component):
    """One read burst and one write burst at a time, of any legal kind; a beat a cycle in each direction.

    The first beat of a read comes two cycles after its address was taken. A write is acknowledged two cycles after its
    last beat; a read that is taken later finds it. A read waits while a beat is written, so what a block RAM does when
    both meet in one word does not matter. Beyond the memory: DECERR, nothing is changed.

    Parameters: ``size_bytes``, a power of two from 1 KiB; ``image``, its contents at the start, from its first byte on
    (the rest is zero); ``loadable``: for simulation, ports that fill it. Members: ``axi`` (subordinate); with
    ``loadable`` also ``load_valid`` (one cycle), ``load_address`` (offset in bytes) and ``load_data``, to be used
    during reset only. Raises ``ValueError`` for an impossible size and an image that does not fit.
    """

    def __init__(self, size_bytes: int, image: bytes = b"", loadable: bool = False, base: int = RAM_BASE):
        if size_bytes < 1024 or size_bytes & (size_bytes - 1) or base % size_bytes:
            raise ValueError(f"size_bytes = {size_bytes}: a power of two from 1024 is needed")
        if len(image) > size_bytes:
            raise ValueError(f"image of {len(image)} bytes: the memory has {size_bytes}")
        self._size_bytes, self._base, self._loadable = size_bytes, base, loadable
        padded = image.ljust(-(-len(image) // WORD_BYTES) * WORD_BYTES, b"\0")
        self._words = [int.from_bytes(padded[n : n + WORD_BYTES], "little") for n in range(0, len(padded), WORD_BYTES)]
        members = {"axi": In(Axi4())}
        if loadable:
            members |= {"load_valid": In(1), "load_address": In(32), "load_data": In(64)}
        super().__init__(members)

    def elaborate(self, _platform) -> Module:
        """The memory, and a walk for each direction."""
        m = Module()
        depth = self._size_bytes // WORD_BYTES
        m.submodules.cells = cells = memory.Memory(shape=64, depth=depth, init=self._words)
        reader, writer = cells.read_port(), cells.write_port(granularity=8)
        self._write(m, writer)
        self._read(m, reader, writer.en.any())
        if self._loadable:
            with m.If(self.load_valid):
                m.d.comb += [
                    writer.addr.eq(self.load_address[3:]),
                    writer.data.eq(self.load_data),
                    writer.en.eq(0xFF),
                ]
        return m

    def _burst(self, m: Module, channel: str) -> tuple:
        """The burst under way, the same after its next beat, and one that comes."""
        burst = Signal(Burst, name=f"{channel}_burst")
        size_log2 = self._size_bytes.bit_length() - 1
        incoming = from_channel(m, self.axi, channel, self._base, size_log2, f"{channel}_incoming")
        return burst, walked(m, burst, f"{channel}_after"), incoming

    def _word(self, burst):
        return burst.address[3 : self._size_bytes.bit_length() - 1]

    def _read(self, m: Module, reader, write) -> None:
        """A beat's address goes to the memory while the beat before it is on the bus, or nothing is."""
        axi = self.axi
        burst, after, incoming = self._burst(m, "ar")
        valid, go = Signal(), Signal()
        outside = Signal()
        m.d.comb += [
            axi.arready.eq(~valid | (go & (burst.beats == 0))),
            go.eq(valid & (~axi.rvalid | axi.rready) & ~write),
            reader.addr.eq(self._word(burst)),
            reader.en.eq(go),
            axi.rdata.eq(reader.data),
            axi.rresp.eq(Mux(outside, Response.DECERR, Response.OKAY)),
        ]
        with m.If(axi.arready):
            m.d.sync += [burst.eq(incoming), valid.eq(axi.arvalid)]
        with m.Elif(go):
            m.d.sync += burst.eq(after)
        with m.If(go):
            last = burst.beats == 0
            m.d.sync += [axi.rvalid.eq(1), axi.rid.eq(burst.id), axi.rlast.eq(last), outside.eq(burst.outside)]
        with m.Elif(axi.rready):
            m.d.sync += axi.rvalid.eq(0)

    def _write(self, m: Module, writer) -> None:
        """Beats are written as they come; the last one waits for room for its answer."""
        axi = self.axi
        burst, after, incoming = self._burst(m, "aw")
        valid, taken, last = Signal(), Signal(), Signal()
        m.d.comb += [
            axi.awready.eq(~valid),
            last.eq(burst.beats == 0),
            axi.wready.eq(valid & ~(last & axi.bvalid)),
            taken.eq(axi.wvalid & axi.wready),
            writer.addr.eq(self._word(burst)),
            writer.data.eq(axi.wdata),
            writer.en.eq(Mux(taken & ~burst.outside, axi.wstrb, 0)),
        ]
        with m.If(~valid):
            m.d.sync += [burst.eq(incoming), valid.eq(axi.awvalid)]
        with m.Elif(taken):
            m.d.sync += [burst.eq(after), valid.eq(~last)]
        with m.If(taken & last):
            m.d.sync += [
                axi.bvalid.eq(1),
                axi.bid.eq(burst.id),
                axi.bresp.eq(Mux(burst.outside, Response.DECERR, Response.OKAY)),
            ]
        with m.Elif(axi.bready):
            m.d.sync += axi.bvalid.eq(0)
