"""Miss unit: domains of lines, order of reads and writes, errors, instruction misses, cleaning, reset."""

import pytest
from data_side_bench import Bench, Entry, Op, State

from hakone.bus.core_ports import MemoryOp
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import MASK_ROM, RAM_BASE, UART
from hakone_sim.evidence import evidence
from hakone_sim.line_bench import REQUEST_CYCLES, WORD_CYCLES

BASE = RAM_BASE >> 6
R, W, PLAIN, ANY = RegionFlag.READ, RegionFlag.WRITE, RegionFlag.PLAIN_ACCESS, RegionFlag.ANY_OWNER
XTS = Algorithm.AES128_XTS
#: Two contexts see the first 64 lines under domains of their own, context 0 sees them as they are in memory.
ENTRIES = tuple(Entry(n, BASE, BASE + 63, R | W | PLAIN | ANY, n + 2, XTS) for n in (1, 2))
PLAIN_0, OWNER, OTHER = State(0), State(1), State(2)


def load(line, offset=0):
    return Op(MemoryOp.LOAD, (line << 6) + offset)


def store(line, offset=0, value=0x1357_9BDF):
    return Op(MemoryOp.STORE, (line << 6) + offset, wdata=value)


def simulate(body, **options):
    """Run ``body`` in context 1 after the reset walk; returns the bench."""
    bench = Bench(ENTRIES, **options)

    async def after_reset(bench):
        bench.set_state(OWNER)
        for _ in range(70):
            await bench.tick()
        await body(bench)
        await bench.settle()
        await bench.clean()
        bench.compare()

    bench.run(after_reset)
    return bench


def places(log):
    """Line and domain of each entry of a log."""
    return [entry[1:] for entry in log]


@pytest.mark.requirement("PX-09")
def test_dirty_alias_leaves_under_its_own_domain_before_memory_is_read():
    """Another context that reads the line gets what memory holds after the write, never the plaintext in the cache."""

    async def body(bench):
        await bench.do(store(BASE))
        bench.set_state(OTHER)
        await bench.do(load(BASE))
        assert bench.answer[0] != 0x1357_9BDF
        assert places(bench.lines.write_log) == [(BASE, 3)]
        assert places(bench.lines.read_log) == [(BASE, 3), (BASE, 4)]
        bench.set_state(OWNER)
        await bench.do(load(BASE))
        assert bench.answer[0] == 0x1357_9BDF
        evidence("PX-09", [[BASE, 3]], [list(place) for place in places(bench.lines.write_log)])

    simulate(body)


def test_clean_alias_is_dropped_without_a_write():
    """A line that memory already has does not go out again."""

    async def body(bench):
        for state in (OWNER, PLAIN_0, OTHER, OWNER):
            bench.set_state(state)
            await bench.do(load(BASE + 1))
        assert not bench.lines.write_log
        assert places(bench.lines.read_log) == [(BASE + 1, d) for d in (3, 0, 4, 3)]

    simulate(body)


def test_read_waits_for_the_pending_write_of_the_same_line():
    """A line that was just evicted is read again only when memory has acknowledged it."""

    async def body(bench):
        await bench.pipeline([store(BASE), load(BASE + 8), load(BASE + 16), load(BASE)])
        write = bench.lines.write_log[0][0]
        again = bench.lines.read_log[-1]
        assert again[1:] == (BASE, 3) and again[0] > write + 8 + 30

    simulate(body, write_latency=30)


def test_third_victim_waits_for_room():
    """With two lines on their way out a third dirty one waits; a clean one does not."""

    async def body(bench):
        await bench.pipeline([store(BASE + 8 * k) for k in range(2)])
        cycles = await bench.pipeline([store(BASE + 8 * k) for k in range(2, 6)])
        assert cycles[0] == cycles[1] and cycles[2] > cycles[0] + 30
        assert (await bench.pipeline([load(BASE + 1)]))[0] == cycles[0]

    simulate(body, write_latency=100)


@pytest.mark.parametrize("leave", ["displaced", "cleaned", "wanted by a fetch"])
def test_line_leaves_in_the_cycles_that_the_line_bench_measures_with(leave):
    """Announced, requested, then eight words without a gap, when nothing is on its way before it."""

    async def body(bench):
        await bench.do(store(BASE))
        if leave == "displaced":
            await bench.pipeline([load(BASE + 8), load(BASE + 16)])
        elif leave == "cleaned":
            await bench.clean()
        else:
            await fetch(bench, BASE, 0)
        await bench.settle()
        (announced,) = bench.lines.announce_log
        requested = bench.lines.write_log[0][0]
        assert requested == announced + REQUEST_CYCLES
        assert bench.lines.word_log == [requested + WORD_CYCLES + n for n in range(8)]

    simulate(body)


