"""The exhaustive model of contexts: nothing leaks with all rules, something does without any one of them."""

from pathlib import Path

import pytest

from hakone_sim.models import context_manager, context_modes, context_steps
from hakone_sim.models.context_cover import cover
from hakone_sim.models.context_moves import Chip
from hakone_sim.models.context_rules import RULES
from hakone_sim.models.context_search import replay, row, search
from hakone_sim.models.context_state import Kind, State
from hakone_sim.models.context_steps import Move

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contexts.md"
LINES = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
#: Rules whose shortest leak is found within a second or two; the others' is checked by carrying it out.
QUICK = [rule for rule in RULES if LINES[rule].count(",") < 7]


@pytest.mark.long
def test_no_sequence_leaks_with_all_rules():
    found = search()
    assert found.leak == "" and found.sequence == ()
    assert found.states > 100_000 and found.transitions > 1_000_000  # it did look


def test_page_lists_every_rule_once_with_its_words():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(lines) == len(LINES) and LINES.keys() == RULES.keys()
    assert all(f"| {RULES[rule]} |" in line for rule, line in LINES.items())


@pytest.mark.parametrize("rule", RULES)
def test_taking_a_rule_out_brings_its_leak_back(rule):
    named, told, leak, harmless_with_it = replay(LINES[rule])
    assert (named, told) == (rule, leak) and leak
    assert harmless_with_it


@pytest.mark.long
@pytest.mark.parametrize("rule", QUICK)
def test_page_shows_a_shortest_sequence(rule):
    found = search(rule)
    assert row(rule, found) == LINES[rule]


@pytest.mark.parametrize(
    "check,blind,rules",
    [
        ("visible", lambda *values: True, ["get_unsealed", "trap_bank", "clear_on_leaving", "hidden_value"]),
        ("kind", lambda value: Kind.ZERO, ["own_stack", "retmode_encrypted"]),
    ],
)
def test_a_blind_check_finds_no_leak(monkeypatch, check, blind, rules):
    """The leaks are found by the checks, not by the rules' absence."""
    for module in (context_manager, context_modes, context_steps):
        if hasattr(module, check):
            monkeypatch.setattr(module, check, blind)
    assert [replay(LINES[rule])[2] for rule in rules] == [""] * len(rules)


def test_backstop_stops_the_machine_where_a_trap_would_leak():
    moves = LINES["trap_context_unsealed"].split(": ")[-1].strip(" |").split(", ")
    chip = Chip(frozenset(["trap_context_unsealed"]), backstop=True)
    state = State()
    for text in moves[:-1]:
        state = chip.step(state, Move.read(text)).state
    last = chip.step(state, Move.read(moves[-1]))
    assert last.halted and not last.leak


def test_unknown_rules_and_moves_are_refused():
    with pytest.raises(ValueError, match="no such rule: trust"):
        search("trust")
    for text in ("ctxrun", "jump nowhere", "install 1", "ctxrun one", "dance"):
        with pytest.raises(ValueError, match="no such move"):
            Move.read(text)
    assert Move.read("cryptomode newest_link") in Chip().moves(State(running=1))


def test_cover_makes_every_pair_of_situation_and_move():
    from hakone_sim.models.context_cover import situation

    sequences, pairs = cover(limit=1500)
    chip, made = Chip(), set()
    for state, moves in sequences:
        for move in moves:
            assert move in chip.moves(state)
            made.add((situation(state), move))
            state = chip.step(state, move).state
    assert len(made) >= pairs > 1000
