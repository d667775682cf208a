"""Attacks 27 to 33, 35 to 37, 41, 43 to 45: other contexts, the operating system and dead programs' remains against
closed memory.

Each is one set of scripts (``actors``), run twice: on the system as it is, and as control with the one protection
switched off that stands in its way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import actors
import pytest
from actors import KEY_B, answers, begin, do, inside, install, keep, records, region, window
from observation import CLOSED, OPEN, Seen, observe

from hakone.bus.open_checks import OpenCheck
from hakone.isa.cause import Cause, Interrupt, Sub
from hakone.isa.csr import HXCTX_ENCRYPTED
from hakone.isa.encoding import CLRK_CONTEXT
from hakone.isa.formats import RegionFlag, RegionStatus
from hakone_sim.evidence import evidence
from hakone_tools.programs import Program

SECRET, MORE = 0x5EC2_E755, 0x1A2B_3C4D
GADGET = 0x5EC2_E7A1  #: what ``middle_a`` shows
S0, S2 = 8, 18  #: registers of the interpreter: state, operation


@dataclass(frozen=True)
class Attack:
    """``scripts(program)`` by context; ``won(seen, program)``: the attacker has what he wanted. ``refused``: what the
    closed system must have answered (context and the values, or causes and rules, of its records in order).
    """

    number: int
    outcome: str
    check: OpenCheck
    scripts: Callable[[Program], dict]
    won: Callable[[Seen, Program], bool]
    refused: dict[int, list] = field(default_factory=dict)


def spare(program: Program) -> int:
    """Plain memory that regions are installed over."""
    return program.symbols()["__spare_start"]


def notes(program: Program, number: int = 0) -> int:
    """A place for a description in protected memory."""
    return program.symbols()["notes"] + 128 * number


def owner(program: Program) -> list:
    """Context 1 installs a region under KEY_A and keeps a secret there; it stays in the cache."""
    place = spare(program)
    return [inside(program, 1), *install(notes(program), region(place, 256)), keep(place, SECRET), actors.END]


def loaded(context: int, value: int = SECRET) -> Callable[[Seen, Program], bool]:
    """The context has read the value."""
    return lambda seen, program: value in answers(seen, program, context, actors.LOAD)


def statuses(context: int, *wanted: RegionStatus) -> Callable[[Seen, Program], bool]:
    """The context's ``setik`` answered this, in order."""
    return lambda seen, program: answers(seen, program, context, actors.SETIK) == [status.value for status in wanted]


def leaked(seen: Seen, program: Program) -> bool:
    """The gadget was run."""
    return seen.words(program.symbols()["leaked"], 1) == [GADGET]


def reused_context(program: Program) -> dict:
    """27: the owner is ended and its number given away at once; the new life uses what is left."""
    life = [do("ctxnew", 1, 4), *begin(program, 1), do("run", 1)]
    death = [do("ctxkill", 1), *life, do("clrk", CLRK_CONTEXT | 1), *life]
    return {
        0: [*begin(program, 1), do("run", 1), *death],
        1: [*owner(program), inside(program, 1), do("load", spare(program)), actors.END],
    }


def hoarder(program: Program) -> dict:
    """28: context 1 takes every entry it can get; then context 3 wants one."""
    windows = [c for n in range(12) for c in install(notes(program), window(spare(program) + 64 * n, 64))]
    place = spare(program) + 0x2000
    return {
        0: [*begin(program, 1), do("run", 1), *begin(program, 3), do("run", 3)],
        1: [inside(program, 1), *windows],
        3: [inside(program, 3), *install(notes(program), region(place, 64, KEY_B))],
    }


def alias_of_another_key(program: Program) -> dict:
    """29: the operating system maps the owner's memory to a program with another key; the owner looks again."""
    place = spare(program)
    return {
        0: [*begin(program, 1), do("run", 1), *begin(program, 3), do("run", 3), do("run", 1)],
        1: [*owner(program), do("load", place)],
        3: [inside(program, 3), *install(notes(program, 1), region(place, 256, KEY_B)), do("load", place)],
    }


