"""Contexts and execution modes of the core: what a switch keeps, hides, refuses and costs."""

import core_bench
import pytest
from amaranth.lib.wiring import Out
from amaranth_bench import seeded
from core_bench import Machine, Program, Region, run_program

from hakone.core.context import ContextUnit
from hakone.isa.cause import Cause, Interrupt, Sub
from hakone.isa.csr import HXCTX_ENCRYPTED, HXCTX_SEALED, Csr
from hakone.isa.platform import RAM_BASE

CODE = RAM_BASE + 0x2000  #: encrypted code of key slot 3, owner 5
OTHER = RAM_BASE + 0x3000  #: encrypted code of key slot 4, owner 5
REGIONS = [Region(CODE, CODE + 0x400, 3, 5), Region(OTHER, OTHER + 0x400, 4, 5)]
SP = 2


def start(program: Program):
    """Enable contexts; traps of contexts come to ``trapped``, those of context 0 to ``failed``."""
    program.csrw(Csr.HXCTL, 1)
    program.csrw(Csr.HXTVEC, "trapped")
    program.csrw(Csr.MTVEC, "failed")


def put(program: Program, context: int, register: int, value: int | str):
    """``ctxput`` of a constant or a label's address."""
    (program.la if isinstance(value, str) else program.li)(30, value)
    program.li(31, context | register << 8)
    program.custom("ctxput", rs1=31, rs2=30)


def run_context(program: Program, context: int = 1):
    program.li(31, context)
    program.custom("ctxrun", rs1=31)


def stop_handlers(program: Program, resume: int = 0):
    """The handler reads the trap into x20 to x24, lets context 1 go on ``resume`` times, then ends the run."""
    program.align(4)
    program.label("trapped")
    for register, csr in ((20, Csr.MCAUSE), (21, Csr.MTVAL), (22, Csr.HXCTX), (23, Csr.HXSUB), (24, Csr.MSTATUS)):
        program.csrr(register, csr)
    program.csrr(27, Csr.MINSTRET)
    program.op("addi", 25, 25, imm=1)
    program.li(26, resume + 1)
    program.op("beq", rs1=25, rs2=26, imm="stopped")
    run_context(program)
    program.label("stopped")
    program.finish()
    program.align(4)
    program.label("failed")
    for register, csr in ((20, Csr.MCAUSE), (21, Csr.MTVAL), (22, Csr.MEPC), (23, Csr.HXSUB)):
        program.csrr(register, csr)
    program.li(29, 0xBAD)
    program.finish()


def plain_context(build, *, before=None, resume: int = 0, **options) -> tuple[Program, Machine]:
    """Run ``build`` as context 1, from the label ``entry`` on; ``before`` may prepare it."""
    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    if before:
        before(program)
    run_context(program)
    stop_handlers(program, resume)
    program.label("entry")
    build(program)
    return program, run_program(program, seeded(), **options)


def encrypted_context(build, *, stub=None, more=None, resume: int = 0, before=None, **options):
    """Run ``build`` at ``CODE`` as encrypted code of context 1; the stub in plain code enters it."""
    inner = Program(CODE)
    build(inner)
    segments = {CODE: inner.image(), **(more or {})}

    def enter(p):
        if stub:
            stub(p)
        p.li(5, CODE)
        p.label("enter")
        p.custom("cryptomode", rs1=5)

    program, machine = plain_context(
        enter, resume=resume, before=before, more=segments, regions=REGIONS, cycles=3000, **options
    )
    return inner, program, machine


def landing(build):
    """Encrypted code that begins with a landing."""

    def full(p):
        p.custom("cryptoland")
        build(p)

    return full


# -- contexts ------------------------------------------------------------------------------------------------------


def test_context_starts_at_user_level_with_the_registers_put_and_zeros_elsewhere():
    def before(p):
        put(p, 1, 10, 0x1234)
        put(p, 1, 1, 0x77)
        for n in (6, 7, 8):
            p.li(n, 0x5EC2E7)

    def body(p):
        p.op("add", 5, 10, 1)
        p.op("add", 11, 6, 7)
        p.op("add", 12, 8, 31)
        p.op("add", 13, SP, 30)
        p.op("ecall")

    program, machine = plain_context(body, before=before)
    one = machine.registers(1)
    assert (one[5], one[11], one[12], one[13]) == (0x1234 + 0x77, 0, 0, 0)
    (trap,) = machine.traps
    assert (trap["context"], trap["level"], trap["encrypted"]) == (1, 0, 0)
    assert machine.registers(0)[20:25] == [Cause.ECALL_U.value, 0, 1, 0, 0]
    assert machine.registers(0)[8] == 0x5EC2E7  # context 0's own survived


