"""Compiling bare-metal C and assembly: the one place that knows compilers and their flags.

The compiler is clang out of the ``ziglang`` package; ``HAKONE_CC`` names another one, for example
``HAKONE_CC=riscv64-unknown-elf-gcc``. Start-up, library and linker scripts come from ``firmware/``. Flags and their
reasons:

* ``+relax``: without it every call stays a pair of instructions;
* ``-fno-sanitize=undefined`` and an explicit ``-O`` level: ``zig cc`` otherwise inserts checks whose run-time
  part is missing;
* ``-g``: ``zig cc`` strips symbols otherwise;
* unrolling by LLVM's general rules, and a second scheduling behind the allocation of registers: ``-mtune`` would bring
  these along, but ``zig cc`` takes only the schedule of another processor;
* ``-fomit-frame-pointer``: ``zig cc`` keeps frame pointers otherwise.
"""

import dataclasses
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ToolError
from .paths import BUILD, FIRMWARE

ISA = "rv32imac_zicsr_zifencei"
_FEATURES = "+m+a+c+relax+zicsr+zifencei"
_TUNED_FEATURES = "+no_default_unroll+use_postra_scheduler"
_ZIG_TARGET = ("-target", "riscv32-freestanding-none", f"-mcpu=generic_rv32{_FEATURES}{_TUNED_FEATURES}")
_COMMON = (
    "-g",
    "-ffreestanding",
    "-fno-pic",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wall",
    "-fomit-frame-pointer",
)
#: Unwind tables would stand in plain memory and tell where protected functions begin and end.
_NO_TABLES = ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
#: The schedule of a core like this one: one instruction a cycle in order, loads and products a cycle late.
_TUNE = ("-Xclang", "-tune-cpu", "-Xclang", "syntacore-scr3-rv32")
#: What -O3 adds to -O2 (`zig cc` alone makes no difference). See docs/guide/measuring.md for what each of them gives.
_FASTEST = (
    *("-Xclang", "-O3"),
    *("-mllvm", "-inline-threshold=600"),
    *("-mllvm", "-enable-dfa-jump-thread"),
    *("-mllvm", "-disable-select-optimize=false"),
    "-falign-functions=8",
)
_INCLUDES = (f"-I{FIRMWARE / 'include'}",)
#: How our own C is compiled. No built-ins: memset must not call itself, the monitor may call nothing.
_OWN_C = ("-std=c11", "-Wextra", "-Werror", "-fno-builtin", "-O2")
SOURCE_SUFFIXES = (".c", ".S", ".s", ".o", ".a")


@dataclass(frozen=True)
class Options:
    """What a program wants. ``optimise`` is the text after ``-O``; sizes are in bytes, None for the script's own."""

    optimise: str = "2"
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  #: passed to compiler and linker as they are
    linker_script: str | None = None
    startup: bool = True
    sealed: bool = False
    heap_bytes: int | None = None
    stack_bytes: int | None = None
    compressed: bool = True  #: False: no 16-bit instructions in what is compiled


