"""Systems of several programs: the small operating system, protected programs with keys of their own, plain ones.

Every program is built by itself (``system_programs``); protected ones are sealed under the keys and the owner id of
their vendor. Here all of them are put into one image with the operating system, which finds them in a table, and their
boot records into one fuse image.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hakone.isa import VERSION
from hakone.isa.formats import (
    ATTRIBUTE_ENTRIES,
    BOOT_RECORD_WORDS,
    BOOT_RECORDS,
    FUSE_HEADER_WORDS,
    FUSE_MAGIC,
    FUSE_WORDS,
)
from hakone.isa.platform import RAM_BASE

from .errors import ToolError
from .image import Image, Segment, write_elf
from .outputs import write_all
from .programs import Program
from .system_programs import PAGE_BYTES, ClosedProgram, Part, PlainProgram, closed_part, operating_system, plain_part

FIRST_PROGRAM = RAM_BASE + 0x1_0000
#: PROGRAMS_BYTES of firmware/os/os.ld: where the operating system begins, behind the programs.
END_OF_PROGRAMS = RAM_BASE + 0x40_0000
MOST_PROGRAMS, MOST_STARTS = 6, 14  # of firmware/os/kernel.h


@dataclass(frozen=True)
class Plan:
    """What the image holds and which processes begin, each with a number for its mailbox."""

    programs: Sequence[ClosedProgram | PlainProgram]
    starts: Sequence[tuple[str, int]]
    hostile: bool = False


@dataclass(frozen=True)
class System:
    """A system ready to run: ``program`` is the whole, with the symbols of the operating system; ``linked`` has the
    program files by name."""

    program: Program
    linked: dict[str, Path] = field(default_factory=dict)


def _patched(segments: list[Segment], address: int, data: bytes) -> list[Segment]:
    """Segments with some bytes of one of them changed."""
    out = []
    for s in segments:
        if s.start <= address and address + len(data) <= s.end:
            at = address - s.start
            s = Segment(s.start, s.data[:at] + data + s.data[at + len(data) :])
        out.append(s)
    assert out != segments or not any(data), "the operating system has no room for its table"
    return out


def _fuses(parts: list[Part], path: str) -> bytes:
    """One fuse image with the boot records of every sealing. Raises ``ToolError`` when they are too many."""
    records, size = b"", 4 * BOOT_RECORD_WORDS
    for part in parts:
        if part.sealed:
            (count,) = struct.unpack_from("<I", part.sealed.fuses, 8)
            records += part.sealed.fuses[4 * FUSE_HEADER_WORDS :][: count * size]
    if len(records) > BOOT_RECORDS * size:
        problem = f"{len(records) // size} protected programs: a chip has {BOOT_RECORDS} boot records"
        raise ToolError(path, problem, "put fewer protected programs into one system")
    head = struct.pack("<4I", FUSE_MAGIC, VERSION, len(records) // size, 0)
    return (head + records).ljust(4 * FUSE_WORDS, b"\0")


def _merged(parts: list[Part], kernel: Image, programs: Sequence[ClosedProgram | PlainProgram]) -> tuple[str, str]:
    """Keys and plaintexts of all, as their sealing wrote them for each."""
    keys: dict = {"version": VERSION, "regions": []}
    texts: dict = {"version": VERSION, "protected": [], "plain": []}
    for part, program in zip(parts, programs, strict=True):
        if part.sealed:
            own = json.loads(part.sealed.keys)
            keys["regions"] += [{**row, "owner": own["owner"]} for row in own["regions"]]
            for kind in ("protected", "plain"):
                texts[kind] += json.loads(part.sealed.plaintexts)[kind]
        else:
            texts["plain"] += [_row(program.name, s) for s in part.segments]
    texts["plain"] += [_row("os", s) for s in kernel.segments]
    return json.dumps(keys, indent=1) + "\n", json.dumps(texts, indent=1) + "\n"


def _row(name: str, s: Segment) -> dict:
    """A segment as a row of the plaintexts file."""
    return {"name": name, "start": s.start, "bytes": len(s.data), "data": s.data.hex()}


def _check(name: str, plan: Plan) -> None:
    """Refuse a plan that neither the operating system nor a chip has room for."""
    if len(plan.programs) > MOST_PROGRAMS or len(plan.starts) > MOST_STARTS:
        problem = f"{len(plan.programs)} programs, {len(plan.starts)} processes"
        raise ToolError(name, problem, f"at most {MOST_PROGRAMS} and {MOST_STARTS} are possible")
    named = [(c, p.name) for p in plan.programs if isinstance(p, ClosedProgram) for c in sorted(p.contexts)]
    owners = dict(reversed(named))
    for context, program in named:
        if owners[context] != program:
            problem = f"context {context} is named by {owners[context]} and {program}"
            raise ToolError(name, problem, "give each protected program contexts of its own")
    for p in plan.programs:
        begun = sum(start == p.name for start, _ in plan.starts)
        if isinstance(p, ClosedProgram) and begun > len(p.contexts):
            problem = f"{begun} processes of {p.name}, which has {len(p.contexts)} contexts"
            raise ToolError(name, problem, "name a context for each process")
    if len(named) > ATTRIBUTE_ENTRIES:
        raise ToolError(name, f"{len(named)} contexts are named", f"a chip has {ATTRIBUTE_ENTRIES} attribute entries")


def build_system(name: str, plan: Plan, folder: Path, in_the_open: bool = False) -> System:
    """Build everything that ``plan`` names into ``folder``. Raises ``ToolError``.

    With ``in_the_open`` the programs' code stays readable, for control runs with the cipher off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check(name, plan)
    base, parts = FIRST_PROGRAM, []
    for p in plan.programs:
        if isinstance(p, ClosedProgram):
            parts.append(closed_part(p, folder, base, in_the_open))
        else:
            parts.append(plain_part(p, folder, base))
        base = -(-(base + parts[-1].row[3]) // PAGE_BYTES) * PAGE_BYTES
    if base > END_OF_PROGRAMS:
        raise ToolError(name, f"the programs end at {base:#x}", f"the operating system begins at {END_OF_PROGRAMS:#x}")
    kernel = operating_system(folder, plan.hostile)
    numbers = {p.name: n for n, p in enumerate(plan.programs)}
    starts = b"".join(struct.pack("<2I", numbers[program], given) for program, given in plan.starts)
    segments = kernel.segments
    for symbol, data in (
        ("os_programs", b"".join(struct.pack("<6I", *part.row) for part in parts)),
        ("os_starts", starts),
        ("os_start_count", struct.pack("<I", len(plan.starts))),
    ):
        segments = _patched(segments, kernel.symbols[symbol], data)
    segments = sorted((*segments, *(s for part in parts for s in part.segments)), key=lambda s: s.start)
    stem = folder / f"{name}{'.open' if in_the_open else ''}"
    paths = [Path(f"{stem}.{end}") for end in ("elf", "fuses", "keys.json", "plaintexts.json")]
    keys, texts = _merged(parts, kernel, plan.programs)
    contents = (write_elf(kernel.entry, segments), _fuses(parts, name), keys.encode(), texts.encode())
    files = {str(path): content for path, content in zip(paths, contents, strict=True)}
    write_all(files, secret=frozenset(list(files)[1:]))
    linked = {p.name: folder / f"{p.name}.linked.elf" for p in plan.programs}
    return System(Program(paths[0], Path(kernel.path), *paths[1:]), linked)
