"""Instruction encodings: the major opcodes of RV32I and the custom-0 instructions of Hakone.

Sources: The RISC-V Instruction Set Manual, Volume I (20240411), chapter 34 "RV32/64G Instruction Set
Listings" for the opcodes; ``docs/reference`` for custom-0. In custom-0, ``funct3`` is the group and
``funct7`` the operation; a field that an operation does not use must be zero, or the word is illegal.
"""

from dataclasses import dataclass

from amaranth.lib import enum


class Opcode(enum.Enum, shape=5):
    """Bits 6..2 of a 32-bit instruction (bits 1..0 are ``11``)."""

    LOAD = 0b00000
    CUSTOM_0 = 0b00010
    MISC_MEM = 0b00011
    OP_IMM = 0b00100
    AUIPC = 0b00101
    STORE = 0b01000
    AMO = 0b01011
    OP = 0b01100
    LUI = 0b01101
    BRANCH = 0b11000
    JALR = 0b11001
    JAL = 0b11011
    SYSTEM = 0b11100


class CustomGroup(enum.Enum, shape=3):
    """``funct3`` of a custom-0 instruction."""

    MODE = 0
    KEY = 1
    CONTEXT = 2
    SEGMENT = 3


@dataclass(frozen=True)
class CustomInstruction:
    """One custom-0 instruction: its group, its operation and which register fields it uses."""

    name: str
    group: CustomGroup
    operation: int
    rd: bool = False
    rs1: bool = False
    rs2: bool = False

    @property
    def match(self) -> int:
        """The word with every register field zero."""
        return self.operation << 25 | self.group.value << 12 | Opcode.CUSTOM_0.value << 2 | 0b11

    @property
    def mask(self) -> int:
        """Bits that must equal ``match``: all but the register fields in use."""
        used = 0x1F << 7 if self.rd else 0
        used |= 0x1F << 15 if self.rs1 else 0
        used |= 0x1F << 20 if self.rs2 else 0
        return 0xFFFF_FFFF & ~used

    def encode(self, rd: int = 0, rs1: int = 0, rs2: int = 0) -> int:
        """The instruction word. Raises ``ValueError`` when an unused field is not zero."""
        for field, used, value in (("rd", self.rd, rd), ("rs1", self.rs1, rs1), ("rs2", self.rs2, rs2)):
            if not 0 <= value < 32 or (value and not used):
                raise ValueError(f"{self.name}: {field} = {value} is not possible")
        return self.match | rd << 7 | rs1 << 15 | rs2 << 20


CUSTOM_INSTRUCTIONS = (
    CustomInstruction("cryptomode", CustomGroup.MODE, 0, rs1=True),
    CustomInstruction("retmode", CustomGroup.MODE, 1, rd=True, rs1=True, rs2=True),
    CustomInstruction("cryptoland", CustomGroup.MODE, 2),
    CustomInstruction("setik", CustomGroup.KEY, 2, rd=True, rs1=True),
    CustomInstruction("clrk", CustomGroup.KEY, 3, rs1=True),
    CustomInstruction("ctxnew", CustomGroup.CONTEXT, 0, rd=True, rs1=True, rs2=True),
    CustomInstruction("ctxget", CustomGroup.CONTEXT, 1, rd=True, rs1=True),
    CustomInstruction("ctxput", CustomGroup.CONTEXT, 2, rs1=True, rs2=True),
    CustomInstruction("ctxrun", CustomGroup.CONTEXT, 3, rs1=True),
    CustomInstruction("ctxkill", CustomGroup.CONTEXT, 4, rs1=True),
    CustomInstruction("segput", CustomGroup.SEGMENT, 4, rs1=True, rs2=True),
)
"""The custom instructions that exist. Operands, every bit that is not named being zero:

- ``setik``: rs1 = address of a region description (``formats.REGION_WORD_*``), multiple of 4; rd = ``RegionStatus``.
- ``clrk``: rs1 = first address of an own region, or ``CLRK_CONTEXT | context``: every region of a dead context.
- ``ctxnew``: rs1 = context | level << 8, rs2 = quota (attribute entries that it may install); rd = its generation.
- ``ctxget``: rs1 = context | register << 8 (register 0 is the PC), or context | ``CTXGET_GENERATION``.
- ``ctxput``: rs1 = context | register << 8, rs2 = value. ``ctxrun``, ``ctxkill``: rs1 = context.
- ``segput``: rs1 = context | segment << 8 | word << 12, rs2 = value (``formats.SEGMENT_*``).
"""

CLRK_CONTEXT = 1 << 5
CTXGET_GENERATION = 1 << 16

CUSTOM = {i.name: i for i in CUSTOM_INSTRUCTIONS}
