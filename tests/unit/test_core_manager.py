"""Contexts as their manager sees them: made, filled, read, run, left and ended; and what of it is refused."""

import pytest
from amaranth_bench import seeded
from core_bench import Program, RegionScript, run_program
from test_core_contexts import CODE, REGIONS, encrypted_context, landing, put, run_context, start, stop_handlers

from hakone.isa.cause import Cause, Interrupt, Sub
from hakone.isa.csr import Csr
from hakone.isa.encoding import CLRK_CONTEXT, CTXGET_GENERATION
from hakone.isa.platform import RAM_BASE

FREE = 5  #: a context that no boot record names
BOOT = 0x0006  #: contexts 1 and 2 do


def make(program, context: int = FREE, quota: int = 3, rd: int = 20, level: int = 0):
    program.li(30, context | level << 8)
    program.li(31, quota)
    program.custom("ctxnew", rd=rd, rs1=30, rs2=31)


def get(program, rd: int, context: int, register: int = 0, flags: int = 0):
    program.li(31, context | register << 8 | flags)
    program.custom("ctxget", rd=rd, rs1=31)


def kill(program, context: int = FREE):
    program.li(31, context)
    program.custom("ctxkill", rs1=31)


def manager(build, **options):
    """Run ``build`` in context 0 with contexts 1 and 2 there; a trap of its own ends the run."""
    program = Program()
    start(program)
    build(program)
    program.finish()
    stop_handlers(program)
    return program, run_program(program, seeded(), boot_contexts=BOOT, **options)


def refusal(machine) -> tuple[int, int]:
    """Cause and sub-rule that ended the run."""
    registers = machine.registers(0)
    assert registers[29] == 0xBAD, "nothing was refused"
    return registers[20], registers[23]


def test_manager_reads_what_it_wrote_and_zeros_elsewhere():
    """Every register of a new context, the PC included."""

    def build(p):
        make(p)
        for n in range(0, 32, 2):
            put(p, FREE, n, 0x1000 + n)
        for n in range(16):
            get(p, n + 2 if n < 8 else n + 2, FREE, n)

    program, machine = manager(build)
    assert [machine.registers(0)[n + 2] for n in range(16)] == [0 if n % 2 else 0x1000 + n for n in range(16)]


def test_manager_reads_the_registers_and_the_pc_that_a_context_was_left_with():
    def build(p):
        make(p)
        put(p, FREE, 0, "child")
        put(p, FREE, 10, 0x21)
        run_context(p, FREE)
        p.label("child")
        p.op("add", 11, 10, 10)
        p.label("call")
        p.op("ecall")
        p.align(4)
        p.label("trapped")
        get(p, 6, FREE, 11)
        get(p, 7, FREE, 10)
        get(p, 8, FREE, 12)
        get(p, 9, FREE)

    program = Program()
    start(program)
    build(program)
    program.finish()
    program.label("failed")
    program.li(29, 0xBAD)
    program.finish()
    machine = run_program(program, seeded(), boot_contexts=BOOT)
    assert machine.registers(0)[6:10] == [0x42, 0x21, 0, program.labels["call"]]


def test_generations_are_told_and_never_repeat():
    def build(p):
        make(p, rd=5)
        make(p, FREE + 1, rd=6)
        kill(p)
        make(p, rd=7)
        get(p, 8, FREE, flags=CTXGET_GENERATION)
        get(p, 9, FREE + 1, flags=CTXGET_GENERATION)
        get(p, 10, 1, flags=CTXGET_GENERATION)

    program, machine = manager(build)
    assert machine.registers(0)[5:11] == [1, 2, 3, 3, 2, 0]


def test_nothing_of_a_life_is_there_in_the_next():
    """Registers put and registers written by the context itself, PC and level: all zero after ctxkill and ctxnew."""

    def child(p):
        p.li(12, 0x5EC2E7)
        p.op("ecall")

    program = Program()
    start(program)
    make(program)
    put(program, FREE, 0, "child")
    put(program, FREE, 10, 0x77)
    run_context(program, FREE)
    program.align(4)
    program.label("trapped")
    get(program, 4, FREE, 12)
    kill(program)
    make(program)
    for n, register in enumerate((0, 10, 12, 2)):
        get(program, 5 + n, FREE, register)
    program.finish()
    program.label("child")
    child(program)
    program.label("failed")
    program.li(29, 0xBAD)
    program.finish()
    machine = run_program(program, seeded(), boot_contexts=BOOT)
    assert machine.registers(0)[4:9] == [0x5EC2E7, 0, 0, 0, 0]
    assert [w[:2] for w in machine.segment_writes] == [(2, FREE)] * 3  # at ctxnew, ctxkill, ctxnew


