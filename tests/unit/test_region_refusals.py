"""Region unit: every refusal has its own answer, costs no word more than needed, and changes nothing."""

import functools
import struct

import pytest
from region_bench import RAM_BYTES, RegionBench
from test_region_unit import BASE, DONE, key, long_region, region, window

from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag, RegionStatus
from hakone.isa.platform import RAM_BASE
from hakone_sim.evidence import evidence

ADDR = 0x8000_0100
END = RAM_BASE + RAM_BYTES


def changed(word, value, description=None):
    """A description's bytes with one word changed by exclusive or."""
    data = bytearray((description or region(BASE + 0x8000, number=7)).pack())
    old = struct.unpack_from("<I", data, 4 * word)[0]
    struct.pack_into("<I", data, 4 * word, old ^ value)
    return bytes(data)


def at(start, size, make=region):
    """A region of another place."""
    return make(start, size, number=7).pack() if make is region else make(start, size).pack()


EQUAL_HALVES = region(BASE + 0x8000).pack()[:32] + key(9, 16) * 2
#: What is refused: description, status, words loaded (the key only where its value is looked at, and then whole).
REFUSALS = {
    "magic": (changed(0, 1), "BAD_HEADER", 8),
    "version": (changed(0, 2 << 24), "BAD_HEADER", 8),
    "no version": (changed(0, 1 << 24), "BAD_HEADER", 8),
    **{f"reserved bit {n} of the first word": (changed(0, 1 << n), "BAD_HEADER", 8) for n in (19, 23)},
    **{f"reserved bit {n} of the second word": (changed(1, 1 << n), "BAD_HEADER", 8) for n in (20, 31)},
    **{f"word {n}": (changed(n, 1 << (5 * n - 25)), "BAD_HEADER", 8) for n in (5, 6, 7)},
    **{f"algorithm {n}": (changed(0, (n ^ 1) << 16), "BAD_ALGORITHM", 8) for n in range(3, 8)},
    **{f"flag {n}": (changed(1, 1 << n), "BAD_FLAGS", 8) for n in (6, 7)},
    **{f"flag {n} of a window": (changed(1, 1 << n, window()), "BAD_FLAGS", 8) for n in range(2, 8)},
    "key size of the other algorithm": (changed(1, (32 ^ 64) << 8), "BAD_KEY", 8),
    "no key": (changed(1, 32 << 8), "BAD_KEY", 8),
    "key of 33 bytes": (changed(1, 1 << 8), "BAD_KEY", 8),
    "key of 160 bytes": (changed(1, 128 << 8), "BAD_KEY", 8),
    "window with a key": (changed(1, 32 << 8, window()), "BAD_KEY", 8),
    "start inside a line": (changed(2, 32), "MISALIGNED", 8),
    "odd start": (changed(2, 1), "MISALIGNED", 8),
    "size inside a line": (changed(3, 32), "MISALIGNED", 8),
    "no bytes": (changed(3, 0x1000), "EMPTY_RANGE", 8),
    "past the end of the address space": (at(0xFFFF_FFC0, 128), "EMPTY_RANGE", 8),
    "inverted": (at(BASE + 0x8000, 0xFFFF_FFC0), "EMPTY_RANGE", 8),
    "segment named with segments off": (changed(1, 8 << 16), "BAD_SEGMENT", 8),
    "two segments": (at(0x8FFF_FFC0, 128), "BAD_SEGMENT", 8),
    "equal halves": (EQUAL_HALVES, "BAD_KEY", 16),
    "before memory": (at(RAM_BASE - 64, 64), "OUTSIDE_RAM", 18),
    "behind memory": (at(END, 64), "OUTSIDE_RAM", 18),
    "ends behind memory": (at(END - 64, 128), "OUTSIDE_RAM", 18),
    "same range": (at(BASE, 0x1000), "OVERLAP", 18),
    "last line": (at(BASE + 0xFC0, 64), "OVERLAP", 18),
    "line before and first line": (at(BASE - 64, 128), "OVERLAP", 18),
    "around": (at(BASE - 0x1000, 0x3000), "OVERLAP", 18),
    "inside": (at(BASE + 64, 64), "OVERLAP", 18),
    "window over the last line of a region": (at(BASE + 0xFC0, 0x1000, window), "OVERLAP", 8),
    "bound elsewhere": (region(BASE + 0x8000).pack(), "REGION_BOUND", 18),
}


