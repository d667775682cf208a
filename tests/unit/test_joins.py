"""The two small multiplexers between the region unit and what it shares with others."""

import pytest
from amaranth.hdl import Value
from amaranth_bench import run_comb, seeded

from hakone.crypto.install_switch import InstallSwitch
from hakone.soc.config import SocConfig, set_option
from hakone.soc.flush_join import FlushJoin


def test_tables_belong_to_the_loader_until_the_core_starts_and_to_the_region_unit_then():
    """The one whose turn it is not sees no ready, and nothing of it reaches the tables."""
    rng, dut = seeded(), InstallSwitch()
    sides = {0: dut.loader, 1: dut.regions}

    async def bench(ctx):
        for _ in range(200):
            started = rng.randrange(2)
            ctx.set(dut.started, started)
            wanted = {}
            for side, port in sides.items():
                for name in ("domain_install", "domain_number", "domain_row"):
                    value = Value.cast(getattr(port, name))
                    number = rng.getrandbits(len(value))
                    ctx.set(value, number)
                    wanted[side, name] = number
                for name in ("key_install", "attribute_install"):
                    stream = getattr(port, name)
                    payload, valid = Value.cast(stream.payload), rng.randrange(2)
                    number = rng.getrandbits(len(payload))
                    ctx.set(payload, number)
                    ctx.set(stream.valid, valid)
                    wanted[side, name] = valid, number
            for name in ("key_install", "attribute_install"):
                ready = rng.randrange(2)
                table = getattr(dut.tables, name)
                ctx.set(table.ready, ready)
                assert (ctx.get(table.valid), ctx.get(Value.cast(table.payload))) == wanted[started, name]
                assert ctx.get(getattr(sides[started], name).ready) == ready
                assert ctx.get(getattr(sides[1 - started], name).ready) == 0
            for name in ("domain_install", "domain_number", "domain_row"):
                assert ctx.get(Value.cast(getattr(dut.tables, name))) == wanted[started, name]

    run_comb(dut, bench)


@pytest.mark.parametrize("core,other", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_flush_of_either_reaches_the_fetch_unit_and_both_see_it_busy(core, other):
    """All else passes from the core to the fetch unit as it is."""
    rng, dut = seeded(), FlushJoin()

    async def bench(ctx):
        for _ in range(20):
            pc, busy, redirect = rng.getrandbits(32), rng.randrange(2), rng.randrange(2)
            ctx.set(dut.core.flush_start, core)
            ctx.set(dut.flush, other)
            ctx.set(dut.core.redirect, redirect)
            ctx.set(dut.core.redirect_pc, pc)
            ctx.set(dut.fetch.flush_busy, busy)
            ctx.set(dut.fetch.instruction.valid, redirect)
            ctx.set(dut.core.instruction.ready, busy)
            assert ctx.get(dut.fetch.flush_start) == core | other
            assert ctx.get(dut.core.flush_busy) == busy
            assert (ctx.get(dut.fetch.redirect), ctx.get(dut.fetch.redirect_pc)) == (redirect, pc)
            assert (ctx.get(dut.core.instruction.valid), ctx.get(dut.fetch.instruction.ready)) == (redirect, busy)

    run_comb(dut, bench)


@pytest.mark.parametrize(
    "name,value,culprit",
    [
        ("boot_quota", "17", "boot_quota = 17"),
        ("boot_quota", "-1", "boot_quota = -1"),
        ("open_checks", "landng", "did you mean landing"),
        ("open_checks", "landing,quotas", "open_checks = quotas"),
    ],
)
def test_impossible_choice_is_quoted(name, value, culprit):
    with pytest.raises(ValueError, match=culprit):
        set_option(SocConfig(), name, value).check()