def test_ended_context_can_be_made_again_though_a_boot_record_named_it():
    def build(p):
        put(p, 1, 10, 0x11)
        kill(p, 1)
        make(p, 1, rd=5)
        get(p, 6, 1, 10)
        put(p, 1, 10, 0x12)
        get(p, 7, 1, 10)

    program, machine = manager(build)
    assert machine.registers(0)[5:8] == [1, 0, 0x12]


@pytest.mark.parametrize(
    "build,sub",
    [
        (lambda p: make(p, 0), Sub.CONTEXT_NUMBER),
        (lambda p: make(p, 15), Sub.CONTEXT_NUMBER),
        (lambda p: make(p, 1), Sub.CONTEXT_EXISTS),
        (lambda p: make(p, 9), Sub.CONTEXT_ENTRIES),
        (lambda p: make(p, quota=17), Sub.CONTEXT_OPERAND),
        (lambda p: make(p, quota=1 << 31), Sub.CONTEXT_OPERAND),
        (lambda p: make(p, level=3), Sub.CONTEXT_LEVEL),
        (lambda p: make(p, level=1), Sub.CONTEXT_LEVEL),
        (lambda p: make(p, FREE | 1 << 4), Sub.CONTEXT_OPERAND),
        (lambda p: (make(p), make(p)), Sub.CONTEXT_EXISTS),
        (lambda p: get(p, 5, FREE), Sub.CONTEXT_NUMBER),
        (lambda p: get(p, 5, 0), Sub.CONTEXT_NUMBER),
        (lambda p: get(p, 5, 15), Sub.CONTEXT_NUMBER),
        (lambda p: get(p, 5, 1, flags=1 << 17), Sub.CONTEXT_OPERAND),
        (lambda p: get(p, 5, 1, 3, CTXGET_GENERATION), Sub.CONTEXT_OPERAND),
        (lambda p: put(p, FREE, 5, 1), Sub.CONTEXT_NUMBER),
        (lambda p: run_context(p, FREE), Sub.CONTEXT_NUMBER),
        (lambda p: kill(p), Sub.CONTEXT_NUMBER),
        (lambda p: kill(p, 0), Sub.CONTEXT_NUMBER),
        (lambda p: kill(p, 1 | 1 << 8), Sub.CONTEXT_OPERAND),
        (lambda p: (p.csrw(Csr.HXTCTX, 2), kill(p, 2)), Sub.CONTEXT_NUMBER),
        (lambda p: (kill(p, 1), run_context(p, 1)), Sub.CONTEXT_NUMBER),
        (lambda p: (kill(p, 1), get(p, 5, 1)), Sub.CONTEXT_NUMBER),
    ],
)
def test_refusal_names_its_rule(build, sub):
    program = Program()
    start(program)
    program.csrw(Csr.HXTVEC, "failed")  # with another trap context, context 0 is left by its own traps
    build(program)
    program.finish()
    program.align(4)
    stop_handlers(program)
    machine = run_program(program, seeded(), boot_contexts=BOOT, entries=1 << 9)
    registers = machine.registers(2 if machine.traps[-1]["context"] != machine.records[-1]["context"] else 0)
    assert (registers[29], registers[20], registers[23]) == (0xBAD, Cause.CONTEXT.value, sub.value)


def test_refused_instruction_changes_nothing():
    """After a dozen refusals, each skipped by the handler, everything reads as before."""
    program = Program()
    start(program)
    program.csrw(Csr.MTVEC, "skip")
    put(program, 1, 10, 0x1A)
    for attempt in (
        lambda p: make(p, 1),
        lambda p: make(p, level=3),
        lambda p: kill(p, 0),
        lambda p: put(p, FREE, 10, 3),
        lambda p: put(p, 1 | 1 << 4, 10, 3),
        lambda p: kill(p, 1 | 1 << 5),
    ):
        attempt(program)
    get(program, 5, 1, 10)
    make(program, rd=6)
    get(program, 7, FREE, 10)
    program.finish()
    program.align(4)
    program.label("skip")
    program.csrr(28, Csr.MEPC)
    program.op("addi", 28, 28, imm=4)
    program.op("csrrw", 0, 28, imm=Csr.MEPC)
    program.op("addi", 27, 27, imm=1)
    program.op("mret")
    program.label("trapped")
    program.label("failed")
    program.finish()
    machine = run_program(program, seeded(), boot_contexts=BOOT, gap=0.2)
    assert machine.registers(0)[27] == 6
    assert machine.registers(0)[5:8] == [0x1A, 1, 0]


