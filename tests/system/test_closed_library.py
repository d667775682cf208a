"""The library for closed memory as a programmer meets it: every error by its name, and ordinary variables."""

import hashlib
import struct
from enum import IntEnum
from pathlib import Path

import pytest
from closed_runs import program, tell
from observation import CLOSED

from hakone_tools.system_image import Plan

SOURCE = Path(__file__).resolve().parent / "programs" / "closed" / "library.c"


class Error(IntEnum):
    """``enum closed_error`` of hakone/closed.h."""

    OK = 0
    BAD_NAME = 1
    BAD_SIZE = 2
    REFUSED = 3
    BAD_PLACE = 4
    BAD_KEY = 5
    QUOTA = 6
    FULL = 7
    NOT_THERE = 8
    NOT_OPEN = 9


#: In the order of the program.
ANSWERS = [
    *(Error.BAD_NAME, Error.BAD_NAME, Error.BAD_SIZE, Error.BAD_SIZE, Error.REFUSED, Error.NOT_OPEN, Error.NOT_OPEN),
    *(Error.OK, Error.REFUSED, Error.NOT_THERE, Error.OK),
    *(Error.OK, Error.BAD_KEY, Error.OK),
    *(Error.BAD_PLACE, Error.BAD_PLACE, Error.OK, Error.OK, Error.QUOTA, Error.OK, Error.OK, Error.OK, Error.NOT_OPEN),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One process of the program, under the hostile operating system."""
    library = program("library", (str(SOURCE),), {1, 2}, 107)
    plan = Plan([library], [("library", 0)], hostile=True)
    return tell("library", plan, tmp_path_factory.mktemp("library"), CLOSED, wait_seed=5)


def test_process_has_its_variables(story):
    """What .data begins with, zeros in .bss, a heap; SHA-256 of one block and of many."""
    output = story.output(1)
    assert story.exits() == {1: 0}, story.seen.uart
    assert struct.unpack_from("<3I", output) == (0x66666666, 0, 1)
    assert output[12:44] == hashlib.sha256(b"abc").digest()
    assert output[44:76] == hashlib.sha256(b"a" * 1000).digest()
    assert struct.unpack_from("<I", output, 76) == (0,)


def test_every_error_has_its_own_name(story):
    answers = struct.unpack_from(f"<{len(ANSWERS)}I", story.output(1), 80)
    assert [Error(a) for a in answers] == ANSWERS


def test_nothing_of_it_was_seen(story):
    assert story.seen.hits == 0
