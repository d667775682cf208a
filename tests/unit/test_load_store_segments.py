"""Segments in the load/store unit: limits, rings, rights and places of accesses, and what a refused one leaves behind.

Every access is checked against the byte-by-byte model of ``segment_model`` by the bench, whatever else a test asserts.
"""

from dataclasses import replace

import pytest
from amaranth_bench import seeded
from data_side_bench import Bench, Entry, Op, State
from data_side_reference import ATOMICS
from test_load_store_access import CYCLES, load, simulate, store

from hakone.bus.core_ports import MemoryOp
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import CLINT, MASK_ROM, RAM_BASE, UART
from hakone_sim.evidence import SUCCEEDED, VOID, evidence

R, W, X = RegionFlag.READ, RegionFlag.WRITE, RegionFlag.EXECUTE
PLAIN, ANY = RegionFlag.PLAIN_ACCESS, RegionFlag.ANY_OWNER
XTS = Algorithm.AES128_XTS
RAM_BYTES = 1 << 20
LAST_OFFSET = (1 << 28) - 1
USER = State(1, level=0)


def attempt(op, *segments, state=USER, before=(), **options):
    """The fault of ``op`` by ``state`` in these ``segments`` (number, base, limit, rights, ring), and its bench.

    The tests' own assertion is about what was seen; the model's word is checked by the bench all the same.
    """
    seen = []

    async def body(bench):
        bench.enable_segments()
        for number, *rest in segments:
            await bench.segment(state.context, number, *rest)
        bench.set_state(state)
        for other in before:
            await bench.do(other)
        await bench.do(op)
        seen.append(bench.answer[1])
        await bench.settle()
        await bench.clean()
        bench.compare()

    return (seen, simulate(body, **options))


def rule(op, *segments, **options):
    """The rule that refused ``op``, or None; what was refused must have left no trace."""
    (fault,), bench = attempt(op, *segments, **options)
    if fault is None:
        return None
    assert fault[0] == Cause.SEGMENT and fault[2] == op.addr
    assert not bench.stores and not bench.lines.read_log and not bench.lines.write_log and not bench.devices.log
    return fault[1]


def conclude(number, wanted, met, controls):
    """Record an attack: the rules that it met, and those of the same with one parameter changed."""
    held, works = set(met) == {wanted}, not any(controls)
    evidence(number, "FAULT", "FAULT" if held else "reached", SUCCEEDED if works else VOID)
    assert held, met
    assert works, f"the control was refused too, the attack is void: {controls}"


@pytest.mark.long
@pytest.mark.attack(78)
@pytest.mark.parametrize("size_log2", [0, 1, 2])
def test_limit_is_the_last_byte_for_every_size(size_log2):
    """One byte further is refused, at the shortest segment, inside one, over a page, and at the longest one."""
    size, met, controls = 1 << size_log2, [], []
    for limit in (0, 1, 3, 6, 62, 63, 4095, RAM_BYTES - 16):
        segment = (2, RAM_BASE, limit)
        for kind in (load, store):

            def make(offset, kind=kind):
                addr = 0x2000_0000 + offset
                return kind(addr, size_log2) if kind is load else kind(addr, 0x8182_8384, size_log2)

            if limit + 1 >= size:
                assert rule(make(limit + 1 - size), segment) is None, (limit, kind)
            further = make(max(0, limit + 2 - size))
            met.append(rule(further, segment))
            controls.append(rule(further, (2, RAM_BASE, max(limit + 1, size - 1))))
    conclude(78, Sub.SEGMENT_LIMIT, met, controls)
    highest = load(0x3000_0000 - size, size_log2)
    assert rule(highest, (2, 0, LAST_OFFSET - 1)) == Sub.SEGMENT_LIMIT
    # The longest segment from 0 ends in unmapped memory: not the segment refuses its last bytes, but the map.
    (fault,), _ = attempt(highest, (2, 0, LAST_OFFSET))
    assert fault[:2] == (Cause.LOAD_FAULT, Sub.NONE)


