"""Contexts and execution modes as software sees them: the custom instructions of the reference.

Each context has its registers, program counter, level, mode, back links and a stack pointer for either side. Encryption
is invisible here, which is the point: the reference's memory holds plaintext, and an encrypted program must compute on
the system what it computes here. Of the faults of the region, mode and context rules only a missing landing behind an
automatic crossing is modelled; a program that meets another one is not for lockstep.

Who is told of the regions (``CodeRegion``) follows automatic ones: ``arrive`` at every instruction that may lie
elsewhere than the one before it.

Source: the project's reference of custom-0 and of contexts (``docs/reference``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from hakone.isa.csr import Csr
from hakone.isa.encoding import CTXGET_GENERATION, CUSTOM_INSTRUCTIONS

from .csr_model import MACHINE, MIE, USER, CsrModel
from .decode import Decoded, decode

_SP = 2
_DEFAULT_CALL_MASK = 1 << 1 | 0xFF << 10  # ra and a0 to a7


@lru_cache(maxsize=1 << 16)
def decode_all(raw: int) -> Decoded | None:
    """As ``decode``, and the custom instructions, whose kind is ``custom``."""
    for custom in CUSTOM_INSTRUCTIONS:
        if raw & custom.mask == custom.match:
            fields = ((7, custom.rd), (15, custom.rs1), (20, custom.rs2))
            rd, rs1, rs2 = (raw >> at & 31 if used else 0 for at, used in fields)
            return Decoded(custom.name, custom.name, 4, raw, "custom", rd, rs1, rs2, 0)
    return decode(raw)


@dataclass(frozen=True)
class CodeRegion:
    """Bytes ``start`` to ``end`` (exclusive) of encrypted code in a set of contexts. ``key`` and ``owner`` are anything
    that can be compared."""

    start: int
    end: int
    key: object
    owner: object
    automatic: bool
    contexts: frozenset[int]

    @property
    def code(self) -> tuple:
        """What code of one key and one owner has in common."""
        return self.key, self.owner, self.automatic


#: Encrypted code of which no region is known.
_UNKNOWN = (None, None, False)


@dataclass
class Context:
    """What belongs to a context. ``registers[0]`` is its program counter; ``stacks`` are the stack pointers of
    encrypted code by key, ``plain_sp`` is that of plain code; that of the side that runs is out of date. ``code`` is
    that of the running encrypted code. ``links`` are pairs of address and code; ``called`` is the return address when
    the last instruction was a call."""

    registers: list[int] = field(default_factory=lambda: [0] * 32)
    level: int = USER
    encrypted: bool = False
    sealed: bool = False
    links: list[tuple[int, tuple]] = field(default_factory=list)
    plain_sp: int = 0
    stacks: dict[object, int] = field(default_factory=dict)
    code: tuple = _UNKNOWN
    landing: bool = False
    called: int | None = None
    generation: int = 0


class ContextModel:
    """All contexts. ``read`` and ``write`` reach the registers of the one that runs; its number is ``number``."""

    def __init__(
        self,
        csr: CsrModel,
        read: Callable[[int], int],
        write: Callable[[int, int], None],
        regions: Sequence[CodeRegion] = (),
    ) -> None:
        self._csr = csr
        self._regions = regions
        self._read = read
        self._write = write
        self._contexts = {n: Context() for n in range(15)}
        self._contexts[0].level = MACHINE
        self._generation = 0
        self.number = 0

    @property
    def running(self) -> Context:
        """The context that runs."""
        return self._contexts[self.number]

    def execute(self, d: Decoded, pc: int) -> int:
        """One custom instruction at ``pc``; returns the next address."""
        after = pc + 4 & 0xFFFF_FFFF
        match d.name:
            case "ctxput":
                place = self._read(d.rs1)
                self._contexts[place & 15].registers[place >> 8 & 31] = self._read(d.rs2)
            case "ctxrun":
                self.running.registers[0] = after
                return self._switch(self._read(d.rs1) & 15)
            case "ctxnew":
                self._generation += 1
                number = self._read(d.rs1) & 15
                self._contexts[number] = Context(generation=self._generation)
                self._write(d.rd, self._generation)
            case "ctxget":
                place = self._read(d.rs1)
                context = self._contexts[place & 15]
                asks_generation = place & CTXGET_GENERATION
                self._write(d.rd, context.generation if asks_generation else context.registers[place >> 8 & 31])
            case "ctxkill":
                self._contexts[self._read(d.rs1) & 15] = Context()
            case "cryptomode":
                return self._enter(self._read(d.rs1) if d.rs1 else after)
            case "retmode":
                return self._leave_mode(d, after)
        return after

    def arrive(self, pc: int, called: int | None) -> None:
        """The next instruction stands at ``pc``: change mode if it is automatic code of another key, or none any more.

        ``called`` is the return address when the instruction before it was a call.
        """
        context = self.running
        region = self._region(pc)
        code = region.code if region and region.automatic else None
        if context.landing or code == (context.code if context.encrypted else None):
            return
        if context.encrypted and not context.code[2]:
            return
        linked = context.encrypted and called is not None
        if context.encrypted:
            context.stacks[context.code[0]] = self._read(_SP)
            if called is not None:
                context.links.append((called, context.code))
            self._clear(_DEFAULT_CALL_MASK | 1 << _SP)
        else:
            context.plain_sp = self._read(_SP)
        context.encrypted = code is not None
        if code is None:
            self._write(_SP, context.plain_sp)
            return
        context.sealed, context.code = True, code
        context.landing = linked or context.links[-1:] != [(pc, code)]
        if not context.landing:
            context.links.pop()
        self._write(_SP, context.stacks.get(code[0], 0))

    def _region(self, pc: int) -> CodeRegion | None:
        inside = (r for r in self._regions if r.start <= pc < r.end and self.number in r.contexts)
        return next(inside, None)

    def _clear(self, mask: int) -> None:
        """Registers outside of ``mask`` are zero from now on."""
        for n in range(1, 32):
            if not mask >> n & 1:
                self._write(n, 0)

    def trap(self, cause: int, interrupt: bool, pc: int, tval: int) -> int | None:
        """A trap out of a context that is not the trap context 0: the handler's address; None for an ordinary trap."""
        if self.number == 0:
            return None
        context = self.running
        call = context.sealed and not interrupt and cause == self._csr.environment_call().value
        context.registers[0] = pc + (4 if call else 0)
        context.level = self._csr.level
        self._csr.stored[Csr.MCAUSE] = interrupt << 31 | cause
        self._csr.stored[Csr.MTVAL] = tval
        self._csr.mstatus &= ~MIE
        self._contexts[0].level = MACHINE
        self._exchange(0)
        return self._csr.stored[Csr.HXTVEC]

    def _switch(self, number: int) -> int:
        self._exchange(number)
        return self.running.registers[0]

    def _exchange(self, number: int) -> None:
        """Another context's registers and level become current, and those of the running one are kept."""
        self.running.level = self._csr.level
        self.running.registers[1:] = [self._read(n) for n in range(1, 32)]
        self.number = number
        for n in range(1, 32):
            self._write(n, self.running.registers[n])
        self._csr.level = self.running.level

    def _enter(self, target: int) -> int:
        context = self.running
        context.encrypted = context.sealed = True
        region = self._region(target)
        context.code = region.code if region else _UNKNOWN
        if context.links and context.links[-1][0] == target:
            context.code = context.links.pop()[1]
        context.plain_sp = self._read(_SP)
        self._write(_SP, context.stacks.get(context.code[0], 0))
        return target

    def _leave_mode(self, d: Decoded, after: int) -> int:
        context = self.running
        target = self._read(d.rs1) if d.rs1 else after
        mask = self._read(d.rs2) if d.rs2 else _DEFAULT_CALL_MASK
        context.encrypted = False
        context.stacks[context.code[0]] = self._read(_SP)
        self._clear(mask | 1 << _SP)
        self._write(_SP, context.plain_sp)
        if d.rd:
            context.links.append((after, context.code))
            self._write(d.rd, after)
        return target