def test_context_goes_on_where_it_was_with_its_own_registers():
    def body(p):
        p.li(6, 0x111)
        p.op("addi", 7, 6, imm=1)
        p.label("call")
        p.op("ecall")
        p.op("add", 8, 6, 7)
        p.op("ecall")

    # An unsealed context is resumed at the call itself, as in RISC-V: the handler moves it on.
    def before(p):
        p.li(6, 0x999)

    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    before(program)
    run_context(program)
    program.align(4)
    program.label("trapped")
    program.op("addi", 25, 25, imm=1)
    program.li(26, 2)
    program.op("beq", rs1=25, rs2=26, imm="stopped")
    put(program, 1, 0, "behind")
    put(program, 1, 9, 0x42)
    run_context(program)
    program.label("stopped")
    program.label("failed")
    program.finish()
    program.label("entry")
    program.li(6, 0x111)
    program.op("addi", 7, 6, imm=1)
    program.op("ecall")
    program.label("behind")
    program.op("add", 8, 6, 7)
    program.op("add", 8, 8, 9)
    program.op("ecall")
    machine = run_program(program, seeded(), gap=0.2, busy=0.2)
    assert machine.registers(1)[8] == 0x111 + 0x112 + 0x42
    assert len(machine.traps) == 2


def test_context_switches_cost_five_cycles_each():
    program, machine = plain_context(lambda p: p.op("ecall"))
    records = machine.records
    at = next(n for n, r in enumerate(records) if r["context"] == 1)
    assert records[at]["trap"] and records[at]["pc"] == program.labels["entry"]
    assert records[at]["cycle"] - records[at - 1]["cycle"] == 5  # ctxrun to the first instruction
    assert records[at + 1]["cycle"] - records[at]["cycle"] == 5  # trap to the handler
    assert machine.events["context_switch"] == 2


@pytest.mark.parametrize(
    "name,operand,sub",
    [
        ("ctxrun", 0, Sub.CONTEXT_NUMBER),
        ("ctxrun", 6, Sub.CONTEXT_NUMBER),
        ("ctxrun", 15, Sub.CONTEXT_NUMBER),
        ("ctxrun", 0x10, Sub.CONTEXT_OPERAND),
        ("ctxrun", 0x8000_0001, Sub.CONTEXT_OPERAND),
        ("ctxput", 0, Sub.CONTEXT_NUMBER),
        ("ctxput", 6 | 1 << 8, Sub.CONTEXT_NUMBER),
        ("ctxput", 1 | 1 << 7, Sub.CONTEXT_OPERAND),
        ("ctxput", 1 | 1 << 13, Sub.CONTEXT_OPERAND),
    ],
)
def test_operand_of_a_context_instruction_is_checked(name, operand, sub):
    program = Program()
    start(program)
    program.li(5, operand)
    program.li(6, 0x66)
    program.label("at")
    program.custom(name, rs1=5, **({"rs2": 6} if name == "ctxput" else {}))
    stop_handlers(program)
    machine = run_program(program, seeded(), boot_contexts=0x803E)
    registers = machine.registers(0)
    assert registers[20:24] == [Cause.CONTEXT.value, 0, program.labels["at"], sub.value]
    assert all(r["context"] == 0 for r in machine.records)


def test_context_instructions_belong_to_ring_0_and_vanish_when_disabled():
    def body(p):
        p.li(5, 2)
        p.label("at")
        p.custom("ctxrun", rs1=5)

    program, machine = plain_context(body)
    registers = machine.registers(0)
    assert registers[20] == Cause.ILLEGAL.value and registers[21] == int.from_bytes(
        program.image()[program.labels["at"] - RAM_BASE :][:4], "little"
    )