@pytest.mark.attack(77)
def test_sum_of_base_and_offset_never_wraps():
    """A segment that would go on at address 0 is not usable at all, one that ends with the last byte is."""
    base, places = 0x1_0000_0000 - 0x1000, (0x2000_0000, 0x2000_0FFC, 0x2000_0FFE, 0x2000_1000, 0x2000_2FFC)
    met = [rule(load(addr), (2, base, 0x3000)) for addr in places]
    conclude(77, Sub.SEGMENT_LIMIT, met, [rule(load(addr), (2, RAM_BASE, 0x3000)) for addr in places])
    # Exactly to the end: refused by the physical map only, because nothing is there.
    (fault,), _ = attempt(load(0x2000_0FFC), (2, base, 0xFFF))
    assert fault[:2] == (Cause.LOAD_FAULT, Sub.NONE)
    assert rule(load(0x2000_0000), (2, base, 0x1000)) == Sub.SEGMENT_LIMIT


@pytest.mark.attack(79)
def test_access_over_the_limit_changes_no_byte():
    """Stores over the limit, over a line and over a 32-bit word; the bytes before the limit stay what they were."""
    met, controls = [], []
    for limit, addr in ((61, 60), (63, 62), (64, 62), (4095, 4093), (130, 128)):
        op = store(0x2000_0000 + addr, 0xFFFF_FFFF)
        met.append(rule(op, (2, RAM_BASE, limit)))
        controls.append(rule(op, (2, RAM_BASE, addr + 3)))
        # With the lines in the cache nothing else is seen either.
        near = [load(0x2000_0000 + (addr & ~63), 0)]
        (fault,), bench = attempt(op, (2, RAM_BASE, limit), before=near)
        assert fault[1] == Sub.SEGMENT_LIMIT and not bench.stores and not bench.lines.write_log
    conclude(79, Sub.SEGMENT_LIMIT, met, controls)


@pytest.mark.attack(80)
def test_access_over_two_segments_is_refused():
    """Both are open and their bytes lie in memory; the same access eight bytes lower is one like any other."""
    both = ((7, RAM_BASE + 0x1000 - (1 << 28), LAST_OFFSET), (8, RAM_BASE + 0x1000, LAST_OFFSET))
    over = [load(0x7FFF_FFFD), load(0x7FFF_FFFF, 1), store(0x7FFF_FFFE), store(0x7FFF_FFFF, 1, 1)]
    met = [rule(op, *both) for op in over]
    conclude(80, Sub.SEGMENT_STRADDLE, met, [rule(replace(op, addr=op.addr - 8), *both) for op in over])
    assert rule(load(0xFFFF_FFFE), (15, 0, LAST_OFFSET), (0, 0, LAST_OFFSET)) == Sub.SEGMENT_STRADDLE
    assert rule(load(0x7FFF_FFFE), (7, 0x7000_0000, LAST_OFFSET - 1)) == Sub.SEGMENT_LIMIT


ATOMIC = Op(MemoryOp.AMO_ADD, 0x2000_0008, 2, 0, 1)
RIGHTS = (
    (load(0x2000_0000), "w", 3, 0, Sub.SEGMENT_RIGHT),
    (load(0x2000_0000), "x", 3, 0, Sub.SEGMENT_RIGHT),
    (load(0x2000_0000), "r", 3, 0, None),
    (store(0x2000_0000), "rx", 3, 0, Sub.SEGMENT_RIGHT),
    (store(0x2000_0000), "w", 3, 0, None),
    (ATOMIC, "r", 3, 0, Sub.SEGMENT_RIGHT),
    (ATOMIC, "w", 3, 0, Sub.SEGMENT_RIGHT),
    (ATOMIC, "rw", 3, 0, None),
    (Op(MemoryOp.LOAD_RESERVED, 0x2000_0008), "r", 3, 0, None),
    (load(0x2000_0000), "r", 2, 0, Sub.SEGMENT_RING),
    (load(0x2000_0000), "", 2, 0, Sub.SEGMENT_RING),
    (load(0x2000_0000), "r", 2, 1, None),
    (load(0x2000_0000), "r", 1, 1, Sub.SEGMENT_RING),
    (load(0x2000_0000), "r", 1, 2, None),
    (load(0x2000_0000), "r", 0, 2, Sub.SEGMENT_RING),
    (load(0x2000_0000), "r", 0, 3, None),
    (load(0x2000_0000), "r", 3, 3, None),
    (load(0x3000_0000), "r", 3, 3, Sub.SEGMENT_ABSENT),
    (load(0x2001_0000), "", 3, 0, Sub.SEGMENT_RIGHT),
)


