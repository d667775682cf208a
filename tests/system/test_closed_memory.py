"""Regions that programs install themselves: who may use them, who finds ciphertext, who faults.

Scripts for ``actors``: context 1 installs a region under a key of its own and keeps a secret there; others try. Each
refusal has its control run, in which the one rule that refuses is switched off.
"""

import actors
import pytest
from actors import KEY_A, KEY_B, RW, answers, begin, do, inside, install, keep, records, region
from observation import CLOSED, OPEN, Seen, control, observe, xts

from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import RegionFlag, RegionStatus
from hakone_sim.evidence import evidence
from hakone_tools.programs import Program

SECRET, OTHER = 0x5EC2_E755, 0x0DD5_EC2E
TAG = 9
CALL = (Cause.ECALL_U.value, 0)
NO_ENTRY = (Cause.REGION.value, Sub.REGION_NO_ENTRY.value)


def spare(program: Program) -> int:
    """Plain memory that regions are installed over."""
    return program.symbols()["__spare_start"]


def notes(program: Program, number: int = 0) -> int:
    """A place for a description in protected memory."""
    return program.symbols()["notes"] + 128 * number


def owner(program: Program, flags: RegionFlag = RW) -> list:
    """Context 1 installs the region and keeps the secret there."""
    return [
        inside(program, 1),
        *install(notes(program), region(spare(program), 256, flags=flags)),
        keep(spare(program), SECRET),
        actors.END,
    ]


def runs(program: Program, *contexts: int) -> list:
    """Context 0 begins and runs these, one after the other."""
    return [c for n in contexts for c in (*begin(program, n), do("run", n))]


def why(seen: Seen, program: Program) -> list[tuple[int, int]]:
    """Cause and rule of each run that came back."""
    return [r.why for r in records(seen, program, 0) if r.operation == actors.RUN]


def looks(program: Program) -> dict:
    """The operating system maps the owner's line into its own space, and reads it while it is in the cache."""
    return {0: [*runs(program, 1), do("load", spare(program)), do("fence")], 1: owner(program)}


def no_entry(program: Program) -> dict:
    """A second process of the same vendor reads the owner's address without an entry of its own."""
    return {0: runs(program, 1, 2), 1: owner(program), 2: [inside(program, 2), do("load", spare(program))]}


def other_vendor(program: Program) -> dict:
    """A process of another vendor has the notes region in common with the first, but not its owner id."""
    return {
        0: runs(program, 1, 3),
        1: [inside(program, 1), keep(notes(program, 3), SECRET)],
        3: [inside(program, 3), do("load", notes(program, 3))],
    }


def plain_side(program: Program, flags: RegionFlag) -> dict:
    """The owner leaves encrypted mode; its plain code reads the region, writes beside it, and goes back in."""
    at, place = program.symbols(), spare(program)
    plain = [do("load", place), do("store_not", place + 4, ~OTHER & 0xFFFF_FFFF)]
    back = [inside(program, 1), do("load", place + 4)]
    return {
        0: [*runs(program, 1), do("run", 1), do("fence"), do("load", place), do("load", place + 4)],
        1: [*owner(program, flags), do("retmode", at["plain_next"]), *plain, *back],
    }


def partners(program: Program) -> dict:
    """Owner and partner hold the key; the partner reads, answers, and gives its entry back; then it reads again."""
    place = spare(program)
    return {
        0: [*runs(program, 1, 2), do("run", 1), do("run", 2)],
        1: [*owner(program), do("load", place + 4)],
        2: [
            inside(program, 2),
            *install(notes(program, 1), region(place, 256)),
            do("load", place),
            keep(place + 4, OTHER),
            actors.END,
            do("clrk", place),
            do("load", place),
        ],
    }


def two_keys(program: Program) -> dict:
    """The same line through two keys, by two programs."""
    place = spare(program)
    return {
        0: runs(program, 1, 3),
        1: owner(program),
        3: [inside(program, 3), *install(notes(program, 1), region(place, 256, KEY_B)), do("load", place)],
    }