def test_sealed_context_is_closed_to_its_manager():
    """ctxget and ctxput fault; its generation may be asked for, and it may be run and ended."""

    def attempts(p):
        p.align(4)
        p.label("trapped")
        p.csrw(Csr.MTVEC, "skip")
        get(p, 6, 1, 10)
        get(p, 7, 1)
        put(p, 1, 10, 3)
        get(p, 8, 1, flags=CTXGET_GENERATION)
        kill(p, 1)
        make(p, 1, rd=9)
        get(p, 10, 1, 18)
        p.finish()
        p.align(4)
        p.label("skip")
        p.csrr(28, Csr.MEPC)
        p.op("addi", 28, 28, imm=4)
        p.op("csrrw", 0, 28, imm=Csr.MEPC)
        p.csrr(29, Csr.HXSUB)
        p.op("slli", 27, 27, imm=8)
        p.op("add", 27, 27, 29)
        p.op("mret")

    inner = Program(CODE)
    landing(lambda p: (p.li(18, 0x5EC2E7), p.op("ecall")))(inner)
    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    run_context(program)
    attempts(program)
    program.label("failed")
    program.finish()
    program.label("entry")
    program.li(5, CODE)
    program.custom("cryptomode", rs1=5)
    machine = run_program(program, seeded(), more={CODE: inner.image()}, regions=REGIONS, boot_contexts=BOOT)
    registers = machine.registers(0)
    sealed = Sub.CONTEXT_SEALED.value
    assert registers[27] == sealed | sealed << 8 | sealed << 16
    assert (registers[6], registers[7], registers[8], registers[9], registers[10]) == (0, 0, 0, 1, 0)


def test_ctxrun_keeps_the_place_of_who_it_leaves():
    """Two ring-0 contexts as coroutines: context 2 became the trap context, 0 and 2 run each other."""
    program = Program()
    start(program)
    program.csrw(Csr.HXTCTX, 2)
    program.op("ecall")  # to context 2
    program.label("behind")
    program.op("addi", 5, 5, imm=1)
    run_context(program, 2)
    program.label("again")
    program.op("addi", 5, 5, imm=16)
    run_context(program, 2)
    program.align(4)
    program.label("trapped")
    put(program, 0, 0, "behind")
    put(program, 0, 5, 0x100)
    run_context(program, 0)
    program.op("addi", 6, 6, imm=1)
    get(program, 7, 0, 5)
    get(program, 8, 0)
    run_context(program, 0)
    get(program, 9, 0, 5)
    program.finish()
    program.label("failed")
    program.finish()
    machine = run_program(program, seeded(), gap=0.1, busy=0.1)
    assert machine.registers(2)[6:10] == [1, 0x101, program.labels["again"], 0x111]


# -- setik and clrk: the region unit is played ---------------------------------------------------------------------

DESCRIPTION = CODE + 0x200


def install(body=None, **options):
    """Encrypted code executes ``setik`` with the result in x9, then ``body``, then calls."""

    def inside(p):
        p.li(8, DESCRIPTION)
        p.label("at")
        p.custom("setik", rd=9, rs1=8)
        p.op("addi", 10, 9, imm=1)
        if body:
            body(p)
        p.op("ecall")

    return encrypted_context(landing(inside), **options)


def words(count: int) -> bytes:
    return b"".join((0x1000 + n).to_bytes(4, "little") for n in range(count))


def test_setik_waits_for_the_region_unit_and_gives_its_status():
    loads = [(DESCRIPTION + 4 * n, 0) for n in range(8)] + [(RAM_BASE, 0), (0x1234_5678, 1)]
    script = RegionScript(loads, status=9)
    inner, program, machine = install(region=script, busy=0.3, gap=0.2, more={DESCRIPTION: words(8)})
    assert script.starts == [(0, DESCRIPTION, 1, 1, 4)]
    assert [(w[0], w[1]) for w in script.loaded[:8]] == [(0x1000 + n, 1) for n in range(8)]
    assert script.loaded[8][1] == 0  # not protected
    assert script.loaded[9][2] == 0x1234_5678 ^ 0x4000_0000
    assert machine.registers(1)[9:11] == [9, 10]
    assert machine.registers(0)[20] == Cause.ECALL_U.value


