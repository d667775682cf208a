"""``hakone build``: a bitstream for a board, or one unit placed on its own, with every seed's rate and a report."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hakone.boards import board as boards
from hakone.gen import verilog
from hakone.soc.config import SocConfig

from . import history
from .boot_program import boot_program
from .cmd_generate import load_config
from .cmd_sim import read_fuses
from .errors import ToolError
from .fpga import report, synthesis
from .fpga.flow import JOBS, Built, Design, build
from .fpga.place import Device
from .fpga.stage import StageError
from .paths import BUILD

#: Where a unit on its own is placed: the ULX3S' device.
UNIT_DEVICE = Device("85k", "CABGA381", "6")
#: Units whose figures stand in a board's report too.
UNITS_TOLD = ("aes128_enc",)
MOST_SEEDS = 100
PACKAGES = {"BG256": "CABGA256", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756", "MG285": "CSFBGA285"}


def parse_seeds(text: str) -> list[int]:
    """``3``, ``1,4`` or ``1..5``. Raises ``ToolError``."""
    seeds: list[int] = []
    for word in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})(?:\.\.(\d{1,6}))?\s*", word)
        if not found:
            raise ToolError(f"--seeds {text}", "is not a list of seeds", "write 3, or 1,4, or 1..5")
        first, last = int(found[1]), int(found[2] or found[1])
        seeds += range(first, min(last, first + MOST_SEEDS) + 1)
    if not seeds or len(set(seeds)) != len(seeds) or len(seeds) > MOST_SEEDS:
        raise ToolError(f"--seeds {text}", f"1 to {MOST_SEEDS} different seeds are needed", "write 1..5")
    return seeds


def device_of(board: boards.Board) -> Device:
    """The board's ECP5 in nextpnr's words. Raises ``ToolError`` for a board with another family."""
    platform = board.open_platform()
    found = re.fullmatch(r"LFE5(U|UM|UM5G)-(\d+)F", getattr(platform, "device", ""))
    if not found:
        raise ToolError(
            board.name,
            "is no ECP5 board, and these tools place for no other family",
            f"take the Verilog of `hakone generate --unit {board.top}` and constraints/ to the vendor's tools",
        )
    family = "" if found[1] == "U" else found[1].lower() + "-"
    return Device(f"{family}{found[2]}k", PACKAGES[platform.package], platform.speed)


@click.command("build", help="A bitstream for a board, or one unit placed and routed on its own.")
@click.option("--board", "board_name", metavar="B", help="board to build for")
@click.option("--unit", help="module to place on its own, instead of a board")
@click.option("--fuses", metavar="F", help="fuse image that the bitstream holds, in the open, from `hakone seal`")
@click.option("--preset", help="named configuration (default: the board's, or default)")
@click.option("--config", "file", metavar="F.toml", help="TOML file with configuration keys")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="change one configuration key")
@click.option("--seeds", default="1..5", show_default=True, metavar="LIST", help="seeds of place and route")
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True, help="tools at once")
@click.option("--target-mhz", type=click.FloatRange(1, 500), default=100.0, show_default=True, help="of a unit")
def command(
    board_name: str | None,
    unit: str | None,
    fuses: str | None,
    preset: str | None,
    file: str | None,
    options: tuple[str, ...],
    seeds: str,
    jobs: int,
    target_mhz: float,
) -> int:
    """Check everything, build, report; 1 when no seed is fast enough for the board."""
    numbers = parse_seeds(seeds)
    if (board_name is None) == (unit is None):
        raise ToolError("--board", "one of --board and --unit is needed", f"boards: {', '.join(boards.BOARDS)}")
    try:
        board = boards.by_name(board_name) if board_name else None
        config = load_config(preset or (board.name if board else "default"), file, options)
        if config.simulation_only:
            problem = "a protection is open; for simulation only, take another configuration"
            raise ValueError(f"cipher, probe or open_checks: {problem}")
        if board is None:
            return build_unit(str(unit), config, numbers, jobs, target_mhz)
        image = read_fuses(fuses)
        with private() if image else nullcontext():
            return build_board(board, config, image, numbers, jobs)
    except ValueError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.partition("; ")
        raise ToolError(culprit, problem, remedy or "`hakone generate --list` names what is possible") from None
    except StageError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.rpartition("; ")
        raise ToolError(culprit, problem, remedy) from None


@contextmanager
def private() -> Iterator[None]:
    """Files made in here can be read by their owner only: with fuses, all that is made holds the keys."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def place_unit(
    unit: str, config: SocConfig, seeds: list[int], jobs: int, target_mhz: float, again: str
) -> tuple[Built, list[report.Record]]:
    """Place a unit of the generator on its own; what became of it, and its figures. Raises ``ToolError``."""
    if unit not in verilog.UNITS:
        raise ToolError(f"--unit {unit}", "no such unit", "`hakone generate --list` names them")
    text = verilog.generate_cached(config, BUILD / "verilog" / "cache", unit).read_text()
    design = Design(unit, text, unit, UNIT_DEVICE, counted=(text, unit), target_mhz=target_mhz)
    built = build(design, seeds, BUILD / "fpga" / "units" / unit, jobs)
    lut4 = report.record(f"fpga.{unit}.lut4", synthesis.luts(built.cells[unit]), "LUT4", again)
    return built, [lut4, *report.speed_records(built, unit, again)]


