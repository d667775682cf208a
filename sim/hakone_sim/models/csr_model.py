"""Machine-level state of the reference: control and status registers, trap entry and return, interrupt rules.

Written from the privileged specification and Hakone's RISC-V profile, as what software sees; it knows nothing of the
pipeline. Registers whose value only the hardware can know (counters, time, the pending bits of ``mip``, identification
numbers) are *oracles*: the value found in the trace is taken, after the bits that are known have been checked.

Sources: RISC-V Privileged Architecture (20240411), chapters 2 and 3.1, 3.3; ``hakone.isa.csr``.
"""

from hakone.isa import VERSION
from hakone.isa.cause import Cause, Interrupt
from hakone.isa.csr import HPM_RANGES, MISA_VALUE, ZERO_RANGES, Csr

MIE, MPIE, MPP_SHIFT, MPRV, TW = 1 << 3, 1 << 7, 11, 1 << 17, 1 << 21
MPP = 3 << MPP_SHIFT
MACHINE, USER = 3, 0
INTERRUPT_BITS = {i: 1 << i.value for i in Interrupt}
#: Priority of interrupts that are pending together, highest first (Privileged, 3.1.9).
INTERRUPT_ORDER = (Interrupt.EXTERNAL, Interrupt.SOFTWARE, Interrupt.TIMER)

_COUNTERS = {Csr.CYCLE: 0, Csr.TIME: 1, Csr.INSTRET: 2, Csr.CYCLEH: 0, Csr.TIMEH: 1, Csr.INSTRETH: 2}
_ORACLES = {
    Csr.MCYCLE, Csr.MINSTRET, Csr.MCYCLEH, Csr.MINSTRETH, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID, Csr.HXCONFIG,
    Csr.HXBOOT,
    *_COUNTERS,
}  # fmt: skip
#: Bits that a write can change, for registers that are plain storage; reset value 0.
_STORAGE = {
    Csr.MIE: 0x888,
    Csr.MTVEC: 0xFFFF_FFFD,
    Csr.MCOUNTEREN: 0x7,
    Csr.MCOUNTINHIBIT: 0x5,
    Csr.MSCRATCH: 0xFFFF_FFFF,
    Csr.MEPC: 0xFFFF_FFFE,
    Csr.MCAUSE: 0x8000_001F,
    Csr.MTVAL: 0xFFFF_FFFF,
    Csr.HXCTL: 0x3,
    Csr.HXTVEC: 0xFFFF_FFFC,
}
_CONSTANT = {
    Csr.MISA: MISA_VALUE, Csr.MHARTID: 0, Csr.MCONFIGPTR: 0, Csr.MSTATUSH: 0, Csr.MENVCFG: 0, Csr.MENVCFGH: 0,
    Csr.HXVERSION: VERSION, Csr.HXCTX: None, Csr.HXSUB: None, Csr.HXTCTX: None,
}  # fmt: skip


def _within(number: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= number <= last for first, last in ranges)


class CsrModel:
    """The machine-level state. ``level`` is 3 (machine) or 0 (user); registers stand in ``stored`` by number."""

    def __init__(self) -> None:
        self.level = MACHINE
        self.mstatus = 0
        self.stored = dict.fromkeys(_STORAGE, 0)

    # -- registers -----------------------------------------------------------------------------------------------

    def legal(self, number: int, writes: bool) -> bool:
        """Whether the running level may access register ``number``, for reading and, with ``writes``, for writing."""
        if (number >> 8 & 3) > self.level or (writes and number >> 10 == 3):
            return False
        if _within(number, HPM_RANGES):
            return self.level == MACHINE or bool(self.stored[Csr.MCOUNTEREN] >> (number & 31) & 1)
        if number in _COUNTERS:
            return self.level == MACHINE or bool(self.stored[Csr.MCOUNTEREN] >> _COUNTERS[Csr(number)] & 1)
        known = number in _STORAGE or number in _ORACLES or number in _CONSTANT or number in (Csr.MSTATUS, Csr.MIP)
        return known or _within(number, ZERO_RANGES)

    def read(self, number: int, oracle: int, pending: int) -> int:
        """Value of register ``number``.

        ``oracle`` is what the hardware read; it is returned for registers that only the hardware knows. ``pending``
        are the bits of ``mip`` that the reference is sure of.
        """
        if number == Csr.MSTATUS:
            return self.mstatus
        if number == Csr.MIP:
            return (oracle & 0x888) | pending
        if number in self.stored:
            return self.stored[Csr(number)]
        if number in _ORACLES:
            return oracle
        constant = _CONSTANT.get(Csr(number)) if number in _CONSTANT else 0
        return oracle if constant is None else constant

    def write(self, number: int, value: int) -> None:
        """Write ``value`` as software does; fields that do not exist keep what they have."""
        if number == Csr.MSTATUS:
            keep = MIE | MPIE | MPRV | TW
            if value >> MPP_SHIFT & 3 in (USER, MACHINE):
                keep |= MPP
            self.mstatus = self.mstatus & ~keep | value & keep
        elif number in self.stored and not (number == Csr.MTVEC and value & 2):
            self.stored[Csr(number)] = value & _STORAGE[Csr(number)]

    # -- traps ---------------------------------------------------------------------------------------------------

    def enter_trap(self, cause: int, interrupt: bool, pc: int, tval: int) -> int:
        """Take a trap at ``pc`` and return the address of the handler's first instruction."""
        self.stored[Csr.MEPC] = pc
        self.stored[Csr.MCAUSE] = interrupt << 31 | cause
        self.stored[Csr.MTVAL] = tval
        enabled = self.mstatus & MIE
        self.mstatus &= ~(MIE | MPIE | MPP)
        self.mstatus |= self.level << MPP_SHIFT | (MPIE if enabled else 0)
        self.level = MACHINE
        vector = self.stored[Csr.MTVEC]
        return (vector & ~3) + (4 * cause if interrupt and vector & 1 else 0) & 0xFFFF_FFFF

    def leave_trap(self) -> int:
        """``mret``: back to the level in ``MPP``; returns the address it goes to."""
        self.level = self.mstatus >> MPP_SHIFT & 3
        self.mstatus = self.mstatus & ~(MIE | MPP) | MPIE | (MIE if self.mstatus & MPIE else 0)
        if self.level != MACHINE:
            self.mstatus &= ~MPRV
        return self.stored[Csr.MEPC]

    @property
    def interrupts_enabled(self) -> int:
        """Bits of ``mie`` when interrupts are taken at the running level, else 0."""
        return self.stored[Csr.MIE] if self.level < MACHINE or self.mstatus & MIE else 0

    def environment_call(self) -> Cause:
        """Cause of ``ecall`` at the running level."""
        return Cause.ECALL_M if self.level == MACHINE else Cause.ECALL_U