@pytest.mark.parametrize(("op", "rights", "ring", "level", "wanted"), RIGHTS)
def test_rings_and_rights(op, rights, ring, level, wanted):
    assert rule(op, (2, RAM_BASE, 0xFFFF, rights, ring), state=State(1, level=level)) == wanted


def test_nothing_is_present_after_reset_and_after_a_limit_was_written():
    """A limit is loaded first, then the word that makes it present; a segment being changed is not there."""

    async def body(bench):
        bench.enable_segments()
        bench.set_state(USER)
        for segment in range(16):
            await bench.do(load(segment << 28, 0))
            assert bench.answer[1][1] == Sub.SEGMENT_ABSENT
        await bench.segment(1, 2, RAM_BASE, 0xFFF)
        await bench.do(load(0x2000_0000))
        await bench.segput(1, 2, 1, 0xFFFF)
        await bench.do(load(0x2000_0000))
        assert bench.answer[1][1] == Sub.SEGMENT_ABSENT

    simulate(body)


@pytest.mark.attack(34)
def test_no_access_by_a_stale_copy():
    """Used, then taken away, shrunk, moved, cleared or made another ring's: the very next access sees it."""
    addr, seen, control = 0x2000_1000, [], []
    changes = {
        "absent": lambda bench: bench.segput(1, 2, 0, RAM_BASE),
        "shrunk": lambda bench: bench.segment(1, 2, RAM_BASE, 0xFFF),
        "cleared": lambda bench: bench.clear_segments(1),
        "inner": lambda bench: bench.segment(1, 2, RAM_BASE, 0xFFFF, "rw", 0),
        "read only": lambda bench: bench.segment(1, 2, RAM_BASE, 0xFFFF, "r"),
    }

    async def body(bench):
        bench.enable_segments()
        for change in changes.values():
            await bench.segment(1, 2, RAM_BASE, 0xFFFF)
            bench.set_state(USER)
            await bench.pipeline([store(addr, 1), store(addr, 2)])
            control.append(bench.answer[1])  # without the change it works
            await change(bench)
            stores, reads = len(bench.stores), len(bench.lines.read_log)
            await bench.do(store(addr, 3))
            seen.append(bench.answer[1] is not None and bench.answer[1][0] == Cause.SEGMENT)
            assert len(bench.stores) == stores and len(bench.lines.read_log) == reads
        # Moved: what was written at the old place does not come back from the new one.
        await bench.segment(1, 2, RAM_BASE + 0x8000, 0xFFFF)
        await bench.do(load(addr))

    simulate(body)
    evidence(34, "FAULT", "FAULT" if all(seen) else "reached", SUCCEEDED if not any(control) else VOID)
    assert seen == [True] * len(changes) and control == [None] * len(changes)


def test_copies_follow_every_switch():
    """The same segment number of two contexts: each sees its own, at once and every time; clearing one leaves one."""

    async def body(bench):
        bench.enable_segments()
        await bench.segment(1, 2, RAM_BASE, 0xFFF)
        await bench.segment(2, 2, RAM_BASE + 0x4000, 0x7FF)
        for turn in range(6):
            bench.set_state(State(1 + turn % 2, level=0))
            await bench.pipeline([load(0x2000_0000 + 4 * turn), store(0x2000_0000, turn), load(0x2000_0800)])
        await bench.clear_segments(2)
        for context in (1, 2, 1):
            bench.set_state(State(context, level=0))
            await bench.do(load(0x2000_0000))
            assert (bench.answer[1] is None) == (context == 1)

    simulate(body)