def test_interrupt_reaches_the_trap_context_whatever_the_enable_bit_says():
    def before(p):
        p.csrw(Csr.MIE, 0x888)  # mstatus.MIE stays 0

    def body(p):
        p.label("loop")
        p.op("addi", 5, 5, imm=1)
        p.op("jal", imm="loop")

    def inputs(machine):
        machine.lines["timer"] = machine.cycle >= 100 and not machine.traps

    program, machine = plain_context(body, before=before, inputs=inputs)
    (trap,) = machine.traps
    assert trap["cause"] == 32 | Interrupt.TIMER.value and trap["context"] == 1
    assert machine.registers(0)[20] == 1 << 31 | Interrupt.TIMER.value


def test_another_trap_context_takes_over_and_is_itself_trapped_the_ordinary_way():
    program = Program()
    start(program)
    program.csrw(Csr.HXTCTX, 3)
    program.csrw(Csr.MTVEC, "inside")
    program.label("at")
    program.op("ecall")
    program.align(4)
    program.label("trapped")
    program.csrr(20, Csr.MCAUSE)
    program.csrr(21, Csr.HXCTX)
    run_context(program, 3)  # itself
    program.align(4)
    program.label("inside")
    program.label("failed")
    program.csrr(22, Csr.MCAUSE)
    program.csrr(23, Csr.HXSUB)
    program.finish()
    machine = run_program(program, seeded())
    assert [r["context"] for r in machine.traps] == [0, 3]
    assert machine.registers(3)[20:24] == [Cause.ECALL_M.value, 0, Cause.CONTEXT.value, Sub.CONTEXT_NUMBER.value]
    assert machine.records[-1]["level"] == 3


# -- modes ---------------------------------------------------------------------------------------------------------


def test_encrypted_code_is_entered_at_a_landing_and_takes_its_key_and_owner():
    def body(p):
        p.op("addi", 19, 19, imm=1)
        p.op("ecall")

    inner, program, machine = encrypted_context(landing(body), before=lambda p: put(p, 1, 19, 0x100))
    assert machine.registers(1)[19] == 0x101
    inside = [r for r in machine.records if r["encrypted"]]
    assert [r["pc"] for r in inside] == [CODE, CODE + 4, CODE + 12]  # past the call
    # The last state before the trap: context 1, encrypted, key slot 3, owner 5.
    before_trap = [core_bench.unpack(core_bench.STATE, s) for s in machine.states]
    inside = {"context": 1, "level": 0, "encrypted": 1, "key_slot": 3, "owner": 5}
    assert any(inside.items() <= state.items() for state in before_trap)
    assert machine.registers(0)[22] == 1 | HXCTX_SEALED | HXCTX_ENCRYPTED
    assert machine.cleared_predictor == 1


@pytest.mark.parametrize("known", [False, True])
def test_cryptomode_without_address_goes_to_the_next_instruction(known):
    """The stub lies just before the region; ``known``: the same with the address named. Both give the same trace."""
    program = Program()
    start(program)
    put(program, 1, 0, CODE - 8)
    run_context(program)
    stop_handlers(program)
    stub = Program(CODE - 8)
    stub.op("lui", 5, imm=CODE >> 12)
    stub.custom("cryptomode", rs1=5 if known else 0)
    inner = Program(CODE)
    inner.custom("cryptoland")
    inner.op("ecall")
    more = {CODE - 8: stub.image(), CODE: inner.image()}
    machine = run_program(program, seeded(), more=more, regions=REGIONS)
    trace = [(r["pc"], r["encrypted"], r["trap"]) for r in machine.records if r["context"] == 1]
    assert trace == [(CODE - 8, 0, 0), (CODE - 4, 0, 0), (CODE, 1, 0), (CODE + 8, 1, 1)]


def test_entry_elsewhere_than_at_a_landing_faults_and_tells_nothing():
    inner, program, machine = encrypted_context(lambda p: p.op("addi", 5, 0, imm=1))
    assert machine.registers(0)[20:24] == [Cause.MODE.value, 0, 1 | 0x30, Sub.MODE_NO_LANDING.value]
    assert machine.registers(1)[5] == CODE  # the instruction had no effect


def test_other_keys_code_and_plain_code_are_not_run_on():
    def to(address):
        def body(p):
            p.li(6, address)
            p.op("jalr", 0, 6)

        return landing(body)

    other = Program(OTHER)
    other.custom("cryptoland")
    other.op("addi", 19, 0, imm=1)
    for target in (OTHER, RAM_BASE):
        inner, program, machine = encrypted_context(to(target), more={OTHER: other.image()})
        assert machine.registers(0)[20:24] == [Cause.MODE.value, 0, 0x31, Sub.MODE_FETCH_OUTSIDE.value]
        assert machine.registers(1)[19] == 0


