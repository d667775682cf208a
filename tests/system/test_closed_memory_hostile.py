"""The hostile operating system tries every door to what its protected processes hold; each door has its control."""

from collections import Counter

import pytest
from closed_runs import SHARED_SEED, Secrets, Story, make_inputs, owner, partner, tell
from observation import CLOSED, OPEN, control

from hakone.isa.cause import Cause, Sub
from hakone_sim.evidence import evidence
from hakone_tools.os_record import HEAD_BYTES, MEMORY_DOORS, Door, Kind
from hakone_tools.sealing import SeededKeys
from hakone_tools.system_image import Plan
from hakone_tools.system_programs import draw_shared

KEY = draw_shared(SeededKeys(SHARED_SEED))[0]
AFTER = 0xFFFF_FFFF


def refused(cause: Cause, sub: Sub) -> int:
    """How the hostile build writes down a trap."""
    return cause.value << 8 | sub.value


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs and runs of this module lie."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def inputs(folder):
    """The owner's picture and text."""
    return make_inputs(folder)


def pair(inputs) -> Plan:
    """Owner and partner under the hostile build."""
    return Plan([owner(inputs), partner()], [("owner", 0), ("partner", 0)], hostile=True)


@pytest.fixture(scope="module")
def closed(folder, inputs) -> Story:
    """With everything in place."""
    return tell("closed", pair(inputs), folder, CLOSED)


@pytest.fixture(scope="module")
def opened(folder, inputs) -> Story:
    """Control: without cipher."""
    return tell("opened", pair(inputs), folder, OPEN, in_the_open=True)


@pytest.fixture(scope="module")
def unsealed(folder, inputs) -> Story:
    """Control: registers of sealed contexts can be read and written. The processes go wrong; how does not matter."""
    return tell("unsealed", pair(inputs), folder, "sim_open_sealed")


@pytest.fixture(scope="module")
def untagged(folder, inputs) -> Story:
    """Control: a line in the data cache answers under any domain."""
    return tell("untagged", pair(inputs), folder, "sim_open_domain_tag")


@pytest.fixture(scope="module")
def secrets(closed, inputs):
    """What owner and partner know and nobody else may."""
    return Secrets(closed.system, inputs.text, inputs.picture, inputs.mirrored, KEY)


