"""``make test`` and ``make unit``: runs the tiers in order of their time to fail, with reports under ``build/test/``.

Evidence of requirements and attacks is gathered into one file that the tests append to (``$HAKONE_EVIDENCE``); after
a whole run it is joined with the JUnit reports, and a marker without evidence fails the run. Tests of units that take
long are marked so and belong to the second tier: the first one is for a developer who waits.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "build" / "test"
UNITS = ["tests/tools", "tests/unit", "tests/models"]
#: Folders and pytest's marker expression, by tier.
TIERS = {
    "unit": (UNITS, "not long"),
    "long": (UNITS, "long"),
    "system": (["tests/system", "tests/attacks", "tests/consumer"], ""),
}
RUNS = {"unit": ["unit"], "all": ["unit", "long", "system"]}


def run_tier(name: str, workers: int) -> int:
    """Run one tier with pytest; its JUnit report is ``build/test/<name>.xml``. Returns pytest's status."""
    paths, markers = TIERS[name]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--junitxml={REPORTS / name}.xml",
        "-n",
        str(workers),
        "--dist",
        "worksteal",
        *(("-m", markers) if markers else ()),
        *paths,
    ]
    print(f"== {name}: {' '.join(paths)}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode


def main(arguments: list[str]) -> int:
    """Run ``unit`` or ``all``; 0 when every tier passed and, for ``all``, the evidence is complete."""
    if len(arguments) != 1 or arguments[0] not in RUNS:
        print(f"usage: regression {'|'.join(RUNS)}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    for old in (*REPORTS.glob("*.xml"), REPORTS / "evidence.jsonl"):
        old.unlink(missing_ok=True)
    os.environ["HAKONE_EVIDENCE"] = str(REPORTS / "evidence.jsonl")
    start = time.monotonic()
    status = 0
    for tier in RUNS[arguments[0]]:
        status = run_tier(tier, workers=2)
        if status:
            break
    if status == 0 and arguments[0] == "all":
        for what in ("requirements", "attacks"):
            status = status or subprocess.run([sys.executable, "-m", "hakone_sim.gather", what], cwd=ROOT).returncode
    print(f"== {arguments[0]}: {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - start:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
