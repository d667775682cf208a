"""What the tests of the boot program share: a small system that has it, cards, images with a program that is seen."""

import struct
import subprocess
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from hakone.isa.boot_image import IMAGE_BLOCK_BYTES, IMAGE_SECTOR, BootImage
from hakone.isa.platform import RAM_BASE
from hakone.soc.config import SocConfig
from hakone_sim import builder
from hakone_sim.run import Result, simulate
from hakone_tools.boot_program import boot_program

#: A slow clock, so that milliseconds are few cycles.
CONFIG = SocConfig(board_io=True, clock_hz=10_000_000, ram_bytes=1 << 20)
RAM_END = RAM_BASE + CONFIG.ram_bytes
MARK = b"here I am"
BYTES = 3 * 512  #: of an image's payload
#: Tells the finisher that all is well: lui t0, 0x100; lui t1, 5; addi t1, t1, 0x555; sw t1, 0(t0); j .
PASS = struct.pack("<5I", 0x0010_02B7, 0x0000_5337, 0x5553_0313, 0x0062_A023, 0x0000_006F)


def image(load: int = RAM_BASE, blocks: int = BYTES // 512) -> BootImage:
    """An image that ends its run with a pass."""
    return BootImage(load, load, (PASS + MARK).ljust(blocks * IMAGE_BLOCK_BYTES, b"\x5a"))


@dataclass(frozen=True)
class Header:
    """A header word by word, with a correct CRC at its end unless told otherwise."""

    words: tuple[int, ...]
    crc_error: int = 0

    @classmethod
    def of(cls, sound: BootImage, **changes: int) -> "Header":
        """That of ``sound`` with some words changed: ``word3=5``; ``crc_error=1`` flips bits of the CRC."""
        words = list(struct.unpack("<7I", sound.header()[:28]))
        for name, value in changes.items():
            if name.startswith("word"):
                words[int(name[4:])] = value & 0xFFFF_FFFF
        return cls(tuple(words), changes.get("crc_error", 0))

    def pack(self) -> bytes:
        """The 32 bytes."""
        head = struct.pack("<7I", *self.words)
        return head + struct.pack("<I", zlib.crc32(head) ^ self.crc_error)


def card(content: bytes) -> bytes:
    """A card with ``content`` at the image's place."""
    return bytes(IMAGE_SECTOR * IMAGE_BLOCK_BYTES) + content


def boot(max_cycles: int = 600_000, **watch) -> Result:
    """A run of the boot program; it ends when the image says so, or at the limit."""
    return simulate(CONFIG, None, boot_program=boot_program(), max_cycles=max_cycles, hang_cycles=400_000_000, **watch)


def model() -> Path:
    """The executable of the system."""
    return builder.model(CONFIG, boot_program=boot_program())


def start(**pipes) -> subprocess.Popen:
    """The system as a process whose serial line is its standard input and output."""
    words = {"--ram-base": RAM_BASE, "--ram-bytes": CONFIG.ram_bytes, "--period-ps": 10**12 // CONFIG.clock_hz}
    words |= {"--uart-in": "-", "--uart-out": "-", "--hang-cycles": 400_000_000}
    return subprocess.Popen([str(model()), *(str(x) for pair in words.items() for x in pair)], **pipes)


def changed(sound: BootImage, position: int) -> BootImage:
    """With one bit of the payload flipped, and the header as it was."""
    payload = bytearray(sound.payload)
    payload[position] ^= 1
    return replace(sound, payload=bytes(payload))
