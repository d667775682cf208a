"""Region unit: who shares a key or a domain, what is left of a key that is gone, interrupts, and time."""

import pytest
from region_bench import CLEAN_CYCLES, RegionBench
from test_region_unit import BASE, DONE, RW, key, long_region, region, window

from hakone.bus.open_checks import OpenCheck
from hakone.isa.cause import Sub
from hakone.isa.formats import Algorithm, RegionDescription, RegionFlag, RegionStatus
from hakone_sim.evidence import evidence

ABORTED = (RegionStatus.DONE, Sub.NONE, True)


def with_key(words, start=BASE, tag=1, algorithm=Algorithm.AES128_XTS):
    """A region with this very key."""
    return RegionDescription(algorithm, RW, start, 0x1000, tag, key=words)


@pytest.mark.long
@pytest.mark.requirement("AR-11")
def test_key_and_tag_decide_what_is_shared():
    """The same key and tag: one domain. The same key: one slot. Any bit of the key differs: nothing in common."""
    bench = RegionBench()
    first = key(1)

    async def body(bench, ctx):
        assert await bench.install(ctx, with_key(first), 1) == DONE
        assert await bench.install(ctx, with_key(first), 2) == DONE
        assert await bench.install(ctx, with_key(first, BASE + 0x1000, tag=2), 1) == DONE
        for n in range(0, 32, 5):
            other = bytearray(first)
            other[n] ^= 1 << n % 8
            assert await bench.install(ctx, with_key(bytes(other), BASE, tag=1), 3) == DONE
            entries, *_ = await bench.tables(ctx)
            assert (entries[3]["key_slot"], entries[3]["domain"]) == (1, 3)
            assert await bench.release(ctx, BASE, 3) == DONE
        entries, rows, keys, *_ = await bench.tables(ctx)
        got = [(entry["key_slot"], entry["domain"]) for entry in entries.values()]
        evidence("AR-11", [[0, 1], [0, 1], [0, 2]], [list(pair) for pair in got])
        assert got == [(0, 1), (0, 1), (0, 2)]
        assert list(keys) == [0] and list(rows) == [1, 2]

    bench.run(body)


def test_equal_words_under_another_algorithm_are_another_key():
    bench = RegionBench()

    async def body(bench, ctx):
        assert await bench.install(ctx, with_key(key(1)), 1) == DONE
        long = with_key(key(1) + key(2), algorithm=Algorithm.AES256_XTS)
        assert await bench.install(ctx, long, 2) == DONE
        assert await bench.install(ctx, with_key(key(1)), 3) == DONE
        entries, *_ = await bench.tables(ctx)
        assert [entry["key_slot"] for entry in entries.values()] == [0, 1, 0]

    bench.run(body)


@pytest.mark.long
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_domain_lives_until_its_last_sharer_leaves(order):
    bench = RegionBench()

    async def body(bench, ctx):
        for context in (1, 2, 3):
            assert await bench.install(ctx, region(), context) == DONE
        for n, context in enumerate(order):
            assert not bench.cleaned and not bench.flushes
            _, rows, keys, *_ = await bench.tables(ctx)
            assert list(rows) == [1] and list(keys) == [0]
            assert await bench.release(ctx, BASE, context) == DONE
            entries, *_ = await bench.tables(ctx)
            assert sorted(entry["context"] for entry in entries.values()) == sorted(order[n + 1 :])
        assert (bench.cleaned, bench.flushes) == ([1], 1)
        assert await bench.tables(ctx) == ({}, {}, {}, 0, 0)

    bench.run(body)


@pytest.mark.parametrize("check,empty", [(None, True), (OpenCheck.KEY_WIPE, False)])
def test_key_is_wiped_with_its_last_region(check, empty):
    """Control: with the wiping off, the released key is still in its slot."""
    bench = RegionBench(open_check=check)

    async def body(bench, ctx):
        assert await bench.install(ctx, long_region(BASE)) == DONE
        assert await bench.release(ctx, BASE) == DONE
        assert await bench.whole_slot_is_empty(ctx, 0) == empty

    bench.run(body)


