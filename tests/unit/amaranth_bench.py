"""Running small units in Amaranth's own simulator: one clock, named benches, seeds that are printed."""

import os
import random

from amaranth.sim import Simulator

CLOCK_PERIOD_SECONDS = 20e-9


def seeded(default: int = 1) -> random.Random:
    """A random source whose seed stands in the test's output; ``HAKONE_SEED`` repeats a run."""
    seed = int(os.environ.get("HAKONE_SEED", default))
    print(f"seed {seed}; repeat with HAKONE_SEED={seed}")
    return random.Random(seed)


def run(dut, *benches, background=()):
    """Simulate ``dut`` until every bench (``async def bench(ctx)``) has returned; ``background`` ones may run on."""
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK_PERIOD_SECONDS)
    for bench in benches:
        simulator.add_testbench(bench)
    for bench in background:
        simulator.add_testbench(bench, background=True)
    simulator.run()


def run_comb(dut, bench):
    """Simulate a unit without a clock."""
    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