def test_fault_of_the_region_unit_is_a_trap_of_the_instruction():
    script = RegionScript([(DESCRIPTION, 0)], fault=(Cause.REGION, Sub.REGION_BOUND))
    inner, program, machine = install(region=script, more={DESCRIPTION: words(1)})
    assert machine.registers(0)[20:24:3] == [Cause.REGION.value, Sub.REGION_BOUND.value]
    assert machine.traps[-1]["pc"] == inner.labels["at"] and machine.registers(1)[9] == 0


@pytest.mark.long
def test_setik_gives_way_to_an_interrupt_and_is_done_afterwards():
    """Whatever cycle the interrupt comes in, the instruction is either begun again or done, never both."""
    for delay in range(0, 40, 3):
        script = RegionScript([(DESCRIPTION, 0)] * 3, status=5, slow=40)

        def inputs(machine, script=script, delay=delay):
            began = next((n for n, r in enumerate(machine.records) if r["encrypted"]), None)
            if began is not None and not hasattr(script, "at"):
                script.at = machine.cycle + delay
            machine.lines["timer"] = (
                hasattr(script, "at") and machine.cycle >= script.at and not any(r["cause"] & 32 for r in machine.traps)
            )

        inner, program, machine = install(
            region=script,
            inputs=inputs,
            resume=1,
            before=lambda p: p.csrw(Csr.MIE, 0x80),
            more={DESCRIPTION: words(1)},
        )
        assert machine.registers(1)[9:11] == [5, 6]
        assert sum(r["retire"] and r["pc"] == inner.labels["at"] for r in machine.records) == 1
        assert len(script.starts) == 1 + script.aborts
        assert [r["cause"] for r in machine.traps][0] == 32 | Interrupt.TIMER.value


@pytest.mark.parametrize("operand", [DESCRIPTION + 1, DESCRIPTION + 2])
def test_setik_operand_must_be_aligned(operand):
    def inside(p):
        p.li(8, operand)
        p.custom("setik", rd=9, rs1=8)

    script = RegionScript()
    inner, program, machine = encrypted_context(landing(inside), region=script)
    assert machine.registers(0)[20:24:3] == [Cause.REGION.value, Sub.REGION_OPERAND.value]
    assert not script.starts


def test_setik_is_for_encrypted_code():
    """Plain code faults and the region unit is never asked; the same instruction in encrypted code reaches it."""
    script, control = RegionScript(), RegionScript()

    def stub(p):
        p.li(8, DESCRIPTION)
        p.custom("setik", rd=9, rs1=8)

    inner, program, machine = encrypted_context(landing(lambda p: p.op("ecall")), stub=stub, region=script)
    assert machine.registers(0)[20:24:3] == [Cause.MODE.value, Sub.MODE_NOT_ENCRYPTED.value]
    assert not script.starts
    install(region=control)
    assert len(control.starts) == 1


@pytest.mark.parametrize(
    "operand,cause,sub",
    [
        (RAM_BASE + 4, Cause.REGION, Sub.REGION_OPERAND),
        (CLRK_CONTEXT | 1, Cause.CONTEXT, Sub.CONTEXT_EXISTS),
        (CLRK_CONTEXT | 0, Cause.CONTEXT, Sub.CONTEXT_NUMBER),
        (CLRK_CONTEXT | 15, Cause.CONTEXT, Sub.CONTEXT_NUMBER),
        (CLRK_CONTEXT | 1 << 6 | 9, Cause.CONTEXT, Sub.CONTEXT_OPERAND),
    ],
)
def test_clrk_operand_is_checked(operand, cause, sub):
    def build(p):
        p.li(8, operand)
        p.custom("clrk", rs1=8)

    script = RegionScript()
    program, machine = manager(build, region=script)
    assert refusal(machine) == (cause.value, sub.value)
    assert not script.starts


def test_clrk_of_a_dead_context_is_for_level_3():
    def build(p):
        p.li(8, CLRK_CONTEXT | 9)
        p.custom("clrk", rs1=8)

    script = RegionScript()
    manager(build, region=script)
    assert script.starts == [(2, CLRK_CONTEXT | 9, 0, 0, 4)]

    program = Program()
    start(program)
    put(program, 1, 0, "entry")
    run_context(program)
    stop_handlers(program)
    program.label("entry")
    build(program)
    machine = run_program(program, seeded(), region=RegionScript())
    assert machine.registers(0)[20:24:3] == [Cause.REGION.value, Sub.REGION_OPERAND.value]


