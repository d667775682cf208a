"""Instruction-level reference: replays a trace of retired instructions on Unicorn and reports the first difference.

Unicorn executes every ordinary instruction from its own copy of memory; a hook before each instruction compares its
address with the trace, and the destination register of the instruction before. What Unicorn does not model the way the
specification has it is done here: CSR instructions, traps, ``mret``, ``wfi``, ``fence.i``, load-reserved and
store-conditional, access faults, misaligned atomics. Legality comes from ``decode``, traps from ``exceptions``.

Compared for every instruction: address, memory word, destination register and its value; every byte stored to RAM, in
order; for every trap: cause, ``mtval``, level, and where it goes. Taken from the trace, because only the hardware can
know it: counters and time, values read from devices and the mask ROM, whether a store-conditional that may fail or
succeed does, and when an interrupt arrives. Lockstep starts with the first instruction in RAM; before it, registers
are taken over.

Sources: RISC-V Unprivileged (20240411), chapters 2, 12, 13, 26; Privileged (20240411), chapter 3.
"""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import unicorn
from unicorn import riscv_const

from hakone.isa.cause import Cause, Interrupt
from hakone.isa.platform import CLINT, DEVICES, LINE_LOG2, RAM_BASE, RAM_BYTES, RESET_PAGE, Window

from .context_model import CodeRegion, ContextModel, decode_all
from .csr_model import CsrModel
from .decode import Decoded
from .exceptions import LOAD_SIZES, STORE_SIZES, ExceptionModel, Expected
from .interrupts import InterruptModel
from .mismatch import MismatchError, explain
from .store_log import StoreLog

#: One instruction or trap of a trace. ``value`` is that of ``rd``, or ``mtval`` of a trap; ``cause`` has bit 5 set for
#: interrupts.
STEP = np.dtype(
    [
        *[("cycle", "<u8"), ("pc", "<u4"), ("raw", "<u4"), ("value", "<u4"), ("retire", "?"), ("trap", "?")],
        *[("rd", "u1"), ("rd_write", "?"), ("cause", "u1"), ("level", "u1"), ("context", "u1"), ("encrypted", "?")],
    ]
)

_X0 = riscv_const.UC_RISCV_REG_X0
_PC = riscv_const.UC_RISCV_REG_PC
_WORD = 0xFFFF_FFFF
_PLAIN, _SPECIAL, _STEP = 0, 1, 2
_SPECIAL_BASES = frozenset(("ecall", "ebreak", "mret", "wfi", "fence.i"))
_SPECIAL_KINDS = frozenset(("csr", "csri", "amo", "custom"))
_FETCH_ERRORS = (unicorn.UC_ERR_FETCH_UNMAPPED, unicorn.UC_ERR_FETCH_PROT)


