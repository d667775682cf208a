"""The whole of a board: clock, reset, the system, and its wires to the pads. Clock domain ``sync``, made here.

Ports are pads (``pins.Pads``); there are no others. Behaviour is that of ``soc.top``; this adds what stands between it
and the pins, and the fuses.
"""

from amaranth import ClockDomain, ClockSignal, Const, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from amaranth.vendor import LatticeECP5Platform

from ..memory.sdram_timing import any_part
from ..periph.serial import SerialReceiver, SerialTransmitter
from ..soc.config import SocConfig
from ..soc.top import Hakone
from .board import Board
from .clock import Ecp5Clock, XilinxClock
from .fuse_rom import FuseRom
from .pins import Pads
from .reset import ResetUnit
from .sdram_pads import SdramIo

BAUD = 115_200
INVERTED = 0.5  #: phase of an inverted clock


class BoardTop(wiring.Component):
    """A system on its board.

    The system runs at ``config.clock_hz``. It is reset by power-on, by the board's reset button, and by a program that
    asks for it. LEDs show what software writes; without ``config.board_io`` the first shows that the core failed closed
    and the second that a program ended. The serial line has 115200 baud, eight bits, no parity, one stop bit.

    Parameters: ``board``; ``config`` with its memory inside (``sdram`` or ``bram``) and nothing open; ``fuses``, a fuse
    image or None (see ``fuse_rom``: they can be read); ``boot_program``, what the mask ROM holds, or None. Members:
    none; ``pads`` (attribute) has what became of the pins, and is the platform to elaborate with. Raises ``ValueError``
    for a configuration that must not or cannot be on the board.
    """

    def __init__(self, board: Board, config: SocConfig, fuses: bytes | None = None, boot_program: bytes | None = None):
        self._board, self._config = board, config.check()
        if config.simulation_only:
            raise ValueError("cipher, probe or open_checks: a protection is open; no board gets such a configuration")
        if config.memory == "axi":
            raise ValueError(f"memory = axi: {board.name} has nothing behind such a port; choose bram or sdram")
        if config.memory == "sdram" and board.sdram is None:
            raise ValueError(f"memory = sdram: {board.name} has no such chip that is supported; choose bram")
        self.pads = Pads(board)
        self._hakone = Hakone(config, boot_program)
        self._fuses = FuseRom(fuses)
        # The chip's clock half a cycle behind is the system's, inverted; any other phase comes from the PLL.
        shift = any_part(config.ram_bytes).cycles(config.clock_hz).clock_shift if config.memory == "sdram" else 0
        self._shift = 0 if shift == INVERTED else shift
        self._clock = (
            Ecp5Clock(self.pads.clock_hz, config.clock_hz, self._shift)
            if isinstance(self.pads.platform, LatticeECP5Platform)
            else XilinxClock(self.pads.clock_hz, config.clock_hz)
        )
        super().__init__({})

    def elaborate(self, _platform) -> Module:
        """Clock and reset, the system, and pads by kind."""
        m = Module()
        m.submodules.hakone = self._hakone
        self._clock_and_reset(m)
        self._fuse_wires(m)
        self._serial(m)
        self._lights_and_buttons(m)
        if self._config.board_io:
            self._card(m)
        if self._config.memory == "sdram":
            m.submodules.sdram_io = sdram_io = SdramIo(self.pads, bool(self._shift))
            wiring.connect(m, self._hakone.sdram, sdram_io.pads)
            if self._shift:
                m.d.comb += sdram_io.clock.eq(self._clock.shifted)
        for number, place in enumerate(self._board.low):
            self._output(m, f"low_{number}", place, Const(0))
        return m

    def _input(self, m: Module, name: str, place, member: str = "") -> Signal:
        """Signal from a pad, through an input buffer."""
        m.submodules[f"{name}_pad"] = pad = io.Buffer("i", self.pads.take(place, member))
        return pad.i

    def _output(self, m: Module, name: str, place, value, member: str = "") -> None:
        """``value`` to a pad, through an output buffer."""
        m.submodules[f"{name}_pad"] = pad = io.Buffer("o", self.pads.take(place, member))
        m.d.comb += pad.o.eq(value)

    def _clock_and_reset(self, m: Module) -> None:
        m.submodules.clock = clock = self._clock
        m.submodules.reset = reset = ResetUnit()
        m.domains.sync = ClockDomain("sync")
        pressed = [self._input(m, f"reset_{number}", place).any() for number, place in enumerate(self._board.resets)]
        request = ~clock.locked
        for button in pressed:
            request |= button
        asked = Signal()  # by a program; out of a flop, since it goes to an asynchronous input
        m.d.sync += asked.eq(self._hakone.finish_valid & self._hakone.finish_reset)
        m.d.comb += [
            clock.pad.eq(self._input(m, "clock", (self._board.clock, 0))),
            ClockSignal().eq(clock.clock),
            reset.clock.eq(clock.clock),
            reset.request.eq(request | asked),
            ResetSignal().eq(reset.reset),
        ]

    def _fuse_wires(self, m: Module) -> None:
        m.submodules.fuses = self._fuses
        m.d.comb += [self._fuses.addr.eq(self._hakone.fuse_addr), self._hakone.fuse_data.eq(self._fuses.data)]

    def _serial(self, m: Module) -> None:
        m.submodules.transmitter = transmitter = SerialTransmitter(self._config.clock_hz, BAUD)
        m.submodules.receiver = receiver = SerialReceiver(self._config.clock_hz, BAUD)
        wiring.connect(m, self._hakone.uart_tx, transmitter.bytes_in)
        wiring.connect(m, receiver.bytes_out, self._hakone.uart_rx)
        m.d.comb += receiver.line.eq(self._input(m, "serial_rx", self._board.serial, "rx"))
        self._output(m, "serial_tx", self._board.serial, transmitter.line, "tx")

    def _lights_and_buttons(self, m: Module) -> None:
        """Fewer lights or buttons than the system has: the upper ones are nowhere, and read 0."""
        board_io = self._config.board_io
        lights = self._hakone.leds if board_io else (self._hakone.halted, self._hakone.finish_valid)
        for number, (place, light) in enumerate(zip(self._board.leds, lights, strict=False)):
            self._output(m, f"led_{number}", place, light)
        if board_io:
            for number, (place, button) in enumerate(zip(self._board.buttons, self._hakone.buttons, strict=False)):
                m.d.comb += button.eq(self._input(m, f"button_{number}", place))

    def _card(self, m: Module) -> None:
        """SD card by SPI; without a slot the system finds a line at rest."""
        spi = self._hakone.spi
        if self._board.card is None:
            m.d.comb += spi.miso.eq(1)
            return
        # The buffer of ``cs`` inverts: its pin is active low in the board's table.
        self._output(m, "card_cs", self._board.card, ~spi.cs_n, "cs")
        self._output(m, "card_clk", self._board.card, spi.sclk, "clk")
        self._output(m, "card_copi", self._board.card, spi.mosi, "copi")
        m.d.comb += spi.miso.eq(self._input(m, "card_cipo", self._board.card, "cipo"))
