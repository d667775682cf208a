"""The reference by itself, on traces written by hand: what it accepts and, above all, what it refuses."""

import numpy as np
import pytest

from hakone.isa.cause import Cause, Interrupt
from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, RAM_BASE
from hakone_sim.assembler import Assembler
from hakone_sim.models.mismatch import MismatchError
from hakone_sim.models.reference import STEP, Reference
from hakone_sim.models.store_log import STORE, StoreLog

DATA = RAM_BASE + 0x1000


class Script:
    """A program and the trace that it should have: ``op`` adds an instruction and its result, ``trap`` a trap."""

    def __init__(self):
        self.a = Assembler(RAM_BASE)
        self.steps = []
        self.level = 3

    def op(self, name, rd=0, rs1=0, rs2=0, imm=0, value=0, cycle=0):
        """An instruction that completes with ``value`` in ``rd``."""
        at = self.a.here
        self.a.op(name, rd, rs1, rs2, imm)
        raw = int.from_bytes(self.a.code[at - RAM_BASE :], "little")
        self.steps.append((cycle, at, raw, value, True, False, rd, bool(rd), 0, self.level, 0, False))

    def trap(self, cause, tval=0, at=None, cycle=0):
        """A trap at the next instruction."""
        place = self.a.here if at is None else at
        self.steps.append((cycle, place, 0, tval, False, True, 0, False, cause, self.level, 0, False))

    def run(self, piece=1000):
        """Feed the trace in pieces; the reference."""
        reference = Reference([(RAM_BASE, bytes(self.a.image()))], ram_bytes=1 << 16)
        steps = np.array(self.steps, STEP)
        for first in range(0, len(steps), piece):
            reference.feed(steps[first : first + piece])
        return reference


def load_constant(script, register, value):
    """``lui`` and ``addi``, as the assembler's ``li`` makes them."""
    low = (value & 0xFFF) - (0x1000 if value & 0x800 else 0)
    script.op("lui", register, imm=(value - low & 0xFFFF_FFFF) >> 12, value=value - low & 0xFFFF_FFFF)
    script.op("addi", register, register, imm=low, value=value & 0xFFFF_FFFF)


def csr(script, register, source, value=0):
    """``csrrw x0`` from a register."""
    script.op("csrrw", 0, source, imm=register, value=value)


@pytest.fixture
def script():
    """An empty script."""
    return Script()


@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_right_trace_is_accepted_in_any_pieces(script, piece):
    """Arithmetic, memory, a CSR and an exception with its return address."""
    load_constant(script, 5, DATA)
    script.op("addi", 6, 0, imm=-7, value=0xFFFF_FFF9)
    script.op("sw", 0, 5, 6, 0)
    script.op("lbu", 7, 5, imm=0, value=0xF9)
    script.op("auipc", 8, imm=0, value=script.a.here)
    script.op("addi", 8, 8, imm=20, value=script.a.here - 4 + 20)
    csr(script, Csr.MTVEC, 8)
    script.trap(Cause.ECALL_M.value)
    script.a.op("ecall")
    script.a.op("addi")
    script.op("csrrs", 9, imm=Csr.MEPC, value=script.a.here - 8)
    reference = script.run(piece)
    assert reference.instructions == 10 - 1
    assert reference.registers()[9] == RAM_BASE + 4 * 8


def test_report_shows_what_led_there(script):
    """Address, disassembly, both values and the instructions before."""
    script.op("addi", 5, 0, imm=1, value=1)
    script.op("addi", 5, 5, imm=1, value=3)
    script.op("addi")
    with pytest.raises(MismatchError) as error:
        script.run()
    text = str(error.value)
    assert "value of x5 differs at instruction 1" in text
    assert "0x80000004" in text and "addi t0, t0, 1" in text
    assert "expected 0x00000002" in text and "got      0x00000003" in text


def test_wrong_path_is_refused(script):
    """A branch that should have been taken."""
    script.op("beq", imm=8)
    script.op("addi")
    script.op("addi")
    with pytest.raises(MismatchError, match="address differs"):
        script.run()


def test_illegal_instruction_that_completes_is_refused(script):
    """sret does not exist."""
    script.a.data((0x1020_0073).to_bytes(4, "little"))
    script.steps.append((0, RAM_BASE, 0x1020_0073, 0, True, False, 0, False, 0, 3, 0, False))
    with pytest.raises(MismatchError, match="ILLEGAL"):
        script.run()


def test_wrong_value_of_a_trap_is_refused(script):
    """mtval of an access fault is the address."""
    load_constant(script, 5, 0x4000_0000)
    script.trap(Cause.LOAD_FAULT.value, 0x4000_0000)
    script.a.op("lw", 6, 5, imm=4)
    with pytest.raises(MismatchError, match="LOAD_FAULT .mtval 0x40000004"):
        script.run()


