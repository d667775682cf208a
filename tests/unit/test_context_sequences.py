"""The core does what the model of contexts says, in every kind of situation that the model knows.

All sequences run as ``make campaign NAME=contexts``; here is a sample, and each rule of the model asked by itself.
"""

from pathlib import Path

import pytest
from amaranth_bench import seeded
from context_bench import MismatchError, run_sequence
from context_items import SECRETS

from hakone_sim.evidence import evidence
from hakone_sim.models.context_cover import cover
from hakone_sim.models.context_rules import RULES
from hakone_sim.models.context_search import read_row
from hakone_sim.models.context_state import State
from hakone_sim.models.context_steps import Move

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contexts.md"
LINES = [read_row(line) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
ROWS = {rule: moves for rule, _, moves, _ in LINES}
STARTS = {rule: start for rule, _, _, start in LINES}
SAMPLE = 2  #: sequences of each kind of region
NOT_ASKED = {"link_overflow"}  #: the core has eight links


@pytest.mark.long
@pytest.mark.parametrize("automatic", [False, True])
def test_core_agrees_with_the_model_in_a_sample_of_its_sequences(automatic):
    sequences, _ = cover(limit=3000)
    own = [(start, moves) for start, moves in sequences if start.automatic == automatic]
    rng = seeded()
    for start, moves in rng.sample(own, SAMPLE):
        run_sequence(start, moves, rng, gap=rng.choice((0, 0.3)), busy=0.3)


@pytest.mark.long
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in NOT_ASKED])
def test_core_has_the_rule(rule):
    """On the way to the leak it does what the model says, and something else than a model without the rule."""
    moves = (*ROWS[rule], Move("fetch"))
    run_sequence(STARTS[rule], moves, seeded())
    with pytest.raises(MismatchError, match=r"not \{|fetches"):
        run_sequence(STARTS[rule], moves, seeded(), without=[rule])


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "ctxrun 1, jump victim_landing, fetch, fetch, work, interrupt, ctxget 1, ctxput 1, hxtctx 1",
        "hxtctx 1, ctxrun 1, jump victim_landing, fetch",
        "hxtctx 1, ecall, hxtctx 0, jump victim_landing, fetch",
        "ctxrun 1, jump victim_landing, fetch, interrupt, ctxrun 1, fetch, work, call_out, interrupt, ctxrun 1, fetch, "
        "jump newest_link, fetch, interrupt, ctxrun 1, fetch, work, jump_out, fetch, jump newest_link, fetch, fetch",
        "ctxrun 1, jump victim_landing, fetch, fetch, work, call_stranger, interrupt, ctxrun 1, fetch, write, "
        "jump newest_link, interrupt, ctxrun 1, fetch, fetch, ecall",
    ],
)
def test_automatic_code_is_entered_and_left_as_the_model_says(text):
    """Sealed by the crossing; refused where `cryptomode` is; every interrupt on the way kept without a trace."""
    moves = [Move.read(name) for name in text.split(", ")]
    run_sequence(State(automatic=True), moves, seeded(), whole=True)


@pytest.mark.requirement("CX-06")
def test_nothing_outside_depends_on_the_secrets_of_a_program():
    """Two runs with other secrets, through an interrupt, a fault, a call and a system call: handlers and plain code
    read every register, and all that is executed outside is the same, in the same cycles."""
    text = (
        "ctxrun 1, cryptomode victim_landing, fetch, work, interrupt, ctxget 1, ctxrun 1, fault, ctxrun 1, work, call, "
    )
    text += "cryptomode newest_link, fetch, work, ecall"
    moves = [Move.read(name) for name in text.split(", ")]
    outside, inside = [], []
    for salt in (0, 0x5A5A):
        machine = run_sequence(State(), moves, seeded(), salt=salt, thorough=True)
        # Without a write, the record's value is none.
        outside.append([r | {"value": r["value"] * r["rd_write"]} for r in machine.records if not r["encrypted"]])
        inside.append([r["value"] for r in machine.records if r["encrypted"] and r["rd_write"]])
    assert inside[0] != inside[1], "the secrets were the same"
    assert outside[0] == outside[1]
    seen = [r["value"] for r in outside[0] if r["rd_write"]]
    assert len(seen) > 150 and not any(value in SECRETS for value in seen)
    differing = sum(one != other for one, other in zip(*outside, strict=True))
    secret = sum(value in SECRETS for value in seen)
    evidence(
        "CX-06",
        {"records that differ": 0, "secrets read": 0},
        {"records that differ": differing, "secrets read": secret},
    )
