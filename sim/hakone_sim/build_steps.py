"""Steps that every build of a simulation shares: what runs, where it shows, and how a result appears once and whole.

Used by ``builder`` for the whole system and by ``unit_model`` for single units.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from . import toolchain

ROOT = Path(__file__).resolve().parents[2]
BUILDS = ROOT / "build" / "sim"
JOBS = min(os.cpu_count() or 1, 8)


class BuildError(RuntimeError):
    """A compiler or Verilator failed. The text ends with what it printed."""


def digest(*parts: str | bytes) -> str:
    """A key made of every part and of where each ends."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()[:20]


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A line on the terminal once the work takes over two seconds; yields a function that changes its text."""
    from rich.console import Console

    console = Console(stderr=True)
    start = time.monotonic()
    if not console.is_terminal:
        yield lambda text: None
        if time.monotonic() - start > 2:
            console.print(f"{what}: {time.monotonic() - start:.0f} s", highlight=False, soft_wrap=True)
        return
    state = {"text": "", "shown": False}
    status = console.status(what)
    ended = threading.Event()

    def show() -> None:
        if not ended.wait(2):
            state["shown"] = True
            status.start()
            while not ended.wait(0.5):
                status.update(f"{what} {state['text']} ({time.monotonic() - start:.0f} s)")

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield lambda text: state.update(text=text)
    finally:
        ended.set()
        thread.join()
        if state["shown"]:
            status.stop()
            console.print(f"{what}: {time.monotonic() - start:.0f} s", highlight=False)


def run(command: list[str], folder: Path, what: str) -> None:
    """Run a program in ``folder``. Raises ``BuildError`` with the end of what it printed."""
    done = subprocess.run(command, cwd=folder, env=toolchain.find().environment(), capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{what} failed with status {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")


def compile_all(jobs: list[tuple[list[str], str]], folder: Path, tell: Callable[[str], None]) -> None:
    """Run compiler commands, as many at once as there are cores."""
    done = 0
    with ThreadPoolExecutor(JOBS) as pool:
        futures = [pool.submit(run, command, folder, what) for command, what in jobs]
        try:
            for future in futures:
                future.result()
                done += 1
                tell(f"{done} of {len(jobs)} files")
        except BuildError:
            for future in futures:
                future.cancel()
            raise


def compiler(waves: bool) -> list[str]:
    """Start of every C++ command."""
    tools = toolchain.find()
    return [*([tools.ccache] if tools.ccache else []), tools.compiler, *flags(waves)]


def flags(waves: bool) -> list[str]:
    """Options of every C++ command. The definitions are those that Verilator's own makefile gives."""
    root = toolchain.find().verilator_root / "include"
    return [
        *("-std=c++17", "-fPIC", "-pipe", "-w", f"-I{root}", f"-I{root / 'vltstd'}", "-I."),
        *(
            "-DVERILATOR=1",
            "-DVM_COVERAGE=0",
            "-DVM_SC=0",
            "-DVM_TIMING=0",
            "-DVM_TRACE_FST=0",
            "-DVM_TRACE_SAIF=0",
            "-DVL_USER_FINISH",
        ),
        *(f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_VCD={int(waves)}"),
    ]


def once(target: Path, what: str, make: Callable[[Path, Callable[[str], None]], None]) -> Path:
    """``target``, a folder, made by ``make(temporary folder, tell)`` unless it exists; one process at a time."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress(what) as tell, (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
            try:
                make(part, tell)
                part.chmod(0o755)
                part.rename(target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return target