@pytest.mark.long
@pytest.mark.parametrize("ways", [1, 2, 4])
def test_two_lines_on_their_way_were_announced_before_their_slots_were_filled_anew(ways):
    """Every line leaves under the name of its own slot, however long the one before it takes."""

    async def body(bench):
        lines = [BASE + 4 * k for k in range(12)] * 2
        bench.set_state(PLAIN_0)
        await bench.pipeline([store(line) for line in lines[:5]])
        bench.set_state(OTHER)
        await bench.pipeline([store(line) for line in lines[5:]])
        bench.set_state(OWNER)
        await bench.pipeline([store(line) for line in lines])
        assert len(bench.lines.announce_log) > 20
        # Announced while the line before it was still being sent.
        assert any(later < at for later, (at, *_) in zip(bench.lines.announce_log, bench.lines.write_log, strict=False))

    simulate(body, ways=ways, write_latency=70, latency=1, one_write=True)


@pytest.mark.parametrize("first_domain", [0, 3])
def test_line_is_visible_only_after_the_instruction_cache_dropped_its_alias(first_domain):
    """A fill under another domain waits for the invalidation; under the same domain the line stays there."""

    async def body(bench):
        bench.fetch.wanted.append((BASE + 2, first_domain))
        while not bench.fetch.log:
            await bench.tick()
        bench.fetch.wait = 40
        began = bench.now
        await bench.do(load(BASE + 2))
        assert bench.now - began > 40
        assert (BASE + 2 in bench.fetch.held) == (first_domain == 3)

    simulate(body)


@pytest.mark.parametrize(("op", "cause"), [(load(BASE), Cause.LOAD_FAULT), (store(BASE), Cause.STORE_FAULT)])
def test_line_with_a_bad_beat_is_not_kept(op, cause):
    """The fault belongs to the instruction that touched the line; the next one reads memory again."""

    async def body(bench):
        for n in range(2):
            await bench.do(op)
            assert bench.answer[1] == (cause, Sub.NONE, BASE << 6)
            assert len(bench.lines.read_log) == n + 1

    simulate(body, bad_lines=(BASE,))


def test_lost_line_poisons_its_domain_and_no_other():
    """A failed write names the line's domain, not that of whoever runs nor of another line; plain memory has none."""
    bench = Bench(ENTRIES)

    async def body(bench):
        bench.lines.bad_writes = {BASE, BASE + 1}
        for state, line, poisoned, failed in (
            (OTHER, BASE + 2, [], 0),
            (OWNER, BASE, [3], 1),
            (PLAIN_0, BASE + 1, [3], 1),
            (OTHER, BASE + 3, [3], 1),
        ):
            bench.set_state(state)
            await bench.do(store(line))
            bench.set_state(PLAIN_0)
            await bench.clean()
            assert (bench.poisoned, bench.ctx.get(bench.unit.write_failed)) == (poisoned, failed)

    bench.run(body)


@pytest.mark.parametrize("bad", [BASE, BASE + 1])
def test_lost_line_among_two_on_their_way_poisons_its_domain(bad):
    """Acknowledgements belong to the lines in the order in which these left."""
    bench = Bench(ENTRIES, write_latency=60)

    async def body(bench):
        bench.lines.bad_writes = {bad}
        bench.set_state(OWNER)
        await bench.do(store(BASE))
        bench.set_state(OTHER)
        await bench.do(store(BASE + 1))
        await bench.clean()
        assert places(bench.lines.write_log) == [(BASE, 3), (BASE + 1, 4)]
        assert bench.poisoned == [3 if bad == BASE else 4]

    bench.run(body)


async def fetch(bench, line, domain):
    """Let the instruction cache ask for a line; returns the cycles."""
    began, count = bench.now, len(bench.fetch.log)
    bench.fetch.wanted.append((line, domain))
    while len(bench.fetch.log) == count:
        await bench.tick()
        assert bench.now - began < 500
    return bench.now - began


@pytest.mark.parametrize("dirty", [False, True])
def test_fetch_takes_a_line_that_the_data_cache_holds_under_the_same_domain(dirty):
    """It comes from there, without a bus cycle, and stays as it is: still dirty if it was."""

    async def body(bench):
        await bench.do(store(BASE + 3) if dirty else load(BASE + 3))
        reads = len(bench.lines.read_log)
        assert await fetch(bench, BASE + 3, 3) == 12
        assert len(bench.lines.read_log) == reads and not bench.lines.write_log
        assert await bench.do(load(BASE + 3)) == 1

    bench = simulate(body)
    assert len(bench.lines.write_log) == dirty


