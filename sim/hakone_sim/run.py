"""``simulate``: one run of a program on a configuration, with everything the harness can watch.

The command ``hakone sim``, the tests and the benches all come through here. The model is built when it is not there
yet.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hakone.isa.platform import RAM_BASE
from hakone.memory.sdram_timing import any_part
from hakone.soc.config import SocConfig

from . import builder, plaintext
from .errors import InputError
from .plaintext import Plaintext
from .program import Program, load
from .sdram_library import PARTS

#: Exit status of a run beside 0 and the program's own 1 to 99.
HANG, UNHANDLED_TRAP, SNOOPER_HIT, CYCLE_LIMIT, BUS_RULE, INTERRUPTED = 101, 102, 103, 104, 105, 130


@dataclass(frozen=True)
class Result:
    """How a run ended. ``status`` is the exit status, ``code`` the program's whole code; ``raw`` is the JSON report;
    ``sdram`` the counters of the SDRAM chip where there is one.
    """

    status: int
    reason: str
    detail: str
    code: int
    cycles: int
    instructions: int
    encrypted_instructions: int
    traps: int
    events: dict[str, int]
    bus: dict[str, int]
    snooper: dict[str, Any]
    uart: bytes
    sdram: dict[str, Any]
    cycles_per_second: float
    raw: dict[str, Any] = field(repr=False)

    @classmethod
    def from_report(cls, report: dict[str, Any], uart: bytes) -> "Result":
        """From the report that the model writes."""
        same = ("status", "reason", "detail", "code", "cycles", "instructions", "encrypted_instructions", "traps")
        parts = {name: report[name] for name in (*same, "events", "bus", "snooper")}
        chip = report.get("sdram", {})
        return cls(**parts, uart=uart, sdram=chip, cycles_per_second=report["sim_cycles_per_second"], raw=report)


@dataclass(frozen=True)
class Watch:
    """What a run is given and how it is watched; everything has a sensible default.

    ``boot_program``: what the mask ROM holds (see ``hakone.soc.top``); ``card``: content of the SD card, with
    ``board_io``, and ``card_options`` what is the matter with it (``cpp/sd_card.h``).
    ``latency``: cycles from a read's acceptance to its first beat (1 or more). ``wait_seed``: 0 for none, else seeded
    random wait states on every channel, each held up in ``wait_percent`` of the cycles. ``plaintexts``: sections, or
    the sealing tool's file; arms the bus snooper, whose hits end in status 103 unless ``count_only``. ``tohost``:
    address of that word, or None for the program's symbol. ``uart_output``: "-" for this process's standard output, a
    file, or "" for none; ``uart_input``: bytes, a file, or "-" for standard input. ``trace``, ``ram_out``, ``wave``:
    files to write, as is ``bus_out`` (only with ``plaintexts``): address and 64 bytes for each whole line as it last
    crossed the bus. ``wave_from`` and ``wave_cycles`` cut the waveform.
    """

    fuses: bytes | Path | str | None = None
    boot_program: bytes | None = None
    card: bytes | Path | str | None = None
    card_options: str = ""
    latency: int = 10
    wait_seed: int = 0
    wait_percent: int = 30
    max_cycles: int | None = 20_000_000
    hang_cycles: int = 200_000
    plaintexts: Iterable[Plaintext] | Path | str | None = None
    count_only: bool = False
    stored_windows: int = 1 << 21
    tohost: int | None = None
    uart_input: bytes | Path | str = b""
    uart_output: Path | str = ""
    trace: Path | str | None = None
    ram_out: Path | str | None = None
    bus_out: Path | str | None = None
    wave: Path | str | None = None
    wave_from: int = 0
    wave_cycles: int | None = None


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def sdram_chip(config: SocConfig) -> dict[str, Any]:
    """Options that put a chip of the memory's size at the pads, with the clock that the board makes for it."""
    shift = any_part(config.ram_bytes).cycles(config.clock_hz).clock_shift
    return {"--sdram-part": PARTS[config.ram_bytes], "--sdram-shift-ps": round(shift * 10**12 / config.clock_hz)}