@dataclass
class Compiler:
    """A compiler driver: its command, the flags that make it one for this machine, and what it needs to link."""

    command: list[str]
    target: tuple[str, ...]
    link_flags: tuple[str, ...] = ()
    own_flags: tuple[str, ...] = ()  #: for our library and monitor only
    tune: tuple[str, ...] = ()  #: for every file that is compiled
    fastest: tuple[str, ...] = ()  #: for what is compiled at -O3 or -Ofast
    environment: dict[str, str] = field(default_factory=dict)
    linker: "Compiler | None" = None  #: the driver that links, when it is another

    def without_compressed(self) -> "Compiler":
        """The same compiler for code of 32-bit instructions only."""
        words = (word.replace("+c+", "+").replace("rv32imac", "rv32ima") for word in self.target)
        return dataclasses.replace(self, target=tuple(words))

    def run(self, arguments: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess:
        """Run it, in ``folder`` when one is given; what it printed is in ``stdout``."""
        return subprocess.run(
            [*self.command, *self.target, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env={**os.environ, **self.environment},
        )


def find_compiler() -> Compiler:
    """The compiler named by ``HAKONE_CC``, else the one of ``ziglang``. Raises ``ToolError`` when it cannot be run."""
    named = shlex.split(os.environ.get("HAKONE_CC", ""))
    cache = {f"ZIG_{kind}_CACHE_DIR": str(BUILD / "cache" / "zig") for kind in ("GLOBAL", "LOCAL")}
    command = [sys.executable, "-m", "ziglang", "cc"]
    target = (*_ZIG_TARGET, "-fno-sanitize=undefined")
    zig = Compiler(command, target, ("-lcompiler_rt",), environment=cache, tune=_TUNE, fastest=_FASTEST)
    if not named:
        return zig
    found = shutil.which(named[0])
    if not found:
        raise ToolError("HAKONE_CC", f"{named[0]} is not a program", "name a gcc or clang for riscv32, or unset it")
    named[0] = str(Path(found).absolute())  # the linker runs in another folder
    about = subprocess.run([*named, "--version"], capture_output=True, text=True).stdout
    if "clang" in about:  # it seldom comes with a linker and a support library for this machine, so those are zig's
        return Compiler(named, ("--target=riscv32-unknown-elf", f"-march={ISA}", "-mabi=ilp32"), linker=zig)
    # gcc finds its libgcc by the base letters only, and linking assembles nothing.
    link = ("-march=rv32imac", "-lgcc")
    # gcc turns the loop inside memset into a call of memset, -fno-builtin or not.
    return Compiler(named, (f"-march={ISA}", "-mabi=ilp32"), link, ("-fno-tree-loop-distribute-patterns",))


def _own_flags(compiler: Compiler) -> tuple[str, ...]:
    """Flags for library, start-up and monitor."""
    return (*_OWN_C, *compiler.own_flags)


def _object(compiler: Compiler, source: Path, target: Path, flags: Sequence[str]) -> str:
    """Compile one file; the compiler's messages. Raises ``ToolError`` after printing them when it fails."""
    every = [*_COMMON, *_NO_TABLES, *compiler.tune, *flags, *_INCLUDES]
    done = compiler.run(["-c", *every, str(source), "-o", str(target)])
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise ToolError(source, "does not compile", "see the messages above")
    return done.stdout


def _objects(compiler: Compiler, sources: Sequence[Path], folder: Path, flags: Sequence[str]) -> list[Path]:
    """Compile files at the same time into ``folder``; objects come in the order of the sources, messages are shown."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = [s if s.suffix in (".o", ".a") else folder / f"{n:02}_{s.stem}.o" for n, s in enumerate(sources)]
    jobs = [(s, t) for s, t in zip(sources, targets, strict=True) if s != t]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for messages in pool.map(lambda job: _object(compiler, job[0], job[1], flags), jobs):
            sys.stderr.write(messages)
    return targets


def _library_sources(sealed: bool) -> list[Path]:
    """C and assembly of the library for one kind of program, start-up excepted."""
    other = {"exit_plain.c", "trap.S", "trap.c"} if sealed else {"exit_sealed.c"}
    every = sorted((FIRMWARE / "lib").glob("*.[cS]"))
    return [s for s in every if s.name not in other and not s.name.startswith("crt0")]


def _library(compiler: Compiler, sealed: bool) -> Path:
    """Our library as an archive, built once per compiler and sources."""
    sources = _library_sources(sealed)
    headers = sorted([*(FIRMWARE / "include").rglob("*.h"), *(FIRMWARE / "lib").glob("*.h")])
    flags = [_COMMON, _NO_TABLES, compiler.tune, _own_flags(compiler)]
    key = hashlib.sha256(repr([compiler.command, compiler.target, *flags]).encode())
    for path in (*sources, *headers):
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    archive = BUILD / "cache" / "firmware" / key.hexdigest()[:16] / "libhakone.a"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        objects = _objects(compiler, sources, Path(scratch), _own_flags(compiler))
        fresh = Path(scratch) / "libhakone.a"
        command = [sys.executable, "-m", "ziglang", "ar", "rcs", str(fresh), *map(str, objects)]
        subprocess.run(command, check=True)
        fresh.replace(archive)
    return archive


def own_fingerprint() -> str:
    """What our own programs depend on beside their sources: the compiler and its flags."""
    compiler = find_compiler()
    return repr([compiler.command, compiler.target, compiler.link_flags, _COMMON, _NO_TABLES, _own_flags(compiler)])


def build_own(sources: Sequence[Path], script: Path, folder: Path, flags: Sequence[str]) -> Path:
    """Compile and link one of our own programs in ``folder``, without start-up and library; the ELF file.

    ``script`` may include what is in ``firmware/include/gen``. Raises ``ToolError`` after printing the messages.
    """
    compiler = find_compiler()
    linker = compiler.linker or compiler
    objects = _objects(compiler, sources, folder / "objects", [*_own_flags(compiler), *flags])
    linked = folder / "program.elf"
    link = ["-Os", "-g", "-nostdlib", "-static", *(str(o.resolve()) for o in objects), *linker.link_flags]
    command = [*link, "-T", str(script), "-Wl,--gc-sections", "-o", str(linked.resolve())]
    done = linker.run(command, FIRMWARE / "include" / "gen")
    sys.stderr.write(done.stdout)
    if done.returncode:
        raise ToolError(script.parent, "does not link", "see the messages above")
    return linked


def _check(sources: Sequence[str], output: str, options: Options) -> None:
    """Refuse what cannot work before anything is compiled."""
    scripts = [options.linker_script] if options.linker_script else []
    for name in (*sources, *scripts):
        if not Path(name).is_file():
            raise ToolError(name, "no such file", "name a file that exists")
        if name in sources and Path(name).suffix not in SOURCE_SUFFIXES:
            raise ToolError(name, "is neither C nor assembly", f"files end in {', '.join(SOURCE_SUFFIXES)}")
    folder = Path(output).resolve().parent
    if Path(output).is_dir():
        raise ToolError(output, "is a folder", "name a file with -o")
    if not folder.is_dir():
        raise ToolError(output, f"the folder {folder} does not exist", "make it first")
    if not os.access(Path(output) if Path(output).exists() else folder, os.W_OK):
        raise ToolError(output, "cannot be written", "name a file that can be written with -o")


def _link(compiler: Compiler, objects: list[Path], options: Options, folder: Path, output: str) -> Path:
    """Link into ``folder``; the program's path. Raises ``ToolError`` about ``output`` after printing the messages."""
    linker = compiler.linker or compiler
    kind = "sealed" if options.sealed else "plain"
    script = Path(options.linker_script or FIRMWARE / "lib" / f"{kind}.ld").resolve()
    # zig cc takes no search path for INCLUDE: ours are found because the linker runs where the generated constants are.
    place = None if options.linker_script else FIRMWARE / "include" / "gen"
    sizes = (("HEAP_BYTES", options.heap_bytes), ("STACK_BYTES", options.stack_bytes))
    sized = folder / "sized.ld"  # not --defsym, which zig cc does not know
    lines = [f"{name} = {size};\n" for name, size in sizes if size is not None]
    sized.write_text("".join(lines) + f'INCLUDE "{script}"\n')
    linked = folder / "program.elf"
    link = [f"-O{options.optimise}", "-g", "-nostdlib", "-static", *options.flags]
    link += [*(str(o.resolve()) for o in objects), str(_library(compiler, options.sealed)), *linker.link_flags]
    done = linker.run([*link, "-T", str(sized), "-Wl,--gc-sections", "-o", str(linked)], place)
    sys.stderr.write(done.stdout)
    if done.returncode:
        raise ToolError(output, "does not link", "see the messages above")
    return linked


def compile_program(sources: Sequence[str], output: str, options: Options | None = None) -> None:
    """Compile and link ``sources`` into the ELF file ``output``, which appears only when all went well.

    With ``sealed`` the program is linked for ``hakone seal``, with the monitor that starts it. Compiler messages go to
    standard error. Raises ``ToolError`` for bad input and when a source does not compile or link.
    """
    options = options or Options()
    _check(sources, output, options)
    compiler = find_compiler()
    level = [f"-O{options.optimise}", *(compiler.fastest if options.optimise in ("3", "fast") else ())]
    flags = [*level, *(f"-D{d}" for d in options.defines), *(f"-I{i}" for i in options.includes)]
    with tempfile.TemporaryDirectory(prefix="hakone-cc-") as scratch:
        folder = Path(scratch)
        # zig's cache of objects takes a header for another one that was found by the same text, in another folder or
        # earlier on the way: what users write is compiled with a cache of its own, which goes with the folder.
        own_cache = {name: str(folder / "cache") for name in compiler.environment}
        fresh = dataclasses.replace(compiler, environment={**compiler.environment, **own_cache})
        fresh = fresh if options.compressed else fresh.without_compressed()
        objects = _objects(fresh, [Path(s) for s in sources], folder / "program", [*flags, *options.flags])
        if options.startup:
            start = FIRMWARE / "lib" / ("crt0_sealed.S" if options.sealed else "crt0.S")
            objects += _objects(compiler, [start], folder / "startup", _own_flags(compiler))
        if options.startup and options.sealed:
            monitor = sorted((FIRMWARE / "monitor").glob("*.[cS]"))
            objects += _objects(compiler, monitor, folder / "monitor", _own_flags(compiler))
        linked = _link(compiler, objects, options, folder, output)
        try:
            shutil.copyfile(linked, output)
        except OSError as e:
            raise ToolError(output, f"cannot be written: {e.strerror}", "name another file with -o") from None
