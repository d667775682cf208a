"""Verilog and pin table of a board's top module, and the tables that lie in ``constraints/``."""

from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.back import verilog
from amaranth.vendor import LatticeECP5Platform

from ..boards import pins
from ..boards.board import BOARDS, Board
from ..boards.top import BoardTop
from ..isa import VERSION
from ..soc.config import PRESETS, SocConfig
from .verilog import _use_packaged_yosys


@dataclass(frozen=True)
class BoardSources:
    """What place and route starts from: Verilog of module ``board.top``, its ``pins`` as LPF or XDC, and a file name
    for them.
    """

    verilog: str
    pins: str
    pins_name: str


def generate_board(
    board: Board, config: SocConfig, fuses: bytes | None = None, boot_program: bytes | None = None
) -> BoardSources:
    """Verilog and pins; the same bytes each time. Raises ``ValueError`` for a configuration that cannot be on it.

    The fuse image stands in the Verilog in the open, as it does in the bitstream.
    """
    _use_packaged_yosys()
    top = BoardTop(board, config, fuses, boot_program)
    text = verilog.convert(
        top, platform=top.pads.platform, name=board.top, ports=(), emit_src=False, strip_internal_attrs=True
    )
    choices = "\n".join(f"//   {name} = {value}" for name, value in asdict(config).items())
    head = (
        f"// Hakone {VERSION >> 16}.{VERSION & 0xFFFF}, module {board.top} ({board.title}), generated from\n{choices}\n"
    )
    name, table = _pins(top)
    return BoardSources(head + text, table, name)


def _pins(top: BoardTop) -> tuple[str, str]:
    if isinstance(top.pads.platform, LatticeECP5Platform):
        return f"{top.pads.board.name}.lpf", pins.lpf(top.pads)
    return f"{top.pads.board.name}.xdc", pins.xdc(top.pads)


def pin_table(board: Board, config: SocConfig) -> tuple[str, str]:
    """File name and text of the pins alone, which takes no time. Raises ``ValueError`` as ``generate_board``."""
    top = BoardTop(board, config)
    top.elaborate(top.pads.platform)  # hands out the pads
    return _pins(top)


def write_constraints(folder: Path) -> list[Path]:
    """Write the pin table of every board, of its own preset, into ``folder``; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for board in BOARDS.values():
        name, text = pin_table(board, PRESETS[board.name])
        (folder / name).write_text(text)
        written.append(folder / name)
    return written
