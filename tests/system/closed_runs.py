"""Runs of the small operating system with owner, partner, outsider and stranger, and what each of them had in the end.

The observer is not the firmware: what processes and operating system took away is read from the memory chip, and
searched for the plaintext, which the tests know from the inputs and compute from the keys, by the snooper's rule.
"""

import hashlib
import random
import struct
from dataclasses import dataclass
from pathlib import Path

from observation import Job, Seen, observe, xts
from PIL import Image

from hakone_sim import plaintext
from hakone_tools.demo.inputs import write_inputs
from hakone_tools.image import read_elf
from hakone_tools.os_record import HEAD_BYTES, OsRecord, windows
from hakone_tools.paths import FIRMWARE
from hakone_tools.sealing import SeededKeys
from hakone_tools.system_image import Plan, System, build_system
from hakone_tools.system_programs import ClosedProgram, PlainProgram, draw_shared

APPS = FIRMWARE / "apps" / "closed"
EXCHANGE_BYTES = 4096
HAULS = 8
SHARED_SEED, OTHER_SEED = 100, 200
COMMON = ("main.c", "exchange.c")


class Story(OsRecord):
    """A run of a system that ended by itself, and what the operating system wrote down about it."""

    def __init__(self, system: System, seen: Seen):
        super().__init__(system.program.symbols(), seen.chip)
        self.system, self.seen = system, seen

    def opened(self, name: str, key: bytes, size: int = EXCHANGE_BYTES) -> bytes:
        """The first area as it lies in memory, read with the sharers' key."""
        return self.decrypt(name, key, self.seen.chip(self.area(), HEAD_BYTES + size))

    def decrypt(self, name: str, key: bytes, data: bytes) -> bytes:
        """Lines of an area from its beginning on, read with a key."""
        return xts({"start": 0, "tag": area_tag(name), "key": key}, 0, data, decrypt=True)


def area_tag(name: str) -> int:
    """The region tag that the library gives to an area."""
    return int.from_bytes(hashlib.sha256(b"hakone closed area " + name.encode()).digest()[:4], "little")


def derived_key(seed: bytes, name: str) -> bytes:
    """The key that programs compute from their seed."""
    return hashlib.sha256(seed.ljust(32, b"\0") + name.encode().ljust(32, b"\0")).digest()


class Secrets:
    """What must not be found: windows of the plaintexts given, but for those that stand in a plain section."""

    def __init__(self, system: System, *texts: bytes):
        assert system.program.plaintexts is not None
        rows = plaintext.read(system.program.plaintexts)
        plain = {w for row in rows if not row.protected for w in windows(row.data)}
        self._windows = {w for text in texts for w in windows(text)} - plain
        assert len(self._windows) > 40, "too few windows for a statement"

    def found(self, *places: bytes) -> int:
        """How many windows of ``places`` are secret."""
        return sum(w in self._windows for place in places for w in windows(place))


@dataclass(frozen=True)
class Inputs:
    """The owner's picture and text, and the assembly file that holds them."""

    source: Path
    picture: bytes
    text: bytes

    @property
    def mirrored(self) -> bytes:
        """The picture's pixels with every line from right to left."""
        width, height = struct.unpack_from("<2I", self.picture)
        rows = [self.picture[16 + 4 * width * y :][: 4 * width] for y in range(height)]
        return b"".join(row[4 * x : 4 * x + 4] for row in rows for x in reversed(range(width)))


def make_inputs(folder: Path) -> Inputs:
    """A picture without flat areas, and the beginning of our letter."""
    noise = random.Random(5)
    picture = Image.new("RGB", (16, 12))
    picture.putdata([tuple(noise.randrange(256) for _ in range(3)) for _ in range(16 * 12)])
    text = (FIRMWARE / "apps" / "album" / "letter.txt").read_bytes()[:900]
    source = write_inputs(folder, picture, text)
    return Inputs(source, (folder / "picture.bin").read_bytes(), text)


def program(
    name: str, files: tuple[str, ...], contexts: set[int], seed: int, *defines: str, shared: int = SHARED_SEED, **more
) -> ClosedProgram:
    """A protected program of ``firmware/apps/closed``; ``shared`` is the seed of what it shares."""
    sources = [APPS / f if "/" not in f else Path(f) for f in files]
    size = f"EXCHANGE_BYTES={EXCHANGE_BYTES}"
    keys = draw_shared(SeededKeys(shared))
    return ClosedProgram(name, sources, frozenset(contexts), SeededKeys(seed), keys, (size, *defines), **more)


def owner(inputs: Inputs, *defines: str) -> ClosedProgram:
    """A, in context 1."""
    return program("owner", (*COMMON, "owner.c", str(inputs.source)), {1}, 101, "ROLE=1", *defines)


def partner(*defines: str) -> ClosedProgram:
    """B, in context 2."""
    return program("partner", (*COMMON, "partner.c"), {2}, 102, "ROLE=2", *defines)


def stranger(shared: int = OTHER_SEED) -> ClosedProgram:
    """D, of another vendor, in context 4."""
    return program("stranger", ("exchange.c", "stranger.c"), {4}, 103, shared=shared)


def outsider(*defines: str) -> PlainProgram:
    """C, a plain program, in the first context that no boot record names."""
    return PlainProgram("outsider", [APPS / "outsider.c"], (f"EXCHANGE_BYTES={EXCHANGE_BYTES}", *defines))


def vandal() -> PlainProgram:
    """A plain program that writes into the area."""
    source = Path(__file__).resolve().parent / "programs" / "closed" / "vandal.c"
    return PlainProgram("vandal", [source], (f"EXCHANGE_BYTES={EXCHANGE_BYTES}",), (APPS,))


OUTSIDER = 3  #: its context, with the programs above


def tell(
    name: str, plan: Plan, folder: Path, preset: str, in_the_open: bool = False, max_cycles: int = 12_000_000, **options
) -> Story:
    """Build a system, run it under the snooper, and wait for its end."""
    system = build_system(name, plan, folder / name, in_the_open)
    seen = observe(preset, [Job(name, system.program, max_cycles=max_cycles, **options)], folder / name)[name]
    return Story(system, seen)


def code_region(story: Story, name: str) -> tuple[int, int]:
    """First address and size of a program's code region."""
    section = read_elf(str(story.system.linked[name])).sections[".code"]
    return section.start, section.bytes
