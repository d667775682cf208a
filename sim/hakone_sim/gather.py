"""``make requirements`` and ``make attacks``: joins the tests' markers and results (JUnit) with their evidence.

Known identifiers are those of ``docs/requirements.md`` (``- **PX-01** ...``) and ``docs/attacks.md`` (``| 1 | attack
| expected |``). A test names what it proves by a marker, which ``tests/conftest.py`` writes into the report as a
property. A marker without evidence, evidence that differs from what is expected, a void control, a failed or skipped
test, an unknown identifier, and no test at all are failures. Nothing is kept by hand.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .evidence import SUCCEEDED, VOID

ROOT = Path(__file__).resolve().parents[2]
#: What an attack may end in.
OUTCOMES = ("FAULT", "TRAP", "KILL", "REFUSE", "OPAQUE", "HOLD", "THROTTLE", "DECLARED")


@dataclass
class Case:
    """One test case of a report."""

    test: str
    passed: bool
    requirements: list[str] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)


def known_requirements(text: str) -> dict[str, str]:
    """Identifiers with the words behind them, from lines ``- **PX-01** [source] text``."""
    return {m[1]: m[2].strip() for m in re.finditer(r"^- \*\*([A-Z][A-Z0-9]-\w{1,2})\*\*(.*)$", text, re.MULTILINE)}


def known_attacks(text: str) -> dict[str, str]:
    """Numbers with the attack and its expected result, from rows ``| 1 | attack | expected |``."""
    return {m[1]: m[2].strip() for m in re.finditer(r"^\| *(\d+) *\|(.*)\|\s*$", text, re.MULTILINE)}


def read_cases(folder: Path) -> list[Case]:
    """Every test case of every JUnit report in ``folder``."""
    cases = []
    for path in sorted(folder.glob("*.xml")):
        for node in ElementTree.parse(path).iter("testcase"):
            properties = [(p.get("name"), p.get("value", "")) for p in node.iter("property")]
            named = dict(properties).get("test") or f"{node.get('classname')}::{node.get('name')}"
            bad = any(node.find(kind) is not None for kind in ("failure", "error", "skipped"))
            values = {kind: [v for n, v in properties if n == kind] for kind in ("requirement", "attack")}
            cases.append(Case(named, not bad, values["requirement"], values["attack"]))
    return cases


def read_evidence(path: Path) -> list[dict[str, Any]]:
    """Every line of the evidence file; an absent file is no evidence."""
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def judge(case: Case, identifier: str, rows: list[dict[str, Any]], attack: bool) -> list[str]:
    """What is wrong with one marker of one test, in words; empty when it is proved."""
    if not case.passed:
        return [f"{identifier}: {case.test} did not pass"]
    own = [r for r in rows if r["id"] == identifier and r["test"] == case.test]
    if not own:
        return [f"{identifier}: {case.test} is marked but gave no evidence"]
    problems = []
    for r in own:
        if r["expected"] != r["got"]:
            problems.append(f"{identifier}: {case.test} expected {r['expected']!r} and got {r['got']!r}")
        if r["control"] == VOID or (attack and r["control"] != SUCCEEDED and r["expected"] != "DECLARED"):
            problems.append(f"{identifier}: {case.test}: the control run is void, so the test proves nothing")
        if attack and r["expected"] not in OUTCOMES:
            problems.append(f"{identifier}: {case.test}: {r['expected']!r} is not an outcome of an attack")
    return problems


def gather(
    cases: list[Case], rows: list[dict[str, Any]], known: dict[str, str], attack: bool
) -> tuple[dict, list[str]]:
    """The result file's content and everything that is wrong."""
    problems: list[str] = []
    marked: dict[str, list[Case]] = {}
    for case in cases:
        for identifier in case.attacks if attack else case.requirements:
            marked.setdefault(identifier, []).append(case)
    problems += [f"{i}: no such {'attack' if attack else 'requirement'}" for i in marked if i not in known]
    shaped = [r for r in rows if r["id"].isdigit() == attack]
    for r in shaped:
        if not any(r["test"] == c.test for c in marked.get(r["id"], [])):
            problems.append(f"{r['id']}: evidence from {r['test'] or 'no test'}, which is not marked with it")
    if not marked:
        problems.append("no test is marked: nothing was proved")
    out: dict[str, Any] = {}
    for identifier in known:
        found = [p for case in marked.get(identifier, []) for p in judge(case, identifier, rows, attack)]
        problems += found
        tests = sorted(c.test for c in marked.get(identifier, []))
        if not attack:
            out[identifier] = {"tests": tests, "status": "fail" if found else "pass" if tests else "untested"}
        elif tests:
            own = [r for r in rows if r["id"] == identifier and r["test"] in tests]
            # The worst row speaks for the attack.
            own.sort(key=lambda r: (r["expected"] == r["got"], r["control"] == SUCCEEDED))
            row = own[0] if own else {"expected": None, "got": None, "control": VOID, "test": tests[0]}
            control = row["control"] if row["control"] == SUCCEEDED else VOID
            out[identifier] = {k: row[k] for k in ("expected", "got")} | {"control": control, "test": row["test"]}
    return out, problems


def _table(result: dict, known: dict[str, str], attack: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Attacks carried out" if attack else "Requirements with tests")
    for name in ("", "result", "tests"):
        table.add_column(name)
    for identifier, row in result.items():
        if attack:
            table.add_row(identifier, f"{row['got']} (control {row['control']})", row["test"])
        elif row["tests"]:
            table.add_row(identifier, row["status"], "\n".join(row["tests"]))
    console = Console()
    console.print(table)
    done = sum(1 for row in result.values() if attack or row["status"] == "pass")
    console.print(f"{done} of {len(known)}", highlight=False)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Gather ``requirements`` or ``attacks``, write the file in ``build``, print a table. 1 if anything is wrong."""
    if arguments not in (["requirements"], ["attacks"]):
        print("usage: gather requirements|attacks", file=sys.stderr)
        return 2
    what = arguments[0]
    attack = what == "attacks"
    text = (root / "docs" / f"{what}.md").read_text()
    known = known_attacks(text) if attack else known_requirements(text)
    reports = root / "build" / "test"
    cases = read_cases(reports) if reports.is_dir() else []
    rows = read_evidence(reports / "evidence.jsonl")
    result, problems = gather(cases, rows, known, attack)
    if not cases:
        problems.insert(0, "no test has run; run `make test` first")
    (root / "build").mkdir(exist_ok=True)
    (root / "build" / f"{what}.json").write_text(json.dumps(result, indent=1) + "\n")
    _table(result, known, attack)
    for problem in problems:
        print(f"{what}: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
