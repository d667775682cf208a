"""Attribute look-up: registers, walker and copies together, against a plain Python model of what an entry means."""

import pytest
from amaranth import Const, Module
from amaranth.lib import wiring
from amaranth_bench import run, seeded

from hakone.bus.open_checks import OPEN_BITS, OpenCheck
from hakone.crypto.attributes import AttributeRegisters
from hakone.crypto.lookup import RangeCopies, chosen_match
from hakone.crypto.lookup_walk import AttributeWalker
from hakone.isa.formats import Algorithm
from hakone_sim.evidence import evidence

LINE_LAST = (1 << 26) - 1
FIELDS = ("algorithm", "flags", "domain", "key_slot", "owner", "segment_base")
WAIT_MAX = 60  #: cycles after which an answer must have come


class _Bench(wiring.Component):
    """Registers, walker and the copies of both sides, as in the system."""

    def __init__(self, entries=16, copies=(2, 4), switches=None):
        super().__init__({})
        self.registers = AttributeRegisters(entries)
        self.walker = AttributeWalker(switches)
        self.sides = [RangeCopies(count, switches) for count in copies]

    def elaborate(self, _platform):
        """Connect."""
        m = Module()
        m.submodules.registers, m.submodules.walker = self.registers, self.walker
        wiring.connect(m, self.walker.registers, self.registers.read)
        for n, side in enumerate(self.sides):
            m.submodules[f"side_{n}"] = side
            wiring.connect(m, side.port, self.walker.sides[n])
        return m


def _find(entries, context, line):
    """The one entry that matches, or None."""
    found = [e for e in entries if e["context"] == context and e["start"] <= line <= e["end"] and context != 0]
    assert len(found) <= 1
    return found[0] if found else None


def _random_entry(source, entries):
    """An entry that overlaps none of its context: small and large ranges, adjacent ones, both ends of the space."""
    while True:
        context = source.choice((1, 2, 14))
        start = source.choice((0, source.randrange(1 << 26), source.randrange(64), LINE_LAST - source.randrange(64)))
        if entries and source.random() < 0.4:
            start = min(entries[-1]["end"] + 1, LINE_LAST)
        end = min(start + source.choice((0, 1, source.randrange(1, 16), source.randrange(1 << 20))), LINE_LAST)
        if any(e["context"] == context and e["start"] <= end and start <= e["end"] for e in entries):
            continue
        numbers = {"domain": source.randrange(16), "key_slot": source.randrange(16), "owner": source.randrange(16)}
        numbers |= {"segment_base": source.randrange(1 << 20), "flags": source.randrange(256)}
        return {"context": context, "start": start, "end": end, "algorithm": source.choice(list(Algorithm)), **numbers}


def _offer(ctx, registers, entry):
    """An install in this cycle."""
    content = {name: entry[name] for name in FIELDS}
    place = {"context": entry["context"], "start_line": entry["start"], "end_line": entry["end"]}
    ctx.set(registers.install.payload, {"range": place, "content": content})
    ctx.set(registers.install.valid, 1)


async def _install(ctx, dut, entry):
    _offer(ctx, dut.registers, entry)
    await ctx.tick()
    ctx.set(dut.registers.install.valid, 0)


def _judge(ctx, side, entries, context, line):
    """Compare what a side says in this cycle; True when it says anything."""
    inside, expected = ctx.get(side.inside), _find(entries, context, line)
    assert inside & (inside - 1) == 0, "two copies at once"
    owned = any(e["context"] == context for e in entries)
    assert ctx.get(side.bare) == (not owned), (context, entries)
    assert ctx.get(side.ready) == (inside != 0 or not owned)
    if not ctx.get(side.ready):
        return False
    got = ctx.get(chosen_match(side.inside, side.match))
    assert got.hit == (expected is not None), (context, hex(line))
    for name in FIELDS:
        wanted = expected[name] if expected else Algorithm.NONE if name == "algorithm" else 0
        assert getattr(got, name) == wanted, (context, hex(line), name)
    return True


async def _look(ctx, dut, number, entries, context, line):
    """Look until there is an answer. Returns the cycles and whether an entry was hit."""
    side = dut.sides[number]
    for name, value in (("context", context), ("line", line), ("wanted", 1)):
        ctx.set(getattr(side, name), value)
    for cycles in range(WAIT_MAX):
        if _judge(ctx, side, entries, context, line):
            hit = ctx.get(side.inside) != 0 and _find(entries, context, line) is not None
            await ctx.tick()
            ctx.set(side.wanted, 0)
            return cycles, hit
        await ctx.tick()
    raise AssertionError(f"no answer for context {context}, line {line:#x}")


def _edges(source, entries):
    lines = [edge + d for e in entries for edge in (e["start"], e["end"]) for d in (-1, 0, 1)]
    return [line & LINE_LAST for line in lines] + [source.randrange(1 << 26), 0, LINE_LAST]


