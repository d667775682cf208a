"""Attribute look-up with its registers, against a plain Python model of what an entry means."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth_bench import run, seeded

from hakone.crypto.attributes import AttributeRegisters
from hakone.crypto.lookup import AttributeLookup
from hakone.isa.formats import Algorithm
from hakone_sim.evidence import evidence

LINE_LAST = (1 << 26) - 1
FIELDS = ("algorithm", "flags", "domain", "key_slot", "owner", "segment_base")


class _Bench(wiring.Component):
    """Registers with two look-ups, as in the system."""

    def __init__(self, entries):
        super().__init__({})
        self.registers = AttributeRegisters(entries)
        self.lookups = [AttributeLookup(entries), AttributeLookup(entries)]

    def elaborate(self, _platform):
        """Connect."""
        m = Module()
        m.submodules.registers = self.registers
        for n, lookup in enumerate(self.lookups):
            m.submodules[f"lookup_{n}"] = lookup
            wiring.connect(m, lookup.registers, self.registers.read[n])
        return m


def _model(entries, context, line):
    """The one entry that matches, or None."""
    found = [e for e in entries if e["context"] == context and e["start"] <= line <= e["end"] and context != 0]
    assert len(found) <= 1
    return found[0] if found else None


def _random_entries(source, count):
    """Entries that do not overlap inside a context; small and whole-space ranges, adjacent ones, shared numbers."""
    entries = []
    while len(entries) < count:
        context = source.choice((1, 2, 14))
        start = source.choice((0, source.randrange(1 << 26), source.randrange(64), LINE_LAST - source.randrange(64)))
        if entries and source.random() < 0.4:
            start = min(entries[-1]["end"] + 1, LINE_LAST)
        end = min(start + source.choice((0, 1, source.randrange(1, 16), source.randrange(1 << 20))), LINE_LAST)
        if any(e["context"] == context and e["start"] <= end and start <= e["end"] for e in entries):
            continue
        numbers = {"domain": source.randrange(16), "key_slot": source.randrange(16), "owner": source.randrange(16)}
        numbers["segment_base"] = source.randrange(1 << 20)
        algorithm, flags = source.choice(list(Algorithm)), source.randrange(256)
        entries.append(
            {"context": context, "start": start, "end": end, "algorithm": algorithm, "flags": flags, **numbers}
        )
    return entries


async def _install(ctx, registers, entry):
    content = {name: entry[name] for name in FIELDS}
    place = {"context": entry["context"], "start_line": entry["start"], "end_line": entry["end"]}
    ctx.set(registers.install.payload, {"range": place, "content": content})
    ctx.set(registers.install.valid, 1)
    await ctx.tick()
    ctx.set(registers.install.valid, 0)


def _check(ctx, lookup, entries, context, line):
    ctx.set(lookup.port.context, context)
    ctx.set(lookup.port.line, line)
    match, expected = lookup.port.match, _model(entries, context, line)
    got = ctx.get(match)
    if expected is None:
        assert ctx.get(match.as_value()) == 0, (context, hex(line))
    else:
        assert got.hit == 1, (context, hex(line))
        for name in FIELDS:
            assert getattr(got, name) == expected[name], (context, hex(line), name)
    return int(expected is not None), got.hit


@pytest.mark.requirement("AR-02")
@pytest.mark.parametrize("count", [1, 3, 16])
def test_every_boundary_is_exact_in_every_context(count):
    source = seeded(count)
    dut, entries = _Bench(count), _random_entries(source, count)
    hits = []

    async def bench(ctx):
        for n, entry in enumerate(entries):
            await _install(ctx, dut.registers, entry)
            edges = [entry["start"] + d for d in (-1, 0, 1)] + [entry["end"] + d for d in (-1, 0, 1)]
            lines = [line & LINE_LAST for line in edges] + [source.randrange(1 << 26), 0, LINE_LAST]
            for lookup in dut.lookups:
                for line in lines:
                    for context in (entry["context"], 0, source.randrange(16)):
                        hits.append(_check(ctx, lookup, entries[: n + 1], context, line))

    run(dut, bench)
    expected, got = (sum(column) for column in zip(*hits, strict=True))
    evidence("AR-02", {"lookups": len(hits), "hits": expected}, {"lookups": len(hits), "hits": got})
    assert 0 < expected < len(hits)


def test_two_lookups_are_independent():
    source = seeded()
    dut, entries = _Bench(8), _random_entries(source, 8)

    async def bench(ctx):
        for entry in entries:
            await _install(ctx, dut.registers, entry)
        for _ in range(50):
            a, b = source.choice(entries), source.choice(entries)
            ctx.set(dut.lookups[1].port.context, b["context"])
            ctx.set(dut.lookups[1].port.line, b["end"])
            assert _check(ctx, dut.lookups[0], entries, a["context"], a["start"]) == (1, 1)
            assert ctx.get(dut.lookups[1].port.match.flags) == b["flags"]

    run(dut, bench)


def test_entry_of_context_0_never_matches():
    dut = _Bench(2)
    entry = {"context": 0, "start": 0, "end": LINE_LAST, "algorithm": Algorithm.NONE, "flags": 255}
    entry |= {"domain": 0, "key_slot": 0, "owner": 0, "segment_base": 0}

    async def bench(ctx):
        await _install(ctx, dut.registers, entry)
        for line in (0, 5, LINE_LAST):
            ctx.set(dut.lookups[0].port.line, line)
            assert ctx.get(dut.lookups[0].port.match.as_value()) == 0

    run(dut, bench)
