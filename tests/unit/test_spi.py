"""SPI controller: a device drawn from its pins alone is on the other side, late with its answers, and checks the order
of edges; registers as drivers for SiFive's controller use them.
"""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write

from hakone.isa.board_io import SPI_END, SPI_FIFO_BYTES, SPI_FLAG, SPI_FORMAT, Spi, SpiSelect
from hakone.periph.spi import SpiController


class Device:
    """What a mode-0 device sees: bytes in, bytes out; MISO follows a fall of SCLK after ``delay`` cycles."""

    def __init__(self, dut, answers, delay=1):
        self.pads = dut.pads
        self.answers = list(answers)
        self.delay = delay
        self.heard = []
        self.selections = []  # bytes heard in each
        self.half_periods = set()

    async def bench(self, ctx):
        pads, cycle, last_edge = self.pads, 0, 0
        sclk, mosi, cs_n = 0, 0, 1
        inward, outward, bits = 0, 0, 0
        changes = []  # (cycle, level) of MISO to come
        while True:
            _, _, sclk_now, mosi_now, cs_now = await ctx.tick().sample(pads.sclk, pads.mosi, pads.cs_n)
            cycle += 1
            assert not (sclk_now and cs_now and not sclk and not cs_n), "SCLK and chip select change together"
            if cs_n and not cs_now:
                assert not sclk_now
                self.selections.append(0)
                bits, outward = 0, self.answers.pop(0) if self.answers else 0xFF
                changes.append((cycle + self.delay, outward >> 7))
            if not cs_n and cs_now:
                assert bits == 0 and not sclk_now, "deselected inside a byte"
            if sclk_now != sclk:
                if bits or sclk:
                    self.half_periods.add(cycle - last_edge)
                last_edge = cycle
            if sclk_now and not sclk and not cs_now:
                assert mosi_now == mosi, "MOSI changes as SCLK rises"
                inward, bits = inward << 1 & 0xFF | mosi_now, bits + 1
            if sclk and not sclk_now and not cs_now:
                if bits == 8:
                    self.heard.append(inward)
                    self.selections[-1] += 1
                    bits, outward = 0, self.answers.pop(0) if self.answers else 0xFF
                changes.append((cycle + self.delay, outward >> 7 - bits & 1))
            while changes and changes[0][0] <= cycle:
                ctx.set(pads.miso, changes.pop(0)[1])
            sclk, mosi, cs_n = sclk_now, mosi_now, cs_now


async def exchange(ctx, bus, sent, source):
    """Send bytes as a driver does, a FIFO at a time, and take what comes."""
    got, waiting, left = [], 0, list(sent)
    while left or waiting:
        while left and waiting < SPI_FIFO_BYTES:
            assert await read(ctx, bus, Spi.TXDATA) == 0
            await write(ctx, bus, Spi.TXDATA, left.pop(0))
            waiting += 1
            await gap(ctx, source)
        word = await read(ctx, bus, Spi.RXDATA)
        if not word & SPI_FLAG:
            got.append(word)
            waiting -= 1
    return got


@pytest.mark.parametrize("divider,delay", [(0, 0), (1, 0), (1, 2), (3, 1), (3, 6), (30, 20)])
def test_bytes_go_both_ways_at_every_speed(divider, delay):
    dut, source = SpiController(), seeded()
    answers, sent = source.randbytes(10), source.randbytes(10)
    device = Device(dut, answers, delay)

    async def bench(ctx):
        await write(ctx, dut.bus, Spi.SCKDIV, divider)
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.HOLD)
        assert await exchange(ctx, dut.bus, sent, source) == list(answers)
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.OFF)
        await ctx.tick().repeat(3)

    run(dut, bench, background=(device.bench,))
    assert device.heard == list(sent)
    assert device.selections == [10]
    assert min(device.half_periods) == divider + 1


def test_answer_later_than_a_period_is_wrong():
    """The control of the test before: when MISO is sampled matters."""
    dut, source = SpiController(), seeded()
    answers = source.randbytes(20)
    device = Device(dut, answers, delay=2 * 4)

    async def bench(ctx):
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.HOLD)
        assert await exchange(ctx, dut.bus, bytes(20), source) != list(answers)

    run(dut, bench, background=(device.bench,))


def test_chip_select_follows_its_mode():
    dut, source = SpiController(), seeded()
    device = Device(dut, [])

    async def bench(ctx):
        await exchange(ctx, dut.bus, [1], source)
        await ctx.tick().repeat(5)
        await exchange(ctx, dut.bus, [2], source)
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.HOLD)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.pads.cs_n) == 1  # held from the first byte on, not before
        await exchange(ctx, dut.bus, [3, 4], source)
        await ctx.tick().repeat(5)
        await exchange(ctx, dut.bus, [5], source)
        assert ctx.get(dut.pads.cs_n) == 0
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.OFF)
        await exchange(ctx, dut.bus, [6], source)
        assert ctx.get(dut.pads.cs_n) == 1

    run(dut, bench, background=(device.bench,))
    assert device.heard == [1, 2, 3, 4, 5]
    assert device.selections == [1, 1, 3]


