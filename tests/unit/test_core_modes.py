"""Automatic mode of the core: calls, returns and jumps that cross between plain code and the code of two keys.

Random call trees run against the reference model, with interrupts in every cycle; what must be refused has its own
tests.
"""

from collections import Counter

import pytest
from amaranth_bench import seeded
from core_bench import STATE, Machine, Program, Region, compare, run_program, unpack
from test_core_contexts import put, run_context, start

from hakone.bus.open_checks import OpenCheck
from hakone.isa.cause import Cause, Interrupt, Sub
from hakone.isa.csr import Csr
from hakone.isa.platform import RAM_BASE
from hakone_sim.evidence import evidence

PLAIN, A, B, CLOSED = (RAM_BASE + offset for offset in (0x800, 0x2000, 0x3000, 0x4000))
DATA = RAM_BASE + 0x5000
SIZE = 0x1000
REGIONS = [
    Region(A, A + SIZE, 3, 5, automatic=True),
    Region(B, B + SIZE, 4, 5, automatic=True),
    Region(CLOSED, CLOSED + SIZE, 6, 5),
]
SP, RA, A0 = 2, 1, 10
FUNCTION_BYTES = 0x80
BREAK = Cause.BREAKPOINT.value


class Space:
    """Code of context 1 on all sides, and its monitor: ``sides`` are assemblers, ``functions`` bytes, by address."""

    def __init__(self, resume: int = 0):
        """The handler lets the context go on after interrupts, and after the first ``resume`` other traps."""
        self.main = Program()
        self.functions = {}
        self.sides = {base: Program(base) for base in (PLAIN, A, B, CLOSED)}
        start(self.main)
        self.main.csrw(Csr.MIE, 1 << Interrupt.EXTERNAL.value)
        put(self.main, 1, 0, PLAIN)
        put(self.main, 1, SP, 0xA000)
        self.main.csrr(18, Csr.MINSTRET)
        run_context(self.main)
        self.main.align(4)
        self.main.label("trapped")
        self.main.csrr(27, Csr.MINSTRET)
        self.main.csrr(20, Csr.MCAUSE)
        self.main.csrr(22, Csr.HXCTX)
        self.main.csrr(23, Csr.HXSUB)
        self.main.op("blt", rs1=20, rs2=0, imm="resume")
        self.main.li(21, resume)
        self.main.op("beq", rs1=24, rs2=21, imm="end")
        self.main.op("addi", 24, 24, imm=1)
        self.main.label("resume")
        run_context(self.main)
        self.main.label("end")
        self.main.label("failed")
        self.main.finish()

    def segments(self) -> dict[int, bytes]:
        """All code, and the data."""
        code = {base: program.image() for base, program in self.sides.items()}
        return {DATA: bytes(SIZE), self.main.base: self.main.image(), **code, **self.functions}

    def run(self, cycles: int = 4000, rng=None, regions=None, **options) -> Machine:
        """Run context 1 from ``PLAIN`` on."""
        machine = Machine(self.segments(), rng or seeded(), regions=regions or REGIONS, **options)
        return machine.run(cycles)

    def check(self, machine: Machine) -> int:
        """Compare with the reference, and every access with the code that made it."""
        makers = [r for r in machine.records if r["retire"] and r["raw"] & 0x7F in (0x03, 0x23, 0x2F)]
        assert len(makers) <= len(machine.accesses)
        for record, (_, state) in zip(makers, machine.accesses, strict=False):
            region = next((r for r in machine.regions if r.start <= record["pc"] < r.end), None)
            key = (1, region.key_slot, region.owner) if region and record["context"] == 1 else (0, 0, 0)
            assert (state["encrypted"], state["key_slot"], state["owner"]) == key, hex(record["pc"])
            assert state["context"] == record["context"]
        return compare(machine, list(self.segments().items()), frozenset({1}))


def go(program: Program, name: str, target: int, rd: int = 0, rs1: int = 6):
    """Jump to an address: ``name`` is jalr, c.jr or c.jalr."""
    program.li(rs1, target)
    if name == "jalr":
        program.op("jalr", rd, rs1)
    else:
        program.op(name, rs1=rs1)


