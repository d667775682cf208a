"""``hakone sim``: runs a program on a simulated system."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from hakone_sim import builder, toolchain, trace
from hakone_sim.program import load
from hakone_sim.run import Watch, simulate

from .boot_program import rom_file
from .cmd_generate import load_config
from .errors import ToolError

_EPILOG = (
    "Exit status: 0 pass, 1 to 99 the program's code (99 for larger ones), 101 hang, 102 unhandled trap, 103 the "
    "bus snooper saw protected plaintext, 104 cycle limit, 105 the system broke a rule of the memory bus; 2 is bad "
    "input."
)


def check_output(path: str | None) -> None:
    """Refuse a file that cannot be written, before anything is run. Raises ``ToolError``."""
    if path is None:
        return
    place = Path(path)
    new = not place.exists()
    try:
        with place.open("ab"):
            pass
    except OSError as e:
        raise ToolError(path, f"cannot be written: {e.strerror}", "name a file that can be written") from None
    if new:
        place.unlink()


def check_input(path: str | None) -> None:
    """Refuse a file that cannot be read. Raises ``ToolError``."""
    if path is None:
        return
    try:
        with open(path, "rb"):
            pass
    except OSError as e:
        raise ToolError(path, f"cannot be read: {e.strerror}", "name a file that exists") from None


def read_fuses(path: str | None) -> bytes | None:
    """Bytes of a fuse image, None for no path. Raises ``ToolError`` for what is none."""
    from hakone.isa.formats import FUSE_WORDS

    if path is None:
        return None
    check_input(path)
    data = Path(path).read_bytes()
    if len(data) != 4 * FUSE_WORDS:
        problem = f"is not a fuse image: {len(data)} bytes instead of {4 * FUSE_WORDS}"
        raise ToolError(path, problem, "name the file that `hakone seal --fuses` wrote")
    return data


@click.command("sim", help="Run a program on a simulated system.", epilog=_EPILOG)
@click.argument("program", metavar="PROGRAM.elf", required=False)
@click.option("--rom", metavar="F", help="boot program in the mask ROM: a flat file, or `boot` for firmware/boot")
@click.option("--card", metavar="F", help="content of an SD card (needs --set board_io=true)")
@click.option("--fuses", metavar="F", help="fuse image of the chip, from `hakone seal`")
@click.option("--preset", default="default", show_default=True, help="named configuration to start from")
@click.option("--config", "file", metavar="F.toml", help="TOML file with configuration keys")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="change one configuration key")
@click.option("--max-cycles", type=click.IntRange(1), metavar="N", help="end with status 104 after N cycles")
@click.option(
    "--hang-cycles", type=click.IntRange(1), default=200_000, show_default=True, help="no instruction for so long"
)
@click.option("--latency", type=click.IntRange(1, 1000), default=10, show_default=True, help="of memory, in cycles")
@click.option(
    "--wait-seed", type=click.IntRange(0), default=0, metavar="N", help="random wait states on the memory bus"
)
@click.option("--uart-in", default="-", show_default=True, metavar="F", help="input of the UART; - is the terminal")
@click.option(
    "--trace", "trace_file", metavar="F", help="every instruction, trap and store: text, or records if F ends in .bin"
)
@click.option("--wave", metavar="F.vcd", help="waveforms (slow)")
@click.option("--wave-from", type=click.IntRange(0), default=0, metavar="N", help="first cycle of the waveforms")
@click.option("--wave-cycles", type=click.IntRange(1), metavar="N", help="number of cycles of the waveforms")
@click.option("--plaintexts", metavar="F", help="watch the bus for what `hakone seal --plaintext-out` wrote")
@click.option("--count-only", is_flag=True, help="what the bus snooper sees is counted and does not fail the run")
@click.option("--ram-out", metavar="F", help="memory at the end, from its first to its last used page")
@click.option("--json", "json_file", metavar="F", help="cycles, instructions and counters")
@click.option("-q", "--quiet", is_flag=True, help="nothing but the program's own output")
def command(
    program: str | None, file: str | None, options: tuple[str, ...], preset: str, quiet: bool, **given: Any
) -> int:
    """Check everything, run, report."""
    outputs = {name: given.pop(name) for name in ("trace_file", "json_file")}
    for path in (*outputs.values(), given["wave"], given["ram_out"]):
        check_output(path)
    given["fuses"] = read_fuses(given["fuses"])
    if given["uart_in"] != "-":
        check_input(given["uart_in"])
    check_input(given["card"])
    given["boot_program"] = rom_file(given.pop("rom"))
    if program is None and given["boot_program"] is None:
        raise ToolError("PROGRAM.elf", "missing", "name a program, or a boot program with --rom")
    try:
        config = load_config(preset, file, options)
        loaded = load(program, config.ram_bytes) if program else None
        result = _run(config, loaded, outputs["trace_file"], given)
    except ValueError as e:
        culprit, _, rest = str(e).partition(": ")
        problem, _, remedy = rest.partition("; ")
        raise ToolError(culprit, problem, remedy or "`hakone generate --list` names what is possible") from None
    except (builder.BuildError, toolchain.MissingToolError) as e:
        click.echo(str(e), err=True)
        raise ToolError("model", "cannot be built (see above)", "run `hakone doctor`") from None
    if outputs["json_file"]:
        Path(outputs["json_file"]).write_text(json.dumps(result.raw, indent=1) + "\n")
    if not quiet or result.status:
        speed = f"{result.cycles_per_second / 1000:.0f} k cycles/s"
        detail = f" ({result.detail})" if result.detail else ""
        counts = f"{result.cycles} cycles, {result.instructions} instructions, {speed}"
        click.echo(f"hakone sim: {result.reason}{detail}: {counts}", err=True)
    return result.status


def _run(config, loaded, trace_file: str | None, given: dict[str, Any]):
    """One run; a text trace is written by way of its records."""
    watch = {**given, "uart_input": given["uart_in"], "uart_output": "-"}
    del watch["uart_in"]
    sys.stdout.flush()
    if not trace_file or trace_file.endswith(".bin"):
        return simulate(config, loaded, Watch(**watch, trace=trace_file))
    with tempfile.TemporaryDirectory(prefix="hakone-trace-") as folder:
        records = Path(folder) / "records"
        result = simulate(config, loaded, Watch(**watch, trace=records))
        trace.write_text(records, Path(trace_file))
        return result