@functools.cache
def outcomes():
    """All refusals in one simulation: by name the answer, the loads, and whether all tables stayed as they were."""
    bench, found = RegionBench(), {}

    async def body(bench, ctx):
        assert await bench.install(ctx, region()) == DONE
        before = await bench.tables(ctx)
        for name, (description, _, _) in REFUSALS.items():
            got = await bench.install(ctx, description)
            found[name] = got, list(bench.loads), await bench.tables(ctx) == before and bench.changes == 1
        assert await bench.install(ctx, region(BASE + 0x8000, number=7)) == DONE

    bench.run(body)
    return found


@pytest.mark.requirement("AR-09")
@pytest.mark.parametrize("name", REFUSALS)
def test_refused_description_changes_nothing(name):
    _, answer, words = REFUSALS[name]
    got, loads, same = outcomes()[name]
    faults = answer.startswith("REGION")
    expected = (RegionStatus.DONE, Sub[answer], False) if faults else (RegionStatus[answer], Sub.NONE, False)
    evidence("AR-09", [answer, words, True], [(got.rule if faults else got.status).name, len(loads), same])
    assert got == expected and got.cause == (Cause.REGION if faults else None)
    assert len(loads) == words
    assert [addr for addr, probe in loads if not probe] == [ADDR + 4 * n for n in range(min(words, 16))]
    assert same


def test_operand_and_words_that_are_not_protected_fault():
    bench = RegionBench()
    wanted = long_region()

    async def body(bench, ctx):
        for n in (1, 2, 3):
            assert await bench.install(ctx, wanted, addr=ADDR + n) == (RegionStatus.DONE, Sub.REGION_OPERAND, False)
            assert not bench.loads
        for n in range(24):
            bench.plain = {ADDR + 4 * n}
            assert await bench.install(ctx, wanted) == (RegionStatus.DONE, Sub.REGION_DESCRIPTION, False)
            assert len(bench.loads) == n + 1
            bench.plain, bench.faults = set(), {ADDR + 4 * n: (Cause.REGION, Sub.REGION_RIGHT)}
            assert await bench.install(ctx, wanted) == (RegionStatus.DONE, Sub.REGION_RIGHT, False)
            bench.faults = {}
        bench.faults = {ADDR + 12: (Cause.LOAD_FAULT, Sub.NONE)}
        got = await bench.install(ctx, wanted)
        assert got.cause == Cause.LOAD_FAULT
        bench.faults = {}
        nothing = ({}, {}, {}, 0, 0)
        assert await bench.tables(ctx) == nothing
        assert await bench.install(ctx, wanted) == DONE

    bench.run(body)


@pytest.mark.parametrize("end", [0, 1])
def test_segment_fault_of_either_end_is_passed_on(end):
    bench = RegionBench()
    place = (BASE, BASE + 0xFFF)[end]

    async def body(bench, ctx):
        bench.faults = {place: (Cause.SEGMENT, Sub.SEGMENT_LIMIT)}
        got = await bench.install(ctx, region())
        assert (got.cause, got.rule) == (Cause.SEGMENT, Sub.SEGMENT_LIMIT)
        assert await bench.tables(ctx) == ({}, {}, {}, 0, 0)
        assert bench.loads[-1] == (place, 1)

    bench.run(body)


def test_segment_of_the_start_is_named_and_its_base_is_latched():
    bench = RegionBench()
    bench.bases = [RAM_BASE + 0x2_0000 + 0x1000 * n for n in range(16)]

    async def body(bench, ctx):
        for segment in (0, 4, 6, 8):
            refused = (RegionStatus.BAD_SEGMENT, Sub.NONE, False)
            assert await bench.install(ctx, region(0x5000_0040, segment=segment)) == refused
        assert await bench.install(ctx, region(0x5000_0040, 0x80, segment=5)) == DONE
        assert await bench.install(ctx, window(0x5000_0000, 0x40)) == (RegionStatus.BAD_SEGMENT, Sub.NONE, False)
        entries, rows, *_ = await bench.tables(ctx)
        assert entries[0]["segment_base"] == bench.bases[5] >> 12
        assert rows[1][3] == (bench.bases[5] + 0x40) >> 6

    bench.run(body)


