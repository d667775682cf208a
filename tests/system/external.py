"""Runs every program of a folder of yours and says which pass: ``make test-external DIR=folder``.

A program is an ELF file for the machine that ends through ``tohost`` (1 is a pass, ``n << 1 | 1`` failure n) or
through the finisher. That is what the usual self-checking RISC-V programs do (rv32ui, um, ua, uc, mi, linked at
0x8000_0000). Programs whose name contains a word of ``EXPECTED_FAILURES`` are run too; that they fail is expected, and
the reason is printed. The report also goes to ``build/test/external.xml``.
"""

import argparse
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("hw", "sim", "tools") if str(ROOT / part) not in sys.path]

from hakone.soc.config import PRESETS  # noqa: E402
from hakone_sim import builder  # noqa: E402
from hakone_sim.errors import InputError  # noqa: E402
from hakone_sim.program import load  # noqa: E402
from hakone_sim.run import simulate  # noqa: E402

#: Programs that a machine like this one cannot pass, by the last part of their name; see docs/reference/compliance.md.
EXPECTED_FAILURES = {
    "ma_addr": "it demands that misaligned loads and stores trap; they are done in hardware",
    "pmpaddr": "it demands physical memory protection; its registers read 0",
}


@dataclass(frozen=True)
class Verdict:
    """How one program did: ``passed``; ``expected`` is the reason when its failure was expected, else empty."""

    path: Path
    passed: bool
    text: str
    seconds: float
    expected: str = ""

    @property
    def good(self) -> bool:
        """Passed, or failed as expected."""
        return self.passed or bool(self.expected)


def programs(folder: Path) -> list[Path]:
    """Every ELF file in ``folder`` and below, in order of name."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(path)
    return found


def run_one(path: Path, **watch) -> Verdict:
    """Run one program; ``watch`` are fields of ``hakone_sim.run.Watch``."""
    config = PRESETS["default"]
    name = path.stem.rsplit("-", 1)[-1]
    start = time.monotonic()
    try:
        result = simulate(config, load(path, config.ram_bytes), **{"max_cycles": 5_000_000, **watch})
        passed = result.status == 0
        text = "pass" if passed else f"{result.reason}{': ' if result.detail else ''}{result.detail}"
    except InputError as problem:
        passed, text = False, str(problem)
    expected = EXPECTED_FAILURES.get(name, "") if not passed else ""
    return Verdict(path, passed, text, time.monotonic() - start, expected)


def write_report(verdicts: Iterable[Verdict], target: Path) -> None:
    """A JUnit file with one case for each program."""
    suite = ET.Element("testsuite", name="external")
    for v in verdicts:
        case = ET.SubElement(suite, "testcase", classname="external", name=v.path.name, time=f"{v.seconds:.2f}")
        if not v.good:
            ET.SubElement(case, "failure", message=v.text)
        elif not v.passed:
            ET.SubElement(case, "skipped", message=f"{v.text}; expected: {v.expected}")
    target.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(suite).write(target)


def main(arguments: list[str] | None = None) -> int:
    """0 when every program passed or failed as expected, 1 when one failed, 2 for a folder without programs."""
    parser = argparse.ArgumentParser(prog="external", description="Run every ELF program of a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--wait-seed", type=int, default=0, help="random wait states of the memory")
    options = parser.parse_args(arguments)
    found = programs(options.folder) if str(options.folder) not in ("", ".") and options.folder.is_dir() else []
    if not found:
        print(f"external: {options.folder}: no ELF files there; name a folder with DIR=", file=sys.stderr)
        return 2
    builder.model(PRESETS["default"])
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda path: run_one(path, wait_seed=options.wait_seed), found))
    for v in verdicts:
        note = f"  (expected: {v.expected})" if v.expected else ""
        note = f"  (expected: {v.expected})" if v.expected else ""
        name = v.path.relative_to(options.folder)
        print(f"pass  {name}" if v.passed else f"FAIL  {name}  {v.text}{note}")
    write_report(verdicts, ROOT / "build" / "test" / "external.xml")
    bad = [v for v in verdicts if not v.good]
    print(f"{sum(v.passed for v in verdicts)} passed, {len(verdicts) - len(bad)} as they must, of {len(verdicts)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