def ret(program: Program):
    """Return to ``ra``."""
    program.op("c.jr", rs1=RA)


def trace(machine: Machine, *places: int) -> list[int]:
    """Which of the addresses were executed, in order."""
    return [r["pc"] for r in machine.records if r["retire"] and r["context"] == 1 and r["pc"] in places]


def last_fault(machine: Machine) -> tuple[int, int, int]:
    """Cause, rule and whether the mode was encrypted, as the monitor read it at the last trap."""
    registers = machine.registers(0)
    return registers[20], registers[23], registers[22] >> 5 & 1


NO_LANDING = (Cause.MODE.value, Sub.MODE_NO_LANDING.value, 1)


# -- what a crossing does ------------------------------------------------------------------------------------------


def plain_calls_a(**options) -> tuple[Space, Machine]:
    """Plain code calls code under key A, which returns; no instruction says so."""
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    p.li(18, 0x5EC)
    go(p, "jalr", A, RA)
    p.label("back")
    p.op("addi", 15, SP, imm=0)
    p.op("addi", 16, 18, imm=0)
    p.op("addi", 17, 19, imm=0)
    p.op("ebreak")
    a.custom("cryptoland")
    a.op("addi", 14, SP, imm=0)
    a.op("addi", A0, 18, imm=0)
    a.li(SP, 0xE000)
    a.li(19, 0x5EC2E7)
    ret(a)
    return space, space.run(**options)


@pytest.mark.requirement("XM-11")
@pytest.mark.requirement("XM-13")
def test_mode_follows_the_fetch_into_a_region_and_out_of_it():
    space, machine = plain_calls_a()
    custom = [r for r in machine.records if r["context"] == 1 and r["raw"] & 0x7F == 0x0B]
    assert {r["raw"] for r in custom} == {0x0400_000B}  # cryptoland alone
    modes = [(r["pc"] >= A, r["encrypted"]) for r in machine.records if r["context"] == 1 and r["retire"]]
    assert set(modes) == {(False, 0), (True, 1)} and modes[-1] == (False, 0)
    one = machine.registers(1)
    assert (one[A0], one[14]) == (0x5EC, 0)  # registers come in; the stack pointer is the side's own
    assert (one[15], one[16], one[17]) == (0xA000, 0, 0)  # going out clears all but ra and a0 to a7
    space.check(machine)
    evidence("XM-11", [[False, 0], [True, 1]], sorted([list(m) for m in set(modes)]))
    evidence("XM-13", [0xA000, 0, 0], one[15:18])


def test_crossing_costs_what_a_mode_switch_costs():
    _, machine = plain_calls_a()
    inside = [n for n, r in enumerate(machine.records) if r["encrypted"] and r["retire"]]
    first, last = inside[0], inside[-1]
    cycles = [r["cycle"] for r in machine.records]
    assert cycles[first] - cycles[first - 1] == 10  # the jump itself had been mispredicted: 5 of them
    assert cycles[last + 1] - cycles[last] == 10
    assert machine.events["mode_switch"] == 2


@pytest.mark.requirement("XM-12")
@pytest.mark.requirement("XM-08")
@pytest.mark.parametrize("call", ["jalr", "c.jalr"])
def test_call_from_key_to_key_and_to_plain_code_returns_under_the_callers_key(call):
    """A calls B, B calls plain code; each returns to the one before, though none says which mode that is."""
    space, backs = chain(call)
    machine = space.run()
    assert trace(machine, *backs) == [backs[1], backs[0]]
    one = machine.registers(1)
    assert (one[14], one[15], one[A0]) == (0xE000, 0xF000, 1)
    assert last_fault(machine)[0] == BREAK
    space.check(machine)
    keys = [state["key_slot"] for _, state in machine.accesses if state["context"] == 1]
    assert keys == [3, 4, 4, 3]
    evidence("XM-12", [3, 4, 4, 3], keys)
    evidence("XM-08", [hex(backs[1]), hex(backs[0])], [hex(pc) for pc in trace(machine, *backs)])


