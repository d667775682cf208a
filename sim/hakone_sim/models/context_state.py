"""State of the exhaustive model of contexts: what the chip holds of one protected program and of those around it.

Three contexts: 0 is the manager's, 1 has the number that the protected program runs under, 2 is another one, which may
also be the trap context. Registers are reduced to three (one that a call clears, one that it keeps, the stack pointer)
and their values to where they come from. Two pieces of encrypted code can be installed in context 1: the **victim's**
and a **stranger's**, whose author works for the manager. Source: the project's context model (``docs/reference``).
"""

from enum import IntEnum
from typing import NamedTuple

KIND_SHIFT = 28  #: a value's kind stands in its upper four bits; the rest tells values of one kind apart
LINK_LIMIT = 2  #: back links of a context; the hardware has 8, and two show the same


class Kind(IntEnum):
    """Where a value comes from."""

    ZERO = 0
    OPEN = 1  #: written by the manager, plain code or the stranger, or declared by the victim
    SECRET = 2  #: the victim's
    OLD = 3  #: of an earlier life of the context, whatever it was then


_OLD, _SECRET = int(Kind.OLD) << KIND_SHIFT, int(Kind.SECRET) << KIND_SHIFT


def kind(value: int) -> Kind:
    """Kind of a value."""
    return Kind(value >> KIND_SHIFT)


def visible(*values: int) -> bool:
    """May everybody see these?"""
    return max(values) < _SECRET


def old(value: int) -> int:
    """The same value after its context was ended."""
    return value | _OLD if value else 0


class Mode(IntEnum):
    """Execution mode of context 1."""

    PLAIN = 0
    LANDING = 1  #: encrypted mode was entered, the first instruction has not run
    ENCRYPTED = 2


class Code(IntEnum):
    """Encrypted code: whose."""

    NONE = 0
    VICTIM = 1
    STRANGER = 2


class Place(IntEnum):
    """Where the program counter of context 1 points to."""

    PLAIN = 0  #: plain code
    INSIDE = 1  #: encrypted code, where it came to by itself
    VICTIM_LANDING = 2
    VICTIM_MIDDLE = 3  #: anywhere in the victim's code, by somebody else's choice
    STRANGER_LANDING = 4
    NEWEST_LINK = 5
    OLDER_LINK = 6
    OUTSIDE = 7  #: plain code, but still in encrypted mode: a jump has just left the region
    OUTSIDE_CALL = 8  #: the same after a jump that keeps its return address
    RETURNED = 9  #: where a back link led that was taken


class Link(NamedTuple):
    """A back link. ``live``: its code waits for the return; what was used, or points elsewhere by now, is not."""

    code: Code
    slot: int
    live: bool


class State(NamedTuple):
    """Everything that the model's rules and properties look at. ``slots`` of code that is not installed are -1."""

    running: int = 0
    trap_context: int = 0
    manager_level: int = 3  #: of context 0
    other_exists: bool = True
    other_level: int = 0
    exists: bool = True
    sealed: bool = False
    level: int = 0
    mode: Mode = Mode.PLAIN
    code: Code = Code.NONE
    slot: int = 0
    place: Place = Place.PLAIN
    cleared: int = 0  #: a register outside the call mask
    kept: int = 0  #: a register inside it
    stack: int = 0  #: x2
    plain_stack: int = 0  #: hidden word of the plain side
    stacks: tuple[int, int] = (0, 0)  #: hidden words of the encrypted side, by key slot
    links: tuple[Link, ...] = ()
    link_count: int = 0  #: links in use
    victim_slot: int = 0
    stranger_slot: int = 1
    held: int = -1  #: key slot that context 2 keeps alive by an entry of its own under the victim's key
    stale: bool = False  #: the entries belong to an earlier life of context 1
    automatic: bool = False  #: both regions are automatic ones

    @property
    def running_level(self) -> int:
        """Level of the code that runs."""
        return (self.manager_level, self.level, self.other_level)[self.running]

    @property
    def running_mode(self) -> Mode:
        """Mode of the code that runs."""
        return self.mode if self.running == 1 else Mode.PLAIN

    def slot_of(self, code: Code) -> int:
        """Key slot of a piece of code, -1 when it is not installed."""
        return (-1, self.victim_slot, self.stranger_slot)[code]

    def free_slot(self) -> int:
        """The first key slot that nobody uses."""
        return next(n for n in range(3) if n not in (self.victim_slot, self.stranger_slot, self.held))

    def exists_number(self, number: int) -> bool:
        """Does the context exist?"""
        return (True, self.exists, self.other_exists)[number]

    def newest(self, back: int = 1) -> Link | None:
        """The newest link, or one ``back`` places from the end."""
        if self.link_count < back:
            return None
        return self.links[(self.link_count - back) % LINK_LIMIT]


class Values:
    """Source of values. In the search all values of a kind are one; ``numbered`` tells them apart, for the hardware.
    ``salt`` (less than 2**16) makes other secrets."""

    def __init__(self, numbered: bool = False, salt: int = 0):
        self._numbered, self._count, self._salt = numbered, 0, salt

    def _next(self, of: Kind) -> int:
        self._count += self._numbered
        return of << KIND_SHIFT | self._count

    def open(self) -> int:
        """A value that everybody may see."""
        return self._next(Kind.OPEN)

    def secret(self) -> int:
        """A value of the victim's."""
        return self._next(Kind.SECRET) ^ self._salt << 12
