"""Traps, interrupts and returns in context 0: every cause, its value, its address, and the registers it changes."""

import pytest
from amaranth_bench import seeded
from core_bench import Program, run_program

from hakone.isa.cause import Cause, Interrupt
from hakone.isa.csr import Csr
from hakone.isa.platform import RAM_BASE

DATA = RAM_BASE + 0x1000
MIE, MPIE, MPP, MPRV, TW = 1 << 3, 1 << 7, 3 << 11, 1 << 17, 1 << 21
BAD = 0x4000_0000


def handler(program: Program):
    """A handler at ``handler`` that keeps what it finds in x20 to x23 and goes on at ``after``."""
    program.align(4)
    program.label("handler")
    for register, csr in ((20, Csr.MCAUSE), (21, Csr.MTVAL), (22, Csr.MEPC), (23, Csr.MSTATUS)):
        program.csrr(register, csr)
    program.csrw(Csr.MEPC, "after")
    program.op("mret")


def trapping(build, *, user: bool = False, **options):
    """Run ``build`` (which defines the label ``at``), at user level or not; returns the program and the machine."""
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.csrw(Csr.MSTATUS, MIE | (0 if user else MPP))
    if user:
        program.csrw(Csr.MEPC, "body")
        program.op("mret")
    program.label("body")
    build(program)
    program.label("after")
    program.finish()
    handler(program)
    return program, run_program(program, seeded(), **options)


def word(value: int):
    return lambda p: p.data(value.to_bytes(4, "little"))


CASES = {
    "ecall": (lambda p: p.op("ecall"), Cause.ECALL_M, 0),
    "ebreak": (lambda p: p.op("ebreak"), Cause.BREAKPOINT, 0),
    "c.ebreak": (lambda p: p.op("c.ebreak"), Cause.BREAKPOINT, 0),
    "illegal": (word(0xFFFF_FFFF), Cause.ILLEGAL, 0xFFFF_FFFF),
    "illegal compressed": (lambda p: p.data(b"\x00\x84"), Cause.ILLEGAL, 0x8400),
    "zero": (lambda p: p.data(b"\0\0"), Cause.ILLEGAL, 0),
    "custom while disabled": (lambda p: p.custom("cryptoland"), Cause.ILLEGAL, 0x0400_000B),
    "missing csr": (lambda p: p.csrr(5, 0x180), Cause.ILLEGAL, 0x1800_22F3),
    "read-only csr": (lambda p: p.op("csrrw", 0, 5, imm=int(Csr.MHARTID)), Cause.ILLEGAL, 0xF142_9073),
    "sret": (word(0x1020_0073), Cause.ILLEGAL, 0x1020_0073),
    "sfence.vma": (word(0x1200_0073), Cause.ILLEGAL, 0x1200_0073),
    "load": (lambda p: p.op("lw", 5, 9, imm=4), Cause.LOAD_FAULT, BAD + 4),
    "store": (lambda p: p.op("sh", rs1=9, rs2=5), Cause.STORE_FAULT, BAD),
    "load reserved": (lambda p: p.op("lr.w", 5, 8), Cause.LOAD_MISALIGNED, DATA + 2),
    "atomic": (lambda p: p.op("amoadd.w", 5, 8, 5), Cause.STORE_MISALIGNED, DATA + 2),
}


@pytest.mark.parametrize("case", CASES)
def test_trap_tells_cause_value_and_address_and_does_nothing_else(case):
    make, cause, value = CASES[case]

    def build(p):
        p.li(9, BAD)
        p.li(8, DATA + 2)
        p.li(5, 0x77)
        p.li(6, DATA)
        p.label("at")
        make(p)
        p.op("addi", 5, 0, imm=1)
        p.op("sw", rs1=6, rs2=5)

    program, machine = trapping(build, busy=0.5)
    registers = machine.registers()
    assert registers[20:24] == [cause.value, value, program.labels["at"], MPIE | MPP]
    assert registers[5] == 0x77 and not machine.stores
    (trap,) = machine.traps
    assert (trap["cause"], trap["tval"], trap["pc"]) == (cause.value, value, program.labels["at"])


def test_fetch_fault_tells_the_address_of_the_missing_part():
    def build(p):
        p.li(9, RAM_BASE + 0x1000 + 254)
        p.li(5, 0x0000_0003)
        p.op("sh", rs1=9, rs2=5)  # lower half of a long instruction at the end of memory
        p.label("at")
        p.op("jalr", 0, 9)

    _, machine = trapping(build)
    registers = machine.registers()
    assert registers[20:23] == [Cause.FETCH_FAULT.value, DATA + 256, DATA + 254]


