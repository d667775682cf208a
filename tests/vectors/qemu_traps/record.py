"""Records what the programs of ``tests/system/programs`` print on QEMU.

    python tests/vectors/qemu_traps/record.py

Needs ``qemu-system-riscv32``; the test that replays the programs on Hakone does not.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / part) for part in ("hw", "sim", "tools")]

from hakone_tools.compiler import Options, compile_program  # noqa: E402

HERE = Path(__file__).resolve().parent
PROGRAMS = ROOT / "tests" / "system" / "programs"
NAMES = ("exceptions", "interrupts", "vectored", "registers", "memory")
#: A hart with what Hakone has: M and U, RV32IMAC; no supervisor level, no floating point, no bit manipulation.
CPU = "rv32,s=false,f=false,d=false,h=false,mmu=false,sstc=false,zba=false,zbb=false,zbc=false,zbs=false"
QEMU = ["qemu-system-riscv32", "-M", "virt", "-bios", "none", "-cpu", CPU, "-nographic", "-kernel"]


def build(name: str, target: Path) -> None:
    """Compile one program with the rig that all share."""
    source = next(p for p in (PROGRAMS / f"{name}.c", PROGRAMS / f"{name}.S") if p.exists())
    sources = [str(source), str(PROGRAMS / "rig.c"), str(PROGRAMS / "rig.S")]
    compile_program(sources, str(target), Options(startup=False))


def main() -> None:
    """Write ``NAME.log`` for every program."""
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            elf = Path(folder) / name
            build(name, elf)
            done = subprocess.run([*QEMU, str(elf)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            (HERE / f"{name}.log").write_bytes(done.stdout)
            print(f"{name}: {len(done.stdout)} bytes, status {done.returncode}")


if __name__ == "__main__":
    main()