@pytest.mark.requirement("AR-02")
@pytest.mark.parametrize("count", [1, 3, 16])
def test_every_boundary_is_exact_in_every_context(count):
    source = seeded(count)
    dut, entries, hits = _Bench(count), [], []

    async def bench(ctx):
        for _ in range(count):
            entries.append(_random_entry(source, entries))
            await _install(ctx, dut, entries[-1])
            for line in _edges(source, entries[-1:]):
                for number in range(2):
                    for context in (entries[-1]["context"], source.randrange(16)):
                        _, hit = await _look(ctx, dut, number, entries, context, line)
                        hits.append((_find(entries, context, line) is not None, hit))

    run(dut, bench)
    expected, got = (sum(column) for column in zip(*hits, strict=True))
    evidence("AR-02", {"lookups": len(hits), "hits": expected}, {"lookups": len(hits), "hits": got})
    assert 0 < expected < len(hits)


async def _random_life(ctx, dut, source, cycles):
    """Both sides look at anything while entries come and go at any moment; every answer of every cycle is checked."""
    places, asked = [None] * 16, [(0, 0), (0, 0)]
    registers, walk, answers = dut.registers, dut.registers.walk, [0, 0]
    for _ in range(cycles):
        entries = [e for e in places if e]
        for number, side in enumerate(dut.sides):
            if source.random() < 0.2:  # else it keeps asking
                line = source.choice(_edges(source, entries))
                asked[number] = source.choice((0, 1, 1, 2, 2, 3, 14, 14)), line
            ctx.set(side.context, asked[number][0])
            ctx.set(side.line, asked[number][1])
            ctx.set(side.wanted, source.random() < 0.9)
            answers[number] += _judge(ctx, side, entries, *asked[number])
        change, index = source.random(), source.randrange(16)
        if change < 0.02 and None in places:
            entry = _random_entry(source, entries)
            _offer(ctx, registers, entry)
            places[places.index(None)] = entry
        elif change < 0.04 and places[index]:
            ctx.set(walk.index, index)
            ctx.set(walk.last, sum(e["context"] == places[index]["context"] for e in entries) == 1)
            ctx.set(walk.remove, 1)
            places[index] = None
        await ctx.tick()
        ctx.set(registers.install.valid, 0)
        ctx.set(walk.remove, 0)
    assert min(answers) > cycles // 4, answers


@pytest.mark.parametrize("copies", [(2, 4), (3, 2)])
def test_no_answer_is_ever_older_than_the_registers(copies):
    dut, source = _Bench(copies=copies), seeded(sum(copies))

    async def bench(ctx):
        await _random_life(ctx, dut, source, 1500)

    run(dut, bench)


def test_copies_that_are_not_forgotten_are_found_out():
    """The control run of the test above."""
    dut = _Bench(switches=Const(1 << OpenCheck.LOOKUP_STALE, OPEN_BITS))
    source = seeded()

    async def bench(ctx):
        await _random_life(ctx, dut, source, 1500)

    with pytest.raises(AssertionError):
        run(dut, bench)


def test_what_is_at_hand_costs_no_cycle_and_what_is_not_its_place_in_the_walk():
    source, entries = seeded(), []
    dut = _Bench()

    async def bench(ctx):
        for n in range(6):
            entry = {"context": 1, "start": 100 * n + 50, "end": 100 * n + 99, "algorithm": Algorithm.NONE}
            entries.append(entry | dict.fromkeys(FIELDS[1:], n + 1))
            await _install(ctx, dut, entries[-1])
        for n in (3, 0, 5):  # an entry of place n, then a gap
            assert await _look(ctx, dut, 1, entries, 1, 100 * n + 70) == (n + 3, True)
            assert await _look(ctx, dut, 1, entries, 1, 100 * n + 49) == (8, False)
            for line in (50, 99, 0, 49):
                cycles, _ = await _look(ctx, dut, 1, entries, 1, 100 * n + line if line >= 50 else 100 * n + 49)
                assert cycles == 0
        assert await _look(ctx, dut, 1, entries, 2, source.randrange(1 << 26)) == (0, False)  # nothing of its own

    run(dut, bench)


def test_the_copy_used_last_is_never_replaced():
    """Two ranges in turn, as the parts of an access touch them: after the first time both are there."""
    dut, entries = _Bench(copies=(2, 2)), []

    async def bench(ctx):
        for n in range(8):
            entry = {"context": 3, "start": 2 * n, "end": 2 * n, "algorithm": Algorithm.NONE}
            entries.append(entry | dict.fromkeys(FIELDS[1:], n))
            await _install(ctx, dut, entries[-1])
        source = seeded()
        for _ in range(40):
            a, b = source.sample(range(16), 2)
            for number in range(2):
                await _look(ctx, dut, number, entries, 3, a)
                await _look(ctx, dut, number, entries, 3, b)
                assert (await _look(ctx, dut, number, entries, 3, a))[0] == 0
                assert (await _look(ctx, dut, number, entries, 3, b))[0] == 0

    run(dut, bench)


def test_entry_of_context_0_never_matches():
    dut = _Bench(2)
    entry = {"context": 0, "start": 0, "end": LINE_LAST, "algorithm": Algorithm.NONE, "flags": 255}
    entry |= {"domain": 0, "key_slot": 0, "owner": 0, "segment_base": 0}

    async def bench(ctx):
        await _install(ctx, dut, entry)
        for line in (0, 5, LINE_LAST):
            assert await _look(ctx, dut, 0, [], 0, line) == (0, False)

    run(dut, bench)


@pytest.mark.parametrize("copies", [1, 17])
def test_impossible_number_of_copies_is_refused(copies):
    with pytest.raises(ValueError, match=f"copies = {copies}"):
        RangeCopies(copies)
