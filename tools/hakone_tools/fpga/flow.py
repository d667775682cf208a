"""The way from Verilog to several placed seeds and one bitstream, two tools at a time, with progress."""

import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from . import synthesis
from .place import Device, Seed, pack, place
from .stage import Processes, StageError

JOBS = 2  #: tools at once: each takes a core, and about a gigabyte for the whole system


@dataclass(frozen=True)
class Design:
    """What is built: Verilog of module ``top`` for ``device``; ``lpf`` with its pins, None for a module on its own.

    ``counted`` is Verilog and name of the module whose cells are counted by room.
    """

    name: str
    verilog: str
    top: str
    device: Device
    lpf: str | None = None
    counted: tuple[str, str] | None = None
    target_mhz: float = 100.0

    def modules(self) -> list[str]:
        """Instance paths in the flattened design. Amaranth names each module after its place."""
        names = re.findall(r"^module \\?(\S+?)\s*\(", self.verilog, re.MULTILINE)
        head = self.top + "."
        return [name[len(head) :] for name in names if name.startswith(head)]


@dataclass(frozen=True)
class Built:
    """What became of a design: every seed, and the bitstream of the fastest.

    There is no bitstream of a module on its own, nor when no seed is fast enough.
    """

    seeds: list[Seed]
    cells: dict[str, Counter]
    bitstream: Path | None
    seconds: float

    @property
    def best(self) -> Seed:
        """The fastest seed; of equals the lowest."""
        return max(self.seeds, key=lambda s: (s.fmax_mhz, -s.seed))

    @property
    def median_mhz(self) -> float:
        """Median rate over the seeds."""
        return round(statistics.median(s.fmax_mhz for s in self.seeds), 2)


class Display:
    """Where each part of a build stands: a live table on a terminal, one line for each change elsewhere."""

    def __init__(self, title: str, console: Console | None = None):
        self._console = console or Console(stderr=True)
        self._title = title
        self._rows: dict[str, tuple[str, float | None, float | None]] = {}
        self._lock = threading.Lock()
        self._live = Live(self, console=self._console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __rich__(self) -> Table:
        """The table as it stands now."""
        table = Table(title=self._title, show_header=False, box=None, title_justify="left")
        with self._lock:
            for name, (words, start, end) in self._rows.items():
                spent = "" if start is None else _clock((end or time.monotonic()) - start)
                table.add_row(name, spent, words)
        return table

    def say(self, name: str, words: str, ended: bool = False) -> None:
        """Part ``name`` is at ``words``; the first word starts its clock."""
        now = time.monotonic()
        with self._lock:
            before, start, _ = self._rows.get(name, ("", None, None))
            start = now if start is None else start
            self._rows[name] = (words, start, now if ended else None)
        new_step = words.partition(",")[0] != before.partition(",")[0]  # elsewhere, percentages would fill the log
        if not self._console.is_terminal and (ended or new_step):
            self._console.print(f"{_clock(now - start)} {name}: {words}", highlight=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"


def build(design: Design, seeds: Sequence[int], folder: Path, jobs: int = JOBS, goal_mhz: float = 0.0) -> Built:
    """Synthesise, count, place every seed, pack the fastest if it reaches ``goal_mhz``.

    What is already done for the same inputs is not repeated.
    Raises ``StageError`` at the first step that fails; the other tools are ended then.
    """
    processes = Processes()
    start = time.monotonic()
    with Display(f"{design.name}: {design.top}") as display, ThreadPoolExecutor(jobs) as pool:
        try:
            display.say("synthesis", "Yosys")
            # Counting does not hold up the seeds: it takes a place in the queue with them.
            netlist = pool.submit(synthesis.netlist, design.verilog, design.top, folder / "synthesis", processes)
            counts = None
            if design.counted is not None:
                display.say("cells by room", "Yosys")
                counts = pool.submit(synthesis.counted, *design.counted, folder / "cells", processes)
                counts.add_done_callback(lambda _: display.say("cells by room", "done", ended=True))
            path = netlist.result()
            display.say("synthesis", "done", ended=True)

            def one(seed: int) -> Seed:
                name = f"seed {seed}"
                display.say(name, "starting")
                done = place(
                    path, design.modules(), design.device, seed, folder / f"seed{seed}", processes,
                    lambda words: display.say(name, words), design.lpf, design.target_mhz,
                )  # fmt: skip
                display.say(name, f"{done.fmax_mhz:.2f} MHz", ended=True)
                return done

            placed = [pool.submit(one, seed) for seed in seeds]
            everything: list[Future[Any]] = [*placed, *([counts] if counts else [])]
            finished, _ = wait(everything, return_when=FIRST_EXCEPTION)
            for failed in finished:
                failed.result()
            results = [p.result() for p in placed]
            cells = counts.result() if counts else {}
            built = Built(results, cells, None, 0.0)
            bitstream = None
            if design.lpf is not None and built.best.fmax_mhz >= goal_mhz:
                display.say("packing", f"seed {built.best.seed}")
                bitstream = pack(built.best, design.name, folder / "bitstream", processes)
                display.say("packing", "done", ended=True)
        except BaseException:
            processes.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Built(results, cells, bitstream, round(time.monotonic() - start, 1))


__all__ = ["JOBS", "Built", "Design", "Display", "StageError", "build"]
