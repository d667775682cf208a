"""The whole system: what is inside the trust boundary, and the devices outside. Clock domain ``sync``."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.arbiter import RegisterArbiter
from ..bus.axi4 import Axi4
from ..bus.open_checks import OPEN_BITS
from ..bus.probe import Probe
from ..memory.block_memory import BlockMemory
from ..memory.sdram import SdramController
from ..memory.sdram_pads import SdramPads
from ..memory.sdram_timing import any_part
from .config import SocConfig
from .devices import Devices, board_members
from .inside import Inside


class Hakone(wiring.Component):
    """The system-on-chip. Places and connects; adds no behaviour.

    Members: with ``config.memory`` "axi" ``axi`` (memory bus, manager), with "sdram" ``sdram`` (``SdramPads``), with
    "bram" neither; ``uart_tx`` and ``uart_rx`` (streams of bytes, to a serialiser or a terminal); ``fuse_addr`` (word
    of the fuse image, read once after reset) with ``fuse_data`` (valid in the cycle after);
    ``finish_valid`` (until reset) with ``finish_code`` (0: pass) and ``finish_reset``: a program asked to end;
    ``halted``: the core failed closed and waits for reset; with ``config.board_io`` also ``spi``, ``leds`` and
    ``buttons``; with ``config.probe`` also ``probe`` and ``open_checks`` (constant; see ``bus.open_checks``), and
    with block RAM ports that fill it during reset (``memory.block_memory``).

    Parameters: ``config``; ``boot_program``, what runs from the mask ROM after reset (linked for
    ``isa.platform.BOOT_PROGRAM``; see ``periph.mask_rom``), or None to begin at the start of RAM; ``ram_image``:
    contents of block RAM at the start. Raises ``ValueError`` for an impossible configuration and for a program or image
    that does not fit.
    """

    def __init__(self, config: SocConfig, boot_program: bytes | None = None, ram_image: bytes = b""):
        self._config = config.check()
        self._ram_image = ram_image
        if ram_image and config.memory != "bram":
            raise ValueError(f"ram_image with memory = {config.memory}: only block RAM has contents at the start")
        self._devices = Devices(config, boot_program)
        memory_port = {"axi": {"axi": Out(Axi4())}, "sdram": {"sdram": Out(SdramPads())}, "bram": {}}
        members = memory_port[config.memory] | {
            "uart_tx": Out(stream.Signature(8)),
            "uart_rx": In(stream.Signature(8)),
            "fuse_addr": Out(8),
            "fuse_data": In(32),
            "finish_valid": Out(1),
            "finish_code": Out(16),
            "finish_reset": Out(1),
            "halted": Out(1),
        }
        if config.board_io:
            members |= board_members()
        if config.probe:
            members["probe"] = Out(Probe())
            members["open_checks"] = In(OPEN_BITS)
            if config.memory == "bram":
                members |= {"load_valid": In(1), "load_address": In(32), "load_data": In(64)}
        super().__init__(members)

    def elaborate(self, _platform) -> Module:
        """Two halves and the register bus between them."""
        m = Module()
        m.submodules.inside = inside = Inside(self._config)
        m.submodules.arbiter = arbiter = RegisterArbiter()
        m.submodules.devices = devices = self._devices
        wiring.connect(m, inside.devices, arbiter.initiators[0])
        wiring.connect(m, inside.rom, arbiter.initiators[1])
        wiring.connect(m, arbiter.target, devices.bus)
        self._connect_memory(m, inside)
        wiring.connect(m, wiring.flipped(self.uart_tx), devices.uart_tx)
        wiring.connect(m, wiring.flipped(self.uart_rx), devices.uart_rx)
        if self._config.board_io:
            wiring.connect(m, wiring.flipped(self.spi), devices.spi)
            m.d.comb += [self.leds.eq(devices.leds), devices.buttons.eq(self.buttons)]
        if self._config.probe:
            wiring.connect(m, wiring.flipped(self.probe), inside.probe)
            m.d.comb += inside.open_checks.eq(self.open_checks)
        m.d.comb += [
            inside.software.eq(devices.interrupt_software),
            inside.timer.eq(devices.interrupt_timer),
            inside.external.eq(devices.interrupt_external),
            inside.time.eq(devices.time),
            self.fuse_addr.eq(inside.fuses.addr),
            inside.fuses.data.eq(self.fuse_data),
            self.finish_valid.eq(devices.finish_valid),
            self.finish_code.eq(devices.finish_code),
            self.finish_reset.eq(devices.finish_reset),
            self.halted.eq(inside.halted),
        ]
        return m

    def _connect_memory(self, m: Module, inside: Inside) -> None:
        """The memory bus goes to the ports, or to the memory inside, or to the controller of one at the pads."""
        config = self._config
        if config.memory == "axi":
            wiring.connect(m, wiring.flipped(self.axi), inside.axi)
        elif config.memory == "sdram":
            m.submodules.sdram = sdram = SdramController(any_part(config.ram_bytes), config.clock_hz)
            wiring.connect(m, inside.axi, sdram.axi)
            wiring.connect(m, wiring.flipped(self.sdram), sdram.pads)
        else:
            m.submodules.ram = ram = BlockMemory(config.ram_bytes, self._ram_image, loadable=config.probe)
            wiring.connect(m, inside.axi, ram.axi)
            if config.probe:
                names = ("load_valid", "load_address", "load_data")
                m.d.comb += [getattr(ram, name).eq(getattr(self, name)) for name in names]