def chain(call: str) -> tuple[Space, tuple[int, int]]:
    """A calls B, B calls plain code, and all return; the addresses in A and in B that are returned to."""
    space = Space()
    p, a, b = (space.sides[base] for base in (PLAIN, A, B))
    go(p, "jalr", A, RA)
    p.op("ebreak")
    p.label("leaf")
    p.op("addi", A0, A0, imm=1)
    ret(p)
    for side, target, stack in ((a, B, 0xE000), (b, p.labels["leaf"], 0xF000)):
        side.custom("cryptoland")
        side.li(5, DATA + 64 * (side is b))
        side.op("sw", rs1=5, rs2=RA)
        side.li(SP, stack)
        go(side, call, target, RA)
        side.label("back")
        side.li(5, DATA + 64 * (side is b))
        side.op("lw", RA, 5)
        side.op("addi", 14 + (side is b), SP, imm=0)
        ret(side)
    return space, (a.labels["back"], b.labels["back"])


def test_crossing_is_no_instruction():
    """Neither in the trace nor in the counter, which counts plain instructions."""
    _, machine = plain_calls_a()
    retired = [r for r in machine.records if r["retire"]]
    first, second = (n for n, r in enumerate(retired) if r["rd_write"] and r["rd"] in (18, 27) and not r["context"])
    plain = sum(not r["encrypted"] for r in retired[first:second])
    assert retired[second]["value"] - retired[first]["value"] == plain


def test_first_crossing_seals_the_context():
    _, machine = plain_calls_a()
    space = Space()
    space.sides[PLAIN].op("ebreak")
    unsealed = space.run()
    assert (unsealed.registers(0)[22], machine.registers(0)[22]) == (1, 1 | 0x10)


# -- random call trees and interrupts ------------------------------------------------------------------------------


class CallTree:
    """Functions on three sides that call each other; every one adds what it sees to a1 and moves its stack pointer."""

    def __init__(self, rng, space: Space, depth: int):
        self.rng, self.space = rng, space
        self.count = Counter()
        self.saved = 0
        self.crossings = 0
        p = space.sides[PLAIN]
        entry = [self.function(rng.choice((A, B)), depth) for _ in range(2)]
        for target in entry:
            go(p, rng.choice(("jalr", "c.jalr")), target, RA)
        p.op("add", 12, 11, SP)
        p.op("ebreak")

    def function(self, side: int, depth: int) -> int:
        """Place a function and those that it calls; its address."""
        rng, program = self.rng, Program(0)
        self.count[side] += 1
        address = side + FUNCTION_BYTES * self.count[side]
        slot, self.saved = 4 * self.saved, self.saved + 1
        calls = rng.choice((1, 1, 2)) if depth else 0
        children = [self.function(rng.choice((PLAIN, A, B)), depth - 1) for _ in range(calls)]
        if side != PLAIN:
            program.custom("cryptoland")
        program.li(5, DATA)
        program.op("sw", rs1=5, rs2=RA, imm=slot)
        program.op("add", 11, 11, SP)
        program.op("addi", SP, SP, imm=16 * rng.randrange(1, 20))
        program.op("add", 11, 11, 18)  # cleared or not
        program.op("addi", 18, 0, imm=rng.randrange(1, 99))
        for child in children:
            go(program, rng.choice(("jalr", "c.jalr")), child, RA)
            program.op("add", 11, 11, SP)
            program.op("add", 11, 11, 18)
        program.li(5, DATA)
        program.op("lw", RA, 5, imm=slot)
        ret(program)
        code = program.image()
        assert len(code) <= FUNCTION_BYTES
        self.space.functions[address] = code
        return address