@pytest.mark.parametrize("code,sub", [(0, None), (1, Sub.MODE_NO_LANDING)])
def test_releasing_code_drops_the_links_into_it(code, sub):
    """Plain code that was called releases a region, then goes back to its caller: not when the region held code."""

    def inside(p):
        p.li(7, RAM_BASE + 0x400)
        p.custom("retmode", rd=1, rs1=7)
        p.label("back")
        p.op("addi", 18, 18, imm=7)
        p.op("ecall")

    outside = Program(RAM_BASE + 0x400)
    outside.li(8, RAM_BASE + 0x2000)
    outside.custom("clrk", rs1=8)
    outside.custom("cryptomode", rs1=1)
    script = RegionScript(code=code)
    inner, program, machine = encrypted_context(
        landing(inside), region=script, more={outside.base: outside.image()}, boot_contexts=BOOT
    )
    assert script.starts == [(1, RAM_BASE + 0x2000, 1, 0, 4)]
    assert machine.registers(0)[23] == (sub or Sub.NONE).value
    assert machine.registers(1)[18] == (0 if sub else 7)


# -- segput ----------------------------------------------------------------------------------------------------------


def test_segput_writes_the_segment_named():
    def build(p):
        p.li(8, 1 | 9 << 8 | 1 << 12)
        p.li(9, 0x0FFF_FFFF)
        p.custom("segput", rs1=8, rs2=9)
        p.li(8, 0 | 15 << 8)
        p.li(9, 0xABCD_E03F)
        p.custom("segput", rs1=8, rs2=9)

    program, machine = manager(build)
    assert machine.segment_writes == [(1, 1, 9, 1, 0x0FFF_FFFF), (1, 0, 15, 0, 0xABCD_E03F)]


@pytest.mark.parametrize(
    "operand,value,cause,sub",
    [
        (1 | 1 << 4, 0, Cause.CONTEXT, Sub.CONTEXT_OPERAND),
        (1 | 1 << 13, 0, Cause.CONTEXT, Sub.CONTEXT_OPERAND),
        (9, 0, Cause.CONTEXT, Sub.CONTEXT_NUMBER),
        (1, 1 << 6, Cause.SEGMENT, Sub.SEGMENT_OPERAND),
        (1, 1 << 11, Cause.SEGMENT, Sub.SEGMENT_OPERAND),
        (1 | 1 << 12, 1 << 28, Cause.SEGMENT, Sub.SEGMENT_OPERAND),
    ],
)
def test_segput_operands_are_checked(operand, value, cause, sub):
    def build(p):
        p.li(8, operand)
        p.li(9, value)
        p.custom("segput", rs1=8, rs2=9)

    program, machine = manager(build)
    assert refusal(machine) == (cause.value, sub.value)
    assert machine.segment_writes == []


# -- fence.i ---------------------------------------------------------------------------------------------------------


def test_fence_i_gives_way_to_an_interrupt_while_lines_are_cleaned(cleaning):
    """The handler runs long before the cache is clean; the fence is begun again and ends once."""
    program, machine = cleaning(interrupt_at=60)
    at = program.labels["fence"]
    assert [r["cause"] for r in machine.traps] == [32 | Interrupt.TIMER.value]
    assert sum(r["retire"] and r["pc"] == at for r in machine.records) == 1
    assert machine.traps[0]["pc"] == at
    quiet, undisturbed = cleaning(interrupt_at=None)
    assert not undisturbed.traps and undisturbed.retired(quiet.labels["fence"])


@pytest.fixture
def cleaning():
    """A data cache that takes 200 cycles to clean, a line every 10; ``interrupt_at``: cycle of an interrupt."""

    def run(interrupt_at):
        program = Program()
        program.csrw(Csr.MTVEC, "failed")
        program.csrw(Csr.MIE, 0x80)
        program.op("csrrsi", 0, 8, imm=Csr.MSTATUS)
        program.label("fence")
        program.op("fence.i")
        program.finish()
        program.align(4)
        program.label("failed")
        program.op("mret")

        def inputs(machine):
            taken = any(r["trap"] for r in machine.records)
            machine.lines["timer"] = interrupt_at is not None and machine.cycle >= interrupt_at and not taken

        return program, run_program(program, seeded(), inputs=inputs, clean_lines=20)

    return run
