"""Program files for the simulator: ELF32 for RISC-V, checked, and cut into what is loaded where.

Source: Tool Interface Standard, Executable and Linking Format 1.2; machine number from the RISC-V ELF psABI. Loading is
at physical addresses (``p_paddr``), as QEMU does. Memory beyond a segment's file bytes is zero already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from hakone.isa.platform import RAM_BASE

from .errors import InputError

_REBUILD = "build it again"


@dataclass(frozen=True)
class Program:
    """What is loaded: ``segments`` are (address, file bytes); ``symbols`` by name."""

    path: Path
    entry: int
    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]

    def patched(self, words: Mapping[int, int]) -> "Program":
        """With some words changed, by address. Raises ``ValueError`` for one that is not in the file."""
        segments = [(start, bytearray(data)) for start, data in self.segments]
        for address, word in words.items():
            place = [(s, d) for s, d in segments if s <= address and address + 4 <= s + len(d)]
            if len(place) != 1:
                raise ValueError(f"{address:#x} stands in no segment")
            start, data = place[0]
            data[address - start : address - start + 4] = word.to_bytes(4, "little")
        return replace(self, segments=tuple((s, bytes(d)) for s, d in segments))


def _check_header(path: Path, data: bytes) -> None:
    if data[:4] != b"\x7fELF":
        raise InputError(path, "not an ELF file", "name a program made by `hakone cc` or another RISC-V compiler")
    if len(data) < 52:
        raise InputError(path, "truncated: the ELF header is not complete", _REBUILD)
    big = data[5] == 2
    machine = int.from_bytes(data[18:20], "big" if big else "little")
    if data[4] != 1 or data[5] != 1 or machine != 243:
        kind = f"{64 if data[4] == 2 else 32}-bit {'big' if big else 'little'}-endian, machine {machine}"
        raise InputError(path, f"an ELF file for another machine ({kind})", "build it for 32-bit RISC-V, little-endian")
    if int.from_bytes(data[16:18], "little") != 2:
        raise InputError(path, "not an executable", "link it, for example with `hakone cc`")


def _segments(path: Path, elf: ELFFile, size: int, ram_bytes: int) -> list[tuple[int, bytes]]:
    """Loadable segments in order of address. Also checks that their zero-filled ends lie in memory."""
    found = []
    reach = []
    end = RAM_BASE + ram_bytes
    for s in elf.iter_segments("PT_LOAD"):
        first, in_file, in_memory = s["p_paddr"], s["p_filesz"], s["p_memsz"]
        if s["p_offset"] + in_file > size:
            raise InputError(path, f"truncated: the segment at {first:#x} is not complete", _REBUILD)
        if not in_memory:
            continue
        if in_file > in_memory:
            raise InputError(path, f"damaged: the segment at {first:#x} is larger in the file than in memory", _REBUILD)
        if first < RAM_BASE or first + in_memory > end:
            what = f"the segment {first:#x} to {first + in_memory - 1:#x} lies outside memory"
            raise InputError(path, what, f"link it into {RAM_BASE:#x} to {end - 1:#x}, or set ram_bytes")
        found.append((first, s.data()))
        reach.append((first, first + in_memory))
    if not found:
        raise InputError(path, "nothing to load", "name a linked program")
    reach.sort()
    for (_, a_end), (b, _) in zip(reach, reach[1:], strict=False):
        if b < a_end:
            raise InputError(path, f"two segments overlap at {b:#x}", "change the linker script")
    if not any(a <= elf["e_entry"] < b for a, b in reach):
        raise InputError(
            path, f"the entry point {elf['e_entry']:#x} lies in no segment", "check the linker script's ENTRY"
        )
    return sorted(found)


def load(path: Path | str, ram_bytes: int) -> Program:
    """Read and check a program for a memory of ``ram_bytes``. Raises ``InputError``."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(path, "is not an ordinary file", "name a program file")  # a device may never end
        data = path.read_bytes()
    except OSError as e:
        raise InputError(path, f"cannot be read ({e.strerror})", "name a program file that exists") from None
    _check_header(path, data)
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            segments = _segments(path, elf, len(data), ram_bytes)
            table = elf.get_section_by_name(".symtab")
            symbols = table.iter_symbols() if isinstance(table, SymbolTableSection) else ()
            return Program(path, elf["e_entry"], tuple(segments), {s.name: s["st_value"] for s in symbols if s.name})
    except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError) as e:
        detail = " ".join(str(e).split()) or type(e).__name__
        raise InputError(path, f"truncated or damaged ({detail})", _REBUILD) from None
