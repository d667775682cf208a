"""The expander over all compressed halfwords, against capstone's decoder and Unicorn's execution.

Capstone 5 differs from the standard in three places, all listed below by rule: it rejects hints, and it accepts
``c.lui`` with an immediate of zero and 32-bit shifts by 32 or more. The reserved are compared with the rule instead,
the hints with what Unicorn does (Unicorn 2.1 itself lets several reserved forms pass as no operation, so only capstone
and the rule judge those).
"""

import random

import capstone
import pytest
import unicorn
from amaranth.sim import Simulator
from unicorn import riscv_const as rc

from hakone.core.expand import ILLEGAL, Expander

COMPRESSED = [half for half in range(1 << 16) if half & 3 != 3]
FLOATING = {"c.fld", "c.flw", "c.fsd", "c.fsw", "c.fldsp", "c.flwsp", "c.fsdsp", "c.fswsp"}


@pytest.fixture(scope="module")
def expanded() -> dict[int, int]:
    """Word of every compressed halfword, from the hardware."""
    dut = Expander()
    words = {}

    async def testbench(ctx):
        for half in COMPRESSED:
            ctx.set(dut.half, half)
            words[half] = ctx.get(dut.word)

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
    return words


def is_hint(half: int) -> bool:
    """Hints that capstone rejects: destination x0, by the table "RVC HINT instructions"."""
    quadrant, funct3, rd, rs2 = half & 3, half >> 13, half >> 7 & 31, half >> 2 & 31
    if rd:
        return False
    if quadrant == 1:
        immediate = rs2 | half >> 12 & 1
        return funct3 in (0, 2) or (funct3 == 3 and immediate != 0)
    return quadrant == 2 and ((funct3 == 0 and not half >> 12 & 1) or (funct3 == 4 and rs2 != 0))


def is_accepted_reserved(half: int) -> bool:
    """Forms that capstone accepts though RV32 reserves them or leaves them to custom extensions."""
    quadrant, funct3, sign = half & 3, half >> 13, half >> 12 & 1
    lui_zero = quadrant == 1 and funct3 == 3 and not sign and not half >> 2 & 31
    long_shift = sign and ((quadrant == 1 and funct3 == 4 and not half >> 11 & 1) or (quadrant == 2 and funct3 == 0))
    return lui_zero or bool(long_shift)


def number(operand) -> int:
    """A register's number or an immediate's value."""
    return operand.reg - rc.UC_RISCV_REG_X0 if operand.type == capstone.riscv.RISCV_OP_REG else operand.imm


