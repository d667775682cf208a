"""Runs on the synthesised netlist, and the list of what each check is tried with there.

A ``Case`` is an attack that one check stops: scripts for the actors' program, what the closed system answers, and how
to tell that the attacker has won. Those of ``tests/attacks`` and ``test_closed_memory`` are taken as they are; the
others stand here.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import actors
import test_closed_memory as closed_memory
from actors import KEY_B, RUN, answers, begin, do, inside, install, keep, records, region
from observation import Job, Seen

from hakone.bus.open_checks import OpenCheck
from hakone.isa.cause import Cause, Sub
from hakone.isa.csr import HXCTL_ENABLE, HXCTL_SEGMENTS
from hakone.isa.encoding import CUSTOM
from hakone.isa.formats import SEGMENT_EXECUTE, SEGMENT_PRESENT, SEGMENT_READ, SEGMENT_RING_SHIFT, SEGMENT_WRITE
from hakone.soc.config import PRESETS
from hakone_sim import builder, run, trace
from hakone_sim.netlist import Fault
from hakone_sim.program import load
from hakone_tools.fpga import simulated
from hakone_tools.programs import Program

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "attacks"))
attacks = importlib.import_module("test_other_programs")

CONFIG = PRESETS["default"]
RIGHTS = SEGMENT_PRESENT | SEGMENT_READ | SEGMENT_WRITE | SEGMENT_EXECUTE
USER = 3 << SEGMENT_RING_SHIFT
WHOLE, ALIAS = 0x0FFF_FFFF, 0x9000_0000  #: limit of a whole segment; segment 9
SECRET, OTHER = 0x5EC2_E755, 0x0DD5_EC2E
A1 = 11  #: register in which the interpreter holds what it has loaded
S2, S4, S5 = 18, 20, 21  #: its operation, and second and third operand
OP_IMM, JALR = 0x13, 0x67
CALL = (Cause.ECALL_U.value, 0)
KEYS = "inside.key_store."  #: cells of the key store

#: Checks taken out of the netlist, and what goes wrong in hardware that a check is there for.
FAULTS = {
    "no context counts as sealed": Fault("inside.core.pipeline.sealed", 0),
    "no context counts as having entries": Fault("inside.core.pipeline.entries", 0),
    "no entry is counted against the quota": Fault("inside.regions.walk.counted", 0),
    "no overlap is found": Fault("inside.regions.walk.overlap", 0),
    "no binding is found": Fault("inside.regions.walk.bound", 0),
    "the trap context counts as sealed": Fault("inside.core.pipeline.sealed", 1, (0,)),
    "every write is answered with an error": Fault("axi__bresp", 1, (1,)),
}


@cache
def model() -> Path:
    """The netlist beside its source, with ``FAULTS`` to choose from, and the key store's memories to look at."""
    return simulated.model(tuple(FAULTS.values()), KEYS)


def number(fault: str | None) -> int:
    """The choice of a fault by name; 0 for none."""
    return 0 if fault is None else 1 + list(FAULTS).index(fault)


@dataclass(frozen=True)
class Outcome(Seen):
    """What a run showed, and what it printed."""

    cycles: int = 0
    instructions: int = 0
    code: int = 0
    printed: str = ""


def execute(executable: Path, job: Job, folder: Path, choice: int = 0, **watch) -> Outcome:
    """One run of a model by itself, with the snooper on; ``choice`` is put on ``open_checks``."""
    folder.mkdir(parents=True, exist_ok=True)
    program = load(job.program.elf, CONFIG.ram_bytes).patched(job.patches)
    options = {"latency": 3, "max_cycles": job.max_cycles, "count_only": True, **watch}
    seen = run.Watch(
        fuses=job.fuses or job.program.fuses, plaintexts=job.program.plaintexts, wait_seed=job.wait_seed,
        uart_output=folder / "uart", ram_out=folder / "memory", trace=folder / "trace", **options,
    )  # fmt: skip
    words = run.arguments(CONFIG, program, seen, folder)
    words[words.index("--open-checks") + 1] = str(choice)
    report = folder / "report"
    report.unlink(missing_ok=True)
    done = subprocess.run([executable, *words, "--json", report], capture_output=True, text=True)
    assert report.exists(), done.stderr
    found = json.loads(report.read_text())
    return Outcome(
        found["status"], f"{found['reason']} {found['detail']}".strip(), (folder / "uart").read_text(errors="replace"),
        found["snooper"], found["events"], (folder / "memory").read_bytes(), {}, [], [], trace.read(folder / "trace"),
        found["cycles"], found["instructions"], found["code"], done.stdout,
    )  # fmt: skip


