"""What a board adds to the system: PLL dividers, reset, fuses, refusals."""

from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from hakone.boards import board as boards
from hakone.boards.clock import (
    DIVIDERS,
    ECP5_PHASE_DETECTOR_HZ,
    ECP5_VCO_HZ,
    XILINX_VCO_HZ,
    ecp5_dividers,
    xilinx_dividers,
)
from hakone.boards.fuse_rom import FUSE_BYTES, FuseRom
from hakone.boards.reset import ResetUnit

pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
IN_HZ = (12_000_000, 25_000_000, 48_000_000, 100_000_000)
OUT_HZ = (40_000_000, 50_000_000, 60_000_000, 70_000_000, 80_000_000)


@pytest.mark.parametrize("in_hz", IN_HZ)
@pytest.mark.parametrize("out_hz", OUT_HZ)
def test_ecp5_dividers_are_exact_and_within_limits(in_hz, out_hz):
    d = ecp5_dividers(in_hz, out_hz)
    # Computed here again, from the meaning of each divider.
    detector = Fraction(in_hz, d.input)
    assert ECP5_PHASE_DETECTOR_HZ[0] <= detector <= ECP5_PHASE_DETECTOR_HZ[1]
    vco = out_hz * d.output
    assert ECP5_VCO_HZ[0] <= vco <= ECP5_VCO_HZ[1]
    assert Fraction(vco, d.spare * d.feedback) == detector  # both inputs of the phase detector have one rate
    assert {d.input, d.feedback, d.spare, d.output} <= set(DIVIDERS)
    assert d.out_hz(in_hz) == out_hz


def test_output_is_in_the_feedback_where_that_can_be():
    d = ecp5_dividers(25_000_000, 50_000_000)
    assert (d.input, d.feedback, d.output) == (1, 2, 12) and d.spare == d.output
    d = ecp5_dividers(12_000_000, 50_000_000)
    assert d.spare != d.output


def test_impossible_rate_is_refused():
    with pytest.raises(ValueError, match="clock_hz = 33333333: .* 25000000 Hz"):
        ecp5_dividers(25_000_000, 33_333_333)
    with pytest.raises(ValueError, match="clock_hz = 50000000"):
        ecp5_dividers(5_000_000, 50_000_000)  # too slow for the phase detector


def test_xilinx_dividers_are_exact_and_within_limits():
    d = xilinx_dividers(100_000_000, 50_000_000)
    assert XILINX_VCO_HZ[0] <= 100_000_000 * d.feedback // d.input <= XILINX_VCO_HZ[1]
    assert d.out_hz(100_000_000) == 50_000_000
    with pytest.raises(ValueError, match="clock_hz"):
        xilinx_dividers(100_000_000, 33_333_333)


def reset_trace(requests: dict[int, int], cycles: int, hold_cycles: int) -> list[int]:
    """``reset`` in each cycle; ``requests`` says from which cycle on ``request`` has which level."""
    unit = ResetUnit(hold_cycles)
    trace = []

    async def bench(ctx):
        for cycle in range(cycles):
            if cycle in requests:
                ctx.set(unit.request, requests[cycle])
            await ctx.delay(1e-8)
            ctx.set(unit.clock, 1)
            await ctx.delay(1e-8)
            trace.append(ctx.get(unit.reset))
            ctx.set(unit.clock, 0)

    sim = Simulator(unit)
    sim.add_testbench(bench)
    sim.run()
    return trace


def test_reset_is_on_from_power_on_and_ends_after_the_hold():
    trace = reset_trace({}, 40, hold_cycles=16)
    first = trace.index(0)
    assert 16 <= first <= 20 and not any(trace[first:])


def test_reset_follows_a_request_and_bouncing_makes_one_reset():
    trace = reset_trace({30: 1, 31: 0, 34: 1, 36: 0, 38: 1, 40: 0}, 80, hold_cycles=16)
    assert trace[29] == 0 and trace[33] == 1
    on = trace.index(1, 30)
    assert all(trace[on:55]) and not any(trace[62:])


def test_reset_stays_while_requested():
    trace = reset_trace({0: 1}, 100, hold_cycles=8)
    assert all(trace)


@pytest.mark.parametrize("hold_cycles", [1, (1 << 24) + 1])
def test_impossible_hold_is_refused(hold_cycles):
    with pytest.raises(ValueError, match="hold_cycles"):
        ResetUnit(hold_cycles)


def fuse_words(image: bytes | None, addresses: list[int]) -> list[int]:
    rom = FuseRom(image)
    seen = []

    async def bench(ctx):
        for address in addresses:
            ctx.set(rom.addr, address)
            await ctx.tick()
            seen.append(ctx.get(rom.data))

    sim = Simulator(rom)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
    return seen


def test_fuses_answer_one_cycle_after_the_address():
    image = bytes(n * 7 % 256 for n in range(FUSE_BYTES))
    words = [int.from_bytes(image[4 * n : 4 * n + 4], "little") for n in range(FUSE_BYTES // 4)]
    places = [0, 1, 131, 5]
    assert fuse_words(image, places) == [words[n] for n in places]
    assert fuse_words(image, [132, 255]) == [0, 0]


def test_unprogrammed_fuses_are_zero_and_another_size_is_refused():
    assert fuse_words(None, [0, 4, 131]) == [0, 0, 0]
    with pytest.raises(ValueError, match=f"fuse image of 5 bytes: {FUSE_BYTES}"):
        FuseRom(b"short")


def test_unknown_board_names_the_nearest():
    with pytest.raises(ValueError, match="ulx3s: no such board; did you mean ulx3s-85f"):
        boards.by_name("ulx3s")
