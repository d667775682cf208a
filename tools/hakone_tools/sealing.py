"""Sealing: from a linked program and a policy to ciphertext, a fuse image, and what the bus snooper must look for.

Every line of a region is encrypted by itself with AES-XTS (IEEE 1619, data unit = line) under the region's own key and
the tweak (region tag, line number inside the region); the whole region is, so that .bss, heap and stack begin as
encrypted zeros. This gives confidentiality; the operator can still change or replay lines.

The plaintexts file is JSON: ``{"version", "protected": [{"name", "start", "bytes", "data"}], "plain": [the same]}``,
``data`` in hexadecimal. It is for simulations only and is as secret as the keys.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hakone.isa import VERSION
from hakone.isa.formats import KEY_BYTES, Algorithm, BootRecord, pack_fuses, tweak_bytes
from hakone.isa.platform import LINE_BYTES, RAM_BASE, RAM_BYTES

from .errors import ToolError
from .image import Image, Section, Segment, write_elf
from .policy import Policy, RegionRule


class KeySource(Protocol):
    """Where keys come from: ``bytes(n)`` fresh ones at each call."""

    def bytes(self, count: int) -> bytes:
        """``count`` bytes."""


class RandomKeys:
    """Keys from the operating system."""

    def bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""
        return secrets.token_bytes(count)


class SeededKeys:
    """Keys that anyone can draw again from the seed: for tests only."""

    def __init__(self, seed: int):
        self._seed = seed
        self._drawn = 0

    def bytes(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self._drawn += 1
        return hashlib.shake_256(f"hakone test keys {self._seed} {self._drawn}".encode()).digest(count)


@dataclass(frozen=True)
class Region:
    """A protected region with its place, its plaintext, and its key and owner id."""

    rule: RegionRule
    start: int
    plaintext: bytes
    key: bytes
    owner: bytes

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.plaintext)

    def record(self) -> BootRecord:
        """Its boot record."""
        r = self.rule
        size = len(self.plaintext)
        return BootRecord(r.contexts, r.algorithm, r.flags, self.start, size, r.tag, self.owner, self.key)


@dataclass(frozen=True)
class Sealed:
    """The result: file contents by kind."""

    elf: bytes
    fuses: bytes
    keys: str
    plaintexts: str


def xts_lines(key: bytes, tag: int, data: bytes, first_line: int = 0, decrypt: bool = False) -> bytes:
    """``data``, whole lines from line ``first_line`` of a region on, encrypted or decrypted line by line."""
    out = []
    for n in range(0, len(data), LINE_BYTES):
        cipher = Cipher(algorithms.AES(key), modes.XTS(tweak_bytes(tag, first_line + n // LINE_BYTES)))
        unit = cipher.decryptor() if decrypt else cipher.encryptor()
        out.append(unit.update(data[n : n + LINE_BYTES]) + unit.finalize())
    return b"".join(out)


def _draw_key(source: KeySource, algorithm: Algorithm) -> bytes:
    """A key whose two halves differ, as XTS demands."""
    while True:
        key = source.bytes(KEY_BYTES[algorithm])
        if key[: len(key) // 2] != key[len(key) // 2 :]:
            return key


def _span(image: Image, path: str, name: str, names: tuple[str, ...]) -> tuple[int, int]:
    """First address and end of the sections of a region or window, checked for gaps, alignment and place."""
    missing = [n for n in names if n not in image.sections]
    if missing:
        remedy = f"the file has {', '.join(image.sections) or 'none'}; compile with --sealed, or name its own in {path}"
        raise ToolError(image.path, f"has no section {missing[0]} for {name}", remedy)
    inside = [image.sections[n] for n in names]
    start, end = min(s.start for s in inside), max(s.end for s in inside)
    if start == end:
        raise ToolError(
            image.path, f"{name} is empty: {', '.join(names)} have no bytes", "protect a section with content"
        )
    for s in image.sections.values():
        if s.bytes and s.name not in names and s.start < end and start < s.end:
            problem = f"section {s.name} at {s.start:#x} overlaps {name} ({start:#x} to {end - 1:#x})"
            raise ToolError(image.path, problem, "change the linker script so that they lie apart")
    if start % LINE_BYTES or end % LINE_BYTES:
        problem = f"{name} is misaligned: {start:#x} to {end:#x}"
        raise ToolError(image.path, problem, f"start and end must be multiples of {LINE_BYTES} in the linker script")
    if start < RAM_BASE or end > RAM_BASE + RAM_BYTES:
        problem = f"{name} ({start:#x} to {end - 1:#x}) lies outside memory"
        raise ToolError(image.path, problem, f"memory is {RAM_BASE:#x} to {RAM_BASE + RAM_BYTES - 1:#x}")
    return start, end


def _plain_sections(image: Image, policy: Policy) -> list[Section]:
    """Sections that stay readable. One that nothing is said about is refused, so that none is forgotten."""
    protected = {n for r in policy.regions for n in r.sections}
    windows = {n for w in policy.windows for n in w.sections}
    both = protected & (windows | policy.plain)
    if both:
        raise ToolError(f"{policy.path}: {min(both)}", "is protected and plain at once", "name it once")
    out = []
    for s in image.sections.values():
        if s.bytes and s.name not in protected:
            if s.name not in windows | policy.plain:
                remedy = f"add it to a region, or to `plain` in {policy.path}"
                raise ToolError(image.path, f"section {s.name} is neither protected nor plain", remedy)
            out.append(s)
    return out


def _boot_records(policy: Policy, regions: list[Region], image: Image) -> list[BootRecord]:
    """Records of the regions, then of the windows. Raises ``ToolError`` for one that the hardware would refuse."""
    records = [r.record() for r in regions]
    for w in policy.windows:
        name = f"window {w.name}"
        start, end = _span(image, policy.path, name, w.sections) if w.sections else (w.base, w.base + w.bytes)
        record = BootRecord(w.contexts, Algorithm.NONE, w.flags, start, end - start)  # type: ignore[arg-type]
        problem = record.check()
        if problem:
            raise ToolError(f"{policy.path}: {name}", problem, "change its place or its flags")
        records.append(record)
    return records


def seal(image: Image, policy: Policy, source: KeySource, in_the_open: bool = False) -> Sealed:
    """Encrypt the regions of ``policy``; with ``in_the_open`` leave them readable, all else being the same.

    Keys are drawn in the order owner ids, then region by region, so that a seeded source gives the same ones to the
    same policy. Raises ``ToolError``; nothing is written here.
    """
    owners = {vendor: source.bytes(16) for vendor in dict.fromkeys(("", *(r.vendor for r in policy.regions)))}
    regions = []
    for rule in policy.regions:
        start, end = _span(image, policy.path, f"region {rule.name}", rule.sections)
        key = _draw_key(source, rule.algorithm)
        regions.append(Region(rule, start, image.read(start, end - start), key, owners[rule.vendor]))
    plain = _plain_sections(image, policy)
    if not any(s.start <= image.entry < s.end for s in plain):
        raise ToolError(image.path, f"the entry point {image.entry:#x} lies in no plain section", "start in plain code")
    try:
        fuses = pack_fuses(_boot_records(policy, regions, image))
    except ValueError as e:
        raise ToolError(policy.path, str(e), "change regions and windows so that the chip can hold them") from None
    segments = [Segment(s.start, image.read(s.start, s.bytes)) for s in plain]
    for r in regions:
        data = r.plaintext if in_the_open else xts_lines(r.key, r.rule.tag, r.plaintext)
        segments.append(Segment(r.start, data))
    segments.sort(key=lambda s: s.start)
    return Sealed(
        write_elf(image.entry, segments),
        fuses,
        _keys_json(regions, owners[""]),
        _plaintexts_json(regions, plain, image),
    )


def _keys_json(regions: list[Region], owner: bytes) -> str:
    """What the program's owner keeps."""
    rows = [
        {
            "name": r.rule.name,
            "start": r.start,
            "bytes": len(r.plaintext),
            "algorithm": r.rule.algorithm.name,
            "tag": r.rule.tag,
            "owner": r.owner.hex(),
            "key": r.key.hex(),
        }
        for r in regions
    ]
    return json.dumps({"version": VERSION, "owner": owner.hex(), "regions": rows}, indent=1) + "\n"


def _plaintexts_json(regions: list[Region], plain: list[Section], image: Image) -> str:
    """What the bus snooper looks for, and what it may find."""

    def row(name: str, start: int, data: bytes) -> dict:
        return {"name": name, "start": start, "bytes": len(data), "data": data.hex()}

    document = {
        "version": VERSION,
        "protected": [row(r.rule.name, r.start, r.plaintext) for r in regions],
        "plain": [row(s.name, s.start, image.read(s.start, s.bytes)) for s in plain],
    }
    return json.dumps(document, indent=1) + "\n"