def test_marks_raise_interrupts():
    dut, source = SpiController(), seeded()

    async def bench(ctx):
        async def due(expected):
            assert await read(ctx, dut.bus, Spi.IP) == expected
            await ctx.tick().repeat(2)
            assert ctx.get(dut.interrupt) == bool(expected & await read(ctx, dut.bus, Spi.IE))

        await due(0)
        await write(ctx, dut.bus, Spi.TXMARK, 1)
        await due(0b01)
        await write(ctx, dut.bus, Spi.IE, 0b01)
        await due(0b01)
        await write(ctx, dut.bus, Spi.IE, 0b10)
        await write(ctx, dut.bus, Spi.RXMARK, 1)
        await due(0b01)
        for byte in range(2):
            await write(ctx, dut.bus, Spi.TXDATA, byte)
        await ctx.tick().repeat(2 * 8 * 8 + 20)
        await due(0b11)
        await read(ctx, dut.bus, Spi.RXDATA)
        await due(0b01)
        await gap(ctx, source)

    run(dut, bench)


def test_full_and_empty_are_told_and_nothing_else_is_lost():
    dut = SpiController()
    device = Device(dut, range(1, 21))

    async def bench(ctx):
        assert await read(ctx, dut.bus, Spi.RXDATA) == SPI_FLAG
        await write(ctx, dut.bus, Spi.SCKDIV, 200)
        await write(ctx, dut.bus, Spi.CSMODE, SpiSelect.HOLD)
        for byte in range(SPI_FIFO_BYTES + 3):
            full = await read(ctx, dut.bus, Spi.TXDATA)
            assert full == (SPI_FLAG if byte > SPI_FIFO_BYTES else 0)
            await write(ctx, dut.bus, Spi.TXDATA, byte)
        await write(ctx, dut.bus, Spi.SCKDIV, 1)
        await ctx.tick().repeat(201 + 9 * 32 + 40)
        # The first byte went to the shifter, eight waited; one came more than the receive FIFO holds.
        got = [await read(ctx, dut.bus, Spi.RXDATA) for _ in range(SPI_FIFO_BYTES + 1)]
        assert got == [*range(1, SPI_FIFO_BYTES + 1), SPI_FLAG]
        await write(ctx, dut.bus, Spi.FMT, 1 << 3)
        await write(ctx, dut.bus, Spi.TXDATA, 0x77)
        await ctx.tick().repeat(60)
        assert await read(ctx, dut.bus, Spi.RXDATA) == SPI_FLAG

    run(dut, bench, background=(device.bench,))
    assert device.heard == [*range(SPI_FIFO_BYTES + 1), 0x77]


def test_registers_after_reset_read_what_drivers_expect():
    dut = SpiController()
    expected = {
        Spi.SCKDIV: 3,
        Spi.CSDEF: 1,
        Spi.FMT: SPI_FORMAT,
        Spi.DELAY0: 0x10001,
        Spi.DELAY1: 1,
        Spi.RXDATA: SPI_FLAG,
    }

    async def bench(ctx):
        for register in Spi:
            assert await read(ctx, dut.bus, register) == expected.get(register, 0), register.name
        for register in (Spi.CSDEF, Spi.CSID, Spi.SCKMODE, Spi.DELAY0, Spi.FCTRL, Spi.SCKDIV, Spi.CSMODE):
            await write(ctx, dut.bus, register, 0xFFFF_FFFF)
        # A driver counts the chip selects so.
        assert await read(ctx, dut.bus, Spi.CSDEF) == 1
        assert [await read(ctx, dut.bus, r) for r in (Spi.CSID, Spi.SCKMODE, Spi.DELAY0, Spi.FCTRL)] == [
            0,
            0,
            0x10001,
            0,
        ]
        assert [await read(ctx, dut.bus, r) for r in (Spi.SCKDIV, Spi.CSMODE)] == [0xFFF, 3]

    run(dut, bench)


def test_narrow_accesses_and_offsets_beyond_the_end_are_refused():
    dut = SpiController()

    async def bench(ctx):
        assert await write(ctx, dut.bus, Spi.TXDATA, 1, 1) == ERROR
        assert await write(ctx, dut.bus, SPI_END, 1) == ERROR
        assert await read(ctx, dut.bus, Spi.RXDATA, 2) == ERROR
        assert await read(ctx, dut.bus, 0xFFC) == ERROR
        await ctx.tick().repeat(40)
        assert ctx.get(dut.pads.cs_n) == 1
        assert await read(ctx, dut.bus, 0x08) == 0

    run(dut, bench)
