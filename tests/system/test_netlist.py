"""The default preset after synthesis for the ECP5: it does what its source does, and every check still catches what it
is there for.

In every run without a fault all outputs of the netlist are compared with those of its source in every cycle, and a
block RAM that is read where it is written answers with nonsense (``hakone_sim.netlist``). What lies behind synthesis,
place and route and the board, is not seen here.
"""

from pathlib import Path

import actors
import netlist_runs
import pytest
import test_closed_memory as closed_memory
from netlist_runs import KEYS, OWN_CASES, Case, attacks, observed, on_netlist, with_open
from observation import Job

from hakone.bus.open_checks import OpenCheck
from hakone.isa.cause import Cause, Sub
from hakone_sim import builder
from hakone_sim.netlist import COMPARED, DIFFERS, SHOWN
from hakone_sim.program import load
from hakone_tools.compiler import Options, compile_program
from hakone_tools.fpga import simulated
from hakone_tools.paths import BUILD, FIRMWARE
from hakone_tools.programs import Program, build_plain, build_sealed

HERE = Path(__file__).resolve().parent
STRANGERS = "actors_strangers.toml"
DESCRIPTION = {0: [(Cause.REGION.value, Sub.REGION_DESCRIPTION.value)]}


def description_in_the_open(program: Program) -> dict:
    """The key would come from a window."""
    at = program.symbols()["scripts"] + 5 * actors.SCRIPT_BYTES
    own = actors.install(at, actors.region(closed_memory.spare(program), 256))
    return {
        0: [*actors.begin(program, 1), actors.do("run", 1)],
        1: [actors.inside(program, 1), *own],
    }


def planted(program: Program) -> dict:
    """Plain code that is run in encrypted mode."""
    return attacks.interrupted(program, 2000)


CASES = [
    *OWN_CASES,
    *(
        Case(f"attack {a.number}", a.check, a.scripts, a.won, {k: [tuple(r) for r in v] for k, v in a.refused.items()},
             attacks.POLICIES.get(a.number, "actors.toml"))
        for a in attacks.ATTACKS
    ),
    Case("closed_window", OpenCheck.LOOKUP_STALE, attacks.closed_window, attacks.loaded(0),
         {0: [(Cause.REGION.value, Sub.REGION_NO_ENTRY.value)]}),
    Case("replaced_region", OpenCheck.RELEASE_OWNER, attacks.replaced_region, attacks.loaded(1, attacks.MORE),
         {0: [(Cause.REGION.value, Sub.REGION_NO_ENTRY.value)]}, STRANGERS),
    Case("window_in_a_gap", OpenCheck.WINDOW_OWNER, attacks.window_in_a_gap, attacks.loaded(0),
         {0: [(Cause.REGION.value, Sub.REGION_OWNER.value)]}, STRANGERS),
    Case("description_in_the_open", OpenCheck.SETIK_SOURCE, description_in_the_open,
         attacks.statuses(1, attacks.RegionStatus.DONE), DESCRIPTION),
    Case("planted", OpenCheck.FETCH, planted,
         lambda s, p: s.words(p.symbols()["leaked"], 1) == [attacks.SECRET],
         {0: [(Cause.ECALL_U.value, 0), *[(Cause.MODE.value, Sub.MODE_FETCH_OUTSIDE.value)] * 2]}),
]  # fmt: skip
#: The key's wipe shows in the key store alone: ``test_released_key_is_wiped``.
SHOWN_INSIDE = {OpenCheck.KEY_WIPE: "test_released_key_is_wiped"}
TABLE = BUILD / "test" / "netlist.md"