SCRIPTS = {
    "looks": looks,
    "no_entry": no_entry,
    "other_vendor": other_vendor,
    "plain_allowed": lambda p: plain_side(p, RW | RegionFlag.PLAIN_ACCESS),
    "plain_refused": lambda p: plain_side(p, RW),
    "partners": partners,
    "two_keys": two_keys,
}
#: The notes are for one vendor only where the owner id is to be what refuses.
POLICIES = {"other_vendor": "actors_own_notes.toml"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[str, Program]:
    """The actors' program as each run needs it."""
    folder = tmp_path_factory.mktemp("actors")
    return {name: actors.build(folder, POLICIES.get(name, "actors.toml")) for name in SCRIPTS}


@pytest.fixture(scope="module")
def closed(programs, tmp_path_factory) -> dict[str, Seen]:
    """All runs on the system as it is. The snooper found nothing in any."""
    jobs = [actors.job(name, programs[name], scripts(programs[name])) for name, scripts in SCRIPTS.items()]
    seen = observe(CLOSED, jobs, tmp_path_factory.mktemp("closed"))
    assert {name: s.hits for name, s in seen.items() if s.hits} == {}
    return seen


def opened(name: str, check: str, programs, folder) -> Seen:
    """The same run with one protection off."""
    program = programs[name]
    return observe(f"sim_open_{check}", [actors.job(name, program, SCRIPTS[name](program))], folder)[name]


@pytest.mark.requirement("PX-10")
def test_operating_system_reads_ciphertext(closed, programs, tmp_path):
    """It gets exactly what IEEE 1619 makes of the line; with the cipher off, the secret."""
    program, seen = programs["looks"], closed["looks"]
    (word,) = answers(seen, program, 0, actors.LOAD)
    place = {"start": spare(program), "key": KEY_A, "tag": TAG}
    line = xts(place, place["start"], seen.chip(place["start"], 64), decrypt=True)
    sealed = int.from_bytes(seen.chip(place["start"], 4), "little")
    open_program = actors.build(tmp_path, in_the_open=True)
    control_run = observe(OPEN, [actors.job("looks", open_program, looks(open_program))], tmp_path)["looks"]
    won = answers(control_run, open_program, 0, actors.LOAD) == [SECRET]
    evidence("PX-10", "ciphertext", "ciphertext" if word == sealed != SECRET else word, control(won))
    assert line[:4] == SECRET.to_bytes(4, "little")
    assert word == sealed != SECRET


@pytest.mark.requirement("CX-04")
def test_entry_works_for_its_own_context_only(closed, programs, tmp_path):
    """The same address in another process, same vendor and same code, hits nothing and faults."""
    program = programs["no_entry"]
    found = why(closed["no_entry"], program)
    opened_run = opened("no_entry", "context_tag", programs, tmp_path)
    won = answers(opened_run, program, 2, actors.LOAD) == [SECRET]
    evidence("CX-04", [CALL, NO_ENTRY], found, control(won))
    assert found == [CALL, NO_ENTRY]
    assert answers(closed["no_entry"], program, 2, actors.LOAD) == []


@pytest.mark.requirement("AR-01")
def test_key_serves_its_owners_code_only(closed, programs, tmp_path):
    """Another vendor's code, in a context that has an entry for the very region, faults by the owner id."""
    program = programs["other_vendor"]
    refusal = (Cause.REGION.value, Sub.REGION_OWNER.value)
    found = why(closed["other_vendor"], program)
    opened_run = opened("other_vendor", "region_owner", programs, tmp_path)
    won = answers(opened_run, program, 3, actors.LOAD) == [SECRET]
    evidence("AR-01", [CALL, refusal], found, control(won))
    assert found == [CALL, refusal]


@pytest.mark.requirement("AR-11")
def test_line_reads_differently_under_two_keys(closed, programs, tmp_path):
    """Each context's own key is used: what one wrote, the other decrypts to something else."""
    program = programs["two_keys"]
    (word,) = answers(closed["two_keys"], program, 3, actors.LOAD)
    opened_run = opened("two_keys", "domain_tag", programs, tmp_path)
    won = answers(opened_run, program, 3, actors.LOAD) == [SECRET]
    evidence("AR-11", "other", "same" if word == SECRET else "other", control(won))
    assert word != SECRET


@pytest.mark.requirement("XM-02")
def test_plain_code_reaches_a_region_only_by_its_flag(closed, programs, tmp_path):
    """With the flag it reads and writes, and memory holds ciphertext; without it faults."""
    program = programs["plain_allowed"]
    allowed, refused = closed["plain_allowed"], closed["plain_refused"]
    assert answers(allowed, program, 1, actors.LOAD) == [SECRET, OTHER]
    assert not {SECRET, OTHER} & set(answers(allowed, program, 0, actors.LOAD))
    refusal = (Cause.REGION.value, Sub.REGION_PLAIN_ACCESS.value)
    found = why(refused, programs["plain_refused"])
    opened_run = opened("plain_refused", "plain_access", programs, tmp_path)
    won = SECRET in answers(opened_run, program, 1, actors.LOAD)
    evidence("XM-02", [CALL, refusal], found, control(won))
    assert found == [CALL, refusal]


@pytest.mark.requirement("AR-09")
def test_bare_key_is_installed_from_encrypted_code(closed, programs):
    """``setik`` gives the region its key at once, in both processes; the key stands nowhere in the open."""
    program, seen = programs["partners"], closed["partners"]
    found = [answers(seen, program, context, actors.SETIK) for context in (1, 2)]
    evidence("AR-09", [[RegionStatus.DONE.value]] * 2, found)
    assert found == [[RegionStatus.DONE.value]] * 2
    assert seen.memory.count(KEY_A[:16]) == seen.memory.count(KEY_A[16:]) == 0


def test_partners_read_and_answer_and_a_released_entry_faults(closed, programs):
    """Both see what the other wrote; after clrk the partner faults, and the owner does not notice."""
    program, seen = programs["partners"], closed["partners"]
    assert answers(seen, program, 2, actors.LOAD) == [SECRET]
    assert answers(seen, program, 1, actors.LOAD) == [OTHER]
    assert why(seen, program) == [CALL, CALL, CALL, NO_ENTRY]
