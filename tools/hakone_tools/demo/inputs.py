"""What the owner puts into the program: a picture and a text, as the assembly file that holds them.

``PICTURE`` and ``TEXT`` in the environment name files of the user's; without them there are a picture drawn here and a
letter of our own.
"""

import os
import struct
from pathlib import Path

from PIL import Image, ImageDraw, UnidentifiedImageError

from ..errors import ToolError
from ..paths import FIRMWARE

SIZE = (128, 80)  #: of our own picture
MOST_PIXELS = 128  #: a user's picture is made smaller until neither side is longer
COLOURS = 32  #: of a user's picture: flat areas are what gives a block cipher without tweak away
TEXT_BYTES_MAX = 16384


def scenery() -> Image.Image:
    """A mountain over a lake, with a gate in the water: flat colours, no smoothing."""
    picture = Image.new("RGB", SIZE, (176, 208, 232))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((96, 8, 111, 23), fill=(240, 226, 150))
    draw.polygon([(0, 54), (18, 38), (34, 46), (46, 54)], fill=(112, 132, 128))
    draw.polygon([(82, 54), (104, 36), (127, 48), (127, 54)], fill=(112, 132, 128))
    draw.polygon([(22, 54), (52, 14), (60, 14), (92, 54)], fill=(72, 88, 120))
    draw.polygon([(43, 26), (52, 14), (60, 14), (69, 26), (63, 23), (57, 29), (51, 23)], fill=(248, 248, 252))
    draw.rectangle((0, 54, 127, 79), fill=(40, 92, 132))
    draw.rectangle((0, 54, 127, 55), fill=(52, 76, 56))
    red, dark = (228, 84, 48), (44, 24, 24)
    for x in (34, 54):
        draw.rectangle((x, 45, x + 3, 70), fill=red)
        draw.rectangle((x - 1, 69, x + 4, 71), fill=dark)
    draw.rectangle((26, 40, 65, 42), fill=dark)
    draw.rectangle((28, 43, 63, 45), fill=red)
    draw.rectangle((31, 51, 60, 53), fill=red)
    for x, y in ((90, 62), (98, 68), (80, 74), (8, 66), (108, 60)):
        draw.rectangle((x, y, x + 11, y), fill=(120, 164, 196))
    return picture


def load_picture(name: str | None) -> Image.Image:
    """The picture of a file, small and with few colours, or ours. Raises ``ToolError`` that names the file."""
    if not name:
        return scenery()
    try:
        with Image.open(name) as opened:
            picture = opened.convert("RGB")
    except OSError as e:
        known = isinstance(e, UnidentifiedImageError)
        problem = "is not a picture that can be read" if known or not e.strerror else f"cannot be read: {e.strerror}"
        raise ToolError(f"PICTURE={name}", problem, "name a PNG or JPEG file") from None
    except (ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise ToolError(f"PICTURE={name}", f"cannot be decoded: {e}", "name another PNG or JPEG file") from None
    picture.thumbnail((MOST_PIXELS, MOST_PIXELS))
    width, height = max(4, picture.width // 4 * 4), max(4, picture.height)
    picture = picture.resize((width, height)) if picture.size != (width, height) else picture
    return picture.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")


def load_text(name: str | None) -> bytes:
    """The text of a file, or ours. Raises ``ToolError`` that names the file."""
    path = Path(name) if name else FIRMWARE / "apps" / "album" / "letter.txt"
    try:
        text = path.read_bytes()
    except OSError as e:
        raise ToolError(f"TEXT={name}", f"cannot be read: {e.strerror}", "name a text file") from None
    if not text.strip():
        raise ToolError(f"TEXT={path}", "is empty", "name a file with some words in it")
    if b"\0" in text:
        raise ToolError(f"TEXT={path}", "is not text: it has zero bytes", "name a text file")
    return text[:TEXT_BYTES_MAX]


def from_environment() -> tuple[Image.Image, bytes]:
    """The picture and the text that the user asked for."""
    return load_picture(os.environ.get("PICTURE")), load_text(os.environ.get("TEXT"))


def pixel_bytes(picture: Image.Image) -> bytes:
    """Pixels as the program has them: red, green, blue, zero."""
    rgb = picture.tobytes()
    return b"".join(rgb[n : n + 3] + b"\0" for n in range(0, len(rgb), 3))


def write_inputs(folder: Path, picture: Image.Image, text: bytes) -> Path:
    """Write the inputs and the assembly file that includes them; the path of that file."""
    folder.mkdir(parents=True, exist_ok=True)
    header = struct.pack("<4I", picture.width, picture.height, 0, 0)
    (folder / "picture.bin").write_bytes(header + pixel_bytes(picture))
    (folder / "text.bin").write_bytes(text + bytes(4 - len(text) % 4))
    source = folder / "inputs.S"
    source.write_text(
        "# The owner's picture and text: protected data when the program is sealed.\n"
        '    .section .data.inputs, "aw"\n'
        "    .globl owner_picture, owner_text\n"
        "    .balign 64\n"
        f'owner_picture:\n    .incbin "{folder / "picture.bin"}"\n'
        "    .balign 64\n"
        f'owner_text:\n    .incbin "{folder / "text.bin"}"\n'
    )
    return source
