"""``hakone build``: a bitstream for a board, or one unit placed on its own, with every seed's rate and a report."""

import re
from pathlib import Path

import click
from rich.console import Console

from hakone.gen import verilog

from .cmd_generate import load_config
from .errors import ToolError
from .fpga import report
from .fpga.flow import JOBS, Design, build
from .fpga.place import Device
from .fpga.stage import StageError
from .paths import BUILD

#: Where a unit on its own is placed: the ULX3S' device.
UNIT_DEVICE = Device("85k", "CABGA381", "6")
MOST_SEEDS = 100


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


@click.command("build", help="A bitstream for a board, or one unit placed and routed on its own.")
@click.option("--unit", help="module to place on its own, instead of a board")
@click.option("--preset", help="named configuration (default: the board's, or default)")
@click.option("--config", "file", metavar="F.toml", help="TOML file with configuration keys")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="change one configuration key")
@click.option("--seeds", default="1..5", show_default=True, metavar="LIST", help="seeds of place and route")
@click.option("--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True, help="tools at once")
@click.option("--target-mhz", type=click.FloatRange(1, 500), default=100.0, show_default=True, help="of a unit")
def command(
    unit: str | None,
    preset: str | None,
    file: str | None,
    options: tuple[str, ...],
    seeds: str,
    jobs: int,
    target_mhz: float,
) -> int:
    """Check everything, build, report."""
    numbers = parse_seeds(seeds)
    if unit not in verilog.UNITS:
        raise ToolError(f"--unit {unit}", "no such unit", "`hakone generate --list` names them")
    try:
        config = load_config(preset or "default", file, options)
    except ValueError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.partition("; ")
        raise ToolError(culprit, problem, remedy or "`hakone generate --list` names what is possible") from None
    if config.simulation_only:
        raise ToolError(
            "cipher, probe or open_checks", "a protection is open", "for simulation only; take another configuration"
        )
    text = verilog.generate_cached(config, BUILD / "verilog" / "cache", unit).read_text()
    folder = BUILD / "fpga" / "units" / unit
    counted = (text, unit)
    design = Design(unit, text, unit, UNIT_DEVICE, counted=counted, target_mhz=target_mhz)
    return _build(design, numbers, folder, jobs, f"hakone build --unit {unit} --seeds {seeds}")


def _build(design: Design, seeds: list[int], folder: Path, jobs: int, again: str) -> int:
    try:
        built = build(design, seeds, folder, jobs)
    except StageError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.rpartition("; ")
        raise ToolError(culprit, problem, remedy) from None
    console = Console()
    if design.counted:
        console.print(report.rooms_table(built.cells, design.counted[1]))
    report.print_built(built, None, console)
    records = report.speed_records(built, design.name, again)
    report.write(folder / "report.json", records, cells=built.cells, **report.built_content(built))
    console.print(f"wrote {folder / 'report.json'} in {built.seconds:.0f} s", highlight=False, soft_wrap=True)
    return 0