def test_quota_counts_what_the_context_installed_itself():
    bench = RegionBench()
    quota = (RegionStatus.QUOTA, Sub.NONE, False)

    async def body(bench, ctx):
        for n in range(3):
            assert await bench.install(ctx, window(0x1000 * n), 1, quota=3) == DONE
        assert await bench.install(ctx, window(0x8000), 1, quota=3) == quota
        assert await bench.install(ctx, window(0x8000), 2, quota=0) == quota
        assert await bench.install(ctx, window(0x8000), 2, quota=1) == DONE
        assert await bench.release(ctx, 0x1000, 1) == DONE
        assert await bench.install(ctx, window(0x8000), 1, quota=3) == DONE
        assert await bench.install(ctx, window(0x9000), 1, quota=3) == quota

    bench.run(body)


def test_boot_entries_do_not_count_but_are_found_overlapped_and_released():
    bench = RegionBench()

    async def body(bench, ctx):
        content = {"algorithm": Algorithm.NONE, "flags": 3}
        for n in range(2):
            place = {"context": 1, "start_line": 0x100 * n, "end_line": 0x100 * n}
            await bench.boot_entry(ctx, {"range": place, "content": content})
        assert await bench.install(ctx, window(0x4000, 64), 1, quota=1) == (RegionStatus.OVERLAP, Sub.NONE, False)
        assert await bench.install(ctx, window(0x8000, 64), 1, quota=1) == DONE
        assert await bench.release(ctx, 0x4000, 1) == DONE
        assert await bench.install(ctx, window(0x4000, 64), 1, quota=1) == (RegionStatus.QUOTA, Sub.NONE, False)

    bench.run(body)


@pytest.mark.long
def test_last_place_domain_and_key_slot_are_usable_and_none_beyond():
    bench = RegionBench(waits=False)

    async def body(bench, ctx):
        for n in range(15):
            assert await bench.install(ctx, region(BASE + 0x1000 * n, tag=n, number=n)) == DONE
        before = await bench.tables(ctx)
        refused = (RegionStatus.NO_KEY, Sub.NONE, False)
        assert await bench.install(ctx, region(RAM_BASE, 64, number=20), 2) == refused
        assert await bench.install(ctx, region(RAM_BASE, 64, tag=99, number=3), 2) == refused  # key there, domain not
        assert await bench.tables(ctx) == before
        assert await bench.install(ctx, region(BASE + 0x3000, tag=3, number=3), 2) == DONE  # a join needs neither
        full = (RegionStatus.NO_ENTRY, Sub.NONE, False)
        assert await bench.install(ctx, window(), 3) == full

    bench.run(body)


@pytest.mark.parametrize("addr,rule", [(BASE + 64, "NO_ENTRY"), (BASE - 64, "NO_ENTRY"), (BASE + 1, "OPERAND")])
def test_release_of_what_is_not_an_own_region_faults(addr, rule):
    bench = RegionBench()

    async def body(bench, ctx):
        assert await bench.install(ctx, region()) == DONE
        before = await bench.tables(ctx)
        for at_addr, context in ((addr, 1), (BASE, 2)):
            got = await bench.release(ctx, at_addr, context)
            assert got.rule == (Sub[f"REGION_{rule}"] if context == 1 else Sub.REGION_NO_ENTRY)
            assert got.cause == Cause.REGION and not got.aborted
        assert await bench.release_context(ctx, 2) == DONE
        assert await bench.tables(ctx) == before and not bench.cleaned and not bench.flushes

    bench.run(body)


def test_flags_of_a_region_are_all_possible():
    bench = RegionBench()

    async def body(bench, ctx):
        assert await bench.install(ctx, region(flags=RegionFlag(63))) == DONE
        assert await bench.install(ctx, region(BASE + 0x1000, tag=2, flags=RegionFlag(0))) == DONE
        entries, *_ = await bench.tables(ctx)
        assert [entry["flags"] for entry in entries.values()] == [63, 0]

    bench.run(body)