def interrupt_every(period: int, offset: int):
    """An interrupt after every ``period`` cycles of other contexts than 0, whose own cycles do not count."""
    ran = Counter()

    def inputs(machine: Machine):
        ran["cycles"] += bool(machine.states) and machine.states[-1] & 15 != 0
        due = ran["cycles"] > period * ran["taken"] + offset
        if machine.lines["external"] and machine.traps and machine.traps[-1]["cycle"] == machine.cycle - 1:
            machine.lines["external"] = 0
        elif due and not machine.lines["external"]:
            ran["taken"] += 1
            machine.lines["external"] = 1

    return inputs


@pytest.mark.long
@pytest.mark.requirement("XM-08")
@pytest.mark.requirement("XM-12")
@pytest.mark.parametrize("seed", range(4))
def test_random_call_trees_match_the_reference(seed):
    rng = seeded(seed)
    space = Space()
    tree = CallTree(rng, space, depth=4)
    machine = space.run(cycles=20000, gap=rng.choice((0, 0.3)), busy=0.3, mispredict=rng.choice((0, 0.05)), rng=rng)
    assert last_fault(machine)[0] == BREAK
    instructions = space.check(machine)
    crossings = machine.events["mode_switch"]
    print(f"{sum(tree.count.values())} functions, {instructions} instructions, {crossings} crossings")
    assert crossings > 8
    for requirement in ("XM-08", "XM-12"):
        evidence(requirement, "every instruction equals the reference", "every instruction equals the reference")


@pytest.mark.long
def test_interrupt_in_every_cycle_of_calls_crossings_and_returns_changes_nothing(period=9):
    """Between any two cycles of a program that crosses all the time: it computes what it computes undisturbed."""
    space, _ = chain("c.jalr")
    quiet = space.run(cycles=8000).registers(1)[A0 : A0 + 8]
    interrupts = Counter()
    for offset in range(period):
        machine = space.run(cycles=20000, inputs=interrupt_every(period, offset))
        assert last_fault(machine)[0] == BREAK, offset
        assert machine.registers(1)[A0 : A0 + 8] == quiet, offset
        space.check(machine)
        for trap in machine.traps[:-1]:
            inside = next((r.key_slot for r in REGIONS if r.start <= trap["pc"] < r.end), 0)
            interrupts[inside, trap["encrypted"]] += 1
    # Before a crossing, after it and between it and the landing; none under one key at a place of the other.
    print(dict(interrupts))
    assert interrupts[3, 0] and interrupts[3, 1] and interrupts[0, 1] and interrupts[0, 0]


@pytest.mark.long
@pytest.mark.parametrize("latency", [0, 2])
def test_crossings_are_right_with_fetch_units_of_any_speed(latency):
    space = Space()
    CallTree(seeded(5), space, depth=3)
    machine = space.run(cycles=20000, fetch_latency=latency)
    assert last_fault(machine)[0] == BREAK
    space.check(machine)


# -- what is refused -----------------------------------------------------------------------------------------------


def jumped(target: int, source: int = PLAIN, **options) -> Machine:
    """Plain code, or code under a key entered from there, jumps to ``target``; what stands there sets a0 to 7."""
    space = Space()
    p = space.sides[PLAIN]
    if source != PLAIN:
        first = space.sides[source]
        first.custom("cryptoland")
        go(first, "jalr", target)
        while first.here < source + 0x40:
            first.op("addi", A0, 0, imm=7)
        first.op("ebreak")
    if source == CLOSED:
        p.li(6, source)
        p.custom("cryptomode", rs1=6)
    else:
        go(p, "jalr", target if source == PLAIN else source)
    for base in (A, B, CLOSED):
        if base != source:
            space.sides[base].custom("cryptoland")
            for _ in range(8):
                space.sides[base].op("addi", A0, 0, imm=7)
            space.sides[base].op("ebreak")
    return space.run(**options)


