"""Binary formats shared by hardware, tools and models: algorithms, region flags, boot records, fuse image.

All words are 32 bits, little-endian. A fuse image is ``FUSE_WORDS`` words: a header of four words
(``FUSE_MAGIC``, ``isa.VERSION``, number of records, 0), then ``BOOT_RECORDS`` records of ``BOOT_RECORD_WORDS`` words.
Unused records are all zero.
"""

import builtins
import struct
from dataclasses import dataclass

from amaranth.lib import enum

from . import VERSION
from .platform import LINE_BYTES


class Algorithm(enum.Enum, shape=3):
    """Cipher of a region. Codes that are not listed are refused."""

    NONE = 0
    AES128_XTS = 1
    AES256_XTS = 2
    AES128_TREE = 3
    ASCON_TREE = 4


#: Key bytes in the store for each algorithm that this version can use (XTS: data key, then tweak key).
KEY_BYTES = {Algorithm.NONE: 0, Algorithm.AES128_XTS: 32, Algorithm.AES256_XTS: 64}


class RegionFlag(enum.IntFlag, shape=8):
    """Rights and rules of a region."""

    READ = 1 << 0
    WRITE = 1 << 1
    EXECUTE = 1 << 2
    AUTOMATIC = 1 << 3  #: mode follows the fetch; else explicit
    PLAIN_ACCESS = 1 << 4  #: plain code of the owner may access it as data
    ANY_OWNER = 1 << 5  #: usable by code of any owner id


#: Flags that a protected region may carry, and those of a window (algorithm ``NONE``). AUTOMATIC does not exist yet.
REGION_FLAGS = RegionFlag.READ | RegionFlag.WRITE | RegionFlag.EXECUTE | RegionFlag.PLAIN_ACCESS | RegionFlag.ANY_OWNER
WINDOW_FLAGS = RegionFlag.READ | RegionFlag.WRITE


class BootStatus(enum.Enum, shape=4):
    """Why the hardware took or refused a boot record; four bits each in ``hxboot``."""

    EMPTY = 0
    LOADED = 1
    BAD_HEADER = 2
    BAD_ALGORITHM = 3
    MISALIGNED = 4
    EMPTY_RANGE = 5  #: no bytes, or the end is before the start
    OUTSIDE_RAM = 6
    OVERLAP = 7
    BAD_CONTEXTS = 8
    BAD_FLAGS = 9
    BAD_KEY_SIZE = 10
    NO_ROOM = 11  #: more entries than there are places left
    TAG_REUSED = 12  #: key and tag of an earlier record, at another start


BOOT_RECORDS = 4
ATTRIBUTE_ENTRIES = 16  #: entries of the largest configuration
BOOT_RECORD_WORDS = 32
FUSE_HEADER_WORDS = 4
FUSE_WORDS = FUSE_HEADER_WORDS + BOOT_RECORDS * BOOT_RECORD_WORDS
FUSE_MAGIC = 0x4E4B_4148  # "HAKN"
BOOT_RECORD_MAGIC = 0x4B42  # "BK", in bits 15..0 of word 0

# Words of a boot record.
BOOT_WORD_KIND = 0  # bits 15..0 BOOT_RECORD_MAGIC, 18..16 algorithm, 31..19 zero
BOOT_WORD_ACCESS = 1  # bits 15..0 context mask (bit 0 must be 0), 23..16 flags, 31..24 key bytes
BOOT_WORD_START = 2  # first byte, multiple of LINE_BYTES
BOOT_WORD_BYTES = 3  # size in bytes, multiple of LINE_BYTES
BOOT_WORD_TAG = 4  # region tag
# words 5 to 7 are zero
BOOT_WORD_OWNER = 8  # 4 words of owner id
# words 12 to 15 are zero
BOOT_WORD_KEY = 16  # 16 words of key: data key, then tweak key, rest zero


