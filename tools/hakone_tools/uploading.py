"""Sends an image to the boot program over a serial line. Frames and answers: ``hakone.isa.boot_image``."""

import time
import zlib
from collections.abc import Callable
from typing import Protocol

from hakone.isa.boot_image import (
    ANSWER,
    BOOT_PROBLEM_TEXT,
    FRAME_DATA,
    FRAME_DATA_BYTES,
    FRAME_HEADER,
    FRAME_RUN,
    FRAME_START,
    BootImage,
    BootProblem,
    frame,
)

from .errors import ToolError

ATTEMPTS = 8
_REMEDIES = {
    BootProblem.VERSION: "make it with the tools of the version that the board was built from",
    BootProblem.ADDRESS: "link the program for the board's memory",
    BootProblem.LOADER: "link the program lower, or for a board with more memory",
}


class Line(Protocol):
    """What an upload needs of a serial port. ``read`` returns what came within its time-out, perhaps nothing."""

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` bytes."""

    def write(self, data: bytes) -> int | None:
        """Send everything."""


class Upload:
    """One upload. ``name`` is the image's name for messages, ``tell`` gets the text that the boot program prints.

    Raises ``ToolError`` when the boot program refuses the image, or does not answer within ``wait_seconds`` at first
    and ``answer_seconds`` afterwards.
    """

    def __init__(
        self,
        line: Line,
        name: str,
        tell: Callable[[str], None],
        wait_seconds: float = 30,
        answer_seconds: float = 2,
    ):
        self._line, self._name, self._tell = line, name, tell
        self._wait_seconds, self._answer_seconds = wait_seconds, answer_seconds
        self._received = bytearray()

    def run(self, image: BootImage, progress: Callable[[int], None] = lambda _: None) -> None:
        """Send everything and start it; ``progress`` is told how many bytes have arrived."""
        self._header(image)
        for number, start in enumerate(range(0, len(image.payload), FRAME_DATA_BYTES)):
            part = image.payload[start : start + FRAME_DATA_BYTES]
            self._exchange(FRAME_DATA, number, part)
            progress(start + len(part))
        self._exchange(FRAME_RUN, 0, b"")

    def _header(self, image: BootImage) -> None:
        """The first frame, again and again until somebody is there."""
        end = time.monotonic() + self._wait_seconds
        while time.monotonic() < end:
            self._line.write(frame(FRAME_HEADER, 0, image.header()))
            problem = self._answer(FRAME_HEADER, 0, min(self._answer_seconds, 1))
            if problem is not None and problem != BootProblem.AGAIN:
                self._judge(problem)
                return
        raise ToolError(
            "upload", "the boot program does not answer", "reset the board; check the cable, the port and --baud"
        )

    def _exchange(self, kind: int, number: int, payload: bytes) -> None:
        """One frame, until it has been taken."""
        for _ in range(ATTEMPTS):
            self._line.write(frame(kind, number, payload))
            problem = self._answer(kind, number, self._answer_seconds)
            if problem is not None and problem != BootProblem.AGAIN:
                self._judge(problem)
                return
        raise ToolError(
            "upload", f"no answer to frame {number} in {ATTEMPTS} attempts", "check the cable, or try a lower --baud"
        )

    def _judge(self, problem: int) -> None:
        """Raise for everything but success."""
        if problem == BootProblem.NONE:
            return
        text = BOOT_PROBLEM_TEXT.get(BootProblem(problem)) if problem in set(BootProblem) else f"problem {problem}"
        remedy = _REMEDIES.get(BootProblem(problem), "try again") if problem in set(BootProblem) else "try again"
        raise ToolError(self._name, f"the boot program refuses it: {text}", remedy)

    def _answer(self, kind: int, number: int, seconds: float) -> int | None:
        """The answer to a frame, or None when there is none in time. Text on the way is told."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._received += self._line.read(256)
            while self._received:
                start = self._received.find(FRAME_START)
                text = self._received[: start if start >= 0 else None]
                if text:
                    self._tell(text.decode("ascii", errors="replace"))
                    del self._received[: len(text)]
                if len(self._received) < ANSWER.size:
                    break
                _, problem, *answered, crc = ANSWER.unpack_from(self._received)
                if crc != zlib.crc32(self._received[1 : ANSWER.size - 4]):
                    del self._received[0]
                    continue
                del self._received[: ANSWER.size]
                # Which frame a damaged one was, nobody knows.
                if answered == [kind, number & 0xFFFF] or problem == BootProblem.AGAIN:
                    return problem
        return None