def test_plain_code_does_not_run_into_a_region():
    def body(p):
        p.li(5, CODE)
        p.op("jalr", 0, 5)

    program, machine = plain_context(body, more={CODE: bytes(8)}, regions=REGIONS)
    assert machine.registers(0)[20:24] == [Cause.MODE.value, CODE, 1, Sub.MODE_PLAIN_FETCH.value]


def test_context_0_and_trap_contexts_stay_plain():
    program = Program()
    start(program)
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    stop_handlers(program)
    machine = run_program(program, seeded(), more={CODE: bytes(8)}, regions=REGIONS)
    assert machine.registers(0)[20] == Cause.MODE.value and machine.registers(0)[23] == Sub.MODE_CONTEXT.value


@pytest.mark.parametrize(
    "name,sub,inside", [("retmode", Sub.MODE_NOT_ENCRYPTED, False), ("cryptomode", Sub.MODE_NOT_PLAIN, True)]
)
def test_switch_to_the_side_one_is_on_faults(name, sub, inside):
    def body(p):
        p.custom(name)

    if inside:
        _, _, machine = encrypted_context(landing(body))
    else:
        _, machine = plain_context(body)
    assert machine.registers(0)[20] == Cause.MODE.value and machine.registers(0)[23] == sub.value


def test_retmode_clears_registers_outside_the_mask_and_each_side_keeps_its_stack():
    def body(p):
        p.op("addi", 10, SP, imm=0)  # the encrypted side's own: zero at first
        p.li(SP, 0xE000)
        p.li(12, 0x5EC2E7)
        p.li(20, 0x5EC2E7)
        p.la(6, "plain")
        p.custom("retmode", rs1=6)

    def stub(p):
        p.li(SP, 0xA000)
        p.li(21, 0x21)
        p.op("jal", 0, imm="go")
        p.label("plain")
        p.op("add", 13, 12, 0)
        p.op("add", 14, 20, 21)
        p.op("add", 15, SP, 0)
        p.op("ecall")
        p.label("go")

    state = {}  # the encrypted code needs the address of a plain label: a first run tells it

    def full(p):
        p.custom("cryptoland")
        p.labels["plain"] = state.get("plain", 0)
        body(p)

    _, program, _ = encrypted_context(landing(lambda p: p.op("ecall")), stub=stub)
    state["plain"] = program.labels["plain"]
    _, program, machine = encrypted_context(full, stub=stub)
    one = machine.registers(1)
    assert one[10] == 0
    assert one[13] == 0x5EC2E7  # a2 is in the default mask
    assert one[14] == 0  # s4 and s5 are not
    assert one[15] == 0xA000
    assert machine.traps[0]["encrypted"] == 0


def leaving_with_a_link() -> Program:
    """Encrypted code that sets its stack pointer, leaves with a back link, and counts its return in x10."""
    inner = Program(CODE)
    inner.custom("cryptoland")
    inner.li(SP, 0xE000)
    inner.li(10, 0)
    inner.labels["plain"] = RAM_BASE + 0x800
    inner.la(6, "plain")
    inner.custom("retmode", rd=1, rs1=6)
    inner.label("back")
    inner.op("addi", 10, 10, imm=1)
    inner.op("addi", 11, SP, imm=0)
    inner.op("ecall")
    return inner


def test_back_link_restores_mode_and_stack_without_a_landing_and_only_once():
    inner = leaving_with_a_link()
    plain = Program(RAM_BASE + 0x800)
    plain.label("again")
    plain.op("addi", 12, SP, imm=0)
    plain.li(SP, 0xB000)
    plain.custom("cryptomode", rs1=1)
    machine = run_pair(inner, plain, resume=1)
    one = machine.registers(1)
    back = inner.labels["back"]
    first = next(n for n, r in enumerate(machine.records) if r["pc"] == back)
    assert machine.records[first]["retire"] and machine.records[first]["encrypted"]
    assert (one[10], one[11]) == (1, 0xE000)
    assert one[1] == back
    traps = [(r["cause"], r["pc"]) for r in machine.traps]
    assert traps[0] == (Cause.ECALL_U.value, back + 12)  # a sealed context's call: already past it


