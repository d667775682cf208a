"""The pipeline: random programs against the instruction reference under random stalls, and prices in cycles."""

import pytest
from amaranth_bench import seeded
from core_bench import Program, compare, run_program

from hakone.isa.csr import Csr
from hakone.isa.platform import RAM_BASE

DATA = RAM_BASE + 0x1000


def random_body(rng, program: Program, count: int):
    """Instructions with many dependences: few registers, loads, stores, products, quotients, short branches, calls."""
    operations = ["add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and"]
    operations += ["mul", "mulh", "mulhsu", "mulhu"]
    registers = (0, 5, 6, 7, 8, 9)
    for _ in range(count):
        rd, rs1, rs2 = (rng.choice(registers) for _ in range(3))
        kind = rng.randrange(12)
        if kind < 4:
            program.op(rng.choice(operations), rd, rs1, rs2)
        elif kind < 6:
            program.op(rng.choice(("lw", "lh", "lbu")), rd, 10, imm=rng.randrange(-64, 60))
        elif kind == 6:
            program.op(rng.choice(("sw", "sh", "sb")), rs1=10, rs2=rs2, imm=rng.randrange(-64, 60))
        elif kind == 7:
            name = rng.choice(("amoadd.w", "amomaxu.w", "amoswap.w", "lr.w", "sc.w"))
            program.op(name, rd, 11, 0 if name == "lr.w" else rs2)
        elif kind == 8:
            program.op("csrrw", rd, rs1, imm=int(Csr.MSCRATCH))
        elif kind == 9:
            label = program.fresh()
            program.op(rng.choice(("beq", "bne", "blt", "bgeu")), rs1=rs1, rs2=rs2, imm=label)
            program.op("addi", rd, rs1, imm=rng.randrange(-9, 9))
            program.op("c.addi", 9, imm=1)
            program.label(label)
        elif kind == 10:
            label = program.fresh()
            program.op("jal", rng.choice((0, 1, 6)), imm=label)
            program.op("c.li", 8, imm=3)
            program.label(label)
        elif rng.random() < 0.3:
            program.op(rng.choice(("div", "divu", "rem", "remu")), rd, rs1, rs2)
        else:
            program.op("addi", rd, rs1, imm=rng.randrange(-2048, 2048))


@pytest.mark.long
@pytest.mark.parametrize(
    "seed,gap,busy,mispredict", [(1, 0, 0, 0), (2, 0, 0.5, 0), (3, 0.3, 0, 0.05), (4, 0.2, 0.9, 0.1), (5, 0, 0.3, 0.1)]
)
def test_random_dependences_match_the_reference_under_stalls(seed, gap, busy, mispredict):
    rng = seeded(seed)
    program = Program()
    program.li(10, DATA + 128)
    program.li(11, DATA + 128 + 4 * seed)
    for register in (5, 6, 7, 8, 9):
        program.li(register, rng.getrandbits(32))
    random_body(rng, program, 170)
    program.finish()
    machine = run_program(program, rng, gap=gap, busy=busy, mispredict=mispredict)
    segments = [(RAM_BASE, program.image())]
    assert compare(machine, segments) > 150
    assert not machine.traps


def timing(build, at: str, **options) -> dict[str, int]:
    """Cycle of retirement of the first instruction at each label of a program that ``build`` fills."""
    program = Program()
    build(program)
    program.finish()
    machine = run_program(program, seeded(), **options)
    return {name: machine.retired(address)["cycle"] for name, address in program.labels.items() if name in at.split()}


def test_results_are_bypassed_without_a_lost_cycle():
    def build(p):
        p.li(5, 7)
        p.label("a")
        p.op("add", 6, 5, 5)
        p.op("sub", 7, 6, 5)
        p.op("xor", 8, 7, 6)
        p.op("beq", rs1=8, rs2=0, imm="b")
        p.label("b")
        p.op("add", 9, 8, 7)

    at = timing(build, "a b")
    assert at["b"] - at["a"] == 4


@pytest.mark.parametrize(
    "producer,lost",
    [
        (("addi", 5, 10, 0, 0), 0),
        (("lw", 5, 10, 0, 0), 1),
        (("mul", 5, 10, 10, 0), 1),
        (("csrrs", 5, 0, 0, int(Csr.MSCRATCH)), 1),
        (("amoadd.w", 5, 10, 0, 0), 1),
        (("div", 5, 10, 10, 0), 17),
        (("remu", 5, 0, 10, 0), 17),
    ],
)
def test_price_of_using_a_result_at_once(producer, lost):
    def build(p):
        p.li(10, DATA)
        p.label("a")
        p.op("addi", 7, 0, imm=1)
        p.op(*producer)
        p.label("b")
        p.op("add", 6, 5, 5)

    at = timing(build, "a b")
    assert at["b"] - at["a"] == 2 + lost


