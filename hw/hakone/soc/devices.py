"""All devices of the system behind one register bus. Places and connects; clock domain ``sync``."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..bus.decoder import RegisterDecoder
from ..bus.register_bus import RegisterBus
from ..isa import board_io, platform
from ..periph.clint import Clint
from ..periph.finisher import Finisher
from ..periph.gpio import Gpio
from ..periph.mask_rom import MaskRom, rom_image
from ..periph.plic import Plic
from ..periph.rtc import GoldfishRtc
from ..periph.spi import SpiController, SpiPads
from ..periph.uart import Uart
from ..periph.virtio import EmptyVirtioSlots
from .config import SocConfig
from .device_tree import device_tree


def board_members() -> dict[str, wiring.Member]:
    """Ports that come with ``SocConfig.board_io``: lines of the SPI bus, LEDs, buttons (asynchronous)."""
    return {"spi": Out(SpiPads()), "leds": Out(board_io.LEDS), "buttons": In(board_io.BUTTONS)}


class Devices(wiring.Component):
    """Mask ROM, CLINT, PLIC, UART, finisher, real-time clock and empty virtio slots at the addresses of
    ``isa.platform``; with ``config.board_io`` also an SPI controller, LEDs and buttons.

    An access takes three cycles from ``bus.valid`` to the cycle of ``bus.ready`` inclusive, four for the mask ROM,
    about 15 for one that changes the PLIC; addresses without a device answer with an error. Interrupt outputs are
    levels out of flops, except ``interrupt_software``, which is ``msip`` itself (a flop as well).

    Parameters: ``config`` (clock, RAM size for the device tree, UART FIFO depth); ``boot_program``, see
    ``periph.mask_rom``. Members: ``bus`` (byte addresses,
    seen from this side); ``interrupt_software``, ``interrupt_timer``, ``interrupt_external``, ``interrupt_supervisor``
    (the PLIC's second context); ``time`` (``mtime``, changes every 100 ns); ``uart_tx`` and ``uart_rx`` (streams of
    bytes); ``finish_valid``, ``finish_code``, ``finish_reset`` as in ``periph.finisher``; with ``config.board_io``
    ``spi``, ``leds`` and ``buttons`` as in ``periph.spi`` and ``periph.gpio``.
    """

    def __init__(self, config: SocConfig, boot_program: bytes | None = None):
        self._config = config.check()
        self._rom = rom_image(device_tree(config), boot_program, config.ram_bytes, config.clock_hz)
        byte_stream = stream.Signature(8)
        members = {
            "bus": In(RegisterBus(32)),
            "interrupt_software": Out(1),
            "interrupt_timer": Out(1),
            "interrupt_external": Out(1),
            "interrupt_supervisor": Out(1),
            "time": Out(64),
            "uart_tx": Out(byte_stream),
            "uart_rx": In(byte_stream),
            "finish_valid": Out(1),
            "finish_code": Out(16),
            "finish_reset": Out(1),
        }
        super().__init__(members | (board_members() if config.board_io else {}))

    def elaborate(self, _platform) -> Module:
        """Each device to its port of the decoder, and its other wires."""
        m = Module()
        rom = MaskRom(self._rom)
        clint, plic, rtc = Clint(self._config.clock_hz), Plic(self._config.interrupt_sources), GoldfishRtc()
        uart, finisher = Uart(self._config.uart_fifo_bytes), Finisher()
        devices = {
            "mask_rom": (rom, (rom.window,)),
            "finisher": (finisher, (platform.FINISHER,)),
            "rtc": (rtc, (platform.RTC,)),
            "clint": (clint, (platform.CLINT,)),
            "plic": (plic, (platform.PLIC,)),
            "uart": (uart, (platform.UART,)),
            "virtio": (EmptyVirtioSlots(), platform.VIRTIO),
        }
        if self._config.board_io:
            spi, gpio = SpiController(), Gpio()
            devices |= {"spi": (spi, (platform.SPI,)), "gpio": (gpio, (platform.GPIO,))}
        decoder = RegisterDecoder({name: windows for name, (_, windows) in devices.items()})
        m.submodules.decoder = decoder
        connect(m, flipped(self.bus), decoder.bus)
        for name, (device, _) in devices.items():
            m.submodules[name] = device
            connect(m, getattr(decoder, name), device.bus)
        connect(m, uart.tx, flipped(self.uart_tx))
        connect(m, flipped(self.uart_rx), uart.rx)

        m.d.comb += [
            rtc.tick.eq(clint.tick),
            plic.lines[platform.UART.interrupt].eq(uart.interrupt),
            plic.lines[platform.RTC.interrupt].eq(rtc.interrupt),
            self.interrupt_software.eq(clint.interrupt_software),
            self.interrupt_timer.eq(clint.interrupt_timer),
            self.interrupt_external.eq(plic.interrupt[0]),
            self.interrupt_supervisor.eq(plic.interrupt[1]),
            self.time.eq(clint.time),
            self.finish_valid.eq(finisher.finish_valid),
            self.finish_code.eq(finisher.finish_code),
            self.finish_reset.eq(finisher.finish_reset),
        ]
        if self._config.board_io:
            connect(m, flipped(self.spi), spi.pads)
            m.d.comb += [
                plic.lines[platform.SPI.interrupt].eq(spi.interrupt),
                plic.lines[platform.GPIO.interrupt].eq(gpio.interrupt),
                self.leds.eq(gpio.leds),
                gpio.buttons.eq(self.buttons),
            ]
        return m
