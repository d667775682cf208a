"""Mask ROM: the first instructions after reset, behind them the device tree, and perhaps a boot program. Clock domain
``sync``.

Without a boot program the reset code does what QEMU's ``virt`` does (``hw/riscv/boot.c`` of QEMU 7.2, reset vector):
a0 = hart number, a1 = address of the device tree, a2 = 0, jump to the start of RAM. With one it jumps to that instead,
and a2 holds the bytes of RAM and a3 the frequency of the clock in Hz.
"""

import struct

from amaranth import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from ..bus.register_bus import RegisterBus
from ..isa.csr import Csr
from ..isa.encoding import Opcode
from ..isa.platform import BOOT_PROGRAM, MASK_ROM, RAM_BASE, RESET_PAGE, Window

TREE_OFFSET = 0x20  #: where the device tree begins; it must be a multiple of 8
PAGE_LOG2 = 12
_A0, _A1, _A2, _A3, _T0 = 10, 11, 12, 13, 5


def _lui(rd: int, value: int) -> int:
    """``lui rd``: bits 31..12 of ``value`` as a following ``addi`` with its low bits needs them."""
    return (value + 0x800) & 0xFFFF_F000 | rd << 7 | Opcode.LUI.value << 2 | 3


def _addi(rd: int, rs1: int, value: int) -> int:
    """``addi rd, rs1, value``, 12 bits of ``value``."""
    return (value & 0xFFF) << 20 | rs1 << 15 | rd << 7 | Opcode.OP_IMM.value << 2 | 3


def _csrr(rd: int, csr: Csr) -> int:
    """``csrr rd, csr``."""
    return int(csr) << 20 | 2 << 12 | rd << 7 | Opcode.SYSTEM.value << 2 | 3


def _jr(rs1: int) -> int:
    """``jalr x0, 0(rs1)``."""
    return rs1 << 15 | Opcode.JALR.value << 2 | 3


def rom_image(device_tree: bytes, boot_program: bytes | None = None, ram_bytes: int = 0, clock_hz: int = 0) -> bytes:
    """Reset code and device tree in a page, and the boot program behind it when there is one.

    ``ram_bytes`` (a multiple of 4096) and ``clock_hz`` are told to the boot program. Raises ``ValueError`` when the
    tree or the program is too long.
    """
    tree_address = RESET_PAGE.base + TREE_OFFSET
    code = [_csrr(_A0, Csr.MHARTID), _lui(_A1, tree_address), _addi(_A1, _A1, tree_address)]
    if boot_program is None:
        code += [_addi(_A2, 0, 0), _lui(_T0, RAM_BASE)]
    else:
        code += [_lui(_A2, ram_bytes), _lui(_A3, clock_hz), _addi(_A3, _A3, clock_hz), _lui(_T0, BOOT_PROGRAM.base)]
    code.append(_jr(_T0))
    page = struct.pack(f"<{len(code)}I", *code).ljust(TREE_OFFSET, b"\0") + device_tree
    if len(page) > RESET_PAGE.bytes:
        raise ValueError(f"device tree of {len(device_tree)} bytes: the mask ROM has {RESET_PAGE.bytes - TREE_OFFSET}")
    if boot_program is None:
        return page.ljust(RESET_PAGE.bytes, b"\0")
    if not 0 < len(boot_program) <= BOOT_PROGRAM.bytes:
        raise ValueError(f"boot program of {len(boot_program)} bytes: the mask ROM has {BOOT_PROGRAM.bytes}")
    return page.ljust(RESET_PAGE.bytes, b"\0") + boot_program.ljust(BOOT_PROGRAM.bytes, b"\0")


class MaskRom(wiring.Component):
    """Read-only block RAM on the register bus.

    A read answers in the second cycle of ``valid``, with the whole word whatever lanes were asked for. A write answers
    with an error and changes nothing.

    Parameters: ``image``, one page (without a boot program) or as many as ``MASK_ROM`` has. Members: ``bus``, whose
    addresses count from the first byte of ``window``: with three pages that is address 0, so that the window is a power
    of two, and the page before the ROM answers with an error. Errors: ``ValueError`` for another length.
    """

    def __init__(self, image: bytes):
        if len(image) not in (RESET_PAGE.bytes, MASK_ROM.bytes):
            raise ValueError(f"image of {len(image)} bytes: {RESET_PAGE.bytes} or {MASK_ROM.bytes} are needed")
        self._words = struct.unpack(f"<{len(image) // 4}I", image)
        self._has_program = len(image) == MASK_ROM.bytes
        super().__init__({"bus": In(RegisterBus((self.window.bytes - 1).bit_length()))})

    @property
    def window(self) -> Window:
        """Where on the register bus it stands."""
        return Window(MASK_ROM.name, 0, MASK_ROM.end) if self._has_program else RESET_PAGE

    def elaborate(self, _platform) -> Module:
        """One synchronous read port, one flop that tells when it has read."""
        m = Module()
        bus = self.bus
        m.submodules.words = words = memory.Memory(
            shape=32, depth=len(self._words), init=self._words, attrs={"rom_style": "block"}
        )
        port = words.read_port()
        done = Signal()
        place, refused = bus.addr[2:], bus.write
        if self._has_program:
            page = bus.addr[PAGE_LOG2:]
            # Pages 1, 2, 3 stand in the memory as 0, 1, 2.
            place = Cat(bus.addr[2:PAGE_LOG2], ~page[0], page[0] & page[1])
            refused = bus.write | (page == 0)
        m.d.comb += [
            port.addr.eq(place),
            port.en.eq(bus.valid),
            bus.rdata.eq(port.data),
            bus.ready.eq(done | refused),
            bus.error.eq(refused),
        ]
        m.d.sync += done.eq(bus.valid & ~bus.ready)
        return m
