"""Segment registers and their copies: every row that is shown as usable is what was written last."""

import pytest
from amaranth import Const, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth_bench import run, seeded
from segment_model import Descriptor, SegmentModel, base_word

from hakone.bus.open_checks import OPEN_BITS, OpenCheck
from hakone.isa.cause import Sub
from hakone.protect.checks import DataSegments, FetchSegments
from hakone.protect.segments import SegmentCopy, SegmentRegisters

LAST_OFFSET = (1 << 28) - 1
WAIT_CYCLES = 4  #: most for a row while nothing is written and the other side asks as well


class _Bench(wiring.Component):
    """Registers with both copies, as in the system."""

    def __init__(self, switches=None):
        super().__init__({})
        self.registers, self.copies = SegmentRegisters(switches), [SegmentCopy(), SegmentCopy()]

    def elaborate(self, _platform):
        """Connect."""
        m = Module()
        m.submodules.registers = self.registers
        for n, copy in enumerate(self.copies):
            m.submodules[f"copy_{n}"] = copy
            wiring.connect(m, copy.read, self.registers.read[n])
        return m


def _drive(ctx, port, context=0, segment=0, word=None, value=0, clear=False):
    """Set the core's port for one cycle."""
    ctx.set(port.write, word is not None)
    ctx.set(port.clear, clear)
    for name, number in (("context", context), ("segment", segment), ("word", word or 0), ("data", value)):
        ctx.set(getattr(port, name), number)


def _random_word(rng):
    """A value for one of the two words."""
    word = rng.randrange(2)
    if word:
        return 1, rng.choice((0, 1, LAST_OFFSET, LAST_OFFSET - 1, rng.getrandbits(28)))
    base = rng.choice((0, 0xFFFF_F000, 0xF000_0000, 0xF000_1000, rng.getrandbits(20) << 12))
    return 0, base_word(base, rng.choice(("", "r", "rw", "rx", "rwx", "wx")), rng.randrange(4), rng.random() < 0.8)


def _shown(row):
    """A row as the model writes it, and its mark."""
    rights = "".join(letter for letter in "rwx" if getattr(row, {"r": "read", "w": "write", "x": "execute"}[letter]))
    return Descriptor(bool(row.present), rights, row.ring, row.base << 12, row.limit), bool(row.wraps)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_copies_are_never_older_than_the_registers(seed):
    """Writes, clears and switches of context and segment in any cycle, on both sides at once."""
    rng, bench, model = seeded(seed), _Bench(), SegmentModel(enabled=True)
    compared = []

    async def body(ctx):
        port, waited, asked = bench.registers.port, [0, 0], [None, None]
        ctx.set(port.enabled, 1)
        for cycle in range(4000):
            for n, copy in enumerate(bench.copies):
                if rng.random() < 0.3:
                    place = (rng.choice((0, 1, 14)), rng.choice((0, 2, 15)))
                    waited[n] = 0 if place != asked[n] else waited[n]
                    asked[n] = place
                context, segment = asked[n] or (0, 0)
                ctx.set(copy.context, context)
                ctx.set(copy.segment, segment)
                ctx.set(copy.wanted, 1)
                if ctx.get(copy.ready):
                    wanted = model.row(context, segment << 28)
                    row, wraps = _shown(ctx.get(copy.row))
                    assert row.present == wanted.present, f"cycle {cycle}, side {n}: {row}, not {wanted}"
                    if wanted.present:
                        assert row == wanted and wraps == (row.base + row.limit > 0xFFFF_FFFF), f"cycle {cycle}: {row}"
                        compared.append(wraps)
                    waited[n] = 0
                else:
                    waited[n] += 1
                    assert waited[n] <= WAIT_CYCLES, f"cycle {cycle}, side {n}: no row"
            busy = cycle // 500 % 2 == 0 and rng.random() < 0.3
            context, segment, (word, value) = rng.choice((0, 1, 14)), rng.choice((0, 2, 15)), _random_word(rng)
            clear = busy and rng.random() < 0.1
            _drive(ctx, port, context, segment, word if busy and not clear else None, value, clear)
            await ctx.tick()
            if clear:
                model.clear(context)
            elif busy:
                model.put(context, segment, word, value)
            if busy:
                waited = [0, 0]

    run(bench, body)
    assert len(compared) > 300 and any(compared) and not all(compared)


