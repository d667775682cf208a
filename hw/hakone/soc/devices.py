"""All devices of the system behind one register bus. Places and connects; clock domain ``sync``."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..bus.decoder import RegisterDecoder
from ..bus.register_bus import RegisterBus
from ..isa import platform
from ..periph.clint import Clint
from ..periph.finisher import Finisher
from ..periph.mask_rom import MaskRom, rom_image
from ..periph.plic import Plic
from ..periph.rtc import GoldfishRtc
from ..periph.uart import Uart
from ..periph.virtio import EmptyVirtioSlots
from .config import SocConfig
from .device_tree import device_tree

_INTERRUPT_SOURCES = max(w.interrupt for w in platform.DEVICES if w.interrupt is not None)


class Devices(wiring.Component):
    """Mask ROM, CLINT, PLIC, UART, finisher, real-time clock and empty virtio slots at the addresses of
    ``isa.platform``.

    An access takes three cycles from ``bus.valid`` to the cycle of ``bus.ready`` inclusive, four for the mask ROM,
    about 15 for one that changes the PLIC; addresses without a device answer with an error. Interrupt outputs are
    levels out of flops, except ``interrupt_software``, which is ``msip`` itself (a flop as well).

    Parameters: ``config`` (clock, RAM size for the device tree, UART FIFO depth). Members: ``bus`` (byte addresses,
    seen from this side); ``interrupt_software``, ``interrupt_timer``, ``interrupt_external``, ``interrupt_supervisor``
    (the PLIC's second context); ``time`` (``mtime``, changes every 100 ns); ``uart_tx`` and ``uart_rx`` (streams of
    bytes); ``finish_valid``, ``finish_code``, ``finish_reset`` as in ``periph.finisher``.
    """

    def __init__(self, config: SocConfig):
        self._config = config.check()
        byte_stream = stream.Signature(8)
        super().__init__(
            {
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
        )

    def elaborate(self, _platform) -> Module:
        """Each device to its port of the decoder, and its other wires."""
        m = Module()
        rom = MaskRom(rom_image(device_tree(self._config)))
        clint, plic, rtc = Clint(self._config.clock_hz), Plic(_INTERRUPT_SOURCES), GoldfishRtc()
        uart, finisher = Uart(self._config.uart_fifo_bytes), Finisher()
        devices = {
            "mask_rom": (rom, (platform.MASK_ROM,)),
            "finisher": (finisher, (platform.FINISHER,)),
            "rtc": (rtc, (platform.RTC,)),
            "clint": (clint, (platform.CLINT,)),
            "plic": (plic, (platform.PLIC,)),
            "uart": (uart, (platform.UART,)),
            "virtio": (EmptyVirtioSlots(), platform.VIRTIO),
        }
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
        return m