def test_checks_add_no_cycle_once_a_segment_was_used():
    """Flat segments that are on cost what segments that are off cost; the first use of one costs three cycles."""

    async def body(bench):
        await bench.pipeline([load(RAM_BASE), load(RAM_BASE + 64)])
        for segment in (0, 1, 4, 8):
            await bench.segment(0, segment, segment << 28, LAST_OFFSET)
        bench.enable_segments()
        assert await bench.do(load(RAM_BASE)) == 4
        for number in (MASK_ROM.base, UART.base, 0x4000_0000):
            await bench.do(load(number, 0))
        for op, cycles in CYCLES:
            assert await bench.do(op) == cycles, op
        ops = [load(RAM_BASE), store(RAM_BASE, 1), load(RAM_BASE + 4)] * 4
        assert await bench.pipeline(ops) == [1] * len(ops)

    simulate(body)


def test_one_memory_under_two_segments_is_one_memory():
    """What is written through one is read through the other, and breaks a reservation taken there."""

    async def body(bench):
        bench.enable_segments()
        await bench.segment(1, 2, RAM_BASE, 0xFFFF)
        await bench.segment(1, 5, RAM_BASE + 0x1000, 0xFFFF)
        bench.set_state(USER)
        await bench.pipeline(
            [store(0x2000_1004, 0x1122_3344), load(0x5000_0004), store(0x5000_003E), load(0x2000_103E)]
        )
        conditional = Op(MemoryOp.STORE_CONDITIONAL, 0x2000_1008, wdata=7)
        for between, status in ((load(0x5000_0008), 0), (store(0x5000_0008, 9), 1), (store(0x5000_000C, 9), 0)):
            await bench.pipeline([Op(MemoryOp.LOAD_RESERVED, 0x2000_1008), between, conditional])
            assert bench.answer[0] == status, between
        # Another segment's name for the reserved word will do: the reservation is the physical word.
        await bench.do(Op(MemoryOp.LOAD_RESERVED, 0x2000_1008))
        await bench.do(Op(MemoryOp.STORE_CONDITIONAL, 0x5000_0008, wdata=8))
        assert bench.answer[0] == 0
        await bench.clean()
        bench.compare()

    simulate(body)


def test_devices_see_physical_addresses_and_no_refused_access():
    async def body(bench):
        bench.enable_segments()
        await bench.segment(1, 3, UART.base, 7)
        bench.set_state(USER)
        await bench.pipeline([store(0x3000_0005, 0x41, 0), load(0x3000_0005, 0), load(0x3000_0008, 0)])
        assert [entry[:3] for entry in bench.devices.log] == [(UART.base + 4, True, 2), (UART.base + 4, False, 2)]
        await bench.segment(1, 3, CLINT.base, 0xFFFF, "r")
        await bench.pipeline([store(0x3000_4000), load(0x3000_BFF8)])
        assert bench.devices.log[-1][0] == CLINT.base + 0xBFF8 and len(bench.devices.log) == 3

    simulate(body)


