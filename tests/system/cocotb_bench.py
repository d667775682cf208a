"""cocotb tests of the bench itself, run by ``test_sim.py``: events, timers, several runs in one simulation."""

import os
from pathlib import Path

import cocotb

from hakone.isa.platform import RAM_BASE
from hakone_sim.cocotb_support import Bench
from hakone_sim.evidence import evidence

PROGRAM = Path(os.environ["HAKONE_TEST_PROGRAM"])
COUNTER = RAM_BASE + 0x1000


@cocotb.test()
async def lines_stores_and_the_end_are_awaited(dut):
    bench = Bench(dut)
    bench.start(PROGRAM, wait_seed=3)
    assert await bench.line("ready") == "ready"
    bench.watch(COUNTER)
    bench.send(b"x")
    store = await bench.store_to(COUNTER)
    assert store.data == ord("x")
    result = await bench.finished()
    assert (result.status, result.reason) == (0, "finisher pass")
    assert bench.uart == b"ready\n"
    evidence("bench", "ready", bench.uart.decode().strip())


@cocotb.test()
async def a_second_run_starts_from_reset(dut):
    bench = Bench(dut)
    bench.start(PROGRAM)
    assert await bench.line() == "ready"
    before = bench.cycle
    await bench.cycles(1000)
    assert bench.cycle == before + 1000
    bench.stop(7)
    assert (await bench.finished()).status == 7
    cycles = []
    for _ in range(2):
        bench.start(PROGRAM, uart_input=b"y")
        cycles.append((await bench.finished()).cycles)
    assert cycles[0] == cycles[1]


@cocotb.test()
async def memory_can_be_changed_behind_the_systems_back(dut):
    bench = Bench(dut)
    bench.start(PROGRAM)
    await bench.line("ready")
    first = bench.read_memory(RAM_BASE, 4)
    bench.write_memory(RAM_BASE + 0x2000, first)
    assert bench.read_memory(RAM_BASE + 0x2000, 4) == first != bytes(4)
    bench.stop()
    await bench.finished()


@cocotb.test()
async def waiting_for_what_never_comes_fails(dut):
    bench = Bench(dut)
    bench.start(PROGRAM, max_cycles=5000)
    try:
        await bench.line("never")
    except RuntimeError as problem:
        assert "cycle limit" in str(problem)
    else:
        raise AssertionError("the line came")
