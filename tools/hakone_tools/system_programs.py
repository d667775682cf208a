"""Programs of a system of several: each compiled, linked to its place and, where it is protected, sealed by itself.

Plain code, its share of the library included, has no compressed instructions: what compilers write everywhere,
beginning and end of a function in eight bytes, is not to be taken for a piece of a protected program when it crosses
the bus beside the right byte. Sources lie in ``firmware/os`` and ``firmware/closed``.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hakone.isa.formats import REGION_WORD_BYTES, SEGMENT_SHIFT, Algorithm, RegionDescription, RegionFlag
from hakone.isa.platform import RAM_BASE

from .compiler import Options, compile_program
from .image import Image, Segment, read_elf
from .outputs import write_all
from .paths import FIRMWARE
from .policy import Policy, RegionRule
from .sealing import KeySource, Sealed, seal

PAGE_BYTES = 4096
PRIVATE_BASE = 0x4000_0000  #: OS_PRIVATE of firmware/include/hakone/os.h
_FLAGS = ("-std=c11", "-Wextra", "-Werror")
_PLAIN_FLAGS = (*_FLAGS, "-fno-builtin")  # as the library is compiled, which goes with it
_LIBRARY = FIRMWARE / "lib"
_CLOSED = FIRMWARE / "closed"
_OS = FIRMWARE / "os"


@dataclass(frozen=True)
class ClosedProgram:
    """A protected program. ``contexts``: one for each process that may be started from it.

    ``keys`` is the vendor's source of keys. ``shared``: the key (32 bytes) and the seed (16 bytes) of the memory that
    it shares with others. ``small_stack_bytes``: stack of each process in the code region; such a program has no
    variables and no private memory. Sizes are in bytes.
    """

    name: str
    sources: Sequence[Path]
    contexts: frozenset[int]
    keys: KeySource
    shared: tuple[bytes, bytes]
    defines: tuple[str, ...] = ()
    heap_bytes: int = 0x1000
    stack_bytes: int = 0x2000
    small_stack_bytes: int = 0


@dataclass(frozen=True)
class PlainProgram:
    """A program that anyone may read. ``includes``: folders of headers, beside those of the firmware."""

    name: str
    sources: Sequence[Path]
    defines: tuple[str, ...] = ()
    includes: Sequence[Path] = ()


@dataclass(frozen=True)
class Part:
    """One program in its place: a row of ``struct os_program``, its segments, and the result of its sealing."""

    row: tuple[int, int, int, int, int, int]
    segments: list[Segment]
    sealed: Sealed | None = None


def draw_shared(source: KeySource) -> tuple[bytes, bytes]:
    """A key and a seed for programs that are to share."""
    return source.bytes(32), source.bytes(16)


def _table(name: str, rows: Sequence[str]) -> list[str]:
    """Assembly of a table of words with a global name."""
    return [f"    .globl {name}", "    .balign 4", f"{name}:", *(f"    .word   {row}" for row in rows)]


def _hexadecimal(data: bytes) -> list[str]:
    """Rows of up to eight words."""
    words = [f"0x{w:08x}" for (w,) in struct.iter_unpack("<I", data)]
    return [", ".join(words[n : n + 8]) for n in range(0, len(words), 8)]


def _keys_source(p: ClosedProgram) -> str:
    """Assembly of the program's encrypted constants: descriptions of the processes' private memory, each with a key of
    its own, and what the program shares. How large that memory is the linker says."""
    lines = ['    .section .rodata.keys, "a"', *_table("closed_processes", [str(len(p.contexts))])]
    rows = []
    for n in range(len(p.contexts)):
        flags = RegionFlag.READ | RegionFlag.WRITE
        description = RegionDescription(
            Algorithm.AES128_XTS, flags, PRIVATE_BASE, 0, 0x100 + n, PRIVATE_BASE >> SEGMENT_SHIFT, p.keys.bytes(32)
        ).pack()
        words = ", ".join(_hexadecimal(description)).split(", ")
        words[REGION_WORD_BYTES] = "__private_bytes"
        rows.append(", ".join(words))
    lines += _table("closed_private", rows)
    for name, data in zip(("closed_stored_key", "closed_seed"), p.shared, strict=True):
        lines += _table(name, _hexadecimal(data))
    return "\n".join(lines) + "\n"


def _script(base: int, small_stacks: int) -> str:
    """The linker script of a protected program at ``base``."""
    generated = FIRMWARE / "include" / "gen" / "hakone.ld"
    return (
        f"PROGRAM_BASE = {base:#x};\nSMALL_STACKS = {small_stacks:#x};\n"
        f'INCLUDE "{generated}"\nINCLUDE "{_CLOSED / "closed.ld"}"\n'
    )


def _link_closed(p: ClosedProgram, folder: Path, base: int) -> Image:
    """Compile a protected program and link it to lie at ``base``."""
    keys, script, linked = (folder / f"{p.name}.{end}" for end in ("keys.S", "ld", "linked.elf"))
    small = p.small_stack_bytes
    write_all({str(keys): _keys_source(p).encode()}, secret=frozenset([str(keys)]))
    script.write_text(_script(base, small * len(p.contexts)))
    options = Options(
        defines=(*p.defines, *((f"CLOSED_STACK_BYTES={small}", "CLOSED_SMALL") if small else ())),
        flags=_FLAGS,
        linker_script=str(script),
        startup=False,
        sealed=True,
        heap_bytes=p.heap_bytes,
        stack_bytes=p.stack_bytes,
    )
    sources = [*p.sources, *sorted(_CLOSED.glob("*.[cS]")), keys]
    compile_program([str(s) for s in sources], str(linked), options)
    return read_elf(str(linked))


def closed_part(p: ClosedProgram, folder: Path, base: int, in_the_open: bool) -> Part:
    """Link and seal a protected program."""
    image = _link_closed(p, folder, base)
    inside = tuple(n for n in (".code", ".data") if n in image.sections and image.sections[n].bytes)
    flags = RegionFlag.READ | RegionFlag.WRITE | RegionFlag.EXECUTE
    rule = RegionRule(f"{p.name}.code", inside, Algorithm.AES128_XTS, flags, p.contexts, tag=1)
    sealed = seal(image, Policy(image.path, frozenset([".stub"]), (rule,), ()), p.keys, in_the_open)
    segments = _segments_of(sealed.elf, folder / f"{p.name}.sealed.elf")
    end = max(image.sections[n].end for n in inside)
    private = 0 if p.small_stack_bytes else image.symbols["__private_bytes"]
    mask = sum(1 << n for n in p.contexts)
    return Part((1, image.entry, base, end - base, private, mask), segments, sealed)


def _segments_of(elf: bytes, path: Path) -> list[Segment]:
    """What a sealed program loads, by way of its file."""
    write_all({str(path): elf})
    return read_elf(str(path)).segments


def plain_part(p: PlainProgram, folder: Path, base: int) -> Part:
    """Link a plain program to begin where memory begins, which is where its segment will, and put it at ``base``."""
    linked = folder / f"{p.name}.linked.elf"
    sources = [*p.sources, _OS / "process.S", _CLOSED / "os_calls.c", _LIBRARY / "string.c", _LIBRARY / "print.c"]
    options = Options(
        defines=p.defines,
        includes=tuple(map(str, p.includes)),
        flags=_PLAIN_FLAGS,
        compressed=False,
        startup=False,
        heap_bytes=0x1000,
        stack_bytes=0x2000,
    )
    compile_program([str(s) for s in sources], str(linked), options)
    image = read_elf(str(linked))
    loaded = max(s.end for s in image.segments) - RAM_BASE
    size = -(-loaded // PAGE_BYTES) * PAGE_BYTES
    memory = image.symbols["__stack_top"] - RAM_BASE - size
    row = (0, image.entry, base, size, max(0, memory), 0)
    return Part(row, [Segment(base, image.read(RAM_BASE, size))])


def operating_system(folder: Path, hostile: bool) -> Image:
    """Compile the operating system. Which build it is stands in the file's name."""
    linked = folder / f"os{'.hostile' if hostile else ''}.linked.elf"
    not_ours = {"process.S"} | (set() if hostile else {"hostile.c", "spy.S"})
    sources = [str(s) for s in sorted(_OS.glob("*.[cS]")) if s.name not in not_ours]
    sources += [str(_LIBRARY / name) for name in ("string.c", "uart.c")]
    options = Options(
        defines=("HOSTILE",) if hostile else (),
        flags=_PLAIN_FLAGS,
        compressed=False,
        linker_script=str(_OS / "os.ld"),
        startup=False,
    )
    compile_program(sources, str(linked), options)
    return read_elf(str(linked))
