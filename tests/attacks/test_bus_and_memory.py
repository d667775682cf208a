"""Attacks 1 and 2: whoever reads the bus, and whoever takes the memory chip out, finds no plaintext.

Each has its control run: the same program, keys, fuses and search on a chip whose cipher is off.
"""

import json

import pytest

from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.evidence import evidence
from hakone_tools.demo import inputs, runs

WINDOW = 8  #: bytes in a row that count as found, with five or more different values


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> tuple[runs.Run, runs.Run, bytes]:
    """The album with a small picture, encrypted and in the control configuration, and the owner's text."""
    folder = tmp_path_factory.mktemp("album")
    text = inputs.load_text(None)
    source = inputs.write_inputs(folder, inputs.scenery().resize((40, 24)), text)
    sealed, _, opened = runs.build(folder, source)
    for preset in ("default", "sim_open_cipher"):
        builder.model(PRESETS[preset])
    return (
        runs.run(sealed, "default", folder, "encrypted"),
        runs.run(opened, "sim_open_cipher", folder, "control"),
        text,
    )


def _windows(data: bytes) -> set[bytes]:
    return {data[n : n + WINDOW] for n in range(len(data) - WINDOW + 1)}


def _secret_windows(run: runs.Run, text: bytes) -> set[bytes]:
    """Windows of the owner's text that stand in no plain section: " in the " is in the monitor's messages too."""
    assert run.program.plaintexts is not None
    plain = json.loads(run.program.plaintexts.read_text())["plain"]
    known = set().union(*(_windows(bytes.fromhex(row["data"])) for row in plain))
    return {w for w in _windows(text) - known if len(set(w)) >= 5}


def _found(secrets: set[bytes], where: bytes) -> int:
    return sum(where[n : n + WINDOW] in secrets for n in range(len(where) - WINDOW + 1))


def test_both_runs_did_the_same_work(played):
    encrypted, control, _ = played
    assert encrypted.result.uart == control.result.uart and b"album: done" in encrypted.result.uart
    assert encrypted.result.instructions > 50_000
    assert encrypted.result.events["dcache_evict"] > 0


@pytest.mark.attack(1)
@pytest.mark.requirement("PX-03")
def test_bus_carries_no_plaintext(played):
    encrypted, control, text = played
    searched, hits = (encrypted.result.snooper[n] for n in ("windows_searched", "bus_plaintext_hits"))
    control_hits = control.result.snooper["bus_plaintext_hits"]
    secrets = _secret_windows(encrypted, text)
    seen, control_seen = (_found(secrets, b"".join(r.bus.values())) for r in (encrypted, control))
    won = control_hits > 0 and control_seen > 0
    evidence(1, "OPAQUE", "OPAQUE" if hits == seen == 0 else "FOUND", "succeeded" if won else "void")
    evidence("PX-03", 0, hits, "succeeded" if won else "void")
    assert searched > 1000 and hits == 0 and seen == 0
    assert won


@pytest.mark.attack(2)
@pytest.mark.requirement("PX-04")
def test_memory_chip_holds_no_plaintext(played):
    encrypted, control, text = played
    hits, control_hits = (r.result.snooper["ram_plaintext_hits"] for r in (encrypted, control))
    secrets = _secret_windows(encrypted, text)
    found, control_found = (_found(secrets, r.memory) for r in (encrypted, control))
    won = control_hits > 0 and control_found > len(secrets) // 2
    evidence(2, "OPAQUE", "OPAQUE" if hits == found == 0 else "FOUND", "succeeded" if won else "void")
    evidence("PX-04", 0, hits, "succeeded" if won else "void")
    assert len(encrypted.memory) > 100_000 and hits == 0 and found == 0
    assert won


@pytest.mark.requirement("PX-09")
def test_lines_written_back_decrypt_to_what_the_program_made(played):
    """The drawing was made on the heap and evicted with no instruction for it; the owner's key gives it back."""
    encrypted, control, _ = played
    owner = runs.Owner(encrypted)
    ours = runs.drawing_of(encrypted.program, owner.read)
    theirs = runs.drawing_of(control.program, control.chip)
    assert ours == theirs and ours.bytes == 4 * 40 * 24
    drawn = owner.read(ours.address, ours.bytes)
    evidence("PX-09", control.chip(ours.address, ours.bytes).hex(), drawn.hex())
    assert drawn == control.chip(ours.address, ours.bytes) != encrypted.chip(ours.address, ours.bytes)
    assert len(set(drawn)) > 3
