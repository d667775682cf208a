"""``hakone image``: a program as an image that the boot program loads from an SD card or over the serial line."""

import click

from hakone.isa.boot_image import IMAGE_BLOCK_BYTES, IMAGE_SECTOR, LOADER_BYTES, BootImage
from hakone.isa.platform import LINE_BYTES, RAM_BASE

from .cmd_generate import load_config
from .errors import ToolError
from .image import read_elf
from .outputs import refuse_overwriting, write_all

_EPILOG = (
    f"Put it on a card from sector {IMAGE_SECTOR} on (`dd if=IMAGE of=DEVICE seek={IMAGE_SECTOR}`, or a first "
    "partition that begins there), or send it with `hakone upload`. Memory that the file says nothing about is not "
    "cleared."
)


def boot_image(path: str, ram_bytes: int) -> BootImage:
    """The image of a program, for a system with ``ram_bytes``.

    Raises ``InputError`` for a bad program, and ``ToolError`` when it reaches into the end of memory, which is the boot
    program's.
    """
    program = read_elf(path, ram_bytes)
    parts = [s for s in program.segments if s.data]
    if not parts:
        raise ToolError(path, "nothing to load", "name a linked program")
    start = min(s.start for s in parts) & -LINE_BYTES
    end = max(s.end for s in parts)
    end = start + -(-(end - start) // IMAGE_BLOCK_BYTES) * IMAGE_BLOCK_BYTES
    limit = RAM_BASE + ram_bytes - LOADER_BYTES
    if end > limit:
        what = f"reaches {end - 1:#x}, and the last {LOADER_BYTES} bytes of memory are the boot program's"
        raise ToolError(path, what, f"link it to end before {limit:#x}, or set ram_bytes")
    return BootImage(start, program.entry, program.read(start, end - start))


@click.command("image", help="Make an image for an SD card or for `hakone upload`.", epilog=_EPILOG)
@click.argument("program", metavar="PROGRAM.elf")
@click.option("-o", "output", required=True, metavar="F", help="image to write")
@click.option("--preset", default="default", show_default=True, help="named configuration of the board")
@click.option("--config", "file", metavar="F.toml", help="TOML file with configuration keys")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="change one configuration key")
def command(program: str, output: str, preset: str, file: str | None, options: tuple[str, ...]) -> None:
    """Read, cut out, write."""
    refuse_overwriting([output], [program])
    try:
        config = load_config(preset, file, options)
    except ValueError as e:
        culprit, _, rest = str(e).partition(": ")
        raise ToolError(culprit, rest or "impossible", "`hakone generate --list` names what is possible") from None
    image = boot_image(program, config.ram_bytes)
    write_all({output: image.pack()})
    click.echo(f"{output}: {len(image.payload)} bytes for {image.load:#x}, starts at {image.entry:#x}", err=True)