def test_probe_translates_one_byte_in_one_cycle_and_touches_nothing():
    """Neither rights nor regions nor the map matter to it; segment, ring and limit do."""
    line = 0x2000_0000 >> 6
    entries = (Entry(1, line, line + 1, RegionFlag(0), 3, XTS, key_slot=2, owner=5),)

    async def body(bench):
        probe = [Op(MemoryOp.PROBE, addr, 2) for addr in (0x2000_0041, 0x2000_0FFF, 0x2000_1000, 0x3000_0000)]
        bench.set_state(USER)
        await bench.pipeline(probe[:2])  # from then on the ranges are at hand
        assert await bench.do(probe[0]) == 1  # flat: its own place
        bench.enable_segments()
        await bench.segment(1, 2, 0x4000_0000, 0xFFF, "")
        await bench.segment(1, 6, RAM_BASE, 0xFFF, "", 1)
        assert await bench.pipeline(probe[:2]) == [4, 1]
        assert bench.answer_place == (0x4000_0FFF, False)
        await bench.do(probe[0])
        assert bench.answer_place == (0x4000_0041, True)
        for op, sub in ((probe[2], Sub.SEGMENT_LIMIT), (probe[3], Sub.SEGMENT_ABSENT)):
            await bench.do(op)
            assert bench.answer[1] == (Cause.SEGMENT, sub, op.addr)
        await bench.do(Op(MemoryOp.PROBE, 0x6000_0000))
        assert bench.answer[1][1] == Sub.SEGMENT_RING
        assert not bench.lines.read_log and not bench.stores and not bench.devices.log
        assert bench.events["uncached"] == bench.events["dcache_miss"] == bench.events["misaligned"] == 0

    simulate(body, *entries)


def test_probe_of_a_cached_line_leaves_the_order_of_replacement():
    """The line that was used longest ago goes next, probed or not."""
    lines = [RAM_BASE + 0x200 * k for k in range(3)]

    async def body(bench):
        await bench.pipeline([load(lines[0]), load(lines[1]), Op(MemoryOp.PROBE, lines[0], 0), load(lines[2])])
        assert await bench.do(load(lines[1])) == 1, "the probe made the older line the younger one"

    simulate(body)


MOVED = (
    (RAM_BASE, XTS, None),
    (RAM_BASE + 0x1000, XTS, Sub.REGION_MOVED),
    (RAM_BASE - 0x1000, XTS, Sub.REGION_MOVED),
    (RAM_BASE + 0x1000, Algorithm.NONE, None),
)


@pytest.mark.parametrize(("base", "algorithm", "wanted"), MOVED)
@pytest.mark.parametrize("encrypted", [0, 1])
def test_region_in_a_segment_that_was_moved(base, algorithm, wanted, encrypted):
    """A region answers only while its segment begins where it did when the region was bound; windows do not care."""
    line = 0x2000_1000 >> 6
    domain = 3 if algorithm == XTS else 0
    entry = Entry(1, line, line, R | W | PLAIN, domain, algorithm, key_slot=2, owner=5, segment_base=RAM_BASE)

    async def body(bench):
        bench.enable_segments()
        await bench.segment(1, 2, base, 0xFFFF)
        bench.set_state(State(1, encrypted, 2, 5, level=0))
        for op in (load(0x2000_1000), store(0x2000_1004, 5), replace(ATOMIC, addr=0x2000_1008)):
            await bench.do(op)
            assert (bench.answer[1] and bench.answer[1][:2]) == (wanted and (Cause.REGION, wanted))
        if wanted:
            assert not bench.lines.read_log and not bench.stores

    simulate(body, entry)


def test_no_region_is_open_to_a_handler():
    """The flag that opens a region to its owner's plain code does not hold in a handler; its encrypted code may."""
    line = RAM_BASE >> 6
    entry = Entry(1, line, line, R | W | PLAIN, 3, XTS, key_slot=2, owner=5)
    got = []

    async def body(bench):
        for state in (State(1), State(1, handler=1), State(1, 1, 2, 5), State(1, 1, 2, 5, handler=1)):
            bench.set_state(state)
            await bench.do(load(RAM_BASE))
            got.append(bench.answer[1] and bench.answer[1][1])

    simulate(body, entry)
    assert got == [None, Sub.REGION_PLAIN_ACCESS, None, None]


BASES = (*3 * (RAM_BASE, RAM_BASE + 0x1000), RAM_BASE + RAM_BYTES - 0x1000, 0, UART.base, 0xFFFF_F000, 0x7FFF_F000)
LIMITS = (0, 3, 62, 63, 64, 0xFFF, 0x1000, 0x1003, LAST_OFFSET - 1, LAST_OFFSET)
NUMBERS = (1, 2, 8)


