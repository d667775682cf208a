"""Segments in the fetch unit: what may be executed and where it lies, halfword by halfword.

Every instruction is compared with the byte-by-byte model of ``segment_model`` by the bench, whatever else a test says.
"""

import pytest
from amaranth_bench import run, seeded
from fetch_bench import Core, Guarded, Region, World, transfer

from hakone.isa.cause import Cause, Sub
from hakone.isa.platform import MASK_ROM, RAM_BASE
from hakone_sim.evidence import SUCCEEDED, VOID, evidence

LAST_OFFSET = (1 << 28) - 1
LONG, SHORT = b"\x13\x00\x00\x00", b"\x01\x00"
USER = {"context": 1, "level": 0, "encrypted": 0, "key_slot": 0, "owner": 0}
INSIDE = {**USER, "encrypted": 1, "key_slot": 2, "owner": 3}
QUICK = {"max_delay": 0, "gap_chance": 0.0}


async def until_fault(core: Core, pc: int, state: dict, most: int = 40) -> list:
    """Redirect, and take up to ``most`` instructions, or all up to the first fault."""
    await core.cycle(redirect=(pc, state))
    got = []
    for _ in range(60 + 8 * most):
        if seen := await core.cycle():
            got.append(seen)
            if seen["fault"] or len(got) == most:
                break
    for _ in range(20):
        await core.cycle(ready=False)
    return got


def simulate(body, world, **options):
    """Run ``body(core, registers)`` with segments on."""
    top = Guarded(world, **options)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        core.enable_segments(top.segments)
        await body(core, top.segments)

    run(top, bench)


REFUSED = (
    ("absent", {"number": 3}, Sub.SEGMENT_ABSENT),
    ("a ring further out", {"ring": 3, "level": 1}, Sub.SEGMENT_RING),
    ("a ring further in", {"ring": 0}, Sub.SEGMENT_RING),
    ("data", {"rights": "rw"}, Sub.SEGMENT_RIGHT),
    ("behind the limit", {"limit": 0xFF}, Sub.SEGMENT_LIMIT),
    ("half of the halfword behind the limit", {"limit": 0x100}, Sub.SEGMENT_LIMIT),
    ("a base that wraps", {"base": 0xFFFF_F000, "limit": 0x1000}, Sub.SEGMENT_LIMIT),
)


@pytest.mark.long
@pytest.mark.attack(92)
@pytest.mark.parametrize(("what", "change", "rule"), REFUSED)
@pytest.mark.parametrize("place", [RAM_BASE, MASK_ROM.base])
def test_refused_fetch_faults_and_reaches_no_bus(what, change, rule, place):
    """The miss unit is the only way out: it is not asked. With a segment that allows it, the same fetch is."""
    right = {"number": 2, "base": place, "limit": 0x7FFF, "rights": "rx", "ring": 3, "level": 0}
    asked = []

    async def body(core, registers):
        for segment in (right | change, right):
            await core.segment(
                registers, 1, segment["number"], segment["base"], segment["limit"], segment["rights"], segment["ring"]
            )
            got = await until_fault(core, 0x2000_0100, {**USER, "level": segment["level"]}, 1)
            asked.append((got[0]["fault"], len(core.miss_unit.requests)))

    simulate(body, World(seed=1))
    (fault, reached), (allowed, control) = asked
    evidence(92, "FAULT", "FAULT" if fault and not reached else "reached", SUCCEEDED if control else VOID)
    assert fault == (Cause.SEGMENT, rule) and reached == 0, what
    assert allowed is None and control > 0, "the control was refused too"


@pytest.mark.long
@pytest.mark.attack(78)
@pytest.mark.parametrize("code", [SHORT * 32, LONG * 16, SHORT + LONG * 16, (SHORT + LONG) * 12, (LONG + SHORT) * 12])
def test_limit_is_judged_by_the_halfword(code):
    """A segment that ends anywhere: all instructions that lie inside, then a fault at the first halfword outside."""
    seen, wanted, free = [], [], []

    async def body(core, registers):
        core.world.place(RAM_BASE, code)
        for limit in (*range(28), 0xFFF):
            await core.segment(registers, 1, 2, RAM_BASE, limit, "rx", 3)
            for start in (0, 6):
                got = await until_fault(core, 0x2000_0000 + start, USER, 24)
                fault = got[-1]["fault"]
                if limit == 0xFFF:  # the control: the same code, and a limit that is far away
                    free.append(fault is None)
                else:
                    # The first halfword outside, wherever its instruction began.
                    outside = max(0x2000_0000 + start, 0x2000_0000 + (limit + 1 & ~1))
                    seen.append((fault, got[-1]["fault_pc"]))
                    wanted.append(((Cause.SEGMENT, Sub.SEGMENT_LIMIT), outside))

    simulate(body, World(seed=2))
    evidence(78, "FAULT", "FAULT" if seen == wanted else "reached", SUCCEEDED if all(free) else VOID)
    assert seen == wanted and free == [True, True]


