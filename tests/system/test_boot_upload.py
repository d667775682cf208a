"""The boot program and the serial line, in simulation of the whole system; the other side is `hakone upload` or drawn
frame by frame.
"""

import os
import struct
import subprocess
import sys
import threading
import tty
import zlib

import pytest
from boot_runs import BYTES, MARK, RAM_END, Header, boot, changed, image, model, start

from hakone.isa.boot_image import (
    FRAME_DATA,
    FRAME_DATA_BYTES,
    FRAME_HEADER,
    FRAME_RUN,
    LOADER_BYTES,
    BootProblem,
    answer,
    frame,
)
from hakone.isa.platform import RAM_BASE
from hakone_sim.run import CYCLE_LIMIT
from hakone_tools.errors import ToolError
from hakone_tools.uploading import Upload

#: What comes before the boot program listens is lost: nothing that matters.
PAD = bytes(40)


@pytest.fixture(scope="module", autouse=True)
def _built():
    model()


def frames(sound, **changes) -> list[bytes]:
    """An upload: header (with changes), parts, run."""
    parts = range(0, len(sound.payload), FRAME_DATA_BYTES)
    data = [frame(FRAME_DATA, n, sound.payload[at : at + FRAME_DATA_BYTES]) for n, at in enumerate(parts)]
    return [frame(FRAME_HEADER, 0, Header.of(sound, **changes).pack()), *data, frame(FRAME_RUN, 0, b"")]


def send(*sent: bytes, **watch):
    """A run without a card in which this comes over the serial line."""
    return boot(uart_input=PAD + b"".join(sent), **watch)


def test_frames_are_taken_and_the_image_starts(tmp_path):
    memory = tmp_path / "memory"
    sound = image(RAM_BASE + 0x8000, blocks=5)
    result = send(*frames(sound), ram_out=memory, max_cycles=3_000_000)
    assert (result.status, result.reason) == (0, "finisher pass")
    for kind, number in ((FRAME_HEADER, 0), (FRAME_DATA, 0), (FRAME_DATA, 1), (FRAME_DATA, 2), (FRAME_RUN, 0)):
        assert result.uart.count(answer(BootProblem.NONE, kind, number)) == 1
    assert memory.read_bytes()[0x8000:][: len(sound.payload)] == sound.payload


@pytest.mark.parametrize(
    "changes,problem",
    [
        ({"word0": 1}, BootProblem.MAGIC),
        ({"crc_error": 1}, BootProblem.HEADER_CRC),
        ({"word1": 0x7FFF_0000}, BootProblem.VERSION),
        ({"word3": 0xFFFF_FE00}, BootProblem.ADDRESS),
        ({"word2": 0xFFFF_FFC0, "word3": 0x8000_0200}, BootProblem.ADDRESS),
        ({"word2": RAM_END - LOADER_BYTES - BYTES + 64}, BootProblem.LOADER),
        ({"word4": RAM_BASE - 2}, BootProblem.ENTRY),
    ],
)
def test_refused_header_takes_nothing(changes, problem, tmp_path):
    memory = tmp_path / "memory"
    result = send(*frames(image(), **changes), ram_out=memory, max_cycles=1_500_000)
    assert result.status == CYCLE_LIMIT
    assert answer(problem, FRAME_HEADER, 0) in result.uart
    assert b"boot: upload: " in result.uart
    # What follows a refused header belongs nowhere.
    assert answer(BootProblem.ORDER, FRAME_DATA, 1) in result.uart
    assert MARK not in memory.read_bytes()


def test_wrong_payload_is_not_started():
    header, *_, run = frames(image())
    _, *data, _ = frames(changed(image(), 1200))
    result = send(header, *data, run, max_cycles=1_500_000)
    assert result.status == CYCLE_LIMIT
    assert answer(BootProblem.PAYLOAD_CRC, FRAME_RUN, 0) in result.uart
    assert b"boot: upload: wrong CRC of the payload\r\n" in result.uart


def test_run_before_everything_has_come_is_refused():
    header, first, _, run = frames(image())
    for sent in ((run,), (header, run), (header, first, run)):
        result = send(*sent, max_cycles=1_500_000)
        assert result.status == CYCLE_LIMIT
        assert answer(BootProblem.ORDER, FRAME_RUN, 0) in result.uart


