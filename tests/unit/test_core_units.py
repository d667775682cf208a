"""Units of the core by themselves, against Python's arithmetic, the specification's corner cases and capstone."""

import capstone
import pytest
from amaranth.hdl import Module
from amaranth_bench import run, run_comb, seeded

from hakone.core.alu import Alu
from hakone.core.branch import BranchUnit
from hakone.core.control import AluOp, System, Transfer
from hakone.core.counters import Counter
from hakone.core.csr_rights import CsrRights
from hakone.core.decode import Decoder
from hakone.core.divide import Divider
from hakone.core.multiply import Multiplier
from hakone.core.register_file import WrittenMask
from hakone.isa.csr import Csr
from hakone.isa.encoding import CUSTOM_INSTRUCTIONS, CustomGroup
from hakone_sim.models.csr_model import CsrModel
from hakone_sim.models.decode import fuzz_words

MASK = 0xFFFF_FFFF
CORNERS = (0, 1, 2, 31, 32, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_FFFF, 0x2_0000)


def signed(value: int) -> int:
    return value - (value >> 31 << 32)


def pairs(rng, count: int):
    """Operand pairs: all corners with each other, then random ones."""
    yield from ((a, b) for a in CORNERS for b in CORNERS)
    for _ in range(count):
        yield rng.getrandbits(32), rng.getrandbits(32) >> rng.randrange(32)


def test_alu_matches_arithmetic_on_corners_and_random_words():
    rng = seeded()
    expected = {
        AluOp.ADD: lambda a, b: a + b,
        AluOp.SUB: lambda a, b: a - b,
        AluOp.SLT: lambda a, b: signed(a) < signed(b),
        AluOp.SLTU: lambda a, b: a < b,
        AluOp.XOR: lambda a, b: a ^ b,
        AluOp.OR: lambda a, b: a | b,
        AluOp.AND: lambda a, b: a & b,
        AluOp.PASS: lambda a, b: b,
        AluOp.SLL: lambda a, b: a << (b & 31),
        AluOp.SRL: lambda a, b: a >> (b & 31),
        AluOp.SRA: lambda a, b: signed(a) >> (b & 31),
    }
    assert set(expected) == set(AluOp)
    dut = Alu()

    async def bench(ctx):
        for a, b in pairs(rng, 100):
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            for op, function in expected.items():
                ctx.set(dut.op, op)
                assert ctx.get(dut.result) == function(a, b) & MASK, f"{op.name} {a:#x} {b:#x}"
            assert ctx.get(dut.equal) == (a == b)

    run_comb(dut, bench)


def test_branch_unit_decides_and_checks_the_prediction():
    rng = seeded()
    alu, dut = Alu(), BranchUnit()
    taken = {
        0: lambda a, b: a == b,
        1: lambda a, b: a != b,
        4: lambda a, b: signed(a) < signed(b),
        5: lambda a, b: signed(a) >= signed(b),
        6: lambda a, b: a < b,
        7: lambda a, b: a >= b,
    }

    async def bench(ctx):
        ctx.set(alu.op, AluOp.SUB)
        for a, b in pairs(rng, 60):
            ctx.set(alu.a, a)
            ctx.set(alu.b, b)
            for name in ("equal", "less", "less_unsigned"):
                ctx.set(getattr(dut, name), ctx.get(getattr(alu, name)))
            kind = rng.choice(list(Transfer))
            funct3 = rng.choice(list(taken))
            direct, register, following = (rng.getrandbits(31) << 1 for _ in range(3))
            target = register if kind is Transfer.JALR else direct
            goes = {Transfer.NONE: False, Transfer.BRANCH: taken[funct3](a, b)}.get(kind, True)
            guess, guessed = rng.random() < 0.6, rng.choice((target, direct ^ 4))
            ctx.set(dut.transfer, kind)
            ctx.set(dut.funct3, funct3)
            ctx.set(dut.direct_target, direct)
            ctx.set(dut.register_target, register | 1)
            ctx.set(dut.next_pc, following)
            ctx.set(dut.predicted_taken, guess)
            ctx.set(dut.predicted_target, guessed)
            assert ctx.get(dut.taken) == goes
            assert ctx.get(dut.goes_to) == (target if goes else following)
            assert ctx.get(dut.mispredicted) == (goes != guess or (goes and guessed != target))

    m = Module()
    m.submodules.alu, m.submodules.branch = alu, dut
    run_comb(m, bench)


def test_multiplier_gives_all_four_products_one_each_cycle():
    rng = seeded()
    dut = Multiplier()
    expected = (
        lambda a, b: a * b,
        lambda a, b: signed(a) * signed(b) >> 32,
        lambda a, b: signed(a) * b >> 32,
        lambda a, b: a * b >> 32,
    )

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        for a, b in pairs(rng, 200):
            for funct3, function in enumerate(expected):
                ctx.set(dut.a, a)
                ctx.set(dut.b, b)
                ctx.set(dut.funct3, funct3)
                await ctx.tick()
                assert ctx.get(dut.result) == function(a, b) & MASK, f"funct3 {funct3} {a:#x} {b:#x}"

    run(dut, bench)


