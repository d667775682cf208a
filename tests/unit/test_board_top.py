"""Configurations that must not or cannot be on a board, and the clock of the SDRAM chip."""

from dataclasses import replace

import pytest

from hakone.boards import board as boards
from hakone.boards.clock import Ecp5Clock
from hakone.boards.top import BoardTop
from hakone.soc.config import PRESETS

pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
ULX3S = PRESETS["ulx3s-85f"]


@pytest.mark.parametrize("changes", [{"cipher": False}, {"probe": True}, {"open_checks": "region_owner"}])
def test_open_configuration_gets_on_no_board(changes):
    with pytest.raises(ValueError, match="a protection is open"):
        BoardTop(boards.ULX3S_85F, replace(ULX3S, **changes))


def test_every_board_takes_its_own_preset():
    for board in boards.BOARDS.values():
        assert BoardTop(board, PRESETS[board.name]).pads.board is board


@pytest.mark.parametrize(
    ("board", "preset", "words"),
    [
        (boards.ULX3S_85F, "default", "memory = axi"),
        (boards.ECPIX5_85F, "ulx3s-85f", "memory = sdram: ecpix5-85f has no such chip"),
    ],
)
def test_memory_that_is_not_there_is_refused(board, preset, words):
    with pytest.raises(ValueError, match=words):
        BoardTop(board, PRESETS[preset])


def test_clock_that_the_pll_cannot_make_is_refused():
    with pytest.raises(ValueError, match="clock_hz = 190000000: .* 12000000 Hz"):
        BoardTop(boards.ECP5_EVN, replace(PRESETS["ecp5-evn"], clock_hz=190_000_000))


def test_shifted_output_has_the_phase_in_eighths_of_the_oscillator():
    clock = Ecp5Clock(25_000_000, 70_000_000, shift=0.25)
    output = clock.dividers.output
    options = clock._shifted_output()
    later = options["p_CLKOS2_CPHASE"] - (output - 1) + options["p_CLKOS2_FPHASE"] / 8
    assert later == 0.25 * output and options["p_CLKOS2_DIV"] == output
    with pytest.raises(ValueError, match="sixteenths"):
        Ecp5Clock(25_000_000, 70_000_000, shift=0.3)
