"""Decoder and arbiter of the register bus, with targets that make the initiators wait at random."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth_bench import run, seeded
from bus_bench import ERROR, access, gap

from hakone.bus.arbiter import RegisterArbiter
from hakone.bus.decoder import RegisterDecoder
from hakone.bus.register_bus import RegisterBus
from hakone.isa.platform import Window

LOW = Window("low", 0x1000, 0x1000)
HIGH = Window("high", 0x8000_0000, 0x100)
TWINS = (Window("twin0", 0x2000, 0x20), Window("twin1", 0x2020, 0x20))


class _Pair(wiring.Component):
    """An arbiter in front of a decoder, as in the system."""

    def __init__(self):
        self.decoder = RegisterDecoder({"low": (LOW,), "high": (HIGH,), "twins": TWINS})
        super().__init__({"initiators": In(RegisterBus(32)).array(2)})

    def elaborate(self, _platform):
        """Connect; the targets stay with the test."""
        m = Module()
        m.submodules.decoder = self.decoder
        m.submodules.arbiter = arbiter = RegisterArbiter()
        wiring.connect(m, arbiter.target, self.decoder.bus)
        for n in range(2):
            wiring.connect(m, wiring.flipped(self.initiators[n]), arbiter.initiators[n])
        return m


def _target(port, words, source, served, name):
    """A target with memory, random waiting, and now and then an error (at word 3)."""

    async def bench(ctx):
        waiting = source.randrange(4)
        fields = (port.valid, port.addr, port.write, port.wdata, port.strobe)
        seen = None
        ctx.set(port.rdata, 0xBAD0_BAD0)
        while True:
            _, _, valid, addr, write, wdata, strobe, ready = await ctx.tick().sample(*fields, port.ready)
            if valid and ready:
                if addr // 4 != 3:
                    mask = sum(0xFF << 8 * n for n in range(4) if strobe >> n & 1)
                    if write:
                        words[addr // 4] = words.get(addr // 4, 0) & ~mask | wdata & mask
                served.append(name)
                waiting, seen = source.randrange(4), None
                ctx.set(port.ready, 0)
            elif valid:
                request = (addr, write, wdata, strobe)
                assert seen in (None, request), "the request changed while it waited"
                seen = request
                if waiting == 0:
                    ctx.set(port.rdata, 0xBAD1_BAD1 if addr // 4 == 3 else words.get(addr // 4, 0))
                    ctx.set(port.error, addr // 4 == 3)
                    ctx.set(port.ready, 1)
                waiting -= 1

    return bench


def test_two_initiators_reach_every_target_and_get_their_own_answers():
    dut, source, served = _Pair(), seeded(), []
    places = {"low": [0x1000, 0x1FFC, 0x1234], "high": [0x8000_0000, 0x8000_00FC], "twins": [0x2000, 0x203C]}
    counts = {0: 0, 1: 0, ERROR: 0}

    def initiator(n):
        async def bench(ctx):
            model = {}
            for _ in range(150):
                await gap(ctx, source, source.choice((0, 4, 15)))
                name = source.choice(list(places))
                base = source.choice(places[name]) & ~3
                size = source.choice((1, 2, 4))
                # each initiator has its half of every target, so that the model needs no order between them
                addr = base & ~0x1C | n << 4 | source.randrange(0, 16, size)
                value = source.randrange(1 << 8 * size) if source.random() < 0.5 else None
                got = await access(ctx, dut.initiators[n], addr, size, value)
                window = {"low": LOW, "high": HIGH, "twins": TWINS[0]}[name]
                offset = addr % window.bytes
                if offset // 4 == 3:
                    assert got == ERROR
                    counts[ERROR] += 1
                    continue
                counts[n] += 1
                for byte in range(size):
                    place = (name, offset + byte)
                    if value is None:
                        assert got >> 8 * byte & 0xFF == model.get(place, 0), (n, hex(addr))
                    else:
                        model[place] = value >> 8 * byte & 0xFF
                assert (got is None) == (value is not None)

        return bench

    async def no_data_with_an_error(ctx):
        first = dut.initiators[0]
        async for _, _, ready, error, rdata in ctx.tick().sample(first.ready, first.error, first.rdata):
            assert not (ready and error and rdata)

    targets = [_target(getattr(dut.decoder, name), {}, source, served, name) for name in places]
    run(dut, initiator(0), initiator(1), background=[*targets, no_data_with_an_error])
    assert set(served) == set(places)
    assert min(counts.values()) > 5


@pytest.mark.parametrize("addr", [0, 0xFFC, 0x2040, 0x7FFF_FFFC, 0x8000_0100, 0x9000_0000, 0xFFFF_FFFC])
def test_address_without_a_target_answers_with_an_error(addr):
    dut = _Pair()
    touched = []

    async def watch(ctx):
        ports = [getattr(dut.decoder, name) for name in ("low", "high", "twins")]
        async for sample in ctx.tick().sample(*(p.valid for p in ports)):
            touched.append(any(sample[2:]))

    async def bench(ctx):
        assert await access(ctx, dut.initiators[0], addr) == ERROR
        assert await access(ctx, dut.initiators[1], addr, 4, 0xFFFF_FFFF) == ERROR

    run(dut, bench, background=[watch])
    assert touched and not any(touched)


def test_waiting_initiator_is_served_after_one_access_of_the_other():
    dut, order = _Pair(), []

    def initiator(n):
        async def bench(ctx):
            for _ in range(10):
                await access(ctx, dut.initiators[n], 0x1000)
                order.append(n)

        return bench

    run(dut, initiator(0), initiator(1), background=[_target(dut.decoder.low, {}, seeded(), [], "low")])
    assert order in ([0, 1] * 10, [1, 0] * 10)


@pytest.mark.parametrize(
    "targets,text",
    [
        ({"a": (LOW,), "b": (Window("inside", 0x1800, 0x100),)}, "windows inside and low overlap at 0x1800"),
        ({"a": (Window("odd", 0x1800, 0x1000),)}, "window odd: 0x1000 bytes at 0x1800"),
        ({"a": (Window("odd", 0x3000, 0x300),)}, "window odd: 0x300 bytes"),
        ({"a": (LOW, HIGH)}, "target a: at least one window is needed, and all of one size"),
        ({"a": ()}, "target a: at least one window"),
    ],
)
def test_windows_that_cannot_be_decoded_are_refused(targets, text):
    with pytest.raises(ValueError, match=text):
        RegisterDecoder(targets)


def test_impossible_address_width_is_refused():
    with pytest.raises(ValueError, match="addr_width 33"):
        RegisterBus(33)