def second_place(program: Program) -> dict:
    """30: the owner's own key and tag at a second place, so that one tweak would serve two lines."""
    twice = [c for n in range(2) for c in install(notes(program), region(spare(program) + 0x1000 * n, 256))]
    return {0: [*begin(program, 1), do("run", 1)], 1: [inside(program, 1), *twice]}


def line_left_behind(program: Program) -> dict:
    """31: the owner's dirty line is in the cache when the operating system and another program read its address."""
    place = spare(program)
    return {
        0: [*begin(program, 1), do("run", 1), do("load", place), *begin(program, 3), do("run", 3)],
        1: owner(program),
        3: [inside(program, 3), *install(notes(program, 1), window(place, 256)), do("load", place)],
    }


def remains_of_the_dead(program: Program) -> dict:
    """32: the owner ended, its regions released; the next key gets its domain, its slot and its memory."""
    place = spare(program)
    release = [do("ctxkill", 1), do("clrk", CLRK_CONTEXT | 1)]
    return {
        0: [*begin(program, 1), do("run", 1), *release, *begin(program, 3), do("run", 3)],
        1: owner(program),
        3: [inside(program, 3), *install(notes(program, 1), region(place, 256, KEY_B)), do("load", place)],
    }


def overlapping(program: Program) -> dict:
    """35: two keys over the same lines of one context."""
    first, second = region(spare(program), 256), region(spare(program) + 192, 256, KEY_B)
    both = [*install(notes(program), first), *install(notes(program, 1), second)]
    return {0: [*begin(program, 1), do("run", 1)], 1: [inside(program, 1), *both]}


def straddling(program: Program) -> dict:
    """36: regions that begin or end inside a line."""
    first, second = region(spare(program) + 32, 256), region(spare(program) + 0x400, 96, KEY_B)
    both = [*install(notes(program), first), *install(notes(program, 1), second)]
    return {0: [*begin(program, 1), do("run", 1)], 1: [inside(program, 1), *both]}


def from_plain_mode(program: Program) -> dict:
    """37: plain code of the context, which may write the notes, executes setik."""
    return {0: [*begin(program, 1), do("run", 1)], 1: install(notes(program), region(spare(program), 256))}


def into_the_middle(program: Program) -> dict:
    """41: encrypted code entered at a gadget."""
    return {0: [*begin(program, 1), do("run", 1)], 1: [do("cryptomode", program.symbols()["middle_a"])]}


def forged_link(program: Program) -> dict:
    """43: encrypted code calls plain code, which goes back to where it was not called from."""
    at = program.symbols()
    call = [inside(program, 1), do("retmode_link", at["plain_next"]), do("cryptomode", at["middle_a"])]
    return {0: [*begin(program, 1), do("run", 1)], 1: call}


def handler_of_the_owner(program: Program) -> dict:
    """45: context 1, which shares the notes of context 2, is made the trap context, where the system's handler runs."""
    at, secret = program.symbols(), notes(program, 3)
    handler = [(S0, at["states"]), (actors.CONTEXT_NUMBER, 0), (S2, actors.RUN)]
    prepare = [do("ctxput", 1 | register << 8, value) for register, value in handler]
    return {
        0: [
            *begin(program, 2),
            do("run", 2),
            *prepare,
            do("hxtctx", 1),
            *begin(program, 3),
            do("run", 3),
            do("load", secret),
        ],
        2: [inside(program, 2), keep(secret, SECRET)],
    }


