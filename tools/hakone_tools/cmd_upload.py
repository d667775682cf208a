"""``hakone upload``: sends an image to a board over its serial line and starts it."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from hakone.isa.boot_image import BootImage

from .errors import ToolError
from .uploading import Upload

_EPILOG = "PORT is a device such as /dev/ttyUSB0 or COM3, or what pyserial takes as a URL (socket://HOST:PORT)."


def read_image(path: str) -> BootImage:
    """An image from a file. Raises ``ToolError`` when it is not one, or not whole."""
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        raise ToolError(path, f"cannot be read: {e.strerror}", "name a file that exists") from None
    try:
        return BootImage.unpack(data)
    except ValueError as e:
        raise ToolError(path, str(e), "make it with `hakone image`") from None


@click.command("upload", help="Send an image to a board over its serial line and start it.", epilog=_EPILOG)
@click.argument("port", metavar="PORT")
@click.argument("image", metavar="IMAGE")
@click.option("--baud", type=click.IntRange(1), default=115_200, show_default=True, help="rate of the line")
@click.option(
    "--wait", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="seconds for a first answer"
)
@click.option("-q", "--quiet", is_flag=True, help="no progress, and not what the boot program prints")
def command(port: str, image: str, baud: int, wait: float, quiet: bool) -> None:
    """Open the line, send, report."""
    import serial

    loaded = read_image(image)
    try:
        line = serial.serial_for_url(port, baudrate=baud, timeout=0.05, write_timeout=10)
    except (serial.SerialException, ValueError, OSError) as e:
        reason = getattr(e, "strerror", None) or " ".join(str(e).split())
        raise ToolError(port, f"cannot be opened: {reason}", "name the board's port; is it in use elsewhere?") from None
    console = Console(stderr=True, quiet=quiet)
    columns = ("sending", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with line, Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=len(loaded.payload))
            tell = lambda text: console.print(text, end="", markup=False, highlight=False)
            Upload(line, image, tell, wait_seconds=wait).run(loaded, lambda sent: bar.update(task, completed=sent))
    except serial.SerialException as e:
        raise ToolError(port, f"lost: {' '.join(str(e).split())}", "check the cable and try again") from None
    if not quiet:
        click.echo(f"hakone upload: {image}: {len(loaded.payload)} bytes, started at {loaded.entry:#x}", err=True)
