"""CoreMark, from a copy that the user has: ``make bench COREMARK=FOLDER``.

EEMBC's files are not part of this repository. They are taken as they are; the porting layer is ours
(``firmware/bench/coremark``) and is what their documentation asks for. A run counts only when CoreMark itself has found
all its checksums right and the run valid.
"""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hakone.soc.config import PRESETS
from hakone_sim.run import Result, simulate

from .compiler import Options, compile_program
from .errors import ToolError
from .paths import FIRMWARE
from .programs import build_sealed

PORT = FIRMWARE / "bench" / "coremark"
FILES = ("core_list_join.c", "core_main.c", "core_matrix.c", "core_state.c", "core_util.c", "coremark.h")
SUMS = "coremark.md5"
LATENCY_CYCLES = 10
VALIDATED = "Correct operation validated"


@dataclass(frozen=True)
class Score:
    """A valid run: its iterations, the cycles they took, and everything else about it."""

    iterations: int
    cycles: int
    result: Result

    @property
    def per_mhz(self) -> float:
        """Iterations for each million cycles."""
        return self.iterations / (self.cycles / 1e6)


def find(folder: Path) -> dict[str, Path]:
    """CoreMark's own files by name, wherever they lie below ``folder``; of several the least deep. Raises ``ToolError``
    when there is no such folder, or files are missing.
    """
    if not folder.is_dir():
        raise ToolError(f"COREMARK={folder}", "no such folder", "name the folder of a copy of EEMBC's CoreMark")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("core*"), key=lambda p: (len(p.parts), p)):
        if path.name in FILES and path.is_file():
            found.setdefault(path.name, path)
    missing = [name for name in FILES if name not in found]
    if missing:
        problem = f"{', '.join(missing)} not found there or below"
        raise ToolError(f"COREMARK={folder}", problem, "name the folder of a whole copy of EEMBC's CoreMark")
    return found


def changed(files: dict[str, Path]) -> list[str] | None:
    """Names of the files that are not what the copy's own list of checksums says; None when it has no list."""
    sums = files["core_main.c"].with_name(SUMS)
    if not sums.is_file():
        return None
    listed = {name: digest for digest, name in re.findall(r"^([0-9a-f]{32})\s+\*?(\S+)$", sums.read_text(), re.M)}
    return [n for n, p in files.items() if listed.get(n) != hashlib.md5(p.read_bytes()).hexdigest()]


def gather(folder: Path, work: Path) -> tuple[list[Path], Options]:
    """Sources and options for the compiler. The files are copied: a port in the user's copy is not in the way."""
    place = work / "coremark"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, path in find(folder).items():
        shutil.copyfile(path, place / name)
    sources = [place / name for name in FILES if name.endswith(".c")] + [PORT / "core_portme.c"]
    return sources, Options(optimise="3", includes=(str(place), str(PORT)))


def read_score(result: Result) -> Score:
    """What CoreMark said. Raises ``RuntimeError`` with its own words when it does not call the run valid."""
    text = result.uart.decode(errors="replace")
    numbers = [re.search(rf"^{label} *: (\d+)$", text, re.MULTILINE) for label in ("Iterations", "Total ticks")]
    if result.status or VALIDATED not in text or not all(numbers):
        said = [line for line in text.splitlines() if re.search("ERROR|Errors|Cannot", line)] or text.splitlines()[-3:]
        told = "; ".join(said) or "nothing"
        raise RuntimeError(f"coremark: status {result.status} ({result.reason} {result.detail}); it says: {told}")
    iterations, cycles = (int(n[1]) for n in numbers if n)
    return Score(iterations, cycles, result)


def run_plain(folder: Path, work: Path) -> Score:
    """Compile with ``hakone cc -O3`` and run in plain memory on the preset ``default``, memory at ten cycles."""
    sources, options = gather(folder, work)
    elf = work / "coremark.elf"
    compile_program([str(s) for s in sources], str(elf), options)
    return read_score(simulate(PRESETS["default"], elf, latency=LATENCY_CYCLES, max_cycles=None))


def run_sealed(folder: Path, work: Path) -> Score:
    """The same, encrypted. Raises ``RuntimeError`` too when the bus snooper saw plaintext."""
    sources, options = gather(folder, work)
    program = build_sealed("coremark", sources, work, seed=1, options=options)
    given: dict[str, Any] = {"fuses": program.fuses, "plaintexts": program.plaintexts}
    return read_score(simulate(PRESETS["default"], program.elf, latency=LATENCY_CYCLES, max_cycles=None, **given))
