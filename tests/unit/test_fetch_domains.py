"""A physical line is held under one domain at a time, and code sees the plaintext of its own domain only."""

import pytest
from amaranth_bench import run, seeded
from fetch_bench import PLAIN, Core, Guarded, Region, World

from hakone.isa.platform import RAM_BASE

LINE = RAM_BASE >> 6


def inside(context: int) -> dict:
    """Encrypted execution in a context."""
    return {"context": context, "level": 0, "encrypted": 1, "key_slot": 2, "owner": 3}


VIEWS = {0: PLAIN, 1: inside(1), 2: inside(2)}
"""State by the domain under which lines 4 to 7 are seen."""


def world_of_views() -> World:
    """The same lines in two regions of two contexts, and plain in context 0."""
    return World(seed=9, regions=[Region(1, LINE + 4, LINE + 7), Region(2, LINE + 4, LINE + 7, domain=2)])


async def fetch(core: Core, line: int, domain: int) -> bool:
    """Fetch some instructions of a line in a domain's view, each compared with it; whether the line was asked for."""
    before = len(core.miss_unit.requests)
    await core.cycle(redirect=(64 * line, VIEWS[domain]))
    count = 0
    while count < 8:
        count += await core.cycle() is not None
    return (line, domain) in [request[:2] for request in core.miss_unit.requests[before:]]


@pytest.mark.parametrize("ways", [1, 2, 4])
def test_line_is_fetched_again_under_another_domain(ways):
    top = Guarded(world := world_of_views(), cache_ways=ways)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for domain in (0, 1, 2, 0, 2, 1):
            assert await fetch(core, LINE + 4, domain), "held by another domain, and yet not asked for"
            assert not await fetch(core, LINE + 4, domain), "fetched and not kept"

    run(top, bench)


def test_line_replaced_under_another_domain_leaves_the_other_way_alone():
    """With the set full, the way with the same physical line goes, not the older one."""
    top = Guarded(world := world_of_views())
    stride = 8  # sets of the small cache

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        await fetch(core, LINE + 4 + stride, 0)
        await fetch(core, LINE + 4, 0)
        assert await fetch(core, LINE + 4, 1)
        assert not await fetch(core, LINE + 4 + stride, 0), "a line of its own was thrown out"
        assert await fetch(core, LINE + 4, 0)

    run(top, bench)


def test_invalidation_takes_only_other_domains():
    top = Guarded(world := world_of_views())

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded())
        for held, other, lost in ((0, 1, True), (1, 0, True), (1, 2, True), (0, 0, False), (2, 2, False)):
            await core.cycle(flush=True)
            for _ in range(12):
                await core.cycle()
            await fetch(core, LINE + 5, held)
            await fetch(core, LINE + 16, 0)
            await core.cycle(invalidate=(LINE + 5, other))
            for _ in range(6):
                await core.cycle()
            assert not ctx.get(top.fetch.invalidate.valid), "not done within six cycles"
            assert await fetch(core, LINE + 5, held) == lost
            assert not await fetch(core, LINE + 16, 0)

    run(top, bench)


def test_invalidation_meets_a_line_on_its_way():
    """The line arrives, but is not kept: whoever still wants it asks again. At every moment of the fill."""
    top = Guarded(world := world_of_views())

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), max_delay=0, gap_chance=0.0)
        await fetch(core, LINE + 6, 1)  # from then on the range is at hand
        core.miss_unit.requests.clear()
        for wait in range(3, 14):
            await core.cycle(flush=True)
            for _ in range(12):
                await core.cycle()
            await core.cycle(redirect=(64 * (LINE + 6), VIEWS[1]))
            for _ in range(wait - 1):
                await core.cycle()
            await core.cycle(invalidate=(LINE + 6, 0))
            for _ in range(30):
                await core.cycle(ready=False)
            requests = [r[:2] for r in core.miss_unit.requests]
            asked = requests.count((LINE + 6, 1))
            again = await fetch(core, LINE + 6, 1)
            core.miss_unit.requests.clear()
            assert asked == 2 or again, f"kept, though invalidated {wait} cycles after the redirect"

    run(top, bench)
