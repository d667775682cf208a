"""Attacks on what lies outside the chip: the memory bus and the memory itself.

The attacker has everything that crossed the bus, or the memory chip at a moment of their choice, and searches it for
what they know the program holds: two markers of 16 bytes, at any offset. The control is the same attack on the same
program, keys and seed with the cipher off.
"""

import pytest
from protected_runs import Markers, run_marker

from hakone_sim.evidence import SUCCEEDED, VOID, evidence


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Markers, Markers]:
    """The program with the cipher, and the control."""
    folder = tmp_path_factory.mktemp("bus")
    return run_marker(folder), run_marker(folder, in_the_open=True)


def judge(attack: int, found: int, found_in_control: int) -> None:
    """Record the outcome; a control in which nothing was found makes the attack void and fails."""
    works = found_in_control > 0
    got = "OPAQUE" if found == 0 else "plaintext"
    evidence(attack, "OPAQUE", got, SUCCEEDED if works else VOID)
    assert works, "the control run found nothing: the attack is void"
    assert got == "OPAQUE"


@pytest.mark.attack(1)
def test_snooping_the_memory_bus_finds_no_marker(runs):
    """Every beat of the run, by the snooper in the order of beats and of addresses, and every line as last seen."""
    for run in runs:
        counts = run.seen.snooper
        assert counts["windows_searched"] > 50_000 and counts["bus_bytes"] > 50_000
        # The attacker saw the vault's lines at all.
        assert all(run.vault + n in run.seen.bus for n in range(0, 16384, 64))
    closed, opened = (run.seen.snooper["bus_plaintext_hits"] + run.search(run.bus()) for run in runs)
    judge(1, closed, opened)


@pytest.mark.attack(2)
def test_cold_boot_dump_finds_no_marker(runs):
    """The chip as it stands while the program works on its data, and as it is left when the machine has stopped."""
    during = [sum(run.search(part) for part in run.alive.values()) for run in runs]
    left = [run.search(run.seen.memory) for run in runs]
    assert all(left[1:]) and all(during[1:]), "the control run found nothing: the attack is void"
    judge(2, during[0] + left[0] + runs[0].seen.snooper["ram_plaintext_hits"], min(during[1], left[1]))
