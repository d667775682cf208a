"""Reading and writing program files: ELF for 32-bit RISC-V, as little of it as loading needs.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2, parts 1 and 2; machine number from the
RISC-V ELF psABI.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from hakone.isa.platform import RAM_BASE, RAM_BYTES

from .errors import ToolError

_EM_RISCV = 243
_EHDR = struct.Struct("<16sHHIIIIIHHHHHH")
_PHDR = struct.Struct("<8I")


@dataclass(frozen=True)
class Segment:
    """A range of memory with its content, zero bytes included. ``flags`` as in ELF: 1 execute, 2 write, 4 read."""

    start: int
    data: bytes
    flags: int

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.data)


@dataclass(frozen=True)
class Section:
    """A named range of memory that the program occupies when loaded."""

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


def _check_header(path: str, data: bytes) -> None:
    """Refuse what is not an executable for this machine. Raises ``ToolError``."""
    remedy = "name a program made by `hakone cc`"
    if data[:4] != b"\x7fELF":
        raise ToolError(path, "is not an ELF file", remedy)
    if len(data) < _EHDR.size:
        raise ToolError(path, f"is truncated: {len(data)} bytes are too few for an ELF header", remedy)
    kind, machine = struct.unpack_from("<HH", data, 16)
    if data[4] != 1 or data[5] != 1 or machine != _EM_RISCV:
        width = {1: "32-bit", 2: "64-bit"}.get(data[4], "unknown-width")
        order = {1: "little-endian", 2: "big-endian"}.get(data[5], "unknown-order")
        machine = int.from_bytes(data[18:20], "big" if data[5] == 2 else "little")
        problem = f"is for another machine ({width}, {order}, machine {machine})"
        raise ToolError(path, problem, f"32-bit little-endian RISC-V (machine {_EM_RISCV}) is needed")
    if kind != 2:
        raise ToolError(path, "is not an executable", "link it, for example with `hakone cc`")


def _segments(path: str, elf: ELFFile, size: int, ram_bytes: int) -> list[Segment]:
    """The loadable segments, in order of address, checked against the file's length and the memory."""
    out = []
    for p in elf.iter_segments("PT_LOAD"):
        start, file_bytes, memory_bytes = p["p_paddr"], p["p_filesz"], p["p_memsz"]
        if p["p_offset"] + file_bytes > size:
            problem = f"is truncated: the segment at {start:#x} ends at byte {p['p_offset'] + file_bytes} of {size}"
            raise ToolError(path, problem, "build it again")
        if memory_bytes == 0:
            continue
        if file_bytes > memory_bytes:
            raise ToolError(path, f"the segment at {start:#x} is larger in the file than in memory", "build it again")
        if start < RAM_BASE or start + memory_bytes > RAM_BASE + ram_bytes:
            memory = f"memory is {RAM_BASE:#x} to {RAM_BASE + ram_bytes - 1:#x}"
            problem = f"the segment {start:#x} to {start + memory_bytes - 1:#x} lies outside memory"
            raise ToolError(path, problem, f"{memory}; change the linker script")
        out.append(Segment(start, p.data().ljust(memory_bytes, b"\0"), p["p_flags"]))
    out.sort(key=lambda s: s.start)
    for a, b in zip(out, out[1:], strict=False):
        if b.start < a.end:
            raise ToolError(path, f"two segments overlap at {b.start:#x}", "change the linker script")
    if not out:
        raise ToolError(path, "has nothing to load", "name a linked program")
    return out


def read_elf(path: str, ram_bytes: int = RAM_BYTES) -> Image:
    """Read a program file. Raises ``ToolError`` when it is missing, damaged, for another machine or outside memory."""
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        raise ToolError(path, f"cannot be read: {e.strerror}", "name a program file that exists") from None
    _check_header(path, data)
    try:
        with Path(path).open("rb") as stream:
            elf = ELFFile(stream)
            segments = _segments(path, elf, len(data), ram_bytes)
            sections = {
                s.name: Section(s.name, s["sh_addr"], s["sh_size"])
                for s in elf.iter_sections()
                if s["sh_flags"] & SH_FLAGS.SHF_ALLOC
            }
            table = elf.get_section_by_name(".symtab")
            symbols = {s.name: s["st_value"] for s in table.iter_symbols() if s.name} if table else {}  # type: ignore
            return Image(path, elf["e_entry"], segments, sections, symbols)
    except ToolError:
        raise
    except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError, struct.error) as e:
        problem = f"is truncated or damaged ({' '.join(str(e).split()) or type(e).__name__})"
        raise ToolError(path, problem, "build it again") from None


def write_elf(entry: int, segments: list[Segment]) -> bytes:
    """An executable with these segments and nothing else: no sections, no symbols, no debugging information."""
    align = 64
    offset = _EHDR.size + len(segments) * _PHDR.size
    headers, body = b"", b""
    for s in segments:
        place = offset + len(body)
        padding = (s.start - place) % align
        place += padding
        headers += _PHDR.pack(1, place, s.start, s.start, len(s.data), len(s.data), s.flags, align)
        body += bytes(padding) + s.data
    ident = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header = _EHDR.pack(
        ident, 2, _EM_RISCV, 1, entry, _EHDR.size, 0, 1, _EHDR.size, _PHDR.size, len(segments), 40, 0, 0
    )
    return header + headers + body