def test_repeated_frame_is_taken_once_and_a_skipped_one_is_refused():
    header, first, second, run = frames(image())
    result = send(header, first, first, second, second, run, max_cycles=1_500_000)
    assert (result.status, result.reason) == (0, "finisher pass")
    result = send(header, second, max_cycles=1_500_000)
    assert result.status == CYCLE_LIMIT
    assert answer(BootProblem.ORDER, FRAME_DATA, 1) in result.uart


def test_repeated_frame_with_other_content_changes_nothing(tmp_path):
    """Otherwise the check of the whole would be of something else than what was taken."""
    memory = tmp_path / "memory"
    header, first, second, run = frames(image())
    other = frame(FRAME_DATA, 0, bytes(FRAME_DATA_BYTES))
    result = send(header, first, other, second, run, ram_out=memory, max_cycles=1_500_000)
    assert (result.status, result.reason) == (0, "finisher pass")
    assert memory.read_bytes()[: len(image().payload)] == image().payload


@pytest.mark.parametrize("length", [FRAME_DATA_BYTES + 1, 0xFFFF, 0])
def test_data_frame_of_another_length_stores_nothing_beyond_the_image(length, tmp_path):
    memory = tmp_path / "memory"
    sound = image(blocks=1)
    body = struct.pack("<BHH", FRAME_DATA, 0, length) + b"\xee" * length
    long = b"\xa5" + body + struct.pack("<I", zlib.crc32(body))
    result = send(frames(sound)[0], long, frame(FRAME_RUN, 0, b""), ram_out=memory, max_cycles=4_000_000)
    assert result.status == CYCLE_LIMIT
    assert b"\xee" not in memory.read_bytes()[: 1 << 16]


class Pipe:
    """A line to a simulated system through its pipes; some bytes are damaged on the way to it."""

    def __init__(self, process, damage=()):
        self.process, self.damage, self.sent = process, set(damage), 0
        os.set_blocking(process.stdout.fileno(), False)

    def read(self, size=1):
        """What there is."""
        return self.process.stdout.read(size) or b""

    def write(self, data):
        """Send, flipping a bit of every byte whose number is in ``damage``."""
        noisy = bytes(b ^ 1 if self.sent + n in self.damage else b for n, b in enumerate(data))
        self.sent += len(data)
        self.process.stdin.write(noisy)
        self.process.stdin.flush()


def upload(damage=(), sound=None, answer_seconds=20.0):
    """Send an image with the host's own code to a simulated system; the exit status of the system."""
    with start(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            line = Pipe(process, damage)
            told, gone = [], []
            Upload(line, "an image", told.append, wait_seconds=60, answer_seconds=answer_seconds).run(
                sound or image(blocks=7), gone.append
            )
            assert gone == [1024, 2048, 3072, 3584]
            return process.wait(60), "".join(told)
        finally:
            process.kill()


def test_damaged_frames_are_sent_again():
    # In the kind of the first data frame, in the payload of the second, in the CRC of the third.
    status, _ = upload()
    assert status == 0
    header, data = 42, FRAME_DATA_BYTES + 10
    for position in (header + 1, header + data + 500, header + 2 * data + data - 1):
        status, _ = upload({position})
        assert status == 0, position


def test_host_tells_why_the_boot_program_refuses():
    with pytest.raises(ToolError, match="the boot program refuses it: reaches into the boot program's stack"):
        upload(sound=image(RAM_END - 7 * 512, blocks=7))


def test_command_uploads_through_a_terminal(tmp_path):
    master, slave = os.openpty()
    tty.setraw(slave)
    path = tmp_path / "program.img"
    path.write_bytes(image(blocks=7).pack())
    with start(stdin=master, stdout=master) as process:
        killer = threading.Timer(120, process.kill)
        killer.start()
        try:
            command = [sys.executable, "-m", "hakone_tools", "upload", os.ttyname(slave), str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=110)
            assert done.returncode == 0, done.stderr
            assert "3584 bytes, started at 0x80000000" in done.stderr
            assert process.wait(60) == 0
        finally:
            killer.cancel()
            process.kill()
            os.close(master)
            os.close(slave)
