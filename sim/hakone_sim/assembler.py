"""A small assembler for programs that are made by programs: 32-bit and compressed forms, labels, an ELF file at the
end.

The generator of random programs needs exact control over which form is emitted and must be quick, so it does not call a
compiler. Sizes never depend on label distances: every label reference has the size of the form that was asked for, and
``image`` raises when a distance does not fit.

Sources: RISC-V Unprivileged ISA (20240411), chapters 26 and 34; System V ABI, ELF header and program header (32 bits).
"""

import struct

from .models.decode import Decoded, decode, encode

_COMPRESSED_ARITHMETIC = {"c.sub": 0, "c.xor": 1, "c.or": 2, "c.and": 3}


def _scatter(value: int, *fields: tuple[int, int, int]) -> int:
    """Place immediate bits: each field is (lowest bit of the value, number of bits, lowest bit in the word)."""
    return sum((value >> at & (1 << n) - 1) << to for at, n, to in fields)


def encode_compressed(name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The 16-bit word of ``name``. Two-operand forms take ``rd``; ``c.lui`` takes the signed upper six bits.

    Raises ``ValueError`` when a register or an immediate does not fit the form, or when the result would be illegal.
    """
    low, base = (rd & 7) << 2, (rs1 & 7) << 7
    six = _scatter(imm, (0, 5, 2), (5, 1, 12))
    word_offset = _scatter(imm, (2, 1, 6), (3, 3, 10), (6, 1, 5))
    jump = _scatter(imm, (1, 3, 3), (4, 1, 11), (5, 1, 2), (6, 1, 7), (7, 1, 6), (8, 2, 9), (10, 1, 8), (11, 1, 12))
    branch = _scatter(imm, (1, 2, 3), (3, 2, 10), (5, 1, 2), (6, 2, 5), (8, 1, 12))
    table = {
        "c.addi4spn": low | _scatter(imm, (2, 1, 6), (3, 1, 5), (4, 2, 11), (6, 4, 7)),
        "c.lw": 0x4000 | low | base | word_offset,
        "c.sw": 0xC000 | (rs2 & 7) << 2 | base | word_offset,
        "c.nop": 0x0001 | six,
        "c.addi": 0x0001 | rd << 7 | six,
        "c.jal": 0x2001 | jump,
        "c.li": 0x4001 | rd << 7 | six,
        "c.addi16sp": 0x6101 | _scatter(imm, (4, 1, 6), (5, 1, 2), (6, 1, 5), (7, 2, 3), (9, 1, 12)),
        "c.lui": 0x6001 | rd << 7 | six,
        "c.srli": 0x8001 | (rd & 7) << 7 | six,
        "c.srai": 0x8401 | (rd & 7) << 7 | six,
        "c.andi": 0x8801 | (rd & 7) << 7 | six,
        "c.j": 0xA001 | jump,
        "c.beqz": 0xC001 | base | branch,
        "c.bnez": 0xE001 | base | branch,
        "c.slli": 0x0002 | rd << 7 | six,
        "c.lwsp": 0x4002 | rd << 7 | _scatter(imm, (2, 3, 4), (5, 1, 12), (6, 2, 2)),
        "c.jr": 0x8002 | rs1 << 7,
        "c.mv": 0x8002 | rd << 7 | rs2 << 2,
        "c.ebreak": 0x9002,
        "c.jalr": 0x9002 | rs1 << 7,
        "c.add": 0x9002 | rd << 7 | rs2 << 2,
        "c.swsp": 0xC002 | rs2 << 2 | _scatter(imm, (2, 4, 9), (6, 2, 7)),
    }
    if name in _COMPRESSED_ARITHMETIC:
        word = 0x8C01 | (rd & 7) << 7 | _COMPRESSED_ARITHMETIC[name] << 5 | (rs2 & 7) << 2
    else:
        word = table[name]
    found = decode(word)
    if found is None or found.name != name or not _kept(found, rd, rs1, rs2, imm):
        raise ValueError(f"{name}: rd={rd} rs1={rs1} rs2={rs2} imm={imm} has no encoding")
    return word


def _kept(found: Decoded, rd: int, rs1: int, rs2: int, imm: int) -> bool:
    """Whether the encoded word has the operands that were asked for; a register that was given as 0 is not compared."""
    immediate = found.imm == imm or found.name == "c.lui" or (found.kind == "shift" and found.imm == imm & 63)
    given = ((rd, found.rd), (rs1, found.rs1), (rs2, found.rs2))
    return immediate and all(wanted in (0, kept) for wanted, kept in given)


class Assembler:
    """Collects code from ``base`` on. ``op`` emits; a string as ``imm`` of a branch or jump is a label."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.code = bytearray()
        self.labels: dict[str, int] = {}
        self._references: list[tuple[int, str, str, dict[str, int], str]] = []
        self._names = 0

    @property
    def here(self) -> int:
        """Address of the next byte."""
        return self.base + len(self.code)

    def fresh(self, hint: str = "l") -> str:
        """A label name that has not been used."""
        self._names += 1
        return f"{hint}{self._names}"

    def label(self, name: str) -> None:
        """Define ``name`` here. Raises ``ValueError`` when it is defined already."""
        if name in self.labels:
            raise ValueError(f"label {name}: defined twice")
        self.labels[name] = self.here

    def data(self, content: bytes) -> None:
        """Emit bytes as they are."""
        self.code += content

    def op(self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int | str = 0) -> None:
        """Emit one instruction; names that begin with ``c.`` are compressed."""
        size = 2 if name.startswith("c.") else 4
        if isinstance(imm, str):
            self._references.append((len(self.code), "pc", name, {"rd": rd, "rs1": rs1, "rs2": rs2}, imm))
            self.code += bytes(size)
        elif size == 2:
            self.code += encode_compressed(name, rd, rs1, rs2, imm).to_bytes(2, "little")
        else:
            self.code += encode(name, rd, rs1, rs2, imm).to_bytes(4, "little")

    def li(self, rd: int, value: int) -> None:
        """Load a 32-bit constant (one or two 32-bit instructions)."""
        value &= 0xFFFF_FFFF
        low = (value & 0xFFF) - (0x1000 if value & 0x800 else 0)
        upper = (value - low & 0xFFFF_FFFF) >> 12
        if upper:
            self.op("lui", rd, imm=upper)
            if low:
                self.op("addi", rd, rd, imm=low)
        else:
            self.op("addi", rd, 0, imm=low)

    def la(self, rd: int, label: str, offset: int = 0) -> None:
        """Load the address of a label plus ``offset`` (always ``lui`` and ``addi``)."""
        self._references.append((len(self.code), "address", "", {"rd": rd, "imm": offset}, label))
        self.code += bytes(8)

    def align(self, size: int, offset: int = 0) -> None:
        """Pad with ``c.nop`` until the address is ``offset`` above a multiple of ``size`` bytes."""
        while (self.here - offset) % size:
            self.op("c.nop")

    def image(self) -> bytes:
        """The finished code. Raises ``ValueError`` for an unknown label or a distance that does not fit."""
        code = bytearray(self.code)
        for at, kind, name, fields, label in self._references:
            if label not in self.labels:
                raise ValueError(f"label {label}: not defined")
            target = self.labels[label]
            if kind == "address":
                part = Assembler(0)
                value = target + fields["imm"] & 0xFFFF_FFFF
                low = (value & 0xFFF) - (0x1000 if value & 0x800 else 0)
                part.op("lui", fields["rd"], imm=(value - low & 0xFFFF_FFFF) >> 12)
                part.op("addi", fields["rd"], fields["rd"], imm=low)
                code[at : at + 8] = part.code
                continue
            distance = target - (self.base + at)
            if name.startswith("c."):
                reach = 2048 if name in ("c.j", "c.jal") else 256
                if not -reach <= distance < reach:
                    raise ValueError(f"{name} {label}: distance {distance} does not fit")
                code[at : at + 2] = encode_compressed(name, imm=distance, **fields).to_bytes(2, "little")
            else:
                code[at : at + 4] = encode(name, imm=distance, **fields).to_bytes(4, "little")
        return bytes(code)


def elf_file(entry: int, segments: list[tuple[int, bytes]]) -> bytes:
    """A minimal ELF32 executable for RISC-V (compressed ABI flag set) with one loadable segment per (address,
    bytes)."""
    offset = 52 + 32 * len(segments)
    headers, body = b"", b""
    for address, content in segments:
        headers += struct.pack("<8I", 1, offset + len(body), address, address, len(content), len(content), 7, 4)
        body += content
    identity = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    head = identity + struct.pack("<HHIIIIIHHHHHH", 2, 243, 1, entry, 52, 0, 1, 52, 32, len(segments), 40, 0, 0)
    return head + headers + body