CAUSE_REGION, CAUSE_MODE, CAUSE_CONTEXT = Cause.REGION.value, Cause.MODE.value, Cause.CONTEXT.value
CALL = (Cause.ECALL_U.value, 0)
ATTACKS = [
    Attack(27, "OPAQUE", OpenCheck.ENTRIES, reused_context, loaded(1), {0: [
        CALL, (CAUSE_CONTEXT, Sub.CONTEXT_ENTRIES.value), *[(CAUSE_CONTEXT, Sub.CONTEXT_NUMBER.value)] * 3,
        (CAUSE_MODE, Sub.MODE_FETCH_OUTSIDE.value),
    ]}),
    Attack(28, "THROTTLE", OpenCheck.QUOTA, hoarder, lambda s, p: not statuses(3, RegionStatus.DONE)(s, p),
           {1: [(0,)] * 4 + [(RegionStatus.QUOTA.value,)] * 8}),
    Attack(29, "OPAQUE", OpenCheck.DOMAIN_TAG, alias_of_another_key, loaded(3)),
    Attack(30, "FAULT", OpenCheck.BOUND, second_place, statuses(1, RegionStatus.DONE, RegionStatus.DONE),
           {0: [(CAUSE_REGION, Sub.REGION_BOUND.value)]}),
    Attack(31, "OPAQUE", OpenCheck.DOMAIN_TAG, line_left_behind, lambda s, p: loaded(0)(s, p) and loaded(3)(s, p)),
    Attack(32, "OPAQUE", OpenCheck.RELEASE_CLEAN, remains_of_the_dead, loaded(3)),
    Attack(35, "REFUSE", OpenCheck.OVERLAP, overlapping, statuses(1, RegionStatus.DONE, RegionStatus.DONE),
           {1: [(RegionStatus.DONE.value,), (RegionStatus.OVERLAP.value,)]}),
    Attack(36, "REFUSE", OpenCheck.ALIGNMENT, straddling, statuses(1, RegionStatus.DONE, RegionStatus.DONE),
           {1: [(RegionStatus.MISALIGNED.value,)] * 2}),
    Attack(37, "FAULT", OpenCheck.SETIK_MODE, from_plain_mode, statuses(1, RegionStatus.DONE),
           {0: [(CAUSE_MODE, Sub.MODE_NOT_ENCRYPTED.value)]}),
    Attack(41, "FAULT", OpenCheck.LANDING, into_the_middle, leaked, {0: [(CAUSE_MODE, Sub.MODE_NO_LANDING.value)]}),
    Attack(43, "FAULT", OpenCheck.BACK_LINK, forged_link, leaked, {0: [(CAUSE_MODE, Sub.MODE_NO_LANDING.value)]}),
    Attack(45, "FAULT", OpenCheck.HANDLER, handler_of_the_owner, loaded(0),
           {0: [CALL, CALL, (CAUSE_REGION, Sub.REGION_PLAIN_ACCESS.value)]}),
]  # fmt: skip
#: Attack 28 needs a chip with entries to spare: two contexts only.
POLICIES = {28: "actors_two.toml", 37: "actors_open_notes.toml", 45: "actors_open_notes.toml"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[int, Program]:
    """The actors' program as each attack needs it."""
    folder = tmp_path_factory.mktemp("actors")
    return {a.number: actors.build(folder, POLICIES.get(a.number, "actors.toml")) for a in ATTACKS}


@pytest.fixture(scope="module")
def closed(programs, tmp_path_factory) -> dict[str, Seen]:
    """Every attack on the system as it is; the snooper found nothing in any."""
    jobs = [actors.job(str(a.number), programs[a.number], a.scripts(programs[a.number])) for a in ATTACKS]
    seen = observe(CLOSED, jobs, tmp_path_factory.mktemp("closed"))
    assert {name: s.hits for name, s in seen.items() if s.hits} == {}
    return seen


@pytest.mark.parametrize(
    "attack", [pytest.param(a, marks=pytest.mark.attack(a.number), id=str(a.number)) for a in ATTACKS]
)
def test_attack_on_closed_memory(attack, closed, programs, tmp_path):
    """It fails as it should, and succeeds where its one obstacle is gone."""
    program = programs[attack.number]
    job = actors.job("control", program, attack.scripts(program))
    control = observe(f"sim_open_{attack.check.name.lower()}", [job], tmp_path)["control"]
    seen = closed[str(attack.number)]
    won, control_won = attack.won(seen, program), attack.won(control, program)
    evidence(
        attack.number, attack.outcome, "SUCCEEDED" if won else attack.outcome, "succeeded" if control_won else "void"
    )
    for context, expected in attack.refused.items():
        kinds = (actors.RUN, actors.FAULT) if context == 0 else (actors.SETIK,)
        found = [r.values[: len(expected[0])] for r in records(seen, program, context) if r.operation in kinds]
        assert found == expected
    assert not won and control_won


def replaced_region(program: Program) -> dict:
    """Two vendors' codes in one context. The one keeps a secret and calls out; plain code releases its region, and the
    other installs one of its own over the place, open to every owner. The first goes on as if nothing had happened.
    """
    place, out = spare(program), do("retmode", program.symbols()["plain_next"])
    enter_b = do("cryptomode", program.symbols()["inside_b"])
    first = [inside(program, 1), *install(notes(program), region(place, 256)), keep(place, SECRET), out]
    trap = region(place, 256, KEY_B, flags=actors.RW | RegionFlag.ANY_OWNER)
    second = [do("clrk", place), enter_b, *install(notes(program, 1), trap), out]
    third = [inside(program, 1), keep(place + 4, MORE), out, enter_b, do("load", place + 4)]
    return {0: [*begin(program, 1), do("run", 1)], 1: [*first, *second, *third]}


def window_in_a_gap(program: Program) -> dict:
    """The other vendor's code opens a window where the first has nothing, and waits for it to run over an edge."""
    place, out = spare(program), do("retmode", program.symbols()["plain_next"])
    enter_b = do("cryptomode", program.symbols()["inside_b"])
    open_window = [enter_b, *install(notes(program, 1), window(place, 256)), out]
    return {
        0: [*begin(program, 1), do("run", 1), do("load", place)],
        1: [*open_window, inside(program, 1), keep(place, SECRET)],
    }


@pytest.mark.parametrize(
    "scripts,check,refused,won",
    [
        (replaced_region, "release_owner", Sub.REGION_NO_ENTRY, loaded(1, MORE)),
        (window_in_a_gap, "window_owner", Sub.REGION_OWNER, loaded(0)),
    ],
)
def test_stranger_in_the_owners_context_gets_nothing(scripts, check, refused, won, tmp_path):
    """What one owner's code installed, no other code releases, and no other code uses unless its flags say so."""
    program = actors.build(tmp_path, "actors_strangers.toml")
    job = actors.job("stranger", program, scripts(program))
    seen = observe(CLOSED, [job], tmp_path)["stranger"]
    control = observe(f"sim_open_{check}", [job], tmp_path)["stranger"]
    rows = [r.values[:2] for r in records(seen, program, 0) if r.operation == actors.RUN]
    assert rows == [(CAUSE_REGION, refused.value)]
    assert not won(seen, program) and won(control, program)


def test_description_in_the_open_is_refused(tmp_path):
    """A key that would be read from a window, where everyone sees it, is not installed. Control: it is."""
    program = actors.build(tmp_path)
    at = program.symbols()["scripts"] + 5 * actors.SCRIPT_BYTES  # of a context that does not run
    place = spare(program)
    job = actors.job(
        "open",
        program,
        {0: [*begin(program, 1), do("run", 1)], 1: [inside(program, 1), *install(at, region(place, 256))]},
    )
    seen = observe(CLOSED, [job], tmp_path)["open"]
    control = observe("sim_open_setik_source", [job], tmp_path)["open"]
    rows = [r.why for r in records(seen, program, 0) if r.operation == actors.RUN]
    assert rows == [(CAUSE_REGION, Sub.REGION_DESCRIPTION.value)]
    assert statuses(1, RegionStatus.DONE)(control, program) and not statuses(1, RegionStatus.DONE)(seen, program)


def closed_window(program: Program) -> dict:
    """The program's own code shows a value in a window, takes the window away, and stores its secret there by mistake;
    then the operating system looks.
    """
    place = spare(program)
    shown = [*install(notes(program), window(place, 256)), keep(place, MORE), do("clrk", place)]
    return {
        0: [*begin(program, 1), do("run", 1), do("load", place)],
        1: [inside(program, 1), *shown, keep(place, SECRET)],
    }


def test_window_that_was_released_is_closed_at_once(tmp_path):
    """The copy of the range that was in use is gone with the entry. Control: it stays, and the secret goes out."""
    program = actors.build(tmp_path)
    job = actors.job("closed", program, closed_window(program))
    seen, control = (observe(preset, [job], tmp_path)["closed"] for preset in (CLOSED, "sim_open_lookup_stale"))
    rows = [r.values[:2] for r in records(seen, program, 0) if r.operation == actors.RUN]
    assert rows == [(CAUSE_REGION, Sub.REGION_NO_ENTRY.value)]
    assert answers(seen, program, 0, actors.LOAD) == [MORE] and loaded(0)(control, program)


def test_owner_still_has_its_data_after_an_alias_was_read(closed, programs):
    """29: the other key's reading has cost the owner nothing."""
    assert loaded(1)(closed["29"], programs[29])


INTERRUPT = 1 << 31 | Interrupt.TIMER.value
A0 = 10


def interrupted(program: Program, ticks: int) -> dict:
    """44: context 1 enters encrypted mode at plain code that the operating system has planted; the timer strikes
    ``ticks`` after it was started, and it goes on.
    """
    at, secret = program.symbols(), notes(program, 3)
    start = [*begin(program, 1), do("ctxput", 1 | A0 << 8, secret), do("timer", ticks)]
    return {
        0: [*begin(program, 2), do("run", 2), *start, do("run", 1), do("run", 1)],
        1: [do("cryptomode", at["planted"])],
        2: [inside(program, 2), keep(secret, SECRET)],
    }


@pytest.mark.attack(44)
def test_interrupt_between_mode_switch_and_first_fetch(tmp_path):
    """44: wherever the timer strikes, no plain instruction runs in encrypted mode. In some runs it strikes behind the
    switch and before the first fetch has ended: the trap shows encrypted mode, and nothing ran in it. With fetches from
    anywhere allowed the planted code shows the secret after the same interrupt.
    """
    program = actors.build(tmp_path)
    jobs = [actors.job(str(n), program, interrupted(program, n)) for n in range(4, 44)]
    found = {}
    for preset in (CLOSED, "sim_open_fetch"):
        for name, seen in observe(preset, jobs, tmp_path / preset).items():
            rows = [r.values for r in records(seen, program, 0) if r.operation == actors.RUN][1:]
            between = rows[0][0] == INTERRUPT and bool(rows[0][2] & HXCTX_ENCRYPTED) and len(rows) > 1
            shown = seen.words(program.symbols()["leaked"], 1) == [SECRET]
            found.setdefault(preset, []).append((name, between, shown, rows))
    closed_runs, control_runs = found[CLOSED], found["sim_open_fetch"]
    outside = (CAUSE_MODE, Sub.MODE_FETCH_OUTSIDE.value)
    between = [rows for _, hit, _, rows in closed_runs if hit]
    won = any(hit and shown for _, hit, shown, _ in control_runs)
    leaks = [name for name, _, shown, _ in closed_runs if shown]
    evidence(44, "FAULT", "FAULT" if not leaks else "SUCCEEDED", "succeeded" if won else "void")
    assert not leaks and won
    assert between and all(rows[1][:2] == outside for rows in between)


@pytest.mark.attack(33)
def test_nothing_between_cache_and_bus_holds_plaintext(tmp_path):
    """33: dirty lines of a region are pushed out through the victim buffer; there is no second-level cache. On the bus
    and in memory stands nothing of them, but with the cipher off there does.
    """

    def scripts(program):
        place = spare(program)
        fill = [c for n in range(6) for c in (keep(place + 64 * n, SECRET + n), keep(place + 64 * n + 4, MORE))]
        return {
            0: [*begin(program, 1), do("run", 1), do("fence")],
            1: [inside(program, 1), *install(notes(program), region(place, 0x400)), *fill],
        }

    hits = {}
    for preset in (CLOSED, OPEN):
        program = actors.build(tmp_path, "actors.toml", in_the_open=preset == OPEN)
        seen = observe(preset, [actors.job("push", program, scripts(program))], tmp_path)["push"]
        assert seen.status == 0 or preset == OPEN
        hits[preset] = seen.snooper["bus_plaintext_hits"] + seen.snooper["ram_plaintext_hits"]
        assert preset == OPEN or seen.events["dcache_evict"] >= 6
    won = hits[OPEN] >= 6
    evidence(33, "OPAQUE", "FOUND" if hits[CLOSED] else "OPAQUE", "succeeded" if won else "void")
    assert hits[CLOSED] == 0 and won