def on_netlist(job: Job, folder: Path, fault: str | None = None, also: int = 0, **watch) -> Outcome:
    """A run on the netlist; without a fault every output was the source's in every cycle, or it ended with 99."""
    return execute(model(), job, folder, number(fault) | also, **watch)


def with_open(check: OpenCheck | None, job: Job, folder: Path) -> Outcome:
    """The same run on the source's Verilog, with one check open or none."""
    return execute(builder.model(CONFIG), job, folder, 0 if check is None else 1 << check)


@dataclass(frozen=True)
class Case:
    """An attack that ``check`` stops. ``refused``: what the closed system answers, as the records of context 0's runs
    and faults, or of the ``setik`` of another context.
    """

    name: str
    check: OpenCheck
    scripts: Callable[[Program], dict]
    won: Callable[[Seen, Program], bool]
    refused: dict[int, list] = field(default_factory=dict)
    policy: str = "actors.toml"
    code: Callable[[Program], dict[int, int]] = lambda program: {}

    def job(self, folder: Path) -> Job:
        """Its run."""
        program = actors.build(folder, self.policy)
        job = actors.job(self.name, program, self.scripts(program))
        job.patches |= self.code(program)
        return job


def observed(seen: Seen, program: Program, context: int) -> list[tuple[int, ...]]:
    """What the system answered: causes and rules that context 0 met, or the statuses of a context's ``setik``."""
    kinds = (actors.RUN, actors.FAULT) if context == 0 else (actors.SETIK,)
    return [r.why if context == 0 else r.values[:1] for r in records(seen, program, context) if r.operation in kinds]


