"""The memory map and interrupt numbers of QEMU's ``virt`` board for riscv32, as far as Hakone has them, and the devices
of a board, which stand at addresses that ``virt`` leaves free.

Source: QEMU 7.2, ``hw/riscv/virt.c`` (memory map, interrupt numbers), and the device tree that
``qemu-system-riscv32 -M virt,dumpdtb=F`` writes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A range of physical addresses: name, first byte, size in bytes, interrupt or None.

    Sizes are powers of two, but for the mask ROM.
    """

    name: str
    base: int
    bytes: int
    interrupt: int | None = None

    @property
    def end(self) -> int:
        """First byte after the range."""
        return self.base + self.bytes


# The mask ROM: reset code and device tree in its first page; the rest holds the boot program or, in a system without
# one, answers with an error.
MASK_ROM = Window("mask_rom", 0x0000_1000, 0x3000)
RESET_PAGE = Window("reset_page", MASK_ROM.base, 0x1000)
BOOT_PROGRAM = Window("boot_program", RESET_PAGE.end, MASK_ROM.bytes - RESET_PAGE.bytes)
FINISHER = Window("finisher", 0x0010_0000, 0x1000)
RTC = Window("rtc", 0x0010_1000, 0x1000, 11)
CLINT = Window("clint", 0x0200_0000, 0x1_0000)
PLIC = Window("plic", 0x0C00_0000, 0x40_0000)
UART = Window("uart", 0x1000_0000, 0x100, 10)
VIRTIO = tuple(Window(f"virtio{n}", 0x1000_1000 + 0x1000 * n, 0x1000, 1 + n) for n in range(8))
DEVICES = (FINISHER, RTC, CLINT, PLIC, UART, *VIRTIO)

# Only with ``SocConfig.board_io``. The addresses are those of SiFive's FU540-C000; the interrupts follow those in use.
SPI = Window("spi", 0x1004_0000, 0x1000, 12)
GPIO = Window("gpio", 0x1006_0000, 0x1000, 13)
BOARD_DEVICES = (SPI, GPIO)

RAM_BASE = 0x8000_0000
RAM_BYTES = 128 << 20
RESET_PC = MASK_ROM.base
TIMEBASE_HZ = 10_000_000

LINE_BYTES = 64
LINE_LOG2 = 6

FINISHER_PASS = 0x5555
FINISHER_FAIL = 0x3333
FINISHER_RESET = 0x7777