@pytest.mark.parametrize("dirty", [False, True])
def test_fetch_under_another_domain_takes_the_line_from_the_data_cache(dirty):
    """Written back under the domain that it was held under, then read from memory; the data cache has lost it."""

    async def body(bench):
        await bench.do(store(BASE + 4) if dirty else load(BASE + 4))
        await fetch(bench, BASE + 4, 0)
        assert places(bench.lines.write_log) == ([(BASE + 4, 3)] if dirty else [])
        assert places(bench.lines.read_log) == [(BASE + 4, 3), (BASE + 4, 0)]
        assert await bench.do(load(BASE + 4)) > 1

    simulate(body)


def test_fetch_of_a_line_elsewhere_asks_memory_in_the_third_cycle():
    """Two cycles for the probe."""

    async def body(bench):
        began = bench.now
        await fetch(bench, BASE + 5, 3)
        assert bench.lines.read_log[0] == (began + 2, BASE + 5, 3)

    simulate(body)


@pytest.mark.long
@pytest.mark.parametrize("there", [(), (0,), (1,), (0, 1)])
def test_fetch_of_either_line_at_any_cycle_of_a_split_store(there):
    """The probe never takes a line away between the first look at it and the write."""

    async def body(bench):
        for delay in range(6 if 0 in there else 28):
            for part in range(2):
                first = BASE + 2 * (delay % 4) + 8 * part
                await bench.pipeline([load(first + k) for k in there])
                bench.fetch.wanted, bench.fetch.delay = [(first + part, 0)], delay
                await bench.do(store(first, 62, 0x1111_1111 * (delay % 15 + 1)))
                while bench.fetch.wanted or bench.fetch.request:
                    await bench.tick()
                bench.fetch.wanted += [(first + k, 0) for k in range(2)]  # drops both from the data cache
                while bench.fetch.wanted or bench.fetch.request:
                    await bench.tick()

    simulate(body, latency=1, write_latency=1)


def test_mask_rom_line_comes_over_the_register_bus():
    """Sixteen words, and no other bus sees anything."""

    async def body(bench):
        await fetch(bench, MASK_ROM.base >> 6, 0)
        assert [entry[:2] for entry in bench.rom.log] == [(MASK_ROM.base + 4 * k, False) for k in range(16)]
        assert not bench.lines.read_log and not bench.devices.log

    simulate(body)


def test_mask_rom_error_reaches_the_instruction_cache():
    """Both halves of a beat count."""
    line = MASK_ROM.base >> 6

    async def body(bench):
        await fetch(bench, line, 0)
        await fetch(bench, line + 1, 0)
        assert not bench.fetch.held

    simulate(body, bad_lines=(line, line + 1), bad_devices=(MASK_ROM.base, MASK_ROM.base + 64 + 36))


@pytest.mark.parametrize("addr", [0, UART.base, RAM_BASE - 64, RAM_BASE + (1 << 20)])
def test_fetch_outside_memory_gets_errors_and_no_bus_cycle(addr):
    """The fetch unit never asks; if it did, a line of RAM with the same low bits must not answer."""

    async def body(bench):
        bench.set_state(PLAIN_0)
        await bench.do(load(BASE + (addr >> 6) % (1 << 14)))
        reads = len(bench.lines.read_log)
        await fetch(bench, addr >> 6, 0)
        assert len(bench.lines.read_log) == reads and not bench.rom.log and not bench.devices.log

    simulate(body)


def test_cleaning_writes_every_dirty_line_once_and_keeps_it():
    """Afterwards lines still hit, and cleaning again writes nothing."""
    lines = [BASE + k for k in (0, 8, 1, 5, 13, 7)]

    async def body(bench):
        await bench.pipeline([store(line, 4 * k) for k, line in enumerate(lines)])
        await bench.clean()
        assert sorted(places(bench.lines.write_log)) == sorted((line, 3) for line in lines)
        bench.compare()
        assert await bench.pipeline([load(line) for line in lines]) == [1] * len(lines)
        assert await bench.clean() < 20
        assert len(bench.lines.write_log) == len(lines)

    simulate(body)


def test_cleaning_stops_at_a_line_boundary_when_aborted():
    """Not busy within the copy of one line; what was not written is still dirty and is written later."""

    async def body(bench):
        await bench.pipeline([store(BASE + k) for k in range(12)])
        port, ctx = bench.unit.port, bench.ctx
        ctx.set(port.clean_start, 1)
        await bench.tick()
        ctx.set(port.clean_start, 0)
        for _ in range(15):
            await bench.tick()
        ctx.set(port.clean_abort, 1)
        await bench.tick()
        ctx.set(port.clean_abort, 0)
        began = bench.now
        while ctx.get(port.clean_busy):
            await bench.tick()
        assert bench.now - began <= 9
        await bench.settle()
        assert 0 < len(bench.lines.write_log) < 12

    bench = simulate(body)
    assert len(bench.lines.write_log) == 12