def build_unit(unit: str, config: SocConfig, seeds: list[int], jobs: int, target_mhz: float) -> int:
    """A unit on its own, with its report."""
    again = f"hakone build --unit {unit} --seeds {','.join(map(str, seeds))}"
    built, records = place_unit(unit, config, seeds, jobs, target_mhz, again)
    _tell(built, records, BUILD / "fpga" / "units" / unit, unit, None)
    return 0


def build_board(board: boards.Board, config: SocConfig, fuses: bytes | None, seeds: list[int], jobs: int) -> int:
    """A bitstream, and the report; 1 when no seed reaches the clock, and then there is no bitstream."""
    writer = history.open_for("fpga")
    device = device_of(board)
    folder = BUILD / "fpga" / (f"{board.name}-fused" if fuses else board.name)
    source, pins = _sources(board, config, fuses, folder)
    system = verilog.generate_cached(config, BUILD / "verilog" / "cache").read_text()
    design = Design(board.name, source, board.top, device, pins, (system, "hakone"))
    goal_mhz = config.clock_hz / 1e6
    built = build(design, seeds, folder, jobs, goal_mhz)
    again = f"make fpga BOARD={board.name}"
    records = report.speed_records(built, "soc", again) + report.area_records(built.cells, again)
    for unit in UNITS_TOLD:
        if unit in verilog.UNITS:
            records += place_unit(unit, config, seeds, jobs, 200.0, again)[1]
    final = folder / f"{board.name}.bit"
    final.unlink(missing_ok=True)
    _tell(built, records, folder, "hakone", goal_mhz, board=board.title)
    if writer:
        writer.record(records)
    if built.bitstream is None:
        click.echo(
            f"hakone build: {board.name}: no seed reaches {goal_mhz:g} MHz, so there is no bitstream; try other seeds, "
            "or --set clock_hz=",
            err=True,
        )
        return 1
    shutil.copyfile(built.bitstream, final)
    click.echo(f"{final}: bitstream of seed {built.best.seed}; `make flash BOARD={board.name}` loads it")
    return 0


def _sources(board: boards.Board, config: SocConfig, fuses: bytes | None, folder: Path) -> tuple[str, str]:
    """Verilog and pins of the board, made only when something has changed."""
    from hakone.gen.boards import generate_board

    boot = boot_program()
    key = verilog.fingerprint(config, board.top) + sha256(repr((fuses, boot)).encode()).hexdigest()[:16]
    stamp, text, pins = folder / "sources.txt", folder / f"{board.top}.v", folder / "pins.txt"
    if not (stamp.exists() and stamp.read_text() == key and text.exists() and pins.exists()):
        sources = generate_board(board, config, fuses, boot)
        folder.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        text.write_text(sources.verilog)
        pins.write_text(sources.pins)
        stamp.write_text(key)
    return text.read_text(), pins.read_text()


def _tell(
    built: Built, records: list[report.Record], folder: Path, system: str, goal_mhz: float | None, **content: Any
) -> None:
    console = Console()
    console.print(report.rooms_table(built.cells, system))
    report.print_built(built, goal_mhz, console)
    for r in records:
        console.print(f"{r['name']} = {r['value']} {r['unit']}", highlight=False, soft_wrap=True)
    report.write(folder / "report.json", records, cells=built.cells, **report.built_content(built), **content)
    console.print(f"wrote {folder / 'report.json'} in {built.seconds:.0f} s", highlight=False, soft_wrap=True)
