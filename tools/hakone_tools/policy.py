"""Sealing policies: TOML files that say which sections are protected, how, and which windows lead out.

    plain = [".monitor"]          sections that are allowed to stay readable
    [[region]]                    name, sections, algorithm, flags, contexts, tag, vendor
    [[window]]                    name, flags, contexts, and either sections, or base and bytes

``algorithm`` is ``aes128-xts`` or ``aes256-xts``; flags are those of ``isa.formats.RegionFlag`` in small letters.
``contexts`` is ``[1]`` and ``tag`` counts from 1 when not given. Regions of one ``vendor``, a name that stands nowhere
else, have one owner id, so that his code may use them; those without it have another one in common. A section that is
neither protected, nor a window, nor named plain is refused.
"""

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hakone.isa.formats import Algorithm, RegionFlag

from .errors import ToolError

#: Names of the ciphers that the sealing tool can use.
ALGORITHMS: dict[str, Any] = {"aes128-xts": Algorithm.AES128_XTS, "aes256-xts": Algorithm.AES256_XTS}
FLAGS = {name.lower(): flag for name, flag in RegionFlag.__members__.items()}


@dataclass(frozen=True)
class RegionRule:
    """A protected region: the sections in it, and its boot record but for place and key."""

    name: str
    sections: tuple[str, ...]
    algorithm: Algorithm
    flags: RegionFlag
    contexts: frozenset[int]
    tag: int
    vendor: str = ""


@dataclass(frozen=True)
class WindowRule:
    """A window to plain memory (``sections``) or to a device (``base`` and ``bytes``)."""

    name: str
    sections: tuple[str, ...]
    base: int
    bytes: int
    flags: RegionFlag
    contexts: frozenset[int]


@dataclass(frozen=True)
class Policy:
    """What to protect."""

    path: str
    plain: frozenset[str]
    regions: tuple[RegionRule, ...]
    windows: tuple[WindowRule, ...]


def _nearest(word: str, known: Iterable[str]) -> str:
    """What to do about an unknown word."""
    known = list(known)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


class _Table:
    """One table of the file, with errors that say where the culprit stands."""

    def __init__(self, path: str, kind: str, number: int, values: Any, keys: set[str]):
        self.values = values
        self.where = f"{path}: {kind} {number}"
        if not isinstance(values, dict):
            raise ToolError(self.where, "is not a table", f"write [[{kind}]] and lines like `name = ...`")
        if isinstance(values.get("name"), str):
            self.where = f"{path}: {kind} {values['name']}"
        for key in values:
            if key not in keys:
                raise ToolError(f"{self.where}: {key}", "no such key", _nearest(key, sorted(keys)))

    def error(self, key: str, problem: str, remedy: str) -> ToolError:
        """An error about one key."""
        return ToolError(f"{self.where}: {key} = {self.values.get(key)!r}", problem, remedy)

    def whole(self, key: str, default: int | None, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(key, "is not possible", f"a whole number from {low} to {high:#x} is needed")
        return value

    def words(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        value = self.values.get(key, default)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(key, "is not a list of names", f'write {key} = ["..."]')
        return tuple(value)

    def name(self) -> str:
        """The table's name."""
        value = self.values.get("name")
        if not isinstance(value, str) or not value:
            raise self.error("name", "is not a name", 'write name = "..."')
        return value

    def flags(self) -> RegionFlag:
        """The flags by name."""
        out = RegionFlag(0)
        for word in self.words("flags"):
            if word not in FLAGS:
                raise ToolError(f"{self.where}: flags: {word}", "no such flag", _nearest(word, FLAGS))
            out |= FLAGS[word]
        return out

    def contexts(self) -> frozenset[int]:
        """The set of contexts."""
        value = self.values.get("contexts", [1])
        if not isinstance(value, list) or not value or not all(type(v) is int and 1 <= v <= 14 for v in value):
            raise self.error("contexts", "is not possible", "a list of numbers 1 to 14 is needed")
        return frozenset(value)

    def algorithm(self) -> Algorithm:
        """The cipher by name."""
        value = self.values.get("algorithm")
        if not isinstance(value, str) or value not in ALGORITHMS:
            raise self.error("algorithm", "unknown algorithm", _nearest(str(value), ALGORITHMS))
        return ALGORITHMS[value]


def _region(table: _Table, number: int) -> RegionRule:
    """A region's rule out of its table."""
    sections = table.words("sections")
    if not sections:
        raise table.error("sections", "is empty", "name the sections that the region holds")
    tag = table.whole("tag", number, 0, 0xFFFF_FFFF)
    vendor = table.values.get("vendor", "")
    if not isinstance(vendor, str):
        raise table.error("vendor", "is not a name", 'write vendor = "..."')
    return RegionRule(table.name(), sections, table.algorithm(), table.flags(), table.contexts(), tag, vendor)


def _window(table: _Table) -> WindowRule:
    """A window's rule out of its table."""
    sections = table.words("sections", [])
    by_address = "base" in table.values or "bytes" in table.values
    if bool(sections) == by_address:
        raise ToolError(table.where, "its place is not clear", "give either sections, or base and bytes")
    base = table.whole("base", 0 if sections else None, 0, 0xFFFF_FFFF)
    size = table.whole("bytes", 0 if sections else None, 0, 0xFFFF_FFFF)
    return WindowRule(table.name(), sections, base, size, table.flags(), table.contexts())


def load_policy(path: str) -> Policy:
    """Read a policy. Raises ``ToolError`` that quotes the culprit."""
    try:
        document = tomllib.loads(Path(path).read_text())
    except OSError as e:
        raise ToolError(path, f"cannot be read: {e.strerror}", "name a policy file that exists") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ToolError(path, f"is not TOML: {e}", "see firmware/lib/sealed.toml for an example") from None
    for key in document:
        if key not in ("plain", "region", "window"):
            raise ToolError(f"{path}: {key}", "no such key", _nearest(key, ("plain", "region", "window")))
    top = _Table(path, "policy", 1, {"plain": document.get("plain", [])}, {"plain"})
    tables: dict[str, list] = {}
    for kind in ("region", "window"):
        value = document.get(kind, [])
        if not isinstance(value, list):
            raise ToolError(f"{path}: {kind}", "is not a list of tables", f"write [[{kind}]]")
        tables[kind] = value
    common = {"name", "sections", "flags", "contexts"}
    regions = tuple(
        _region(_Table(path, "region", n, t, common | {"algorithm", "tag", "vendor"}), n)
        for n, t in enumerate(tables["region"], start=1)
    )
    windows = tuple(
        _window(_Table(path, "window", n, t, common | {"base", "bytes"}))
        for n, t in enumerate(tables["window"], start=1)
    )
    if not regions:
        raise ToolError(path, "names no region", "write at least one [[region]]")
    return Policy(path, frozenset(top.words("plain")), regions, windows)
