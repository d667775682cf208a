"""Sequences of the model of contexts as instructions for the core: each move becomes a few, with all that must be seen
when they complete. Nothing lies in memory; the bench hands the instructions out in this order.
"""

from dataclasses import dataclass, field

from core_bench import Region

from hakone.isa.cause import Cause, Interrupt
from hakone.isa.csr import HXCTX_ENCRYPTED, HXCTX_SEALED, Csr
from hakone.isa.encoding import CLRK_CONTEXT, CUSTOM
from hakone.isa.platform import RAM_BASE, RESET_PC
from hakone_sim.assembler import Assembler
from hakone_sim.models.context_cover import drivable
from hakone_sim.models.context_moves import Chip, settled
from hakone_sim.models.context_state import KIND_SHIFT, Code, Kind, Mode, Place, State, Values
from hakone_sim.models.context_steps import Move, Step

PLAIN, HANDLER, TRAPPED = RAM_BASE, RAM_BASE + 0x1_0000, RAM_BASE + 0x2_0000
VICTIM, STRANGER, SIZE = RAM_BASE + 0x4_0000, RAM_BASE + 0x5_0000, 0x1_0000
MIDDLE = 0x800
OWNERS = {Code.VICTIM: 0, Code.STRANGER: 1}
SP, CLEARED, KEPT = 2, 18, 10  #: the model's three registers
SEEN = (CLEARED, KEPT, SP)
NOP = 0x0000_0013
BOOT_CONTEXTS = 0b0110
SECRETS = range(Kind.SECRET << KIND_SHIFT, Kind.OLD << KIND_SHIFT)  #: all values of the victim's


@dataclass
class Item:
    """One instruction, and what must be seen of it: where it is fetched, who executes it, its result or its trap.

    ``drains``: nothing is handed out until it is done. ``goes``: it also redirects, so that what is handed out behind
    it must never be executed. ``crosses``: it is not executed, the mode changes and it is fetched again.
    ``interrupt``: an interrupt is waiting when it comes. ``regions``, ``wiped``, ``entries``: from here on, when all
    before is done.
    """

    word: int
    at: int
    who: tuple[int, int, int]
    move: str = ""
    value: int | None = None
    trap: int | None = None
    tval: int | None = None
    drains: bool = False
    goes: bool = False
    crosses: bool = False
    interrupt: bool = False
    regions: list[Region] | None = None
    wiped: tuple[int, ...] = ()
    entries: int = 0


def word(name: str, *operands: int, imm: int = 0) -> int:
    """An instruction: rd, rs1, rs2."""
    assembler = Assembler(0)
    assembler.op(name, *operands, imm=imm)
    return int.from_bytes(assembler.image(), "little")


def regions(s: State) -> list[Region]:
    """What the attribute registers hold for context 1."""
    found = []
    for code, start in ((Code.VICTIM, VICTIM), (Code.STRANGER, STRANGER)):
        if s.slot_of(code) >= 0:
            found.append(Region(start, start + SIZE, s.slot_of(code), OWNERS[code], s.automatic))
    return found


def _slots(s: State) -> set[int]:
    """Key slots in use."""
    return {s.victim_slot, s.stranger_slot, s.held} - {-1}


