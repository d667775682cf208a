"""The longest paths of a placed design, in words: static timing analysis over the delays that nextpnr writes.

nextpnr reports one critical path for each pair of clocks. For more of them its delay file (SDF 3.0, IEEE 1497) is
read: every cell's delays and set-up times and every wire's delay, from which the latest arrival at every register is
computed, the clock taken as nextpnr takes it (one ideal edge). The longest path found so must agree with nextpnr's own,
or the analysis fails (``check_against``).
"""

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

VERSION = "1"  #: changes with what is computed, so that earlier results are not taken for it
DIFFERENT = 5  #: how many paths are told
TOLERANCE_NS = 0.05
Node = tuple[str, str]  # cell and pin

_TRIPLE = r"\((?:[\d.-]*:[\d.-]*:)?([\d.-]+)\)"
_ARC = re.compile(rf"\(INTERCONNECT (\S+)/(\S+) (\S+)/(\S+) {_TRIPLE} {_TRIPLE}\)")
_IOPATH = re.compile(rf"\(IOPATH (\S+) (\S+) {_TRIPLE} {_TRIPLE}\)")
_SETUP = re.compile(rf"\(SETUPHOLD \(\w+ (\S+)\) \(\w+ (\S+)\) {_TRIPLE} {_TRIPLE}\)")
_CELL = re.compile(r'\(CELLTYPE "(.*)"\)')
_INSTANCE = re.compile(r"\(INSTANCE (\S*?)\s*\)")
#: What synthesis appends to the name of a wire or cell when it names what drives or reads it.
_SUFFIX = re.compile(r"_(?:LUT4|TRELLIS_FF|CCU2C|PFUMX|L6MUX21|TRELLIS_DPR16X4|DP16KD|MULT18X18D|COMB|FF)_.*$")
_BIT = re.compile(r"(?:\[\d+\]|\.\d+\.\d+)$")
LUT_KINDS = ("TRELLIS_COMB",)


@dataclass(frozen=True)
class Part:
    """Consecutive steps of a path in one module: LUT levels, and nanoseconds in cells and on wires leading there."""

    module: str
    levels: int
    logic_ns: float
    routing_ns: float


@dataclass(frozen=True)
class Path:
    """One path: register and signal where it starts and ends, its total, and its parts in order."""

    start: str
    end: str
    total_ns: float
    levels: int
    logic_ns: float
    routing_ns: float
    parts: list[Part]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Path":
        """Back from ``as_dict``."""
        return cls(**{**content, "parts": [Part(**p) for p in content["parts"]]})

    def words(self) -> str:
        """The path in a few lines."""
        head = f"{self.total_ns:.1f} ns, {self.levels} levels of LUTs, from {self.start} to {self.end}"
        lines = [
            f"  {p.module}: {p.levels} levels, logic {p.logic_ns:.1f} ns, routing {p.routing_ns:.1f} ns"
            for p in self.parts
        ]
        return "\n".join([head, *lines])


@dataclass
class Delays:
    """What an SDF file says, in nanoseconds."""

    kinds: dict[str, str]  #: cell: type
    wires: dict[Node, list[tuple[Node, float]]]  #: output pin: input pins
    cells: dict[Node, list[tuple[str, float]]]  #: input pin: output pins of the same cell
    setups: dict[Node, tuple[str, float]]  #: input pin: clock pin, set-up time


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def read_sdf(path: FilePath) -> Delays:
    """Parse what nextpnr writes: worst-case values (the last of each triple), the later of both edges."""
    kinds: dict[str, str] = {}
    wires: dict[Node, list[tuple[Node, float]]] = defaultdict(list)
    cells: dict[Node, list[tuple[str, float]]] = defaultdict(list)
    setups: dict[Node, tuple[str, float]] = {}
    kind = cell = ""
    with path.open() as lines:
        for line in lines:
            line = line.strip()
            if line.startswith("(INTERCONNECT") and (found := _ARC.match(line)):
                a, x, b, y, *delay = found.groups()
                wires[_plain(a), _plain(x)].append(((_plain(b), _plain(y)), max(map(float, delay)) / 1000))
            elif line.startswith("(IOPATH") and (found := _IOPATH.match(line)):
                x, y, *delay = found.groups()
                cells[cell, _plain(x)].append((_plain(y), max(map(float, delay)) / 1000))
            elif line.startswith("(SETUPHOLD") and (found := _SETUP.match(line)):
                x, clock, setup, _ = found.groups()
                node = (cell, _plain(x))
                value = max(float(setup) / 1000, setups.get(node, ("", 0.0))[1])
                setups[node] = (_plain(clock), value)
            elif found := _CELL.match(line):
                kind = found[1]
            elif found := _INSTANCE.match(line):
                cell = _plain(found[1])
                kinds[cell] = kind
    return Delays(kinds, wires, cells, setups)


