"""``hakone headers``: the generated C header and linker constants."""

from pathlib import Path

import click

from hakone.gen import headers

from .errors import ToolError
from .paths import FIRMWARE


@click.command("headers", help="Write the generated C header and linker constants.")
@click.option("-o", "folder", help="folder to write to  [default: firmware/include/gen]")
@click.option("--check", is_flag=True, help="write nothing; status 1 when a file is not up to date")
def command(folder: str | None, check: bool) -> int:
    """Write the files, or compare them."""
    target = Path(folder) if folder else FIRMWARE / "include" / "gen"
    if check:
        old = headers.stale(target)
        for name in old:
            click.echo(f"{target / name}: not up to date", err=True)
        return 1 if old else 0
    try:
        for path in headers.write(target):
            click.echo(str(path), err=True)
    except OSError as e:
        raise ToolError(folder or target, str(e.strerror), "name a folder that can be written") from None
    return 0