class Reference:
    """Reference for one run. Feed it the records of the run in order, in pieces of any size, then ``finish``.

    Parameters: ``segments``, a list of (address, bytes) that are in memory at the start; ``ram_bytes``; ``clock_hz``,
    for the bound on time; ``repeat``, the command that repeats the run, printed in the report; ``timed``, false when
    records have no cycle; ``regions``, encrypted code whose mode follows the fetch (a program with ``cryptomode`` and
    ``retmode`` alone needs none).

    ``instructions`` counts what was compared so far. Raises ``MismatchError``.
    """

    def __init__(
        self,
        segments: list[tuple[int, bytes]],
        *,
        ram_bytes: int = RAM_BYTES,
        clock_hz: int = 50_000_000,
        repeat: str = "",
        timed: bool = True,
        regions: Sequence[CodeRegion] = (),
    ) -> None:
        self.instructions = 0
        self._regions = tuple(regions)
        self._last: tuple[int, int, bool, Decoded | None] | None = None  # the record before this piece
        self.csr = CsrModel()
        self._ram_end = RAM_BASE + ram_bytes
        self._repeat = repeat
        self._timed = timed
        self._started = False
        self._reservation: int | None = None
        self._seen: set[tuple[int, int]] = set()  # (pc, raw) whose memory word was compared since the last fence.i
        self._history: list[tuple[int, int]] = []
        self._index = 0  # record that executes next
        self._base = 0  # records in earlier pieces
        self._next_pc: int | None = None
        self._stores = StoreLog()
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        self._interrupts = InterruptModel(self.csr, clock_hz)
        self._exceptions = ExceptionModel(self.csr, self._ram_end, self._register, uc.mem_read)
        self._contexts = ContextModel(self.csr, self._register, self._write, self._regions)
        uc.mem_map(RAM_BASE, ram_bytes)
        for address, content in segments:
            uc.mem_write(address, bytes(content))
        for window in (RESET_PAGE, *DEVICES):
            uc.mmio_map(window.base, max(window.bytes, 0x1000), self._device_read, window, self._device_write, window)
        uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._ram_write, begin=RAM_BASE, end=self._ram_end - 1)

    # -- public --------------------------------------------------------------------------------------------------

    def feed(self, steps: np.ndarray, stores: np.ndarray | None = None) -> None:
        """Compare ``steps`` (dtype ``STEP``) and, when given, ``stores`` (see ``StoreLog.compare``) with the
        reference."""
        if len(steps):
            self._load(steps)
            self._index = 0 if self._started else self._skip_rom()
            self._check_next_pc()
            while self._index < len(steps):
                self._run()
            self._check_overdue(len(steps) - 1)
            self._last = self._record(len(steps) - 1)
            self._base += len(steps)
            self.instructions += int(steps["retire"].sum())
            self._history = (self._history + list(zip(self._pc[-21:-1], self._raw[-20:], strict=True)))[-20:]
        if stores is not None:
            problem = self._stores.compare(stores)
            if problem:
                self._raise(problem[0], problem[1], problem[2], self._base, self._history, self._history[-1])

    def registers(self) -> list[int]:
        """The 32 registers now."""
        return [self._register(n) for n in range(32)]

    def memory(self, address: int, count: int) -> bytes:
        """``count`` bytes of the reference's RAM."""
        return bytes(self._uc.mem_read(address, count))

    # -- the columns of a piece ----------------------------------------------------------------------------------

    def _load(self, steps: np.ndarray) -> None:
        """Turn a piece into lists, decode each distinct word once, and find the records that need more than Unicorn."""
        raws, inverse = np.unique(steps["raw"], return_inverse=True)
        words = [decode_all(int(raw)) for raw in raws]
        rd = np.array([d.rd if d else 0 for d in words], dtype=np.uint8)[inverse]
        special = [d is None or d.kind in _SPECIAL_KINDS or d.base in _SPECIAL_BASES for d in words]
        retire, trap = steps["retire"], steps["trap"]
        rd = np.where(retire, rd, 0)
        kind = np.where(np.array(special)[inverse] | trap, _SPECIAL, _PLAIN)
        shown = np.where(steps["rd_write"] & retire, steps["rd"], 0)
        pc = steps["pc"].astype(np.int64)
        outside = retire & ((pc < RAM_BASE) | (pc >= self._ram_end)) & ((pc < RESET_PAGE.base) | (pc >= RESET_PAGE.end))
        kind = np.where((kind == _PLAIN) & ((shown != rd) | outside), _SPECIAL, kind)
        self._steps, self._trap = steps, trap.tolist()
        self._pc, self._raw = [*steps["pc"].tolist(), -1], steps["raw"].tolist()
        self._rd, self._value = rd.tolist(), steps["value"].tolist()
        self._decoded = [words[n] for n in inverse]
        self._kind = kind.tolist()
        if self._regions:
            kind = np.where(self._arrives(steps), _SPECIAL, kind)
            self._kind = kind.tolist()
        fresh = set()
        for n, key in enumerate(zip(self._pc, self._raw, strict=False)):
            if key not in self._seen and key not in fresh and not self._trap[n]:
                fresh.add(key)
                self._kind[n] = self._kind[n] or _SPECIAL
        # What comes before a trap where nothing can be fetched runs alone, or Unicorn would try to fetch; so does the
        # last of the piece.
        nowhere = trap & ((pc < RAM_BASE) | (pc > self._ram_end - 4))
        for n in [*np.nonzero(nowhere[1:])[0].tolist(), len(steps) - 1]:
            self._kind[n] = _STEP

    def _arrives(self, steps: np.ndarray) -> np.ndarray:
        """Which records do not lie in the same region as the one before them, or follow a trap or another context."""
        place = np.zeros(len(steps), np.uint8)
        for number, region in enumerate(self._regions, 1):
            inside = (steps["pc"] >= region.start) & (steps["pc"] < region.end)
            place[inside & np.isin(steps["context"], list(region.contexts))] = number
        arrives = np.ones(len(steps), bool)
        same = (place[1:] == place[:-1]) & (steps["context"][1:] == steps["context"][:-1]) & ~steps["trap"][:-1]
        arrives[1:] = ~same
        return arrives

    def _record(self, n: int) -> tuple[int, int, bool, Decoded | None]:
        """Context, address, whether it completed, and the instruction of record ``n``."""
        return int(self._steps["context"][n]), self._pc[n], not self._trap[n], self._decoded[n]

    def _arrive(self, n: int) -> None:
        """Tell the context model where record ``n`` stands, and whether a call led there."""
        context = self._contexts.running
        before = self._record(n - 1) if n else self._last
        called = context.called
        if before and before[2] and before[0] == self._contexts.number:
            d = before[3]
            called = before[1] + d.bytes if d and d.base in ("jal", "jalr") and d.rd else None
        context.called = None
        step = self._steps[n]
        interrupt = self._trap[n] and step["cause"] & 32
        # An interrupt between two instructions comes before a crossing or after it; both are right.
        if interrupt and step["encrypted"] == context.encrypted:
            context.called = called
        else:
            self._contexts.arrive(self._pc[n], called)

    def _skip_rom(self) -> int:
        """Take the instructions of the mask ROM over from the trace; returns the first record in RAM."""
        start = next((n for n, pc in enumerate(self._pc) if pc >= RAM_BASE), len(self._value))
        for n in range(start):
            if self._trap[n]:
                self._fail(n, "trap", "none before the first instruction in RAM", f"cause {self._steps[n]['cause']}")
            self._write(self._rd[n], self._value[n])
        self._started = start < len(self._value)
        return start

    # -- running -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Run from the next record until the piece ends or a record needs to run alone."""
        n = self._index
        if self._kind[n] == _STEP or self._trap[n]:
            self._run_one(n)
            return
        hook = self._uc.hook_add(unicorn.UC_HOOK_CODE, self._make_hook())
        try:
            self._uc.emu_start(self._pc[n], _WORD)
        except unicorn.UcError as error:
            self._fail(min(self._index, len(self._value) - 1), "trap", f"{error}", "none")
        finally:
            self._uc.hook_del(hook)

    def _make_hook(self):
        """The function that Unicorn calls before each instruction. Written for speed: locals, one register read."""
        pcs, kinds, rds, values = self._pc, self._kind, self._rd, self._value
        read, first = self._uc.reg_read, self._index

        def before(uc, address, size, _user):
            n = self._index
            if n > first:
                rd = rds[n - 1]
                if rd and read(_X0 + rd) != values[n - 1]:
                    self._fail_value(n - 1)
            if pcs[n] != address:
                if n > first and pcs[n - 1] == address:
                    self._stores.forget_last()
                    return  # Unicorn starts a store into its own block of code again
                self._check_address(n, address)
            kind = kinds[n]
            if kind == _PLAIN:
                self._index = n + 1
            elif kind == _STEP:
                uc.emu_stop()
            else:
                target = self._special(n)
                self._index = n + 1
                if target is not None:
                    uc.reg_write(_PC, target)

        return before

    def _run_one(self, n: int) -> None:
        """Record ``n`` by itself, and the comparison of its result and of the address that follows."""
        target = self._special(n)
        self._index = n + 1
        if target is None:
            try:
                self._uc.emu_start(self._pc[n], _WORD, count=1)
            except unicorn.UcError as error:
                if error.errno not in _FETCH_ERRORS:
                    self._fail(n, "trap", str(error), "none")
            target = self._uc.reg_read(_PC)
        if self._rd[n] and self._register(self._rd[n]) != self._value[n]:
            self._fail_value(n)
        self._next_pc = target
        self._check_next_pc()

    def _check_next_pc(self) -> None:
        n = self._index
        if self._next_pc is not None and n < len(self._value) and self._next_pc != self._pc[n]:
            self._check_address(n, self._next_pc)
        self._next_pc = self._next_pc if n == len(self._value) else None

    def _check_address(self, n: int, address: int) -> None:
        """Record ``n`` is not at ``address``: right only for the system call of a sealed context, whose saved address
        is already past the call.
        """
        call = self._trap[n] and self._steps[n]["cause"] == Cause.ECALL_U.value and self._contexts.running.sealed
        if not call or self._pc[n] != address + 4 & _WORD:
            self._fail(n, "address", f"{address:#010x}", f"{self._pc[n]:#010x}")
        self._pc[n] = address

    # -- what is not left to Unicorn -----------------------------------------------------------------------------

    def _special(self, n: int) -> int | None:
        """Check record ``n`` closely; do it here and return the next address, or None when Unicorn shall execute it."""
        if self._regions:
            self._arrive(n)
        self._check_record(n)
        if self._trap[n]:
            return self._take_trap(n)
        d = self._decoded[n]
        if self._contexts.running.landing:
            if d is None or d.name != "cryptoland":
                self._fail(n, "trap", "MODE, no landing", "the instruction completed")
            self._contexts.running.landing = False
        expected = self._exceptions.of(d, self._pc[n], self._raw[n])
        if expected is not None or d is None:
            self._fail(n, "trap", expected.cause.name if expected else "ILLEGAL", "the instruction completed")
        after = self._pc[n] + d.bytes & _WORD
        if d.kind in ("csr", "csri"):
            self._csr(n, d)
        elif d.kind == "custom":
            self._check_overdue(n)
            self._reservation = None
            after = self._contexts.execute(d, self._pc[n])
            self._interrupts.note(self._base + n)
        elif d.name == "mret":
            self._check_overdue(n)
            self._reservation = None
            after = self.csr.leave_trap()
            self._interrupts.note(self._base + n)
        elif d.name == "fence.i":
            self._seen.clear()
            self._kind[n + 1 : n + 4097] = [k or _SPECIAL for k in self._kind[n + 1 : n + 4097]]
        elif d.name == "lr.w":
            self._reservation = self._register(d.rs1)
            self._write(d.rd, int.from_bytes(self._uc.mem_read(self._reservation, 4), "little"))
        elif d.name == "sc.w":
            self._store_conditional(n, d)
        elif d.name != "wfi":
            return None
        return after

    def _check_record(self, n: int) -> None:
        """Checks that are not worth making for each record: level, memory word, destination, place."""
        step = self._steps[n]
        running = self._contexts.running
        who = (self.csr.level, self._contexts.number, running.encrypted)
        shown = (step["level"], step["context"], step["encrypted"])
        if shown != who:
            self._fail(n, "level, context, encrypted mode", "{}, {}, {}".format(*who), "{}, {}, {}".format(*shown))
        if self._trap[n]:
            return
        pc, raw = self._pc[n], self._raw[n]
        word = self._exceptions.word_at(pc)
        if word is None:
            self._fail(n, "trap", "FETCH_FAULT", "the instruction completed")
        if word != raw:
            self._fail(n, "instruction word", f"{word:#010x}", f"{raw:#010x}")
        self._seen.add((pc, raw))
        written = int(step["rd"]) if step["rd_write"] else 0
        if written != self._rd[n]:
            self._fail(n, "destination register", f"x{self._rd[n]}", f"x{written}")

    def _store_conditional(self, n: int, d: Decoded) -> None:
        address, held = self._register(d.rs1), self._reservation
        may = held is not None and held >> LINE_LOG2 == address >> LINE_LOG2
        status = self._value[n] if d.rd else int(not may)
        must = held == address and self._undisturbed(n)
        if status not in ((0,) if must else (0, 1) if may else (1,)):
            reason = "0: reserved, and nothing came between" if must else "0 or 1" if may else "1: no reservation"
            self._fail(n, "status of the store-conditional", reason, str(status))
        if status == 0:
            data = self._register(d.rs2)
            self._uc.mem_write(address, data.to_bytes(4, "little"))
            self._stores.add(address, 4, data)
        self._reservation = None
        self._write(d.rd, status)

    def _undisturbed(self, n: int) -> bool:
        """Whether only register instructions stand between the load-reserved and record ``n``, within 15 records."""
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
        field = self._raw[n] >> 15 & 31
        operand = field if d.kind == "csri" else self._register(d.rs1)
        oracle = self._value[n] if d.rd else 0
        old = self.csr.read(d.imm, oracle, self._interrupts.software << Interrupt.SOFTWARE.value)
        if d.name.startswith("csrrw") or field:
            self._check_overdue(n)
            self.csr.write(d.imm, {"w": operand, "s": old | operand, "c": old & ~operand}[d.name[4]] & _WORD)
            self._interrupts.note(self._base + n)
        self._write(d.rd, old)

    # -- traps ---------------------------------------------------------------------------------------------------

    def _take_trap(self, n: int) -> int:
        """Check that the trap of record ``n`` is one that may or must happen, take it, and return the handler's
        address."""
        step, pc = self._steps[n], self._pc[n]
        cause, tval = int(step["cause"]), self._value[n]
        self._reservation = None
        if cause & 32:
            cycle = int(step["cycle"]) if self._timed else None
            problem = self._interrupts.refuse(cause & 31, self._base + n, cycle)
            if problem or tval:
                self._fail(n, "trap", problem or "mtval 0", f"interrupt {cause & 31} (mtval {tval:#010x})")
            self._interrupts.taken()
            target = self._enter_trap(cause & 31, True, pc, 0)
        else:
            self._check_overdue(n)
            expected = self._exceptions.at(pc)
            if self._contexts.running.landing and not self._lands(pc):
                expected = Expected(Cause.MODE, (0,))
            hidden = self._contexts.running.sealed
            if expected is None or expected.cause.value != cause or tval not in ((0,) if hidden else expected.tval):
                found = Cause(cause).name if cause in {c.value for c in Cause} else str(cause)
                self._fail(n, "trap", _describe(expected), f"{found} (mtval {tval:#010x})")
            target = self._enter_trap(cause, False, pc, tval)
        self._interrupts.note(self._base + n)
        return target

    def _lands(self, pc: int) -> bool:
        word = self._exceptions.word_at(pc)
        d = None if word is None else decode_all(word)
        return d is not None and d.name == "cryptoland"

    def _enter_trap(self, cause: int, interrupt: bool, pc: int, tval: int) -> int:
        target = self._contexts.trap(cause, interrupt, pc, tval)
        return self.csr.enter_trap(cause, interrupt, pc, tval) if target is None else target

    def _check_overdue(self, n: int) -> None:
        problem = self._interrupts.overdue(self._base + n)
        if problem:
            self._fail(n, "trap", "software interrupt", problem)

    # -- memory --------------------------------------------------------------------------------------------------

    def _ram_write(self, _uc, _access, address: int, size: int, value: int, _user) -> None:
        self._stores.add(address, size, value & (1 << 8 * size) - 1)

    def _device_access(self, sizes: dict[str, int], store: bool) -> tuple[int, int]:
        """Record and address of the access that Unicorn makes now; fails when it should have trapped."""
        n = self._index - 1
        d = self._decoded[n]
        address = self._register(d.rs1) + d.imm & _WORD
        expected = self._exceptions.access(address, sizes.get(d.base, 4), store)
        if expected is not None:
            self._fail(n, "trap", _describe(expected), "the instruction completed")
        return n, address

    def _device_read(self, _uc, _offset: int, size: int, window: Window) -> int:
        d = self._decoded[self._index - 1]
        if d is None or d.kind != "load":
            return 0  # Unicorn looks at the target of a jump into a device; the fault comes with the next record
        n, address = self._device_access(LOAD_SIZES, False)
        value = self._interrupts.software if address == CLINT.base else self._value[n]
        return value & (1 << 8 * size) - 1

    def _device_write(self, _uc, _offset: int, size: int, value: int, window: Window) -> None:
        n, address = self._device_access(STORE_SIZES, True)
        if window is CLINT:
            self._check_overdue(n)
            self._interrupts.store(address, size, value, self._base + n)

    # -- small helpers -------------------------------------------------------------------------------------------

    def _register(self, number: int) -> int:
        return self._uc.reg_read(_X0 + number) if number else 0

    def _write(self, number: int, value: int) -> None:
        if number:
            self._uc.reg_write(_X0 + number, value)

    def _fail_value(self, n: int) -> NoReturn:
        rd = self._rd[n]
        self._fail(n, f"value of x{rd}", f"{self._register(rd):#010x}", f"{self._value[n]:#010x}")

    def _fail(self, n: int, what: str, expected: str, got: str) -> NoReturn:
        """Raise ``MismatchError`` for record ``n`` with the instructions that led there."""
        pc = self._pc[n]
        raw = self._exceptions.word_at(pc) or 0 if self._trap[n] else self._raw[n]
        before = range(max(0, n - 20), n)
        history = self._history + [(self._pc[k], self._raw[k]) for k in before if not self._trap[k]]
        self._raise(what, expected, got, self._base + n, history, (pc, raw))

    def _raise(self, what, expected, got, number, history, at) -> NoReturn:
        raise MismatchError(explain(what, expected, got, number, history, at, self._repeat))


def _describe(expected: Expected | None) -> str:
    if expected is None:
        return "none"
    return f"{expected.cause.name} (mtval {' or '.join(f'{v:#010x}' for v in expected.tval)})"
