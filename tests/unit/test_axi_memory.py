"""The simulated memory behind the AXI4 port: latency, bursts, order, errors, and the rules it holds its manager to."""

import random

import pytest

from hakone_sim.memory_library import Manager, Memory

BASE, SIZE = 0x8000_0000, 1 << 16
FIXED, INCR, WRAP = 0, 1, 2
DECERR = 3


def idle() -> Manager:
    return Manager(bready=1, rready=1)


def read_request(addr: int, length: int = 7, kind: int = INCR, size: int = 3, ident: int = 0) -> Manager:
    return Manager(arvalid=1, araddr=addr, arlen=length, arburst=kind, arsize=size, arid=ident, bready=1)


def write_request(addr: int, length: int = 7, kind: int = INCR) -> Manager:
    return Manager(awvalid=1, awaddr=addr, awlen=length, awburst=kind, awsize=3, bready=1)


def beat(data: int, last: bool, strobe: int = 255) -> Manager:
    return Manager(wvalid=1, wdata=data, wstrb=strobe, wlast=last, bready=1)


def until(memory: Memory, manager: Manager, ready) -> int:
    """Drive ``manager`` until ``ready`` holds of what the memory drives, and over that edge; returns its cycle."""
    for _ in range(1000):
        done = ready(memory.driven)
        memory.edge(manager)
        if done:
            return memory.cycle - 1
    raise AssertionError("the memory does not answer")


def collect(memory: Memory, count: int, rng: random.Random | None = None) -> list[tuple[int, int, int, bool, int]]:
    """``count`` beats as (cycle, id, data, last, response), with a manager that is now and then not ready."""
    beats = []
    for _ in range(5000):
        if len(beats) == count:
            return beats
        ready = rng is None or rng.random() < 0.7
        s = memory.driven
        if s.rvalid and ready:
            beats.append((memory.cycle, s.rid, s.rdata, bool(s.rlast), s.rresp))
        memory.edge(Manager(bready=1, rready=ready))
    raise AssertionError(f"{len(beats)} of {count} beats came")


def write(
    memory: Memory, addr: int, words: list[int], strobes: list[int] | None = None, data_first: bool = False
) -> int:
    """A whole write; returns its response."""
    strobes = strobes or [255] * len(words)
    address = lambda: until(memory, write_request(addr, len(words) - 1), lambda s: s.awready)  # noqa: E731
    if not data_first:
        address()
    for i, word in enumerate(words):
        until(memory, beat(word, i == len(words) - 1, strobes[i]), lambda s: s.wready)
    if data_first:
        address()
    while not memory.driven.bvalid:
        memory.edge(idle())
    response = memory.driven.bresp
    memory.edge(idle())
    return response


@pytest.mark.parametrize("latency", [1, 2, 10, 14, 30])
def test_first_beat_comes_after_the_latency_and_the_others_follow(latency):
    memory = Memory(BASE, SIZE, latency)
    content = random.Random(latency).randbytes(64)
    memory.load(BASE + 0x100, content)
    memory.edge(idle())
    accepted = until(memory, read_request(BASE + 0x100), lambda s: s.arready)
    beats = collect(memory, 8)
    assert [b[0] for b in beats] == list(range(accepted + latency, accepted + latency + 8))
    assert b"".join(b[2].to_bytes(8, "little") for b in beats) == content
    assert [b[3] for b in beats] == [False] * 7 + [True]


def test_wrapped_burst_starts_at_its_address():
    memory = Memory(BASE, SIZE)
    memory.load(BASE, b"".join(n.to_bytes(8, "little") for n in range(8)))
    memory.edge(idle())
    until(memory, read_request(BASE + 40, kind=WRAP), lambda s: s.arready)
    assert [b[2] for b in collect(memory, 8)] == [5, 6, 7, 0, 1, 2, 3, 4]


def test_two_reads_are_outstanding_and_overlap():
    memory = Memory(BASE, SIZE, latency=30)
    memory.edge(idle())
    first = until(memory, read_request(BASE, ident=1), lambda s: s.arready)
    second = until(memory, read_request(BASE + 64, ident=2), lambda s: s.arready)
    beats = collect(memory, 16)
    assert second == first + 1
    assert beats[-1][0] == first + 30 + 15
    assert [b[1] for b in beats] == [1] * 8 + [2] * 8


def test_outside_of_memory_is_a_decode_error():
    memory = Memory(BASE, SIZE)
    memory.edge(idle())
    for addr in (BASE - 64, BASE + SIZE, 0x1000):
        until(memory, read_request(addr), lambda s: s.arready)
        assert [(b[2], b[4]) for b in collect(memory, 8)] == [(0, DECERR)] * 8
        assert write(memory, addr, [1]) == DECERR
    assert memory.violation == ""