def test_transfer_out_of_a_block_that_the_limit_cuts():
    """What is predicted to be left before the limit is left: nothing behind is refused."""

    async def body(core, registers):
        core.world.place(RAM_BASE, SHORT * 64)
        await core.segment(registers, 1, 2, RAM_BASE, 0x13, "rx", 3)
        await until_fault(core, 0x2000_0000, USER, 4)
        await core.cycle(update=transfer(0x2000_0012, 0x2000_0000, compressed=True))
        await core.cycle(redirect=(0x2000_0000, USER))
        taken = 0
        for _ in range(120):
            got = await core.cycle()
            assert got is None or got["fault"] is None
            taken += got is not None and got["taken"]
        assert taken > 5

    simulate(body, World(seed=3), predictor_entries=64)


@pytest.mark.attack(80)
def test_instruction_over_two_segments_is_refused():
    """Both may be executed and lie side by side. Short instructions go on from one to the next."""
    got = {}

    async def body(core, registers):
        # The end of the longest segment must lie in memory, so it begins below.
        await core.segment(registers, 1, 1, 0x7800_0000, LAST_OFFSET, "rx", 3)
        await core.segment(registers, 1, 2, RAM_BASE, 0xFFF, "rx", 3)
        last = 0x7800_0000 + LAST_OFFSET + 1
        for name, code in (("long", LONG), ("short", SHORT)):
            core.world.place(last - 8, SHORT * 3 + code[:2])
            core.world.place(RAM_BASE, code[2:] + SHORT * 8)
            await core.cycle(flush=True)
            for _ in range(20):
                await core.cycle(ready=False)
            for start in (8, 2):
                got[name, start] = (await until_fault(core, 0x2000_0000 - start, USER, 8))[-1]["fault"]

    simulate(body, World(seed=4, ram_bytes=1 << 28), ram_bytes=1 << 28)
    wrong = (Cause.SEGMENT, Sub.SEGMENT_STRADDLE)
    control = SUCCEEDED if got["short", 8] is None and got["short", 2] is None else VOID
    evidence(80, "FAULT", "FAULT" if got["long", 8] == got["long", 2] == wrong else "reached", control)
    assert got == {("long", 8): wrong, ("long", 2): wrong, ("short", 8): None, ("short", 2): None}


@pytest.mark.attack(34)
def test_no_fetch_by_a_stale_copy():
    """Executed from, then taken away, shrunk, cleared or made another ring's: the next fetch is refused."""
    seen, control = [], []

    async def body(core, registers):
        async def clear():
            core.ctx.set(registers.port.clear, 1)
            core.ctx.set(registers.port.context, 1)
            await core.cycle(ready=False)
            core.ctx.set(registers.port.clear, 0)
            core.world.segments.clear(1)

        changes = (
            lambda: core.segput(registers, 1, 2, 0, RAM_BASE),
            lambda: core.segment(registers, 1, 2, RAM_BASE, 0xFF, "rx", 3),
            lambda: core.segment(registers, 1, 2, RAM_BASE, 0xFFFF, "r", 3),
            lambda: core.segment(registers, 1, 2, RAM_BASE, 0xFFFF, "rx", 2),
            clear,
        )
        for change in changes:
            await core.segment(registers, 1, 2, RAM_BASE, 0xFFFF, "rx", 3)
            control.append((await until_fault(core, 0x2000_0100, USER, 4))[-1]["fault"])
            await change()
            asked = len(core.miss_unit.requests)
            fault = (await until_fault(core, 0x2000_0100, USER, 4))[-1]["fault"]
            seen.append(fault is not None and fault[0] == Cause.SEGMENT)
            assert len(core.miss_unit.requests) == asked
        # Moved: the code of the new place comes.
        await core.segment(registers, 1, 2, RAM_BASE + 0x3000, 0xFFFF, "rx", 3)
        await until_fault(core, 0x2000_0100, USER, 4)

    simulate(body, World(seed=5))
    evidence(34, "FAULT", "FAULT" if all(seen) else "reached", VOID if any(control) else SUCCEEDED)
    assert seen == [True] * 5 and control == [None] * 5


