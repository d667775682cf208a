"""What the small operating system wrote down about a run, read from an image of the memory afterwards.

Layouts are those of ``firmware/os/kernel.h``, ``hostile.h`` and ``firmware/include/hakone/os.h``.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

OUTPUT_OFFSET, OUTPUT_BYTES = 64 + 512, 3072  #: of struct os_mailbox: what a process leaves for the time after its end
HEAD_BYTES = 64  #: first line of a closed area, the library's own


class Kind(IntEnum):
    """Kinds of events."""

    STARTED = 1
    EXITED = 2
    FAULTED = 3
    NOTED = 4
    SHARED = 5
    UNSHARED = 6


class Door(IntEnum):
    """What the hostile build tries."""

    PHYSICAL = 1
    OWN_SEGMENT = 2
    SAME_ADDRESS = 3
    REGISTERS = 4
    GENERATION = 5
    TRAP_CONTEXT = 6
    SET_COUNTER = 7
    SET_REGISTER = 8
    SETIK = 9
    CLRK = 10
    CLRK_CONTEXT = 11
    STUB_BEFORE = 12
    NEW_LIFE = 13
    OLD_REGISTERS = 14
    STUB_AFTER = 15


#: Doors through which memory is read.
MEMORY_DOORS = (Door.PHYSICAL, Door.OWN_SEGMENT, Door.SAME_ADDRESS, Door.STUB_AFTER)


@dataclass(frozen=True)
class Event:
    """One event. ``a`` and ``b``: started: address of the mailbox; exited: code; faulted: cause and rule; noted: the
    number; shared: virtual and physical address."""

    kind: Kind
    context: int
    a: int
    b: int


@dataclass(frozen=True)
class Attempt:
    """One thing that the hostile build tried. ``result``: 0, or cause and rule of its refusal."""

    door: Door
    context: int
    moment: int
    result: int
    source: int
    loot: int
    bytes: int


class OsRecord:
    """Reads the record. ``symbols`` are those of the operating system, ``chip`` gives bytes of the memory."""

    def __init__(self, symbols: Mapping[str, int], chip: Callable[[int, int], bytes]):
        self._symbols, self._chip = symbols, chip

    def _rows(self, table: str, count: str, words: int) -> list[tuple[int, ...]]:
        """Rows of a table, as many as its counter says; none where this build has no such table."""
        if table not in self._symbols:
            return []
        (number,) = struct.unpack("<I", self._chip(self._symbols[count], 4))
        return list(struct.iter_unpack(f"<{words}I", self._chip(self._symbols[table], 4 * words * number)))

    @property
    def events(self) -> list[Event]:
        """What happened, in order."""
        return [Event(Kind(row[0]), *row[1:]) for row in self._rows("os_events", "os_event_count", 4)]

    def of(self, kind: Kind, context: int | None = None) -> list[Event]:
        """Events of a kind, of one context or of all."""
        return [e for e in self.events if e.kind == kind and context in (None, e.context)]

    def exits(self) -> dict[int, int]:
        """What each process that ended by itself ended with, by context."""
        return {e.context: e.a for e in self.of(Kind.EXITED)}

    def output(self, context: int) -> bytes:
        """What a process left in its mailbox."""
        return self._chip(self.of(Kind.STARTED, context)[0].a + OUTPUT_OFFSET, OUTPUT_BYTES)

    def area(self, number: int = 0) -> int:
        """Physical address of the first, second, ... area that was shared."""
        return list(dict.fromkeys(e.b for e in self.of(Kind.SHARED)))[number]

    def addresses(self) -> dict[int, int]:
        """Where each context had the first area."""
        return {e.context: e.a for e in self.of(Kind.SHARED) if e.b == self.area()}

    def attempts(self, *doors: Door) -> list[Attempt]:
        """What the hostile build tried, at some doors or at all."""
        rows = [Attempt(Door(row[0]), *row[1:]) for row in self._rows("attempts", "attempt_count", 7)]
        return [a for a in rows if not doors or a.door in doors]

    def loot(self, attempt: Attempt) -> bytes:
        """What an attempt got."""
        return self._chip(attempt.loot, attempt.bytes)


def windows(data: bytes) -> list[bytes]:
    """Every eight bytes in a row with five or more different values: what the bus snooper searches for."""
    return [w for n in range(len(data) - 7) if len(set(w := data[n : n + 8])) >= 5]
