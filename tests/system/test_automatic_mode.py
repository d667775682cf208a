"""Automatic mode on the whole system: ordinary calls and returns carry a program into two keys' code and out again."""

import numpy as np
import pytest
from observation import CLOSED, OPEN, Job, Seen, compile_sealed, control, observe, region, xts

from hakone.isa.cause import Cause, Sub
from hakone.isa.csr import HXCTX_ENCRYPTED, HXCTX_SEALED
from hakone.isa.encoding import CUSTOM
from hakone.soc.config import PRESETS
from hakone_sim import trace
from hakone_sim.evidence import evidence
from hakone_sim.lockstep import compare
from hakone_sim.models.context_model import CodeRegion
from hakone_sim.models.mismatch import MismatchError
from hakone_sim.program import load
from hakone_tools.programs import Program

WAY = 0x1236845
SEALED = 1 | HXCTX_SEALED
NO_LANDING = [Cause.MODE.value, Sub.MODE_NO_LANDING.value, SEALED | HXCTX_ENCRYPTED]
NO_PLAIN_ACCESS = [Cause.REGION.value, Sub.REGION_PLAIN_ACCESS.value, SEALED]


def build(folder, in_the_open: bool = False) -> Program:
    """The program with two automatic regions."""
    return compile_sealed("automatic", ["automatic.S"], folder, "automatic.toml", in_the_open=in_the_open)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Program, dict[str, Seen]]:
    """The program as it is, with a forged return address, and entered in the middle; and without the cipher."""
    folder = tmp_path_factory.mktemp("automatic")
    program = build(folder)
    at = program.symbols()
    jobs = [
        Job("honest", program),
        Job("forged", program, patches={at["forged"]: 4}),
        Job("middle", program, patches={at["entry"]: at["after_landing"]}),
    ]
    seen = observe(CLOSED, jobs, folder)
    opened = observe(OPEN, [Job("open", build(folder, in_the_open=True))], folder)
    for name, run in (seen | opened).items():
        assert run.status == 0, f"{name}: {run.reason}"
    return program, seen | opened


def way(program: Program, seen: Seen) -> list[int]:
    """What the plain code reported: the digits, its stack pointer, s0."""
    return seen.words(program.symbols()["result"], 3)


def why(program: Program, seen: Seen) -> list[int]:
    """Cause, rule and context of the trap that ended the run."""
    return seen.words(program.symbols()["trap_log"], 3)


@pytest.mark.requirement("XM-11")
@pytest.mark.requirement("XM-12")
def test_program_without_mode_instructions_runs_in_the_mode_of_its_regions(runs):
    """Every instruction out of a region ran encrypted, and what ran is what its own key decrypts; no other did."""
    program, seen = runs[0], runs[1]["honest"]
    records = seen.executed(1)
    custom = {int(raw) for raw in records["raw"] if raw & 0x7F == 0x0B}
    assert custom == {CUSTOM["cryptoland"].encode()}
    encrypted = trace.info(records, "encrypted") == 1
    inside = np.zeros(len(records), bool)
    keys = []
    for name in ("code", "code2"):
        place = region(program, name)
        here = (records["pc"] >= place["start"]) & (records["pc"] < place["start"] + place["bytes"])
        inside |= here
        plain = xts(place, place["start"], seen.chip(place["start"], place["bytes"]), decrypt=True)
        for record in records[here]:
            size = 4 if record["raw"] & 3 == 3 else 2  # the linker makes some calls short
            at = record["pc"] - place["start"]
            assert plain[at : at + size] == int(record["raw"]).to_bytes(4, "little")[:size]
        keys.append(place["key"])
        assert here.sum() > 8
    assert (encrypted == inside).all() and keys[0] != keys[1]
    assert way(program, seen)[0] == WAY and seen.hits == 0
    hits = runs[1]["open"].hits
    for requirement in ("XM-11", "XM-12"):
        evidence(requirement, hex(WAY), hex(way(program, seen)[0]), control(hits > 0))


@pytest.mark.requirement("XM-12")
def test_every_register_equals_the_reference(runs):
    """In lockstep with a model that knows the regions by their places and no encryption, up to the fault that ends the
    run. Control: a model that knows one region less disagrees."""
    program, seen = runs[0], runs[1]["honest"]
    regions = [
        CodeRegion(place["start"], place["start"] + place["bytes"], place["key"], 0, True, frozenset({1}))
        for place in (region(program, "code"), region(program, "code2"))
    ]
    records = seen.trace.records
    end = np.nonzero(trace.info(records, "kind") == trace.TRAP)[0][0]
    config = PRESETS[CLOSED]
    plain = load(program.linked, config.ram_bytes)
    instructions = compare(records[:end], plain, config, regions=regions)
    assert instructions > 30
    with pytest.raises(MismatchError):
        compare(records[:end], plain, config, regions=regions[1:])
    evidence("XM-12", "every register equals the reference", "every register equals the reference", control(True))


@pytest.mark.requirement("XM-13")
def test_return_into_plain_code_leaves_key_and_registers_behind(runs):
    program, seen = runs[0], runs[1]["honest"]
    assert way(program, seen) == [WAY, 0x1234, 0]
    assert why(program, seen) == NO_PLAIN_ACCESS
    evidence("XM-13", NO_PLAIN_ACCESS, why(program, seen))


@pytest.mark.requirement("XM-08")
def test_forged_return_address_faults(runs):
    program, seen = runs[0], runs[1]
    assert why(program, seen["forged"]) == NO_LANDING and way(program, seen["forged"]) == [0, 0, 0]
    evidence("XM-08", NO_LANDING, why(program, seen["forged"]), control(way(program, seen["honest"])[0] == WAY))


@pytest.mark.requirement("XM-11")
def test_entry_in_the_middle_faults(runs):
    program, seen = runs[0], runs[1]
    assert why(program, seen["middle"]) == NO_LANDING and way(program, seen["middle"]) == [0, 0, 0]
    evidence("XM-11", NO_LANDING, why(program, seen["middle"]), control(way(program, seen["honest"])[0] == WAY))