def divided(funct3: int, a: int, b: int) -> int:
    """DIV, DIVU, REM, REMU by the table of section 13.2."""
    if funct3 in (1, 3):
        return ((a // b if b else MASK) if funct3 == 1 else (a % b if b else a)) & MASK
    x, y = signed(a), signed(b)
    if y == 0:
        return MASK if funct3 == 0 else a
    quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    return (quotient if funct3 == 0 else x - quotient * y) & MASK


def test_divider_matches_specification_and_always_takes_the_same_time():
    rng = seeded()
    dut = Divider()
    times = set()

    async def bench(ctx):
        cases = [(a, b) for a in CORNERS for b in (0, 1, 3, 0x8000_0000, MASK)]
        cases += [(rng.getrandbits(32), rng.getrandbits(32) >> rng.randrange(32)) for _ in range(40)]
        for a, b in cases:
            funct3 = rng.randrange(4)
            ctx.set(dut.load, 1)
            for _ in range(rng.randrange(3)):  # an instruction that waits: its operands may still change
                ctx.set(dut.a, rng.getrandbits(32))
                ctx.set(dut.b, rng.getrandbits(32))
                await ctx.tick()
                assert not ctx.get(dut.busy)
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            ctx.set(dut.funct3, funct3)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            cycles = 0
            while ctx.get(dut.busy):
                ctx.set(dut.load, rng.randrange(2))
                ctx.set(dut.a, rng.getrandbits(32))
                await ctx.tick()
                cycles += 1
                ctx.set(dut.load, 0)
            times.add(cycles)
            assert ctx.get(dut.result) == divided(funct3, a, b), f"funct3 {funct3} {a:#x} {b:#x}"

    run(dut, bench)
    assert times == {16}


def test_counter_write_wins_over_its_own_count():
    dut = Counter()

    async def bench(ctx):
        ctx.set(dut.count, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.value) == 3
        ctx.set(dut.wdata, MASK)
        ctx.set(dut.write_low, 1)
        await ctx.tick()
        assert ctx.get(dut.value) == MASK
        ctx.set(dut.write_low, 0)
        await ctx.tick()
        assert ctx.get(dut.value) == MASK + 1
        ctx.set(dut.wdata, 7)
        ctx.set(dut.write_high, 1)
        await ctx.tick()
        assert ctx.get(dut.value) == 7 << 32

    run(dut, bench)


def test_written_mask_follows_a_model_of_sixteen_contexts():
    rng = seeded()
    dut = WrittenMask()

    async def bench(ctx):
        model, current = [0] * 16, 0
        for _ in range(600):
            for name in ("set_valid", "put_valid", "keep_valid", "stack_valid", "swap"):
                ctx.set(getattr(dut, name), 0)
            action = rng.choice(("set", "set", "put", "keep", "stack", "swap", "set_keep"))
            register, other, keep = rng.randrange(32), rng.randrange(16), rng.getrandbits(32)
            if action == "put" and other != current:
                ctx.set(dut.put_valid, 1)
                ctx.set(dut.put_context, other)
                ctx.set(dut.put_register, register)
                model[other] |= 1 << register & ~1
            if "set" in action:
                ctx.set(dut.set_valid, 1)
                ctx.set(dut.set_register, register)
                model[current] |= 1 << register & ~1
            if "keep" in action:
                ctx.set(dut.keep_valid, 1)
                ctx.set(dut.keep, keep)
                model[current] &= keep
            if action == "stack":
                written = rng.randrange(2)
                ctx.set(dut.stack_valid, 1)
                ctx.set(dut.stack_written, written)
                model[current] = model[current] & ~4 | written << 2
            if action == "swap" and other != current:
                ctx.set(dut.swap, 1)
                ctx.set(dut.swap_from, current)
                ctx.set(dut.swap_to, other)
                current = other
            await ctx.tick()
            assert ctx.get(dut.mask) == model[current], action

    run(dut, bench)


def accepts(dut: Decoder, words: list[int], **who) -> list[bool]:
    """Whether the decoder takes each word as legal (its CSR number left aside)."""
    answers = []

    async def bench(ctx):
        for name, value in {"level": 3, "custom_enabled": 0, "timeout_wait": 0, **who}.items():
            ctx.set(getattr(dut, name), value)
        for word in words:
            ctx.set(dut.word, word)
            answers.append(bool(ctx.get(dut.legal)))

    run_comb(dut, bench)
    return answers


def is_csr(word: int) -> bool:
    return word & 0x7F == 0x73 and bool(word >> 12 & 3)


def test_decoder_accepts_exactly_the_legal_words_of_the_reference():
    words = [(w, legal) for w, legal in fuzz_words(7, 12_000) if w & 3 == 3 and not is_csr(w)]
    got = accepts(Decoder(), [w for w, _ in words])
    wrong = [f"{w:#010x} legal={legal}" for (w, legal), g in zip(words, got, strict=True) if g != legal]
    assert not wrong, wrong[:5]
    assert sum(legal for _, legal in words) > 1000
    assert sum(not legal for _, legal in words) > 1000


def test_decoder_agrees_with_capstone_on_random_words():
    rng = seeded()
    disassembler = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32)
    opcodes = [0x03, 0x0F, 0x13, 0x17, 0x23, 0x2F, 0x33, 0x37, 0x63, 0x67, 0x6F, 0x73]
    words = [rng.getrandbits(25) << 7 | rng.choice(opcodes) for _ in range(3000)]
    words += [(w & ~(0x7F << 25)) | rng.choice((0, 1, 0x20)) << 25 for w in words[:1500]]
    got = accepts(Decoder(), words)
    for word, legal in zip(words, got, strict=True):
        name = next((i.mnemonic for i in disassembler.disasm(word.to_bytes(4, "little"), 0)), None)
        if is_csr(word) or word & 0x707F in (0x0F, 0x100F):
            continue  # CSR numbers are checked elsewhere; capstone wants the ignored fields of fences to be zero
        if word & 0x7F == 0x2F and word >> 12 & 7 == 3:
            name = None  # capstone takes the double-word atomics of RV64
        if word & 0x7F == 0x13 and word >> 12 & 3 == 1 and word >> 25 & 1:
            name = None  # and its six-bit shift amounts
        if name in ("sret", "uret", "sfence.vma", "dret", "mnret") or (name or "").startswith(
            ("hfence", "sinval", "hinval")
        ):
            name = None  # supervisor and debug instructions do not exist here
        assert legal == (name is not None), f"{word:#010x}: capstone says {name}"


def test_decoder_takes_custom_instructions_only_when_enabled_and_well_formed():
    rng = seeded()
    dut = Decoder()
    good = [
        i.encode(*(rng.randrange(3, 32) if used else 0 for used in (i.rd, i.rs1, i.rs2))) for i in CUSTOM_INSTRUCTIONS
    ]
    bad = [
        (word ^ 1 << bit)
        for word, i in zip(good, CUSTOM_INSTRUCTIONS, strict=True)
        for bit in range(7, 32)
        if i.mask >> bit & 1
    ]
    taken = {i.match for i in CUSTOM_INSTRUCTIONS}
    bad = [w for w in bad if not any(w & i.mask == i.match for i in CUSTOM_INSTRUCTIONS)]
    assert len(taken) == 11 and len(bad) > 130
    assert not any(accepts(dut, good))
    assert all(accepts(dut, good, custom_enabled=1))
    assert not any(accepts(dut, bad, custom_enabled=1))
    below = accepts(dut, good, custom_enabled=1, level=0)
    machine_only = (CustomGroup.CONTEXT, CustomGroup.SEGMENT)
    assert below == [i.group not in machine_only for i in CUSTOM_INSTRUCTIONS]
    to_stack = next(i for i in CUSTOM_INSTRUCTIONS if i.name == "retmode").encode(rd=2)
    assert accepts(dut, [to_stack], custom_enabled=1) == [False]


@pytest.mark.parametrize("level,waits,legal", [(3, 1, True), (0, 0, True), (0, 1, False)])
def test_decoder_lets_user_code_wait_unless_timeout_wait_is_set(level, waits, legal):
    dut = Decoder()
    assert accepts(dut, [0x1050_0073], level=level, timeout_wait=waits) == [legal]
    assert accepts(dut, [0x3020_0073], level=level) == [level == 3]


def test_decoder_names_system_instructions():
    dut = Decoder()
    words = {
        0x73: System.ECALL,
        0x100073: System.EBREAK,
        0x30200073: System.MRET,
        0x100F: System.FENCE_I,
        0xF: System.NONE,
    }

    async def bench(ctx):
        ctx.set(dut.level, 3)
        for word, system in words.items():
            ctx.set(dut.word, word)
            assert ctx.get(dut.control.system) is system

    run_comb(dut, bench)


@pytest.mark.parametrize("level", [3, 0])
def test_csr_rights_equal_the_model_for_every_number(level):
    dut = CsrRights()
    model = CsrModel()
    model.level = level
    model.stored[Csr.MCOUNTEREN] = 5

    async def bench(ctx):
        ctx.set(dut.level, level)
        ctx.set(dut.counter_enable, 5)
        for number in range(4096):
            ctx.set(dut.address, number)
            for writes in (0, 1):
                ctx.set(dut.write, writes)
                assert ctx.get(dut.legal) == model.legal(number, bool(writes)), f"{number:#x} write={writes}"

    run_comb(dut, bench)
