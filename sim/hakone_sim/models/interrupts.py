"""What the reference knows of pending interrupts: it sees every store to the timer block and follows ``msip`` and
``mtimecmp``.

When an interrupt arrives is the hardware's business; that it was allowed to arrive is checked, that the one of higher
priority goes first, and that a software interrupt does not stay away. The external interrupt's source is not modelled.

Source: RISC-V Privileged Architecture (20240411), 3.1.9; the layout of the timer block as in QEMU's ``virt``.
"""

from hakone.isa.cause import Interrupt
from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, TIMEBASE_HZ

from .csr_model import CsrModel

#: Instructions with an enabled software interrupt pending before the reference calls it lost.
PATIENCE = 64
#: Instructions after which a pending interrupt of higher priority must have been seen.
SETTLED = 8


class InterruptModel:
    """Interrupt sources as far as software sets them. ``clock_hz`` gives the bound on time from a cycle number."""

    def __init__(self, csr: CsrModel, clock_hz: int) -> None:
        self._csr = csr
        self._clock_hz = clock_hz
        self.software = 0
        self._compare = (1 << 64) - 1
        self._replaced: list[tuple[int, int]] = []  # earlier values of mtimecmp, and when they were replaced
        self._time_written = False
        self._since: int | None = None  # the instruction from which a software interrupt could have been taken
        self._armed: int | None = None  # and from which it is pending and enabled in mie, whatever mstatus says

    def store(self, address: int, size: int, value: int, number: int) -> None:
        """A store to the timer block by instruction ``number``."""
        if address == CLINT.base:
            self.software = value & 1
            self.note(number)
        elif size == 4 and address in (CLINT.base + 0x4000, CLINT.base + 0x4004):
            shift = 8 * (address & 4)
            self._replaced.append((number, self._compare))
            self._compare = self._compare & ~(0xFFFF_FFFF << shift) | value << shift
        elif address >= CLINT.base + 0xBFF8:
            self._time_written = True

    def note(self, number: int) -> None:
        """To be called after every change of enables or sources: remember since when a software interrupt could be
        taken."""
        armed = self.software and self._csr.stored[Csr.MIE] >> Interrupt.SOFTWARE.value & 1
        self._armed = (number if self._armed is None else self._armed) if armed else None
        if not armed or not self._csr.interrupts_enabled:
            self._since = None
        elif self._since is None:
            self._since = number

    def overdue(self, number: int) -> str | None:
        """What is wrong when a software interrupt has been waiting for too long before instruction ``number``, else
        None."""
        if self._since is None or number - self._since <= PATIENCE:
            return None
        return f"none for {number - self._since} instructions"

    def refuse(self, cause: int, number: int, cycle: int | None) -> str | None:
        """Why interrupt ``cause`` must not be taken before instruction ``number``, or None when it may."""
        enabled = self._csr.interrupts_enabled
        if cause not in {i.value for i in Interrupt} or not enabled >> cause & 1:
            return f"no interrupt (enabled: {enabled:#x})"
        kind = Interrupt(cause)
        if kind is Interrupt.SOFTWARE and not self.software:
            return "no interrupt (msip is 0)"
        if kind is not Interrupt.TIMER:
            return None
        if self._armed is not None and number - self._armed > SETTLED:
            return "the software interrupt, which has priority"
        ticks = None if cycle is None else cycle * TIMEBASE_HZ // self._clock_hz + 2
        # A value that was replaced just now may have come true before: such a late interrupt is allowed (3.2.1).
        self._replaced = [(when, value) for when, value in self._replaced if number - when <= SETTLED]
        first = min(self._compare, *(value for _, value in self._replaced), 1 << 64)
        if ticks is not None and not self._time_written and first > ticks:
            return f"no interrupt (mtimecmp {self._compare}, mtime at most {ticks})"
        return None

    def taken(self) -> None:
        """An interrupt was taken; the wait starts again when the handler enables interrupts."""
        self._since = None