def test_key_lives_until_its_last_domain_ends_and_nothing_is_left():
    bench = RegionBench()

    async def body(bench, ctx):
        for n in range(2):
            assert await bench.install(ctx, long_region(BASE + 0x1000 * n, tag=n)) == DONE
        assert not await bench.whole_slot_is_empty(ctx, 0)
        assert await bench.release(ctx, BASE) == DONE
        _, rows, keys, *_ = await bench.tables(ctx)
        assert list(rows) == [2] and list(keys) == [0]
        assert await bench.release(ctx, BASE + 0x1000) == DONE
        assert bench.cleaned == [1, 2] and bench.changes == 4
        assert await bench.whole_slot_is_empty(ctx, 0)
        assert await bench.install(ctx, region(number=5)) == DONE  # the slot has another key now
        *_, keys, _, _ = await bench.tables(ctx)
        assert keys == {0: (key(5)[:16], key(5)[16:])}

    bench.run(body)


def test_dead_context_leaves_with_everything_that_only_it_had():
    bench = RegionBench()

    async def body(bench, ctx):
        assert await bench.install(ctx, region(), 1) == DONE
        assert await bench.install(ctx, window(), 2) == DONE
        assert await bench.install(ctx, region(), 2) == DONE
        assert await bench.install(ctx, region(BASE + 0x2000, number=4), 2) == DONE
        assert await bench.release_context(ctx, 2) == DONE
        entries, rows, keys, contexts, _ = await bench.tables(ctx)
        assert list(entries) == [0] and list(rows) == [1] and list(keys) == [0] and contexts == 1 << 1
        assert bench.cleaned == [2]

    bench.run(body)


@pytest.mark.long
def test_install_that_an_interrupt_ends_at_any_cycle_leaves_nothing():
    """Whatever the cycle (some are drawn): either it was aborted and nothing of it is there, or it was done."""
    bench = RegionBench(waits=False)
    wanted, aborts = region(BASE + 0x1000, number=2), 0

    async def body(bench, ctx):
        nonlocal aborts
        assert await bench.install(ctx, region(), 2) == DONE
        before = await bench.tables(ctx)
        whole = await bench.install(ctx, wanted)
        assert await bench.release(ctx, wanted.start) == DONE
        cycle = 0
        while (cycle := cycle + bench.source.randrange(1, 6)) <= whole.cycles:
            changes = bench.changes
            got = await bench.install(ctx, wanted, abort_in=cycle)
            if got == ABORTED:
                aborts += 1
                assert got.cycles <= cycle + 60
                assert bench.changes == changes
                assert not any(ctx.get(word) for word in bench.buffer())
                if aborts % 8 == 0:
                    assert await bench.tables(ctx) == before
                    assert await bench.whole_slot_is_empty(ctx, 1)
            else:
                assert got == DONE and cycle > whole.cycles - 20
                assert await bench.release(ctx, wanted.start) == DONE
        assert await bench.install(ctx, wanted) == DONE
        entries, rows, keys, *_ = await bench.tables(ctx)
        assert list(entries) == [0, 1] and list(rows) == [1, 2] and list(keys) == [0, 1]

    bench.run(body)
    assert aborts > 80


def test_interrupted_release_keeps_the_entry_until_it_is_begun_again():
    bench = RegionBench(waits=False)

    async def body(bench, ctx):
        assert await bench.install(ctx, region()) == DONE
        before = await bench.tables(ctx)
        begin = 38  # two walks
        for cycle in range(begin, begin + CLEAN_CYCLES - 3):
            assert await bench.release(ctx, BASE, abort_in=cycle) == ABORTED
            assert await bench.tables(ctx) == before and not bench.cleaned and not bench.flushes
        assert await bench.release(ctx, BASE, abort_in=begin + CLEAN_CYCLES + 12) == DONE
        assert await bench.tables(ctx) == ({}, {}, {}, 0, 0)

    bench.run(body)