def page(program: Program) -> int:
    """A whole page of plain memory."""
    return -(-program.symbols()["__spare_start"] // 4096) * 4096


def segment(context: int, where: int, base: int, limit: int = WHOLE, rights: int = RIGHTS) -> list:
    """Context 0 sets a segment."""
    name = context | where << 8
    return [do("segput", name | 1 << 12, limit), do("segput", name, base | rights)]


def under_segments(program: Program, limit: int = WHOLE) -> list:
    """Context 0 with all it needs, context 1 with its program and data, and segment 9 over a page; then on."""
    own = [*segment(0, 0, 0), *segment(0, 8, 0x8000_0000), *segment(1, 8, 0x8000_0000, rights=RIGHTS | USER)]
    return [*own, *segment(1, 9, page(program), limit, RIGHTS | USER), do("hxctl", HXCTL_ENABLE | HXCTL_SEGMENTS)]


def moved(program: Program) -> dict:
    """A region through a segment that leads elsewhere when its program comes back."""
    place, notes = page(program), program.symbols()["notes"]
    again = segment(1, 9, place + 0x1000, rights=RIGHTS | USER)
    return {
        0: [*under_segments(program), *begin(program, 1), do("run", 1), *again, do("run", 1)],
        1: [inside(program, 1), *install(notes, region(ALIAS, 256, segment=9)), keep(ALIAS, SECRET), actors.END,
            keep(ALIAS, OTHER), do("load", ALIAS)],
    }  # fmt: skip


def behind_the_limit(program: Program) -> dict:
    """Plain code reads behind the end of its segment."""
    start = [do("store", page(program) + 0x100, SECRET), *under_segments(program, 0xFF)]
    return {0: [*start, *begin(program, 1), do("run", 1)], 1: [do("load", ALIAS + 0x100)]}


def taken_away(program: Program) -> dict:
    """Context 0 runs in segment 9, which is its program by another name, and takes it from itself (``gone``)."""
    at = program.symbols()
    other_name = segment(0, 9, 0x8000_0000)
    there = at["zero_timer"] - 0x8000_0000 + ALIAS
    return {0: [*under_segments(program), *other_name, do("jump", there, 9 << 8, at["zero_record"])]}


def gone(program: Program) -> dict[int, int]:
    """Instructions over those of an operation that is not used: ``segput s4, x0``; ``li s2, LOAD``; ``mv a1, s4``;
    ``jr s5``.
    """
    at = program.symbols()["zero_timer"]
    take = CUSTOM["segput"].match | S4 << 15
    rest = (actors.LOAD << 20 | S2 << 7 | OP_IMM, S4 << 15 | A1 << 7 | OP_IMM, S5 << 15 | JALR)
    return {at + 4 * n: word for n, word in enumerate((take, *rest))}


def registers_of_the_sealed(program: Program) -> dict:
    """The operating system reads the register with the secret, and writes one."""
    at = program.symbols()["notes"]
    look = [do("ctxget", 1 | A1 << 8), do("ctxput", 1 | A1 << 8, OTHER)]
    return {
        0: [*begin(program, 1), do("run", 1), *look],
        1: [inside(program, 1), keep(at, SECRET), do("load", at), actors.END],
    }


def released(program: Program) -> dict:
    """A program installs a region under KEY_B, uses it and gives it back."""
    place, notes = closed_memory.spare(program), program.symbols()["notes"]
    own = [*install(notes, region(place, 256, KEY_B)), keep(place, SECRET), do("load", place)]
    return {0: [*begin(program, 1), do("run", 1)], 1: [inside(program, 1), *own, do("clrk", place)]}


def loaded(context: int, *values: int) -> Callable[[Seen, Program], bool]:
    """The context has read these, in order."""
    return lambda seen, program: answers(seen, program, context, actors.LOAD) == list(values)


def _refused(cause: Cause, sub: Sub, calls: int = 1) -> dict[int, list]:
    return {0: [CALL] * calls + [(cause.value, sub.value)]}


def _of_closed_memory(name: str, check: OpenCheck, won, sub: Sub, calls: int = 1) -> Case:
    scripts = closed_memory.SCRIPTS[name]
    policy = closed_memory.POLICIES.get(name, "actors.toml")
    return Case(name, check, scripts, won, _refused(Cause.REGION, sub, calls), policy)


OWN_CASES = [
    _of_closed_memory("no_entry", OpenCheck.CONTEXT_TAG, loaded(2, SECRET), Sub.REGION_NO_ENTRY),
    _of_closed_memory("other_vendor", OpenCheck.REGION_OWNER, loaded(3, SECRET), Sub.REGION_OWNER),
    _of_closed_memory(
        "plain_refused",
        OpenCheck.PLAIN_ACCESS,
        lambda s, p: SECRET in answers(s, p, 1, actors.LOAD),
        Sub.REGION_PLAIN_ACCESS,
    ),
    Case("moved", OpenCheck.MOVED, moved, lambda s, p: OTHER in answers(s, p, 1, actors.LOAD),
         _refused(Cause.REGION, Sub.REGION_MOVED)),
    Case("registers_of_the_sealed", OpenCheck.SEALED, registers_of_the_sealed,
         lambda s, p: answers(s, p, 0, actors.CTXGET) == [SECRET],
         {0: [CALL, *[(Cause.CONTEXT.value, Sub.CONTEXT_SEALED.value)] * 2]}),
    Case("behind_the_limit", OpenCheck.SEGMENT_LIMIT, behind_the_limit, loaded(1, SECRET),
         _refused(Cause.SEGMENT, Sub.SEGMENT_LIMIT, 0)),
    Case("taken_away", OpenCheck.SEGMENT_STALE, taken_away,
         lambda s, p: [r.operation for r in records(s, p, 0)] == [actors.LOAD],
         _refused(Cause.SEGMENT, Sub.SEGMENT_ABSENT, 0), code=gone),
]  # fmt: skip

__all__ = ["FAULTS", "OWN_CASES", "RUN", "attacks", "Case", "Outcome", "execute", "observed", "on_netlist", "with_open"]