@pytest.mark.parametrize(("base", "moved"), [(RAM_BASE, False), (RAM_BASE + 0x1000, True)])
def test_region_in_a_segment_that_was_moved(base, moved):
    """Encrypted code goes on only where its region was bound; nothing of the other place is asked for."""
    line = 0x2000_0200 >> 6
    world = World(seed=6, regions=[Region(1, line, line, segment_base=RAM_BASE)])

    async def body(core, registers):
        await core.segment(registers, 1, 2, base, 0xFFFF, "rx", 3)
        got = await until_fault(core, 0x2000_0200, INSIDE, 1)
        assert got[-1]["fault"] == ((Cause.REGION, Sub.REGION_MOVED) if moved else None)
        assert [request[:2] for request in core.miss_unit.requests] == ([] if moved else [(RAM_BASE + 0x200 >> 6, 1)])

    simulate(body, world)


def test_checks_add_no_cycle_once_a_segment_was_used():
    """From a redirect to its instruction: two cycles when the line is held, two more at a segment's first use."""

    async def body(core, registers):
        core.world.place(RAM_BASE, SHORT * 256)
        await core.segment(registers, 1, 2, RAM_BASE, 0xFFFF, "rx", 3)
        await core.segment(registers, 2, 2, RAM_BASE, 0xFFFF, "rx", 3)
        for n in range(4):
            await until_fault(core, 0x2000_0000 + 64 * n, USER, 1)
        for n in range(12):
            state = {**USER, "context": 2} if n in (4, 5, 6) else USER
            for _ in range(4):
                await core.cycle(ready=False)
            await core.cycle(redirect=(0x2000_0000 + 16 * n, state))
            begin = core.time
            while await core.cycle() is None:
                pass
            assert core.time - begin == (4 if n in (4, 7) else 2), n
            for _ in range(12):
                assert await core.cycle() is not None

    simulate(body, World(seed=7))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_segments_and_redirects(seed):
    """Descriptors of three contexts change between redirects to wherever they end; every instruction is the model's."""
    rng = seeded(seed)
    at = (0x2000_0000 >> 6) + 2
    regions = [Region(1, at, at + 3, segment_base=RAM_BASE), Region(1, at + 60, at + 61, domain=2, segment_base=0)]
    world, counts = World(seed=seed, regions=regions), {}
    bases = (RAM_BASE, RAM_BASE + 0x1000, RAM_BASE - 0x1000, MASK_ROM.base & ~0xFFF, 0xFFFF_F000, 0x9000_0000)
    limits = (0, 1, 2, 0x3D, 0x3E, 0x3F, 0x40, 0xFFE, 0xFFF, 0x1000, 0x1001, LAST_OFFSET)
    states = [{**USER, "context": c, "level": level} for c in (0, 1, 2) for level in (0, 0, 0, 3)] + [INSIDE]
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, rng)
        ends = dict.fromkeys((2, 3), 0x1000)
        for context in range(3):
            for number in ends:
                await core.segment(top.segments, context, number, RAM_BASE, 0x1FFF, "rx", 3)
        for _ in range(150):
            core.ended = True
            core.enable_segments(top.segments, rng.random() < 0.95)
            for _ in range(rng.randrange(2)):
                number, rights = rng.choice((2, 3)), rng.choice(("rx", "x", "rx", "rw"))
                ends[number] = rng.choice(limits)
                ring = rng.choice((0, 2, 3, 3, 3, 3, 3))
                await core.segment(
                    top.segments, rng.randrange(3), number, rng.choice(bases), ends[number], rights, ring
                )
            number = rng.choice((2, 3))
            offset = rng.choice((ends[number] + rng.randrange(-40, 3), rng.randrange(0x200), -rng.randrange(9)))
            pc = (number << 28) + offset & 0xFFFF_FFFE
            await core.cycle(redirect=(pc, rng.choice(states)))
            for _ in range(rng.randrange(4, 100)):
                got = await core.cycle(ready=rng.random() < 0.8)
                if got:
                    counts[got["fault"] and got["fault"][1]] = counts.get(got["fault"] and got["fault"][1], 0) + 1

    run(top, bench)
    assert {Sub.SEGMENT_RING, Sub.SEGMENT_RIGHT, Sub.SEGMENT_LIMIT} <= set(counts) and counts[None] > 200, counts
