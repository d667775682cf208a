"""Cycles of the fetch unit: redirect to instruction, straight code, predicted transfers, misses."""

import itertools

import pytest
from amaranth_bench import run, seeded
from fetch_bench import PLAIN, Core, Guarded, Program, World

from hakone.bus.core_ports import BranchKind
from hakone.isa.platform import RAM_BASE

QUICK = {"max_delay": 0, "gap_chance": 0.0}


async def warm(core: Core, pc: int, lines: int):
    """Fetch so many lines, so that they are held."""
    for n in range(lines):
        await core.cycle(redirect=(pc + 64 * n, PLAIN))
        while await core.cycle() is None:
            pass


@pytest.mark.parametrize("offset", range(0, 8, 2))
def test_redirect_gives_instruction_two_cycles_later_when_held(offset):
    world = World(seed=1)
    world.place(RAM_BASE, b"\x01\x00" * 64)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), **QUICK)
        await warm(core, RAM_BASE, 2)
        for n in range(12):
            await core.cycle(redirect=(RAM_BASE + 8 * n + offset, PLAIN))
            assert await core.cycle() is None
            got = await core.cycle()
            assert got is not None and got["pc"] == RAM_BASE + 8 * n + offset

    run(top, bench)


@pytest.mark.parametrize("start", [0, 2])
def test_straight_code_gives_one_instruction_a_cycle(start):
    """Long instructions, aligned or straddling every block, and a mix of lengths."""
    rng = seeded()
    world = World(seed=2)
    world.place(RAM_BASE, b"\x01\x00" * (start // 2) + b"\x13\x00\x00\x00" * 60)
    mixed = b"".join(rng.choice([b"\x01\x00", b"\x13\x00\x00\x00"]) for _ in range(90))[:252]
    world.place(RAM_BASE + 0x100, (mixed + b"\x01\x00" * 4)[:256])
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, rng, **QUICK)
        await warm(core, RAM_BASE, 8)
        for base, count in ((RAM_BASE + start, 55), (RAM_BASE + 0x100, 55)):
            await core.cycle(redirect=(base, PLAIN))
            await core.cycle()
            for _ in range(count):
                assert await core.cycle() is not None, f"a gap before {core.next_pc:#x}"

    run(top, bench)


@pytest.mark.long
def test_predicted_loop_costs_no_cycle():
    """Loops of every small shape at every offset: as many instructions as cycles, once the branch is known.

    A loop that begins with a long instruction in a block's last halfword waits a cycle for its second half.
    """
    rng, world = seeded(), World(seed=3)
    shapes = [shape for n in (1, 2, 3) for shape in itertools.product((2, 4), repeat=n)]
    programs = []
    for n, (shape, offset) in enumerate(itertools.product(shapes, range(0, 8, 2))):
        code = [("top" if n == 0 else None, length, None) for n, length in enumerate(shape)]
        code[-1] = (code[-1][0], code[-1][1], (BranchKind.BRANCH, lambda visit: "top"))
        programs.append((shape, Program(RAM_BASE + 64 * n + offset, code + [(None, 2, None)] * 8)))
        programs[-1][1].place(world)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, rng, **QUICK)
        for shape, program in programs:
            await program.run(core, 36)
            before, cycles = len(core.delivered), 12
            for _ in range(cycles):
                await core.cycle()
            gaps = cycles - (len(core.delivered) - before)
            waits = cycles // len(shape) + 1 if program.base & 7 == 6 and shape[0] == 4 else 0
            assert gaps <= waits, f"{shape} at {program.base:#x}: {gaps} cycles lost"

    run(top, bench)


def test_miss_asks_three_cycles_after_redirect_and_gives_instruction_three_after_last_beat():
    world = World(seed=4)
    world.place(RAM_BASE, b"\x01\x00" * 32)
    top = Guarded(world)

    async def bench(ctx):
        core = Core(ctx, top.fetch, world, seeded(), max_delay=4, gap_chance=0.3)
        for _ in range(20):
            await core.cycle()  # the tags are erased after reset
        assert not core.miss_unit.requests
        began = core.time
        await core.cycle(redirect=(RAM_BASE + 8, PLAIN))
        while not ctx.get(top.fetch.miss.valid):
            await core.cycle()
        assert core.time - began == 3
        while ctx.get(top.fetch.miss.valid):
            last = core.time
            await core.cycle()
        while (got := await core.cycle()) is None:
            pass
        assert got["time"] - last == 3
        assert len(core.miss_unit.requests) == 1

    run(top, bench)
