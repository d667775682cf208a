"""Building the programs of this repository in the ways a run needs them: plain, sealed, and sealed in the open.

The kernels are small benchmarks; which there are and what they do stands in ``firmware/kernels/*.c``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .compiler import Options, compile_program
from .image import read_elf
from .outputs import write_all
from .paths import FIRMWARE
from .policy import load_policy
from .sealing import SeededKeys, seal

KERNEL_FOLDER = FIRMWARE / "kernels"
#: Names of the kernels, each a file in ``KERNEL_FOLDER``.
KERNELS = tuple(sorted(p.stem for p in KERNEL_FOLDER.glob("*.c") if p.stem != "kernel_main"))
_FIRMWARE_FLAGS = ("-std=c11", "-Wextra", "-Werror")


@dataclass(frozen=True)
class Program:
    """A program ready to run. ``linked`` has the symbols; sealed ones have ``fuses``, ``keys`` and ``plaintexts``."""

    elf: Path
    linked: Path
    fuses: Path | None = None
    keys: Path | None = None
    plaintexts: Path | None = None

    def symbols(self) -> dict[str, int]:
        """Addresses by name."""
        return read_elf(str(self.linked)).symbols


def build_plain(name: str, sources: Sequence[Path], folder: Path, heap_bytes: int | None = None) -> Program:
    """Compile ``sources`` as a plain program ``folder/name.elf``. Raises ``ToolError``."""
    folder.mkdir(parents=True, exist_ok=True)
    elf = folder / f"{name}.elf"
    compile_program([str(s) for s in sources], str(elf), Options(flags=_FIRMWARE_FLAGS, heap_bytes=heap_bytes))
    return Program(elf, elf)


def build_sealed(
    name: str,
    sources: Sequence[Path],
    folder: Path,
    seed: int,
    heap_bytes: int | None = None,
    in_the_open: bool = False,
    policy: Path | None = None,
    options: Options | None = None,
) -> Program:
    """Compile ``sources`` and seal them with the keys of ``seed``: for simulations. Raises ``ToolError``.

    With ``in_the_open`` the regions stay readable, for control runs with the cipher off; all else is the same.
    ``options`` takes the place of those for our own programs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    linked = folder / f"{name}.linked.elf"
    options = options or Options(flags=_FIRMWARE_FLAGS, heap_bytes=heap_bytes)
    compile_program([str(s) for s in sources], str(linked), replace(options, sealed=True))
    rules = load_policy(str(policy or FIRMWARE / "lib" / "sealed.toml"))
    result = seal(read_elf(str(linked)), rules, SeededKeys(seed), in_the_open)
    stem = f"{name}.open" if in_the_open else name
    program = Program(
        folder / f"{stem}.sealed.elf",
        linked,
        folder / f"{stem}.fuses",
        folder / f"{stem}.keys.json",
        folder / f"{stem}.plaintexts.json",
    )
    files = {
        str(program.elf): result.elf,
        str(program.fuses): result.fuses,
        str(program.keys): result.keys.encode(),
        str(program.plaintexts): result.plaintexts.encode(),
    }
    write_all(files, secret=frozenset(list(files)[1:]))
    return program


def kernel_sources(name: str) -> list[Path]:
    """Source files of a kernel. Raises ``ValueError`` for an unknown one."""
    if name not in KERNELS:
        raise ValueError(f"{name}: no such kernel; there are {', '.join(KERNELS)}")
    return [KERNEL_FOLDER / f"{name}.c", KERNEL_FOLDER / "kernel_main.c"]
