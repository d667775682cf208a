"""Evidence and its gatherer: complete evidence passes, and each way of lacking it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hakone_sim import gather
from hakone_sim.evidence import evidence
from hakone_sim.gather import Case

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"PX-01": "", "PX-02": ""}
ATTACKS = {"1": "", "2": ""}


def row(identifier="PX-01", test="t::a", expected=1, got=1, control=None) -> dict:
    return {"id": identifier, "test": test, "expected": expected, "got": got, "control": control}


def test_complete_evidence_passes():
    result, problems = gather.gather([Case("t::a", True, ["PX-01"])], [row()], KNOWN, False)
    assert problems == []
    assert result["PX-01"] == {"tests": ["t::a"], "status": "pass"}
    assert result["PX-02"] == {"tests": [], "status": "untested"}


@pytest.mark.parametrize(
    "cases, rows, words",
    [
        ([], [], "nothing was proved"),
        ([Case("t::a", True, ["PX-01"])], [], "no evidence"),
        ([Case("t::a", True, ["PX-01"])], [row(test="t::b")], "no evidence"),
        ([Case("t::a", True, ["PX-01"])], [row(got=2)], "expected 1 and got 2"),
        ([Case("t::a", True, ["PX-01"])], [row(control="void")], "control run is void"),
        ([Case("t::a", False, ["PX-01"])], [row()], "did not pass"),
        ([Case("t::a", True, ["PX-99"])], [row("PX-99")], "no such requirement"),
        ([Case("t::a", True, ["PX-01"]), Case("t::b", True)], [row(), row(test="t::b")], "not marked"),
    ],
)
def test_lacking_evidence_fails(cases, rows, words):
    result, problems = gather.gather(cases, rows, KNOWN, False)
    assert any(words in p for p in problems), problems


@pytest.mark.parametrize(
    "control, expected, fails",
    [("succeeded", "OPAQUE", False), ("void", "OPAQUE", True), (None, "OPAQUE", True), ("succeeded", "GOOD", True)],
)
def test_attack_needs_a_control_that_succeeded_and_a_known_outcome(control, expected, fails):
    rows = [row("1", expected=expected, got=expected, control=control)]
    result, problems = gather.gather([Case("t::a", True, [], ["1"])], rows, ATTACKS, True)
    assert bool(problems) == fails
    assert result["1"]["control"] == ("succeeded" if control == "succeeded" else "void")
    assert "2" not in result


def test_lists_of_the_project_are_read():
    requirements = gather.known_requirements((ROOT / "docs" / "requirements.md").read_text())
    attacks = gather.known_attacks((ROOT / "docs" / "attacks.md").read_text())
    assert {"PX-01", "XM-05", "AR-12"} <= set(requirements)
    assert set(attacks) == {str(n) for n in range(1, 194)}


def test_evidence_is_appended_with_the_test(tmp_path, monkeypatch):
    monkeypatch.setenv("HAKONE_EVIDENCE", str(tmp_path / "e"))
    evidence("PX-01", 1, 1)
    evidence(3, "FAULT", "FAULT", "succeeded")
    rows = gather.read_evidence(tmp_path / "e")
    assert [r["id"] for r in rows] == ["PX-01", "3"]
    assert rows[0]["test"].endswith("test_evidence.py::test_evidence_is_appended_with_the_test")


@pytest.mark.long
def test_markers_reach_the_gatherer_through_a_report(tmp_path):
    """A run of pytest with the project's conftest, from the marker to the file."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    body = "import pytest\nfrom hakone_sim.evidence import evidence\n"
    body += "@pytest.mark.requirement('PX-01')\n@pytest.mark.attack(1)\ndef test_a():\n"
    body += "    evidence('PX-01', 5, 5)\n    evidence(1, 'OPAQUE', 'OPAQUE', 'succeeded')\n"
    (tests / "test_x.py").write_text(body)
    (tmp_path / "docs").mkdir()
    for name in ("requirements", "attacks"):
        (tmp_path / "docs" / f"{name}.md").write_text((ROOT / "docs" / f"{name}.md").read_text())
    reports = tmp_path / "build" / "test"
    reports.mkdir(parents=True)
    config = tmp_path / "pytest.ini"
    config.write_text("[pytest]\njunit_family = xunit1\nmarkers =\n  requirement(id): x\n  attack(number): x\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(config), "-n", "2", f"--junitxml={reports / 'unit.xml'}"]
    env = {"PYTHONPATH": f"{ROOT / 'hw'}:{ROOT / 'sim'}", "HAKONE_EVIDENCE": str(reports / "evidence.jsonl")}
    import os

    subprocess.run([*command, str(tests)], cwd=tmp_path, env={**os.environ, **env}, check=True)
    assert gather.main(["requirements"], tmp_path) == 0
    assert gather.main(["attacks"], tmp_path) == 0
    found = json.loads((tmp_path / "build" / "attacks.json").read_text())
    assert found == {
        "1": {"expected": "OPAQUE", "got": "OPAQUE", "control": "succeeded", "test": "tests/test_x.py::test_a"}
    }
    assert json.loads((tmp_path / "build" / "requirements.json").read_text())["PX-01"]["status"] == "pass"
    (reports / "evidence.jsonl").unlink()
    assert gather.main(["requirements"], tmp_path) == 1
