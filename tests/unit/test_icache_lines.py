"""The instruction cache by itself: what it keeps, what it replaces, what a flush or an error leaves."""

import gc

import pytest
from amaranth_bench import run, seeded

from hakone.isa.platform import MASK_ROM, RAM_BASE
from hakone.memory.icache import InstructionCache

LINE = RAM_BASE >> 6
RAM_BYTES = 1 << 20
STRIDE = 8  #: sets of the cache in these tests: lines that far apart share one


def small_cache(ways: int = 2) -> InstructionCache:
    """``ways`` times 512 bytes."""
    return InstructionCache(bytes=512 * ways, ways=ways, ram_bytes=RAM_BYTES)


def word(line: int, domain: int, beat: int) -> int:
    """What is written for a line, told apart by everything."""
    return line << 32 | domain << 16 | beat


class Driver:
    """Looks up, fills and flushes; one method for each step of the fetch unit."""

    def __init__(self, ctx, cache: InstructionCache):
        self.ctx, self.cache = ctx, cache
        self.time, self.invalidate_at = 0, None

    async def settle(self, cycles: int = STRIDE + 2):
        """Wait, for instance until the tags are erased after reset. An invalidation begins at ``invalidate_at``."""
        ctx, invalidate = self.ctx, self.cache.invalidate
        for _ in range(cycles):
            if self.time == self.invalidate_at:
                ctx.set(invalidate.valid, 1)
            done = ctx.get(invalidate.done)
            await ctx.tick()
            self.time += 1
            if done:
                ctx.set(invalidate.valid, 0)

    async def look(self, line: int, beat: int = 0, touch: bool = True) -> tuple[int, int] | None:
        """Data and domain of a block, or None; later when the tags are in use."""
        ctx, cache = self.ctx, self.cache
        ctx.set(cache.next_block, line << 3 | beat)
        await self.settle(1)
        ctx.set(cache.block, line << 3 | beat)
        ctx.set(cache.touch, touch)
        while ctx.get(cache.blocked):
            await self.settle(1)
        found = (ctx.get(cache.data), ctx.get(cache.held_domain)) if ctx.get(cache.present) else None
        await self.settle(1)
        ctx.set(cache.touch, 0)
        return found

    async def start(self, line: int, domain: int = 0):
        """Begin a fill of the line looked at last."""
        ctx, cache = self.ctx, self.cache
        assert ctx.get(cache.fill_idle)
        ctx.set(cache.fill_start, 1)
        ctx.set(cache.fill_line, line)
        ctx.set(cache.fill_domain, domain)
        await self.settle(1)
        ctx.set(cache.fill_start, 0)

    async def beats(self, line: int, domain: int = 0, error_at: int | None = None, at=None) -> bool:
        """Answer the request; ``at`` is called before each beat. Whether the fill failed."""
        ctx, miss = self.ctx, self.cache.miss
        assert ctx.get(miss.valid) and ctx.get(miss.line) == line and ctx.get(miss.domain) == domain
        for beat in range(8):
            if at:
                await at(beat)
            ctx.set(miss.beat_valid, 1)
            ctx.set(miss.beat.data, word(line, domain, beat))
            ctx.set(miss.beat.last, beat == 7)
            ctx.set(miss.beat.error, beat == error_at)
            await self.settle(1)
            ctx.set(miss.beat_valid, 0)
        assert ctx.get(self.cache.fill_ended)
        failed = ctx.get(self.cache.fill_failed)
        await self.settle(2)
        return bool(failed)

    async def fill(self, line: int, domain: int = 0, **settings) -> bool:
        """Miss, fill, whole."""
        found = await self.look(line)
        assert found is None or found[1] != domain
        await self.start(line, domain)
        return await self.beats(line, domain, **settings)


def simulate(cache: InstructionCache, bench):
    """Run ``bench(driver)`` after the tags have been erased."""

    async def main(ctx):
        driver = Driver(ctx, cache)
        await driver.settle()
        await bench(driver)

    run(cache, main)


@pytest.mark.parametrize("ways", [1, 2, 4])
def test_filled_lines_give_their_words_under_their_domain(ways):
    rng = seeded()

    async def bench(driver):
        lines = [LINE + n for n in rng.sample(range(STRIDE), 4)]
        for line in lines:
            await driver.fill(line, line % 3)
        for line in lines:
            for beat in range(8):
                assert await driver.look(line, beat) == (word(line, line % 3, beat), line % 3)

    simulate(small_cache(ways), bench)


@pytest.mark.parametrize("ways", [2, 4])
def test_way_used_last_is_kept(ways):
    async def bench(driver):
        lines = [LINE + STRIDE * n for n in range(ways)]
        for line in lines:
            await driver.fill(line)
        for line in lines:
            assert await driver.look(line)
        for n in range(1, 4):
            await driver.look(lines[0])
            await driver.fill(LINE + STRIDE * (10 + n))
            assert await driver.look(lines[0]), "the line used last was replaced"
            assert await driver.look(LINE + STRIDE * (10 + n))

    simulate(small_cache(ways), bench)


def test_free_way_is_taken_before_a_line_goes():
    async def bench(driver):
        for n in range(4):
            await driver.fill(LINE + STRIDE * n)
        for n in range(4):
            assert await driver.look(LINE + STRIDE * n), f"line {n} was replaced while a way was free"

    simulate(small_cache(4), bench)


