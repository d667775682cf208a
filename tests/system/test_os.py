"""The small operating system with plain processes: turns, messages, refusals, faults. No secrets here."""

import struct
from pathlib import Path

import pytest

from hakone.isa.cause import Cause, Sub
from hakone.isa.platform import RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim.run import simulate
from hakone_tools.os_record import Kind, OsRecord
from hakone_tools.system_image import Plan, build_system
from hakone_tools.system_programs import PlainProgram

SOURCE = Path(__file__).resolve().parent / "programs" / "closed" / "messages.c"
SPIN, SEND, RECEIVE, WRONG, FAULT = range(5)
NO_SUCH_SERVICE, BAD_ARGUMENT, NO_MEMORY = 1, 2, 3


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run of one process of each kind, in contexts 1 to 5."""
    folder = tmp_path_factory.mktemp("os")
    program = PlainProgram("messages", [SOURCE])
    plan = Plan([program], [("messages", given) for given in (SPIN, SEND, RECEIVE, WRONG, FAULT)])
    system = build_system("messages", plan, folder)
    result = simulate(PRESETS["default"], system.program.elf, ram_out=folder / "memory", max_cycles=4_000_000)
    memory = (folder / "memory").read_bytes()

    def chip(address: int, count: int) -> bytes:
        return memory[address - RAM_BASE :][:count].ljust(count, b"\0")

    return result, OsRecord(system.program.symbols(), chip)


def test_processes_take_turns_and_end_by_themselves(ended):
    """The one that never yields is interrupted: the others end before it. One faults: the status counts it."""
    result, record = ended
    assert result.status == 1, result.uart
    assert record.exits() == {1: 0, 2: 0, 3: 0, 4: 0}
    order = [e.context for e in record.of(Kind.EXITED)]
    assert order.index(3) < order.index(1)
    assert result.events["interrupt"] > 5


def test_messages_arrive_in_order(ended):
    result, _ = ended
    assert f"sum {sum(n * n for n in range(40))}\n".encode() in result.uart


def test_lines_of_processes_do_not_mix(ended):
    result, _ = ended
    said = [line for line in result.uart.decode().splitlines() if not line.startswith("os: ")]
    assert sorted(said) == ["spun", "sum 20540"]


def test_nonsense_is_refused(ended):
    _, record = ended
    answers = struct.unpack("<6I", record.output(4)[:24])
    assert answers == (NO_SUCH_SERVICE, BAD_ARGUMENT, BAD_ARGUMENT, NO_MEMORY, BAD_ARGUMENT, BAD_ARGUMENT)


def test_process_that_leaves_its_segments_is_ended(ended):
    _, record = ended
    assert [(e.context, e.a, e.b) for e in record.of(Kind.FAULTED)] == [
        (5, Cause.SEGMENT.value, Sub.SEGMENT_ABSENT.value)
    ]
