"""An independent decoder of RV32IMAC, Zicsr, Zifencei and of machine and user level: which words are instructions.

It is written from the listings of the specification as a table of (mnemonic, mask, match) and knows nothing of the
hardware's decoder. It answers three questions: is a word legal (``decode``), what does a compressed form stand for
(``expand``), and which words should a fuzz run try (``fuzz_words``). Which CSR numbers exist is not asked here; an
access to any of the 4096 numbers is a legal encoding. Custom-0 is illegal here, as it is until ``hxctl`` enables it.

Fields that the specification reserves and tells implementations to ignore (``rd``, ``rs1``, ``fm`` of ``fence``;
``rd``, ``rs1``, the immediate of ``fence.i``) are ignored; HINTs are legal and do nothing; reserved and RV32-illegal
compressed forms are illegal.

Sources: RISC-V Unprivileged ISA (20240411), chapters 2, 12 (M), 13 (A), 26 (C) and 34 (listings); Privileged
(20240411), 3.3.
"""

import random
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Form:
    """One 32-bit instruction: a word ``w`` is it when ``w & mask == match``. ``kind`` names the operand layout."""

    name: str
    mask: int
    match: int
    kind: str


@dataclass(frozen=True)
class Decoded:
    """A legal instruction: its mnemonic (``c.`` for compressed), size in bytes, expanded word and operands.

    ``rd``, ``rs1`` and ``rs2`` are 0 when not used. ``base`` is the mnemonic of the expanded form.
    """

    name: str
    base: str
    bytes: int
    word: int
    kind: str
    rd: int
    rs1: int
    rs2: int
    imm: int


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _forms() -> tuple[Form, ...]:
    forms = []

    def add(name: str, kind: str, opcode: int, funct3: int | None = None, funct7: int | None = None) -> None:
        mask, match = 0x7F, opcode
        if funct3 is not None:
            mask, match = mask | 0x7000, match | funct3 << 12
        if funct7 is not None:
            mask, match = mask | 0xFE00_0000, match | funct7 << 25
        forms.append(Form(name, mask, match, kind))

    add("lui", "u", 0x37)
    add("auipc", "u", 0x17)
    add("jal", "j", 0x6F)
    add("jalr", "i", 0x67, 0)
    for name, funct3 in zip(("beq", "bne", "blt", "bge", "bltu", "bgeu"), (0, 1, 4, 5, 6, 7), strict=True):
        add(name, "b", 0x63, funct3)
    for name, funct3 in zip(("lb", "lh", "lw", "lbu", "lhu"), (0, 1, 2, 4, 5), strict=True):
        add(name, "load", 0x03, funct3)
    for name, funct3 in zip(("sb", "sh", "sw"), (0, 1, 2), strict=True):
        add(name, "s", 0x23, funct3)
    for name, funct3 in zip(("addi", "slti", "sltiu", "xori", "ori", "andi"), (0, 2, 3, 4, 6, 7), strict=True):
        add(name, "i", 0x13, funct3)
    for name, funct3, funct7 in (("slli", 1, 0), ("srli", 5, 0), ("srai", 5, 0x20)):
        add(name, "shift", 0x13, funct3, funct7)
    for n, name in enumerate(("add", "sll", "slt", "sltu", "xor", "srl", "or", "and")):
        add(name, "r", 0x33, n, 0)
    add("sub", "r", 0x33, 0, 0x20)
    add("sra", "r", 0x33, 5, 0x20)
    for n, name in enumerate(("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")):
        add(name, "r", 0x33, n, 1)
    add("fence", "none", 0x0F, 0)
    add("fence.i", "none", 0x0F, 1)
    for n, name in ((1, "csrrw"), (2, "csrrs"), (3, "csrrc")):
        add(name, "csr", 0x73, n)
        add(name + "i", "csri", 0x73, n + 4)
    for name, word in (("ecall", 0x73), ("ebreak", 0x0010_0073), ("mret", 0x3020_0073), ("wfi", 0x1050_0073)):
        forms.append(Form(name, 0xFFFF_FFFF, word, "none"))
    forms.append(Form("lr.w", 0xF9F0_707F, 0x1000_202F, "amo"))
    atomics = (
        ("sc.w", 3), ("amoswap.w", 1), ("amoadd.w", 0), ("amoxor.w", 4), ("amoand.w", 12),
        ("amoor.w", 8), ("amomin.w", 16), ("amomax.w", 20), ("amominu.w", 24), ("amomaxu.w", 28),
    )  # fmt: skip
    for name, funct5 in atomics:
        forms.append(Form(name, 0xF800_707F, 0x0000_202F | funct5 << 27, "amo"))
    return tuple(forms)


FORMS = _forms()
"""Every 32-bit instruction of RV32IMA, Zicsr, Zifencei, ``mret`` and ``wfi``."""

FORM = {form.name: form for form in FORMS}

