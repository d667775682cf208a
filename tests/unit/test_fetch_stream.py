"""The fetch unit delivers exactly the predicted path: random code, redirects, pressure, delays and predictions."""

from collections import Counter

import pytest
from amaranth_bench import run, seeded
from fetch_bench import PLAIN, Core, Guarded, Region, World, transfer

from hakone.bus.core_ports import BranchKind
from hakone.isa.cause import Sub
from hakone.isa.formats import RegionFlag
from hakone.isa.platform import MASK_ROM, RAM_BASE

FAULTS = (Sub.MODE_FETCH_OUTSIDE, Sub.MODE_PLAIN_FETCH, Sub.NONE, Sub.REGION_MISALIGNED_FETCH)
LINE = RAM_BASE >> 6
ENCRYPTED = {"context": 1, "level": 0, "encrypted": 1, "key_slot": 2, "owner": 3}
AUTOMATIC = {**ENCRYPTED, "automatic": 1}
FOLLOWED = RegionFlag.READ | RegionFlag.EXECUTE | RegionFlag.AUTOMATIC


def random_world(rng) -> World:
    """Plain code, two adjacent regions of different domains and an automatic one, erring lines."""
    world = World(seed=rng.randrange(1 << 30))
    world.regions = [
        Region(1, LINE + 8, LINE + 15),
        Region(1, LINE + 16, LINE + 19, domain=2, key_slot=4, owner=5),
        Region(1, LINE + 20, LINE + 22, flags=FOLLOWED, domain=3, key_slot=6),
    ]
    world.error_lines = {LINE + 24, LINE + 13}
    place_long_instruction(world)
    return world


def place_long_instruction(world: World):
    """An instruction that begins in one region and ends in the other."""
    world.place((LINE + 16) * 64 - 4, b"\x01\x00\x13\x00", domain=1)


@pytest.mark.long
@pytest.mark.parametrize("ways,lines,seed", [(1, 20, 11), (2, 20, 12), (4, 3, 13)])
def test_stream_follows_predicted_path_under_random_stimulus(ways, lines, seed):
    """Many lines make misses and faults, few lines make predictions, right and wrong ones."""
    rng = seeded(seed)
    world = random_world(rng)
    top = Guarded(world, cache_ways=ways)
    seen = Counter()

    def somewhere():
        if rng.random() < 0.1:
            return 64 * rng.choice(sorted(world.error_lines)) + 2 * rng.randrange(-2, 32)
        base = rng.choice([RAM_BASE, RAM_BASE + 8 * 64, RAM_BASE + 8 * 64, RAM_BASE + 0x4000, MASK_ROM.base])
        return base + 2 * rng.randrange(32 * lines)

    def learned(core):
        near = rng.choice(core.delivered[-40:])
        return transfer(
            near["pc"] + 2 * rng.choice([0, 0, 0, 0, 1]),
            rng.choice(core.delivered[-200:])["pc"],
            kind=rng.choice(list(BranchKind)),
            compressed=rng.randrange(2),
            taken=rng.random() < 0.7,
        )

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, rng, max_delay=6)
        pressure = 0.0
        for _ in range(3500 if lines > 10 else 2500):
            inputs = {}
            if rng.random() < 0.02:
                pressure = rng.choice([0.0, 0.0, 0.3, 0.8])
            if rng.random() < (0.3 if core.next_pc is None else 0.02):
                inputs["redirect"] = (somewhere(), rng.choice([PLAIN, ENCRYPTED, AUTOMATIC, {**PLAIN, "context": 1}]))
                if rng.random() < 0.15:
                    inputs["redirect"] = ((LINE + 16) * 64 - rng.choice([4, 2]), ENCRYPTED)
            elif rng.random() < 0.0002 * lines:
                inputs["flush"] = True
                world.seed += 1  # other code everywhere, to be seen from now on
                world.contents.clear()
                place_long_instruction(world)
            if rng.random() < (0.1 if lines > 10 else 0.5) and core.delivered:
                inputs["update"] = learned(core)
            if rng.random() < 0.02:
                inputs["invalidate"] = (somewhere() >> 6, rng.randrange(3))
            inputs["clear"] = rng.random() < 0.002
            got = await core.cycle(ready=rng.random() >= pressure, **inputs)
            seen.update(name for name, value in inputs.items() if value)
            if got:
                seen[got["fault"] and got["fault"][1]] += 1
                seen["straddle"] += got["fault"] is None and got["pc"] & 7 == 6 and not got["compressed"]
                seen["taken"] += got.get("taken", 0)
        seen["requests"] = len(core.miss_unit.requests)

    run(top, bench)
    print(dict(seen))
    for what in (None, "straddle", "taken", "requests", "invalidate", *FAULTS):
        assert seen[what], f"{what} was never met"
