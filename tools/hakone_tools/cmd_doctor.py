"""``hakone doctor``: what is installed, what is missing, and how to get it. Needs nothing but click and Python."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import click

from .paths import ROOT
from .programmer import INSTALL, find_programmer


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``found`` is a version or place, or None; what is not ``needed`` may be missing."""

    name: str
    purpose: str
    found: str | None
    remedy: str
    needed: bool = True


def _program(names: tuple[str, ...], flag: str = "--version") -> str | None:
    """Path and first line of the version of the first of these programs that there is."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        return None
    done = subprocess.run([path, flag], capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return f"{path}: {lines[0].strip()}" if lines else path


def _programmer() -> str | None:
    """openFPGALoader, if it starts."""
    path = find_programmer()
    if path is None:
        return None
    done = subprocess.run([path, "--Version"], capture_output=True, text=True)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return f"{path}: {lines[0]}" if lines and done.returncode == 0 else None


def _pinned() -> list[tuple[str, str]]:
    """Names and versions of the packages that the project asks for."""
    lock = ROOT / "requirements.in"
    if not lock.exists():
        return []
    rows = re.findall(r"^([A-Za-z0-9_.-]+)(?:==([^\s;#]+))?", lock.read_text(), re.MULTILINE)
    return [(name, version) for name, version in rows]


def _package(name: str, version: str) -> Finding:
    try:
        got: str | None = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        got = None
    remedy = "run `make setup`"
    if got is not None and version and got != version:
        return Finding(f"{name} {version}", "Python package", None, f"version {got} is installed; {remedy}")
    return Finding(name, "Python package", got, remedy)


def _libpython() -> str | None:
    """Shared library of this Python, which cocotb loads."""
    try:
        import find_libpython
    except ModuleNotFoundError:
        return None
    return find_libpython.find_libpython()


def findings() -> list[Finding]:
    """Everything that is looked at, in the order of the report."""
    system = "install it with your system's packages"
    version = platform.python_version() if sys.version_info >= (3, 11) else None
    compiler = (os.environ["CXX"].split()[0],) if os.environ.get("CXX", "").split() else ("g++", "c++", "clang++")
    rows = [
        Finding("Python 3.11 or newer", "everything", version, "install a newer Python"),
        Finding("make", "the verbs of the Makefile", _program(("make", "gmake")), system),
        Finding("C++ compiler", "the simulation model", _program(compiler), f"{system}: g++ or clang++, or set CXX"),
        Finding("ar", "the simulation model", _program(("ar",)), f"{system}: binutils"),
        Finding("perl", "Verilator's front end", _program(("perl",), "-v"), system),
        Finding("libpython", "cocotb tests", _libpython(), "install Python's development package"),
        Finding("ccache", "faster rebuilding of models", _program(("ccache",)), system, needed=False),
        Finding("GTKWave or Surfer", "looking at waveforms", _program(("surfer", "gtkwave")), system, needed=False),
        Finding("openFPGALoader", "`make flash`", _programmer(), INSTALL, needed=False),
    ]
    return rows + [_package(name, version) for name, version in _pinned()]


@click.command("doctor", help="What is installed, what is missing, and how to get it.")
def command() -> int:
    """Print the report; status 1 when something is missing that is needed."""
    missing = 0
    for f in findings():
        if f.found is not None:
            mark = "ok     "
        else:
            mark = "MISSING" if f.needed else "absent "
            missing += f.needed
        text = f.found if f.found is not None else f"for {f.purpose}; {f.remedy}"
        click.echo(f"{mark} {f.name:26} {text}")
    click.echo(f"{missing} missing" if missing else "everything that is needed is there")
    return 1 if missing else 0