@pytest.mark.attack(41)
@pytest.mark.requirement("XM-11")
@pytest.mark.parametrize("source", [PLAIN, A])
def test_jump_into_the_middle_of_a_region_faults(source):
    """To the region's landing the same jump is right. Control: where any place will do, what stands there runs."""
    machine, honest = jumped(B + 8, source), jumped(B, source)
    control = jumped(B + 8, source, open_checks=1 << OpenCheck.LANDING)
    assert last_fault(machine) == NO_LANDING and machine.registers(1)[A0] == 0
    for run in (honest, control):
        assert last_fault(run)[0] == BREAK and run.registers(1)[A0] == 7
    assert machine.traps[-1]["tval"] == 0
    evidence(41, "FAULT", "FAULT", "succeeded")
    evidence("XM-11", list(NO_LANDING), list(last_fault(machine)))


def test_automatic_and_plain_code_do_not_run_into_an_explicit_region():
    for source in (PLAIN, A):
        machine = jumped(CLOSED, source)
        assert last_fault(machine) == (Cause.MODE.value, Sub.MODE_PLAIN_FETCH.value, int(source == A))
        assert machine.registers(1)[A0] == 0


@pytest.mark.parametrize("target", [PLAIN, A])
def test_explicit_code_that_runs_out_faults_even_into_an_automatic_region(target):
    machine = jumped(target, CLOSED)
    assert last_fault(machine) == (Cause.MODE.value, Sub.MODE_FETCH_OUTSIDE.value, 1)
    assert machine.registers(1)[A0] == 0


def test_context_0_does_not_enter_an_automatic_region():
    program = Program()
    start(program)
    go(program, "jalr", A)
    program.align(4)
    program.label("failed")
    program.label("trapped")
    program.csrr(20, Csr.MCAUSE)
    program.csrr(23, Csr.HXSUB)
    program.finish()
    inside = Program(A)
    inside.custom("cryptoland")
    machine = run_program(program, seeded(), more={A: inside.image()}, regions=REGIONS)
    assert machine.registers()[20] == Cause.MODE.value and machine.registers()[23] == Sub.MODE_CONTEXT.value
    assert not any(r["encrypted"] for r in machine.records)


@pytest.mark.parametrize("forged", [0, *(pytest.param(n, marks=pytest.mark.attack(43)) for n in (2, 8, -4))])
def test_forged_return_address_faults(forged):
    """Code under a key calls plain code, which returns elsewhere. Control: where any address will do for a back link,
    the code goes on there."""
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A, RA)
    p.op("ebreak")
    p.label("callee")
    p.op("addi", RA, RA, imm=forged)
    ret(p)
    a.custom("cryptoland")
    go(a, "jalr", p.labels["callee"], RA)
    a.label("back")
    for _ in range(8):
        a.op("c.addi", A0, imm=1)
    a.op("ebreak")
    machine = space.run()
    if forged:
        assert last_fault(machine) == NO_LANDING and machine.registers(1)[A0] == 0
        control = space.run(open_checks=1 << OpenCheck.BACK_LINK)
        assert a.labels["back"] + forged in [r["pc"] for r in control.records if r["retire"]]
        evidence(43, "FAULT", "FAULT", "succeeded")
    else:
        assert last_fault(machine) == (BREAK, 0, 1) and machine.registers(1)[A0] == 8
    space.check(machine)


def test_link_is_used_by_one_return_only():
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A)
    p.label("callee")
    ret(p)
    a.custom("cryptoland")
    go(a, "jalr", p.labels["callee"], RA)
    a.label("back")
    a.op("addi", A0, A0, imm=1)
    go(a, "jalr", p.labels["callee"])  # a jump: no link; the callee returns to the old address
    machine = space.run()
    assert last_fault(machine) == NO_LANDING and machine.registers(1)[A0] == 1


@pytest.mark.parametrize("call", [False, True])
def test_call_of_a_return_address_is_no_return(call):
    """B calls A, which jumps to B's return address. As a call this leaves a link of its own, which hides the older."""
    space = Space()
    p, a, b = (space.sides[base] for base in (PLAIN, A, B))
    go(p, "jalr", B)
    a.custom("cryptoland")
    a.op("c.jalr" if call else "c.jr", rs1=RA)
    b.custom("cryptoland")
    go(b, "jalr", A, RA)
    b.op("addi", A0, A0, imm=1)
    b.op("ebreak")
    machine = space.run()
    assert last_fault(machine) == (NO_LANDING if call else (BREAK, 0, 1))
    assert machine.registers(1)[A0] == int(not call)
    space.check(machine)


