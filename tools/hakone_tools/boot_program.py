"""Builds the boot program of ``firmware/boot`` for the mask ROM: once for each compiler and state of its sources."""

import hashlib
import sys
import tempfile
from pathlib import Path

from elftools.elf.elffile import ELFFile

from hakone.isa.platform import BOOT_PROGRAM

from .compiler import build_own, own_fingerprint
from .errors import ToolError
from .paths import BUILD, FIRMWARE

SOURCES = FIRMWARE / "boot"
#: For size; the linker drops nothing that the reset code needs, which is kept by the script.
FLAGS = ("-Os", "-fno-jump-tables")


def _flat(elf: Path) -> bytes:
    """What the program holds at ``BOOT_PROGRAM``. Raises ``ToolError`` when it lies elsewhere or begins elsewhere."""
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        parts = [(s["p_paddr"], s.data()) for s in file.iter_segments("PT_LOAD") if s["p_filesz"]]
        entry = file["e_entry"]
    end = max(start + len(data) for start, data in parts)
    if entry != BOOT_PROGRAM.base or min(start for start, _ in parts) != BOOT_PROGRAM.base or end > BOOT_PROGRAM.end:
        raise ToolError(SOURCES, "does not lie in the mask ROM", "see firmware/boot/boot.ld")
    image = bytearray(end - BOOT_PROGRAM.base)
    for start, data in parts:
        image[start - BOOT_PROGRAM.base : start - BOOT_PROGRAM.base + len(data)] = data
    return bytes(image)


def build_elf(folder: Path, sources: Path = SOURCES) -> Path:
    """The boot program of the folder ``sources`` with its symbols, built in ``folder``. Raises ``ToolError``."""
    files = sorted([*sources.glob("*.S"), *sources.glob("*.c")])
    return build_own(files, sources / "boot.ld", folder, FLAGS)


def boot_program() -> bytes:
    """The boot program as it stands in the mask ROM. Raises ``ToolError`` when it cannot be built or does not fit."""
    sources = sorted([*SOURCES.glob("*.S"), *SOURCES.glob("*.c")])
    others = sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.ld"), *(FIRMWARE / "include" / "gen").iterdir()])
    key = hashlib.sha256(repr((own_fingerprint(), FLAGS)).encode())
    for path in (*sources, *others):
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    target = BUILD / "cache" / "firmware" / f"boot-{key.hexdigest()[:16]}.bin"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            elf = build_elf(Path(scratch))
            fresh = Path(scratch) / "boot.bin"
            fresh.write_bytes(_flat(elf))
            fresh.replace(target)
    return target.read_bytes()


def rom_file(name: str | None) -> bytes | None:
    """The boot program that ``--rom`` names: our own for ``boot``, else a file's bytes."""
    if name is None:
        return None
    if name == "boot":
        return boot_program()
    try:
        data = Path(name).read_bytes()
    except OSError as e:
        raise ToolError(name, f"cannot be read: {e.strerror}", "name a file that exists") from None
    if not 0 < len(data) <= BOOT_PROGRAM.bytes:
        problem = f"is not a boot program: {len(data)} bytes, and the mask ROM has {BOOT_PROGRAM.bytes}"
        raise ToolError(name, problem, "name a flat file linked for its place, or `boot`")
    return data


if __name__ == "__main__":
    sys.stdout.buffer.write(boot_program())
