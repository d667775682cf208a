"""Finisher: the first result stands, and nothing else ends a run. What ends it in QEMU: ``test_devices``."""

import pytest
from amaranth_bench import run
from bus_bench import ERROR, read, write

from hakone.periph.finisher import Finisher


def _state(ctx, dut):
    return ctx.get(dut.finish_valid), ctx.get(dut.finish_code), ctx.get(dut.finish_reset)


@pytest.mark.parametrize(
    "value,state", [(0x5555, (1, 0, 0)), (0x2A_3333, (1, 0x2A, 0)), (0xFFFF_3333, (1, 0xFFFF, 0)), (0x7777, (0, 0, 1))]
)
def test_first_result_stands(value, state):
    dut = Finisher()

    async def bench(ctx):
        assert _state(ctx, dut) == (0, 0, 0)
        await write(ctx, dut.bus, 0, value)
        assert _state(ctx, dut) == state
        for later in (0x5555, 0x1_3333, 0x7777, 0):
            await write(ctx, dut.bus, 0, later)
            assert _state(ctx, dut) == state

    run(dut, bench)


def test_reads_and_other_writes_do_not_end_the_run():
    dut = Finisher()

    async def bench(ctx):
        assert await read(ctx, dut.bus, 0) == 0
        for addr, value, size in ((0, 0x5554, 4), (4, 0x5555, 4), (2, 0x5555, 2), (0xFFC, 0x5555, 4)):
            assert await write(ctx, dut.bus, addr, value, size) is None
        for lane in range(4):
            assert await write(ctx, dut.bus, lane, 0x55, 1) == ERROR
            assert await read(ctx, dut.bus, lane, 1) == ERROR
        assert _state(ctx, dut) == (0, 0, 0)

    run(dut, bench)
