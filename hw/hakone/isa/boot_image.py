"""What the boot program loads and how it is sent to it: images, frames of the serial line, reasons to refuse.

All words are little-endian. CRC-32 is the one of ISO/IEC 8802-3 (reflected, 0x04C11DB7, as ``zlib.crc32``).

An image is a block of ``IMAGE_BLOCK_BYTES`` that begins with the header (the rest is zero), then the payload. On a card
it begins at sector ``IMAGE_SECTOR``, which is where partitioning programs put a first partition.

A frame on the serial line: ``FRAME_START``, kind, number (2 bytes), length (2 bytes), payload, CRC-32 of all from the
kind on. It is answered with ``FRAME_START``, a ``BootProblem``, the frame's kind and number (2 bytes), CRC-32 of these
four bytes. Text of the boot program comes between the answers and never holds ``FRAME_START``.
"""

import enum
import struct
import zlib
from dataclasses import dataclass

from . import VERSION
from .platform import LINE_BYTES

IMAGE_MAGIC = 0x4D49_4B48  # "HKIM"
IMAGE_WORD_MAGIC = 0
IMAGE_WORD_VERSION = 1  # of instructions and formats: same major number, minor not above the boot program's
IMAGE_WORD_LOAD = 2  # first byte, a multiple of LINE_BYTES
IMAGE_WORD_BYTES = 3  # of the payload, a multiple of IMAGE_BLOCK_BYTES
IMAGE_WORD_ENTRY = 4  # first instruction, inside the payload
IMAGE_WORD_PAYLOAD_CRC = 5
IMAGE_WORD_RESERVED = 6  # zero
IMAGE_WORD_HEADER_CRC = 7  # CRC-32 of the words before it
IMAGE_HEADER_WORDS = 8
IMAGE_HEADER_BYTES = 4 * IMAGE_HEADER_WORDS
IMAGE_BLOCK_BYTES = 512
IMAGE_SECTOR = 2048

#: End of RAM that belongs to the boot program until it starts the image: its stack.
LOADER_BYTES = 4096

FRAME_START = 0xA5
FRAME_HEADER = 1  #: kind of a frame: the image's header; begins an upload
FRAME_DATA = 2  #: the next part of the payload: ``FRAME_DATA_BYTES``, the last what is left; numbers count from 0
FRAME_RUN = 3  #: check the whole and start it
FRAME_DATA_BYTES = 1024
FRAME_HEAD = struct.Struct("<BBHH")
ANSWER = struct.Struct("<BBBHI")


class BootProblem(enum.IntEnum):
    """What the boot program finds."""

    NONE = 0
    MAGIC = 1
    HEADER_CRC = 2
    VERSION = 3
    RESERVED = 4
    LENGTH = 5
    ADDRESS = 6
    LOADER = 7
    ENTRY = 8
    PAYLOAD_CRC = 9
    ORDER = 10
    AGAIN = 11


#: The same in words: what the boot program prints, and ``hakone upload``.
BOOT_PROBLEM_TEXT = {
    BootProblem.NONE: "taken",
    BootProblem.MAGIC: "not an image",
    BootProblem.HEADER_CRC: "wrong CRC of the header",
    BootProblem.VERSION: "made for another version",
    BootProblem.RESERVED: "reserved word is not zero",
    BootProblem.LENGTH: "length is zero or no multiple of 512",
    BootProblem.ADDRESS: "does not lie in memory",
    BootProblem.LOADER: "reaches into the boot program's stack",
    BootProblem.ENTRY: "entry lies outside",
    BootProblem.PAYLOAD_CRC: "wrong CRC of the payload",
    BootProblem.ORDER: "frame out of order",
    BootProblem.AGAIN: "damaged frame",
}


@dataclass(frozen=True)
class BootImage:
    """What is loaded: ``payload`` at ``load``, started at ``entry``."""

    load: int
    entry: int
    payload: bytes
    version: int = VERSION

    def header(self) -> bytes:
        """The header. Judges nothing: the boot program does."""
        words = (IMAGE_MAGIC, self.version, self.load, len(self.payload), self.entry, zlib.crc32(self.payload), 0)
        head = struct.pack("<7I", *words)
        return head + struct.pack("<I", zlib.crc32(head))

    def pack(self) -> bytes:
        """The image as a file, or as it stands on a card."""
        return self.header().ljust(IMAGE_BLOCK_BYTES, b"\0") + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> "BootImage":
        """From a file. Raises ``ValueError`` with the text of a ``BootProblem``, or saying how much is missing."""
        if len(data) < IMAGE_BLOCK_BYTES or int.from_bytes(data[:4], "little") != IMAGE_MAGIC:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.MAGIC])
        _, version, load, length, entry, payload_crc, reserved, header_crc = struct.unpack_from("<8I", data)
        if zlib.crc32(data[: IMAGE_HEADER_BYTES - 4]) != header_crc:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.HEADER_CRC])
        if reserved:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.RESERVED])
        payload = data[IMAGE_BLOCK_BYTES : IMAGE_BLOCK_BYTES + length]
        if len(payload) != length:
            raise ValueError(f"truncated: {len(payload)} bytes of {length}")
        if not length or length % IMAGE_BLOCK_BYTES:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.LENGTH])
        if load % LINE_BYTES:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.ADDRESS])
        if zlib.crc32(payload) != payload_crc:
            raise ValueError(BOOT_PROBLEM_TEXT[BootProblem.PAYLOAD_CRC])
        return cls(load, entry, payload, version)


def frame(kind: int, number: int, payload: bytes) -> bytes:
    """A frame for the boot program."""
    head = FRAME_HEAD.pack(FRAME_START, kind, number & 0xFFFF, len(payload))
    return head + payload + struct.pack("<I", zlib.crc32(head[1:] + payload))


def answer(problem: int, kind: int, number: int) -> bytes:
    """The boot program's answer to a frame."""
    middle = struct.pack("<BBH", problem, kind, number & 0xFFFF)
    return bytes([FRAME_START]) + middle + struct.pack("<I", zlib.crc32(middle))
