"""The simulator on the whole system: how runs end, what is recorded, what is refused, and cocotb on the same model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hakone.isa.platform import FINISHER, FINISHER_FAIL, FINISHER_PASS, RAM_BASE, UART
from hakone.soc.config import PRESETS
from hakone_sim import builder, trace
from hakone_sim.assembler import Assembler, elf_file
from hakone_sim.errors import InputError
from hakone_sim.gather import read_evidence
from hakone_sim.plaintext import Plaintext
from hakone_sim.program import Program, load
from hakone_sim.run import BUS_RULE, CYCLE_LIMIT, HANG, SNOOPER_HIT, UNHANDLED_TRAP, simulate
from hakone_sim.runner import run_cocotb

HERE = Path(__file__).resolve().parent
CONFIG = PRESETS["default"]
ZERO, T0, T1, T2, T3 = 0, 5, 6, 7, 28
MTVEC = 0x305
WFI = bytes.fromhex("73005010")
TEXT = b"a text of the owner that nobody else may read, 4711 times"


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(CONFIG)


def program(write, symbols: dict[str, int] | None = None) -> Program:
    """A program that ``write`` puts into an assembler."""
    a = Assembler(RAM_BASE)
    write(a)
    return Program(Path("made.elf"), RAM_BASE, ((RAM_BASE, a.image()),), symbols or {})


def store(a: Assembler, addr: int, value: int, name: str = "sw") -> None:
    a.li(T0, addr)
    a.li(T1, value)
    a.op(name, rs1=T0, rs2=T1)


def finish(a: Assembler, code: int = 0) -> None:
    store(a, FINISHER.base, FINISHER_FAIL | code << 16 if code else FINISHER_PASS)
    a.label("stop")
    a.op("jal", imm="stop")


def echo(a: Assembler) -> None:
    """Prints "ready", waits for a byte, stores it at RAM_BASE + 0x1000, ends."""
    for c in b"ready\n":
        store(a, UART.base, c, "sb")
    a.label("wait")
    a.op("lbu", T2, T0, imm=5)
    a.op("andi", T2, T2, imm=1)
    a.op("beq", rs1=T2, imm="wait")
    a.op("lbu", T2, T0)
    a.li(T0, RAM_BASE + 0x1000)
    a.op("sw", rs1=T0, rs2=T2)
    finish(a)


@pytest.mark.parametrize("code, status", [(0, 0), (1, 1), (99, 99), (100, 99), (0xFFFF, 99)])
def test_finisher_ends_the_run_with_its_code(code, status):
    result = simulate(CONFIG, program(lambda a: finish(a, code)), max_cycles=20_000)
    assert (result.status, result.code) == (status, code)


@pytest.mark.parametrize("value, status", [(1, 0), (2 << 1 | 1, 2), (500 << 1 | 1, 99)])
def test_tohost_ends_the_run(value, status):
    tohost = RAM_BASE + 0x1000

    def write(a: Assembler) -> None:
        store(a, tohost, 2)  # even: not a result
        store(a, tohost, value)
        a.label("stop")
        a.op("jal", imm="stop")

    result = simulate(CONFIG, program(write, {"tohost": tohost}), max_cycles=20_000)
    assert (result.status, result.code) == (status, value >> 1)
    assert simulate(CONFIG, program(write), max_cycles=20_000).status == CYCLE_LIMIT


def test_wait_that_nothing_can_end_is_a_hang_and_told_so():
    """The jump out of the mask ROM is the last instruction that retires."""
    result = simulate(CONFIG, program(lambda a: a.data(WFI * 2)), hang_cycles=3000)
    assert result.status == HANG
    assert "wfi without an enabled interrupt" in result.detail and "last retired: pc 0x0000" in result.detail
    assert result.cycles < 10_000


def test_wait_that_an_interrupt_can_end_is_none():
    """``mie`` has the software interrupt: the run goes on until its limit."""

    def write(a: Assembler) -> None:
        a.li(T0, 1 << 3)
        a.op("csrrw", rs1=T0, imm=0x304)
        a.data(WFI * 2)

    result = simulate(CONFIG, program(write), hang_cycles=3000, max_cycles=30_000)
    assert result.status == CYCLE_LIMIT
    assert result.events["wfi_wait"] > 20_000


def test_trap_without_a_handler_is_told_with_its_first_cause():
    result = simulate(CONFIG, program(lambda a: a.data(bytes(8))), max_cycles=50_000)
    assert result.status == UNHANDLED_TRAP
    assert f"cause 2 at pc {RAM_BASE:#010x}" in result.detail
    assert result.cycles < 5000


def test_handler_that_traps_itself_is_an_unhandled_trap():
    def write(a: Assembler) -> None:
        a.la(T0, "handler")
        a.op("csrrw", rs1=T0, imm=MTVEC)
        a.op("ecall")
        a.align(4)
        a.label("handler")
        a.data(bytes(4))

    result = simulate(CONFIG, program(write), max_cycles=50_000)
    assert result.status == UNHANDLED_TRAP
    assert "cause 11" in result.detail


def test_handled_traps_are_no_reason_to_end():
    def write(a: Assembler) -> None:
        a.la(T0, "handler")
        a.op("csrrw", rs1=T0, imm=MTVEC)
        a.li(T2, 20)
        a.align(4)
        a.label("handler")
        a.op("addi", T2, T2, imm=-1)
        a.op("beq", rs1=T2, imm="end")
        a.op("ecall")
        a.label("end")
        finish(a)

    result = simulate(CONFIG, program(write), max_cycles=50_000)
    assert (result.status, result.traps) == (0, 19)


def test_uart_goes_both_ways():
    result = simulate(CONFIG, program(echo), uart_input=b"A", max_cycles=50_000)
    assert (result.status, result.uart) == (0, b"ready\n")


def test_latency_and_wait_states_cost_time_and_change_nothing_else(tmp_path):
    runs = {}
    for name, options in {"fast": {"latency": 1}, "slow": {"latency": 30}, "waits": {"wait_seed": 5}}.items():
        path = tmp_path / name
        result = simulate(CONFIG, program(echo), uart_input=b"A", trace=path, max_cycles=50_000, **options)
        runs[name] = result.cycles, trace.read(path).stores["raw"].tolist()
    assert runs["fast"][0] < runs["waits"][0] and runs["fast"][0] < runs["slow"][0]
    assert runs["fast"][1] == runs["slow"][1] == runs["waits"][1]


def test_trace_has_every_instruction_and_store(tmp_path):
    path = tmp_path / "trace"
    result = simulate(CONFIG, program(lambda a: finish(a, 3)), trace=path, max_cycles=20_000)
    read = trace.read(path)
    assert len(read.retired) == result.instructions
    assert read.retired["instruction"].tolist() == list(range(result.instructions))
    pcs = read.retired["pc"]
    first = int((pcs == RAM_BASE).argmax())
    assert pcs[first : first + 3].tolist() == [RAM_BASE, RAM_BASE + 4, RAM_BASE + 8]
    assert trace.info(read.retired, "level")[first] == 3
    last = read.stores[-1]
    assert (last["pc"], last["raw"]) == (FINISHER.base, 3 << 16 | FINISHER_FAIL)
    trace.write_text(path, tmp_path / "text")
    assert len((tmp_path / "text").read_text().splitlines()) == len(read.records)


def test_waveform_is_written(tmp_path):
    path = tmp_path / "w.vcd"
    result = simulate(CONFIG, program(lambda a: finish(a)), wave=path, wave_from=100, wave_cycles=50, max_cycles=20_000)
    assert result.status == 0
    text = path.read_text()
    assert "$scope module hakone $end" in text
    times = [int(line[1:]) for line in text.splitlines() if line.startswith("#")]
    assert min(times) >= 100 * 20_000 and max(times) <= 151 * 20_000 and len(times) > 50


def copier(a: Assembler) -> None:
    """Copies TEXT, which lies at RAM_BASE + 0x4000, over a range larger than the cache."""
    a.li(T0, RAM_BASE + 0x4000)
    a.li(T3, RAM_BASE + 0x8000)
    a.label("loop")
    a.op("lw", T1, T0)
    a.op("sw", rs1=T0, rs2=T1, imm=0x400)
    a.op("addi", T0, T0, imm=4)
    a.op("bltu", rs1=T0, rs2=T3, imm="loop")
    finish(a)


@pytest.mark.parametrize("count_only", [False, True])
def test_snooper_sees_protected_plaintext_that_crosses_the_bus(count_only):
    made = program(copier)
    made = Program(made.path, made.entry, (*made.segments, (RAM_BASE + 0x4000, TEXT)), {})
    sections = [Plaintext(RAM_BASE + 0x4000, TEXT)]
    result = simulate(CONFIG, made, plaintexts=sections, count_only=count_only, max_cycles=200_000)
    assert result.status == (0 if count_only else SNOOPER_HIT)
    assert result.snooper["bus_plaintext_hits"] > 2 * len(TEXT)
    assert result.snooper["ram_plaintext_hits"] > len(TEXT)
    assert result.snooper["windows_searched"] >= result.snooper["bus_bytes"] - 16
    harmless = [Plaintext(RAM_BASE + 0x4000, bytes(reversed(TEXT))), Plaintext(0, TEXT, protected=False)]
    assert simulate(CONFIG, made, plaintexts=harmless, max_cycles=200_000).status == 0


def test_bus_rules_are_kept():
    """None of the runs above may have ended so; here with everything late."""
    result = simulate(CONFIG, program(copier), wait_seed=9, wait_percent=80, max_cycles=2_000_000)
    assert (result.status, result.reason) != (BUS_RULE, "bus rule")
    assert result.status == 0


def command(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "hakone_tools", "sim", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def elf(tmp_path) -> Path:
    path = tmp_path / "echo.elf"
    path.write_bytes(elf_file(RAM_BASE, list(program(echo).segments)))
    return path


def test_command_runs_a_program(elf, tmp_path):
    report, text = tmp_path / "o.json", tmp_path / "trace.txt"
    (tmp_path / "in").write_bytes(b"z")
    options = ("--uart-in", str(tmp_path / "in"), "--json", str(report), "--trace", str(text), "--max-cycles", "90000")
    status, out, err = command(str(elf), *options)
    assert (status, out) == (0, "ready\n"), err
    assert err.startswith("hakone sim: finisher pass: ")
    found = json.loads(report.read_text())
    assert {"cycles", "instructions", "events", "bus", "snooper"} <= set(found)
    assert text.read_text().count("\n") > found["instructions"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["absent.elf"], "absent.elf: cannot be read"),
        (["{elf}", "--json", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["{elf}", "--trace", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["{elf}", "--set", "icache_byte=1"], "did you mean icache_bytes?"),
        (["{elf}", "--fuses", "{elf}"], "is not a fuse image"),
        (["{elf}", "--max-cycles", "0"], "--max-cycles"),
        (["{elf}", "--plaintexts", "{elf}"], "not a list of plaintexts"),
    ],
)
def test_command_refuses_bad_input_in_one_line(elf, arguments, words):
    status, out, err = command(*(a.format(elf=elf) for a in arguments))
    assert (status, out) == (2, "")
    assert err.startswith("hakone sim: ") and err.count("\n") == 1 and ";" in err
    assert words in err


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d[:20], "header is not complete"),
        (lambda d: d[:60], "truncated"),
        (lambda d: d[:-4], "is not complete"),
        (lambda d: b"\x7fELF\2" + d[5:], "64-bit"),
        (lambda d: d[:18] + b"\x3e" + d[19:], "machine 62"),
        (lambda d: d[:24] + bytes(4) + d[28:], "entry point 0x0 lies in no segment"),
        (lambda d: d[:64] + bytes(4) + d[68:], "outside memory"),
        (lambda d: d[:16] + b"\1" + d[17:], "not an executable"),
        (lambda d: b"#!/bin/sh\n", "not an ELF file"),
    ],
)
def test_damaged_program_is_refused(elf, change, words):
    elf.write_bytes(change(elf.read_bytes()))
    with pytest.raises(InputError, match=words):
        load(elf, CONFIG.ram_bytes)


def test_cocotb_runs_on_the_same_model(elf, tmp_path):
    rows = tmp_path / "evidence"
    environment = {"HAKONE_TEST_PROGRAM": str(elf), "HAKONE_EVIDENCE": str(rows)}
    passed = run_cocotb(HERE / "cocotb_bench.py", CONFIG, environment=environment)
    assert len(passed) == 4
    (row,) = read_evidence(rows)
    assert row["test"].endswith("::test_cocotb_runs_on_the_same_model")


def test_cocotb_failure_fails(elf, tmp_path):
    """A test that fails, and a module without a test that was asked for."""
    broken = tmp_path / "broken.py"
    broken.write_text("import cocotb\n\n\n@cocotb.test()\nasync def wrong(dut):\n    assert False\n")
    with pytest.raises(AssertionError, match="wrong failed"):
        run_cocotb(broken, CONFIG)
    with pytest.raises(AssertionError, match="ran no test"):
        run_cocotb(broken, CONFIG, testcase="absent")