def test_load_from_nowhere_that_completes_is_refused(script):
    """Unicorn's own error becomes a report."""
    load_constant(script, 5, 0x4000_0000)
    script.op("lw", 6, 5, imm=4, value=0)
    with pytest.raises(MismatchError, match="trap differs"):
        script.run()


def test_store_conditional_must_succeed_only_with_a_reservation(script):
    """Success without, and failure right behind a load-reserved, are both refused."""
    load_constant(script, 5, DATA)
    script.op("sc.w", 6, 5, 5, value=0)
    with pytest.raises(MismatchError, match="no reservation"):
        script.run()
    other = Script()
    load_constant(other, 5, DATA)
    other.op("lr.w", 6, 5, value=0)
    other.op("sc.w", 7, 5, 5, value=1)
    with pytest.raises(MismatchError, match="nothing came between"):
        other.run()


def enable(script, bits, interrupts=True):
    """mie = bits, and mstatus.MIE."""
    script.op("addi", 5, 0, imm=0x80, value=0x80)
    script.op("slli", 5, 5, imm=4, value=0x800)
    script.op("addi", 5, 5, imm=0x88, value=0x888)
    script.op("andi", 5, 5, imm=bits, value=0x888 & bits)
    csr(script, Csr.MIE, 5)
    if interrupts:
        script.op("csrrsi", 0, 8, imm=Csr.MSTATUS)


def raise_software(script):
    """msip = 1."""
    load_constant(script, 6, CLINT.base)
    script.op("addi", 7, 0, imm=1, value=1)
    script.op("sw", 0, 6, 7, 0)


def test_interrupt_is_accepted_when_enabled_and_pending(script):
    """A software interrupt; the next record must be the handler's first instruction."""
    enable(script, 0x8)
    raise_software(script)
    script.trap(32 + Interrupt.SOFTWARE.value)
    reference = script.run()
    assert reference.csr.stored[Csr.MCAUSE] == 0x8000_0003


@pytest.mark.parametrize(
    ("bits", "interrupts", "pending", "cause", "reason"),
    [
        (0x8, False, True, 3, "enabled: 0x0"),
        (0x80, True, True, 3, "enabled: 0x80"),
        (0x8, True, False, 3, "msip is 0"),
        (0x80, True, False, 7, "mtimecmp"),
        (0x8, True, True, 5, "enabled: 0x8"),
    ],
)
def test_interrupt_that_must_not_come_is_refused(script, bits, interrupts, pending, cause, reason):
    """Masked by mstatus, masked by mie, not pending, before its time, and one that does not exist."""
    enable(script, bits, interrupts)
    if pending:
        raise_software(script)
    script.trap(32 + cause)
    with pytest.raises(MismatchError, match=reason):
        script.run()


def test_timer_interrupt_before_a_pending_software_interrupt_is_refused(script):
    """Both were held back by mstatus; the one of higher priority must come first."""
    enable(script, 0x88, interrupts=False)
    load_constant(script, 8, CLINT.base + 0x4000)
    script.op("sw", 0, 8, 0, imm=4)
    script.op("sw", 0, 8, 0)
    raise_software(script)
    for _ in range(10):
        script.op("addi")
    script.op("csrrsi", 0, 8, imm=Csr.MSTATUS)
    script.trap(32 + Interrupt.TIMER.value, cycle=1000)
    with pytest.raises(MismatchError, match="software interrupt, which has priority"):
        script.run()


def test_software_interrupt_that_stays_away_is_refused(script):
    """A hundred instructions with an enabled interrupt pending."""
    enable(script, 0x8)
    raise_software(script)
    for _ in range(100):
        script.op("addi")
    with pytest.raises(MismatchError, match="none for"):
        script.run()


def test_stores_may_be_cut_up_but_not_wrong():
    """A misaligned word in two parts, upper part first, is the same store; one wrong byte is found."""
    parts = [(DATA + 4, 0x0000_0011, 1), (DATA, 0x4433_2200, 14)]
    log = StoreLog()
    log.add(DATA + 1, 4, 0x1144_3322)
    assert log.compare(np.array(parts[:1], STORE)) is None  # only half has arrived
    assert log.compare(np.array(parts[1:], STORE)) is None
    assert log.unmatched == (0, 0)
    log.add(DATA, 4, 0x1111_1111)
    assert log.compare(np.array([(DATA, 0x1111_1011, 15)], STORE)) == (
        "a stored byte", f"0x11 at {DATA + 1:#010x}", f"0x10 at {DATA + 1:#010x}"
    )  # fmt: skip
