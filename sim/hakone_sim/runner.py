"""``run_cocotb``: runs a cocotb test module on the simulation model, from pytest, and fails when it fails.

The module's tests drive ``hakone_sim.cocotb_support.Bench``. The model is the one that ``simulate`` uses: the clock
loop runs in C++, Python only at events. ``$HAKONE_EVIDENCE`` and pytest's current test reach the tests through the
environment.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from hakone.soc.config import SocConfig

from . import builder, toolchain

#: Environment variable that carries the configuration to ``Bench``, as JSON.
CONFIG_VARIABLE = "HAKONE_SOC_CONFIG"


def cocotb_environment(module: str, toplevel: str, results: Path, folders: list[str]) -> dict[str, str]:
    """Environment that makes cocotb run ``module`` inside the model and write its report to ``results``."""
    import cocotb_tools.config
    import find_libpython

    library = os.environ.get("LIBPYTHON_LOC") or find_libpython.find_libpython()
    if not library:
        raise toolchain.MissingToolError("a shared libpython is missing; install Python's development package")
    return {
        **os.environ,
        "HAKONE_COCOTB_VPI": str(toolchain.cocotb_library()),
        "GPI_USERS": f"{library};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([*folders, *sys.path]),
        "COCOTB_TOPLEVEL": toplevel,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(results),
    }


def check_results(results: Path, log: str) -> list[str]:
    """Names of the tests that passed. Raises ``AssertionError`` when one failed, or when there was none."""
    tail = log[-6000:]
    if not results.exists():
        raise AssertionError(f"cocotb wrote no report\n{tail}")
    passed: list[str] = []
    failed: list[str] = []
    for case in ElementTree.parse(results).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        bad = any(case.find(kind) is not None for kind in ("failure", "error"))
        (failed if bad else passed).append(str(case.get("name")))
    if failed:
        raise AssertionError(f"cocotb: {', '.join(failed)} failed\n{tail}")
    if not passed:
        raise AssertionError(f"cocotb ran no test\n{tail}")
    return passed


def run_cocotb(
    module: Path | str,
    config: SocConfig,
    testcase: str | None = None,
    seed: int | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 600,
    model: Path | None = None,
) -> list[str]:
    """Run the cocotb tests in the file ``module`` on ``config`` and return the names of those that passed.

    ``testcase``: a regular expression for test names. ``seed``: for Python's random numbers in the tests (printed by
    cocotb otherwise). ``environment``: more variables for them. ``model``: an executable instead of the configuration's
    own. Raises ``AssertionError`` with the end of the log when a test fails, none runs, or the time is up.
    """
    path = Path(module).resolve()
    executable = model or builder.model(config)
    pytest_name = os.environ.get("PYTEST_CURRENT_TEST", path.stem).rsplit(" (", 1)[0]
    name = "".join(c if c.isalnum() else "_" for c in pytest_name)
    folder = builder.ROOT / "build" / "test" / "cocotb" / name
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    env = cocotb_environment(path.stem, "hakone_bench", results, [str(path.parent)])
    env[CONFIG_VARIABLE] = json.dumps(asdict(config))
    env |= environment or {}
    if testcase:
        env["COCOTB_TEST_FILTER"] = testcase
    if seed is not None:
        env["COCOTB_RANDOM_SEED"] = str(seed)
    with (folder / "log.txt").open("wb") as log:
        try:
            subprocess.run(
                [executable], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT, timeout=timeout_seconds
            )
            late = ""
        except subprocess.TimeoutExpired:
            late = f"the time of {timeout_seconds} s was up\n"
    text = (folder / "log.txt").read_text(errors="replace")
    if late:
        raise AssertionError(f"cocotb: {late}{text[-6000:]}")
    return check_results(results, text)
