"""``make campaign NAME= N= SEED=``: long counts that can be interrupted and go on where they stopped.

A campaign is a function from a seed to the number of things that this seed checked; it raises when one is wrong. Seeds
are counted up from SEED until N things are checked. Progress lies in ``build/campaign/<name>-<seed>-<commit>.json``
after every seed; the result, good or bad, is appended to ``docs/campaigns.jsonl`` with commit, seed, count and time. A
run of a tree with changes that are not committed says so.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import builder
from .coverage import Coverage
from .lockstep import LockstepError, run_random
from .models.mismatch import MismatchError

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "campaigns.jsonl"
STATES = ROOT / "build" / "campaign"


@dataclass
class Campaign:
    """What is counted (``unit``), the usual count, and the function that runs one seed. ``notes`` gathers what is
    worth telling."""

    unit: str
    count: int
    run: Callable[[int, dict], int]


def _lockstep(seed: int, notes: dict) -> int:
    """One random program in lockstep; ``notes`` keeps the coverage of the whole campaign."""
    outcome = run_random(seed)
    coverage = Coverage.from_json(notes["_coverage"]) if "_coverage" in notes else Coverage()
    coverage.merge(outcome.coverage)
    notes["_coverage"] = coverage.to_json()
    notes["coverage"] = coverage.summary()
    notes["missing"] = coverage.missing()[:20]
    return outcome.instructions


def _lines(seed: int, _notes: dict) -> int:
    """Lines through the line cipher to and from an independent memory, judged by an independent cipher."""
    from . import line_bench

    with tempfile.TemporaryDirectory() as folder:
        try:
            return line_bench.judge(Path(folder), seed)[1]["lines"]
        except AssertionError as error:
            raise MismatchError(str(error)) from error


def _contexts(seed: int, notes: dict) -> int:
    """A part of the sequences that cover the model of contexts, in the core; the bench is the unit tests'."""
    if (folder := str(ROOT / "tests" / "unit")) not in sys.path:
        sys.path.insert(0, folder)
    import context_bench

    from .models.context_cover import cover

    sequences, pairs = cover()
    notes["sequences"], notes["pairs"] = len(sequences), pairs
    rng = random.Random(seed)
    own = sequences[seed % _PARTS :: _PARTS]
    try:
        for start, moves in own:
            context_bench.run_sequence(start, moves, rng, gap=rng.choice((0, 0.3)), busy=0.3)
    except context_bench.MismatchError as error:
        raise MismatchError(str(error)) from error
    return sum(len(moves) for _, moves in own)


#: What runs on the netlist as it is, by itself in a campaign.
_NETLIST_MODULES = (
    *("attacks/test_other_programs.py", "attacks/test_bus.py", "attacks/test_bus_and_memory.py"),
    *("system/test_protection_rules.py", "system/test_closed_memory.py", "system/test_closed_library.py"),
    *("system/test_closed_memory_hostile.py", "system/test_closed_memory_processes.py"),
    *("system/test_requirements_ar.py", "system/test_requirements_px.py", "system/test_requirements_xm.py"),
    *("system/test_automatic_mode.py", "system/test_segments.py", "system/test_monitor.py"),
    *("system/test_isa_programs.py", "system/test_os.py"),
)


def _netlist(seed: int, notes: dict) -> int:
    """A module of tests with the default preset's synthesised netlist in the place of its source; controls, which have
    a check open, stay on the source."""
    if (folder := str(ROOT / "tests" / "system")) not in sys.path:
        sys.path.insert(0, folder)
    import netlist_runs

    name = _NETLIST_MODULES[(seed - 1) % len(_NETLIST_MODULES)]
    report = STATES / "netlist.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", f"tests/{name}"]
    kept = {key: value for key, value in os.environ.items() if key != "HAKONE_EVIDENCE"}
    environment = {**kept, builder.REPLACEMENT: str(netlist_runs.model())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [c.get("name") for c in cases if c.find("failure") is not None or c.find("error") is not None]
    if done.returncode or failed or not cases:
        raise MismatchError(f"{name} on the netlist: {', '.join(map(str, failed))}\n{done.stdout[-4000:]}")
    notes.setdefault("tests", {})[name] = len(cases)
    return 1


_PARTS = 64  #: seeds in which ``_contexts`` has gone through all sequences
CAMPAIGNS = {
    "contexts": Campaign("moves", 9_500, _contexts),
    "lockstep": Campaign("instructions", 1_000_000, _lockstep),
    "netlist": Campaign("test modules", len(_NETLIST_MODULES), _netlist),
    "lines": Campaign("lines", 100_000, _lines),
}


def commit() -> str:
    """The commit of the tree, with ``+`` when something that is under version control was changed."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True)
    return (head.stdout.strip() or "unknown") + ("+" if dirty.stdout.strip() else "")


def _visible(notes: dict) -> dict:
    return {name: value for name, value in notes.items() if not name.startswith("_")}


def run_campaign(name: str, count: int | None = None, seed: int = 1) -> bool:
    """Run or resume a campaign and record it. Returns whether everything was right. Raises ``KeyError`` for an unknown
    name."""
    campaign = CAMPAIGNS[name]
    goal = count or campaign.count
    version = commit()
    state_path = STATES / f"{name}-{seed}-{version}.json"
    state: dict[str, Any] = {"done": 0, "next": seed, "seconds": 0.0, "notes": {}}
    if state_path.exists():
        state = json.loads(state_path.read_text())
        print(f"{name}: going on at seed {state['next']} with {state['done']} {campaign.unit} done")
    STATES.mkdir(parents=True, exist_ok=True)
    notes = state["notes"]  # kept with the state, so that they cover the whole campaign
    problem = ""
    while state["done"] < goal and not problem:
        start = time.monotonic()
        try:
            state["done"] += campaign.run(state["next"], notes)
        except (MismatchError, LockstepError) as error:
            problem = str(error)
            print(problem)
        state["seconds"] += time.monotonic() - start
        if not problem:
            state["next"] += 1
            state_path.write_text(json.dumps(state))
            print(f"\r{name}: {state['done']} of {goal} {campaign.unit}, seed {state['next'] - 1}", end="", flush=True)
    print()
    entry = {
        "campaign": name,
        "commit": version,
        "seed": seed,
        "last_seed": state["next"] - (not problem),
        "unit": campaign.unit,
        "count": state["done"],
        "result": "fail" if problem else "pass",
        "seconds": round(state["seconds"], 1),
        "date": time.strftime("%Y-%m-%d"),
        **_visible(notes),
    }
    if problem:
        entry["problem"] = problem.splitlines()[0]
    RECORD.parent.mkdir(exist_ok=True)
    with RECORD.open("a") as file:
        file.write(json.dumps(entry) + "\n")
    state_path.unlink(missing_ok=True)
    return not problem


def main(arguments: list[str] | None = None) -> int:
    """Command line: 0 when the campaign found nothing, 1 when it did, 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="campaign", description="Run a long count, resume it, record it.")
    parser.add_argument("--name", default="", help=f"one of: {', '.join(CAMPAIGNS)}")
    parser.add_argument("--count", type=int, help="how many things to check")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    options = parser.parse_args(arguments)
    if options.name not in CAMPAIGNS:
        print(
            f"campaign: {options.name or 'NAME'}: no such campaign; there are: {', '.join(CAMPAIGNS)}", file=sys.stderr
        )
        return 2
    return 0 if run_campaign(options.name, options.count, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