def run_pair(inner: Program, plain: Program, resume: int) -> Machine:
    """Context 1 enters ``inner``; ``plain`` lies where that leaves to."""
    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    put(program, 1, SP, 0xA000)
    run_context(program)
    stop_handlers(program, resume)
    program.label("entry")
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    more = {CODE: inner.image(), RAM_BASE + 0x800: plain.image()}
    return run_program(program, seeded(), more=more, regions=REGIONS, cycles=3000)


def test_link_is_used_up_by_the_return():
    inner = leaving_with_a_link()
    plain = Program(RAM_BASE + 0x800)
    plain.custom("cryptomode", rs1=1)
    # After the return, leave without a link and try the same address again.
    inner.labels["again"] = RAM_BASE + 0x840
    inner.la(6, "again")
    inner.custom("retmode", rs1=6)
    plain.data(b"\x13\0\0\0" * 15)
    plain.labels["back"] = inner.labels["back"]
    plain.la(7, "back")
    plain.custom("cryptomode", rs1=7)
    machine = run_pair(inner, plain, resume=1)
    assert machine.registers(0)[20:24] == [Cause.MODE.value, 0, 0x31, Sub.MODE_NO_LANDING.value]
    assert machine.registers(1)[10] == 1


def test_ninth_back_link_faults_and_changes_nothing():
    inner = Program(CODE)
    inner.custom("cryptoland")
    inner.op("addi", 10, 10, imm=1)
    inner.labels["plain"] = RAM_BASE + 0x800
    inner.la(6, "plain")
    inner.label("leave")
    inner.custom("retmode", rd=1, rs1=6)
    plain = Program(RAM_BASE + 0x800)
    plain.li(5, CODE)
    plain.custom("cryptomode", rs1=5)
    machine = run_pair(inner, plain, resume=0)
    assert machine.registers(0)[20:24] == [Cause.MODE.value, 0, 0x31, Sub.MODE_BACKLINK_OVERFLOW.value]
    assert machine.registers(1)[10] == 9  # a0 is in the mask, so it counts the entries
    assert machine.events["mode_switch"] == 9 + 8


def test_sealed_context_shows_no_address_and_goes_on_behind_its_call():
    def body(p):
        p.li(9, 0x4000_0000)
        p.op("ecall")
        p.label("fault")
        p.op("lw", 5, 9)

    inner, program, machine = encrypted_context(landing(body), resume=1)
    assert [r["tval"] for r in machine.traps] == [0, 0]
    assert [r["cause"] for r in machine.traps] == [Cause.ECALL_U.value, Cause.LOAD_FAULT.value]
    assert machine.traps[1]["pc"] == inner.labels["fault"]


def test_sealed_context_takes_no_registers_and_no_pc():
    for register in (0, 10):
        program = Program()
        start(program)
        put(program, 1, 0, "entry")
        run_context(program)
        program.align(4)
        program.label("trapped")
        put(program, 1, register, 0x66)
        stop_handlers_only(program)
        program.label("entry")
        program.li(5, CODE)
        program.custom("cryptomode", rs1=5)
        inner = Program(CODE)
        inner.custom("cryptoland")
        inner.op("ecall")
        machine = run_program(program, seeded(), more={CODE: inner.image()}, regions=REGIONS)
        registers = machine.registers(0)
        assert registers[20] == Cause.CONTEXT.value and registers[23] == Sub.CONTEXT_SEALED.value


def stop_handlers_only(program: Program):
    """Where traps of context 0 end."""
    program.align(4)
    program.label("failed")
    program.csrr(20, Csr.MCAUSE)
    program.csrr(23, Csr.HXSUB)
    program.finish()


def test_sealed_context_cannot_become_the_trap_context():
    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    run_context(program)
    program.align(4)
    program.label("trapped")
    program.csrw(Csr.HXTCTX, 1)
    program.csrr(20, Csr.HXTCTX)
    program.csrw(Csr.HXTCTX, 2)
    program.csrr(21, Csr.HXTCTX)
    program.label("failed")
    program.finish()
    program.label("entry")
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    inner = Program(CODE)
    inner.custom("cryptoland")
    inner.op("ecall")
    machine = run_program(program, seeded(), more={CODE: inner.image()}, regions=REGIONS)
    assert machine.registers(0)[20:22] == [0, 2]


