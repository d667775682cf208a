"""Instruction-level reference: replays a trace of retired instructions on Unicorn and reports the first difference.

Unicorn executes every ordinary instruction from its own copy of memory; a hook before each instruction compares its address
with the trace, and the destination register of the instruction before. What Unicorn does not model the way the
specification has it is done here: CSR instructions, traps, ``mret``, ``wfi``, ``fence.i``, load-reserved and
store-conditional, access faults, misaligned atomics. Legality comes from ``decode``, the memory map from ``isa.platform``.

Taken from the trace because only the hardware can know them: counters and time, values read from devices and from the
mask ROM, whether a store-conditional that may fail or succeed does, and when an interrupt arrives (that it was permitted is
checked, and that a software interrupt does not stay away).

Not compared: the address and data of a store by itself (a wrong one shows at the next load, or never).

Sources: RISC-V Unprivileged (20240411), chapters 2, 12, 13, 26; Privileged (20240411), chapter 3.
"""

from dataclasses import dataclass

import numpy as np
import unicorn
from hakone.isa.cause import Cause, Interrupt
from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, DEVICES, LINE_LOG2, MASK_ROM, RAM_BASE, RAM_BYTES, TIMEBASE_HZ
from unicorn import riscv_const

from .csr_model import INTERRUPT_BITS, INTERRUPT_ORDER, MACHINE, TW, USER, CsrModel
from .decode import Decoded, decode
from .disassemble import disassemble

_X0 = riscv_const.UC_RISCV_REG_X0
_PC = riscv_const.UC_RISCV_REG_PC
_WORD = 0xFFFF_FFFF
#: Instructions with an enabled software interrupt pending before the reference calls it lost.
_INTERRUPT_PATIENCE = 64
_PLAIN, _SPECIAL, _STEP = 0, 1, 2
_SPECIAL_NAMES = frozenset(
    "ecall ebreak mret wfi fence.i csrrw csrrs csrrc csrrwi csrrsi csrrci lr.w sc.w amoswap.w amoadd.w amoxor.w amoand.w "
    "amoor.w amomin.w amomax.w amominu.w amomaxu.w".split()
)
_STORE_SIZES = {"sb": 1, "sh": 2, "sw": 4}
_LOAD_SIZES = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4}


class Mismatch(Exception):
    """The first difference between trace and reference, as text that a person can act on."""


@dataclass
class _Expected:
    """A trap that the specification demands: cause, possible values of ``mtval``."""

    cause: Cause
    tval: tuple[int, ...]


