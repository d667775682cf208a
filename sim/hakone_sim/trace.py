"""Reader of trace files: every retired instruction, trap and store of a run, as numpy arrays.

The format stands in ``cpp/trace_file.h``: a header of 32 bytes and records of 32 bytes. ``value`` of a trap is tval;
a store has its word address in ``pc`` and its data in ``raw``. ``instruction`` counts the instructions retired before
the record. ``events`` has a bit for every ``isa.events.Event`` from the cycle of the record before to the cycle
before this one, which is when this instruction was in the memory stage.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORD = np.dtype(
    [
        ("cycle", "<u8"),
        ("pc", "<u4"),
        ("raw", "<u4"),
        ("value", "<u4"),
        ("info", "<u4"),
        ("instruction", "<u4"),
        ("events", "<u4"),
    ]
)
RETIRE, TRAP, STORE = 1, 2, 3
MAGIC = b"HKNTRACE"

#: Fields of ``info``: shift and mask.
INFO = {
    "kind": (0, 3),
    "rd": (2, 31),
    "rd_write": (7, 1),
    "cause": (8, 63),  # bit 5: interrupt
    "context": (14, 15),
    "encrypted": (18, 1),
    "level": (19, 3),
    "strobe": (21, 15),
    "protected": (25, 1),
}


def info(records: np.ndarray, name: str) -> np.ndarray:
    """One field of ``info`` for every record."""
    shift, mask = INFO[name]
    return (records["info"] >> shift) & mask


@dataclass(frozen=True)
class Trace:
    """All records in the order in which they happened."""

    records: np.ndarray

    def of_kind(self, *kinds: int) -> np.ndarray:
        """Records of the given kinds, in order."""
        return self.records[np.isin(info(self.records, "kind"), kinds)]

    @property
    def retired(self) -> np.ndarray:
        """Instructions that completed."""
        return self.of_kind(RETIRE)

    @property
    def traps(self) -> np.ndarray:
        """Traps taken, interrupts among them."""
        return self.of_kind(TRAP)

    @property
    def stores(self) -> np.ndarray:
        """Stores that took effect."""
        return self.of_kind(STORE)


def read(path: Path | str) -> Trace:
    """The trace in ``path``. Raises ``ValueError`` when it is not one."""
    with Path(path).open("rb") as file:
        header = file.read(32)
        if header[:8] != MAGIC or header[8:16] != b"\1\0\0\0\x20\0\0\0":
            raise ValueError(f"{path}: not a trace of this version")
        return Trace(np.fromfile(file, RECORD))


def write_text(source: Path, target: Path) -> None:
    """The trace as text, a line for each record."""
    records = read(source).records
    columns = {name: info(records, name).tolist() for name in INFO}
    words = {name: records[name].tolist() for name in RECORD.names or ()}
    with target.open("w") as out:
        for i in range(len(records)):
            cycle, pc, raw, value = (words[n][i] for n in ("cycle", "pc", "raw", "value"))
            c = {name: column[i] for name, column in columns.items()}
            who = f"{cycle:10} c{c['context']:<2} r{3 - c['level']}{'e' if c['encrypted'] else ' '}"
            if c["kind"] == RETIRE:
                text = f"{pc:08x} {raw:08x}" if raw & 3 == 3 else f"{pc:08x}     {raw:04x}"
                out.write(f"{who} {text}" + (f" x{c['rd']} = {value:08x}\n" if c["rd_write"] else "\n"))
            elif c["kind"] == TRAP:
                kind = "interrupt" if c["cause"] & 32 else "trap"
                out.write(f"{who} {pc:08x} {kind} {c['cause'] & 31} tval {value:08x}\n")
            else:
                domain = " protected" if c["protected"] else ""
                out.write(f"{cycle:10}        [{pc:08x}] = {raw:08x} lanes {c['strobe']:04b}{domain}\n")
