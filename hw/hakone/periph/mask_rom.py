"""Mask ROM: the first instructions after reset and, behind them, the device tree. Clock domain ``sync``.

What the reset code does is what QEMU's ``virt`` does (``hw/riscv/boot.c`` of QEMU 7.2, reset vector): a0 = hart number,
a1 = address of the device tree, jump to the start of RAM.
"""

import struct

from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from ..bus.register_bus import RegisterBus
from ..isa.csr import Csr
from ..isa.encoding import Opcode
from ..isa.platform import MASK_ROM, RAM_BASE

ROM_WORDS = MASK_ROM.bytes // 4
TREE_OFFSET = 0x20  #: where the device tree begins; it must be a multiple of 8
_A0, _A1, _A2, _T0 = 10, 11, 12, 5


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


def rom_image(device_tree: bytes) -> bytes:
    """Reset code and device tree, padded to the size of the ROM. Raises ``ValueError`` when the tree is too long."""
    tree_address = MASK_ROM.base + TREE_OFFSET
    code = [
        _csrr(_A0, Csr.MHARTID),
        _lui(_A1, tree_address),
        _addi(_A1, _A1, tree_address),
        _addi(_A2, 0, 0),
        _lui(_T0, RAM_BASE),
        _jr(_T0),
    ]
    image = struct.pack(f"<{len(code)}I", *code).ljust(TREE_OFFSET, b"\0") + device_tree
    if len(image) > MASK_ROM.bytes:
        raise ValueError(f"device tree of {len(device_tree)} bytes: the mask ROM has {MASK_ROM.bytes - TREE_OFFSET}")
    return image.ljust(MASK_ROM.bytes, b"\0")


class MaskRom(wiring.Component):
    """Read-only block RAM on the register bus.

    A read answers in the second cycle of ``valid``, with the whole word whatever lanes were asked for. A write answers
    with an error and changes nothing.

    Parameters: ``image``, as many bytes as the ROM has. Members: ``bus``. Errors: ``ValueError`` for another length.
    """

    def __init__(self, image: bytes):
        if len(image) != MASK_ROM.bytes:
            raise ValueError(f"image of {len(image)} bytes: {MASK_ROM.bytes} are needed")
        self._words = struct.unpack(f"<{ROM_WORDS}I", image)
        super().__init__({"bus": In(RegisterBus((MASK_ROM.bytes - 1).bit_length()))})

    def elaborate(self, _platform) -> Module:
        """One synchronous read port, one flop that tells when it has read."""
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=32, depth=ROM_WORDS, init=self._words, attrs={"rom_style": "block"}
        )
        port = words.read_port()
        done = Signal()
        m.d.comb += [
            port.addr.eq(self.bus.addr[2:]),
            port.en.eq(self.bus.valid),
            self.bus.rdata.eq(port.data),
            self.bus.ready.eq(done | self.bus.write),
            self.bus.error.eq(self.bus.write),
        ]
        m.d.sync += done.eq(self.bus.valid & ~self.bus.ready)
        return m