class Reference:
    """Reference for one run. Feed it the records of the run in order, in pieces of any size.

    Parameters: ``segments``, a list of (address, bytes) that are in memory at the start; ``ram_bytes``; ``clock_hz`` for the bound on
    time when records carry a cycle; ``repeat``, the command that repeats the run, printed in the report.

    ``instructions`` counts what was compared so far. Raises ``Mismatch``.
    """

    def __init__(
        self,
        segments: list[tuple[int, bytes]],
        *,
        ram_bytes: int = RAM_BYTES,
        clock_hz: int = 50_000_000,
        repeat: str = "",
    ) -> None:
        self.csr = CsrModel()
        self.repeat = repeat
        self.instructions = 0
        self._ram_end = RAM_BASE + ram_bytes
        self._clock_hz = clock_hz
        self._started = False
        self._reservation: int | None = None
        self._reservation_clean = False
        self._msip = 0
        self._mtimecmp = (1 << 64) - 1
        self._mtime_written = False
        self._waiting_since: int | None = None
        self._seen_raw: set[tuple[int, int]] = set()
        self._history: list[tuple[int, int]] = []
        self._index = 0
        self._base = 0  # records in earlier pieces
        self._next_pc: int | None = None
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        uc.mem_map(RAM_BASE, ram_bytes)
        for address, content in segments:
            uc.mem_write(address, bytes(content))
        for window in (MASK_ROM, *DEVICES):
            size = max(window.bytes, 0x1000)
            uc.mmio_map(window.base, size, self._device_read, window, self._device_write, window)

    # -- public --------------------------------------------------------------------------------------------------

    def feed(self, records: np.ndarray) -> None:
        """Compare ``records`` (fields of ``RetireRecord`` and ``cycle``) with the reference."""
        if not len(records):
            return
        self._records = records
        self._load_columns(records)
        first = self._skip_rom() if not self._started else 0
        self._index = first
        if self._next_pc is not None and self._next_pc != self._pc[first]:
            self._fail(first, "address", f"{self._next_pc:#010x}", f"{self._pc[first]:#010x}")
        while self._index < len(records):
            self._run()
        self._check_waiting()
        self._base += len(records)
        self.instructions += int(records["retire"].sum())
        self._history = (self._history + list(zip(self._pc[-21:], self._raw[-21:], strict=True)))[-21:]

    def registers(self) -> list[int]:
        """The 32 registers now."""
        return [self._uc.reg_read(_X0 + n) for n in range(32)]

    def memory(self, address: int, count: int) -> bytes:
        """``count`` bytes of the reference's RAM."""
        return bytes(self._uc.mem_read(address, count))

    # -- the columns of a piece ----------------------------------------------------------------------------------

    def _load_columns(self, records: np.ndarray) -> None:
        """Turn a piece into lists, decode each distinct word once, and make the checks that need no execution."""
        raws, inverse = np.unique(records["raw"], return_inverse=True)
        decoded = [decode(int(raw)) for raw in raws]
        rd = np.array([d.rd if d else 0 for d in decoded], dtype=np.uint8)[inverse]
        special = np.array([d is None or d.name in _SPECIAL_NAMES or d.base in _SPECIAL_NAMES for d in decoded])[
            inverse
        ]
        retire, trap = records["retire"] != 0, records["trap"] != 0
        kind = np.where(special | trap, _SPECIAL, _PLAIN)
        fetch_fault = trap & (records["cause"] == Cause.FETCH_FAULT.value)
        kind[:-1][fetch_fault[1:]] = _STEP
        kind[-1] = _STEP
        rd = np.where(retire, rd, 0)
        self._decoded = [decoded[n] for n in inverse]
        self._pc, self._raw = records["pc"].tolist(), records["raw"].tolist()
        self._rd, self._value = rd.tolist(), records["value"].tolist()
        self._kind = kind.tolist()
        self._pc.append(-1)
        self._kind.append(_PLAIN)
        shown = np.where((records["rd_write"] != 0) & retire, records["rd"], 0)
        self._wrong_rd = set(np.nonzero((shown != rd) & retire)[0].tolist())
        pc = records["pc"].astype(np.int64)
        inside = (pc >= RAM_BASE) & (pc < self._ram_end) | (pc >= MASK_ROM.base) & (pc < MASK_ROM.end)
        outside = np.nonzero(retire & ~inside)[0]
        self._outside = int(outside[0]) if len(outside) else -1
        for n in self._wrong_rd:
            self._kind[n] = self._kind[n] or _SPECIAL
        fresh = {}
        for n, key in enumerate(zip(self._pc, self._raw, strict=False)):
            if key not in self._seen_raw and key not in fresh and not trap[n]:
                fresh[key] = n
        for n in fresh.values():
            self._kind[n] = self._kind[n] or _SPECIAL
        self._trap = trap

    def _skip_rom(self) -> int:
        """Take the instructions of the mask ROM from the trace; lockstep starts with the first one in RAM."""
        start = next((n for n, pc in enumerate(self._pc) if RAM_BASE <= pc), len(self._pc) - 1)
        for n in range(start):
            if self._trap[n]:
                self._fail(n, "a trap before the first instruction in RAM", "none", f"cause {self._cause(n)}")
            if self._rd[n]:
                self._uc.reg_write(_X0 + self._rd[n], self._value[n])
        self._started = start < len(self._pc) - 1
        return start

    # -- running -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Run from record ``_index`` until the piece ends or an event needs a fresh start."""
        start = self._pc[self._index]
        if self._trap[self._index] and self._cause(self._index) == Cause.FETCH_FAULT.value:
            self._next_pc = self._trap_record(self._index)
            self._index += 1
            self._check_next_pc()
            return
        if self._kind[self._index] == _STEP:
            self._step()
            return
        hook = self._uc.hook_add(unicorn.UC_HOOK_CODE, self._make_hook())
        try:
            self._uc.emu_start(start, 0xFFFF_FFFF)
        except unicorn.UcError as error:
            n = min(self._index, len(self._value) - 1)
            self._fail(n, "the reference cannot go on", f"{error} near {self._uc.reg_read(_PC):#010x}", "no trap")
        finally:
            self._uc.hook_del(hook)

    def _make_hook(self):
        """The function that Unicorn calls before each instruction. Written for speed: locals, one register read."""
        pcs, kinds, rds, values = self._pc, self._kind, self._rd, self._value
        read, stop, x0 = self._uc.reg_read, self._uc.emu_stop, _X0
        first, end = self._index, len(values)

        def before(uc, address, size, _user):
            n = self._index
            if n > first:
                rd = rds[n - 1]
                if rd and read(x0 + rd) != values[n - 1]:
                    self._fail(n - 1, f"value of x{rd}", f"{read(x0 + rd):#010x}", f"{values[n - 1]:#010x}")
            if pcs[n] != address:
                if n == end:
                    stop()
                    return
                if n > first and pcs[n - 1] == address:
                    return  # Unicorn starts a store to its own block of code again
                self._fail(n, "address", f"{address:#010x}", f"{pcs[n]:#010x}")
            kind = kinds[n]
            if kind == _PLAIN:
                self._index = n + 1
                return
            if kind == _STEP:
                stop()
                return
            self._check_record(n)
            target = self._special(n)
            self._index = n + 1
            if target is not None:
                uc.reg_write(_PC, target)

        return before

    def _step(self) -> None:
        """One instruction by itself, because the next one cannot be fetched."""
        n = self._index
        self._check_record(n)
        target = self._special(n)
        self._index = n + 1
        if target is None:
            try:
                self._uc.emu_start(self._pc[n], 0xFFFF_FFFF, count=1)
            except unicorn.UcError as error:
                if error.errno not in (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT):
                    self._fail(n, "the reference cannot go on", str(error), "no trap")
            target = self._uc.reg_read(_PC)
        rd = self._rd[n]
        if rd and self._uc.reg_read(_X0 + rd) != self._value[n]:
            self._fail(n, f"value of x{rd}", f"{self._uc.reg_read(_X0 + rd):#010x}", f"{self._value[n]:#010x}")
        self._next_pc = target
        self._check_next_pc()

    def _check_next_pc(self) -> None:
        """Compare the address that comes next with the trace, unless the piece ends here."""
        n = self._index
        if n < len(self._value) and self._next_pc != self._pc[n]:
            self._fail(n, "address", f"{self._next_pc:#010x}", f"{self._pc[n]:#010x}")

    def _check_record(self, n: int) -> None:
        """Checks of one record that are not worth making for each: memory word, fields, level, place."""
        record = self._records[n]
        if record["level"] != self.csr.level:
            self._fail(n, "level", str(self.csr.level), str(record["level"]))
        if self._trap[n]:
            return
        if n == self._outside:
            self._fail(n, "address", "a fetch fault", "an instruction outside memory completed")
        if n in self._wrong_rd:
            shown = f"x{record['rd']}" if record["rd_write"] else "none"
            self._fail(n, "destination register", f"x{self._rd[n]}", shown)
        pc, raw = self._pc[n], self._raw[n]
        if (pc, raw) not in self._seen_raw:
            size = 4 if raw & 3 == 3 else 2
            word = int.from_bytes(self._uc.mem_read(pc, size), "little")
            if word != raw:
                self._fail(n, "instruction word", f"{word:#0{2 + 2 * size}x}", f"{raw:#0{2 + 2 * size}x}")
            self._seen_raw.add((pc, raw))

    # -- what is not left to Unicorn -----------------------------------------------------------------------------

    def _special(self, n: int) -> int | None:
        """Do record ``n`` here and return the next address, or None when Unicorn shall execute it."""
        if self._trap[n]:
            return self._trap_record(n)
        d = self._decoded[n]
        expected = self._exception(d, self._pc[n], self._raw[n])
        if expected is not None or d is None:
            cause = expected.cause.name if expected else "ILLEGAL"
            self._fail(n, "trap", cause, "the instruction completed")
        after = self._pc[n] + d.bytes & _WORD
        if d.kind in ("csr", "csri"):
            self._csr(n, d)
        elif d.name == "mret":
            self._check_waiting()
            self._reservation = None
            after = self.csr.leave_trap()
            self._note_waiting()
        elif d.name == "fence.i":
            self._seen_raw.clear()
            for other in range(n + 1, len(self._value)):
                self._kind[other] = self._kind[other] or _SPECIAL
                if other - n > 4096:
                    break
        elif d.name == "lr.w":
            address = self._register(d.rs1)
            self._reservation, self._reservation_clean = address, True
            self._write(d.rd, int.from_bytes(self._uc.mem_read(address, 4), "little"))
        elif d.name == "sc.w":
            self._store_conditional(n, d)
        elif d.base != "wfi":
            return None
        return after

    def _store_conditional(self, n: int, d: Decoded) -> None:
        address = self._register(d.rs1)
        held = self._reservation
        may = held is not None and held >> LINE_LOG2 == address >> LINE_LOG2
        status = self._value[n] if d.rd else 0
        if status not in (0, 1):
            self._fail(n, "status of the store-conditional", "0 or 1", str(status))
        if d.rd and status == 0 and not may:
            self._fail(n, "status of the store-conditional", "1 (no reservation)", "0")
        if d.rd and status == 1 and held == address and self._undisturbed(n):
            self._fail(n, "status of the store-conditional", "0 (reserved, nothing between)", "1")
        success = (status == 0) if d.rd else may
        if success:
            self._uc.mem_write(address, self._register(d.rs2).to_bytes(4, "little"))
        self._reservation = None
        self._write(d.rd, status if d.rd else 0)

    def _undisturbed(self, n: int) -> bool:
        """Whether only register-to-register instructions stand between the load-reserved and record ``n``."""
        for other in range(n - 1, max(-1, n - 16), -1):
            d = self._decoded[other]
            if self._trap[other] or d is None:
                return False
            if d.name == "lr.w":
                return True
            if d.kind not in ("r", "i", "shift", "u", "b") or d.base == "jalr":
                return False
        return False

    def _csr(self, n: int, d: Decoded) -> None:
        number, immediate = d.imm, d.kind == "csri"
        operand = self._raw[n] >> 15 & 31 if immediate else self._register(d.rs1)
        oracle = self._value[n] if d.rd else 0
        old = self.csr.read(number, oracle, self._msip << Interrupt.SOFTWARE.value)
        writes = d.name.startswith("csrrw") or bool(self._raw[n] >> 15 & 31)
        if writes:
            self._check_waiting()
            value = {"w": operand, "s": old | operand, "c": old & ~operand}[d.name[4]]
            self.csr.write(number, value & _WORD)
            self._note_waiting()
        self._write(d.rd, old)

    # -- traps ---------------------------------------------------------------------------------------------------

    def _trap_record(self, n: int) -> int:
        """Check that the trap of record ``n`` is the one that the specification demands, and take it."""
        record, pc = self._records[n], self._pc[n]
        cause, tval = self._cause(n), int(record["tval"])
        self._reservation = None
        if record["level"] != self.csr.level:
            self._fail(n, "level", str(self.csr.level), str(record["level"]))
        if cause & 32:
            self._interrupt(n, cause & 31)
            if tval:
                self._fail(n, "mtval of an interrupt", "0", f"{tval:#010x}")
            self._waiting_since = None
            target = self.csr.enter_trap(cause & 31, True, pc, 0)
        else:
            expected = self._expected_exception(pc)
            found = Cause(cause).name if cause in {c.value for c in Cause} else str(cause)
            if expected is None:
                self._fail(n, "trap", "none", f"{found} (mtval {tval:#010x})")
            if expected.cause.value != cause or tval not in expected.tval:
                values = " or ".join(f"{v:#010x}" for v in expected.tval)
                self._fail(n, "trap", f"{expected.cause.name} (mtval {values})", f"{found} (mtval {tval:#010x})")
            self._check_waiting()
            target = self.csr.enter_trap(cause, False, pc, tval)
        self._note_waiting()
        return target

    def _interrupt(self, n: int, cause: int) -> None:
        bits = {bit: i for i, bit in INTERRUPT_BITS.items()}
        enabled = self.csr.interrupts_enabled
        if not enabled >> cause & 1 or 1 << cause not in bits:
            self._fail(n, "trap", f"no interrupt (enabled: {enabled:#x})", f"interrupt {cause}")
        kind = bits[1 << cause]
        if kind is Interrupt.SOFTWARE and not self._msip:
            self._fail(n, "trap", "no interrupt (msip is 0)", "software interrupt")
        late = self._waiting_since is not None and self._base + n - self._waiting_since > 8
        if INTERRUPT_ORDER.index(kind) > 1 and late and self._msip and enabled & INTERRUPT_BITS[Interrupt.SOFTWARE]:
            self._fail(n, "trap", "software interrupt (higher priority)", "timer interrupt")
        if kind is Interrupt.TIMER and "cycle" in self._records.dtype.names and not self._mtime_written:
            ticks = int(self._records[n]["cycle"]) * TIMEBASE_HZ // self._clock_hz + 2
            if self._mtimecmp > ticks:
                self._fail(n, "trap", f"no interrupt (mtimecmp {self._mtimecmp}, mtime <= {ticks})", "timer interrupt")

    def _expected_exception(self, pc: int) -> _Expected | None:
        """The exception that the instruction at ``pc`` must raise now, or None."""
        if not RAM_BASE <= pc <= self._ram_end - 2:
            return _Expected(Cause.FETCH_FAULT, (pc,))
        raw = int.from_bytes(self._uc.mem_read(pc, 2), "little")
        if raw & 3 == 3:
            if pc + 4 > self._ram_end:
                return _Expected(Cause.FETCH_FAULT, (self._ram_end,))
            raw = int.from_bytes(self._uc.mem_read(pc, 4), "little")
        return self._exception(decode(raw), pc, raw)

    def _exception(self, d: Decoded | None, pc: int, raw: int) -> _Expected | None:
        illegal = _Expected(Cause.ILLEGAL, (raw,))
        if d is None:
            return illegal
        if d.kind in ("csr", "csri"):
            writes = d.name.startswith("csrrw") or bool(raw >> 15 & 31)
            return None if self.csr.legal(d.imm, writes) else illegal
        if d.base == "ecall":
            return _Expected(self.csr.environment_call(), (0,))
        if d.base == "ebreak":
            return _Expected(Cause.BREAKPOINT, (pc, 0))
        if d.base == "mret" and self.csr.level != MACHINE:
            return illegal
        if d.base == "wfi" and self.csr.level == USER and self.csr.mstatus & TW:
            return illegal
        if d.kind == "amo":
            return self._atomic_exception(d)
        size = _LOAD_SIZES.get(d.base) or _STORE_SIZES.get(d.base)
        if size is None:
            return None
        fault = self._access_fault(self._register(d.rs1) + d.imm & _WORD, size, d.base in _STORE_SIZES)
        return fault

    def _atomic_exception(self, d: Decoded) -> _Expected | None:
        address = self._register(d.rs1)
        load = d.base == "lr.w"
        if address & 3:
            return _Expected(Cause.LOAD_MISALIGNED if load else Cause.STORE_MISALIGNED, (address,))
        if not RAM_BASE <= address < self._ram_end:
            return _Expected(Cause.LOAD_FAULT if load else Cause.STORE_FAULT, (address,))
        return None

    def _access_fault(self, address: int, size: int, store: bool) -> _Expected | None:
        """Fault of a load or store of ``size`` bytes. A part of a misaligned access faults with the part's address."""
        cause = Cause.STORE_FAULT if store else Cause.LOAD_FAULT
        last = address + size - 1
        if RAM_BASE <= address and last < self._ram_end:
            return None
        if RAM_BASE <= address < self._ram_end:
            return _Expected(cause, (self._ram_end,))
        window = next((w for w in (MASK_ROM, *DEVICES) if w.base <= address < w.end), None)
        if window is None or address % size or (store and window is MASK_ROM):
            return _Expected(cause, (address,))
        return None

    # -- devices -------------------------------------------------------------------------------------------------

    def _device_read(self, _uc, offset: int, size: int, window) -> int:
        n = self._index - 1
        d = self._decoded[n]
        address = self._register(d.rs1) + d.imm & _WORD
        if d.kind not in ("load", "s", "amo"):
            return 0  # Unicorn looks at the target of a jump into a device; the fault comes with the next record
        expected = self._access_fault(address, _LOAD_SIZES.get(d.base, 4), False)
        if expected or d.kind != "load":
            self._fail(n, "trap", expected.cause.name if expected else "LOAD_FAULT", "the load completed")
        if window is CLINT and address == CLINT.base:
            return self._msip & (1 << 8 * size) - 1
        return self._value[n] & (1 << 8 * size) - 1

    def _device_write(self, _uc, offset: int, size: int, value: int, window) -> None:
        n = self._index - 1
        d = self._decoded[n]
        address = self._register(d.rs1) + d.imm & _WORD
        expected = self._access_fault(address, _STORE_SIZES.get(d.base, 4), True)
        if expected or d.kind != "s":
            self._fail(n, "trap", expected.cause.name if expected else "STORE_FAULT", "the store completed")
        if window is not CLINT:
            return
        if address == CLINT.base:
            self._check_waiting()
            self._msip = value & 1
            self._note_waiting()
        elif size == 4 and address in (CLINT.base + 0x4000, CLINT.base + 0x4004):
            shift = 8 * (address & 4)
            self._mtimecmp = self._mtimecmp & ~(_WORD << shift) | value << shift
        elif address >= CLINT.base + 0xBFF8:
            self._mtime_written = True

    # -- pending software interrupts -----------------------------------------------------------------------------

    def _note_waiting(self) -> None:
        """Remember since when a software interrupt is pending and enabled."""
        pending = self._msip and self.csr.interrupts_enabled & INTERRUPT_BITS[Interrupt.SOFTWARE]
        self._waiting_since = self._base + self._index if pending else None

    def _check_waiting(self) -> None:
        since = self._waiting_since
        if since is not None and self._base + self._index - since > _INTERRUPT_PATIENCE:
            n = min(self._index, len(self._value) - 1)
            waited = self._base + self._index - since
            self._fail(n, "trap", "software interrupt", f"none for {waited} instructions")

    # -- small helpers -------------------------------------------------------------------------------------------

    def _cause(self, n: int) -> int:
        return int(self._records[n]["cause"])

    def _register(self, number: int) -> int:
        return self._uc.reg_read(_X0 + number) if number else 0

    def _write(self, number: int, value: int) -> None:
        if number:
            self._uc.reg_write(_X0 + number, value)

    def _fail(self, n: int, what: str, expected: str, got: str) -> None:
        """Raise ``Mismatch`` for record ``n`` with the instructions that led there."""
        pc, raw = self._pc[n], self._raw[n]
        rows = self._history + list(zip(self._pc[:n], self._raw[:n], strict=True))
        lines = [
            f"lockstep: {what} differs at instruction {self.instructions + n} (record {n} of this piece)",
            f"  {pc:#010x}  {disassemble(raw, pc)}",
            f"  expected {expected}",
            f"  got      {got}",
            "  before it:",
            *(f"    {a:#010x}  {w:08x}  {disassemble(w, a)}" for a, w in rows[-20:]),
        ]
        if self.repeat:
            lines.append(f"  repeat with: {self.repeat}")
        raise Mismatch("\n".join(lines))
