"""Which exception an instruction must raise: the reference's rules, written from the specification and Hakone's
profile.

Misaligned loads and stores in RAM are done; a part that lies past its end faults with that part's address. Misaligned
accesses to devices are access faults, misaligned atomics trap as misaligned, atomics outside RAM are access faults, the
mask ROM cannot be written, and nothing but RAM and mask ROM can be executed. ``mtval`` of ``ebreak`` may be its
address or 0.

Sources: RISC-V Privileged Architecture (20240411), table of synchronous exception priorities and 3.1.15, 3.1.16; 3.6.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hakone.isa.cause import Cause
from hakone.isa.csr import HXCTL_ENABLE, Csr
from hakone.isa.platform import DEVICES, RAM_BASE, RESET_PAGE

from .context_model import decode_all
from .csr_model import MACHINE, TW, USER, CsrModel
from .decode import Decoded

LOAD_SIZES = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4}
STORE_SIZES = {"sb": 1, "sh": 2, "sw": 4}
_WORD = 0xFFFF_FFFF


@dataclass(frozen=True)
class Expected:
    """A trap that must happen: its cause and the values that ``mtval`` may have."""

    cause: Cause
    tval: tuple[int, ...]


class ExceptionModel:
    """Rules for a machine with RAM up to ``ram_end`` (first byte after it).

    ``csr`` is the machine-level state, ``register(n)`` gives a register's value, ``memory(address, bytes)`` the bytes
    of RAM.
    """

    def __init__(
        self, csr: CsrModel, ram_end: int, register: Callable[[int], int], memory: Callable[[int, int], bytes]
    ) -> None:
        self._csr = csr
        self._ram_end = ram_end
        self._register = register
        self._memory = memory

    def word_at(self, pc: int) -> int | None:
        """The instruction word at ``pc`` (16 bits zero-extended), or None when it cannot be fetched whole."""
        if not RAM_BASE <= pc <= self._ram_end - 2:
            return None
        raw = int.from_bytes(self._memory(pc, 2), "little")
        if raw & 3 != 3:
            return raw
        return int.from_bytes(self._memory(pc, 4), "little") if pc + 4 <= self._ram_end else None

    def at(self, pc: int) -> Expected | None:
        """The exception of the instruction at ``pc``, fetch included, or None."""
        raw = self.word_at(pc)
        if raw is None:
            inside = RAM_BASE <= pc < self._ram_end
            return Expected(Cause.FETCH_FAULT, (self._ram_end if inside else pc,))
        return self.of(decode_all(raw), pc, raw)

    def of(self, d: Decoded | None, pc: int, raw: int) -> Expected | None:
        """The exception of an instruction that was fetched, or None."""
        illegal = Expected(Cause.ILLEGAL, (raw,))
        if d is None:
            return illegal
        if d.kind in ("csr", "csri"):
            writes = d.name.startswith("csrrw") or bool(raw >> 15 & 31)
            return None if self._csr.legal(d.imm, writes) else illegal
        if d.kind == "custom":
            return None if self._csr.stored[Csr.HXCTL] & HXCTL_ENABLE else illegal
        if d.kind == "amo":
            return self._atomic(d)
        match d.base:
            case "ecall":
                return Expected(self._csr.environment_call(), (0,))
            case "ebreak":
                return Expected(Cause.BREAKPOINT, (pc, 0))
            case "mret":
                return illegal if self._csr.level != MACHINE else None
            case "wfi":
                return illegal if self._csr.level == USER and self._csr.mstatus & TW else None
        size = LOAD_SIZES.get(d.base) or STORE_SIZES.get(d.base)
        if size is None:
            return None
        return self.access(self._register(d.rs1) + d.imm & _WORD, size, d.base in STORE_SIZES)

    def access(self, address: int, size: int, store: bool) -> Expected | None:
        """Fault of a load or store of ``size`` bytes, or None."""
        cause = Cause.STORE_FAULT if store else Cause.LOAD_FAULT
        if address >= RAM_BASE and address + size <= self._ram_end:
            return None
        if RAM_BASE <= address < self._ram_end:
            return Expected(cause, (self._ram_end,))
        window = next((w for w in (RESET_PAGE, *DEVICES) if w.base <= address < w.end), None)
        if window is None or address % size or (store and window is RESET_PAGE):
            return Expected(cause, (address,))
        return None

    def _atomic(self, d: Decoded) -> Expected | None:
        address = self._register(d.rs1)
        load = d.base == "lr.w"
        if address & 3:
            return Expected(Cause.LOAD_MISALIGNED if load else Cause.STORE_MISALIGNED, (address,))
        if not RAM_BASE <= address < self._ram_end:
            return Expected(Cause.LOAD_FAULT if load else Cause.STORE_FAULT, (address,))
        return None
