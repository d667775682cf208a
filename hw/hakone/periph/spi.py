"""SPI controller: mode 0, one chip select, bytes, a FIFO each way, one interrupt. Clock domain ``sync``.

Registers: ``isa.board_io``, after SiFive's SPI controller (FU540-C000 Manual v1p0, chapter 19).
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import cdc, fifo, wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa import board_io
from ..isa.board_io import Spi, SpiSelect
from ..isa.platform import SPI

_WIDTH = (SPI.bytes - 1).bit_length()
SAMPLE_DELAY_CYCLES = 2  #: what the synchroniser of MISO takes


class SpiPads(wiring.Signature):
    """The lines of an SPI bus with one device, from the controller's side. ``miso`` need not be synchronous."""

    def __init__(self):
        super().__init__({"sclk": Out(1), "mosi": Out(1), "cs_n": Out(1, init=1), "miso": In(1)})


class SpiShifter(wiring.Component):
    """Sends and receives bytes, most significant bit first.

    ``start`` (while ``ready``) takes ``byte``. SCLK rises ``divider + 1`` cycles later and falls after as many; eight
    times. MOSI changes when SCLK falls; MISO is sampled at that edge too, before the other side can have changed it,
    which leaves a whole period for the way there and back. ``ready`` comes back with the last fall; ``done`` (one
    cycle, with ``received``) three cycles after it. ``busy``: a byte is on its way out.

    Members: as above, and ``pads`` (``cs_n`` is left alone: not a member).
    """

    start: In(1)
    byte: In(8)
    divider: In(board_io.SPI_DIVIDER_BITS)
    ready: Out(1)
    busy: Out(1)
    done: Out(1)
    received: Out(8)
    sclk: Out(1)
    mosi: Out(1)
    miso: In(1)

    def elaborate(self, _platform) -> Module:
        """A counter of half periods, two shift registers, and a delay that is the synchroniser's."""
        m = Module()
        cycles, halves = Signal.like(self.divider), Signal(range(16))
        out, miso = Signal(8), Signal()
        fall, last = Signal(), Signal()
        falls, lasts = Signal(SAMPLE_DELAY_CYCLES), Signal(SAMPLE_DELAY_CYCLES)
        m.submodules.synchroniser = cdc.FFSynchronizer(self.miso, miso, stages=SAMPLE_DELAY_CYCLES)
        m.d.comb += [
            fall.eq(self.busy & (cycles == 0) & self.sclk),
            last.eq(fall & (halves == 0)),
            self.ready.eq(~self.busy | last),
            self.mosi.eq(out[7]),
        ]
        with m.If(self.busy):
            m.d.sync += cycles.eq(Mux(cycles == 0, self.divider, cycles - 1))
            with m.If(cycles == 0):
                m.d.sync += [self.sclk.eq(~self.sclk), halves.eq(halves - 1)]
            with m.If(fall):
                m.d.sync += out.eq(out << 1)
            with m.If(last):
                m.d.sync += self.busy.eq(0)
        with m.If(self.start & self.ready):
            m.d.sync += [self.busy.eq(1), out.eq(self.byte), cycles.eq(self.divider), halves.eq(15)]
        m.d.sync += [
            falls.eq(Cat(fall, falls)),
            lasts.eq(Cat(last, lasts)),
            self.done.eq(lasts[-1]),
        ]
        with m.If(falls[-1]):
            m.d.sync += self.received.eq(Cat(miso, self.received))
        return m


