"""``hakone system``: puts the small operating system, protected programs and plain ones into one image, from a plan.

A plan is a TOML file:

    hostile = false               the build of the operating system that tries every door
    [[program]]                   name, sources, defines; for a protected one contexts, shares, heap_bytes, stack_bytes
    [[process]]                   program, given (a number for its mailbox)

``sources`` are relative to the plan. A program with ``contexts`` is protected, and each of them can hold one process of
it. ``shares`` is a name: programs with the same one get the same key and seed for the memory that they share.
"""

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from .errors import ToolError
from .outputs import refuse_overwriting, write_all
from .sealing import KeySource, RandomKeys, SeededKeys
from .system_image import Plan, build_system
from .system_programs import ClosedProgram, PlainProgram, draw_shared

_PROGRAM_KEYS = {"name", "sources", "defines", "contexts", "shares", "heap_bytes", "stack_bytes"}
_SEE = "see docs/guide/sharing-memory.md for an example"


def _known(where: str, values: Any, keys: set[str]) -> dict[str, Any]:
    """A table of the plan, refused when it has a key that means nothing."""
    if not isinstance(values, dict):
        raise ToolError(where, "is not a table", _SEE)
    for key in values:
        if key not in keys:
            raise ToolError(f"{where}: {key}", "no such key", f"there are {', '.join(sorted(keys))}")
    return values


def _words(where: str, values: dict[str, Any], key: str) -> list[str]:
    """A list of strings."""
    found = values.get(key, [])
    if not isinstance(found, list) or not all(isinstance(v, str) for v in found):
        raise ToolError(f"{where}: {key}", "is not a list of texts", f'write {key} = ["..."]')
    return found


def _number(where: str, values: dict[str, Any], key: str, default: int) -> int:
    """A whole number of 32 bits."""
    found = values.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 1 << 32:
        raise ToolError(f"{where}: {key} = {found!r}", "is not possible", "a whole number is needed")
    return found


class _Keys:
    """A source of keys for each vendor and each group of sharers; with a seed, the same ones each time."""

    def __init__(self, seed: int | None):
        self._seed, self._drawn = seed, 0
        self._shared: dict[str, tuple[bytes, bytes]] = {}

    def source(self) -> KeySource:
        """A source of its own."""
        self._drawn += 1
        return RandomKeys() if self._seed is None else SeededKeys(1000 * self._seed + self._drawn)

    def shared(self, name: str) -> tuple[bytes, bytes]:
        """Key and seed of the sharers that call themselves ``name``."""
        if name not in self._shared:
            self._shared[name] = draw_shared(self.source())
        return self._shared[name]


def _program(where: str, table: Any, folder: Path, keys: _Keys) -> ClosedProgram | PlainProgram:
    """A program out of its table."""
    values = _known(where, table, _PROGRAM_KEYS)
    name, sources = values.get("name"), [folder / s for s in _words(where, values, "sources")]
    if not isinstance(name, str) or not name.replace("-", "").isalnum() or not sources:
        raise ToolError(where, "has no name of letters and digits, or no sources", _SEE)
    defines = tuple(_words(where, values, "defines"))
    if "contexts" not in values:
        return PlainProgram(name, sources, defines)
    contexts = values["contexts"]
    if not isinstance(contexts, list) or not contexts or not all(type(c) is int and 1 <= c <= 14 for c in contexts):
        raise ToolError(f"{where}: contexts = {contexts!r}", "is not possible", "a list of numbers 1 to 14 is needed")
    sizes = {
        key: _number(where, values, key, default) for key, default in (("heap_bytes", 4096), ("stack_bytes", 8192))
    }
    shares = values.get("shares", name)
    if not isinstance(shares, str) or not shares:
        raise ToolError(f"{where}: shares = {shares!r}", "is not a name", 'write shares = "..."')
    return ClosedProgram(name, sources, frozenset(contexts), keys.source(), keys.shared(shares), defines, **sizes)


def load_plan(path: str, keys: _Keys) -> Plan:
    """Read a plan. Raises ``ToolError`` that quotes the culprit."""
    try:
        document = tomllib.loads(Path(path).read_text())
    except OSError as e:
        raise ToolError(path, f"cannot be read: {e.strerror}", "name a plan that exists") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ToolError(path, f"is not TOML: {e}", _SEE) from None
    _known(path, document, {"hostile", "program", "process"})
    tables = {kind: document.get(kind, []) for kind in ("program", "process")}
    for kind, rows in tables.items():
        if not isinstance(rows, list) or not rows:
            raise ToolError(f"{path}: {kind}", "is missing", f"write at least one [[{kind}]]")
    folder = Path(path).parent
    programs = [_program(f"{path}: program {n}", t, folder, keys) for n, t in enumerate(tables["program"], 1)]
    names = [p.name for p in programs]
    if len(set(names)) < len(names):
        raise ToolError(f"{path}: program", "two have one name", "give each program a name of its own")
    starts = []
    for n, table in enumerate(tables["process"], 1):
        where = f"{path}: process {n}"
        values = _known(where, table, {"program", "given"})
        if values.get("program") not in names:
            raise ToolError(f"{where}: {values.get('program')!r}", "no such program", f"there are {', '.join(names)}")
        starts.append((values["program"], _number(where, values, "given", 0)))
    hostile = document.get("hostile", False)
    if not isinstance(hostile, bool):
        raise ToolError(f"{path}: hostile = {hostile!r}", "is not true or false", "write hostile = true or false")
    return Plan(programs, starts, hostile)


@click.command("system", help="Build a system of several programs under the small operating system.")
@click.argument("plan", metavar="PLAN.toml")
@click.option("-o", "output", required=True, metavar="OUT.elf", help="image to write")
@click.option("--fuses", required=True, metavar="F", help="fuse image to write: boot records with the keys")
@click.option("--key-out", metavar="F", help="also write keys and owner ids, as JSON")
@click.option("--plaintext-out", metavar="F", help="also write what the bus snooper looks for, as JSON")
@click.option("--seed", type=int, metavar="N", help="repeatable keys: for tests only")
@click.option("--open", "in_the_open", is_flag=True, help="leave the code readable: control runs, cipher off")
def command(
    plan: str,
    output: str,
    fuses: str,
    key_out: str | None,
    plaintext_out: str | None,
    seed: int | None,
    in_the_open: bool,
) -> None:
    """Build in a folder of its own, then write what was asked for."""
    wanted = [name for name in (output, fuses, key_out, plaintext_out) if name]
    refuse_overwriting(wanted, [plan])
    rules = load_plan(plan, _Keys(seed))
    with TemporaryDirectory(prefix="hakone-system-") as folder:
        made = build_system("system", rules, Path(folder), in_the_open).program
        assert made.fuses and made.keys and made.plaintexts
        pairs = ((output, made.elf), (fuses, made.fuses), (key_out, made.keys), (plaintext_out, made.plaintexts))
        files = {name: path.read_bytes() for name, path in pairs if name}
    write_all(files, secret=frozenset(wanted[1:]))
