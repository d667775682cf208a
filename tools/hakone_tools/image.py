"""Program files with their sections, for sealing: what the simulator's loader reads, and a writer.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2, parts 1 and 2; machine number from the
RISC-V ELF psABI.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from hakone.isa.platform import RAM_BYTES
from hakone_sim.program import load

from .errors import ToolError

_EM_RISCV = 243
_EHDR = struct.Struct("<16sHHIIIIIHHHHHH")
_PHDR = struct.Struct("<8I")


@dataclass(frozen=True)
class Segment:
    """A range of memory with its content."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.data)


@dataclass(frozen=True)
class Section:
    """A named range of memory that the program occupies when loaded (at its load address)."""

    name: str
    start: int
    bytes: int

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + self.bytes


@dataclass(frozen=True)
class Image:
    """A program as it will lie in memory."""

    path: str
    entry: int
    segments: list[Segment]
    sections: dict[str, Section]
    symbols: dict[str, int]

    def read(self, start: int, count: int) -> bytes:
        """``count`` bytes at ``start`` as loaded; what no segment covers is zero."""
        out = bytearray(count)
        for s in self.segments:
            low, high = max(start, s.start), min(start + count, s.end)
            if low < high:
                out[low - start : high - start] = s.data[low - s.start : high - s.start]
        return bytes(out)


def _sections(path: str) -> dict[str, Section]:
    """The sections that are loaded, by name, each where it is loaded to. Those that take part in no loading are left
    out: they are memory that the program makes for itself."""
    found = {}
    with Path(path).open("rb") as stream:
        elf = ELFFile(stream)
        loaded = [s for s in elf.iter_segments("PT_LOAD") if s["p_memsz"]]
        for s in elf.iter_sections():
            if not s["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            inside = [g for g in loaded if g["p_vaddr"] <= s["sh_addr"] < g["p_vaddr"] + g["p_memsz"]]
            moved = inside[0]["p_paddr"] - inside[0]["p_vaddr"] if inside else 0
            if inside or not s["sh_size"]:
                found[s.name] = Section(s.name, s["sh_addr"] + moved, s["sh_size"])
    return found


def read_elf(path: str, ram_bytes: int = RAM_BYTES) -> Image:
    """Read a program file.

    Raises ``hakone_sim.errors.InputError`` when it is missing, damaged, for another machine or outside memory.
    """
    program = load(path, ram_bytes)
    try:
        sections = _sections(path)
    except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError) as e:
        problem = f"truncated or damaged ({' '.join(str(e).split()) or type(e).__name__})"
        raise ToolError(path, problem, "build it again") from None
    segments = [Segment(start, data) for start, data in program.segments]
    return Image(path, program.entry, segments, sections, program.symbols)


def write_elf(entry: int, segments: list[Segment]) -> bytes:
    """An executable with these segments and nothing else: no sections, no symbols, no debugging information."""
    align = 64
    offset = _EHDR.size + len(segments) * _PHDR.size
    headers, body = b"", b""
    for s in segments:
        place = offset + len(body)
        padding = (s.start - place) % align
        place += padding
        headers += _PHDR.pack(1, place, s.start, s.start, len(s.data), len(s.data), 7, align)
        body += bytes(padding) + s.data
    ident = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header = _EHDR.pack(
        ident, 2, _EM_RISCV, 1, entry, _EHDR.size, 0, 1, _EHDR.size, _PHDR.size, len(segments), 40, 0, 0
    )
    return header + headers + body