def test_time_does_not_depend_on_the_value_of_a_key():
    """New keys take one time, joins another, whatever the words are and wherever they first differ from others."""
    bench = RegionBench(waits=False)
    near = [bytes(key(1)[:n]) + bytes([key(1)[n] ^ 1]) + bytes(key(1)[n + 1 :]) for n in (0, 3, 16, 31)]
    new = [key(2), bytes(31) + b"\1", b"\xff" * 31 + b"\0", *near]

    async def body(bench, ctx):
        assert await bench.install(ctx, with_key(key(1)), 9) == DONE
        times = []
        for words in new:
            times.append((await bench.install(ctx, with_key(words))).cycles)
            assert await bench.release(ctx, BASE) == DONE
        joins = [(await bench.install(ctx, with_key(key(1)), context)).cycles for context in (1, 2)]
        equal = [(await bench.install(ctx, with_key(half * 2), 3)).cycles for half in (bytes(16), key(7, 16))]
        print(times[0], joins[0], equal[0])
        assert len(set(times)) == len(set(joins)) == len(set(equal)) == 1
        assert times[0] - joins[0] == 194

    bench.run(body)


def test_every_bit_of_the_halves_is_compared():
    bench = RegionBench(waits=False)

    async def body(bench, ctx):
        for bit in (0, 31, 32, 63, 95, 120, 127):
            half = int.from_bytes(key(3, 16), "little")
            other = (half ^ 1 << bit).to_bytes(16, "little")
            assert await bench.install(ctx, with_key(key(3, 16) + other)) == DONE
            assert await bench.release(ctx, BASE) == DONE
        assert await bench.install(ctx, with_key(key(3, 16) * 2)) == (RegionStatus.BAD_KEY, Sub.NONE, False)

    bench.run(body)


def test_nothing_of_a_key_stays_in_the_unit():
    bench = RegionBench()

    async def body(bench, ctx):
        for wanted in (region(), long_region(BASE + 0x1000, number=4), with_key(key(3, 16) * 2, BASE + 0x4000)):
            await bench.install(ctx, wanted)
            assert not any(ctx.get(word) for word in bench.buffer())
            assert ctx.get(bench.unit.key_install.payload.word) == 0
            assert ctx.get(bench.unit.search.word) == 0

    bench.run(body)


def test_flag_for_execution_is_kept_and_shared_regions_may_differ_in_rights():
    bench = RegionBench()

    async def body(bench, ctx):
        assert await bench.install(ctx, region(flags=RW), 1, owner=2) == DONE
        assert await bench.install(ctx, region(0x8000_4000, 0x40, flags=RegionFlag.READ), 2, owner=3) == DONE
        entries, rows, *_ = await bench.tables(ctx)
        assert [(e["flags"], e["owner"], e["domain"]) for e in entries.values()] == [(3, 2, 1), (1, 3, 1)]
        assert list(rows) == [1]

    bench.run(body)


def test_poisoned_domain_stays_so_for_everyone_until_its_last_entry_goes():
    bench = RegionBench()

    async def body(bench, ctx):
        table = bench.system.domains
        assert await bench.install(ctx, region(), 1) == DONE
        ctx.set(table.poison.domain, 1)
        ctx.set(table.poison.valid, 1)
        await ctx.tick()
        ctx.set(table.poison.valid, 0)
        bound = (RegionStatus.DONE, Sub.REGION_BOUND, False)
        assert await bench.install(ctx, region(BASE + 0x2000), 2) == bound
        assert await bench.install(ctx, region(BASE + 0x2000, tag=2), 2) == DONE
        entries, rows, *_, poisoned = await bench.tables(ctx)
        assert entries[1]["domain"] == 2 and list(rows) == [2] and poisoned == 1 << 1
        assert await bench.install(ctx, region(), 3) == DONE  # who joins finds it poisoned
        entries, rows, *_, poisoned = await bench.tables(ctx)
        assert entries[2]["domain"] == 1 and list(rows) == [2] and poisoned == 1 << 1
        for context in (1, 3):
            assert await bench.release(ctx, BASE, context) == DONE
        assert await bench.install(ctx, region(BASE + 0x4000), 2) == DONE
        entries, rows, *_, poisoned = await bench.tables(ctx)
        assert entries[0]["domain"] == 1 and list(rows) == [1, 2] and poisoned == 0

    bench.run(body)
