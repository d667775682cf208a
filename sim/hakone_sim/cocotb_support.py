"""What cocotb system tests use: a ``Bench`` that starts runs and waits for events, never for a clock edge.

The clock, the memory, the snooper and everything that is watched every cycle are C++ in the same process; a test
wakes when the word ``event_word`` of the bench changes and then fetches what happened through C functions
(``cpp/session.cpp``). A cocotb timer counts simulated time, so ``await bench.cycles(n)`` costs one wake-up as well.

    @cocotb.test()
    async def hello(dut):
        bench = Bench(dut)
        bench.start("hello.elf", max_cycles=100_000)
        assert await bench.line() == "hello"
        assert (await bench.finished()).status == 0
"""

import atexit
import ctypes
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocotb.triggers import Timer, ValueChange

from hakone.soc.config import SocConfig

from .program import Program, load
from .run import Result, Watch, arguments
from .runner import CONFIG_VARIABLE

UART_LINE, FINISHED, WATCHED_STORE = 1, 2, 3


class _Notice(ctypes.Structure):
    """A notice as the model hands it over."""

    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("addr", ctypes.c_uint32),
        ("data", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("cycle", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Store:
    """A store to a watched word."""

    addr: int
    data: int
    cycle: int


def _model() -> ctypes.CDLL:
    """The C functions of the model that this process is."""
    model = ctypes.CDLL(None)
    model.hakone_start.restype = ctypes.c_char_p
    model.hakone_result.restype = ctypes.c_char_p
    model.hakone_cycle.restype = ctypes.c_uint64
    model.hakone_uart_log.restype = ctypes.c_void_p
    return model


class Bench:
    """One run at a time of a program on the model. ``config`` is the one that ``run_cocotb`` was given."""

    def __init__(self, dut: Any):
        self.config = SocConfig(**json.loads(os.environ[CONFIG_VARIABLE]))
        self._word = dut.event_word
        self._model = _model()
        self._folder = Path(tempfile.mkdtemp(prefix="hakone-cocotb-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._stores: list[Store] = []
        self._lines_read = 0
        self._finished = False

    def start(self, program: Program | Path | str, watch: Watch | None = None, **options: Any) -> None:
        """Reset the system and run ``program``; ``options`` are fields of ``run.Watch``. Raises ``ValueError``.

        The run starts when the test next awaits something. Files named in the options must exist until then.
        """
        if not isinstance(program, Program):
            program = load(program, self.config.ram_bytes)
        watch = watch or Watch(**{"uart_output": "-", **options})
        words = [w.encode() for w in arguments(self.config, program, watch, self._folder)]
        problem = self._model.hakone_start(len(words), (ctypes.c_char_p * len(words))(*words))
        if problem:
            raise ValueError(problem.decode())
        self._stores.clear()
        self._lines_read = 0
        self._finished = False

    @property
    def cycle(self) -> int:
        """Cycles since reset."""
        return self._model.hakone_cycle()

    @property
    def uart(self) -> bytes:
        """Everything that the system has sent."""
        size = ctypes.c_uint64()
        start = self._model.hakone_uart_log(ctypes.byref(size))
        return ctypes.string_at(start, size.value)

    def _fetch(self) -> None:
        notice = _Notice()
        while self._model.hakone_notice(ctypes.byref(notice)):
            if notice.kind == FINISHED:
                self._finished = True
            elif notice.kind == WATCHED_STORE:
                self._stores.append(Store(notice.addr, notice.data, notice.cycle))

    async def _until(self, ready: Any, what: str) -> None:
        """Wait until ``ready()``. Raises ``RuntimeError`` when the run ends before."""
        while True:
            self._fetch()
            if ready():
                return
            if self._finished:
                report = self.result()
                raise RuntimeError(f"the run ended ({report.reason}: {report.detail}) before {what}")
            await ValueChange(self._word)

    async def line(self, containing: str = "") -> str:
        """The next line from the UART that contains a text, without its end."""
        found: list[str] = []

        def ready() -> bool:
            lines = self.uart.split(b"\n")
            while self._lines_read < len(lines) - 1:
                text = lines[self._lines_read].decode(errors="replace").rstrip("\r")
                self._lines_read += 1
                if containing in text:
                    found.append(text)
                    return True
            return False

        await self._until(ready, f"a line with {containing!r}")
        return found[0]

    async def finished(self) -> Result:
        """Wait for the end of the run."""
        await self._until(lambda: self._finished, "its end")
        return self.result()

    def result(self) -> Result:
        """How the run ended; only after its end."""
        return Result.from_report(json.loads(self._model.hakone_result()), self.uart)

    async def cycles(self, count: int) -> None:
        """Wait for a number of clock cycles. After the end of the run time goes on, but the system stands still."""
        await Timer(count * (10**12 // self.config.clock_hz), unit="ps")
        self._fetch()

    def watch(self, addr: int) -> None:
        """Tell of every store to the word at ``addr`` from now on."""
        self._model.hakone_watch(ctypes.c_uint32(addr))

    async def store_to(self, addr: int) -> Store:
        """The next store to a watched word, in the order in which they happened."""

        def match() -> Store | None:
            return next((s for s in self._stores if s.addr == addr & ~3), None)

        await self._until(match, f"a store to {addr:#x}")
        found = match()
        assert found is not None
        self._stores.remove(found)
        return found

    def send(self, data: bytes) -> None:
        """Bytes into the system's UART."""
        self._model.hakone_uart_send(data, len(data))

    def read_memory(self, addr: int, size: int) -> bytes:
        """What stands in memory, which caches may be ahead of. Raises ``ValueError`` outside of it."""
        buffer = ctypes.create_string_buffer(size)
        if self._model.hakone_memory_read(ctypes.c_uint32(addr), buffer, ctypes.c_uint32(size)):
            raise ValueError(f"{addr:#x}, {size} bytes: outside memory")
        return buffer.raw

    def write_memory(self, addr: int, data: bytes) -> None:
        """Change memory behind the system's back. Raises ``ValueError`` outside of it."""
        if self._model.hakone_memory_write(ctypes.c_uint32(addr), data, ctypes.c_uint32(len(data))):
            raise ValueError(f"{addr:#x}, {len(data)} bytes: outside memory")

    def stop(self, status: int = 0) -> None:
        """End the run with a status."""
        self._model.hakone_stop(ctypes.c_int(status))