@pytest.mark.parametrize("data_first", [False, True])
def test_write_changes_strobed_bytes_only_and_not_before_it_is_acknowledged(data_first):
    memory = Memory(BASE, SIZE, latency=20)
    memory.edge(idle())
    if not data_first:
        until(memory, write_request(BASE + 8, 0), lambda s: s.awready)
        until(memory, beat(0x1122334455667788, True, 0x0F), lambda s: s.wready)
        for _ in range(18):
            assert not memory.driven.bvalid
            assert memory.read(BASE + 8, 8) == bytes(8)
            memory.edge(idle())
    else:
        assert write(memory, BASE + 8, [0x1122334455667788], [0x0F], True) == 0
    for _ in range(3):
        memory.edge(idle())
    assert memory.read(BASE, 24) == bytes(8) + bytes.fromhex("88776655") + bytes(12)


@pytest.mark.parametrize("seed", range(1, 9))
def test_random_traffic_with_wait_states_reads_what_was_written(seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    memory = Memory(BASE, SIZE, latency=rng.choice((1, 5, 20)), wait_seed=seed, wait_percent=rng.choice((10, 50)))
    image = bytearray(SIZE)
    for _ in range(60):
        count = rng.randrange(1, 9)
        addr = BASE + (rng.randrange(SIZE - 128) & ~63)
        if rng.random() < 0.5:
            words = [rng.getrandbits(64) for _ in range(count)]
            strobes = [rng.choice((255, rng.randrange(256))) for _ in range(count)]
            assert write(memory, addr, words, strobes, rng.random() < 0.3) == 0
            for n, (word, strobe) in enumerate(zip(words, strobes, strict=True)):
                for i, byte in enumerate(word.to_bytes(8, "little")):
                    if strobe >> i & 1:
                        image[addr - BASE + 8 * n + i] = byte
            continue
        ids = rng.sample(range(4), 2)
        for n, ident in enumerate(ids):
            until(memory, read_request(addr + 64 * n, count - 1, ident=ident), lambda s: s.arready)
        beats = collect(memory, 2 * count, rng)
        for n, ident in enumerate(ids):
            got = b"".join(b[2].to_bytes(8, "little") for b in beats if b[1] == ident)
            at = addr - BASE + 64 * n
            assert got == bytes(image[at : at + 8 * count])
    assert memory.violation == ""


def test_reads_of_different_ids_overtake_each_other_with_a_seed_and_never_those_of_one_id():
    overtaken = 0
    for seed in range(1, 30):
        memory = Memory(BASE, SIZE, latency=5, wait_seed=seed)
        ids = (1, 2, 1, 3)
        for n, ident in enumerate(ids):
            memory.load(BASE + 64 * n, bytes([n]) * 64)
            until(memory, read_request(BASE + 64 * n, 0, ident=ident), lambda s: s.arready)
        order = [(b[1], b[2] & 0xFF) for b in collect(memory, 4)]
        overtaken += [n for _, n in order] != [0, 1, 2, 3]
        assert [n for i, n in order if i == 1] == [0, 2]
    assert overtaken > 5


def changed(request: Manager, **fields) -> Manager:
    copy = Manager.from_buffer_copy(request)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy


@pytest.mark.parametrize(
    "steps, words",
    [
        ([read_request(BASE), changed(read_request(BASE), araddr=BASE + 8)], "AR: changed"),
        ([read_request(BASE), idle()], "AR: changed or dropped"),
        ([write_request(BASE), changed(write_request(BASE), awlen=3)], "AW: changed"),
        ([beat(1, True), beat(2, True)], "W: changed"),
        ([read_request(BASE + 0xFE0)] * 2, "AR: the burst crosses a 4 KiB boundary"),
        ([write_request(BASE + 0xFE0)] * 2, "AW: the burst crosses a 4 KiB boundary"),
        ([read_request(BASE, 5, WRAP)] * 2, "AR: a wrapping burst has"),
        ([read_request(BASE + 4, 7, WRAP)] * 2, "AR: a wrapping burst starts"),
        ([read_request(BASE, 7, FIXED)] * 2, "AR: burst type 0"),
        ([read_request(BASE, 7, INCR, 4)] * 2, "AR: size 16"),
        ([idle(), write_request(BASE, 1), beat(1, True)], "WLAST does not stand with beat 2"),
        ([idle(), write_request(BASE, 0), beat(1, False)], "WLAST does not stand with beat 1"),
        ([idle(), beat(1, True), write_request(BASE, 1)], "WLAST does not stand with beat 2"),
    ],
)
def test_broken_rule_is_told(steps, words):
    """The first step of the held ones meets a memory that is not ready yet: it has seen no edge."""
    memory = Memory(BASE, SIZE)
    for step in steps:
        memory.edge(step)
    assert words in memory.violation


def test_kept_rules_are_not_told():
    memory = Memory(BASE, SIZE)
    for step in (
        read_request(BASE + 0xFC0),
        read_request(BASE + 0xFC0),
        idle(),
        write_request(BASE, 0),
        beat(1, True),
        idle(),
    ):
        memory.edge(step)
    assert memory.violation == ""