def test_other_domain_replaces_the_line_in_its_own_way():
    async def bench(driver):
        await driver.fill(LINE, 1)
        await driver.fill(LINE + STRIDE, 0)
        await driver.look(LINE)
        await driver.fill(LINE, 2)
        assert await driver.look(LINE) == (word(LINE, 2, 0), 2)
        assert await driver.look(LINE + STRIDE) == (word(LINE + STRIDE, 0, 0), 0)
        await driver.fill(LINE + 2 * STRIDE)  # were the old copy still there, it could come back now
        assert await driver.look(LINE) in (None, (word(LINE, 2, 0), 2))

    simulate(small_cache(), bench)


def test_victim_does_not_hit_while_it_is_overwritten():
    async def bench(driver):
        await driver.fill(LINE, 1)
        assert await driver.look(LINE) is not None
        await driver.look(LINE)
        await driver.start(LINE, 2)

        async def never(beat):
            assert await driver.look(LINE, beat, touch=False) is None

        await driver.beats(LINE, 2, at=never)
        assert await driver.look(LINE, 3) == (word(LINE, 2, 3), 2)

    simulate(small_cache(1), bench)


@pytest.mark.parametrize("error_at", [0, 4, 7])
def test_line_with_an_error_is_not_kept(error_at):
    async def bench(driver):
        assert await driver.fill(LINE, error_at=error_at)
        assert await driver.look(LINE) is None
        assert not await driver.fill(LINE)
        assert await driver.look(LINE) is not None

    simulate(small_cache(), bench)


@pytest.mark.parametrize("pause", [0, STRIDE + 2])
@pytest.mark.parametrize("beat", [0, 3, 7])
def test_flush_forgets_all_lines_and_the_one_on_its_way(beat, pause):
    """Also when that one arrives after the flush has been through all sets."""
    cache = small_cache()

    async def bench(driver):
        for n in range(STRIDE):
            await driver.fill(LINE + n)
        await driver.look(LINE + STRIDE)
        await driver.start(LINE + STRIDE)

        async def flush(now):
            if now == beat:
                driver.ctx.set(cache.flush_start, 1)
                await driver.settle(1)
                driver.ctx.set(cache.flush_start, 0)
                await driver.settle(pause)

        await driver.beats(LINE + STRIDE, at=flush)
        while driver.ctx.get(cache.flush_busy):
            assert driver.ctx.get(cache.blocked)
            await driver.settle(1)
        for n in range(STRIDE + 1):
            assert await driver.look(LINE + n) is None, f"line {n} survived"

    simulate(cache, bench)


def test_invalidation_of_another_line_does_not_disturb_a_fill():
    """Both write the tags: the victim must stay hidden and the new line must be entered, whenever the other comes."""
    cache = small_cache(1)

    async def bench(driver):
        driver.ctx.set(cache.invalidate.line, LINE + 3)
        for offset in range(16):
            await driver.fill(LINE, 1)
            driver.invalidate_at = driver.time + offset
            await driver.look(LINE)
            await driver.start(LINE, 2)
            await driver.settle(1)
            ctx = driver.ctx
            ctx.set(cache.block, LINE << 3)
            if not ctx.get(cache.blocked):
                assert not ctx.get(cache.present), f"the victim came back: invalidation at {offset}"
            await driver.beats(LINE, 2)
            await driver.settle(4)
            assert await driver.look(LINE) == (word(LINE, 2, 0), 2), f"the new line was lost: invalidation at {offset}"

    simulate(cache, bench)


def test_line_is_not_asked_for_again_in_the_cycle_in_which_it_is_entered():
    """Tags read while the line is entered do not show it; a fill begun on their word would make a second copy."""
    cache = small_cache()

    async def bench(driver):
        ctx = driver.ctx
        await driver.look(LINE)
        await driver.start(LINE)

        async def look_in_last_cycle(beat):
            ctx.set(cache.next_block, LINE << 3)
            ctx.set(cache.block, LINE << 3)

        miss = cache.miss
        for beat in range(8):
            await look_in_last_cycle(beat)
            ctx.set(miss.beat_valid, 1)
            ctx.set(miss.beat.last, beat == 7)
            await ctx.tick()
        ctx.set(miss.beat_valid, 0)
        assert ctx.get(cache.fill_ended) and not ctx.get(cache.present)
        await ctx.tick()
        assert not ctx.get(cache.fill_idle)
        assert ctx.get(cache.present)
        await ctx.tick()
        assert ctx.get(cache.fill_idle)

    simulate(cache, bench)


def test_memory_and_rom_lines_are_told_apart():
    async def bench(driver):
        rom, same_place = MASK_ROM.base >> 6, (RAM_BASE + MASK_ROM.base) >> 6
        await driver.fill(rom)
        assert await driver.look(same_place) is None
        await driver.fill(same_place)
        assert await driver.look(rom) == (word(rom, 0, 0), 0)
        assert await driver.look(same_place) == (word(same_place, 0, 0), 0)

    simulate(small_cache(), bench)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("bytes_,ways", [(1024, 3), (1000, 2), (16384, 2), (512, 8), (1024, 16)])
def test_impossible_size_is_refused(bytes_, ways):
    with pytest.raises(ValueError, match=f"{bytes_} bytes in {ways} ways"):
        InstructionCache(bytes=bytes_, ways=ways, ram_bytes=RAM_BYTES)
    gc.collect()  # the warning about a part that was never used belongs to this test
