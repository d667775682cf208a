"""What the fetch unit refuses, and that a refused fetch never reaches the miss unit."""

import pytest
from amaranth import ResetInserter, Signal
from amaranth_bench import run, seeded
from fetch_bench import PLAIN, RAM_BYTES, Core, Guarded, Region, World, transfer

from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import CLINT, MASK_ROM, RAM_BASE, UART
from hakone_sim.evidence import evidence

LINE = RAM_BASE >> 6
ENCRYPTED = {"context": 1, "level": 0, "encrypted": 1, "key_slot": 2, "owner": 3}
AUTOMATIC = {**ENCRYPTED, "automatic": 1}
BESIDE = {**PLAIN, "context": 1}
FOLLOWED = RegionFlag.READ | RegionFlag.EXECUTE | RegionFlag.AUTOMATIC
REGIONS = [
    Region(1, LINE + 8, LINE + 9),
    Region(1, LINE + 10, LINE + 10, domain=2),
    Region(1, LINE + 11, LINE + 11, flags=RegionFlag.READ | RegionFlag.WRITE),
    Region(1, LINE + 12, LINE + 12, algorithm=Algorithm.NONE, domain=0, key_slot=0, owner=7),
    Region(1, LINE + 14, LINE + 15, flags=FOLLOWED, domain=3, key_slot=4),
    Region(1, LINE + 16, LINE + 16, flags=FOLLOWED & ~RegionFlag.EXECUTE, domain=3, key_slot=4),
    Region(1, LINE + 17, LINE + 17, flags=FOLLOWED, domain=4, key_slot=5),
    Region(1, LINE + 18, LINE + 18, flags=FOLLOWED, domain=4, key_slot=5, owner=6),
    Region(1, LINE + 19, LINE + 19, domain=4, key_slot=5, owner=6),
]
LONG = b"\x13\x00\x00\x00"


def address(line: int, offset: int = 0) -> int:
    """Address in the memory's line number ``line``."""
    return RAM_BASE + 64 * line + offset


async def first(core: Core, pc: int, state: dict, cycles: int = 60) -> dict | None:
    """Redirect, and the first instruction that comes; then watch for a while that a fault is the last one."""
    await core.cycle(redirect=(pc, state))
    got = None
    for _ in range(cycles):
        seen = await core.cycle()
        got = got or seen
        if got and not got["fault"]:
            break
    return got