class SpiController(wiring.Component):
    """Registers, FIFOs, chip select and interrupt around a shifter.

    Only whole words below ``SPI_END`` are accepted, other accesses answer with an error; answers in the same cycle.
    Reserved offsets read 0. A byte written while the transmit FIFO is full is ignored, one that comes while the receive
    FIFO is full is lost: both can be asked for first. The chip select is low, with CSDEF 1: automatic, while a byte is
    sent; held, from the first byte sent in that mode until CSMODE or CSDEF is written; off, never. ``interrupt`` is
    high while an enabled condition holds.

    Members: ``bus``, ``pads``, ``interrupt``.
    """

    bus: In(RegisterBus(_WIDTH))
    pads: Out(SpiPads())
    interrupt: Out(1)

    def __init__(self):
        super().__init__()
        self._divider = Signal(board_io.SPI_DIVIDER_BITS, init=3)
        self._idle_level = Signal(init=1)
        self._mode = Signal(2)
        self._drop = Signal()
        self._marks = {Spi.TXMARK: Signal(3), Spi.RXMARK: Signal(3)}
        self._enabled, self._due = Signal(2), Signal(2)

    def elaborate(self, _platform) -> Module:
        """Bytes from one FIFO through the shifter into the other."""
        m = Module()
        bus, pads = self.bus, self.pads
        m.submodules.shifter = shifter = SpiShifter()
        m.submodules.send = self._send = send = fifo.SyncFIFO(width=8, depth=board_io.SPI_FIFO_BYTES)
        m.submodules.receive = self._receive = receive = fifo.SyncFIFO(width=8, depth=board_io.SPI_FIFO_BYTES)
        m.d.comb += [
            bus.ready.eq(1),
            bus.error.eq((bus.strobe != 0xF) | (bus.addr >= board_io.SPI_END)),
            shifter.divider.eq(self._divider),
            shifter.byte.eq(send.r_data),
            shifter.start.eq(send.r_rdy),
            send.r_en.eq(shifter.ready),
            send.w_data.eq(bus.wdata),
            receive.w_data.eq(shifter.received),
            receive.w_en.eq(shifter.done & ~self._drop),
            pads.sclk.eq(shifter.sclk),
            pads.mosi.eq(shifter.mosi),
            shifter.miso.eq(pads.miso),
            self._due.eq(Cat(send.level < self._marks[Spi.TXMARK], receive.level > self._marks[Spi.RXMARK])),
        ]
        m.d.sync += self.interrupt.eq((self._due & self._enabled).any())
        self._chip_select(m, shifter.busy | (send.r_rdy & shifter.ready))
        self._read(m)
        with m.If(bus.valid & bus.write & ~bus.error):
            self._write(m)
        return m

    def _chip_select(self, m: Module, sending) -> None:
        """Level of ``cs_n``, out of a flop; selected half a period of SCLK before its first edge."""
        held, selected = Signal(), Signal()
        writes = self.bus.valid & self.bus.write & ~self.bus.error
        with m.If(self._mode == SpiSelect.AUTO):
            m.d.comb += selected.eq(sending)
        with m.Elif(self._mode == SpiSelect.HOLD):
            m.d.comb += selected.eq(sending | held)
            m.d.sync += held.eq(sending | held)
        with m.If(writes & ((self.bus.addr == Spi.CSMODE) | (self.bus.addr == Spi.CSDEF))):
            m.d.sync += held.eq(0)
        m.d.sync += self.pads.cs_n.eq(self._idle_level ^ selected)

    def _read(self, m: Module) -> None:
        """What each register shows; a read of RXDATA takes the byte."""
        bus, send, receive = self.bus, self._send, self._receive
        shown = {
            **board_io.SPI_FIXED,
            Spi.SCKDIV: self._divider,
            Spi.CSDEF: self._idle_level,
            Spi.CSMODE: self._mode,
            Spi.FMT: board_io.SPI_FORMAT | Mux(self._drop, board_io.SPI_FORMAT_DROP, 0),
            Spi.TXDATA: Cat(*[0] * 31, ~send.w_rdy),
            Spi.RXDATA: Mux(receive.r_rdy, receive.r_data, board_io.SPI_FLAG),
            **self._marks,
            Spi.IE: self._enabled,
            Spi.IP: self._due,
        }
        with m.Switch(bus.addr[2:]):
            for register, value in shown.items():
                with m.Case(register >> 2):
                    m.d.comb += bus.rdata.eq(value)
        m.d.comb += receive.r_en.eq(bus.valid & ~bus.write & ~bus.error & (bus.addr == Spi.RXDATA))

    def _write(self, m: Module) -> None:
        """One register written; those that are fixed ignore it."""
        written = {
            Spi.SCKDIV: self._divider,
            Spi.CSDEF: self._idle_level,
            Spi.CSMODE: self._mode,
            **self._marks,
            Spi.IE: self._enabled,
        }
        with m.Switch(self.bus.addr[2:]):
            for register, target in written.items():
                with m.Case(register >> 2):
                    m.d.sync += target.eq(self.bus.wdata)
            with m.Case(Spi.FMT >> 2):
                m.d.sync += self._drop.eq(self.bus.wdata[3])
            with m.Case(Spi.TXDATA >> 2):
                m.d.comb += self._send.w_en.eq(1)
