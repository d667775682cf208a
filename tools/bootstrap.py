"""Makes ``build/venv`` from ``requirements.txt`` with pip alone. Runs with any Python 3.11 or newer, imports nothing
else.

Called by the Makefile when the lock file has changed. Says clearly what the machine lacks.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
NEEDED = {
    "make": "the build tool make",
    "perl": "perl (Verilator's front end is a perl script)",
}
LAUNCHER = """#!/bin/sh
exec "$(dirname "$0")/python" -m hakone_tools "$@"
"""


def fail(text: str) -> None:
    """Print one line and leave with status 2."""
    sys.exit(f"setup: {text}")


def check_machine() -> None:
    """Stop with one line that names everything the machine lacks."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs under any Python
        fail(f"Python {sys.version.split()[0]}: 3.11 or newer is needed; name it with `make PYTHON=...`")
    missing = [text for tool, text in NEEDED.items() if not shutil.which(tool)]
    if not any(shutil.which(c) for c in ("c++", "g++", "clang++")):
        missing.append("a C++ compiler (g++ or clang++)")
    if missing:
        fail("missing: " + ", ".join(missing) + "; install with your system's package manager")


def run(what: str, command: list[str]) -> None:
    """Run ``command`` with a ticking progress line on a terminal; on failure show what it printed."""
    start = time.monotonic()
    log = ROOT / "build" / "setup.log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        while True:
            try:
                status = process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if sys.stderr.isatty():
                    print(f"\r{what} … {time.monotonic() - start:.0f} s", end="", file=sys.stderr, flush=True)
    if status:
        print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
        fail(f"{what} failed with status {status}; the whole output is in build/setup.log")
    print(f"\r{what}: {time.monotonic() - start:.0f} s", file=sys.stderr)


def main() -> None:
    """Create or update the environment, put the project's packages on its path, install the ``hakone`` launcher."""
    check_machine()
    VENV.parent.mkdir(exist_ok=True)
    (ROOT / "build" / "setup.log").write_bytes(b"")
    python = VENV / "bin" / "python"
    if not python.exists():
        run("creating the Python environment", [sys.executable, "-m", "venv", str(VENV)])
    lock = ROOT / "requirements.txt"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run("installing pinned packages (about 900 MB, once)", [*pip, "--require-hashes", "-r", str(lock)])
    query = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.check_output([str(python), "-c", query], text=True).strip())
    (site / "hakone-rooms.pth").write_text("".join(f"{ROOT / room}\n" for room in ("hw", "sim", "tools")))
    launcher = VENV / "bin" / "hakone"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    (VENV / ".ready").touch()


if __name__ == "__main__":
    main()
