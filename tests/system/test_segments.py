"""Segments on the whole system: ordinary ring-0 software loads them, runs through them and meets their rules."""

from pathlib import Path

import pytest

from hakone.isa import formats
from hakone.isa.cause import Cause, Sub
from hakone.isa.csr import HXCTL_ENABLE, HXCTL_SEGMENTS, Csr
from hakone.isa.encoding import CUSTOM
from hakone.isa.platform import FINISHER, FINISHER_PASS, RAM_BASE, UART
from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.assembler import Assembler
from hakone_sim.program import Program
from hakone_sim.run import simulate

CONFIG = PRESETS["default"]
T0, T1, T2, S0, S1 = 5, 6, 7, 8, 9
R, W, X = formats.SEGMENT_READ, formats.SEGMENT_WRITE, formats.SEGMENT_EXECUTE
LAST_OFFSET = (1 << formats.SEGMENT_SHIFT) - 1
DATA = 0x1_0000  #: offset of the data in memory


def segment(a: Assembler, number: int, base: int, limit: int, rights: int, ring: int = 0) -> None:
    """Load a segment of context 0: limit first, then what makes it present."""
    words = {1: limit, 0: base | rights | ring << formats.SEGMENT_RING_SHIFT | formats.SEGMENT_PRESENT}
    for word, value in words.items():
        a.li(T0, number << 8 | word << 12)
        a.li(T1, value)
        a.data(CUSTOM["segput"].encode(rs1=T0, rs2=T1).to_bytes(4, "little"))


def send(a: Assembler, register: int) -> None:
    """A byte to the UART."""
    a.li(T0, UART.base)
    a.op("sb", rs1=T0, rs2=register)


def attempt(a: Assembler, addr: int, name: str = "lw") -> None:
    """An access that may trap; its value, or cause and rule, go to the UART."""
    done = a.fresh()
    a.la(S1, done)
    a.li(S0, addr)
    a.li(T2, 0x5A)
    if name == "jalr":
        a.op("jalr", rd=T2, rs1=S0)
        a.op("addi", T2, imm=0x77)
    elif name == "sw":
        a.op("sw", rs1=S0, rs2=T2)
    else:
        a.op(name, T2, S0)
    send(a, T2)
    a.label(done)


def write(a: Assembler) -> None:
    """The program."""
    a.op("jal", imm="start")
    a.align(4)
    a.label("handler")
    for csr in (Csr.MCAUSE, Csr.HXSUB):
        a.op("csrrs", T2, imm=csr)
        send(a, T2)
    a.op("csrrw", rs1=S1, imm=Csr.MEPC)
    a.op("mret")
    a.align(64)
    a.label("function")  # at a place that is known below
    a.op("jalr", rs1=T2)
    a.label("start")
    a.la(T0, "handler")
    a.op("csrrw", rs1=T0, imm=Csr.MTVEC)
    a.li(T0, HXCTL_ENABLE)
    a.op("csrrw", rs1=T0, imm=Csr.HXCTL)
    for number in (0, 1, 8):
        segment(a, number, number << 28, LAST_OFFSET, R | W | X)
    a.li(T0, HXCTL_ENABLE | HXCTL_SEGMENTS)
    a.op("csrrw", rs1=T0, imm=Csr.HXCTL)
    a.li(T0, RAM_BASE + DATA)
    a.li(T1, 0x41)
    a.op("sw", rs1=T0, rs2=T1)
    attempt(a, 0x2000_0000)  # nothing was loaded
    segment(a, 2, RAM_BASE + DATA, 0xFFF, R)
    attempt(a, 0x2000_0000)  # the byte above, by its other name
    attempt(a, 0x2000_0FFD)
    attempt(a, 0x2000_0000, "sw")
    attempt(a, 0x2000_0000, "jalr")
    segment(a, 2, RAM_BASE + DATA + 0x1000, 0xFFF, R | W, 3)
    attempt(a, 0x2000_0000)  # moved
    attempt(a, 0x2000_0000, "sw")
    attempt(a, 0x2000_0000)
    attempt(a, 0x8000_0000 + DATA + 0x1000)
    segment(a, 3, RAM_BASE, 0xFFF, X)
    attempt(a, 0x3000_0000 + 64, "jalr")  # the function, by its other name
    attempt(a, 0x3000_1000, "jalr")
    segment(a, 3, RAM_BASE, 0xFFF, X, 3)
    attempt(a, 0x3000_0000 + 64, "jalr")
    a.li(T0, HXCTL_ENABLE)
    a.op("csrrw", rs1=T0, imm=Csr.HXCTL)
    attempt(a, 0x8000_0000 + DATA)
    a.li(T0, FINISHER.base)
    a.li(T1, FINISHER_PASS)
    a.op("sw", rs1=T0, rs2=T1)
    a.label("stop")
    a.op("jal", imm="stop")


@pytest.fixture(scope="module")
def shown() -> bytes:
    """What the program printed."""
    builder.model(CONFIG)
    a = Assembler(RAM_BASE)
    write(a)
    assert a.labels["function"] == RAM_BASE + 64
    result = simulate(CONFIG, Program(Path("made.elf"), RAM_BASE, ((RAM_BASE, a.image()),), {}), max_cycles=200_000)
    assert result.status == 0, result.detail
    return result.uart


def test_program_meets_each_rule_where_it_breaks_it(shown):
    """Aliases, limits, rights, rings, moves and execution through a segment, in the order of the program."""

    def refused(sub: Sub) -> bytes:
        return bytes((Cause.SEGMENT.value, sub.value))

    expected = (
        refused(Sub.SEGMENT_ABSENT),
        b"\x41",
        refused(Sub.SEGMENT_LIMIT),
        refused(Sub.SEGMENT_RIGHT),
        refused(Sub.SEGMENT_RIGHT),
        b"\0",
        b"\x5a",
        b"\x5a",
        b"\x5a",
        b"\x77",
        refused(Sub.SEGMENT_LIMIT),
        refused(Sub.SEGMENT_RING),
        b"\x41",
    )
    assert shown == b"".join(expected)