@dataclass(frozen=True)
class BootRecord:
    """One boot record of the fuses. ``contexts`` is a set of numbers 1 to 14; sizes are in bytes."""

    contexts: frozenset[int]
    algorithm: Algorithm
    flags: RegionFlag
    start: int
    bytes: int
    tag: int = 0
    owner: builtins.bytes = b"\0" * 16
    key: builtins.bytes = b""

    def check(self) -> str | None:
        """What is wrong with the record by itself, in words, or None."""
        if not self.contexts or not self.contexts <= set(range(1, 15)):
            return f"contexts {sorted(self.contexts)}: numbers 1 to 14 are possible"
        if self.algorithm not in KEY_BYTES:
            return f"algorithm {self.algorithm.name}: not available in this version"
        wrong = int(self.flags) & ~int(WINDOW_FLAGS if self.algorithm == Algorithm.NONE else REGION_FLAGS)
        if wrong:
            return (
                f"flags {wrong:#04x}: not possible for a {'window' if self.algorithm == Algorithm.NONE else 'region'}"
            )
        if self.start % LINE_BYTES or self.bytes % LINE_BYTES:
            return f"start {self.start:#x}, {self.bytes:#x} bytes: both must be multiples of {LINE_BYTES}"
        if self.bytes <= 0 or self.start + self.bytes > 1 << 32:
            return f"start {self.start:#x}, {self.bytes:#x} bytes: empty or past the end of the address space"
        if len(self.key) != KEY_BYTES[self.algorithm]:
            return f"key of {len(self.key)} bytes: {self.algorithm.name} takes {KEY_BYTES[self.algorithm]}"
        half = len(self.key) // 2
        if self.key and self.key[:half] == self.key[half:]:
            return "data key and tweak key are equal: XTS needs two different ones"
        if len(self.owner) != 16:
            return f"owner id of {len(self.owner)} bytes: 16 are needed"
        return None

    def pack(self) -> builtins.bytes:
        """The record's 128 bytes. Raises ``ValueError`` when ``check`` finds something."""
        problem = self.check()
        if problem:
            raise ValueError(problem)
        mask = sum(1 << n for n in self.contexts)
        head = struct.pack(
            "<5I12x",
            BOOT_RECORD_MAGIC | self.algorithm.value << 16,
            mask | int(self.flags) << 16 | len(self.key) << 24,
            self.start,
            self.bytes,
            self.tag,
        )
        return head + self.owner + bytes(16) + self.key.ljust(64, b"\0")


def pack_fuses(records: list[BootRecord]) -> bytes:
    """A fuse image of ``FUSE_WORDS`` words. Raises ``ValueError`` for a bad record, too many, or an overlap."""
    if len(records) > BOOT_RECORDS:
        raise ValueError(f"{len(records)} boot records: at most {BOOT_RECORDS} are possible")
    entries = sum(len(r.contexts) for r in records)
    if entries > ATTRIBUTE_ENTRIES:
        raise ValueError(
            f"{entries} attribute entries (a record takes one a context): at most {ATTRIBUTE_ENTRIES} exist"
        )
    for i, a in enumerate(records):
        for j, b in enumerate(records[:i]):
            if a.contexts & b.contexts and a.start < b.start + b.bytes and b.start < a.start + a.bytes:
                raise ValueError(f"boot records {j} and {i} overlap at {max(a.start, b.start):#x}")
            protected = Algorithm.NONE not in (a.algorithm, b.algorithm)
            if protected and (a.algorithm, a.key, a.tag) == (b.algorithm, b.key, b.tag) and a.start != b.start:
                raise ValueError(f"boot records {j} and {i} have one key and tag {a.tag:#x}, but not one start")
    image = struct.pack("<4I", FUSE_MAGIC, VERSION, len(records), 0)
    image += b"".join(r.pack() for r in records)
    return image.ljust(FUSE_WORDS * 4, b"\0")


def tweak_bytes(tag: int, line: int) -> bytes:
    """The 16-byte XTS tweak of a line: line number (64 bits), tag (32 bits), zero, little-endian."""
    return struct.pack("<QII", line, tag, 0)
