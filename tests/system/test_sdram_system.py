"""The system with the SDRAM controller before the chip model: the same programs, the same output as on ideal memory.

The chip model ends a run with status 105 when a rule of its data sheet is broken, so a pass says that none was. The bus
snooper searches what crosses the pads; the control shows that it would find something there.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_isa_programs import PROGRAMS, build

from hakone.isa.platform import RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.evidence import evidence
from hakone_sim.program import load
from hakone_sim.run import BUS_RULE, SNOOPER_HIT, simulate
from hakone_tools.os_record import OsRecord
from hakone_tools.paths import FIRMWARE
from hakone_tools.programs import build_plain, build_sealed, kernel_sources
from hakone_tools.system_image import Plan, build_system
from hakone_tools.system_programs import PlainProgram

HERE = Path(__file__).resolve().parent
IDEAL = PRESETS["default"]
SDRAM = replace(IDEAL, memory="sdram", ram_bytes=32 << 20)
OPEN = replace(PRESETS["sim_open_cipher"], memory="sdram", ram_bytes=32 << 20)
SEED = 1


@pytest.fixture(scope="module", autouse=True)
def models():
    """Build the simulations once."""
    for config in (IDEAL, SDRAM, OPEN):
        builder.model(config)


def said(uart: bytes) -> bytes:
    """What a program printed, but for the cycles that it counted."""
    return b" ".join(word for word in uart.split() if not word.isdigit())


def both(elf: Path, **options):
    """The same program on both memories."""
    return [simulate(config, elf, max_cycles=8_000_000, **options) for config in (IDEAL, SDRAM)]


def test_hello_says_the_same(tmp_path):
    program = build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], tmp_path)
    ideal, chip = both(program.elf)
    assert (chip.status, chip.uart) == (ideal.status, ideal.uart) == (0, b"Hello from Hakone.\n")
    assert chip.sdram["refreshes"] > 8 and chip.sdram["activates"] > 0
    assert chip.sdram["reads"] + chip.sdram["writes"] == chip.sdram["row_hits"] + chip.sdram["activates"]
    assert chip.bus["read_beats"] == chip.sdram["reads"] == 8 * chip.bus["reads"]


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_self_checking_program_passes(source, tmp_path):
    program = load(build(source, tmp_path / source.stem), SDRAM.ram_bytes)
    result = simulate(SDRAM, program, max_cycles=5_000_000)
    assert (result.status, result.reason) == (0, "tohost pass"), result.detail


@pytest.mark.parametrize("name", ["quicksort", "stream", "lz"])
def test_kernel_gives_the_same_plain_and_sealed(name, tmp_path):
    """Working sets beyond the caches; sealed, with the snooper at the pads."""
    plain = build_plain(name, kernel_sources(name), tmp_path / "plain")
    sealed = build_sealed(name, kernel_sources(name), tmp_path / "sealed", seed=SEED)
    watch = {"fuses": sealed.fuses, "plaintexts": sealed.plaintexts}
    results = [*both(plain.elf), *both(sealed.elf, **watch)]
    assert [r.status for r in results] == [0] * 4, [r.detail for r in results]
    assert len({said(r.uart) for r in results}) == 1
    snooper = results[3].snooper
    assert snooper["bus_plaintext_hits"] == snooper["ram_plaintext_hits"] == 0
    assert snooper["windows_searched"] > snooper["bus_bytes"] > 1000


@pytest.mark.requirement("PX-03")
def test_plaintext_at_the_pads_is_seen_when_the_cipher_is_off(tmp_path):
    """The control: program, keys and memory are the same, the cipher is not there."""
    counts = []
    for config, in_the_open in ((SDRAM, False), (OPEN, True)):
        program = build_sealed("sha256", kernel_sources("sha256"), tmp_path, seed=SEED, in_the_open=in_the_open)
        watch = {"fuses": program.fuses, "plaintexts": program.plaintexts}
        result = simulate(config, program.elf, max_cycles=8_000_000, **watch)
        assert result.status == (SNOOPER_HIT if in_the_open else 0), result.detail
        counts.append(result.snooper["bus_plaintext_hits"])
    assert counts[0] == 0 and counts[1] > 100
    evidence("PX-03", {"plaintext windows at the pads": 0}, {"plaintext windows at the pads": counts[0]}, "succeeded")


def test_operating_system_runs_the_same_processes(tmp_path):
    """Processes of each kind, with interrupts: who ended how, and what was printed by whom."""
    program = PlainProgram("messages", [HERE / "programs" / "closed" / "messages.c"])
    system = build_system("messages", Plan([program], [("messages", kind) for kind in range(5)]), tmp_path)
    found = []
    for config in (IDEAL, SDRAM):
        result = simulate(config, system.program.elf, ram_out=tmp_path / "memory", max_cycles=8_000_000)
        memory = (tmp_path / "memory").read_bytes()

        def chip(address: int, count: int, memory: bytes = memory) -> bytes:
            return memory[address - RAM_BASE :][:count].ljust(count, b"\0")

        record = OsRecord(system.program.symbols(), chip)
        found.append((result.status, sorted(result.uart.split(b"\n")), record.exits()))
    assert found[0] == found[1]
    assert found[1][0] == 1 and found[1][2] == {1: 0, 2: 0, 3: 0, 4: 0}


def test_broken_rule_ends_the_run_and_names_itself(tmp_path):
    """The board's clock is wrong for this chip: its data sheet is told, and the run has failed."""
    from hakone_sim import run

    program = build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], tmp_path)
    command = run.arguments(SDRAM, load(program.elf, SDRAM.ram_bytes), run.Watch(), tmp_path)
    command[command.index("--period-ps") + 1] = "7000"
    done = subprocess.run([builder.model(SDRAM), *command, "--json", tmp_path / "report"], capture_output=True)
    report = (tmp_path / "report").read_text()
    assert done.returncode == BUS_RULE, done.stderr
    assert '"SDRAM rule"' in report and "SDRAM power-up pause: " in report and "are required" in report


def test_command_runs_on_the_chip(tmp_path):
    program = build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], tmp_path)
    command = [sys.executable, "-m", "hakone_tools", "sim", str(program.elf), "--set", "memory=sdram"]
    done = subprocess.run([*command, "--set", "ram_bytes=33554432"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Hello from Hakone.\n"), done.stderr
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "ram_bytes = 134217728: a power of two from 33554432" in done.stderr
