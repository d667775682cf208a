"""The model of contexts: what a move is, what comes of it, and what a trap does.

Source: the project's context model (``docs/reference``).
"""

from typing import NamedTuple

from hakone.isa.cause import Cause, Sub

from .context_rules import RULES
from .context_state import Code, Kind, Mode, Place, State, Values, kind, visible

MACHINE = 3
NUMBERED = ("hxtctx", "ctxnew", "ctxkill", "ctxget", "ctxput", "ctxrun")
PLACED = ("cryptomode", "jump", "put_pc")
INSTALLED = ("install", "release")
ALONE = (
    *("interrupt", "fetch", "ecall", "mret", "clear", "write", "retmode", "unshare"),
    *("work", "fault", "inner_call", "leave", "call", "jump_out", "call_out", "call_stranger"),
)


class Move(NamedTuple):
    """A move and what it acts on: a context number, a place, or a piece of code."""

    name: str
    on: int = 0

    def __str__(self) -> str:
        if self.name in PLACED:
            return f"{self.name} {Place(self.on).name.lower()}"
        if self.name in INSTALLED:
            return f"{self.name} {Code(self.on).name.lower()}"
        return f"{self.name} {self.on}" if self.name in NUMBERED else self.name

    @classmethod
    def read(cls, text: str) -> "Move":
        """The move that ``str`` wrote. Raises ``ValueError`` when it is none."""
        name, _, on = text.partition(" ")
        if name not in (*NUMBERED, *PLACED, *INSTALLED, *ALONE):
            raise ValueError(f"{text}: no such move")
        kinds = Code if name in INSTALLED else Place if name in PLACED else None
        try:
            move = cls(name, kinds[on.upper()] if kinds else int(on or 0))
        except (KeyError, ValueError):
            raise ValueError(f"{text}: no such move") from None
        if str(move) != text:
            raise ValueError(f"{text}: no such move")
        return move


class Step(NamedTuple):
    """Outcome of a move. ``cause`` of the trap it took, None without one; ``values`` are what was read."""

    state: State
    cause: Cause | None = None
    sub: Sub = Sub.NONE
    value: int = 0  #: what ``mtval`` shows
    interrupt: bool = False
    values: tuple[int, ...] = ()
    leak: str = ""
    halted: bool = False


class Traps:
    """The chip with all rules but ``without``, as far as traps go. ``backstop``: a trap that finds what must not be
    sealed sealed stops it. ``values`` are what software makes up."""

    def __init__(self, without: frozenset[str] = frozenset(), backstop: bool = False, values: Values | None = None):
        unknown = without - RULES.keys()
        if unknown:
            raise ValueError(f"no such rule: {', '.join(sorted(unknown))}")
        self.on = frozenset(RULES) - without
        self._backstop = backstop
        self._values = values or Values()

    def _trap(self, s: State, cause: Cause | None, sub: Sub = Sub.NONE, value: int = 0) -> Step:
        """A trap out of the running context; ``cause`` None is an interrupt."""
        hidden = s.running == 1 and s.sealed and "hidden_value" in self.on
        shown = 0 if hidden else value
        leak = "" if visible(shown) else "mtval shows a value of the program"
        if self._backstop and s.sealed and s.trap_context == 1:
            return Step(s, cause, Sub.CONTEXT_TRAP_SEALED, halted=True)
        if s.running == 1 and s.mode == Mode.LANDING and "landing_kept" not in self.on:
            code, slot = self._code_at(s, s.place)
            s = s._replace(mode=Mode.ENCRYPTED, code=code, slot=slot)
        if "trap_bank" in self.on or s.running == s.trap_context:
            after = self._become(s, s.trap_context)
        else:
            after = self._become(s, s.running)
        return Step(after, cause, sub, shown, cause is None, leak=leak or self._seen(after))

    def _become(self, s: State, number: int) -> State:
        """A handler runs in a context: level 3, plain mode."""
        s = s._replace(running=number)
        if number == 0:
            return s._replace(manager_level=MACHINE)
        if number == 2:
            return s._replace(other_level=MACHINE)
        return s._replace(level=MACHINE, mode=Mode.PLAIN, code=Code.NONE, slot=0, place=Place.PLAIN)

    @staticmethod
    def _seen(s: State) -> str:
        """What is wrong when code of somebody else's runs in context 1 with its registers."""
        foreign = s.running == 1 and s.code != Code.VICTIM and s.mode != Mode.LANDING
        if foreign and not visible(s.cleared, s.kept, s.stack):
            if Kind.OLD in (kind(s.cleared), kind(s.kept), kind(s.stack)):
                return "registers of an earlier life are read"
            who = "the stranger" if s.code == Code.STRANGER else "a handler" if s.level == MACHINE else "plain code"
            return f"{who} runs with registers of the program"
        return ""

    def _shown(self, s: State) -> Step:
        return Step(s, leak=self._seen(s))

    def _do_interrupt(self, s: State, _on: int) -> Step:
        return self._trap(s, None)

    def _do_ecall(self, s: State, _on: int) -> Step:
        return self._trap(s, Cause.ECALL_M if s.running_level == MACHINE else Cause.ECALL_U)

    @staticmethod
    def _code_at(s: State, place: Place) -> tuple[Code, int]:
        """The code that lies there: whose, and its key slot; none in plain memory or when it is not installed."""
        if place in (Place.VICTIM_LANDING, Place.VICTIM_MIDDLE):
            code = Code.VICTIM
        elif place == Place.STRANGER_LANDING:
            code = Code.STRANGER
        elif place in (Place.NEWEST_LINK, Place.OLDER_LINK):
            link = s.newest(1 if place == Place.NEWEST_LINK else 2)
            code = link.code if link else Code.VICTIM
        else:
            code = Code.NONE
        slot = s.slot_of(code)
        return (code, slot) if slot >= 0 else (Code.NONE, 0)
