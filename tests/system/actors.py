"""Scripts for the actors' program (``programs/protection/actors.S``): contexts that do what a test says.

A script is a list of commands, made by the functions below; ``job`` makes a run of a set of scripts, and ``records``
reads what a context recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from observation import Job, Seen, compile_sealed

from hakone.isa.formats import Algorithm, RegionDescription, RegionFlag
from hakone_tools.programs import Program

Command = tuple[int, int, int, int]
_MARK = 0xAC70
SCRIPT_BYTES, LOG_BYTES, CONTEXTS = 2048, 1024, 6
#: Operations that leave a record, by number, and those that do not.
LOAD, SETIK, CTXNEW, CTXGET, RUN, FAULT = 1, 3, 16, 17, 20, 31
NUMBERS = {
    "load": LOAD,
    "store": 2,
    "setik": SETIK,
    "clrk": 4,
    "jump": 5,
    "cryptomode": 6,
    "retmode": 7,
    "retmode_link": 8,
    "call": 9,
    "copy": 10,
    "store_not": 11,
    "ctxnew": CTXNEW,
    "ctxget": CTXGET,
    "ctxput": 18,
    "ctxkill": 19,
    "run": RUN,
    "segput": 21,
    "hxctl": 22,
    "hxtctx": 23,
    "fence": 24,
    "timer": 25,
    "end": 0,
}
#: Registers of the interpreter that ``ctxput`` sets, and of a new context's first run.
PC, CONTEXT_NUMBER = 0, 17
RW = RegionFlag.READ | RegionFlag.WRITE
KEY_A, KEY_B = bytes(range(32)), bytes(range(100, 132))


def do(name: str, x: int = 0, y: int = 0, z: int = 0) -> Command:
    """One command by name."""
    return NUMBERS[name], x, y, z


END = do("end")


@dataclass(frozen=True)
class Record:
    """What a command left in its context's log."""

    operation: int
    values: tuple[int, int, int]

    @property
    def why(self) -> tuple[int, int]:
        """Of RUN and FAULT: cause and rule."""
        return self.values[0], self.values[1]


def build(folder: Path, policy: str = "actors.toml", in_the_open: bool = False) -> Program:
    """The actors' program, sealed."""
    return compile_sealed("actors", ["actors.S"], folder, policy, in_the_open=in_the_open)


def region(start: int, size: int, key: bytes = KEY_A, tag: int = 9, flags: RegionFlag = RW, **options) -> bytes:
    """A description of a region under AES-128-XTS (or another algorithm), packed."""
    options = {"algorithm": Algorithm.AES128_XTS, **options}
    return RegionDescription(flags=flags, start=start, bytes=size, tag=tag, key=key, **options).pack()


def window(start: int, size: int, flags: RegionFlag = RW, **options) -> bytes:
    """A description of a window."""
    return RegionDescription(Algorithm.NONE, flags, start, size, **options).pack()


def keep(at: int, secret: int) -> Command:
    """Store a word that stands nowhere in the open."""
    return do("store_not", at, ~secret & 0xFFFF_FFFF)


def install(at: int, description: bytes) -> list[Command]:
    """Write a description to the (protected) address ``at`` and install it."""
    words = [int.from_bytes(description[n : n + 4], "little") for n in range(0, len(description), 4)]
    return [*(keep(at + 4 * n, word) for n, word in enumerate(words)), do("setik", at)]


def begin(program: Program, context: int) -> list[Command]:
    """Context 0 puts a plain context at the beginning of its script."""
    start = program.symbols()["plain_start"]
    return [do("ctxput", context | PC << 8, start), do("ctxput", context | CONTEXT_NUMBER << 8, context)]


def inside(program: Program, context: int) -> Command:
    """Enter encrypted mode where the context's own vendor has his landing."""
    return do("cryptomode", program.symbols()["inside_a" if context < 3 else "inside_b"])


def job(name: str, program: Program, scripts: dict[int, Iterable[Command]], **options) -> Job:
    """A run of these scripts, by context. Raises ``ValueError`` for a script that is too long."""
    at = program.symbols()
    patches = {}
    for context, commands in scripts.items():
        words = [word for command in (*commands, END, END) for word in command]
        if len(words) * 4 > SCRIPT_BYTES or context >= CONTEXTS:
            raise ValueError(f"script of context {context}: {len(words)} words, {SCRIPT_BYTES // 4} are possible")
        start = at["scripts"] + SCRIPT_BYTES * context
        patches |= {start + 4 * n: word & 0xFFFF_FFFF for n, word in enumerate(words)}
    return Job(name, program, patches=patches, max_cycles=400_000, **options)


def records(seen: Seen, program: Program, context: int) -> list[Record]:
    """What a context recorded, in order. The run must have ended by itself."""
    assert seen.status == 0, seen.reason
    words = seen.words(program.symbols()["logs"] + LOG_BYTES * context, LOG_BYTES // 4)
    found = []
    for n in range(0, len(words), 4):
        if words[n] >> 16 != _MARK:
            break
        found.append(Record(words[n] & 0xFFFF, (words[n + 1], words[n + 2], words[n + 3])))
    return found


def answers(seen: Seen, program: Program, context: int, operation: int) -> list[int]:
    """The first value of each record of one operation."""
    return [r.values[0] for r in records(seen, program, context) if r.operation == operation]
