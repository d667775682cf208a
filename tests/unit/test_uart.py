"""UART: nothing is lost or reordered in either direction, and interrupts tell what is the case."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write

from hakone.periph.uart import FCR, IER, IIR, LCR, LSR, MCR, RBR, THR, Uart

DATA_READY, EMPTY = 1, 0x60


def _sink(dut, source, got, chance):
    """Take bytes, being ready at random."""

    async def bench(ctx):
        while True:
            ctx.set(dut.tx.ready, source.random() < chance)
            _, _, valid, ready, byte = await ctx.tick().sample(dut.tx.valid, dut.tx.ready, dut.tx.payload)
            if valid and ready:
                got.append(byte)

    return bench


def _feed(dut, source, data, chance):
    """Give bytes, being valid at random and holding until they are taken."""

    async def bench(ctx):
        for byte in data:
            while source.random() >= chance:
                await ctx.tick()
            ctx.set(dut.rx.payload, byte)
            ctx.set(dut.rx.valid, 1)
            await ctx.tick().until(dut.rx.ready)
            ctx.set(dut.rx.valid, 0)

    return bench


@pytest.mark.parametrize("fifo_bytes", [1, 4, 16])
@pytest.mark.parametrize("polling", [True, False])
def test_every_byte_sent_arrives_in_order(fifo_bytes, polling):
    dut, source, got = Uart(fifo_bytes), seeded(), []
    data = [source.randrange(256) for _ in range(60)]

    async def bench(ctx):
        await write(ctx, dut.bus, FCR, source.randrange(2), 1)
        for byte in data:
            await gap(ctx, source)
            while polling and not await read(ctx, dut.bus, LSR, 1) & 0x20:
                pass
            await write(ctx, dut.bus, THR, byte, 1)
        while await read(ctx, dut.bus, LSR, 1) & EMPTY != EMPTY:
            pass
        await ctx.tick()

    run(dut, bench, background=[_sink(dut, source, got, 0.1)])
    assert got == data


@pytest.mark.parametrize("fifo_on", [0, 1])
@pytest.mark.parametrize("fifo_bytes", [1, 3, 16])
def test_every_byte_received_is_read_in_order(fifo_bytes, fifo_on):
    dut, source, got = Uart(fifo_bytes), seeded(), []
    data = [source.randrange(256) for _ in range(60)]

    async def bench(ctx):
        await write(ctx, dut.bus, FCR, fifo_on, 1)
        while len(got) < len(data):
            await gap(ctx, source, 20)
            while (status := await read(ctx, dut.bus, LSR, 1)) & DATA_READY:
                assert not status & 2
                got.append(await read(ctx, dut.bus, RBR, 1))

    async def feed_later(ctx):
        await ctx.tick().repeat(3)
        await _feed(dut, source, data, 0.5)(ctx)

    run(dut, bench, background=[feed_later])
    assert got == data


@pytest.mark.parametrize(
    "fifo_bytes,code,level", [(16, 0, 1), (16, 1, 4), (16, 2, 8), (16, 3, 14), (4, 3, 4), (64, 3, 14)]
)
def test_receive_interrupt_comes_at_the_trigger_level_or_after_the_timeout(fifo_bytes, code, level):
    dut, source = Uart(fifo_bytes, timeout_cycles=40), seeded()

    async def bench(ctx):
        await write(ctx, dut.bus, FCR, code << 6 | 1, 1)
        await write(ctx, dut.bus, IER, 1, 1)
        await _feed(dut, source, range(level - 1), 1)(ctx)
        assert ctx.get(dut.interrupt) == 0
        await _feed(dut, source, [0x55], 1)(ctx)
        await ctx.tick()
        assert ctx.get(dut.interrupt) == 1
        assert await read(ctx, dut.bus, IIR, 1) == 0xC4
        await read(ctx, dut.bus, RBR, 1)
        assert ctx.get(dut.interrupt) == 0
        await ctx.tick().repeat(35)
        assert ctx.get(dut.interrupt) == 0
        await ctx.tick().repeat(10)
        assert ctx.get(dut.interrupt) == (level > 1)
        assert await read(ctx, dut.bus, IIR, 1) == (0xCC if level > 1 else 0xC1)
        await read(ctx, dut.bus, RBR, 1)
        assert ctx.get(dut.interrupt) == 0

    run(dut, bench)


def test_each_byte_received_restarts_the_timeout():
    dut, source = Uart(16, timeout_cycles=40), seeded()

    async def bench(ctx):
        await write(ctx, dut.bus, FCR, 0xC1, 1)
        await write(ctx, dut.bus, IER, 1, 1)
        for _ in range(5):
            await _feed(dut, source, [1], 1)(ctx)
            await ctx.tick().repeat(30)
            assert ctx.get(dut.interrupt) == 0
        await ctx.tick().repeat(15)
        assert ctx.get(dut.interrupt) == 1

    run(dut, bench)


def test_interrupt_driver_sends_everything():
    dut, source, got = Uart(16), seeded(), []
    data = [source.randrange(256) for _ in range(80)]

    async def bench(ctx):
        left = list(data)
        await write(ctx, dut.bus, FCR, 1, 1)
        await write(ctx, dut.bus, IER, 2, 1)
        while left:
            await ctx.tick().until(dut.interrupt)
            if await read(ctx, dut.bus, IIR, 1) & 0xF == 2:
                assert await read(ctx, dut.bus, LSR, 1) & 0x20
                for byte in left[:16]:
                    await write(ctx, dut.bus, THR, byte, 1)
                left = left[16:]
        await ctx.tick().until(dut.interrupt)

    run(dut, bench, background=[_sink(dut, source, got, 0.4)])
    assert got == data


def test_transmitter_interrupt_waits_for_the_last_byte():
    dut = Uart(16)

    async def bench(ctx):
        await write(ctx, dut.bus, FCR, 1, 1)
        await write(ctx, dut.bus, THR, 1, 1)
        await write(ctx, dut.bus, THR, 2, 1)
        await write(ctx, dut.bus, IER, 2, 1)
        assert await read(ctx, dut.bus, LSR, 1) & EMPTY == 0
        for left in (2, 1):
            assert ctx.get(dut.interrupt) == 0, left
            ctx.set(dut.tx.ready, 1)
            await ctx.tick()
            ctx.set(dut.tx.ready, 0)
        assert ctx.get(dut.interrupt) == 1
        assert await read(ctx, dut.bus, IIR, 1) == 0xC2
        assert ctx.get(dut.interrupt) == 0

    run(dut, bench)


def test_full_transmit_fifo_makes_the_write_wait_and_nothing_else():
    dut = Uart(2)

    async def bench(ctx):
        for byte in (1, 2):
            await write(ctx, dut.bus, THR, byte, 1)
        assert await read(ctx, dut.bus, LSR, 1) & EMPTY == 0
        await write(ctx, dut.bus, LCR, 0x80, 1)
        await write(ctx, dut.bus, THR, 0x34, 1)
        assert await read(ctx, dut.bus, THR, 1) == 0x34
        await write(ctx, dut.bus, LCR, 3, 1)
        with pytest.raises(AssertionError, match="no answer"):
            await write(ctx, dut.bus, THR, 3, 1)

    run(dut, bench)


def test_writing_thr_acknowledges_the_transmitter_interrupt():
    dut = Uart(16)

    async def bench(ctx):
        await write(ctx, dut.bus, IER, 2, 1)
        assert ctx.get(dut.interrupt) == 1
        await write(ctx, dut.bus, THR, 1, 1)
        await ctx.tick()
        assert ctx.get(dut.interrupt) == 0
        assert await read(ctx, dut.bus, IIR, 1) == 1

    run(dut, bench)


def test_loop_mode_keeps_outside_bytes_waiting():
    dut = Uart(16)

    async def bench(ctx):
        await write(ctx, dut.bus, MCR, 0x10, 1)
        ctx.set(dut.rx.payload, 0x77)
        ctx.set(dut.rx.valid, 1)
        await write(ctx, dut.bus, THR, 0x5A, 1)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.tx.valid) == 0
        assert await read(ctx, dut.bus, RBR, 1) == 0x5A
        await write(ctx, dut.bus, MCR, 0, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.rx.valid, 0)
        assert await read(ctx, dut.bus, RBR, 1) == 0x77

    run(dut, bench)


def test_offsets_past_the_registers_answer_with_an_error():
    dut = Uart(16)

    async def bench(ctx):
        for addr in (8, 11, 12, 255):
            assert await read(ctx, dut.bus, addr, 1) == ERROR
            assert await write(ctx, dut.bus, addr, 0, 1) == ERROR

    run(dut, bench)


@pytest.mark.parametrize("fifo_bytes", [0, 65])
def test_impossible_fifo_is_refused(fifo_bytes):
    with pytest.raises(ValueError, match=f"fifo_bytes = {fifo_bytes}"):
        Uart(fifo_bytes)
