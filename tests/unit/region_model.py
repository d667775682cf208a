"""What setik and clrk may do, in plain Python: tables as lists, rules in the order in which they are told."""

import struct
from dataclasses import dataclass

from hakone.isa.cause import Sub
from hakone.isa.formats import Algorithm, RegionStatus
from hakone.isa.platform import RAM_BASE

KEY_BYTES = {0: 0, 1: 32, 2: 64}
LINE = 64


@dataclass
class ModelEntry:
    """An attribute entry: byte range inside a context, what it opens, and whether it counts against the quota."""

    context: int
    start: int
    end: int
    algorithm: int
    flags: int
    owner: int
    domain: int
    slot: int
    base: int
    counted: bool = True


class RegionModel:
    """``entries``, ``domains`` (algorithm, slot, tag, physical start) and ``slots`` (algorithm, key) by number, lowest
    free number first. Commands answer (status, rule).
    """

    def __init__(self, ram_bytes, entries=16):
        self.ram_bytes = ram_bytes
        self.entries, self.domains, self.slots = [None] * entries, {}, {}

    def install(self, description, context, owner, quota, bases=None):
        """``setik``. ``bases``: physical base of each segment, or None with segments off."""
        kind, access, start, size, tag, *rest = struct.unpack("<8I", description[:32])
        algorithm, flags = kind >> 16 & 7, access & 0xFF
        key_bytes, segment = access >> 8 & 0xFF, access >> 16 & 15
        end = start + size - 1
        window = algorithm == 0
        if kind & ~(7 << 16) != 0x0100_4452 or access >> 20 or any(rest):
            return RegionStatus.BAD_HEADER, Sub.NONE
        if algorithm not in KEY_BYTES:
            return RegionStatus.BAD_ALGORITHM, Sub.NONE
        if flags & ~(0b11 if window else 0b11_1111):
            return RegionStatus.BAD_FLAGS, Sub.NONE
        if key_bytes != KEY_BYTES[algorithm]:
            return RegionStatus.BAD_KEY, Sub.NONE
        if start % LINE or size % LINE:
            return RegionStatus.MISALIGNED, Sub.NONE
        if size == 0 or end >= 1 << 32:
            return RegionStatus.EMPTY_RANGE, Sub.NONE
        if segment != (start >> 28 if bases else 0) or (not window and start >> 28 != end >> 28):
            return RegionStatus.BAD_SEGMENT, Sub.NONE
        key = description[32 : 32 + key_bytes]
        base = bases[start >> 28] if bases else start >> 28 << 28
        place = base + (start & 0xFFF_FFFF)
        if not window:
            if key[: key_bytes // 2] == key[key_bytes // 2 :]:
                return RegionStatus.BAD_KEY, Sub.NONE
            if place < RAM_BASE or place + size > RAM_BASE + self.ram_bytes:
                return RegionStatus.OUTSIDE_RAM, Sub.NONE
        mine = [e for e in self.entries if e and e.context == context]
        if any(e.start <= end and start <= e.end for e in mine):
            return RegionStatus.OVERLAP, Sub.NONE
        if sum(e.counted for e in mine) >= quota:
            return RegionStatus.QUOTA, Sub.NONE
        if None not in self.entries:
            return RegionStatus.NO_ENTRY, Sub.NONE
        domain = slot = 0
        if not window:
            answer = self._bind(algorithm, key, tag, place)
            if not isinstance(answer, int):
                return answer
            domain = answer
            slot = self.domains[domain][1]
        entry = ModelEntry(context, start, end, algorithm, flags, owner, domain, slot, base)
        self.entries[self.entries.index(None)] = entry
        return RegionStatus.DONE, Sub.NONE

    def _bind(self, algorithm, key, tag, place):
        """The domain of (key, tag), new or joined; or the refusal."""
        slot = next((n for n, held in self.slots.items() if held == (algorithm, key)), None)
        for number, (_, of_slot, of_tag, of_place) in self.domains.items():
            if (of_slot, of_tag) == (slot, tag):
                return number if of_place == place else (RegionStatus.DONE, Sub.REGION_BOUND)
        number = next((n for n in range(1, 16) if n not in self.domains), None)
        if slot is None:
            slot = next((n for n in range(16) if n not in self.slots), None)
        if number is None or slot is None:
            return RegionStatus.NO_KEY, Sub.NONE
        self.slots[slot] = (algorithm, key)
        self.domains[number] = (algorithm, slot, tag, place)
        return number

    def release(self, addr, context, owner):
        """``clrk`` of an own region by code of ``owner`` (0: plain code); the second answer is the domain that ended,
        or 0."""
        if addr % LINE:
            return Sub.REGION_OPERAND, 0
        for place, entry in enumerate(self.entries):
            if entry and entry.context == context and entry.start == addr and entry.owner in (0, owner):
                return Sub.NONE, self._remove(place)
        return Sub.REGION_NO_ENTRY, 0

    def release_context(self, context):
        """``clrk`` of a dead context; answers the domains that ended, in order."""
        places = [n for n, e in enumerate(self.entries) if e and e.context == context]
        return [domain for domain in map(self._remove, places) if domain]

    def _remove(self, place):
        """An entry goes; the last of a domain takes it along, the last domain of a key the key."""
        domain = self.entries[place].domain
        self.entries[place] = None
        if domain == 0 or any(e and e.domain == domain for e in self.entries):
            return 0
        slot = self.domains.pop(domain)[1]
        if all(row[1] != slot for row in self.domains.values()):
            del self.slots[slot]
        return domain

    def tables(self):
        """In the form in which the bench reads the hardware."""
        entries = {
            n: {
                "context": e.context,
                "start_line": e.start // LINE,
                "end_line": e.end // LINE,
                "algorithm": Algorithm(e.algorithm),
                "flags": e.flags,
                "key_slot": e.slot,
                "key_bytes": KEY_BYTES[e.algorithm],
                "domain": e.domain,
                "owner": e.owner,
                **({"segment_base": e.base >> 12} if e.domain else {}),
            }
            for n, e in enumerate(self.entries)
            if e
        }
        rows = {n: (Algorithm(a), slot, tag, place // LINE) for n, (a, slot, tag, place) in self.domains.items()}
        keys = {n: (key[:16], key[len(key) // 2 :][:16]) for n, (_, key) in self.slots.items()}
        contexts = sum({1 << e.context for e in self.entries if e})
        return entries, rows, keys, contexts, 0
