"""The models of the ECP5's cells as text: truth tables, contents of block RAM, what is refused."""

import random
import re

import pytest

from hakone_sim import netlist_cells
from hakone_sim.netlist import Fault, Netlist, translate
from hakone_sim.netlist_cells import NetlistError, expression, logic
from hakone_sim.netlist_memory import block_memory, contents, words


def value(text: str, bits: dict[str, int]) -> int:
    """What a fully parenthesised expression of ``expression`` is worth."""
    tokens = re.findall(r"1'b[01]|\w+|\S", text)

    def operand() -> int:
        token = tokens.pop(0)
        if token == "~":
            return 1 - operand()
        if token != "(":
            return int(token[-1]) if token.startswith("1'b") else bits[token]
        left = operand()
        sign = tokens.pop(0)
        right = operand()
        if sign == "?":
            assert tokens.pop(0) == ":"
            other = operand()
            left = right if left else other
        else:
            left = {"&": left & right, "|": left | right, "^": left ^ right}[sign]
        assert tokens.pop(0) == ")"
        return left

    found = operand()
    assert not tokens
    return found


def test_expression_has_the_truth_table_it_was_made_from():
    """Every function of up to three inputs, and a thousand of four."""
    rng = random.Random(7)
    tables = [(t, n) for n in (1, 2, 3) for t in range(1 << (1 << n))] + [(rng.getrandbits(16), 4) for _ in range(1000)]
    for table, count in tables:
        names = tuple("abcd"[:count])
        text = expression(table, names)
        for index in range(1 << count):
            bits = {name: index >> n & 1 for n, name in enumerate(names)}
            assert value(text, bits) == table >> index & 1, (table, text)


@pytest.mark.parametrize("constant", ["0", "1"])
def test_constant_input_is_folded(constant):
    """A LUT4 with one input tied is the half of its table."""
    rng = random.Random(3)
    for _ in range(200):
        table, place = rng.getrandbits(16), rng.randrange(4)
        pins = [n if n != place else constant for n in range(4)]
        text = logic(table, pins, lambda bit: f"n{bit}")
        for index in range(16):
            if index >> place & 1 == int(constant):
                bits = {f"n{n}": index >> n & 1 for n in range(4)}
                assert value(text, bits) == table >> index & 1


def test_words_of_block_memory_stand_where_the_data_sheet_has_them():
    """Sixteen words of 18 bits in a parameter, 20 bits apart; narrow ports leave the ninth bits out."""
    rows = {f"INITVAL_{row:02X}": format(0, "0320b") for row in range(64)}
    rows["INITVAL_01"] = format(0x2ABCD << 20 * 3, "0320b")
    bits = contents(rows)
    assert words(bits, 18)[16 + 3] == 0x2ABCD and sum(map(bool, words(bits, 18))) == 1
    assert words(bits, 36)[9] == 0x2ABCD << 18
    assert words(bits, 9)[38:40] == [0x1CD, 0x155]
    assert words(bits, 4)[76:80] == [0xD, 0xC, 0x5, 0x5]


def memory(**changes) -> dict:
    """A DP16KD that is read at A and written at B, 18 bits."""
    pins = {f"{pin}{side}": ["0"] for side in "AB" for pin in ("RST", "OCE")}
    pins |= {"CEA": [2], "CEB": [3], "WEA": ["0"], "WEB": [4], "CLKA": [1], "CLKB": [1], "ADB0": ["1"], "ADB1": ["1"]}
    pins |= {f"AD{s}{n}": [at + n] for s, at in (("A", 100), ("B", 200)) for n in range(4, 14)}
    pins |= {f"DIB{n}": [300 + n] for n in range(18)} | {f"DOA{n}": [400 + n] for n in range(18)}
    width = {"DATA_WIDTH_A": format(18, "032b"), "DATA_WIDTH_B": format(18, "032b")}
    return {"type": "DP16KD", "parameters": {**width, **changes}, "connections": pins}


def test_read_of_what_is_written_is_inverted():
    """The reading port compares its address with the writing one's."""
    text = "\n".join(block_memory(memory(), "m", lambda bit: f"n{bit}" if isinstance(bit, int) else f"1'b{bit}"))
    assert re.search(r"m_A_out <= \(m\[m_A_at\] \^ \(\{18\{m_B_write & \(m_B_at == m_A_at\)\}\}", text)


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"REGMODE_A": "OUTREG"}, "REGMODE_A = OUTREG"),
        ({"CLKBMUX": "INV"}, "CLKBMUX = INV"),
        ({"DATA_WIDTH_B": format(9, "032b")}, "ports of 18 and 9 bits"),
    ],
)
def test_block_memory_in_other_use_is_refused(changes, said):
    with pytest.raises(NetlistError, match=said):
        block_memory(memory(**changes), "m", lambda bit: f"n{bit}" if isinstance(bit, int) else "1'b0")


def small(cell: dict) -> Netlist:
    """A netlist of one cell between ``a`` and ``y``."""
    ports = {
        "clk": {"direction": "input", "bits": [1]},
        "a": {"direction": "input", "bits": [2]},
        "y": {"direction": "output", "bits": [3]},
    }
    names = {"a": {"bits": [2]}, "y": {"bits": [3]}, "tied": {"bits": ["0"]}}
    return Netlist("top", {"ports": ports, "cells": {"cell": cell}, "netnames": names})


def flop(**parameters) -> dict:
    """A TRELLIS_FF from ``a`` to ``y``."""
    directions = {"CLK": "input", "DI": "input", "Q": "output"}
    connections = {"CLK": [1], "DI": [2], "Q": [3]}
    return {
        "type": "TRELLIS_FF",
        "parameters": parameters,
        "connections": connections,
        "port_directions": directions,
    }


def test_stuck_flop_keeps_its_value_beneath_the_fault():
    """The flop goes on behind the choice."""
    text = translate(small(flop()), [Fault("y", 1)])
    assert "assign n3 = (fault[14:0] == 1) ? 1'b1 : n3_well;" in text and "n3_well <= n2;" in text
    assert "n3_well" not in translate(small(flop()))


@pytest.mark.parametrize("fault", [Fault("gone", 0), Fault("tied", 0)])
def test_fault_where_nothing_is_left_is_refused(fault):
    with pytest.raises(NetlistError, match=fault.net):
        translate(small(flop()), [fault])


def test_unknown_cells_and_settings_are_refused():
    with pytest.raises(NetlistError, match="a cell EHXPLLL is not modelled"):
        translate(small({**flop(), "type": "EHXPLLL"}))
    with pytest.raises(NetlistError, match="SRMODE = ASYNC"):
        translate(small(flop(SRMODE="ASYNC")))
    assert netlist_cells.number("10x1") == 9