@pytest.fixture(scope="module", autouse=True)
def models():
    """Both models, built once."""
    return netlist_runs.model(), builder.model(netlist_runs.CONFIG)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Programs that several tests run."""
    return tmp_path_factory.mktemp("netlist")


@pytest.fixture(scope="module")
def table():
    """Rows of what ran: check, program, what was observed, on the netlist, with the check open. Written at the end."""
    rows: list[tuple[str, ...]] = []
    yield rows
    head = ("check", "program", "observed", "on the netlist", "source with the check open")
    lines = [" | ".join(("", *row, "")).strip() for row in (head, ("---",) * len(head), *sorted(rows))]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join([*lines, ""]))


def test_every_check_has_a_case():
    """None of the switches is left out, and none is in the list that is not there."""
    assert {c.check for c in CASES} | set(SHOWN_INSIDE) == set(OpenCheck)
    assert all(name in globals() for name in SHOWN_INSIDE.values())


def words(context: int, answer: tuple[int, ...]) -> str:
    """A cause and rule, or the status of a ``setik``, by name."""
    if context:
        return attacks.RegionStatus(answer[0]).name
    return Sub(answer[1]).name if answer[1] else Cause(answer[0]).name


def test_each_check_stops_its_attack_after_synthesis(folder, tmp_path, table):
    """Every case fails on the netlist as it should and succeeds on the source with its one check open."""
    wrong = []
    for case in CASES:
        job = case.job(folder)
        seen, control = on_netlist(job, tmp_path), with_open(case.check, job, tmp_path)
        found = {context: observed(seen, job.program, context) for context in (case.refused or {0: []})}
        won, void = case.won(seen, job.program), not case.won(control, job.program)
        good = (seen.status, seen.hits) == (0, 0) and not won and not void
        good = good and (not case.refused or found == case.refused)
        answers = ", ".join(words(context, row) for context in found for row in found[context])
        outcome = "succeeds" if won else "fails"
        table.append((case.check.name, case.name, answers, outcome, "void" if void else "succeeds"))
        if not good:
            wrong.append(f"{case.name}: {seen.reason}, {found}, hits {seen.hits}, won {won}, void {void}")
    assert not wrong, "\n".join(wrong)
    assert len(table) >= len(CASES)


MUTATIONS = {
    "no context counts as sealed": "registers_of_the_sealed",
    "no entry is counted against the quota": "attack 28",
    "no overlap is found": "attack 35",
    "no binding is found": "attack 30",
}


@pytest.mark.parametrize("fault", MUTATIONS)
def test_attack_succeeds_on_a_netlist_without_the_check(fault, folder, tmp_path):
    """The check's logic is cut out of the netlist: the attack that it stopped succeeds, and the comparison ends the
    run.
    """
    case = next(c for c in CASES if c.name == MUTATIONS[fault])
    job = case.job(folder)
    cut = on_netlist(job, tmp_path, fault)
    assert cut.status == 0 and case.won(cut, job.program)
    compared = on_netlist(job, tmp_path, fault, COMPARED)
    assert (compared.status, compared.code) == (99, DIFFERS)


def test_fault_that_stops_a_program_is_found_by_the_comparison(folder, tmp_path):
    """No check is missing here, but nothing finds its regions: the comparison with the source ends the run."""
    job = OWN_CASES[0].job(folder)
    seen = on_netlist(job, tmp_path, "no context counts as having entries", COMPARED)
    assert (seen.status, seen.code) == (99, DIFFERS)


def test_sealed_trap_context_halts_the_netlist(folder, tmp_path):
    """The trap context's sealed bit is stuck: nothing may go to a handler then. Without the fault the trap arrives."""
    job = OWN_CASES[0].job(folder)
    assert actors.answers(on_netlist(job, tmp_path), job.program, 0, actors.RUN)
    halted = on_netlist(job, tmp_path, "the trap context counts as sealed")
    assert halted.status == 102 and halted.reason.startswith("halted")


def test_failed_write_back_poisons_the_domain(folder, tmp_path):
    """Memory answers the line of a region with an error: its program gets a fault, not what memory holds instead."""

    def scripts(program: Program) -> dict:
        look, go = actors.do("load", closed_memory.spare(program)), actors.do("run", 1)
        return {0: [*actors.begin(program, 1), go, look, go], 1: [*closed_memory.owner(program), look]}

    case = Case("poison", OpenCheck.BOUND, scripts, lambda s, p: False)
    job = case.job(folder)
    sound = on_netlist(job, tmp_path)
    assert actors.answers(sound, job.program, 1, actors.LOAD) == [closed_memory.SECRET]
    failed = on_netlist(job, tmp_path, "every write is answered with an error")
    assert observed(failed, job.program, 0) == [(Cause.ECALL_U.value, 0), (Cause.LOAD_FAULT.value, 0)]
    assert closed_memory.SECRET not in actors.answers(failed, job.program, 1, actors.LOAD)


