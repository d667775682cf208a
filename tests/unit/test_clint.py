"""CLINT: the time base, the exact moment of the timer interrupt, the software interrupt."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write

from hakone.periph.clint import Clint

MTIMECMP, MTIME = 0x4000, 0xBFF8


@pytest.mark.parametrize("clock_hz,cycles", [(10_000_000, 1), (20_000_000, 2), (50_000_000, 5)])
def test_time_counts_at_10_mhz(clock_hz, cycles):
    dut = Clint(clock_hz)

    async def bench(ctx):
        ticks = 0
        for n in range(60):
            assert ctx.get(dut.time) == n // cycles
            ticks += ctx.get(dut.tick)
            await ctx.tick()
        assert ticks == 60 // cycles

    run(dut, bench)


@pytest.mark.parametrize("clock_hz", [0, 15_000_000, -10_000_000])
def test_impossible_clock_is_refused(clock_hz):
    with pytest.raises(ValueError, match=f"clock_hz = {clock_hz}"):
        Clint(clock_hz)


@pytest.mark.parametrize("when", [5, 0x1_0000_0003, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFC0, 0x7FFF_FFFF_FFFF_FFFF])
def test_timer_interrupt_rises_when_time_reaches_the_compare_value(when):
    dut = Clint(10_000_000)

    async def bench(ctx):
        await write(ctx, dut.bus, MTIMECMP, when & 0xFFFF_FFFF)
        await write(ctx, dut.bus, MTIMECMP + 4, when >> 32)
        await write(ctx, dut.bus, MTIME, max(0, when - 12) & 0xFFFF_FFFF)
        await write(ctx, dut.bus, MTIME + 4, max(0, when - 12) >> 32)
        before = -1
        for _ in range(30):
            time, interrupt = ctx.get(dut.time), ctx.get(dut.interrupt_timer)
            assert before < 0 or interrupt == (before >= when)
            before = time
            await ctx.tick()
        assert before > when
        await write(ctx, dut.bus, MTIMECMP + 4, 0xFFFF_FFFF)
        await ctx.tick()
        assert ctx.get(dut.interrupt_timer) == (when >> 32 == 0xFFFF_FFFF)

    run(dut, bench)


def test_written_halves_read_back_and_carry():
    dut, source = Clint(50_000_000), seeded()

    async def bench(ctx):
        for _ in range(20):
            await gap(ctx, source)
            value = source.randrange(1 << 32)
            await write(ctx, dut.bus, MTIMECMP + 4, value)
            await write(ctx, dut.bus, MTIMECMP, value ^ 0xFFFF)
            assert await read(ctx, dut.bus, MTIMECMP) == value ^ 0xFFFF
            assert await read(ctx, dut.bus, MTIMECMP + 4) == value
        await write(ctx, dut.bus, MTIME, 0xFFFF_FFFF)
        await ctx.tick().repeat(6)
        assert await read(ctx, dut.bus, MTIME + 4) == 1
        assert await read(ctx, dut.bus, MTIME) < 3

    run(dut, bench)


def test_software_interrupt_is_bit_0_of_msip():
    dut = Clint(50_000_000)

    async def bench(ctx):
        for value in (1, 0, 3, 2, 0xFFFF_FFFF, 0xFFFF_FFFE):
            await write(ctx, dut.bus, 0, value)
            assert ctx.get(dut.interrupt_software) == value & 1
            assert await read(ctx, dut.bus, 0) == value & 1

    run(dut, bench)


def test_refused_write_changes_nothing():
    dut = Clint(50_000_000)

    async def bench(ctx):
        for size in (1, 2):
            assert await write(ctx, dut.bus, 0, 1, size) == ERROR
            assert await write(ctx, dut.bus, MTIMECMP, 1, size) == ERROR
        assert await write(ctx, dut.bus, 0xC000, 1) == ERROR
        assert ctx.get(dut.interrupt_software) == 0
        assert await read(ctx, dut.bus, MTIMECMP) == 0

    run(dut, bench)
