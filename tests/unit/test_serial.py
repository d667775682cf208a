"""Serial line: frames drawn and read here by time alone, without anything of the unit; wrong rates, noise, breaks."""

import pytest
from amaranth_bench import run, seeded

from hakone.periph.serial import SerialReceiver, SerialTransmitter, bit_cycles

CLOCK_HZ = 1_000_000
BAUD = 62_500  # 16 cycles a bit
BIT = 16


def levels(byte: int, stop: int = 1) -> list[int]:
    """The ten bits of a frame in the order of the line."""
    return [0, *(byte >> n & 1 for n in range(8)), stop]


async def draw(ctx, line, bits, bit_length: float):
    """Put ``bits`` on the line, each ``bit_length`` cycles long, edges rounded to cycles."""
    begun = 0
    for number, bit in enumerate(bits):
        ctx.set(line, bit)
        end = round((number + 1) * bit_length)
        await ctx.tick().repeat(end - begun)
        begun = end


def collector(dut, got, wait=lambda: 0):
    """A bench that takes the bytes of a receiver, after ``wait()`` cycles each."""

    async def bench(ctx):
        while True:
            pause = wait()
            if pause:
                ctx.set(dut.bytes_out.ready, 0)
                await ctx.tick().repeat(pause)
            ctx.set(dut.bytes_out.ready, 1)
            got.append(await _taken(ctx, dut))

    return bench


async def _taken(ctx, dut):
    while True:
        _, _, valid, byte = await ctx.tick().sample(dut.bytes_out.valid, dut.bytes_out.payload)
        if valid:
            return byte


def test_transmitter_draws_frames_without_gaps():
    dut, source = SerialTransmitter(CLOCK_HZ, BAUD), seeded()
    sent = [0x00, 0xFF, 0x55, 0xAA, *source.randbytes(12)]
    seen = []

    async def feed(ctx):
        ctx.set(dut.bytes_in.valid, 1)
        for byte in sent:
            ctx.set(dut.bytes_in.payload, byte)
            while not (await ctx.tick().sample(dut.bytes_in.ready))[2]:
                pass
        ctx.set(dut.bytes_in.valid, 0)
        await ctx.tick().repeat(11 * BIT)

    async def watch(ctx):
        while True:
            seen.append((await ctx.tick().sample(dut.line))[2])

    run(dut, feed, background=(watch,))
    start = seen.index(0)
    assert set(seen[:start]) == {1}
    for number, byte in enumerate(sent):
        at = start + number * 10 * BIT
        expected = [level for level in levels(byte) for _ in range(BIT)]
        assert seen[at : at + 10 * BIT] == expected, number
    assert set(seen[start + len(sent) * 10 * BIT :]) == {1}


@pytest.mark.parametrize("off", [-0.04, 0.0, 0.04])
def test_receiver_takes_bytes_at_rates_that_are_a_little_off(off):
    dut, source, got = SerialReceiver(CLOCK_HZ, BAUD), seeded(), []
    sent = [0x00, 0xFF, 0x55, *source.randbytes(40)]

    async def bench(ctx):
        ctx.set(dut.line, 1)
        await ctx.tick().repeat(20)
        for byte in sent:
            await draw(ctx, dut.line, levels(byte), BIT * (1 + off))
            await ctx.tick().repeat(source.choice((1, 1, 5, 50)))
        await ctx.tick().repeat(4 * BIT)
        assert ctx.get(dut.framing_errors) == ctx.get(dut.overruns) == 0

    run(dut, bench, background=(collector(dut, got, lambda: source.randrange(2 * BIT)),))
    assert got == sent


def test_receiver_is_wrong_at_rates_that_are_far_off():
    """The control of the test before: the checks there can fail."""
    dut, source, got = SerialReceiver(CLOCK_HZ, BAUD), seeded(), []
    sent = [*source.randbytes(20)]

    async def bench(ctx):
        ctx.set(dut.line, 1)
        for byte in sent:
            await ctx.tick().repeat(30)
            await draw(ctx, dut.line, levels(byte), BIT * 1.2)
        await ctx.tick().repeat(12 * BIT)

    run(dut, bench, background=(collector(dut, got),))
    assert got != sent


def test_framing_error_is_dropped_and_counted_and_a_break_counts_once():
    dut, got = SerialReceiver(CLOCK_HZ, BAUD), []

    async def bench(ctx):
        ctx.set(dut.line, 1)
        await ctx.tick().repeat(20)
        await draw(ctx, dut.line, [*levels(0x41), *levels(0x42, stop=0), 1, *levels(0x43)], BIT)
        assert ctx.get(dut.framing_errors) == 1
        await draw(ctx, dut.line, [0] * 35, BIT)
        await draw(ctx, dut.line, [1, 1, *levels(0x44), 1], BIT)
        assert ctx.get(dut.framing_errors) == 2

    run(dut, bench, background=(collector(dut, got),))
    assert got == [0x41, 0x43, 0x44]


def test_short_fall_is_no_start_bit():
    dut, got = SerialReceiver(CLOCK_HZ, BAUD), []

    async def bench(ctx):
        ctx.set(dut.line, 1)
        await ctx.tick().repeat(20)
        for cycles in (1, 2, BIT // 2 - 2):
            ctx.set(dut.line, 0)
            await ctx.tick().repeat(cycles)
            ctx.set(dut.line, 1)
            await ctx.tick().repeat(12 * BIT)
        await draw(ctx, dut.line, [*levels(0x7E), 1], BIT)
        assert ctx.get(dut.framing_errors) == 0

    run(dut, bench, background=(collector(dut, got),))
    assert got == [0x7E]


def test_byte_that_finds_no_taker_is_dropped_and_counted():
    dut = SerialReceiver(CLOCK_HZ, BAUD)

    async def bench(ctx):
        ctx.set(dut.line, 1)
        await ctx.tick().repeat(20)
        await draw(ctx, dut.line, [*levels(1), *levels(2), *levels(3), 1], BIT)
        assert ctx.get(dut.overruns) == 2
        ctx.set(dut.bytes_out.ready, 1)
        assert await _taken(ctx, dut) == 1
        await draw(ctx, dut.line, levels(4), BIT)
        assert ctx.get(dut.overruns) == 2

    run(dut, bench)


@pytest.mark.parametrize(
    "clock_hz,baud,text",
    [
        (50_000_000, 0, "baud = 0 at 50000000 Hz: both must be positive"),
        (50_000_000, 7_000_000, "baud = 7000000: at 50000000 Hz at most 6250000 is possible"),
        (10_000_000, 1_180_000, "baud = 1180000: 10000000 Hz gives 1250000, more than 2 % off"),
    ],
)
def test_impossible_rate_is_refused(clock_hz, baud, text):
    with pytest.raises(ValueError, match=text):
        bit_cycles(clock_hz, baud)


def test_usual_rates_are_possible():
    for clock_hz in (25_000_000, 50_000_000, 60_000_000, 75_000_000):
        for baud in (9600, 115_200, 921_600, 1_000_000):
            assert abs(clock_hz / bit_cycles(clock_hz, baud) - baud) <= baud / 50