@pytest.mark.parametrize("last", ["ecall", "ebreak"])
def test_link_of_a_call_is_not_made_by_what_comes_after_its_first_instruction(last):
    """A call within the region to its last instruction: what goes on behind it was not called."""
    space = Space(resume=1)
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A)
    a.custom("cryptoland")
    a.op("jal", RA, imm="last")
    a.op("addi", A0, A0, imm=1)
    a.op("ebreak")
    a.label("last")
    a.op(last)
    a.label("plain")
    ret(a)
    machine = space.run(regions=[Region(A, a.labels["plain"], 3, 5, automatic=True)])
    if last == "ecall":  # a sealed context goes on behind it
        assert trace(machine, a.labels["plain"]) and last_fault(machine) == NO_LANDING
    else:
        assert last_fault(machine) == (BREAK, 0, 1)
    assert machine.registers(1)[A0] == 0
    space.check(machine)


def recursion(depth: int, resume: int = 0, **options) -> tuple[Space, Machine, int]:
    """Code under key A calls plain code, that calls it again, ``depth`` times; then they return. a7 is the stack.

    Counts entries of A in a0 and returns to it in a1. The last value is the address of the plain code.
    """
    space = Space(resume)
    p, a = space.sides[PLAIN], space.sides[A]
    p.li(17, DATA)
    go(p, "jalr", A, RA)
    p.op("ebreak")
    p.label("callee")
    for side in (p, a):
        if side is a:
            side.custom("cryptoland")
            side.op("addi", A0, A0, imm=1)
            side.li(5, depth + 1)
            side.op("beq", rs1=A0, rs2=5, imm="leaf")
        side.op("sw", rs1=17, rs2=RA)
        side.op("addi", 17, 17, imm=4)
        go(side, "c.jalr", A if side is p else p.labels["callee"], RA)
        if side is a:
            side.op("addi", 11, 11, imm=1)
        side.op("addi", 17, 17, imm=-4)
        side.op("lw", RA, 17)
        if side is a:
            side.label("leaf")
        ret(side)
    return space, space.run(cycles=8000, **options), p.labels["callee"]


def test_nothing_of_the_first_instruction_happens_under_the_old_mode():
    """Whatever stands where code goes to: a jump, a store, a load, a system instruction. Each is executed once."""
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A, RA)
    p.op("ebreak")
    firsts = {
        "jump": lambda: p.op("jal", 0, imm="over"),
        "branch": lambda: p.op("beq", imm="behind"),
        "store": lambda: p.op("sw", rs1=A0, rs2=A0),
        "load": lambda: p.op("lw", 12, A0),
        "call": lambda: p.op("jalr", 5, 16),
        "atomic": lambda: p.op("amoadd.w", 13, A0, A0),
    }
    for name, first in firsts.items():
        p.label(name)
        first()
        if name == "jump":
            p.op("ebreak")
            p.label("over")
        p.label(name + " behind" if name != "branch" else "behind")
        p.op("addi", 11, 11, imm=1)
        ret(p)
    a.custom("cryptoland")
    a.op("addi", 17, RA, imm=0)
    a.li(A0, DATA)
    a.li(16, p.labels["call behind"])
    for name in firsts:
        go(a, "jalr", p.labels[name], RA)
    a.op("addi", RA, 17, imm=0)
    ret(a)
    for latency in (0, 1):
        machine = space.run(fetch_latency=latency)
        assert last_fault(machine) == (BREAK, 0, 0)
        assert machine.registers(1)[11] == len(firsts)
        assert [address for address, s in machine.accesses if s["context"] == 1] == [DATA] * 3
        space.check(machine)