REFUSED = [
    ("plain code runs into a region", address(8), BESIDE, (Cause.MODE, Sub.MODE_PLAIN_FETCH)),
    ("plain code runs into a region without execute", address(11), BESIDE, (Cause.MODE, Sub.MODE_PLAIN_FETCH)),
    ("encrypted code leaves its regions", address(1, 2), ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ("encrypted code without the right", address(11), ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ("encrypted code in a window", address(12), ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ("encrypted code in a device", UART.base, ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ("plain code in an automatic region without the right", address(16), BESIDE, (Cause.MODE, Sub.MODE_PLAIN_FETCH)),
    ("automatic code without the right", address(16), AUTOMATIC, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ("automatic code runs into an explicit region", address(8), AUTOMATIC, (Cause.MODE, Sub.MODE_PLAIN_FETCH)),
    ("automatic code runs into a device", UART.base, AUTOMATIC, (Cause.FETCH_FAULT, Sub.NONE)),
    ("a device", UART.base, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("another device", CLINT.base + 6, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("nothing at 0", 0, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("before the ROM", MASK_ROM.base - 2, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("behind the ROM", MASK_ROM.end, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("behind memory", RAM_BASE + RAM_BYTES, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("before memory", RAM_BASE - 2, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
    ("the last halfword", 0xFFFF_FFFE, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
]


def test_refused_fetch_faults_and_asks_for_nothing():
    world = World(seed=1, regions=REGIONS)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for what, pc, state, fault in REFUSED:
            got = await first(core, pc, state, cycles=40)
            assert got and (got["fault"], got["fault_pc"], got["pc"]) == (fault, pc, pc), what
        assert not core.miss_unit.requests

    run(top, bench)


@pytest.mark.parametrize("tail", [b"\x01\x00", b""])
def test_second_half_is_judged_by_itself(tail):
    """A long instruction whose second half is refused, or under another domain; reached directly or after another."""
    world = World(seed=2, regions=REGIONS)
    start = 2 if not tail else 4
    cases = [
        (address(8) - start, BESIDE, (Cause.MODE, Sub.MODE_PLAIN_FETCH)),
        (address(10) - start, ENCRYPTED, (Cause.REGION, Sub.REGION_MISALIGNED_FETCH)),
        (address(11) - start, ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
        (RAM_BASE + RAM_BYTES - start, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
        (MASK_ROM.end - start, PLAIN, (Cause.FETCH_FAULT, Sub.NONE)),
        (address(14) - start, BESIDE, (Cause.REGION, Sub.REGION_MISALIGNED_FETCH)),
        (address(16) - start, AUTOMATIC, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
        (address(18) - start, AUTOMATIC, (Cause.REGION, Sub.REGION_MISALIGNED_FETCH)),
        (address(19) - start, ENCRYPTED, (Cause.REGION, Sub.REGION_MISALIGNED_FETCH)),
        (address(20) - start, ENCRYPTED, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)),
    ]
    for pc, state, _ in cases:
        region = world.find(pc >> 6, state)
        world.place(pc, tail + LONG[:2], domain=region.domain if region else 0)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for pc, state, fault in cases:
            got = await first(core, pc, state)
            if tail:
                assert got["fault"] is None
                got = await core.cycle()
                while got is None:
                    got = await core.cycle()
            boundary = pc + start
            assert (got["pc"], got["fault"], got["fault_pc"]) == (boundary - 2, fault, boundary)

    run(top, bench)


def test_window_and_other_contexts_fetch_plain():
    """A window and a region of another context are plain memory to plain code."""
    world = World(seed=3, regions=REGIONS)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for pc, state in ((address(12), BESIDE), (address(8), PLAIN), (address(11), PLAIN)):
            got = await first(core, pc, state)
            assert got["fault"] is None and got["domain"] == 0
        assert {domain for _, domain, _ in core.miss_unit.requests} == {0}

    run(top, bench)


def test_automatic_regions_and_what_surrounds_them_are_fetched_from_either_side():
    """The instruction comes with its origin, and under its own domain: the core decides what becomes of it."""
    world = World(seed=10, regions=REGIONS)
    for line, domain in ((14, 3), (12, 0), (13, 0), (17, 4)):
        world.place(address(line), LONG, domain)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for line, state, domain in ((14, BESIDE, 3), (13, AUTOMATIC, 0), (17, AUTOMATIC, 4), (12, AUTOMATIC, 0)):
            got = await first(core, address(line), state)
            assert got["fault"] is None and got["domain"] == domain, line
            assert (got["region"], got["automatic"]) == (int(domain > 0), int(domain > 0)), line
        assert {(line - LINE, domain) for line, domain, _ in core.miss_unit.requests} >= {(14, 3), (17, 4)}

    run(top, bench)


def test_edge_of_a_window_is_no_edge_to_plain_code():
    world = World(seed=12, regions=REGIONS)
    world.place(address(13) - 2, LONG)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        assert (await first(core, address(13) - 2, BESIDE))["fault"] is None

    run(top, bench)


@pytest.mark.requirement("XM-01")
def test_encrypted_fetch_asks_under_the_regions_domain():
    world = World(seed=4, regions=REGIONS)
    top = Guarded(world)
    asked = []

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for line, domain in ((8, 1), (10, 2)):
            got = await first(core, address(line), ENCRYPTED)
            assert got["fault"] is None and got["domain"] == domain
        asked.extend(core.miss_unit.requests)

    run(top, bench)
    assert [a[:2] for a in asked[:1]] == [(LINE + 8, 1)] and (LINE + 10, 2) in [a[:2] for a in asked]
    evidence("XM-01", [[LINE + 8, 1], [LINE + 10, 2]], [list(a[:2]) for a in asked if a[0] in (LINE + 8, LINE + 10)])


def test_bus_error_faults_once_and_is_asked_for_again():
    world = World(seed=5)
    world.error_lines = {LINE + 3}
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for _ in range(3):
            got = await first(core, address(3, 8), PLAIN)
            assert got["fault"] == (Cause.FETCH_FAULT, Sub.NONE) and got["fault_pc"] == address(3, 8)
        assert [line for line, _, _ in core.miss_unit.requests] == [LINE + 3] * 3
        world.error_lines.clear()
        got = await first(core, address(3, 8), PLAIN)
        assert got["fault"] is None

    run(top, bench)


def test_error_of_a_line_no_longer_wanted_faults_nobody():
    world = World(seed=6)
    world.error_lines = {LINE + 3}
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), max_delay=0, gap_chance=0.0)
        for wait in range(1, 20):
            await core.cycle(redirect=(address(3), PLAIN))
            for _ in range(wait):
                await core.cycle(ready=False)
            got = await first(core, address(5), PLAIN)
            assert got["fault"] is None, f"{wait} cycles after the redirect"
            await core.cycle(flush=True)
            for _ in range(10):
                await core.cycle()

    run(top, bench)


def test_rom_lines_are_marked_and_kept_apart_from_memory():
    world = World(seed=7)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for pc in (MASK_ROM.base, RAM_BASE + MASK_ROM.base, MASK_ROM.base):
            assert (await first(core, pc, PLAIN))["fault"] is None
        assert {(line, rom) for line, _, rom in core.miss_unit.requests} >= {
            (MASK_ROM.base >> 6, 1),
            (RAM_BASE + MASK_ROM.base >> 6, 0),
        }
        assert all(rom == (line < LINE) for line, _, rom in core.miss_unit.requests)

    run(top, bench)


def test_nothing_is_fetched_before_the_first_redirect_or_after_flush():
    world = World(seed=8)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for _ in range(100):
            assert await core.cycle() is None
        assert not core.miss_unit.requests
        await first(core, RAM_BASE, PLAIN)
        await core.cycle(flush=True)
        for _ in range(100):
            assert await core.cycle() is None
        asked = len(core.miss_unit.requests)
        await first(core, RAM_BASE, PLAIN)
        assert len(core.miss_unit.requests) == asked + 1, "the line was still held after the flush"

    run(top, bench)


def test_reset_forgets_lines_and_predictions():
    """Everything that was held or learned is gone, and nothing is fetched before the core asks."""
    world = World(seed=9)
    world.place(RAM_BASE, b"\x01\x00" * 32)
    top, reset = Guarded(world, predictor_entries=64), Signal()

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), max_delay=0, gap_chance=0.0)
        jump = transfer(RAM_BASE + 4, RAM_BASE, compressed=True)
        for after_reset in (False, True):
            asked, taken = len(core.miss_unit.requests), 0
            await core.cycle(redirect=(RAM_BASE, PLAIN))
            for _ in range(60):
                got = await core.cycle()
                taken += bool(got) and got["taken"]
            assert (len(core.miss_unit.requests) > asked) == after_reset or not asked
            assert not taken
            await core.cycle(update=jump)
            await core.cycle(redirect=(RAM_BASE, PLAIN))
            for _ in range(20):
                got = await core.cycle()
                taken += bool(got) and got["taken"]
            assert taken
            core.ended = True
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            for _ in range(4):
                assert await core.cycle() is None

    run(ResetInserter(reset)(top), bench)