@pytest.mark.parametrize(
    "make,cause",
    [
        (lambda p: p.op("ecall"), Cause.ECALL_U),
        (lambda p: p.op("mret"), Cause.ILLEGAL),
        (lambda p: p.csrr(5, Csr.MSTATUS), Cause.ILLEGAL),
        (lambda p: p.csrr(5, Csr.CYCLE), Cause.ILLEGAL),
        (lambda p: p.csrr(5, 0xC03), Cause.ILLEGAL),
    ],
)
def test_user_level_is_refused_what_is_not_its(make, cause):
    def build(p):
        p.label("at")
        make(p)

    program, machine = trapping(build, user=True)
    registers = machine.registers()
    assert registers[20] == cause.value
    assert registers[22] == program.labels["at"]
    assert registers[23] & MPP == 0
    assert machine.traps[0]["level"] == 0


def test_counters_open_to_user_level_one_by_one():
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.op("csrrwi", 0, 0b101, imm=int(Csr.MCOUNTEREN))
    program.csrw(Csr.MEPC, "body")
    program.op("mret")
    program.label("body")
    program.csrr(5, Csr.CYCLE)
    program.csrr(6, Csr.INSTRET)
    program.label("at")
    program.csrr(7, Csr.TIME)
    program.label("after")
    program.finish()
    handler(program)
    machine = run_program(program, seeded())
    assert machine.registers()[22] == program.labels["at"]
    assert machine.registers()[5] > 0


def test_registers_keep_what_the_specification_lets_them_keep():
    program = Program()
    ones = 0xFFFF_FFFF
    cases = [
        (Csr.MSTATUS, ones, MIE | MPIE | MPP | MPRV | TW),
        (Csr.MSTATUS, 1 << 11, MPP),  # level 1 does not exist: the field stays
        (Csr.MISA, 0, 0x4010_1105),
        (Csr.MIE, ones, 0x888),
        (Csr.MIP, ones, 0),
        (Csr.MTVEC, ones, 0),  # a reserved mode: the write is ignored
        (Csr.MTVEC, ones - 2, ones - 2),
        (Csr.MEPC, ones, ones - 1),
        (Csr.MCAUSE, ones, 0x8000_001F),
        (Csr.MTVAL, ones, ones),
        (Csr.MCOUNTEREN, ones, 7),
        (Csr.MCOUNTINHIBIT, ones, 5),
        (Csr.HXTVEC, ones, ones - 3),
        (Csr.HXCTL, ones, 3),
        (Csr.HXTCTX, 15, 0),  # context 15 does not exist
        (Csr.HXTCTX, 0x12, 0),
        (Csr.HXTCTX, 2, 2),
        (Csr.MSTATUSH, ones, 0),
        (0x3A0, ones, 0),
        (0x3EF, ones, 0),
        (0x7A1, ones, 0),
        (0xB1F, ones, 0),
    ]
    for csr, value, _ in cases:
        program.csrw(csr, value)
        program.csrr(5, csr)
    for csr in (Csr.HXVERSION, Csr.HXCONFIG, Csr.HXBOOT, Csr.MHARTID):
        program.csrr(6, csr)
    program.finish()
    machine = run_program(program, seeded())
    assert [r["value"] for r in machine.records if r["rd"] == 5][1:] == [kept for _, _, kept in cases]
    assert [r["value"] for r in machine.records if r["rd"] == 6] == [0x1_0000, 0x55, 0x1234, 0]


def test_set_and_clear_change_only_the_bits_named_and_x0_writes_nothing():
    program = Program()
    program.csrw(Csr.MSCRATCH, 0xF0F0)
    program.li(5, 0x00FF)
    program.op("csrrs", 6, 5, imm=int(Csr.MSCRATCH))
    program.op("csrrc", 7, 5, imm=int(Csr.MSCRATCH))
    program.op("csrrsi", 8, 3, imm=int(Csr.MSCRATCH))
    program.op("csrrci", 9, 1, imm=int(Csr.MSCRATCH))
    program.csrr(10, Csr.MSCRATCH)
    program.op("csrrci", 11, 0, imm=int(Csr.MHARTID))  # no write, so no trap
    program.finish()
    machine = run_program(program, seeded())
    assert machine.registers()[6:11] == [0xF0F0, 0xF0FF, 0xF000, 0xF003, 0xF002]
    assert not machine.traps


def test_mret_to_user_clears_the_modified_privilege():
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.li(10, DATA)
    program.op("lw", 11, 10)
    program.csrw(Csr.MSTATUS, MPRV | MPIE)
    program.op("lw", 11, 10)
    program.csrw(Csr.MEPC, "at")
    program.op("mret")
    program.label("at")
    program.op("ecall")
    program.label("after")
    program.finish()
    handler(program)
    machine = run_program(program, seeded())
    assert machine.registers()[23] == MPIE  # MPRV gone, MPP user
    assert machine.memory_levels[:2] == [3, 0]  # the second load was done with the rights of user level


def interrupt_at(cycle: int, line: str = "timer"):
    def inputs(machine):
        machine.lines[line] = machine.cycle >= cycle and not machine.traps

    return inputs


