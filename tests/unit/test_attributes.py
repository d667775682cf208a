"""Attribute registers: what is installed is what a look-up sees, and nothing is overwritten."""

import pytest
from amaranth_bench import run, seeded

from hakone.crypto.attributes import AttributeRegisters
from hakone.isa.formats import Algorithm
from hakone_sim.evidence import evidence


def _entry(source):
    return {
        "range": {
            "context": source.randrange(1, 15),
            "start_line": source.randrange(1 << 26),
            "end_line": source.randrange(1 << 26),
        },
        "content": {
            "algorithm": source.choice(list(Algorithm)),
            "key_slot": source.randrange(16),
            "key_bytes": source.choice((0, 32, 64)),
            "flags": source.randrange(256),
            "domain": source.randrange(16),
            "owner": source.randrange(16),
            "segment_base": source.randrange(1 << 20),
        },
        "counted": source.randrange(2),
    }


async def _install(ctx, dut, entry):
    ctx.set(dut.install.valid, 1)
    ctx.set(dut.install.payload, entry)
    await ctx.tick()
    ctx.set(dut.install.valid, 0)


async def _remove(ctx, dut, number, last=0):
    ctx.set(dut.walk.index, number)
    ctx.set(dut.walk.last, last)
    ctx.set(dut.walk.remove, 1)
    await ctx.tick()
    ctx.set(dut.walk.remove, 0)


def _check(ctx, dut, number, entry):
    """What a walk of the look-ups sees at one place."""
    port = dut.read
    ctx.set(port.index, number)
    assert ctx.get(port.used) == (entry is not None), number
    for part in ("range", "content") if entry else ():
        for name, value in entry[part].items():
            assert ctx.get(getattr(getattr(port, part), name)) == value, (number, name)


@pytest.mark.requirement("AR-02")
@pytest.mark.parametrize("entries", [1, 5, 16])
def test_every_field_reads_back(entries):
    dut, source = AttributeRegisters(entries), seeded()
    written = [_entry(source) for _ in range(entries)]

    async def bench(ctx):
        for n, entry in enumerate(written):
            assert ctx.get(dut.free) == entries - n
            for k in range(n, entries):
                _check(ctx, dut, k, None)
            await ctx.tick().repeat(source.randrange(3) + 1)
            await _install(ctx, dut, entry)
        for n, entry in enumerate(written):
            _check(ctx, dut, n, entry)
            place, content = ctx.get(dut.read.range), ctx.get(dut.read.content)
            got = [place.context, place.start_line, place.end_line, content.key_slot, content.key_bytes]
            wanted = [*entry["range"].values(), entry["content"]["key_slot"], entry["content"]["key_bytes"]]
            evidence("AR-02", wanted, got)

    run(dut, bench)


def test_full_registers_refuse_and_keep_what_they_have():
    dut, source = AttributeRegisters(3), seeded()
    written = [_entry(source) for _ in range(3)]

    async def bench(ctx):
        for entry in written:
            assert ctx.get(dut.install.ready) == 1
            await _install(ctx, dut, entry)
        assert ctx.get(dut.install.ready) == 0
        assert ctx.get(dut.free) == 0
        for _ in range(4):
            await _install(ctx, dut, _entry(source))
        for n, entry in enumerate(written):
            _check(ctx, dut, n, entry)

    run(dut, bench)


def test_lowest_free_place_is_taken_and_a_walk_sees_every_place():
    dut, source = AttributeRegisters(7), seeded()
    held = [None] * 7

    async def bench(ctx):
        for _ in range(80):
            taken = [n for n, entry in enumerate(held) if entry]
            if taken and source.random() < 0.45:
                number = source.choice(taken)
                await _remove(ctx, dut, number)
                held[number] = None
            elif None in held:
                entry = _entry(source)
                await _install(ctx, dut, entry)
                held[held.index(None)] = entry
            assert ctx.get(dut.free) == held.count(None)
            assert ctx.get(dut.install.ready) == (None in held)
            for n in range(16):
                ctx.set(dut.walk.index, n)
                place, entry = ctx.get(dut.walk.place), held[n] if n < 7 else None
                assert place.used == (entry is not None)
                if entry:
                    assert {k: getattr(place.range, k) for k in entry["range"]} == entry["range"]
                    assert (place.counted, place.domain) == (entry["counted"], entry["content"]["domain"])
                if n < 7:
                    _check(ctx, dut, n, entry)
                    assert ctx.get(dut.read.more) == any(held[n + 1 :])

    run(dut, bench)


def test_contexts_are_those_that_own_an_entry():
    dut, source = AttributeRegisters(3), seeded()
    entry = _entry(source)

    async def bench(ctx):
        for context in (5, 9, 5):
            entry["range"]["context"] = context
            await _install(ctx, dut, entry)
        assert ctx.get(dut.contexts) == 1 << 5 | 1 << 9
        for number, last, contexts in ((0, 0, 1 << 5 | 1 << 9), (2, 1, 1 << 9), (0, 1, 1 << 9), (1, 1, 0)):
            await _remove(ctx, dut, number, last)  # place 0 is empty at its second time
            assert ctx.get(dut.contexts) == contexts

    run(dut, bench)


@pytest.mark.parametrize("entries", [0, 17])
def test_impossible_number_of_entries_is_refused(entries):
    with pytest.raises(ValueError, match=f"entries = {entries}"):
        AttributeRegisters(entries)
