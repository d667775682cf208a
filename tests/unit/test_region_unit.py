"""Region unit: what setik and clrk do to the tables, against a model of the rules alone."""

import pytest
from region_bench import RAM_BYTES, RegionBench
from region_model import RegionModel

from hakone.isa.cause import Sub
from hakone.isa.formats import Algorithm, RegionDescription, RegionFlag, RegionStatus
from hakone.isa.platform import RAM_BASE

RW = RegionFlag.READ | RegionFlag.WRITE
DONE = (RegionStatus.DONE, Sub.NONE, False)
BASE = RAM_BASE + 0x4000


def key(number, size=32):
    """A key made from a number; data key and tweak key differ."""
    return bytes((number * 31 + n * 7 + 1) & 0xFF for n in range(size))


def region(start=BASE, size=0x1000, tag=1, number=1, flags=RW, **more):
    """A region of AES-128."""
    return RegionDescription(Algorithm.AES128_XTS, flags, start, size, tag, key=key(number), **more)


def long_region(start=BASE, size=0x1000, tag=1, number=1, flags=RW, **more):
    """A region of AES-256."""
    return RegionDescription(Algorithm.AES256_XTS, flags, start, size, tag, key=key(number, 64), **more)


def window(start=0x1000_0000, size=0x1000, flags=RW):
    """A window."""
    return RegionDescription(Algorithm.NONE, flags, start, size)


def test_region_and_window_are_installed_with_every_field():
    bench = RegionBench()

    async def body(bench, ctx):
        wanted = region(flags=RW | RegionFlag.AUTOMATIC, tag=0x1234_5678)
        assert await bench.install(ctx, wanted, 5, owner=7) == DONE
        assert await bench.install(ctx, window(0, 1 << 31), 6, owner=7) == DONE
        entries, rows, keys, contexts, _ = await bench.tables(ctx)
        common = {"start_line": BASE >> 6, "end_line": (BASE + 0xFC0) >> 6, "flags": wanted.flags, "owner": 7}
        cipher = {"algorithm": Algorithm.AES128_XTS, "key_slot": 0, "key_bytes": 32, "domain": 1}
        assert entries[0] == {"context": 5, "segment_base": 0x80000} | common | cipher
        nothing = {"owner": 7} | dict.fromkeys(("key_slot", "key_bytes", "domain"), 0)
        place = {"context": 6, "start_line": 0, "end_line": (1 << 25) - 1}
        assert entries[1] == {"algorithm": Algorithm.NONE, "flags": RW} | nothing | place
        assert rows == {1: (Algorithm.AES128_XTS, 0, wanted.tag, BASE >> 6)}
        assert keys == {0: (wanted.key[:16], wanted.key[16:])}
        assert contexts == 1 << 5 | 1 << 6
        assert bench.changes == 1

    bench.run(body)


def _random_description(source, bases):
    """Few places, keys and tags, so that joins, overlaps and collisions happen; now and then something wrong."""
    segment = source.choice((8, 3)) if bases else 8
    start = (segment << 28) + source.choice((*range(0x4000, 0xC000, 0x1000), 0xF_F000))
    size = source.choice((0x40, 0x1000, 0x1000, 0x2000))
    if source.random() < 0.2:
        return window(start, size, source.choice((RW, RegionFlag.READ))), segment
    make = source.choice((region, region, long_region))
    flags = source.choice((RW, RW, RegionFlag(63), RegionFlag(64)))
    return make(start, size, source.randrange(2), source.randrange(3), flags), segment


@pytest.mark.long
@pytest.mark.parametrize("entries,segments,seed", [(16, False, 1), (16, True, 2), (5, True, 3)])
def test_random_commands_leave_what_the_model_says(entries, segments, seed):
    bench, model = RegionBench(entries, seed=seed), RegionModel(RAM_BYTES, entries)
    source = bench.source
    if segments:
        bench.bases = [n << 28 for n in range(16)]
        bench.bases[3] = RAM_BASE
    answers = set()

    async def body(bench, ctx):
        for _ in range(60):
            context = source.choice((1, 2, 3))
            before = len(bench.cleaned)
            choice = source.random()
            if choice < 0.65:
                what, segment = _random_description(source, bench.bases)
                text = bytearray(what.pack())
                text[6] |= segment if segments else 0
                if source.random() < 0.1:
                    text[source.randrange(32)] ^= 1 << source.randrange(8)
                owner, quota = source.randrange(1, 16), source.choice((2, 16, 16))
                got = await bench.install(ctx, bytes(text), context, owner=owner, quota=quota)
                status, rule = model.install(bytes(text), context, owner, quota, bench.bases)
                assert got == (status, rule, False), what
                ended = []
                answers.add((status, rule))
            elif choice < 0.95:
                mine = [(e.start, e.owner) for e in model.entries if e and e.context == context]
                addr, owner = source.choice([*mine, (BASE + 64, 1)])
                owner = source.choice((owner, owner, source.randrange(16)))
                got = await bench.release(ctx, addr, context, owner=owner)
                rule, domain = model.release(addr, context, owner)
                assert got == (RegionStatus.DONE, rule, False)
                ended = [domain] if domain else []
            else:
                assert await bench.release_context(ctx, context) == DONE
                ended = model.release_context(context)
            assert bench.cleaned[before:] == ended
            assert await bench.tables(ctx) == model.tables()
        assert bench.flushes == len(bench.cleaned)

    bench.run(body)
    print(sorted((s.name, r.name) for s, r in answers))
    rare = (RegionStatus.DONE, Sub.REGION_BOUND) if entries == 16 else (RegionStatus.NO_ENTRY, Sub.NONE)
    assert {(RegionStatus.DONE, Sub.NONE), (RegionStatus.OVERLAP, Sub.NONE), rare} <= answers