def test_encrypted_instructions_are_not_counted():
    def body(p):
        for _ in range(6):
            p.op("addi", 5, 5, imm=1)
        p.op("ecall")

    inner, program, machine = encrypted_context(landing(body), before=lambda p: p.csrr(18, Csr.MINSTRET))
    retired = [r for r in machine.records if r["retire"]]
    first, second = (n for n, r in enumerate(retired) if r["rd_write"] and r["rd"] in (18, 27))
    between = retired[first:second]
    encrypted = sum(r["encrypted"] for r in between)
    assert encrypted == 7
    assert retired[second]["value"] - retired[first]["value"] == len(between) - encrypted


@pytest.mark.long
def test_interrupt_at_any_moment_of_an_entry_resumes_it():
    """The switch sequence is short and whole: wherever the interrupt falls, the program ends with the same result."""

    def body(p):
        p.op("addi", 10, SP, imm=1)
        p.li(SP, 0xE000)
        p.op("addi", 11, SP, imm=0)
        p.op("ebreak")

    def before(p):
        p.csrw(Csr.MIE, 0x888)
        put(p, 1, SP, 0xA000)

    _, _, quiet = encrypted_context(landing(body), before=before)
    last = quiet.traps[0]["cycle"]
    for cycle in range(last - 30, last - 4, 2):

        def inputs(machine, cycle=cycle):
            machine.lines["timer"] = cycle <= machine.cycle and not machine.traps

        inner, program, machine = encrypted_context(landing(body), before=before, resume=1, inputs=inputs)
        assert [r["cause"] for r in machine.traps] == [32 | Interrupt.TIMER.value, Cause.BREAKPOINT.value], cycle
        one = machine.registers(1)
        assert (one[10], one[11]) == (1, 0xE000), cycle
        assert machine.traps[0]["context"] == 1


def test_reservation_ends_at_every_switch():
    def body(p):
        p.li(9, RAM_BASE + 0x1000)
        p.op("lr.w", 5, 9)
        p.la(6, "plain")
        p.custom("retmode", rs1=6)

    state = {}

    def stub(p):
        p.op("jal", 0, imm="go")
        p.label("plain")
        p.li(9, RAM_BASE + 0x1000)
        p.op("sc.w", 7, 9, 9)
        p.op("ecall")
        p.label("go")
        p.li(9, RAM_BASE + 0x1000)
        p.op("lr.w", 5, 9)

    def full(p):
        p.labels["plain"] = state.get("plain", 0)
        p.li(9, RAM_BASE + 0x1000)
        p.op("sc.w", 10, 9, 9)
        body(p)

    _, program, _ = encrypted_context(landing(lambda p: p.op("ecall")), stub=stub)
    state["plain"] = program.labels["plain"]
    _, _, machine = encrypted_context(landing(full), stub=stub)
    failed = [r["value"] for r in machine.records if r["raw"] & 0xF800_707F == 0x1800_202F]
    assert failed == [1, 1]


def stack_pointers() -> Machine:
    """Context 1, plain and encrypted, uses its registers and stack pointers; its values tell what it found in them."""

    def body(p):
        p.op("add", 10, SP, 0)
        p.op("add", 11, 18, 0)
        p.li(SP, 0xE000)
        p.custom("retmode", rs1=6)
        p.label("second")
        p.custom("cryptoland")
        p.op("ecall")

    def stub(p):
        p.op("add", 12, SP, 7)
        p.li(SP, 0xA000)
        p.li(18, 0x5EC2E7)
        p.li(7, 0x5EC2E7)

    inner = Program(CODE)
    landing(body)(inner)
    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    run_context(program)
    stop_handlers(program, resume=0)
    program.label("entry")
    stub(program)
    program.la(6, "home")
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    program.label("home")
    program.li(5, inner.labels["second"])
    program.custom("cryptomode", rs1=5)
    segments = {RAM_BASE: program.image(), CODE: inner.image()}
    return Machine(segments, seeded(), regions=REGIONS)


def test_reset_leaves_nothing_of_registers_modes_and_stacks():
    """The memories keep their bits over a reset; the same program must find zeros again, at user level and plain."""
    first = stack_pointers()
    second = stack_pointers().run(before=first)
    for machine in (first, second):
        one = machine.registers(1)
        assert (one[10], one[11], one[12]) == (0, 0x5EC2E7, 0)
        entry = next(r for r in machine.records if r["context"] == 1)
        assert (entry["level"], entry["encrypted"]) == (0, 0)
    assert [r["pc"] for r in first.records] == [r["pc"] for r in second.records]