@dataclass(frozen=True)
class Step:
    """Part of a path: ``kind`` is ``clock-to-output``, ``wire``, ``cell`` or ``set-up``; it ends at ``node``."""

    kind: str
    node: Node
    delay_ns: float


def _arrivals(delays: Delays) -> tuple[dict[Node, float], dict[Node, tuple[Node | None, str, float]]]:
    """Latest arrival at every pin, and the step by which it comes (from, kind, delay), clock pins excluded."""
    clocks = {(cell, clock) for (cell, _), (clock, _) in delays.setups.items()}
    edges: dict[Node, list[tuple[Node, str, float]]] = defaultdict(list)
    waiting: dict[Node, int] = defaultdict(int)
    arrival: dict[Node, float] = {}
    by: dict[Node, tuple[Node | None, str, float]] = {}
    for (cell, pin), outputs in delays.cells.items():
        for output, delay in outputs:
            node = (cell, output)
            if (cell, pin) in clocks:
                if delay > arrival.get(node, -1.0):
                    arrival[node], by[node] = delay, (None, "clock-to-output", delay)
            else:
                edges[cell, pin].append((node, "cell", delay))
                waiting[node] += 1
    for source, sinks in delays.wires.items():
        for sink, delay in sinks:
            if sink not in clocks:
                edges[source].append((sink, "wire", delay))
                waiting[sink] += 1
    # In topological order; what lies on a loop of logic never becomes ready and takes no part.
    ready = [node for node in set(edges) | set(arrival) if not waiting[node]]
    while ready:
        node = ready.pop()
        for target, kind, delay in edges[node]:
            if node in arrival and arrival[node] + delay > arrival.get(target, -1.0):
                arrival[target] = arrival[node] + delay
                by[target] = (node, kind, delay)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return arrival, by


def signal(cell: str) -> str:
    """Name of the register or memory behind a cell of the netlist: the hierarchy stays, synthesis' suffix goes."""
    return _BIT.sub("", _SUFFIX.sub("", cell))


def module_of(cell: str, modules: set[str]) -> str:
    """The instance path, out of ``modules``, that a cell's name begins with; ``(top)`` where there is none.

    Logic between two modules is counted where synthesis named it from, which may be either side.
    """
    name = cell
    while "." in name:
        name = name.rpartition(".")[0]
        if name in modules:
            return name
    return "(top)"


def longest_paths(sdf: FilePath, modules: list[str], count: int = DIFFERENT) -> list[Path]:
    """The ``count`` longest paths from register to register that differ in the signal they start or end at."""
    delays = read_sdf(sdf)
    arrival, by = _arrivals(delays)
    ends = [(arrival[node] + setup, node) for node, (_, setup) in delays.setups.items() if node in arrival]
    found: dict[tuple[str, str], Path] = {}
    for total, node in sorted(ends, reverse=True):
        steps = [Step("set-up", node, delays.setups[node][1])]
        here: Node | None = node
        while here is not None:
            source, kind, delay = by[here]
            steps.append(Step(kind, here, delay))
            here = source
        path = _tell(total, steps[::-1], delays.kinds, set(modules))
        found.setdefault((path.start, path.end), path)
        if len(found) == count:
            break
    return list(found.values())


def _tell(total: float, steps: list[Step], kinds: dict[str, str], modules: set[str]) -> Path:
    """Steps gathered by module."""
    parts: list[Part] = []
    routing = 0.0
    for step in steps:
        cell = step.node[0]
        if step.kind == "wire":
            routing += step.delay_ns
            continue
        module = module_of(cell, modules)
        level = int(step.kind == "cell" and kinds.get(cell, "") in LUT_KINDS)
        last = parts.pop() if parts and parts[-1].module == module else Part(module, 0, 0.0, 0.0)
        parts.append(Part(module, last.levels + level, last.logic_ns + step.delay_ns, last.routing_ns + routing))
        routing = 0.0
    parts = [Part(p.module, p.levels, round(p.logic_ns, 3), round(p.routing_ns, 3)) for p in parts]
    logic, wires = sum(p.logic_ns for p in parts), sum(p.routing_ns for p in parts)
    start, end = signal(steps[0].node[0]), signal(steps[-1].node[0])
    levels = sum(p.levels for p in parts)
    return Path(start, end, round(total, 3), levels, round(logic, 3), round(wires, 3), parts)


def check_against(paths: list[Path], critical_paths: list[dict], clock: str) -> None:
    """Raise ``ValueError`` when the longest path is not as long as nextpnr's own within that clock."""
    edge = f"posedge {clock}"
    totals = [sum(s["delay"] for s in p["path"]) for p in critical_paths if p["from"] == p["to"] == edge]
    if totals and (not paths or abs(paths[0].total_ns - max(totals)) > TOLERANCE_NS):
        mine = f"{paths[0].total_ns:.2f} ns" if paths else "none"
        raise ValueError(f"longest path: {mine} here, {max(totals):.2f} ns in nextpnr's report")