@dataclass
class Script:
    """Turns a sequence into ``items``. ``state`` is the model's, the rest what it abstracts from.

    ``without``: rules that the model does not have, for the proof that the core has them. ``salt``: other secrets.
    ``thorough``: handlers and plain code read all registers.
    """

    state: State
    without: frozenset[str] = frozenset()
    salt: int = 0
    thorough: bool = False
    items: list[Item] = field(default_factory=list)
    at: int = RESET_PC
    saved: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0, 2: 0})
    links: list[int] = field(default_factory=list)
    banks: dict[int, list[int]] = field(default_factory=lambda: {0: [0, 0, 0], 2: [0, 0, 0]})

    def __post_init__(self):
        self.values = Values(numbered=True, salt=self.salt)
        self.chip = Chip(self.without, values=self.values)
        self.move = "start"
        self._pending = 0
        self._regions(self.state, ())
        for csr, value in ((Csr.HXCTL, 1), (Csr.HXTVEC, HANDLER), (Csr.MTVEC, TRAPPED), (Csr.MIE, 0x888)):
            self._csrw(csr, value)
        self._li(30, PLAIN)
        self._go(word("jalr", 0, 30), PLAIN)

    # -- single instructions -------------------------------------------------------------------------------------

    def _who(self) -> tuple[int, int, int]:
        s = self.state
        return s.running, s.running_level, int(s.running_mode != Mode.PLAIN)

    def _item(self, code: int, **expected) -> Item:
        item = Item(code, self.at, self._who(), self.move, **expected)
        self.items.append(item)
        self.at += 4
        return item

    def _go(self, code: int, to: int, **expected):
        self._item(code, drains=True, goes=True, **expected)
        self.at = to

    def _li(self, register: int, value: int):
        low = (value & 0xFFF ^ 0x800) - 0x800
        high = value - low >> 12 & 0xF_FFFF
        self._item(word("lui", register, imm=high), value=high << 12)
        self._item(word("addi", register, register, imm=low), value=value)

    def _csrw(self, csr: Csr, value: int):
        self._li(30, value)
        self._item(word("csrrw", 0, 30, imm=int(csr)), drains=True)

    def _csrr(self, csr: Csr, value: int | None):
        self._item(word("csrrs", 29, imm=int(csr)), value=value, drains=True)

    def _custom(self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0) -> int:
        return CUSTOM[name].encode(rd, rs1, rs2)

    def _regions(self, s: State, wiped: tuple[int, ...]):
        """Regions change without an instruction."""
        self._item(NOP, regions=regions(s), wiped=wiped, entries=2 * (max(s.victim_slot, s.stranger_slot) >= 0))

    def _observe(self, s: State):
        """Whoever runs reads the three registers."""
        values = self.banks.get(s.running) or (s.cleared, s.kept, s.stack)
        for register, value in zip(SEEN, values, strict=True):
            self._item(word("addi", 28, register), value=value)
        if self.thorough and (s.running != 1 or s.code != Code.VICTIM):
            for register in range(1, 32):
                self._item(word("addi", 0 if register == 28 else 28, register))

    # -- moves ---------------------------------------------------------------------------------------------------

    def add(self, move: Move) -> bool:
        """One more move. False when it is not possible in this state."""
        before = self.state
        if move not in self.chip.moves(before):
            return False
        self.move = f"{move} ({len(self.items)})"
        step = self.chip.step(before, move)
        if not drivable(before, move, step):
            return False
        getattr(self, "_" + move.name)(before, step, move.on)
        self.state = after = step.state
        del self.links[after.link_count :]
        if step.cause or step.interrupt:
            self._handled(before, step)
        if after.running != 1 or settled(after):
            self._observe(after)
        return True

    def _ended(self, code: int, step: Step, **expected) -> bool:
        """The move's last instruction when it traps; the rest of the trap is ``_handled``'s."""
        if step.cause:
            self._item(code, trap=step.cause.value, drains=True, goes=True, **expected)
        return bool(step.cause)

    def _handled(self, s: State, step: Step):
        """A trap has been taken: where it goes, and what the handler is told."""
        leaves = s.running != s.trap_context
        sealed = s.running == 1 and s.sealed
        trapped = self.at - 4
        if leaves:
            self.saved[s.running] = trapped + 4 * (sealed and step.cause == Cause.ECALL_U)
        self.at = HANDLER if leaves else TRAPPED
        cause = 1 << 31 | Interrupt.TIMER.value if step.interrupt else step.cause.value
        self._csrr(Csr.MCAUSE, cause)
        self._csrr(Csr.HXSUB, step.sub.value)
        if sealed:
            self._csrr(Csr.MTVAL, step.value)
        if leaves:
            encrypted = s.running_mode != Mode.PLAIN
            self._csrr(Csr.HXCTX, s.running | HXCTX_SEALED * sealed | HXCTX_ENCRYPTED * encrypted)

    def _interrupt(self, s: State, step: Step, _on: int):
        self._item(NOP, trap=32 | Interrupt.TIMER.value, interrupt=True, drains=True, goes=True)

    def _ecall(self, s: State, step: Step, _on: int):
        self._ended(word("ecall"), step)

    def _hxtctx(self, s: State, step: Step, n: int):
        self._csrw(Csr.HXTCTX, n)
        self._csrr(Csr.HXTCTX, step.state.trap_context)

    def _ctxnew(self, s: State, step: Step, n: int):
        self._li(30, n)
        self._li(31, 4)
        code = self._custom("ctxnew", 28, 30, 31)
        if not self._ended(code, step):
            self._item(code, drains=True)
            self.saved[n] = 0
            if n == 2:
                self.banks[2] = [0, 0, 0]

    def _ctxkill(self, s: State, step: Step, n: int):
        self._li(30, n)
        if not self._ended(self._custom("ctxkill", rs1=30), step):
            self._item(self._custom("ctxkill", rs1=30), drains=True)

    def _ctxget(self, s: State, step: Step, n: int):
        values = [*(self.banks.get(n) or step.values), self.saved[n]]
        for register, value in zip((*SEEN, 0), values, strict=False):
            self._li(30, n | register << 8)
            if self._ended(self._custom("ctxget", 28, 30), step):
                break
            self._item(self._custom("ctxget", 28, 30), value=value, drains=True)

    def _put(self, step: Step, n: int, register: int, value: int) -> bool:
        self._li(30, n | register << 8)
        self._li(31, value)
        if self._ended(self._custom("ctxput", rs1=30, rs2=31), step):
            return False
        self._item(self._custom("ctxput", rs1=30, rs2=31))
        return True

    def _ctxput(self, s: State, step: Step, n: int):
        after = step.state
        values = [self.values.open() for _ in SEEN] if n == 2 else [after.cleared, after.kept, after.stack]
        done = [self._put(step, n, r, v) for r, v in zip(SEEN[: 1 if step.cause else 3], values, strict=False)]
        if n == 2 and all(done):
            self.banks[2] = values

    def _put_pc(self, s: State, step: Step, place: int):
        address = self._address(s, Place(place))
        if self._put(step, 1, 0, address):
            self.saved[1] = address

    def _ctxrun(self, s: State, step: Step, n: int):
        self._li(30, n)
        if not self._ended(self._custom("ctxrun", rs1=30), step):
            self.saved[s.running] = self.at + 4
            self._go(self._custom("ctxrun", rs1=30), self.saved[n])

    def _clear(self, s: State, step: Step, _on: int):
        self._li(30, CLRK_CONTEXT | 1)
        if not self._ended(self._custom("clrk", rs1=30), step):
            self._item(self._custom("clrk", rs1=30), drains=True)
            self._changed(s, step)

    def _changed(self, s: State, step: Step, *_):
        after = step.state
        self._regions(after, tuple(_slots(s) - _slots(after)))

    _install = _unshare = _changed

    def _release(self, s: State, step: Step, code: int):
        self._li(5, VICTIM if code == Code.VICTIM else STRANGER)
        self._item(self._custom("clrk", rs1=5), drains=True)
        self._changed(s, step)

    def _mret(self, s: State, step: Step, _on: int):
        target = PLAIN + 0x8000
        self._csrw(Csr.MEPC, target)
        self._li(30, 0x1800)
        self._item(word("csrrc", 0, 30, imm=int(Csr.MSTATUS)), drains=True)
        self._go(word("mret"), target)

    def _load(self, s: State):
        for register, value in zip(SEEN, (s.cleared, s.kept, s.stack), strict=True):
            self._li(register, value)

    def _write(self, s: State, step: Step, _on: int):
        self._load(step.state)

    _work = _write

    def _address(self, s: State, place: Place) -> int:
        if place in (Place.NEWEST_LINK, Place.OLDER_LINK):
            back = 1 if place == Place.NEWEST_LINK else 2
            return self.links[-back] if len(self.links) >= back else VICTIM + MIDDLE
        return {
            Place.VICTIM_LANDING: VICTIM,
            Place.VICTIM_MIDDLE: VICTIM + MIDDLE,
            Place.STRANGER_LANDING: STRANGER,
        }.get(place, PLAIN + 0x4000)

    def _cryptomode(self, s: State, step: Step, place: int):
        address = self._address(s, Place(place))
        self._li(5, address)
        if not self._ended(self._custom("cryptomode", rs1=5), step):
            self._go(self._custom("cryptomode", rs1=5), address)

    def _linked(self, s: State, after: State, pushed: int = 0):
        """Keep the address of a new link."""
        if after.link_count > s.link_count:
            self.links.append(pushed)

    def _jump(self, s: State, step: Step, place: int):
        address = self._address(s, Place(place))
        if s.code == Code.VICTIM:
            self._declare(step)
        self._li(5, address)
        self._go(word("jalr", 0, 5), address)

    def _retmode(self, s: State, step: Step, _on: int):
        self._li(6, PLAIN)
        self._ended(self._custom("retmode", rs1=6), step)

    def _fault(self, s: State, step: Step, _on: int):
        self._ended(word("lw", 7, CLEARED), step, tval=0)

    def _inner_call(self, s: State, step: Step, _on: int):
        self._go(word("jal", 1, imm=16), self.at + 16)

    def _declare(self, step: Step):
        self._li(KEPT, step.state.kept)

    def _new_place(self):
        """No two links lead to one address."""
        while self.at + 4 in self.links:
            self._item(NOP)

    def _leave(self, s: State, step: Step, _on: int):
        self._declare(step)
        self._li(6, PLAIN + 0x4000)
        self._go(self._custom("retmode", rs1=6), PLAIN + 0x4000)

    def _call(self, s: State, step: Step, _on: int):
        self._declare(step)
        self._li(6, PLAIN + 0x4000)
        self._new_place()
        self._linked(s, step.state, self.at + 4)
        self._go(self._custom("retmode", 1, 6), PLAIN + 0x4000)

    def _jump_out(self, s: State, step: Step, _on: int):
        self._declare(step)
        self._li(6, PLAIN + 0x4000)
        self._go(word("jalr", 0, 6), PLAIN + 0x4000)

    def _call_out(self, s: State, step: Step, _on: int):
        self._declare(step)
        self._li(6, PLAIN + 0x4000)
        self._new_place()
        self._pending = self.at + 4
        self._go(word("jalr", 1, 6), PLAIN + 0x4000)

    def _call_stranger(self, s: State, step: Step, _on: int):
        self._declare(step)
        self._li(6, STRANGER)
        self._new_place()
        self._linked(s, step.state, self.at + 4)
        self._go(word("jalr", 1, 6), STRANGER)
        self._cross()

    def _cross(self):
        """The instruction is seen, not executed, and comes again in the other mode."""
        self._item(NOP, drains=True, goes=True, crosses=True)
        self.at -= 4

    def _fetch(self, s: State, step: Step, _on: int):
        after = step.state
        if step.cause:
            self._ended(NOP, step)
        elif s.mode == Mode.LANDING and s.place in (Place.VICTIM_LANDING, Place.STRANGER_LANDING):
            self._go(self._custom("cryptoland"), self.at + 4)
        elif s.mode == Mode.LANDING or (s.mode == after.mode == Mode.ENCRYPTED and s.place == Place.OUTSIDE):
            self._item(NOP)  # a rule is missing
        elif (s.mode, s.code) != (after.mode, after.code):
            self._cross()
            self._linked(s, after, self._pending)
        elif after.mode == Mode.PLAIN and not step.leak:
            # Plain code where a region may be installed, later: it goes to where none ever is.
            self.state = after
            self._li(5, PLAIN + 0x4000)
            self._go(word("jalr", 0, 5), PLAIN + 0x4000)