COMPRESSED_NAMES = (
    "c.addi4spn", "c.lw", "c.sw", "c.nop", "c.addi", "c.jal", "c.li", "c.addi16sp", "c.lui", "c.srli", "c.srai",
    "c.andi", "c.sub", "c.xor", "c.or", "c.and", "c.j", "c.beqz", "c.bnez", "c.slli", "c.lwsp", "c.jr", "c.mv",
    "c.ebreak", "c.jalr", "c.add", "c.swsp",
)  # fmt: skip
"""Every compressed instruction of RV32C without floating point."""

INSTRUCTION_NAMES = tuple(form.name for form in FORMS) + COMPRESSED_NAMES


def encode(name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The 32-bit word of instruction ``name``.

    ``imm`` is the signed immediate, the shift amount, the CSR number, the upper 20 bits (``lui``, ``auipc``), or
    ``aq << 1 | rl`` of an atomic. The zero-extended operand of ``csrr?i`` goes into ``rs1``. Raises ``ValueError``
    when a value does not fit.
    """
    form = FORM[name]
    word, kind = form.match, form.kind
    limits = {
        "u": (0, 0xFFFFF), "j": (-(1 << 20), (1 << 20) - 2), "b": (-4096, 4094), "i": (-2048, 2047),
        "load": (-2048, 2047), "s": (-2048, 2047), "shift": (0, 31), "csr": (0, 4095), "csri": (0, 4095), "amo": (0, 3),
    }  # fmt: skip
    low, high = limits.get(kind, (0, 0))
    if not low <= imm <= high or (kind in ("j", "b") and imm & 1):
        raise ValueError(f"{name}: immediate {imm} does not fit")
    if kind == "none":
        return word
    if kind in ("s", "b"):
        word |= rs1 << 15 | rs2 << 20
        if kind == "s":
            return word | (imm & 0x1F) << 7 | (imm >> 5 & 0x7F) << 25
        return word | (imm >> 11 & 1) << 7 | (imm >> 1 & 15) << 8 | (imm >> 5 & 63) << 25 | (imm >> 12 & 1) << 31
    word |= rd << 7
    if kind == "u":
        return word | imm << 12
    if kind == "j":
        return (
            word | (imm >> 12 & 0xFF) << 12 | (imm >> 11 & 1) << 20 | (imm >> 1 & 0x3FF) << 21 | (imm >> 20 & 1) << 31
        )
    word |= rs1 << 15
    if kind in ("i", "load", "csr", "csri"):
        return word | (imm & 0xFFF) << 20
    if kind == "shift":
        return word | imm << 20
    return word | rs2 << 20 | (imm << 25 if kind == "amo" else 0)


def _immediate(kind: str, w: int) -> int:
    if kind in ("i", "load"):
        return _signed(w >> 20, 12)
    if kind in ("csr", "csri"):
        return w >> 20
    if kind == "shift":
        return w >> 20 & 31
    if kind == "s":
        return _signed((w >> 25) << 5 | (w >> 7 & 31), 12)
    if kind == "b":
        return _signed((w >> 31) << 12 | (w >> 7 & 1) << 11 | (w >> 25 & 63) << 5 | (w >> 8 & 15) << 1, 13)
    if kind == "u":
        return w & 0xFFFF_F000
    if kind == "j":
        return _signed((w >> 31) << 20 | (w >> 12 & 0xFF) << 12 | (w >> 20 & 1) << 11 | (w >> 21 & 0x3FF) << 1, 21)
    return w >> 25 & 3 if kind == "amo" else 0


#: Which register fields an operand layout uses: rd, rs1, rs2.
_USES = {
    "u": (1, 0, 0), "j": (1, 0, 0), "i": (1, 1, 0), "load": (1, 1, 0), "b": (0, 1, 1), "s": (0, 1, 1),
    "shift": (1, 1, 0),
    "r": (1, 1, 1), "csr": (1, 1, 0), "csri": (1, 0, 0), "amo": (1, 1, 1), "none": (0, 0, 0),
}  # fmt: skip


def _decode32(word: int) -> Decoded | None:
    for form in FORMS:
        if word & form.mask == form.match:
            uses = _USES[form.kind]
            rd, rs1, rs2 = ((word >> at & 31) * used for at, used in zip((7, 15, 20), uses, strict=True))
            return Decoded(form.name, form.name, 4, word, form.kind, rd, rs1, rs2, _immediate(form.kind, word))
    return None


def _bits(h: int, *fields: tuple[int, int, int]) -> int:
    """Gather an immediate: each field is (lowest bit in ``h``, number of bits, lowest bit in the result)."""
    return sum((h >> at & (1 << n) - 1) << to for at, n, to in fields)


def _expand_quadrant0(h: int) -> tuple[str, int] | None:
    rd, rs1 = 8 + (h >> 2 & 7), 8 + (h >> 7 & 7)
    offset = _bits(h, (6, 1, 2), (10, 3, 3), (5, 1, 6))
    match h >> 13:
        case 0:
            imm = _bits(h, (6, 1, 2), (5, 1, 3), (11, 2, 4), (7, 4, 6))
            return ("c.addi4spn", encode("addi", rd, 2, 0, imm)) if imm else None
        case 2:
            return "c.lw", encode("lw", rd, rs1, 0, offset)
        case 6:
            return "c.sw", encode("sw", 0, rs1, rd, offset)
    return None


def _expand_arithmetic(h: int) -> tuple[str, int] | None:
    """Quadrant 1, funct3 = 4: operations on the eight popular registers."""
    rd, rs2 = 8 + (h >> 7 & 7), 8 + (h >> 2 & 7)
    imm = _bits(h, (2, 5, 0), (12, 1, 5))
    match h >> 10 & 3:
        case 0:
            return None if imm & 32 else ("c.srli", encode("srli", rd, rd, 0, imm))
        case 1:
            return None if imm & 32 else ("c.srai", encode("srai", rd, rd, 0, imm))
        case 2:
            return "c.andi", encode("andi", rd, rd, 0, _signed(imm, 6))
    if h >> 12 & 1:
        return None
    name = ("sub", "xor", "or", "and")[h >> 5 & 3]
    return "c." + name, encode(name, rd, rd, rs2)


def _expand_quadrant1(h: int) -> tuple[str, int] | None:
    rd = h >> 7 & 31
    imm = _signed(_bits(h, (2, 5, 0), (12, 1, 5)), 6)
    jump = _bits(h, (3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6), (6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11))
    branch = _signed(_bits(h, (3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8)), 9)
    match h >> 13:
        case 0:
            return ("c.addi" if rd else "c.nop"), encode("addi", rd, rd, 0, imm)
        case 1:
            return "c.jal", encode("jal", 1, imm=_signed(jump, 12))
        case 2:
            return "c.li", encode("addi", rd, 0, 0, imm)
        case 3 if rd == 2:
            stack = _signed(_bits(h, (6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9)), 10)
            return ("c.addi16sp", encode("addi", 2, 2, 0, stack)) if stack else None
        case 3:
            return ("c.lui", encode("lui", rd, imm=imm & 0xFFFFF)) if imm else None
        case 4:
            return _expand_arithmetic(h)
        case 5:
            return "c.j", encode("jal", 0, imm=_signed(jump, 12))
        case 6:
            return "c.beqz", encode("beq", 0, 8 + (h >> 7 & 7), 0, branch)
    return "c.bnez", encode("bne", 0, 8 + (h >> 7 & 7), 0, branch)


def _expand_quadrant2(h: int) -> tuple[str, int] | None:
    rd, rs2 = h >> 7 & 31, h >> 2 & 31
    match h >> 13:
        case 0:
            return None if h >> 12 & 1 else ("c.slli", encode("slli", rd, rd, 0, rs2))
        case 2:
            offset = _bits(h, (4, 3, 2), (12, 1, 5), (2, 2, 6))
            return ("c.lwsp", encode("lw", rd, 2, 0, offset)) if rd else None
        case 4 if h >> 12 & 1 == 0:
            if rs2:
                return "c.mv", encode("add", rd, 0, rs2)
            return ("c.jr", encode("jalr", 0, rd)) if rd else None
        case 4:
            if rs2:
                return "c.add", encode("add", rd, rd, rs2)
            return ("c.jalr", encode("jalr", 1, rd)) if rd else ("c.ebreak", encode("ebreak"))
        case 6:
            return "c.swsp", encode("sw", 0, 2, rs2, _bits(h, (9, 4, 2), (7, 2, 6)))
    return None


def expand(half: int) -> tuple[str, int] | None:
    """Mnemonic and 32-bit equivalent of a 16-bit instruction, or None when it is illegal in RV32C (no F, no D)."""
    if not 0 <= half <= 0xFFFF or half & 3 == 3:
        raise ValueError(f"{half:#x}: not a 16-bit instruction")
    return (_expand_quadrant0, _expand_quadrant1, _expand_quadrant2)[half & 3](half)


@lru_cache(maxsize=1 << 17)
def decode(raw: int) -> Decoded | None:
    """The instruction that ``raw`` is, or None when it is illegal.

    ``raw`` is 32 bits as they stand in memory; when its two low bits are not ``11`` only the low 16 bits count.
    """
    if raw & 3 == 3:
        return _decode32(raw)
    expanded = expand(raw & 0xFFFF)
    if expanded is None:
        return None
    full = _decode32(expanded[1])
    assert full is not None
    return Decoded(expanded[0], full.base, 2, full.word, full.kind, full.rd, full.rs1, full.rs2, full.imm)


def fuzz_words(seed: int, count: int) -> list[tuple[int, bool]]:
    """``count`` pairs (raw, legal): a third random, a third legal words, a third legal words with one to three bits
    turned.

    16-bit forms are zero-extended. Deterministic for a seed.
    """
    rng = random.Random(seed)
    words: list[tuple[int, bool]] = []
    while len(words) < count:
        form = rng.choice(FORMS)
        legal = form.match | rng.getrandbits(32) & ~form.mask
        turned = legal
        for _ in range(rng.randint(1, 3)):
            turned ^= 1 << rng.randrange(32)
        half = rng.choice((rng.getrandbits(14) << 2 | rng.randrange(3), rng.getrandbits(32)))
        for raw in (half, legal, turned):
            raw = raw if raw & 3 == 3 else raw & 0xFFFF
            words.append((raw, decode(raw) is not None))
    return words[:count]
