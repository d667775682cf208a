"""The reference page of a board's devices and of what the boot program loads, printed from ``hakone.isa``."""

import inspect
import re
from collections.abc import Sequence

from hakone.isa import board_io, boot_image
from hakone.isa.platform import BOOT_PROGRAM, GPIO, RESET_PAGE, SPI, Window


def _comments(owner: type) -> dict[str, str]:
    """The ``#:`` comment behind each member."""
    return dict(re.findall(r"^    (\w+) = [^#\n]*#: (.*)$", inspect.getsource(owner), re.MULTILINE))


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(str(c) for c in row) + " |" for row in rows)]) + "\n"


def _registers(title: str, window: Window, owner: type[board_io.Spi] | type[board_io.Gpio]) -> str:
    comments = _comments(owner)
    rows = [(f"`{r.value:#04x}`", r.name, comments[r.name]) for r in owner]
    place = (
        f"At `{window.base:#010x}`, interrupt {window.interrupt}. Whole words only; offsets between these read 0.\n\n"
    )
    return f"\n## {title}\n\n{place}" + _table(("offset", "name", "meaning"), rows)


def _image() -> str:
    words = [
        (boot_image.IMAGE_WORD_MAGIC, f'`{boot_image.IMAGE_MAGIC:#010x}` ("HKIM")'),
        (boot_image.IMAGE_WORD_VERSION, "version: same major number, minor number not above the boot program's"),
        (boot_image.IMAGE_WORD_LOAD, "first byte in memory, a multiple of 64"),
        (boot_image.IMAGE_WORD_BYTES, f"bytes of the payload, a multiple of {boot_image.IMAGE_BLOCK_BYTES}, not 0"),
        (boot_image.IMAGE_WORD_ENTRY, "first instruction, inside the payload"),
        (boot_image.IMAGE_WORD_PAYLOAD_CRC, "CRC-32 of the payload"),
        (boot_image.IMAGE_WORD_RESERVED, "zero"),
        (boot_image.IMAGE_WORD_HEADER_CRC, "CRC-32 of the words before"),
    ]
    out = "\n## Image\n\nWords of 32 bits, little-endian. CRC-32 as `zlib.crc32`. The header stands in a block of "
    out += (
        f"{boot_image.IMAGE_BLOCK_BYTES} bytes, the payload follows; on a card from sector {boot_image.IMAGE_SECTOR} "
    )
    out += f"on. The payload may not reach into the last {boot_image.LOADER_BYTES} bytes of memory.\n\n"
    return out + _table(("word", "meaning"), words)


def _frames() -> str:
    kinds = [
        (boot_image.FRAME_HEADER, "the header of an image (32 bytes); begins an upload"),
        (boot_image.FRAME_DATA, f"{boot_image.FRAME_DATA_BYTES} bytes of the payload, the last frame what is left"),
        (boot_image.FRAME_RUN, "no bytes: check the whole and start it"),
    ]
    out = "\n## Frames of the serial line\n\n"
    out += f"`{boot_image.FRAME_START:#04x}`, kind, number (2 bytes), length (2), payload, CRC-32 of all from the kind "
    out += "on. "
    out += (
        f"Data frames are numbered from 0, others have number 0. The answer: `{boot_image.FRAME_START:#04x}`, what was "
    )
    out += "found, kind, number (2), CRC-32 of these four bytes.\n\n"
    out += _table(("kind", "payload"), kinds) + "\n### What the boot program finds\n\n"
    rows = [(p.value, p.name, boot_image.BOOT_PROBLEM_TEXT[p]) for p in boot_image.BootProblem]
    return out + _table(("code", "name", "text"), rows)


def board_page(header: str) -> str:
    """The whole page."""
    out = header + "# Devices of a board, images\n\nThe devices exist with `board_io`.\n"
    out += _registers("SPI controller", SPI, board_io.Spi) + _registers("LEDs and buttons", GPIO, board_io.Gpio)
    out += "\n## Mask ROM\n\n"
    out += f"Reset code and device tree at `{RESET_PAGE.base:#06x}`; the boot program, when there is one, at "
    out += f"`{BOOT_PROGRAM.base:#06x}`, {BOOT_PROGRAM.bytes} bytes. It is entered with a0 = hart number, "
    out += "a1 = device tree, "
    out += "a2 = bytes of memory, a3 = clock in Hz.\n"
    return out + _image() + _frames()
