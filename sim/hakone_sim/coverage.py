"""What a run has exercised, counted from its trace: instructions, causes of traps, and pairs of reasons to wait.

A pair (a, b) is counted when an instruction of kind a is directly followed by one of kind b. Kinds are those of
``random_pairs.STALLS``. Some are told from the instructions themselves (a load whose result the next instruction
reads, a division, an atomic, a write to a register that flushes), the others also need the event of the hardware: a
transfer that had been predicted wrongly, an instruction that starts a line which the instruction cache had to fetch, a
load or store that missed, was split, or went to a device.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from hakone.isa.cause import Cause, Interrupt
from hakone.isa.events import Event
from hakone.isa.platform import LINE_LOG2

from .models.decode import INSTRUCTION_NAMES, Decoded, decode
from .random_pairs import PAIRS, STALLS
from .trace import RETIRE, TRAP, info

#: Causes that software of machine and user level can meet. With compressed instructions no fetch is misaligned.
CAUSES = tuple(
    c.name
    for c in (
        *(Cause.FETCH_FAULT, Cause.ILLEGAL, Cause.BREAKPOINT, Cause.LOAD_MISALIGNED, Cause.LOAD_FAULT),
        *(Cause.STORE_MISALIGNED, Cause.STORE_FAULT, Cause.ECALL_U, Cause.ECALL_M),
    )
) + tuple(f"INTERRUPT_{i.name}" for i in Interrupt)
_CAUSE_NAMES = {c.value: c.name for c in Cause} | {32 + i.value: f"INTERRUPT_{i.name}" for i in Interrupt}
_CALLS = [Cause.BREAKPOINT.value, Cause.ECALL_U.value, Cause.ECALL_M.value]
_DIVIDES = ("div", "divu", "rem", "remu")
_MULTIPLIES = ("mul", "mulh", "mulhsu", "mulhu")
_BIT = {name: 1 << n for n, name in enumerate(STALLS)}


@dataclass
class Coverage:
    """Counts by name. ``pairs`` has (kind, kind) as keys. Runs are joined with ``merge``."""

    instructions: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, records: np.ndarray) -> None:
        """Count the records of one trace, stores among them or not."""
        kinds = info(records, "kind")
        traps = records[kinds == TRAP]
        causes, counts = np.unique(info(traps, "cause"), return_counts=True)
        for cause, count in zip(causes.tolist(), counts.tolist(), strict=True):
            self.causes[_CAUSE_NAMES.get(cause, f"CAUSE_{cause}")] += count
        steps = records[(kinds == RETIRE) | (kinds == TRAP)]
        # ecall and ebreak never complete: they count when they trap as they shall.
        own_trap = (kinds == TRAP) & np.isin(info(records, "cause"), _CALLS)
        raws, counts = np.unique(records["raw"][(kinds == RETIRE) | own_trap], return_counts=True)
        for raw, count in zip(raws.tolist(), counts.tolist(), strict=True):
            found = decode(raw)
            self.instructions[found.name if found else f"word {raw:#010x}"] += count
        tags = _tags(steps)
        for (a, b), count in Counter(pairwise(tags)).items():
            if a and b:
                for first, second in PAIRS:
                    if a & _BIT[first] and b & _BIT[second]:
                        self.pairs[first, second] += count

    def merge(self, other: "Coverage") -> None:
        """Add the counts of another run."""
        self.instructions += other.instructions
        self.causes += other.causes
        self.pairs += other.pairs

    def to_json(self) -> dict[str, dict[str, int]]:
        """The counts with text as keys, for ``from_json``."""
        pairs = {f"{a} {b}": count for (a, b), count in self.pairs.items()}
        return {"instructions": dict(self.instructions), "causes": dict(self.causes), "pairs": pairs}

    @classmethod
    def from_json(cls, saved: dict[str, dict[str, int]]) -> "Coverage":
        """What ``to_json`` wrote."""
        pairs = Counter({(a, b): count for name, count in saved["pairs"].items() for a, b in [name.split()]})
        return cls(Counter(saved["instructions"]), Counter(saved["causes"]), pairs)

    def missing(self) -> list[str]:
        """Names of everything that must be exercised and was not."""
        gone = [f"instruction {n}" for n in INSTRUCTION_NAMES if not self.instructions[n]]
        gone += [f"cause {n}" for n in CAUSES if not self.causes[n]]
        gone += [f"pair {a} then {b}" for a, b in PAIRS if not self.pairs[a, b]]
        return gone

    def summary(self) -> dict[str, int]:
        """How much there is to cover, and the smallest count of each group."""
        return {
            "instructions": len(INSTRUCTION_NAMES),
            "instructions_least": min(self.instructions[n] for n in INSTRUCTION_NAMES),
            "causes": len(CAUSES),
            "causes_least": min(self.causes[n] for n in CAUSES),
            "pairs": len(PAIRS),
            "pairs_least": min(self.pairs[p] for p in PAIRS),
        }


def _reads(d: Decoded | None, register: int) -> bool:
    return d is not None and register != 0 and register in (d.rs1, d.rs2)


def _tags(steps: np.ndarray) -> list[int]:
    """For each record the kinds of waiting it belongs to, as bits. A trap has none."""
    retire = (info(steps, "kind") == RETIRE).tolist()
    decoded = [decode(raw) if ok else None for raw, ok in zip(steps["raw"].tolist(), retire, strict=True)]
    pcs, events = steps["pc"].tolist(), steps["events"].tolist()
    tags = []
    line = -1
    for n, d in enumerate(decoded):
        bits = 0
        if d is not None:
            following = decoded[n + 1] if n + 1 < len(decoded) else None
            bits = _own_tags(d, following) | _event_tags(d, events[n])
            last = pcs[n] + d.bytes - 1 >> LINE_LOG2
            # The miss was noted when the line was asked for, some instructions before this one ran; the wait for it
            # falls into this instruction's window, or into the one before when that had to wait as well.
            if last != line and any(e >> Event.ICACHE_MISS & 1 for e in events[max(0, n - 8) : n + 1]):
                bits |= _BIT["fetch_miss"] if (events[n] | events[n - 1]) >> Event.FETCH_STALL & 1 else 0
            line = last
        tags.append(bits)
    return tags


def _own_tags(d: Decoded, following: Decoded | None) -> int:
    """Kinds that the instruction words tell."""
    bits = 0
    if d.kind == "load" and _reads(following, d.rd):
        bits |= _BIT["load_use"]
    if d.base in _MULTIPLIES and _reads(following, d.rd):
        bits |= _BIT["multiply_use"]
    if d.base in _DIVIDES:
        bits |= _BIT["divide"]
    if d.kind == "amo":
        bits |= _BIT["atomic"]
    return bits


def _event_tags(d: Decoded, here: int) -> int:
    """Kinds that need an event of the cycles in which the instruction was in the memory stage."""
    if d.kind in ("b", "j") or d.base == "jalr":
        wanted: tuple[tuple[int, str], ...] = ((Event.MISPREDICT, "mispredict"),)
    elif d.kind in ("load", "s", "amo"):
        wanted = ((Event.DCACHE_MISS, "data_miss"), (Event.MISALIGNED, "split"), (Event.UNCACHED, "device"))
    elif d.kind in ("csr", "csri"):
        wanted = ((Event.FLUSH, "csr_flush"),)
    else:
        return 0
    return sum(_BIT[name] for event, name in wanted if here >> event & 1)