def _op(rng, limits):
    """An access where something can go wrong: at the ends of what was loaded, at those of segments, anywhere."""
    number = rng.choice((*2 * NUMBERS, 3))
    place = rng.random()
    offset = rng.randrange(0x1100) if place < 0.5 else limits.get(number, 0) + rng.randrange(-5, 6)
    addr = (number << 28) + offset if place < 0.9 else ((number + 1) << 28) - rng.randrange(4)
    kind = rng.random()
    if kind < 0.75:
        op = MemoryOp.LOAD if kind < 0.4 else MemoryOp.STORE
        return Op(op, addr & 0xFFFF_FFFF, rng.randrange(3), rng.getrandbits(1), rng.getrandbits(32))
    if kind < 0.85:
        return Op(MemoryOp.PROBE, addr & 0xFFFF_FFFF, 0)
    return Op(rng.choice(ATOMICS), addr & 0xFFFF_FFFC, 2, 0, rng.getrandbits(32))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_segments_and_accesses(seed):
    """Descriptors of three contexts change between bursts of accesses; values, faults, places and memory agree."""
    rng = seeded(seed)
    flat = RAM_BASE >> 6
    entries = (
        Entry(1, 0x2000_0000 >> 6, (0x2000_0000 >> 6) + 15, R | W | PLAIN, 3, XTS, 2, 5, segment_base=RAM_BASE),
        Entry(1, flat, flat + 15, R | W | PLAIN, 4, XTS, 3, 5, segment_base=RAM_BASE + 0x1000),
        Entry(2, 0x1000_0000 >> 6, (0x1000_0000 >> 6) + 3, R | W, 0),
    )
    states = [State(c, level=level) for c in (0, 1, 2) for level in (0, 1, 3)]
    states += [State(1, 1, 2, 5, level=0), State(2, 1, 2, 5, level=0), State(1, level=0, handler=1)]
    # The instruction cache asks for the same lines under every domain, so that they are taken away at any moment.
    around = {
        "rate": 0.03,
        "choose": lambda rng: (flat + rng.choice((0, 64)) + rng.randrange(4), rng.choice((0, 3, 4))),
    }
    bench = Bench(entries, ram_bytes=RAM_BYTES, rng=rng, gaps=0.2, waits=0.3, latency=rng.choice((1, 6)), **around)

    async def body(bench):
        limits, kinds = {}, {}
        bench.set_state(State())
        for context in range(3):
            for number in NUMBERS:
                limits[number] = 0x1003
                await bench.segment(context, number, RAM_BASE + 0x1000 * rng.randrange(2), 0x1003)
        for _ in range(90):
            bench.set_state(rng.choice(states))
            await bench.end_reservation()
            bench.enable_segments(rng.random() < 0.9)
            for _ in range(rng.randrange(3)):
                context, number = rng.randrange(3), rng.choice(NUMBERS)
                limits[number], rights = rng.choice(LIMITS), rng.choice(("rw", "rw", "rw", "r", "w", "x"))
                await bench.segment(
                    context, number, rng.choice(BASES), limits[number], rights, rng.choice((0, 2, 3, 3))
                )
            if rng.random() < 0.05:
                await bench.clear_segments(rng.randrange(3))
            ops = [_op(rng, limits) for _ in range(rng.randrange(1, 12))]
            for op in ops:
                await bench.do(op)
                fault = bench.answer[1]
                kinds[fault and fault[1]] = kinds.get(fault and fault[1], 0) + 1
        await bench.settle()
        await bench.clean()
        bench.compare()
        rules = {Sub.SEGMENT_ABSENT, Sub.SEGMENT_RING, Sub.SEGMENT_RIGHT, Sub.SEGMENT_LIMIT}
        assert rules < set(kinds) and kinds[None] > 30, kinds

    bench.run(body)