async def end_domain(bench, domain, abort_after=None):
    """Take a domain out of the cache; returns the cycles. An abort stays until it has acted."""
    clean, ctx, began = bench.unit.domain_clean, bench.ctx, bench.now
    ctx.set(clean.domain, domain)
    ctx.set(clean.start, 1)
    await bench.tick()
    ctx.set(clean.start, 0)
    while ctx.get(clean.busy):
        ctx.set(clean.abort, abort_after is not None and bench.now - began > abort_after)
        await bench.tick()
        assert bench.now - began < 1000
    ctx.set(clean.abort, 0)
    return bench.now - began


def test_ended_domain_leaves_the_cache_under_its_own_key_and_others_stay():
    """Dirty lines reach memory before the end, clean ones are dropped; another domain and plain memory still hit."""
    mine, theirs, plain = ([BASE + k for k in group] for group in ((0, 1, 8, 5), (10, 3), (70, 71)))

    async def body(bench):
        await bench.pipeline([store(line) for line in mine[:3]] + [load(mine[3])])
        bench.set_state(OTHER)
        await bench.pipeline([store(line) for line in theirs])
        bench.set_state(PLAIN_0)
        await bench.pipeline([store(plain[0]), load(plain[1])])
        await end_domain(bench, 3)
        assert sorted(places(bench.lines.write_log)) == sorted((line, 3) for line in mine[:3])
        assert not bench.lines.writes and not bench.lines.acks
        assert await bench.pipeline([load(line) for line in plain]) == [1, 1]
        bench.set_state(OTHER)
        assert await bench.pipeline([load(line) for line in theirs]) == [1, 1]
        bench.set_state(OWNER)
        reads = len(bench.lines.read_log)
        await bench.pipeline([load(line) for line in mine])
        assert sorted(places(bench.lines.read_log[reads:])) == sorted((line, 3) for line in mine)
        assert await end_domain(bench, 3) < 20  # nothing is dirty now

    simulate(body)


@pytest.mark.long
@pytest.mark.parametrize("after", [0, 1, 7, 19, 33, 50])
def test_ending_a_domain_stops_at_a_line_boundary_and_goes_on(after):
    """Soon after the abort nothing is under way; begun again, it finishes the rest, and each line is written once."""

    async def body(bench):
        await bench.pipeline([store(BASE + k) for k in range(12)])
        assert await end_domain(bench, 3, after) <= after + 11
        await bench.settle()
        assert len(bench.lines.write_log) < 12
        await end_domain(bench, 3)
        assert sorted(places(bench.lines.write_log)) == [(BASE + k, 3) for k in range(12)]
        reads = len(bench.lines.read_log)
        await bench.pipeline([load(BASE + k) for k in range(12)])
        assert len(bench.lines.read_log) == reads + 12

    simulate(body)


def test_accesses_and_fetches_go_on_while_cleaning():
    """They come between two lines, and what is stored meanwhile is not lost."""

    async def body(bench):
        await bench.pipeline([store(BASE + k) for k in range(14)])
        bench.ctx.set(bench.unit.port.clean_start, 1)
        await bench.tick()
        bench.ctx.set(bench.unit.port.clean_start, 0)
        bench.fetch.wanted += [(BASE + 3, 3), (BASE + 4, 4), (BASE + 40, 0)]
        await bench.pipeline([store(BASE + k, 8) for k in range(14)])
        await bench.pipeline([load(BASE + 20), store(BASE + 28), load(BASE + 13)])

    simulate(body)


def test_nothing_is_valid_after_a_reset():
    """Lines of before are gone, dirty or not; the unit is busy until its tags are clear."""

    async def body(bench):
        await bench.pipeline([store(BASE + k, value=k) for k in range(4)])
        await bench.settle()
        bench.ctx.set(bench.harness.reset, 1)
        await bench.tick()
        bench.ctx.set(bench.harness.reset, 0)
        bench.lines.reset()
        assert bench.ctx.get(bench.unit.port.busy)
        for k in range(4):
            bench.reference.raw.pop(BASE + k)
        reads = len(bench.lines.read_log)
        await bench.pipeline([load(BASE + k) for k in range(4)])
        assert len(bench.lines.read_log) == reads + 4 and not bench.lines.write_log

    simulate(body)