def arguments(config: SocConfig, program: Program, watch: Watch, folder: Path) -> list[str]:
    """Arguments of the model for one run; files that it reads are put into ``folder``, which must outlive its start.

    Raises ``InputError`` for a file with the memory's contents when memory is inside the system.
    """
    if config.memory == "bram" and watch.ram_out is not None:
        raise InputError(watch.ram_out, "block RAM cannot be looked into", "run with memory = axi or sdram")
    words: dict[str, Any] = {
        "--ram-base": RAM_BASE,
        "--ram-bytes": config.ram_bytes,
        "--period-ps": 10**12 // config.clock_hz,
        "--latency": watch.latency,
        "--open-checks": config.open_bits(),
        "--wait-seed": watch.wait_seed,
        "--wait-percent": watch.wait_percent,
        "--hang-cycles": watch.hang_cycles,
        "--stored-windows": watch.stored_windows,
        "--count-only": int(watch.count_only),
        "--uart-out": watch.uart_output,
        "--wave-from": watch.wave_from,
    }
    optional = {
        "--max-cycles": watch.max_cycles,
        "--wave-cycles": watch.wave_cycles,
        "--trace": watch.trace,
        "--ram-out": watch.ram_out,
        "--bus-out": watch.bus_out,
        "--wave": watch.wave,
        "--tohost": watch.tohost if watch.tohost is not None else program.symbols.get("tohost"),
    }
    words |= {name: value for name, value in optional.items() if value is not None}
    if watch.fuses is not None:
        words["--fuses"] = _write(folder, "fuses", watch.fuses) if isinstance(watch.fuses, bytes) else watch.fuses
    if watch.card is not None:
        words["--card"] = _write(folder, "card", watch.card) if isinstance(watch.card, bytes) else watch.card
        words["--card-options"] = watch.card_options
    if watch.uart_input:
        given = watch.uart_input
        words["--uart-in"] = _write(folder, "uart_in", given) if isinstance(given, bytes) else given
    if watch.plaintexts is not None:
        named = watch.plaintexts
        sections = plaintext.read(named) if isinstance(named, str | Path) else named
        plaintext.write(folder / "plaintexts", sections)
        words["--plaintexts"] = folder / "plaintexts"
    if config.memory == "sdram":
        words |= sdram_chip(config)
    flat = [str(x) for pair in words.items() for x in pair]
    for i, (addr, data) in enumerate(program.segments):
        flat += ["--image", f"{_write(folder, f'image{i}', data)}@{addr:#x}"]
    return flat


def simulate(
    config: SocConfig, program: Program | Path | str | None, watch: Watch | None = None, **options: Any
) -> Result:
    """Run ``program`` on ``config`` (its probe is switched on); with a boot program it may be None. ``options`` are
    fields of ``Watch``.

    Raises ``InputError`` for a bad program or option file, ``builder.BuildError`` when the model cannot be built.
    """
    watch = watch or Watch(**options)
    config = config.check()
    if watch.card is not None and not config.board_io:
        raise InputError("card", "the system has no SPI controller", "set board_io")
    if program is None:
        program = Program(Path(), RAM_BASE, (), {})
    elif not isinstance(program, Program):
        program = load(program, config.ram_bytes)
    model = builder.model(config, waves=watch.wave is not None, boot_program=watch.boot_program)
    with tempfile.TemporaryDirectory(prefix="hakone-sim-") as name:
        folder = Path(name)
        command = [str(model), *arguments(config, program, watch, folder), "--json", str(folder / "report")]
        captured = folder / "uart"
        if not watch.uart_output:
            command += ["--uart-out", str(captured)]
        done = _run(command)
        if not (folder / "report").exists():
            text = " ".join(done.stderr.decode(errors="replace").split())
            culprit, _, problem = text.partition(": ")
            raise InputError(culprit or "model", problem or f"ended with status {done.returncode}", "check the options")
        report = json.loads((folder / "report").read_text())
        return Result.from_report(report, captured.read_bytes() if captured.exists() else b"")


def _run(command: list[str]) -> subprocess.CompletedProcess:
    """Run the model; on Ctrl-C it ends by itself and still reports."""
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while True:
            try:
                _, stderr = process.communicate()
                return subprocess.CompletedProcess(command, process.returncode, b"", stderr)
            except KeyboardInterrupt:
                continue