@pytest.mark.parametrize("cycle", range(40, 100, 8))
def test_interrupt_is_precise_wherever_it_arrives(cycle):
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.csrw(Csr.MIE, 0x888)
    program.li(10, DATA)
    program.li(5, 0)
    program.op("csrrwi", 0, MIE, imm=int(Csr.MSTATUS))
    program.label("body")
    for n in range(3):
        program.op("addi", 5, 5, imm=1)
        program.op("sw", rs1=10, rs2=5, imm=4 * n)
        program.op("amoadd.w", 6, 10, 5)
        program.op("div", 7, 6, 5)
    program.label("rest")
    program.finish()
    program.align(4)
    program.label("handler")
    program.csrr(20, Csr.MCAUSE)
    program.csrr(21, Csr.MEPC)
    program.op("mret")
    machine = run_program(program, seeded(), busy=0.6, inputs=interrupt_at(cycle))
    (trap,) = machine.traps
    assert trap["cause"] == 32 | Interrupt.TIMER.value and trap["tval"] == 0
    # Every instruction outside the handler completed exactly once, in order, and the interrupted one after the return.
    outside = [
        r["pc"] for r in machine.records if r["retire"] and program.labels["body"] <= r["pc"] < program.labels["rest"]
    ]
    assert outside == list(range(program.labels["body"], program.labels["rest"], 4))
    assert trap["pc"] == machine.registers()[21]
    assert [s[2] for s in machine.stores] == [1, 2, 2, 4, 3, 7]


def test_interrupts_have_their_order_and_vector():
    program = Program()
    program.align(4)
    program.csrw(Csr.MTVEC, "vectors_1")
    program.csrw(Csr.MIE, 0x888)
    program.op("csrrsi", 0, 8, imm=int(Csr.MSTATUS))
    program.label("body")
    program.op("addi", 5, 5, imm=1)
    program.op("jal", 0, imm="body")
    program.align(4)
    program.label("vectors")
    program.labels["vectors_1"] = program.here + 1
    for n in range(12):
        program.op("addi", 6, 0, imm=n)
    program.finish()

    def inputs(machine):
        if machine.cycle == 60:
            machine.lines.update(external=1, software=1, timer=1)

    machine = run_program(program, seeded(), inputs=inputs)
    (trap,) = machine.traps
    assert trap["cause"] == 32 | Interrupt.EXTERNAL.value
    following = machine.records[machine.records.index(trap) + 1]
    assert following["pc"] == program.labels["vectors"] + 4 * Interrupt.EXTERNAL.value


def test_wfi_sleeps_until_an_enabled_interrupt_is_pending_and_needs_no_enable():
    program = Program()
    program.csrw(Csr.MIE, 1 << Interrupt.TIMER.value)
    program.label("wait")
    program.op("wfi")
    program.label("next")
    program.csrr(5, Csr.MIP)
    program.finish()

    def inputs(machine):
        machine.lines["external"] = machine.cycle >= 60  # not enabled
        machine.lines["timer"] = machine.cycle >= 150

    machine = run_program(program, seeded(), inputs=inputs)
    assert 150 <= machine.retired(program.labels["wait"])["cycle"] <= 156
    assert machine.registers()[5] == 0x880
    assert not machine.traps


def test_interrupt_ends_wfi_with_the_next_address_saved():
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.csrw(Csr.MIE, 0x888)
    program.op("csrrsi", 0, 8, imm=int(Csr.MSTATUS))
    program.op("wfi")
    program.label("after")
    program.op("addi", 5, 0, imm=1)
    program.finish()
    handler(program)
    machine = run_program(program, seeded(), inputs=interrupt_at(90, "software"))
    (trap,) = machine.traps
    assert trap["pc"] == program.labels["after"]


def test_reservation_ends_at_a_trap():
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.csrw(Csr.MSTATUS, MPP)
    program.li(10, DATA)
    program.op("lr.w", 5, 10)
    program.op("sc.w", 6, 10, 10)
    program.op("lr.w", 5, 10)
    program.op("ecall")
    program.label("after")
    program.op("sc.w", 7, 10, 10)
    program.finish()
    handler(program)
    assert run_program(program, seeded()).registers()[6:8] == [0, 1]


def test_trap_and_return_cost_five_cycles_each():
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.csrw(Csr.MSTATUS, MPP)
    program.label("before")
    program.op("addi", 5, 5, imm=1)
    program.op("ecall")
    program.label("after")
    program.finish()
    program.align(4)
    program.label("handler")
    program.op("addi", 6, 6, imm=1)
    program.csrw(Csr.MEPC, "after")
    program.label("return")
    program.op("mret")
    machine = run_program(program, seeded())
    at = {name: machine.retired(address)["cycle"] for name, address in program.labels.items() if "end" not in name}
    assert at["handler"] - at["before"] == 6  # the call itself passes write-back in between
    assert at["after"] - at["return"] == 5
