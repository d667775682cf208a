"""The independent decoder against capstone, and its encoder against itself."""

import random

import capstone
import pytest

from hakone_sim.assembler import encode_compressed
from hakone_sim.models.decode import COMPRESSED_NAMES, FORMS, INSTRUCTION_NAMES, decode, encode, expand, fuzz_words

CAPSTONE = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)

#: What capstone knows and this machine does not have: floating point, supervisor and user-level interrupts, RV64's
#: shift amounts, and a reserved c.lui that it lets pass.
NOT_HERE = (
    "c.f",
    "f",
    "sret",
    "uret",
    "sfence.vma",
    "c.slli",
    "c.srli",
    "c.srai",
    "slli",
    "srli",
    "srai",
    "c.lui",
    "c.unimp",
)
#: What the specification calls a HINT, or tells implementations to ignore, and capstone refuses.
LENIENT = ("c.li", "c.lui", "c.slli", "c.nop", "c.mv", "c.add", "fence", "fence.i")


def capstone_name(raw: int) -> str | None:
    """Capstone's mnemonic for one instruction, or None."""
    size = 4 if raw & 3 == 3 else 2
    found = list(CAPSTONE.disasm(raw.to_bytes(4, "little")[:size], 0x1000))
    return found[0].mnemonic if found and found[0].size == size else None


def assert_agrees(raw: int) -> None:
    """Legal for both, illegal for both, or different for a reason that is listed above."""
    mine, theirs = decode(raw), capstone_name(raw)
    if mine is None and theirs is not None:
        assert theirs.startswith(NOT_HERE), f"{raw:#x}: capstone says {theirs}"
    if mine is not None and theirs is None:
        assert mine.name in LENIENT, f"{raw:#x}: capstone refuses {mine.name}"


def test_every_halfword_agrees_with_capstone():
    """All 49152 16-bit words."""
    names = set()
    for raw in range(1 << 16):
        if raw & 3 != 3:
            assert_agrees(raw)
            names.add(decode(raw).name if decode(raw) else None)
    assert names - {None} == set(COMPRESSED_NAMES)


def test_fuzzed_words_agree_with_capstone():
    """Random words, legal words, and legal words with bits turned; both verdicts occur often."""
    words = fuzz_words(seed=7, count=30000)
    for raw, legal in words:
        assert legal == (decode(raw) is not None)
        assert_agrees(raw)
    assert 5000 < sum(legal for _, legal in words) < 25000
    assert fuzz_words(7, 100) == words[:100]


RESERVED = {
    "zeros": 0x0000_0000, "ones": 0xFFFF_FFFF, "shift by 32": 0x0205_1513, "sret": 0x1020_0073,
    "sfence.vma": 0x1200_0073,
    "lr.w with rs2": 0x1011_202F, "custom-0": 0x0000_000B, "sub with sll's funct3": 0x4002_1033,
}  # fmt: skip


@pytest.mark.parametrize("raw", RESERVED.values(), ids=RESERVED)
def test_reserved_words_are_illegal(raw):
    """None of these is an instruction of this machine."""
    assert decode(raw) is None


def test_encode_and_decode_are_inverse():
    """Every form with random operands comes back with the same fields."""
    rng = random.Random(3)
    for form in FORMS:
        for _ in range(50):
            raw = form.match | rng.getrandbits(32) & ~form.mask
            d = decode(raw)
            assert d is not None and d.name in INSTRUCTION_NAMES
            if form.kind != "none":
                immediate = d.imm >> 12 if form.kind == "u" else d.imm
                operand = raw >> 15 & 31 if form.kind == "csri" else d.rs1
                assert encode(form.name, d.rd, operand, d.rs2, immediate) == raw


def test_compressed_encoder_is_inverse_of_expansion():
    """Every legal halfword is made again from its operands."""
    for raw in range(1 << 16):
        if raw & 3 == 3 or (found := expand(raw)) is None:
            continue
        d = decode(raw)
        imm = (raw >> 2 & 31 | raw >> 7 & 32) if found[0] == "c.lui" else d.imm
        assert encode_compressed(found[0], d.rd, d.rs1, d.rs2, imm) == raw


def test_values_that_do_not_fit_are_refused():
    """Errors quote the value."""
    with pytest.raises(ValueError, match="immediate 4096"):
        encode("addi", 1, 1, imm=4096)
    with pytest.raises(ValueError, match="imm=2 has no encoding"):
        encode_compressed("c.lw", 8, 8, imm=2)
