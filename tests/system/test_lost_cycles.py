"""Lost cycles have the cause that the program was made to have, as many as each round costs, and no other.

Every program is a loop that runs twice as often in a second run: what the second run adds is of the loop's body alone.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from hakone.isa.platform import FINISHER, FINISHER_PASS, RAM_BASE, UART
from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.assembler import Assembler
from hakone_sim.program import Program
from hakone_sim.run import Result, simulate
from hakone_tools.bench_lost import CAUSES, shares

T0, T1, T2, S0, S1, A0, A1 = 5, 6, 7, 8, 9, 10, 11
MSCRATCH, MTVEC, MEPC = 0x340, 0x305, 0x341
DATA = RAM_BASE + 0x10000
ROUNDS = 40
CONFIG = PRESETS["default"]


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(CONFIG)


def run(body: Callable[[Assembler], None], rounds: int) -> Result:
    """A warm-up, then ``rounds`` times ``body``, which may use t0 to t2, a0, a1; s1 walks through memory."""
    a = Assembler(RAM_BASE)
    a.li(S1, DATA)
    a.li(S0, rounds)
    a.align(64)
    a.label("loop")
    body(a)
    a.op("addi", S0, S0, imm=-1)
    a.op("bne", rs1=S0, rs2=0, imm="loop")
    a.li(T0, FINISHER.base)
    a.li(T1, FINISHER_PASS)
    a.op("sw", rs1=T0, rs2=T1)
    a.label("stop")
    a.op("jal", imm="stop")
    result = simulate(CONFIG, Program(Path("made.elf"), RAM_BASE, ((RAM_BASE, a.image()),), {}), latency=10)
    assert result.status == 0, result
    return result


def added(body: Callable[[Assembler], None]) -> dict[str, int]:
    """Lost cycles by cause that ``ROUNDS`` more rounds cost; the sums are checked on the way."""
    short, long = shares(run(body, ROUNDS)), shares(run(body, 2 * ROUNDS))
    return {c: long[c] - short[c] for c in CAUSES if long[c] != short[c]}


def load(a: Assembler, used: bool) -> None:
    a.op("lw", T0, S1)
    a.op("addi", T1, T0 if used else T2, imm=1)


def multiply(a: Assembler) -> None:
    a.op("mul", T0, S1, S0)
    a.op("add", T1, T0, T0)


def read_csr(a: Assembler) -> None:
    a.op("csrrs", T0, 0, imm=MSCRATCH)
    a.op("add", T1, T0, T0)


def divide(a: Assembler) -> None:
    a.op("div", T0, S1, S0)
    a.op("addi", T1, T2, imm=1)


def device(a: Assembler) -> None:
    a.op("lui", T2, imm=UART.base >> 12)
    a.op("lbu", T0, T2, imm=5)


def split(a: Assembler) -> None:
    a.op("lw", T0, S1, imm=6)
    a.op("addi", T1, T2, imm=1)


def atomic(a: Assembler) -> None:
    a.op("amoadd.w", T0, S1, S0)
    a.op("addi", T1, T2, imm=1)


def next_line(a: Assembler, name: str) -> None:
    a.op(name, T0 if name == "lw" else 0, S1, T1 if name == "sw" else 0)
    a.op("addi", S1, S1, imm=64)


def two_targets(a: Assembler) -> None:
    """A branch that is taken in every other round."""
    a.op("andi", T0, S0, imm=1)
    a.op("beq", rs1=T0, rs2=0, imm="even")
    a.op("addi", T1, T1, imm=1)
    a.label("even")


def call_trap(a: Assembler) -> None:
    """An ``ecall`` whose handler goes on behind it."""
    a.la(T0, "handler")
    a.op("csrrw", 0, T0, imm=MTVEC)
    a.op("ecall")
    a.op("jal", imm="behind")
    a.align(4)
    a.label("handler")
    a.op("csrrs", T1, 0, imm=MEPC)
    a.op("addi", T1, T1, imm=4)
    a.op("csrrw", 0, T1, imm=MEPC)
    a.op("mret")
    a.label("behind")


@pytest.mark.parametrize(
    "body, cycles",
    [
        (lambda a: load(a, used=False), {}),
        (lambda a: load(a, used=True), {"load_use": 1}),
        (multiply, {"multiply_use": 1}),
        (read_csr, {"other_use": 1}),
        (divide, {"divide": 16}),
    ],
    ids=["none", "load", "multiply", "csr", "divide"],
)
def test_waiting_for_an_operand_is_charged_to_what_makes_it(body, cycles):
    assert added(body) == {cause: n * ROUNDS for cause, n in cycles.items()}


@pytest.mark.parametrize(
    "body, cause",
    [
        (device, "device"),
        (split, "split"),
        (atomic, "atomic"),
        (lambda a: next_line(a, "lw"), "load_miss"),
        (lambda a: next_line(a, "sw"), "store_miss"),
    ],
    ids=["device", "split", "atomic", "load", "store"],
)
def test_waiting_for_memory_has_the_cause_of_the_access(body, cause):
    found = added(body)
    assert found.pop(cause) >= ROUNDS
    assert sum(found.values()) <= ROUNDS, found  # evictions and device queues may add a little of their own


def test_a_branch_that_changes_its_mind_is_charged_four_cycles_a_miss():
    found = added(two_targets)
    assert set(found) == {"branch"}
    assert found["branch"] % 4 == 0 and found["branch"] >= 4 * ROUNDS // 2


def test_traps_and_returns_are_charged_to_themselves():
    found = added(call_trap)
    assert found["trap"] == 5 * ROUNDS and found["flush"] % ROUNDS == 0
    assert set(found) <= {"trap", "flush", "other_use"}, found


def test_code_that_is_not_held_is_charged_to_the_instruction_cache():
    def forward(a: Assembler) -> None:
        for _ in range(900):
            a.op("addi", T0, T0, imm=1)

    cold = shares(run(forward, 1))
    assert cold["fetch_miss"] > 900 * 4 // 64 * 10
    assert cold["fetch_miss"] > 0.9 * sum(cold.values())


def test_causes_and_instructions_are_all_cycles_with_wait_states():
    for seed in (0, 1, 2):
        a = Assembler(RAM_BASE)
        a.li(T0, FINISHER.base)
        a.li(T1, FINISHER_PASS)
        a.op("sw", rs1=T0, rs2=T1)
        a.label("stop")
        a.op("jal", imm="stop")
        program = Program(Path("made.elf"), RAM_BASE, ((RAM_BASE, a.image()),), {})
        result = simulate(CONFIG, program, latency=2 + 7 * seed, wait_seed=seed)
        lost = shares(result)
        assert sum(lost.values()) + result.instructions == result.cycles and lost["unknown"] == 0
