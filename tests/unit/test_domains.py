"""Domain table: rows read back at every port, row 0 is plain for ever, poison takes a domain out of service."""

import pytest
from amaranth_bench import run, seeded

from hakone.crypto.domains import DOMAINS, DomainTable
from hakone.isa.formats import Algorithm


def _row(source):
    algorithm = source.choice((Algorithm.AES128_XTS, Algorithm.AES256_XTS))
    numbers = {
        "key_slot": source.randrange(16),
        "tag": source.randrange(1 << 32),
        "base_line": source.randrange(1 << 26),
    }
    return {"valid": 1, "algorithm": algorithm, **numbers}


async def _install(ctx, dut, domain, row):
    ctx.set(dut.install_domain, domain)
    ctx.set(dut.install_row, row)
    ctx.set(dut.install, 1)
    await ctx.tick()
    ctx.set(dut.install, 0)


def _check(ctx, port, domain, row):
    ctx.set(port.domain, domain)
    for name, value in row.items():
        assert ctx.get(getattr(port.row, name)) == value, (domain, name)


@pytest.mark.parametrize("ports", [1, 2, 3])
def test_rows_read_back_at_every_port(ports):
    dut, source = DomainTable(ports), seeded()
    rows = {n: _row(source) for n in source.sample(range(1, DOMAINS), 9)}

    async def bench(ctx):
        for domain, row in rows.items():
            await _install(ctx, dut, domain, row)
        for port in dut.read:
            for domain in range(1, DOMAINS):
                _check(ctx, port, domain, rows.get(domain, {"valid": 0}))

    run(dut, bench)


def test_row_0_is_plain_whatever_is_done_to_it():
    dut, source = DomainTable(1), seeded()
    plain = {"valid": 1, "algorithm": Algorithm.NONE, "key_slot": 0, "tag": 0, "base_line": 0}

    async def bench(ctx):
        _check(ctx, dut.read[0], 0, plain)
        await _install(ctx, dut, 0, _row(source))
        ctx.set(dut.poison.valid, 1)
        await ctx.tick()
        _check(ctx, dut.read[0], 0, plain)
        assert ctx.get(dut.poisoned) == 0

    run(dut, bench)


def test_poisoned_domain_is_out_of_service_at_every_port_until_installed_again():
    dut, source = DomainTable(3), seeded()
    row = _row(source)

    async def bench(ctx):
        for domain in (3, 4, 5):
            await _install(ctx, dut, domain, row)
        ctx.set(dut.poison.domain, 4)
        ctx.set(dut.poison.valid, 1)
        _check(ctx, dut.read[1], 4, row)
        await ctx.tick()
        ctx.set(dut.poison.valid, 0)
        assert ctx.get(dut.poisoned) == 1 << 4
        for port in dut.read:
            _check(ctx, port, 4, {"valid": 0})
            _check(ctx, port, 3, row)
            _check(ctx, port, 5, row)
        await _install(ctx, dut, 4, row)
        _check(ctx, dut.read[2], 4, row)
        assert ctx.get(dut.poisoned) == 0

    run(dut, bench)


def test_poison_wins_over_install_of_the_same_row():
    dut, source = DomainTable(2), seeded()

    async def bench(ctx):
        ctx.set(dut.poison.domain, 7)
        ctx.set(dut.poison.valid, 1)
        await _install(ctx, dut, 7, _row(source))
        ctx.set(dut.poison.valid, 0)
        _check(ctx, dut.read[0], 7, {"valid": 0})
        assert ctx.get(dut.poisoned) == 1 << 7

    run(dut, bench)


def test_removed_row_is_free_and_a_poisoned_one_is_not():
    dut, source = DomainTable(2), seeded()
    row = _row(source)

    async def walked(ctx):
        rows = []
        for number in range(DOMAINS):
            ctx.set(dut.walk.index, number)
            rows.append(ctx.get(dut.walk.row))
        return rows

    async def bench(ctx):
        for domain in (3, 4):
            await _install(ctx, dut, domain, row)
        ctx.set(dut.poison.domain, 4)
        ctx.set(dut.poison.valid, 1)
        await ctx.tick()
        ctx.set(dut.poison.valid, 0)
        seen = await walked(ctx)
        assert [n for n, found in enumerate(seen) if found.valid] == [3, 4]
        for number in (3, 4):
            assert (seen[number].key_slot, seen[number].tag) == (row["key_slot"], row["tag"])
            assert seen[number].base_line == row["base_line"]
        for removed, left in ((3, [4]), (4, [])):
            ctx.set(dut.walk.index, removed)
            ctx.set(dut.walk.remove, 1)
            await ctx.tick()
            ctx.set(dut.walk.remove, 0)
            _check(ctx, dut.read[0], removed, {"valid": 0})
            assert [n for n, found in enumerate(await walked(ctx)) if found.valid] == left
        assert ctx.get(dut.poisoned) == 0

    run(dut, bench)


def test_impossible_number_of_ports_is_refused():
    with pytest.raises(ValueError, match="ports = 4"):
        DomainTable(4)
