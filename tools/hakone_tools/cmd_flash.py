"""``hakone flash``: loads a bitstream into a board with openFPGALoader, or says what to install."""

import subprocess
from pathlib import Path

import click

from hakone.boards import board as boards

from .errors import ToolError
from .paths import BUILD
from .programmer import INSTALL, find_programmer


@click.command("flash", help="Load a bitstream into a board.")
@click.option("--board", "board_name", metavar="B", required=True, help="board that is connected")
@click.option("--bitstream", metavar="F.bit", help="file to load (default: what `hakone build` made)")
@click.option("--permanent", is_flag=True, help="write the board's flash memory, not just the FPGA")
def command(board_name: str, bitstream: str | None, permanent: bool) -> int:
    """Find everything, then run the programmer; its status is the result."""
    try:
        board = boards.by_name(board_name)
    except ValueError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.partition("; ")
        raise ToolError(culprit, problem, remedy) from None
    file = Path(bitstream) if bitstream else BUILD / "fpga" / board.name / f"{board.name}.bit"
    if not file.is_file():
        raise ToolError(str(file), "there is no bitstream", f"run `make fpga BOARD={board.name}`, or name one")
    programmer = find_programmer()
    if programmer is None:
        raise ToolError("openFPGALoader", "is not installed", INSTALL)
    arguments = [programmer, *board.programmer, *(["--write-flash"] if permanent else []), str(file)]
    click.echo(f"$ {' '.join(arguments)}", err=True)
    status = subprocess.run(arguments).returncode
    if status:
        problem = f"ended with status {status} (see above)"
        raise ToolError("openFPGALoader", problem, "check the cable, the board's power and your rights to the device")
    return 0
