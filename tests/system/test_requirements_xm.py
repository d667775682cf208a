"""Requirements XM: entering and leaving encrypted execution, and what it does to memory; on the whole system."""

import numpy as np
import pytest
from observation import CLOSED, OPEN, Job, Seen, compile_sealed, control, found_in, observe, region, xts
from protected_runs import LOCAL_BYTES, LOCAL_MARKER, run_marker

from hakone.isa.encoding import CUSTOM
from hakone_sim import trace
from hakone_sim.evidence import evidence
from hakone_tools.image import read_elf
from hakone_tools.programs import Program

GIVEN, OMITTED, ELSEWHERE = 0, 1, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs and runs of this module lie."""
    return tmp_path_factory.mktemp("xm")


def run_modes(folder, target: int, preset: str = CLOSED) -> tuple[Program, Seen]:
    """The program that goes in and out once, in one of its variants."""
    name = f"modes{target}"
    defines = (f"TARGET={target}",)
    program = compile_sealed(name, ["modes.S"], folder, "modes.toml", defines=defines, in_the_open=preset == OPEN)
    seen = observe(preset, [Job(name, program)], folder)[name]
    assert seen.status == 0, seen.reason
    return program, seen


@pytest.fixture(scope="module")
def variants(folder) -> dict[int, tuple[Program, Seen]]:
    """All three variants, with the cipher."""
    return {target: run_modes(folder, target) for target in (GIVEN, OMITTED, ELSEWHERE)}


def way(program: Program, seen: Seen) -> list[int]:
    """The digits that the places on the way left, and what encrypted code left."""
    return seen.words(program.symbols()["result"], 2)


def after(records: np.ndarray, instruction: str) -> np.ndarray:
    """The record behind the only one of a custom instruction."""
    match, mask = CUSTOM[instruction].match, CUSTOM[instruction].mask
    places = np.nonzero(records["raw"] & mask == match)[0]
    assert len(places) == 1
    return records[places[0] + 1 : places[0] + 2]


@pytest.mark.requirement("XM-01")
def test_stack_of_an_encrypted_function_is_ciphertext_in_memory(folder):
    """While a function's locals are alive and out of the cache, memory holds their encryption; it then reads them back
    right. Control: with the cipher off the same search finds the locals."""
    runs = {preset: run_marker(folder, in_the_open=preset == OPEN) for preset in (CLOSED, OPEN)}
    run, opened = runs[CLOSED], runs[OPEN]
    raw = run.alive["stack"]
    stack = xts(run.data, run.stack, raw, decrypt=True)
    locals_there = LOCAL_MARKER * (LOCAL_BYTES // len(LOCAL_MARKER))
    place = stack.find(locals_there)
    assert place >= 0 and (run.stack + place) % 64 == 0, "the locals had not been evicted"
    hits = found_in(raw, LOCAL_MARKER)
    # And the fetches: what ran is the linked code, what stood in memory for it is not.
    linked = read_elf(str(run.program.linked))
    for record in run.seen.executed(1, encrypted=True)[:200]:
        size = 4 if record["raw"] & 3 == 3 else 2
        assert linked.read(int(record["pc"]), size) == int(record["raw"]).to_bytes(4, "little")[:size]
    code = region(run.program, "code")
    assert run.seen.chip(code["start"], code["bytes"]) == xts(code, code["start"], run.code())
    evidence(
        "XM-01",
        {"locals in memory": 0, "decrypted": locals_there.decode(), "read back": "wrong words: 0"},
        {
            "locals in memory": hits,
            "decrypted": stack[place : place + LOCAL_BYTES].decode(),
            "read back": run.seen.uart.splitlines()[-1],
        },
        control(locals_there in opened.alive["stack"]),
    )
    assert hits == 0 and run.seen.hits == 0


@pytest.mark.requirement("XM-03")
def test_cryptomode_goes_to_its_target_into_encrypted_code(folder, variants):
    """Code before it stands in memory as it runs; code behind it does not, and decrypts to what runs. Both run. Two
    variants with different targets go to different places. Control: the cipher off, memory shows both."""
    in_memory = {}
    for target, label in ((GIVEN, "landing"), (ELSEWHERE, "landing_far")):
        program, seen = variants[target]
        records = seen.executed(1)
        landed = after(records, "cryptomode")
        assert landed["pc"][0] == program.symbols()[label]
        encrypted = trace.info(records, "encrypted") == 1
        place = np.nonzero(records["pc"] == program.symbols()["enter"])[0][0]
        assert not encrypted[: place + 1].any() and encrypted[place + 1]
        before, inside = records[: place + 1], records[encrypted]
        code = region(program, "code")
        in_memory[label] = [sum(shown(seen, part)) for part in (before, inside)]
        assert len(inside) >= 6 and in_memory[label] == [len(before), 0]
        plain = xts(code, code["start"], seen.chip(code["start"], code["bytes"]), decrypt=True)
        assert all(plain[r["pc"] - code["start"] :][:4] == int(r["raw"]).to_bytes(4, "little") for r in inside), (
            "what ran is not what decrypts"
        )
        assert seen.hits == 0
    assert way(*variants[GIVEN]) == [0x124, 0x0EC12345] and way(*variants[ELSEWHERE]) == [0x135, 0x0EC12345]
    _, opened = run_modes(folder, GIVEN, OPEN)
    evidence(
        "XM-03",
        {"after, as it runs, in memory": [0, 0], "way": [[0x124, 0x0EC12345], [0x135, 0x0EC12345]]},
        {
            "after, as it runs, in memory": [after_it for _, after_it in in_memory.values()],
            "way": [way(*variants[target]) for target in (GIVEN, ELSEWHERE)],
        },
        control(all(shown(opened, opened.executed(1, encrypted=True))) and opened.hits > 0),
    )


def shown(seen: Seen, records: np.ndarray) -> list[bool]:
    """Of each instruction: does it stand in memory as it ran?"""
    return [seen.chip(int(r["pc"]), 4) == int(r["raw"]).to_bytes(4, "little") for r in records]


@pytest.mark.requirement("XM-04")
def test_retmode_returns_to_plain_code_at_the_address_given(variants):
    """Two variants that differ in the address come out at two places, in plain mode, and go on there. Each is the
    control of the other: the place follows the register."""
    came_out = {}
    for target, label in ((GIVEN, "return_place"), (ELSEWHERE, "after_far")):
        program, seen = variants[target]
        back = after(seen.executed(1), "retmode")
        assert trace.info(back, "encrypted")[0] == 0 and back["pc"][0] == program.symbols()[label]
        rest = seen.executed(1)[np.nonzero(seen.executed(1)["pc"] == back["pc"][0])[0][0] :]
        assert len(rest) >= 5 and not trace.info(rest, "encrypted").any() and all(shown(seen, rest))
        came_out[target] = way(program, seen)[0] & 15
    evidence(
        "XM-04", {"returned to": [4, 5]}, {"returned to": list(came_out.values())}, control(came_out[0] != came_out[2])
    )
    assert came_out == {GIVEN: 4, ELSEWHERE: 5}


def told(records: np.ndarray) -> list[tuple]:
    """What a trace tells of each instruction, but for time and its word."""
    names = ("rd", "rd_write", "context", "encrypted", "level")
    values = np.where(trace.info(records, "rd_write") == 1, records["value"], 0)
    columns = [records["pc"].tolist(), values.tolist()] + [trace.info(records, n).tolist() for n in names]
    return list(zip(*columns, strict=True))


@pytest.mark.requirement("XM-05")
def test_omitted_targets_give_the_same_trace(variants):
    """``cryptomode`` and ``retmode`` without target against both with the address of the instruction that follows:
    every instruction, address, register and mode is the same. Control: with other targets the traces differ."""
    (one, given), (two, omitted), (_, elsewhere) = (variants[t] for t in (GIVEN, OMITTED, ELSEWHERE))
    assert one.symbols()["landing"] == two.symbols()["landing"]
    a, b = given.executed(1), omitted.executed(1)
    same = len(a) == len(b) and told(a) == told(b)
    differing = [pc for pc, x, y in zip(a["pc"].tolist(), a["raw"], b["raw"], strict=True) if x != y]
    assert differing == [one.symbols()["enter"], one.symbols()["last"]]
    switches = b["raw"][np.isin(b["pc"], differing)].tolist()
    assert switches == [CUSTOM["cryptomode"].encode(), CUSTOM["retmode"].encode()]
    assert way(one, given) == way(two, omitted)
    evidence(
        "XM-05",
        "the same trace",
        "the same trace" if same else "differs",
        control(told(a) != told(elsewhere.executed(1))),
    )
    assert same