def test_reservation_ends_at_a_crossing():
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    for side in (p, a):
        if side is a:
            side.custom("cryptoland")
        side.li(9, DATA)
        side.op("sc.w", 11 + (side is a), 9, 9)
        side.op("lr.w", 5, 9)
        if side is p:
            go(side, "jalr", A, RA)
            side.li(9, DATA)
            side.op("sc.w", 13, 9, 9)
            side.op("ebreak")
        else:
            ret(side)
    machine = space.run()
    assert last_fault(machine) == (BREAK, 0, 0)
    assert machine.registers(1)[11:14] == [1, 1, 1]


def learned(machine: Machine) -> dict[int, int]:
    """Where each jump of context 1 went last."""
    way = [r for r in machine.records if r["context"] == 1]
    pairs = zip(way, way[1:], strict=False)
    return {r["pc"]: after["pc"] for r, after in pairs if abs(after["pc"] - r["pc"]) > 4 and r["retire"]}


@pytest.mark.long
def test_crossings_behind_predicted_calls_and_returns_are_the_same():
    """Right predictions bring the crossing into the pipeline directly behind its call."""
    space, _ = chain("c.jalr")
    first = space.run()
    predict = learned(first)
    second = space.run(predict=predict)
    assert first.events["mispredict"] > second.events["mispredict"] and len(predict) >= 6
    assert [r["pc"] for r in first.records] == [r["pc"] for r in second.records]
    space.check(second)
    _, quiet, _ = recursion(9)
    _, machine, callee = recursion(9, predict=learned(quiet))
    assert machine.traps[0]["pc"] == callee and last_fault(machine)[1] == Sub.MODE_BACKLINK_OVERFLOW.value


@pytest.mark.requirement("XM-08")
def test_eight_calls_return_and_the_ninth_faults_with_nothing_changed():
    space, machine, callee = recursion(8)
    assert last_fault(machine) == (BREAK, 0, 0)
    assert machine.registers(1)[A0:12] == [9, 8]
    space.check(machine)
    space, machine, callee = recursion(9, resume=1)
    one = machine.registers(1)
    assert [(t["pc"], t["cause"], t["encrypted"]) for t in machine.traps] == [(callee, Cause.MODE.value, 1)] * 2
    assert last_fault(machine) == (Cause.MODE.value, Sub.MODE_BACKLINK_OVERFLOW.value, 1)
    assert one[A0:12] == [9, 0] and one[RA] == space.sides[A].labels["leaf"] - 12
    evidence("XM-08", [9, 8], [9, 8])


# -- keys that are wiped -------------------------------------------------------------------------------------------


def erase_while(slot: int, where):
    """Wipe the key of a slot in every cycle in which ``where(last record)`` holds."""

    def inputs(machine: Machine):
        if machine.records and where(machine.records[-1]):
            machine.erased = slot

    return inputs


def entered_twice(slot: int | None, inside: bool) -> Machine:
    """Code under key A tells its stack pointer twice; between, or while it runs, a key is wiped."""
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A, RA)
    p.label("between")
    for _ in range(4):
        p.op("addi", 5, 5, imm=1)
    p.label("again")
    go(p, "jalr", A, RA)
    p.op("ebreak")
    a.custom("cryptoland")
    a.op("addi", 11, A0, imm=0)
    a.op("addi", A0, SP, imm=0)
    a.li(SP, 0xE000)
    a.label("set")
    for _ in range(4):
        a.op("addi", 5, 5, imm=1)
    a.label("end")
    ret(a)
    waits = range(a.labels["set"], a.labels["end"]) if inside else range(p.labels["between"], p.labels["again"])
    return space.run(inputs=erase_while(slot, lambda r: r["pc"] in waits) if slot is not None else None)


@pytest.mark.parametrize("inside", [False, True])
def test_stack_pointer_dies_with_the_key_even_when_its_code_runs(inside):
    for slot, kept in ((3, 0), (4, 0xE000), (None, 0xE000)):
        machine = entered_twice(slot, inside)
        assert last_fault(machine) == (BREAK, 0, 0)
        assert machine.registers(1)[A0] == kept, slot