@pytest.mark.requirement("PX-10")
def test_no_door_to_memory_gives_plaintext(closed, opened, secrets):
    """The owner's frames as they lie there, through a segment of the operating system's own, at the owner's own
    addresses, and by plain code in its context after its end: all of it is ciphertext. It is the right one: read with
    the key, it is the plaintext."""
    assert closed.exits() == {1: 0, 2: 0}, closed.seen.uart
    tried = [a for a in closed.attempts() if a.door in MEMORY_DOORS]
    assert all(a.result == 0 and a.bytes for a in tried)
    assert {a.door for a in tried} == set(MEMORY_DOORS)
    shared = [a for a in tried if a.source == closed.area() and a.moment not in (0, AFTER) and a.bytes > HEAD_BYTES]
    right = [secrets.found(closed.decrypt("album", KEY, closed.loot(a)[: a.bytes // 64 * 64])) for a in shared]
    assert min(right) > 100
    got = {d.name: sum(secrets.found(closed.loot(a)) for a in tried if a.door == d) for d in MEMORY_DOORS}
    leaks = {d: sum(secrets.found(opened.loot(a)) for a in opened.attempts() if a.door == d) for d in MEMORY_DOORS}
    evidence("PX-10", {d.name: 0 for d in MEMORY_DOORS}, got, control(all(leaks.values())))
    assert not any(got.values()) and closed.seen.hits == 0


@pytest.mark.requirement("PX-10")
def test_lines_in_the_cache_answer_their_owner_only(closed, untagged, secrets):
    """The operating system reads at once after the owner has written, while the lines are in the cache. Control: with
    caches that ignore the domain of a line it gets them in plaintext, although the cipher works."""
    got = sum(secrets.found(closed.loot(a)) for a in closed.attempts(Door.PHYSICAL))
    leaked = sum(secrets.found(untagged.loot(a)) for a in untagged.attempts(Door.PHYSICAL))
    evidence("PX-10", 0, got, control(leaked > 100))
    assert got == 0


@pytest.mark.requirement("AR-01")
def test_no_door_to_registers_and_keys_opens(closed, unsealed):
    """Every register, the program counter, the bank that takes traps, setik and clrk: each refusal has its own cause.
    Control: with the rule on sealed contexts off, registers come out."""
    expected = {
        Door.REGISTERS: refused(Cause.CONTEXT, Sub.CONTEXT_SEALED),
        Door.GENERATION: 0,
        Door.TRAP_CONTEXT: 0,
        Door.SET_COUNTER: refused(Cause.CONTEXT, Sub.CONTEXT_SEALED),
        Door.SET_REGISTER: refused(Cause.CONTEXT, Sub.CONTEXT_SEALED),
        Door.SETIK: refused(Cause.MODE, Sub.MODE_NOT_ENCRYPTED),
        Door.CLRK: refused(Cause.REGION, Sub.REGION_NO_ENTRY),
        Door.CLRK_CONTEXT: refused(Cause.CONTEXT, Sub.CONTEXT_EXISTS),
    }
    results = {d: Counter(a.result for a in closed.attempts() if a.door == d) for d in expected}
    notes = 3  # two of the owner, one of the partner
    assert results[Door.REGISTERS] == {expected[Door.REGISTERS]: 32 * notes}
    got = {d.name: max(results[d]) for d in expected}
    assert all(len(found) == 1 for found in results.values()), results
    read = [a.loot for a in unsealed.attempts() if a.door == Door.REGISTERS and not a.result]
    evidence("AR-01", {d.name: r for d, r in expected.items()}, got, control(len(set(read)) > 4))
    assert got == {d.name: r for d, r in expected.items()}
    assert not any(a.loot for a in closed.attempts() if a.door == Door.REGISTERS)


@pytest.mark.requirement("PX-10")
def test_plain_code_in_the_context_gets_nothing_before_and_after(closed):
    """Before: the code region is closed to plain code of its own context. After: the number's next life cannot begin
    while the entries are there, and then finds no register of the one before."""
    before = [a for a in closed.attempts() if a.door == Door.STUB_BEFORE]
    assert [a.context for a in before] == [1, 2]
    assert {(a.result, a.bytes) for a in before} == {(refused(Cause.REGION, Sub.REGION_PLAIN_ACCESS), 0)}
    lives = [(a.source, a.result) for a in closed.attempts() if a.door == Door.NEW_LIFE]
    assert lives == [(0, refused(Cause.CONTEXT, Sub.CONTEXT_ENTRIES)), (1, 0)] * 2
    registers = [a for a in closed.attempts() if a.door == Door.OLD_REGISTERS]
    assert len(registers) == 64 and {(a.result, a.loot) for a in registers} == {(0, 0)}
    evidence("PX-10", {"before": 0, "after": 0}, {"before": before[0].bytes, "after": sum(a.loot for a in registers)})


@pytest.mark.requirement("CX-04")
def test_entries_work_in_their_own_context_only(closed, opened, secrets):
    """The operating system at the very addresses where the owner's entries are: it hits none of them."""
    tried = [a for a in closed.attempts() if a.door == Door.SAME_ADDRESS and a.moment not in (0, AFTER)]
    assert len(tried) >= 4 and all(a.result == 0 for a in tried)
    physical = {(a.source, a.context, a.moment): a for a in closed.attempts() if a.door == Door.PHYSICAL}
    same = [closed.loot(a) == closed.loot(physical[a.source, a.context, a.moment]) for a in tried]
    got = {"as in memory": sum(same), "secrets": sum(secrets.found(closed.loot(a)) for a in tried)}
    leaked = sum(secrets.found(opened.loot(a)) for a in opened.attempts() if a.door == Door.SAME_ADDRESS)
    evidence("CX-04", {"as in memory": len(tried), "secrets": 0}, got, control(leaked > 0))
    assert got == {"as in memory": len(tried), "secrets": 0}


MOVES, CHEATS = 0x8000_0000, 0x4000_0000  # of firmware/os/hostile.h
LIES = {
    "private memory moved": (MOVES, 0, Sub.REGION_MOVED, "sim_open_moved"),
    "other frames for the partner": (0, CHEATS, Sub.REGION_BOUND, "sim_open_bound"),
}


@pytest.mark.requirement("S1-05")
@pytest.mark.parametrize("lie", LIES)
def test_process_on_other_frames_is_stopped(folder, inputs, lie):
    """An operating system that puts other frames behind a region, or gives the partner other frames than the owner:
    a fault with its own rule, before anything is read there. Control: with that check off, no such fault."""
    for_owner, for_partner, rule, preset = LIES[lie]
    programs = [owner(inputs, "EXCHANGE_TRIES=100"), partner("EXCHANGE_TRIES=100")]
    plan = Plan(programs, [("owner", for_owner), ("partner", for_partner)], hostile=True)
    faults = {}
    for chip in (CLOSED, preset):
        story = tell(f"lie-{rule.name.lower()}-{chip}", plan, folder, chip)
        faults[chip] = {e.context: (Cause(e.a), Sub(e.b)) for e in story.of(Kind.FAULTED)}
        assert chip != CLOSED or story.seen.hits == 0
    liar = 1 if for_owner else 2
    cause, found = faults[CLOSED][liar]
    gone = faults[preset].get(liar) != (Cause.REGION, rule)
    evidence("S1-05", ["REGION", rule.name], [cause.name, found.name], control(gone))
    assert faults[CLOSED] == {liar: (Cause.REGION, rule)}
