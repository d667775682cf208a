"""PLIC against a plain Python model of its specification, with random lines, registers and handlers."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write

from hakone.periph.plic import Plic

PENDING, ENABLE, THRESHOLD = 0x1000, 0x2000, 0x20_0000


class _Model:
    """What the specification says, one call per event."""

    def __init__(self, sources):
        self.sources = range(1, sources + 1)
        self.lines, self.pending, self.in_service = 0, 0, 0
        self.priority = [0] * (sources + 1)
        self.enable, self.threshold = [0, 0], [0, 0]

    def set_lines(self, lines):
        """New levels; the gateways forward what they may."""
        self.lines = lines
        self.pending |= lines & ~self.in_service & sum(1 << n for n in self.sources)

    def best(self, context):
        """(number, priority) of the most urgent source, (0, 0) for none."""
        ready = [n for n in self.sources if (self.pending & self.enable[context]) >> n & 1 and self.priority[n]]
        best = max(ready, key=lambda n: (self.priority[n], -n), default=0)
        return best, self.priority[best] if best else 0

    def claim(self, context):
        """Number claimed."""
        number, _ = self.best(context)
        if number:
            self.pending &= ~(1 << number)
            self.in_service |= 1 << number
        return number

    def complete(self, context, number):
        """End of service; a high line is a new request."""
        if number in self.sources and self.enable[context] >> number & 1:
            self.in_service &= ~(1 << number)
            self.set_lines(self.lines)

    def interrupts(self):
        """Both outputs."""
        return sum((self.best(c)[1] > self.threshold[c]) << c for c in range(2))


async def _step(ctx, dut, model, source, served):
    """One random event on both, and a comparison of what can be seen."""
    count, context = len(model.sources), source.randrange(2)
    claim = THRESHOLD + 0x1000 * context + 4
    action = source.randrange(8)
    if action < 2:
        lines = source.getrandbits(count + 1)
        ctx.set(dut.lines, lines)
        model.set_lines(lines)
        await ctx.tick().repeat(2 * count + 10)
    elif action == 2:
        number, value = source.randrange(count + 3), source.getrandbits(32)
        await write(ctx, dut.bus, 4 * number, value)
        if number in model.sources:
            model.priority[number] = value & 7
    elif action == 3:
        value = source.getrandbits(32)
        await write(ctx, dut.bus, ENABLE + 0x80 * context, value)
        model.enable[context] = value & sum(1 << n for n in model.sources)
    elif action == 4:
        value = source.getrandbits(32)
        await write(ctx, dut.bus, THRESHOLD + 0x1000 * context, value)
        model.threshold[context] = value & 7
    elif action < 7:
        expected = model.claim(context)
        assert await read(ctx, dut.bus, claim) == expected
        served.append(expected)
    else:
        busy = [n for n in model.sources if model.in_service >> n & 1]
        number = source.choice(busy) if busy and source.random() < 0.8 else source.getrandbits(32)
        await write(ctx, dut.bus, claim, number)
        model.complete(context, number)
    # An access answers when the outputs are up to date: no settling here.
    assert ctx.get(dut.interrupt) == model.interrupts()
    assert await read(ctx, dut.bus, PENDING) == model.pending
    await gap(ctx, source)


@pytest.mark.parametrize("sources,steps", [(1, 80), (11, 250), (31, 120)])
def test_random_events_follow_the_specification(sources, steps):
    dut, model, source, served = Plic(sources), _Model(sources), seeded(sources), []

    async def bench(ctx):
        for _ in range(steps):
            await _step(ctx, dut, model, source, served)

    run(dut, bench)
    assert 0 in served
    assert any(served)


def test_registers_read_back_what_exists():
    dut = Plic(11)

    async def bench(ctx):
        for number in range(16):
            await write(ctx, dut.bus, 4 * number, 0xFFFF_FFF0 | number)
        for number in range(16):
            assert await read(ctx, dut.bus, 4 * number) == (number & 7 if 1 <= number <= 11 else 0)
        for context in range(2):
            await write(ctx, dut.bus, ENABLE + 0x80 * context, 0xFFFF_FFFF)
            assert await read(ctx, dut.bus, ENABLE + 0x80 * context) == 0xFFE
            await write(ctx, dut.bus, ENABLE + 0x80 * context, 0)
        for addr in (0x1004, 0x2004, 0x2100, 0x3000, 0x20_0008, 0x20_2000, 0x20_2004, 0x10_0000, 0x30_0000):
            await write(ctx, dut.bus, addr, 0xFFFF_FFFF)
            assert await read(ctx, dut.bus, addr) == 0, hex(addr)
        for size in (1, 2):
            assert await read(ctx, dut.bus, 4, size) == ERROR
            assert await write(ctx, dut.bus, 4, 7, size) == ERROR
        assert await read(ctx, dut.bus, 4) == 1

    run(dut, bench)


def test_handler_never_sees_the_interrupt_that_it_has_claimed():
    dut = Plic(11)

    async def bench(ctx):
        await write(ctx, dut.bus, 4 * 10, 1)
        await write(ctx, dut.bus, ENABLE, 1 << 10)
        ctx.set(dut.lines, 1 << 10)
        while not ctx.get(dut.interrupt):
            await ctx.tick()
        assert await read(ctx, dut.bus, THRESHOLD + 4) == 10
        for _ in range(40):
            assert ctx.get(dut.interrupt) == 0
            await ctx.tick()
        await write(ctx, dut.bus, THRESHOLD + 4, 10)
        assert ctx.get(dut.interrupt) == 1

    run(dut, bench)


def test_access_that_changes_nothing_answers_at_once():
    dut = Plic(11)

    async def bench(ctx):
        await ctx.tick().repeat(20)
        for addr in (4, PENDING, ENABLE, THRESHOLD, THRESHOLD + 4, 0x20_1004):
            ctx.set(dut.bus.addr, addr)
            ctx.set(dut.bus.strobe, 0xF)
            ctx.set(dut.bus.valid, 1)
            assert (await ctx.tick().sample(dut.bus.ready))[2] == 1, hex(addr)
        ctx.set(dut.bus.valid, 0)

    run(dut, bench)


@pytest.mark.parametrize("sources", [0, 32])
def test_impossible_number_of_sources_is_refused(sources):
    with pytest.raises(ValueError, match=f"sources = {sources}"):
        Plic(sources)
