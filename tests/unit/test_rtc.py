"""Goldfish RTC: nanoseconds, the torn read that its latch prevents, the alarm at its exact moment."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import gap, read, write

from hakone.periph.rtc import GoldfishRtc

LOW, HIGH, ALARM_LOW, ALARM_HIGH, ENABLED, CLEAR_ALARM, STATUS, CLEAR = range(0, 0x20, 4)


async def _ticks(ctx, dut, count):
    ctx.set(dut.tick, 1)
    await ctx.tick().repeat(count)
    ctx.set(dut.tick, 0)


async def _now(ctx, dut):
    low = await read(ctx, dut.bus, LOW)
    return await read(ctx, dut.bus, HIGH) << 32 | low


def test_time_advances_by_100_ns_per_tick_and_only_then():
    dut, source = GoldfishRtc(), seeded()

    async def bench(ctx):
        passed = 0
        for _ in range(20):
            assert await _now(ctx, dut) == 100 * passed
            count = source.randrange(1, 5)
            await _ticks(ctx, dut, count)
            passed += count
            await gap(ctx, source)

    run(dut, bench)


def test_high_half_is_that_of_the_last_low_read():
    dut = GoldfishRtc()

    async def bench(ctx):
        await write(ctx, dut.bus, HIGH, 7)
        await write(ctx, dut.bus, LOW, 0xFFFF_FFFF - 50)
        assert await read(ctx, dut.bus, LOW) == 0xFFFF_FFFF - 50
        await _ticks(ctx, dut, 1)
        assert await read(ctx, dut.bus, HIGH) == 7
        assert await _now(ctx, dut) == 8 << 32 | 49

    run(dut, bench)


def test_writing_the_low_half_keeps_the_latch():
    dut = GoldfishRtc()

    async def bench(ctx):
        await write(ctx, dut.bus, HIGH, 7)
        await read(ctx, dut.bus, LOW)
        await write(ctx, dut.bus, HIGH, 9)
        await write(ctx, dut.bus, LOW, 1)
        assert await read(ctx, dut.bus, HIGH) == 7
        assert await _now(ctx, dut) == 9 << 32 | 1

    run(dut, bench)


@pytest.mark.parametrize("high", [0, 5])
def test_alarm_fires_when_the_time_reaches_it(high):
    dut = GoldfishRtc()

    async def bench(ctx):
        await write(ctx, dut.bus, HIGH, high)
        await write(ctx, dut.bus, ENABLED, 1)
        await write(ctx, dut.bus, ALARM_HIGH, high)
        await write(ctx, dut.bus, CLEAR, 0)
        await write(ctx, dut.bus, ALARM_LOW, 300)
        for passed in range(3):
            await ctx.tick().repeat(3)
            assert ctx.get(dut.interrupt) == 0, passed
            assert await read(ctx, dut.bus, STATUS) == 1
            await _ticks(ctx, dut, 1)
        await ctx.tick()
        assert ctx.get(dut.interrupt) == 1
        assert await read(ctx, dut.bus, STATUS) == 0
        await write(ctx, dut.bus, ENABLED, 0)
        assert ctx.get(dut.interrupt) == 0
        await write(ctx, dut.bus, ENABLED, 1)
        assert ctx.get(dut.interrupt) == 1
        await write(ctx, dut.bus, CLEAR, 0)
        await _ticks(ctx, dut, 5)
        assert ctx.get(dut.interrupt) == 0

    run(dut, bench)


def test_cleared_alarm_does_not_fire():
    dut = GoldfishRtc()

    async def bench(ctx):
        await write(ctx, dut.bus, ENABLED, 1)
        await write(ctx, dut.bus, ALARM_LOW, 300)
        await write(ctx, dut.bus, CLEAR_ALARM, 1)
        assert await read(ctx, dut.bus, STATUS) == 0
        await _ticks(ctx, dut, 6)
        assert ctx.get(dut.interrupt) == 0

    run(dut, bench)
