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
        },
    }


async def _install(ctx, dut, entry):
    ctx.set(dut.install.valid, 1)
    ctx.set(dut.install.payload, entry)
    await ctx.tick()
    ctx.set(dut.install.valid, 0)


def _check_range(ctx, port, number, entry):
    for name, value in entry["range"].items():
        assert ctx.get(getattr(port.range[number], name)) == value, (number, name)


def _check_content(ctx, port, number, entry):
    ctx.set(port.index, number)
    for name, value in entry["content"].items():
        assert ctx.get(getattr(port.content, name)) == value, (number, name)


@pytest.mark.requirement("AR-02")
@pytest.mark.parametrize("entries", [1, 5, 16])
def test_every_field_reads_back_at_both_ports(entries):
    dut, source = AttributeRegisters(entries), seeded()
    written = [_entry(source) for _ in range(entries)]

    async def bench(ctx):
        for n, entry in enumerate(written):
            assert ctx.get(dut.free) == entries - n
            assert not any(ctx.get(dut.read[0].range[k].context) for k in range(n, entries))
            await ctx.tick().repeat(source.randrange(3) + 1)
            await _install(ctx, dut, entry)
        for n, entry in enumerate(written):
            for port in (dut.read[0], dut.read[1]):
                _check_range(ctx, port, n, entry)
                _check_content(ctx, port, n, entry)
            ctx.set(dut.read[0].index, n)
            place, content = ctx.get(dut.read[0].range[n]), ctx.get(dut.read[0].content)
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
            _check_range(ctx, dut.read[0], n, entry)
            _check_content(ctx, dut.read[1], n, entry)

    run(dut, bench)


@pytest.mark.parametrize("entries", [0, 17])
def test_impossible_number_of_entries_is_refused(entries):
    with pytest.raises(ValueError, match=f"entries = {entries}"):
        AttributeRegisters(entries)