def test_late_result_costs_nothing_with_one_instruction_between():
    def build(p):
        p.li(10, DATA)
        p.label("a")
        p.op("lw", 5, 10)
        p.op("addi", 7, 0, imm=1)
        p.label("b")
        p.op("add", 6, 5, 5)

    at = timing(build, "a b")
    assert at["b"] - at["a"] == 2


def test_store_data_from_a_load_costs_one_cycle_and_is_right():
    program = Program()
    program.li(10, DATA)
    program.li(5, 0x1234_5678)
    program.op("sw", rs1=10, rs2=5)
    program.op("lw", 6, 10)
    program.op("sw", rs1=10, rs2=6, imm=4)
    program.finish()
    machine = run_program(program, seeded())
    assert machine.stores == [(DATA, 4, 0x1234_5678), (DATA + 4, 4, 0x1234_5678)]
    assert machine.events["load_use_stall"] == 1


def test_mispredicted_branch_loses_four_cycles():
    def build(p):
        p.label("a")
        p.op("beq", imm="b")
        p.op("addi", 5, 0, imm=1)
        p.label("b")
        p.op("addi", 6, 0, imm=1)

    at = timing(build, "a b")
    assert at["b"] - at["a"] == 1 + 4


def test_multiply_runs_one_each_cycle():
    def build(p):
        p.label("a")
        for n in range(5, 13):
            p.op("mul", n, 20, 21)
        p.label("b")
        p.op("addi", 6, 0, imm=1)

    at = timing(build, "a b")
    assert at["b"] - at["a"] == 8


def test_csr_read_drops_nothing_and_status_write_drops_the_younger():
    program = Program()
    program.csrr(5, Csr.MSTATUS)
    program.csrr(6, Csr.MCYCLE)
    program.op("csrrwi", 0, 3, imm=int(Csr.MSCRATCH))
    program.csrr(7, Csr.MSCRATCH)
    program.finish()
    machine = run_program(program, seeded())
    assert machine.events["flush"] == 0
    assert machine.registers()[7] == 3
    program = Program()
    program.op("csrrwi", 0, 8, imm=int(Csr.MSTATUS))
    program.csrr(5, Csr.MSTATUS)
    program.finish()
    machine = run_program(program, seeded())
    assert machine.events["flush"] == 1
    assert machine.registers()[5] == 8


def test_instret_counts_every_retired_instruction_once():
    rng = seeded()
    program = Program()
    program.csrr(5, Csr.MINSTRET)
    program.li(10, DATA)
    program.op("lw", 6, 10)
    program.op("div", 6, 10, 10)
    program.op("beq", imm="skip")
    program.op("addi", 0, 0)
    program.label("skip")
    program.csrr(7, Csr.MINSTRET)
    program.op("csrrw", 0, 0, imm=int(Csr.MINSTRET))
    program.csrr(8, Csr.MINSTRET)
    program.csrr(9, Csr.MINSTRET)
    program.finish()
    registers = run_program(program, rng, busy=0.5, gap=0.3).registers()
    assert registers[7] - registers[5] == 5
    assert (registers[8], registers[9]) == (0, 1)


def test_fence_i_invalidates_waits_and_fetches_again():
    program = Program()
    program.la(5, "patched")
    program.li(6, 0x0030_0393)  # addi x7, x0, 3
    program.op("sw", rs1=5, rs2=6)
    program.label("fence")
    program.op("fence.i")
    program.label("patched")
    program.op("addi", 7, 0, imm=1)
    program.finish()
    machine = run_program(program, seeded(), flush_cycles=30)
    assert machine.flushes == 1
    assert machine.registers()[7] == 3
    fence, patched = (machine.retired(program.labels[name])["cycle"] for name in ("fence", "patched"))
    assert patched - fence == 5


def test_every_word_of_a_register_reads_zero_before_its_first_write():
    program = Program()
    for n in range(1, 31):
        if n != 5:  # the boot code used it
            program.op("addi", 31, n)
            program.op("or", 30 if n < 30 else 29, 0, 31)
    program.finish()
    machine = run_program(program, seeded())
    copies = [r["value"] for r in machine.records if r["raw"] & 0x7F == 0x13]
    assert len(copies) == 29 and not any(copies)