def test_clear_and_reset_leave_nothing_present():
    """All sixteen of one context go in one cycle, those of its neighbour stay; a reset takes all."""
    bench, reset = _Bench(), Signal()

    async def body(ctx):
        port, copy = bench.registers.port, bench.copies[1]
        ctx.set(port.enabled, 1)
        ctx.set(copy.wanted, 1)

        async def present(context):
            found = 0
            for segment in range(16):
                ctx.set(copy.context, context)
                ctx.set(copy.segment, segment)
                for _ in range(WAIT_CYCLES):
                    await ctx.tick()
                assert ctx.get(copy.ready)
                found += ctx.get(copy.row.present)
            return found

        assert [await present(context) for context in range(16)] == [0] * 16
        for context in (4, 5):
            for segment in range(16):
                _drive(ctx, port, context, segment, 0, base_word(0x8000_0000, "rw", 3))
                await ctx.tick()
        _drive(ctx, port)
        assert (await present(4), await present(5)) == (16, 16)
        _drive(ctx, port, 4, clear=True)
        await ctx.tick()
        _drive(ctx, port)
        assert (await present(4), await present(5)) == (0, 16)
        _drive(ctx, port, 4, 7, 0, base_word(0x8000_0000, "rw", 3))
        await ctx.tick()
        _drive(ctx, port)
        assert await present(4) == 1, "what was cleared came back with the next write"
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert (await present(4), await present(5)) == (0, 0)

    run(ResetInserter(reset)(bench), body)


def test_nothing_is_asked_for_while_segments_are_off():
    bench = _Bench()

    async def body(ctx):
        for copy in bench.copies:
            ctx.set(copy.wanted, 1)
        for context in range(3):
            for copy in bench.copies:
                ctx.set(copy.context, context)
                assert ctx.get(copy.ready) and not ctx.get(copy.read.want)
            await ctx.tick()

    run(bench, body)


@pytest.mark.parametrize("stale", [False, True])
def test_copy_follows_a_write_unless_that_is_switched_off(stale):
    """The control run of stale copies: with the protection off the old row goes on being used."""
    bench = _Bench(Const(stale << OpenCheck.SEGMENT_STALE, OPEN_BITS))

    async def body(ctx):
        port, copy = bench.registers.port, bench.copies[1]
        ctx.set(port.enabled, 1)
        ctx.set(copy.wanted, 1)
        _drive(ctx, port, 0, 0, 0, base_word(0x8000_0000, "rw", 3))
        for present in (1, 0):
            await ctx.tick()
            _drive(ctx, port)
            for _ in range(WAIT_CYCLES):
                await ctx.tick()
            assert ctx.get(copy.ready) and ctx.get(copy.row.present) == (present or stale)
            _drive(ctx, port, 0, 0, 0, 0)

    run(bench, body)


@pytest.mark.parametrize("unit", [DataSegments, FetchSegments])
@pytest.mark.parametrize("is_open", [False, True])
def test_limit_holds_unless_it_is_switched_off(unit, is_open):
    """The control run of limits: with the protection off the byte behind the last one is reached."""
    dut = unit(Const(is_open << OpenCheck.SEGMENT_LIMIT, OPEN_BITS))

    async def body(ctx):
        ctx.set(dut.read.enabled, 1)
        ctx.set(dut.valid, 1)
        await ctx.tick()
        row = {"present": 1, "read": 1, "execute": 1, "ring": 3, "base": 0x80000, "limit": 0xFF}
        ctx.set(dut.read.row, row)
        ctx.set(dut.read.done, 1)
        await ctx.tick()
        ctx.set(dut.read.done, 0)
        await ctx.tick()  # the data side reads its row a cycle ahead
        for offset in (0xFE, 0x100):
            ctx.set(dut.pc if unit is FetchSegments else dut.base, offset >> (unit is FetchSegments))
            if unit is DataSegments:
                ctx.set(dut.reads, 1)
            assert ctx.get(dut.ready)
            assert ctx.get(dut.refused) == (offset > 0xFF and not is_open)

    run(dut, body)


@pytest.mark.parametrize("unit", [DataSegments, FetchSegments])
def test_flat_segments_are_the_identity(unit):
    """With segments off every address is its own place, and nothing is refused, whoever asks."""
    rng, dut = seeded(), unit()

    async def body(ctx):
        for addr in (0, 0x7FFF_FFFE, 0x8000_0000, 0xFFFF_FFFE, *(rng.getrandbits(31) << 1 for _ in range(200))):
            ctx.set(dut.state.level, rng.randrange(4))
            ctx.set(dut.state.context, rng.randrange(16))
            if unit is DataSegments:
                size_log2 = rng.randrange(3)
                ctx.set(dut.next_segment, addr >> 28)
                ctx.set(dut.next_size_log2, size_log2)
                await ctx.tick()
                ctx.set(dut.base, addr)
                ctx.set(dut.addr, addr)
                ctx.set(dut.size_log2, size_log2)
                ctx.set(dut.reads, 1)
                ctx.set(dut.writes, 1)
            else:
                ctx.set(dut.pc, addr >> 1)
                assert ctx.get(dut.halves) == 4
            assert ctx.get(dut.ready) and not ctx.get(dut.refused) and ctx.get(dut.rule) == Sub.NONE
            assert ctx.get(dut.physical) == addr and ctx.get(dut.segment_base) == addr >> 28 << 16

    run(dut, body)