def test_slot_of_another_key_is_not_returned_to():
    """A region of another key appears where a link leads: the link is not taken, and a landing is asked for."""
    space = Space()
    p, a = space.sides[PLAIN], space.sides[A]
    go(p, "jalr", A, RA)
    p.label("callee")
    ret(p)
    a.custom("cryptoland")
    go(a, "jalr", p.labels["callee"], RA)
    a.label("back")
    a.op("addi", A0, A0, imm=1)
    a.op("ebreak")
    back = a.labels["back"]
    for change, fault in (((3, 5), (BREAK, 0, 1)), ((4, 5), NO_LANDING), ((3, 6), NO_LANDING)):
        regions = [Region(A, back, 3, 5, automatic=True), Region(back, A + SIZE, *change, automatic=True)]
        machine = space.run(regions=regions)
        assert last_fault(machine) == fault, change
        assert machine.events["mode_switch"] == 3, change  # not by the link and then on


# -- contexts ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_contexts_keep_their_own_links_and_stack_pointers():
    """Two contexts cross under the same keys, an interrupt changes between them all the time."""
    rng = seeded(7)
    space = Space()
    CallTree(rng, space, depth=2)
    first = space.run(cycles=20000).registers(1)
    main = Program()
    start(main)
    main.csrw(Csr.MIE, 1 << Interrupt.EXTERNAL.value)
    for context in (1, 2):
        put(main, context, 0, PLAIN)
        put(main, context, SP, 0xA000)
    main.li(28, 1)
    run_context(main)
    main.align(4)
    main.label("trapped")
    main.csrr(20, Csr.MCAUSE)
    main.op("blt", rs1=20, rs2=0, imm="change")
    main.op("addi", 27, 27, imm=1)
    main.li(21, 2)
    main.op("beq", rs1=27, rs2=21, imm="failed")
    main.op("addi", 29, 28, imm=0)  # the one that ended
    main.label("change")
    main.li(21, 3)
    main.op("sub", 28, 21, 28)
    main.op("bne", rs1=28, rs2=29, imm="other")
    main.op("sub", 28, 21, 28)
    main.label("other")
    main.op("addi", 31, 28, imm=0)
    main.custom("ctxrun", rs1=31)
    main.label("failed")
    main.finish()
    space.main = main
    machine = space.run(cycles=40000, inputs=interrupt_every(23, 0))
    for context in (1, 2):
        assert machine.registers(context)[A0 : A0 + 8] == first[A0 : A0 + 8]
    switched = Counter(t["context"] for t in machine.traps)
    assert min(switched.values()) > 10
    compare(machine, list(space.segments().items()), frozenset({1, 2}))


def test_handler_is_told_of_the_trap_context_and_of_level_3_only():
    """No region is open to a handler's plain code: the trap context at any level, and any context at level 3."""
    program = Program()
    start(program)
    put(program, 1, 0, "user")
    run_context(program)
    program.label("trapped")
    program.csrw(Csr.HXTVEC, "lifted")
    program.csrw(Csr.HXTCTX, 3)
    program.op("ecall")  # context 3 is the trap context, and at level 3 when it is no more
    program.label("lifted")
    program.csrw(Csr.HXTCTX, 0)
    program.op("addi", 5, 0, imm=1)
    program.csrw(Csr.MTVEC, "failed")
    program.csrw(Csr.HXTVEC, "failed")
    program.csrw(Csr.MEPC, "lowered")
    program.csrw(Csr.HXTCTX, 3)
    program.li(5, 3 << 11)
    program.op("csrrc", 0, 5, imm=int(Csr.MSTATUS))
    program.op("mret")
    program.label("lowered")  # the trap context at user level
    program.op("ecall")
    program.align(4)
    program.label("failed")
    program.finish()
    program.label("user")
    program.op("ecall")
    machine = run_program(program, seeded())
    states = [unpack(STATE, state) for state in machine.states]
    seen = {(s["context"], s["level"], s["handler"]) for s in states}
    assert seen == {(0, 3, 1), (1, 0, 0), (3, 3, 1), (3, 0, 1)}
    assert not any(s["encrypted"] or s["automatic"] for s in states)
