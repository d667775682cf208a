"""Builds the simulation model: Verilog in, one executable out, once for each distinct input.

``build/sim/<hash>/model`` is keyed by the Verilog text, the C++ sources, the options and the versions of the tools.
Building happens in a temporary folder that is renamed when it is complete, under a lock file, so that two processes
which ask for the same model build it once. What does not depend on the Verilog (Verilator's runtime, the harness) is
an archive of its own, keyed the same way, and compiled once for all models.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from hakone.bus.probe import Probe, RetireRecord, StoreRecord
from hakone.isa.events import Event

from . import toolchain
from .build_steps import BUILDS, ROOT, BuildError
from .build_steps import compile_all as _compile_all
from .build_steps import compiler as _compiler
from .build_steps import digest as _digest
from .build_steps import flags as _flags
from .build_steps import once as _once
from .build_steps import progress as _progress
from .build_steps import run as _run

CPP = Path(__file__).resolve().parent / "cpp"

#: The one place where Verilator's warnings are waived for simulation: all of its lint classes, which `make verilog`
#: checks by itself with a short list of exceptions. Errors stay errors.
WAIVED = ("-Wno-fatal", "-Wno-lint", "-Wno-style")
VERILATOR_OPTIONS = (
    *("--cc", "--prefix", "Vhakone", "--top-module", "hakone_bench", "--vpi", "-O3", "--noassert", *WAIVED),
    *("--x-assign", "fast", "--x-initial", "fast", "--timescale-override", "1ps/1ps"),
    *("--output-split", "12000", "--output-split-cfuncs", "4000"),
)
FAST = "-O2"
SLOW = "-O0"
#: Code that runs once (constructors, initial values, scopes for VPI); Verilator marks it by the file's name.
SLOW_MARKS = ("__Slow", "__Syms", "__ConstPool")
RUNTIME_SOURCES = ("verilated.cpp", "verilated_vpi.cpp", "verilated_threads.cpp")
#: Served at events only; six seconds quicker to compile so.
RUNTIME_SLOW = ("verilated_vpi.cpp",)
RUNTIME_TRACE_SOURCES = ("verilated_vcd_c.cpp",)
MODEL_SOURCES = ("main.cpp",)
SIDE_FILES = ("model.vlt",)
#: Set while the same tests run on the synthesised netlist (``hakone_tools.fpga.simulated``).
REPLACEMENT = "HAKONE_DEFAULT_MODEL"


def probe_layout() -> str:
    """A C++ header with the places of the probe's fields and the names of the events, from the live description."""
    lines = ["// Written by hakone_sim.builder from hakone.bus.probe and hakone.isa.events.", "#pragma once"]
    lines += ['#include "support.h"', "namespace hakone::layout {"]
    for prefix, record in (("RETIRE", RetireRecord), ("STORE", StoreRecord)):
        for name, f in record.as_shape():
            lines.append(f"constexpr Field {prefix}_{name.upper()}{{{f.offset}, {f.width}}};")
    events = Probe().members["events"].shape
    names = {int(e): name.lower() for name, e in Event.__members__.items()}
    lines.append(f"constexpr unsigned EVENTS = {events};")
    lines += [f"constexpr unsigned EVENT_{e.name} = {int(e)};" for e in Event]
    text = ", ".join(f'"{names.get(n, f"event{n}")}"' for n in range(int(events)))
    lines += [f"constexpr const char* EVENT_NAMES[] = {{{text}}};", "}  // namespace hakone::layout", ""]
    return "\n".join(lines)