def test_switches_are_right_with_the_fastest_fetch_unit():
    """An instruction offered in the first cycle after a redirect must wait for the registers of its context."""

    def body(p):
        p.op("add", 10, SP, 19)
        p.li(SP, 0xE000)
        p.op("ecall")
        p.op("add", 11, SP, 19)
        p.op("ecall")

    def before(p):
        put(p, 1, 19, 0x19)
        put(p, 1, SP, 0xA000)

    _, _, machine = encrypted_context(landing(body), before=before, resume=1, fetch_latency=0)
    one = machine.registers(1)
    assert (one[10], one[11]) == (0x19, 0xE019)
    assert machine.registers(0)[20] == Cause.ECALL_U.value
    assert machine.registers(0)[25] == 2


def test_core_halts_when_the_trap_context_turns_out_sealed(monkeypatch):
    """The registers never allow it; a fault in them is imitated by sealing context 0 at reset."""
    monkeypatch.setitem(ContextUnit.__annotations__, "sealed", Out(16, init=1))
    monkeypatch.setattr(core_bench, "_bench", None)
    program = Program()
    program.csrw(Csr.MTVEC, "handler")
    program.op("ecall")
    program.align(4)
    program.label("handler")
    program.op("addi", 5, 0, imm=1)
    program.finish()
    machine = run_program(program, seeded())
    assert machine.halted
    assert not any(r["retire"] for r in machine.records[machine.records.index(machine.traps[0]) :])


def test_level_3_stays_plain_even_where_the_trap_context_has_moved_on():
    """A context that has been the trap context runs at level 3; encrypted code there could be resumed anywhere."""
    program = Program()
    start(program)
    program.csrw(Csr.HXTVEC, "lifted")
    program.csrw(Csr.HXTCTX, 1)
    program.op("ecall")
    program.label("lifted")
    program.csrw(Csr.HXTCTX, 0)
    program.csrw(Csr.HXTVEC, "trapped")
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    stop_handlers(program)
    inner = Program(CODE)
    inner.custom("cryptoland")
    inner.op("ebreak")
    machine = run_program(program, seeded(), more={CODE: inner.image()}, regions=REGIONS)
    assert machine.registers(0)[20] == Cause.MODE.value and machine.registers(0)[23] == Sub.MODE_CONTEXT.value
    assert not any(record["encrypted"] for record in machine.records)


def test_code_of_another_owner_under_the_same_key_is_not_run_on():
    def body(p):
        p.li(6, OTHER)
        p.op("jalr", 0, 6)

    inner = Program(CODE)
    landing(body)(inner)

    def enter(p):
        p.li(5, CODE)
        p.custom("cryptomode", rs1=5)

    for owner, outcome in ((6, [Cause.MODE.value, 0, 0x31, Sub.MODE_FETCH_OUTSIDE.value]), (5, None)):
        regions = [Region(CODE, CODE + 0x400, 3, 5), Region(OTHER, OTHER + 0x400, 3, owner)]
        after = Program(OTHER)
        after.custom("cryptoland")
        after.op("addi", 19, 0, imm=1)
        after.op("ebreak")
        segments = {CODE: inner.image(), OTHER: after.image()}
        _, machine = plain_context(enter, more=segments, regions=regions, cycles=3000)
        if outcome:
            assert machine.registers(0)[20:24] == outcome and machine.registers(1)[19] == 0
        else:
            assert machine.registers(1)[19] == 1


@pytest.mark.parametrize("sealed", [False, True])
def test_predictor_is_cleared_into_a_sealed_context_too(sealed):
    """Twice into the context and out of it: each crossing clears when, and only when, the context is sealed."""

    def body(p):
        p.op("ecall")
        p.op("ecall")

    if sealed:
        _, _, machine = encrypted_context(landing(body), resume=1)
        assert machine.cleared_predictor == 3  # out, in, out; the first way in was into a context that was not sealed
    else:

        def plain(p):
            p.op("ecall")

        _, machine = plain_context(plain, resume=1)
        assert machine.cleared_predictor == 0
