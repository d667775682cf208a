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
    AUTOMATIC = 1 << 3  #: mode follows the fetch; else it is entered by cryptomode only
    PLAIN_ACCESS = 1 << 4  #: plain code of the owner may access it as data
    ANY_OWNER = 1 << 5  #: usable by code of any owner id


#: Flags that a protected region may carry, and those of a window (algorithm ``NONE``).
REGION_FLAGS = (
    RegionFlag.READ
    | RegionFlag.WRITE
    | RegionFlag.EXECUTE
    | RegionFlag.AUTOMATIC
    | RegionFlag.PLAIN_ACCESS
    | RegionFlag.ANY_OWNER
)
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


class RegionStatus(enum.Enum, shape=4):
    """What ``setik`` answers in rd. Anything but ``DONE`` has changed nothing."""

    DONE = 0
    BAD_HEADER = 1  #: magic, version, reserved bits or words
    BAD_ALGORITHM = 2
    BAD_FLAGS = 3
    BAD_KEY = 4  #: size, or data key and tweak key are equal
    MISALIGNED = 5
    EMPTY_RANGE = 6  #: no bytes, or past the end of the address space
    BAD_SEGMENT = 7  #: not the segment of the start, or not inside one segment
    OUTSIDE_RAM = 8
    OVERLAP = 9  #: with another entry of this context
    QUOTA = 10  #: the context has installed as many entries as it may
    NO_ENTRY = 11  #: no attribute entry is free
    NO_KEY = 12  #: no key slot or no domain is free


# Words of a region description; the key follows it (for a window: none).
REGION_MAGIC = 0x4452  # "RD"
REGION_WORD_KIND = 0  # bits 15..0 REGION_MAGIC, 18..16 algorithm, 31..24 major version, rest zero
REGION_WORD_ACCESS = 1  # bits 7..0 flags, 15..8 key bytes, 19..16 segment (0 with segments off), rest zero
REGION_WORD_START = 2  # first byte, virtual, multiple of LINE_BYTES
REGION_WORD_BYTES = 3  # size in bytes, multiple of LINE_BYTES
REGION_WORD_TAG = 4  # region tag
# words 5 to 7 are zero
REGION_WORDS = 8
REGION_WORD_KEY = 8  # up to 16 words of key: data key, then tweak key, exactly as many as KEY_BYTES says

# Segment registers. Word 0 makes the segment present or not, word 1 (its limit) makes it not present.
SEGMENT_PRESENT = 1 << 0
SEGMENT_READ = 1 << 1
SEGMENT_WRITE = 1 << 2
SEGMENT_EXECUTE = 1 << 3
SEGMENT_RING_SHIFT = 4  # bits 5..4: ring, 0 to 3; bits 11..6 zero; bits 31..12: base, a multiple of 4096
SEGMENT_WORD_BASE = 0
SEGMENT_WORD_LIMIT = 1  # bits 27..0: offset of the last valid byte; rest zero
SEGMENT_SHIFT = 28  # the top four bits of an address name its segment
SEGMENTS = 16

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


@dataclass(frozen=True)
class RegionDescription:
    """What ``setik`` reads: a region with its key, or a window (algorithm ``NONE``). Sizes are in bytes.

    ``segment`` is the number of the start's segment, or 0 with segments off.
    """

    algorithm: Algorithm
    flags: RegionFlag
    start: int
    bytes: int
    tag: int = 0
    segment: int = 0
    key: builtins.bytes = b""

    def pack(self) -> builtins.bytes:
        """The description as it stands in memory, key included. Judges nothing: the hardware does."""
        head = struct.pack(
            "<5I12x",
            REGION_MAGIC | self.algorithm.value << 16 | VERSION >> 16 << 24,
            int(self.flags) | len(self.key) << 8 | self.segment << 16,
            self.start,
            self.bytes,
            self.tag,
        )
        return head + self.key


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
