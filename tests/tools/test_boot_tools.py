"""``hakone image`` and ``hakone upload``: what they make and what they refuse; the host's side of an upload against a
boot program drawn here.
"""

import struct
import zlib

import pytest

from hakone.isa.boot_image import FRAME_DATA, FRAME_HEADER, FRAME_RUN, LOADER_BYTES, BootImage, BootProblem
from hakone.isa.platform import RAM_BASE
from hakone_tools.errors import ToolError
from hakone_tools.image import Segment, write_elf
from hakone_tools.uploading import Upload

RAM = ("--set", "ram_bytes=65536")
LIMIT = RAM_BASE + 65536 - LOADER_BYTES


def program(path, *segments: tuple[int, bytes], entry: int = RAM_BASE):
    """A program file with these segments."""
    path.write_bytes(write_elf(entry, [Segment(start, data) for start, data in segments]))
    return path


def test_image_holds_what_a_loader_would_put_into_memory(hakone, tmp_path):
    elf = program(tmp_path / "a.elf", (RAM_BASE + 64, b"abcd"), (RAM_BASE + 0x400, b"efg"), entry=RAM_BASE + 66)
    outcome = hakone("image", elf, "-o", tmp_path / "a.img", *RAM)
    assert outcome.status == 0, outcome.err
    image = BootImage.unpack((tmp_path / "a.img").read_bytes())
    assert (image.load, image.entry, len(image.payload)) == (RAM_BASE + 64, RAM_BASE + 66, 1024)
    assert image.payload == b"abcd".ljust(0x3C0, b"\0") + b"efg".ljust(64, b"\0")


def test_image_into_the_stack_of_the_boot_program_is_refused(hakone, tmp_path):
    for length, good in ((512, True), (513, False)):
        elf = program(tmp_path / "a.elf", (RAM_BASE, b"x"), (LIMIT - 512, bytes([1]) * length))
        outcome = hakone("image", elf, "-o", tmp_path / "a.img", *RAM)
        if good:
            assert outcome.status == 0, outcome.err
        else:
            assert outcome.is_one_line("the last 4096 bytes of memory are the boot program's"), outcome.err


def test_bad_input_is_one_line(hakone, tmp_path):
    image, junk = tmp_path / "a.img", tmp_path / "junk"
    image.write_bytes(BootImage(RAM_BASE, RAM_BASE, bytes(512)).pack())
    junk.write_bytes(b"no image")
    short = tmp_path / "short"
    short.write_bytes(image.read_bytes()[:-1])
    assert hakone("image", junk, "-o", tmp_path / "b.img").is_one_line("junk", "not an ELF file")
    assert hakone("image", junk, "-o", junk).is_one_line("is an input too")
    assert hakone("image", junk, "-o", image, "--set", "ram_bytes=1").is_one_line("ram_bytes")
    assert hakone("upload", "/dev/null/none", junk).is_one_line("junk", "not an image")
    assert hakone("upload", "/dev/null/none", short).is_one_line("short", "truncated: 511 bytes of 512")
    assert hakone("upload", "/dev/null/none", tmp_path / "absent").is_one_line("absent", "cannot be read")
    assert hakone("upload", "/dev/null/none", image).is_one_line("/dev/null/none", "cannot be opened")
    assert hakone("upload", "nonsense://", image).is_one_line("nonsense://", "cannot be opened")
    assert hakone("sim").is_one_line("PROGRAM.elf", "missing")
    assert hakone("sim", "--rom", tmp_path / "absent").is_one_line("absent", "cannot be read")
    big = tmp_path / "big"
    big.write_bytes(bytes(8193))
    assert hakone("sim", "--rom", big).is_one_line("big", "8193 bytes, and the mask ROM has 8192")
    assert hakone("sim", "--rom", "boot", "--card", junk).is_one_line("card", "the system has no SPI controller")


class Board:
    """A boot program as the formats describe it. ``faults``: what it does to the frame with that count."""

    def __init__(self, faults=None, verdicts=None):
        self.faults, self.verdicts = faults or {}, verdicts or {}
        self.frames, self.out, self.count = [], bytearray(b"boot: waiting for an upload\r\n"), 0

    def write(self, data):
        """One frame."""
        self.count += 1
        start, kind, number, length = struct.unpack_from("<BBHH", data)
        assert start == 0xA5 and len(data) == 6 + length + 4
        assert int.from_bytes(data[-4:], "little") == zlib.crc32(data[1:-4])
        fault = self.faults.get(self.count, "")
        if fault == "lost":
            return
        problem = BootProblem.AGAIN if fault == "damaged" else self.verdicts.get(kind, BootProblem.NONE)
        if problem != BootProblem.AGAIN:
            self.frames.append((kind, number, bytes(data[6:-4])))
        if fault == "no answer":
            return
        middle = struct.pack("<BBH", problem, kind, number)
        crc = zlib.crc32(middle) ^ (fault == "wrong answer")
        self.out += b"text " + bytes([0xA5]) + middle + struct.pack("<I", crc)

    def read(self, size=1):
        """A few bytes at a time."""
        part, self.out = bytes(self.out[:5]), self.out[5:]
        return part


def send(board, payload=bytes(range(256)) * 10):
    """An upload to ``board``; the text that came."""
    told = []
    Upload(board, "a.img", told.append, wait_seconds=1, answer_seconds=0.02).run(BootImage(RAM_BASE, RAM_BASE, payload))
    return "".join(told)


def test_everything_arrives_in_order_and_text_is_told():
    board = Board()
    text = send(board)
    kinds = [(kind, number) for kind, number, _ in board.frames]
    assert kinds == [(FRAME_HEADER, 0), (FRAME_DATA, 0), (FRAME_DATA, 1), (FRAME_DATA, 2), (FRAME_RUN, 0)]
    assert b"".join(data for kind, _, data in board.frames if kind == FRAME_DATA) == bytes(range(256)) * 10
    assert text.startswith("boot: waiting for an upload\r\n") and text.count("text ") == 5


@pytest.mark.parametrize("fault", ["lost", "damaged", "no answer", "wrong answer"])
@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_frame_is_sent_again_until_it_is_answered(fault, count):
    board = Board({count: fault})
    send(board)
    assert board.count == 6
    kept = [f for n, f in enumerate(board.frames) if n == 0 or f != board.frames[n - 1]]
    assert [kind for kind, _, _ in kept] == [FRAME_HEADER, FRAME_DATA, FRAME_DATA, FRAME_DATA, FRAME_RUN]


def test_refusal_and_silence_are_told():
    with pytest.raises(ToolError, match=r"a.img: the boot program refuses it: made for another version; make it with"):
        send(Board(verdicts={FRAME_HEADER: BootProblem.VERSION}))
    with pytest.raises(ToolError, match="refuses it: wrong CRC of the payload"):
        send(Board(verdicts={FRAME_RUN: BootProblem.PAYLOAD_CRC}))
    with pytest.raises(ToolError, match="refuses it: problem 77"):
        send(Board(verdicts={FRAME_DATA: 77}))
    with pytest.raises(ToolError, match="the boot program does not answer; reset the board"):
        send(Board(dict.fromkeys(range(1, 100), "lost")))
    with pytest.raises(ToolError, match="no answer to frame 1 in 8 attempts"):
        send(Board(dict.fromkeys(range(3, 100), "lost")))
