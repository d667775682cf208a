"""``make lint``: ruff (rules and format), mypy, and the house rules. Exit status 1 when any finds something."""

import subprocess
import sys
from pathlib import Path

from . import house_rules

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run every checker, print what it finds, return the exit status."""
    status = 0
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        print("$", " ".join(command), flush=True)
        status |= subprocess.run([sys.executable, "-m", *command], cwd=ROOT).returncode != 0
    findings = house_rules.check_all(ROOT)
    print("\n".join(findings) if findings else "house rules: nothing found")
    return int(status or bool(findings))


if __name__ == "__main__":
    sys.exit(main())