def key_words(printed: str) -> tuple[set[int], int]:
    """Words that stand in the key store's block RAMs at the end, and how many of them are not zero."""
    rows = [line.split() for line in printed.splitlines() if line.startswith(f"memory {KEYS}")]
    words = [int(row[3], 16) for row in rows]
    assert len(words) > 500
    return set(words), sum(word != 0 for word in words)


def test_released_key_is_wiped(folder, tmp_path, table):
    """After ``clrk`` the key store holds as much as before ``setik``, and no word of the key; in between it does."""
    key = {int.from_bytes(actors.KEY_B[n : n + 4], order) for n in range(0, 32, 4) for order in ("little", "big")}

    def end(name: str, *drop: str):
        def scripts(program: Program) -> dict:
            commands = netlist_runs.released(program)
            return {**commands, 1: [c for c in commands[1] if c[0] not in {actors.NUMBERS[d] for d in drop}]}

        job = Case(name, OpenCheck.KEY_WIPE, scripts, lambda s, p: False).job(folder)
        seen = on_netlist(job, tmp_path, also=SHOWN)
        assert seen.status == 0, seen.reason
        return key_words(seen.printed)

    before, live, after = end("before", "setik", "clrk"), end("live", "clrk"), end("after")
    assert key & live[0] and live[1] > before[1]
    assert not key & after[0] and after[1] == before[1]
    observation = "no word of the key in the key store"
    table.append((OpenCheck.KEY_WIPE.name, "released", observation, "fails", "(without clrk: found)"))


#: Flops that hold what protection depends on: net, and how many of its bits must be flops.
STATE = {
    "inside.core.pipeline.sealed": 16,
    "inside.core.pipeline.entries": 16,
    "inside.core.pipeline.mode": 17,
    "inside.core.pipeline.trap_context": 4,
    "inside.core.commit.halted": 1,
    "inside.core.commit.aborted": 1,
    "inside.regions.walk.overlap": 1,
    "inside.regions.walk.bound": 1,
    "inside.regions.walk.counted": 5,
    "inside.data_side.load_store.judge.tags": 40,
}


def test_no_flop_of_protection_has_vanished():
    """Each bit is a flop of its own after synthesis."""
    netlist = simulated.netlist()
    flops = netlist.flops()
    found = {name: len({b for b in netlist.bits(name) if b in flops}) for name in STATE}
    assert found == STATE


PROGRAMS = {
    "hello": lambda folder: build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], folder),
    "sealed hello": lambda folder: build_sealed("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], folder / "s", 3),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("wait_seed", [0, 11])
def test_program_runs_as_on_the_source(name, wait_seed, tmp_path):
    """The same output after the same number of cycles and instructions."""
    job = Job(name, PROGRAMS[name](tmp_path), wait_seed=wait_seed)
    here, source = on_netlist(job, tmp_path / "n"), with_open(None, job, tmp_path / "r")
    assert here.status == source.status == 0, here.reason
    assert (here.uart, here.cycles, here.instructions) == (source.uart, source.cycles, source.instructions)
    assert here.uart and here.memory == source.memory and here.hits == 0


@pytest.mark.parametrize("source", sorted((HERE / "isa").glob("*.S")), ids=lambda path: path.stem)
def test_self_checking_program_passes(source, tmp_path):
    """The programs of the instruction set, compared with the source in every cycle."""
    options = Options(startup=False, linker_script=str(HERE / "isa" / "isa.ld"))
    compile_program([str(source)], str(tmp_path / source.stem), options)
    elf = tmp_path / source.stem
    job = Job(source.stem, Program(elf, elf))
    seen = on_netlist(job, tmp_path, tohost=load(elf, netlist_runs.CONFIG.ram_bytes).symbols["tohost"])
    assert seen.status == 0, seen.reason