def bench(verilog: str) -> str:
    """The module around the system, as Verilog: a register for every input, and a word that wakes cocotb tests.

    Without the registers everything that depends on an input (the synchronous reset alone reaches all next states)
    would be evaluated once more for every change of the clock. Raises ``BuildError`` when there is no module
    ``hakone`` as Amaranth writes it.
    """
    module = re.search(r"^module hakone\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    ports = re.findall(r"^\s*(input|output)\s+(\[\d+:0\]\s+)?(\w+);", module[0], re.MULTILINE) if module else []
    if ("input", "", "clk") not in ports:
        raise BuildError("the Verilog has no module `hakone` with a clock `clk`")
    inputs = [(width, name) for kind, width, name in ports if kind == "input" and name != "clk"]
    heads = ", ".join(f"{kind} {width}{name}" for kind, width, name in ports)
    lines = [f"module hakone_bench({heads});", "  reg [31:0] event_word = 0;"]
    lines += [f"  reg {width}{name}_now = 0;" for width, name in inputs]
    lines += ["  always @(posedge clk) begin", *(f"    {n}_now <= {n};" for _, n in inputs), "  end"]
    names = {name: f"{name}_now" for _, name in inputs}
    wires = ", ".join(f".{name}({names.get(name, name)})" for _, _, name in ports)
    return "\n".join([*lines, f"  hakone hakone({wires});", "endmodule", ""])


def memory_ports(verilog: str) -> list[str]:
    """Options for ``main.cpp``: which memory ports the system in the Verilog has."""
    marks = {"AXI": "axi__arvalid", "SDRAM": "sdram__cs_n", "LOAD": "load_valid"}
    ports = re.findall(r"\w+", verilog[verilog.rindex("\nmodule hakone(") :].split(";", 1)[0])
    return [f"-DHAKONE_{name}={int(port in ports)}" for name, port in marks.items()]


def _sources() -> list[Path]:
    return sorted(p for p in CPP.iterdir() if p.suffix in (".cpp", ".h", ".v", ".vlt"))


def runtime(waves: bool = False) -> Path:
    """Folder with ``libruntime.a``: Verilator's runtime and the harness, for all models."""
    tools = toolchain.find()
    layout = probe_layout()
    own = [p for p in _sources() if p.suffix in (".cpp", ".h") and p.name not in MODEL_SOURCES]
    key = _digest(
        tools.versions,
        FAST,
        SLOW,
        *_flags(waves),
        *RUNTIME_SLOW,
        layout,
        *(p.name.encode() + p.read_bytes() for p in own),
    )

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        for path in own:
            shutil.copy(path, folder)
        (folder / "probe_layout.h").write_text(layout)
        include = tools.verilator_root / "include"
        sources = [include / n for n in RUNTIME_SOURCES + (RUNTIME_TRACE_SOURCES if waves else ())]
        sources += [Path(p.name) for p in own if p.suffix == ".cpp"]
        level = {s: SLOW if s.name in RUNTIME_SLOW else FAST for s in sources}
        jobs = [([*_compiler(waves), level[s], "-c", str(s), "-o", f"{s.stem}.o"], s.name) for s in sources]
        _compile_all(jobs, folder, tell)
        _run([tools.archiver, "rcs", "libruntime.a", *(f"{s.stem}.o" for s in sources)], folder, "ar")
        for s in sources:
            (folder / f"{s.stem}.o").unlink()

    return _once(BUILDS / f"runtime-{key}", "compiling the simulation's runtime", make)


def library(*names: str) -> Path:
    """A shared library of some of the C++ sources, for tests of these parts alone."""
    tools = toolchain.find()
    inputs = [p for p in _sources() if p.suffix == ".h" or p.name in names]
    key = _digest(tools.versions, FAST, *names, *(p.read_bytes() for p in inputs))

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        sources = [str(CPP / n) for n in names]
        options = ("-std=c++17", FAST, "-shared", "-fPIC", "-w")
        _run([tools.compiler, *options, "-o", "part.so", *sources], folder, names[0])

    return _once(BUILDS / f"part-{key}", f"compiling {names[0]}", make) / "part.so"


def build(verilog: Path | str, waves: bool = False, level: str = FAST) -> Path:
    """The executable that simulates ``verilog`` (a file, or its text), with the top level ``hakone`` and its probe.

    ``waves`` builds a slower model that can write waveforms; ``level`` is the compiler's for what runs in every cycle.
    Raises ``BuildError`` or ``toolchain.MissingToolError``.
    """
    text = verilog.read_text() if isinstance(verilog, Path) else verilog
    tools = toolchain.find()
    archive = runtime(waves)
    wrapper = bench(text)
    side = [CPP / n for n in (*SIDE_FILES, *MODEL_SOURCES)]
    options = (*VERILATOR_OPTIONS, *(("--trace-vcd", "--trace-structs") if waves else ()))
    key = _digest(
        text,
        wrapper,
        tools.versions,
        archive.name,
        level,
        SLOW,
        *_flags(waves),
        *options,
        *(p.read_bytes() for p in side),
    )

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        (folder / "hakone.v").write_text(text)
        (folder / "hakone_bench.v").write_text(wrapper)
        for path in side:
            shutil.copy(path, folder)
        tell("Verilator")
        _run(
            [*tools.verilator, *options, "--Mdir", ".", "model.vlt", "hakone.v", "hakone_bench.v"], folder, "Verilator"
        )
        board_io = ["-DHAKONE_BOARD_IO"] if ".spi__miso(" in wrapper else []
        compiler = [*_compiler(waves), f"-I{archive}", *memory_ports(text), *board_io]
        sources = sorted(folder.glob("*.cpp"), key=lambda p: -p.stat().st_size)
        jobs = []
        for s in sources:
            chosen = SLOW if any(mark in s.name for mark in SLOW_MARKS) else level
            jobs.append(([*compiler, chosen, "-c", s.name, "-o", f"{s.stem}.o"], s.name))
        _compile_all(jobs, folder, tell)
        tell("linking")
        # Exported symbols: cocotb's library, loaded at run time, calls the VPI functions that stand in the program.
        link = [tools.compiler, "-o", "model", *(f"{s.stem}.o" for s in sources), str(archive / "libruntime.a")]
        _run([*link, "-rdynamic", "-ldl", "-pthread"], folder, "linking")
        for path in folder.iterdir():
            if path.name not in ("model", "hakone.v"):
                path.unlink() if path.is_file() else shutil.rmtree(path)

    return _once(BUILDS / key, "building the simulation model", make) / "model"


def model(config, waves: bool = False, boot_program: bytes | None = None) -> Path:
    """The executable for a ``SocConfig`` with its probe on, and perhaps a boot program in its mask ROM. Generates the
    Verilog when a hardware source has changed.

    The environment variable ``REPLACEMENT`` names an executable that takes the place of the default preset's own.
    """
    import dataclasses

    from hakone.gen import verilog
    from hakone.soc.config import PRESETS

    other = os.environ.get(REPLACEMENT)
    if other and not waves and boot_program is None and dataclasses.replace(config, probe=False) == PRESETS["default"]:
        return Path(other)
    # Which protections are off is an input of the model, so that one build serves all control runs.
    config = dataclasses.replace(config, probe=True, open_checks="")
    with _progress("generating Verilog"):
        path = verilog.generate_cached(config, ROOT / "build" / "verilog" / "cache", boot_program=boot_program)
    return build(path, waves)


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), waves="--waves" in sys.argv))