def r(funct7, rs2, rs1, funct3, rd, opcode=0x33):
    """R format."""
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def i(imm, rs1, funct3, rd, opcode=0x13):
    """I format."""
    return (imm & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def s(imm, rs2, rs1):
    """S format, a word."""
    return imm >> 5 << 25 | rs2 << 20 | rs1 << 15 | 2 << 12 | (imm & 31) << 7 | 0x23


def b(imm, rs1, funct3):
    """B format against x0."""
    high, low = (imm >> 12 & 1) << 6 | imm >> 5 & 0x3F, (imm & 0x1E) | imm >> 11 & 1
    return high << 25 | rs1 << 15 | funct3 << 12 | low << 7 | 0x63


def j(imm, rd):
    """J format."""
    bits = (imm >> 20 & 1) << 19 | (imm >> 1 & 0x3FF) << 9 | (imm >> 11 & 1) << 8 | imm >> 12 & 0xFF
    return bits << 12 | rd << 7 | 0x6F


#: The 32-bit encoding of capstone's reading of a compressed instruction, by mnemonic, from the base formats.
FORMS = {
    "c.addi4spn": lambda rd, sp, n: i(n, sp, 0, rd),
    "c.lw": lambda rd, n, base: i(n, base, 2, rd, 0x03),
    "c.lwsp": lambda rd, n, base: i(n, base, 2, rd, 0x03),
    "c.sw": lambda rs2, n, base: s(n, rs2, base),
    "c.swsp": lambda rs2, n, base: s(n, rs2, base),
    "c.nop": lambda: i(0, 0, 0, 0),
    "c.addi": lambda rd, n: i(n, rd, 0, rd),
    "c.li": lambda rd, n: i(n, 0, 0, rd),
    "c.addi16sp": lambda rd, n: i(n, rd, 0, rd),
    "c.lui": lambda rd, n: (n & 0xFFFFF) << 12 | rd << 7 | 0x37,
    "c.srli": lambda rd, n: i(n, rd, 5, rd),
    "c.srai": lambda rd, n: i(n | 0x400, rd, 5, rd),
    "c.slli": lambda rd, n: i(n, rd, 1, rd),
    "c.andi": lambda rd, n: i(n, rd, 7, rd),
    "c.sub": lambda rd, rs: r(0x20, rs, rd, 0, rd),
    "c.xor": lambda rd, rs: r(0, rs, rd, 4, rd),
    "c.or": lambda rd, rs: r(0, rs, rd, 6, rd),
    "c.and": lambda rd, rs: r(0, rs, rd, 7, rd),
    "c.add": lambda rd, rs: r(0, rs, rd, 0, rd),
    "c.mv": lambda rd, rs: r(0, rs, 0, 0, rd),
    "c.jal": lambda n: j(n, 1),
    "c.j": lambda n: j(n, 0),
    "c.beqz": lambda rs, n: b(n, rs, 0),
    "c.bnez": lambda rs, n: b(n, rs, 1),
    "c.jr": lambda rs: i(0, rs, 0, 0, 0x67),
    "c.jalr": lambda rs: i(0, rs, 0, 1, 0x67),
    "c.ebreak": lambda: 0x00100073,
    "c.unimp": lambda: ILLEGAL,
}


def test_expansion_equals_capstone_for_every_halfword(expanded):
    decoder = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    decoder.detail = True
    seen, hints, reserved = set(), 0, 0
    for half in COMPRESSED:
        found = next(decoder.disasm(half.to_bytes(2, "little"), 0), None)
        if is_accepted_reserved(half):
            expected, reserved = ILLEGAL, reserved + 1
        elif is_hint(half):
            hints += 1
            assert expanded[half] != ILLEGAL and expanded[half] >> 7 & 31 == 0, f"hint {half:#06x}"
            continue
        elif found is None or found.mnemonic in FLOATING:
            expected = ILLEGAL
        else:
            expected = FORMS[found.mnemonic](*[number(o) for o in found.operands])
            seen.add(found.mnemonic)
        assert expanded[half] == expected, f"{half:#06x}: {found}: {expanded[half]:#010x}, expected {expected:#010x}"
    assert seen == set(FORMS) - {"c.nop"}  # counted as a hint
    assert (hints, reserved) == (64 + 64 + 63 + 32 + 62, 32 + 2 * 256 + 1024)


def run(code: int, size: int, registers: list[int]) -> tuple[list[int], int, bytes] | None:
    """Registers, pc and memory after Unicorn ran one instruction; None when it was illegal."""
    code_base, data_base = 0x10000, 0x40000
    machine = run.machine
    machine.mem_write(code_base, code.to_bytes(4, "little"))
    machine.ctl_remove_cache(code_base, code_base + 8)
    machine.mem_write(data_base, run.pattern)
    for n in range(1, 32):
        machine.reg_write(rc.UC_RISCV_REG_X0 + n, registers[n])
    run.interrupt = None
    try:
        machine.emu_start(code_base, code_base + size, count=1)
    except unicorn.UcError as error:
        if error.errno != unicorn.UC_ERR_FETCH_UNMAPPED:
            raise
    if run.interrupt == 2:
        return None
    values = [machine.reg_read(rc.UC_RISCV_REG_X0 + n) for n in range(1, 32)]
    pc = machine.reg_read(rc.UC_RISCV_REG_PC)
    return values, pc, bytes(machine.mem_read(data_base, len(run.pattern)))


@pytest.fixture
def machine():
    """A Unicorn machine with code and data pages."""
    run.machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
    run.machine.mem_map(0x10000, 0x1000)
    run.machine.mem_map(0x40000, 0x2000)
    run.pattern = random.Random(5).randbytes(1024)

    def on_interrupt(uc, number, _):
        run.interrupt = number
        uc.emu_stop()

    run.machine.hook_add(unicorn.UC_HOOK_INTR, on_interrupt)
    yield run.machine


def test_expansion_does_what_unicorn_does(expanded, machine):
    """Every hint and a seeded sample of the rest: the compressed and the expanded form have the same effect."""
    seed = 20241
    rng = random.Random(seed)
    print(f"seed {seed}")
    hints = [half for half in COMPRESSED if is_hint(half)]
    others = [half for half in COMPRESSED if expanded[half] != ILLEGAL]
    for half in hints + rng.sample(others, 1500):
        registers = [0] + [0x40000 + 4 * rng.randrange(32) for _ in range(31)]
        short = run(half, 2, registers)
        assert short is not None, f"{half:#06x} is illegal in Unicorn"
        long = run(expanded[half], 4, registers)
        if long[1] == 0x10004 and short[1] == 0x10002:  # falls through: only the length differs
            long = (long[0], 0x10002, long[2])
        if (expanded[half] & 0xFFF) in (0x0EF, 0x0E7):  # links: the address after the instruction
            long[0][0] -= 2
        assert short == long, f"seed {seed}: {half:#06x} and {expanded[half]:#010x} differ"
