"""What segments mean, byte by byte, as plain Python: the independent partner of the segment tests."""

from dataclasses import dataclass, field

from hakone.isa.cause import Sub

MASK32 = 0xFFFF_FFFF
SEGMENT_BYTES = 1 << 28


@dataclass
class Descriptor:
    """One segment; nothing was ever written."""

    present: bool = False
    rights: str = ""  # of "rwx"
    ring: int = 0
    base: int = 0
    limit: int = 0


def base_word(base: int, rights: str, ring: int, present: bool = True) -> int:
    """Word 0 of ``segput``."""
    return base | ring << 4 | present | sum(2 << k for k, right in enumerate("rwx") if right in rights)


@dataclass
class SegmentModel:
    """All segments of all contexts, and whether they count."""

    enabled: bool = False
    rows: dict = field(default_factory=dict)

    def row(self, context: int, addr: int) -> Descriptor:
        """The segment of an address."""
        return self.rows.setdefault((context, addr >> 28), Descriptor())

    def put(self, context: int, segment: int, word: int, value: int):
        """``segput``."""
        row = self.rows.setdefault((context, segment), Descriptor())
        if word:
            row.limit, row.present = value, False
        else:
            row.base, row.ring, row.present = value & ~0xFFF, value >> 4 & 3, bool(value & 1)
            row.rights = "".join(right for k, right in enumerate("rwx") if value >> k + 1 & 1)

    def clear(self, context: int):
        """None of its segments is present."""
        for (owner, _), row in self.rows.items():
            if owner == context:
                row.present = False

    def place(self, context: int, addr: int) -> int:
        """Physical address."""
        return (self.row(context, addr).base + addr % SEGMENT_BYTES) & MASK32 if self.enabled else addr

    def _bytes_fault(self, row, addr: int, size: int) -> Sub | None:
        touched = [addr + n for n in range(size)]
        own = [a for a in touched if a >> 28 == addr >> 28]
        if row.base + row.limit > MASK32 or any(a % SEGMENT_BYTES > row.limit for a in own):
            return Sub.SEGMENT_LIMIT
        return Sub.SEGMENT_STRADDLE if len(own) < len(touched) else None

    def data_fault(self, context: int, level: int, addr: int, size: int, needs: str) -> Sub | None:
        """The rule that forbids a data access of ``size`` bytes; ``needs`` of "rw"."""
        row = self.row(context, addr)
        if not self.enabled:
            return None
        if not row.present:
            return Sub.SEGMENT_ABSENT
        if 3 - level > row.ring:
            return Sub.SEGMENT_RING
        if any(right not in row.rights for right in needs):
            return Sub.SEGMENT_RIGHT
        return self._bytes_fault(row, addr, size)

    def fetch_fault(self, context: int, level: int, addr: int) -> Sub | None:
        """The rule that forbids the fetch of the halfword at ``addr``."""
        row = self.row(context, addr)
        if not self.enabled:
            return None
        if not row.present:
            return Sub.SEGMENT_ABSENT
        if 3 - level != row.ring:
            return Sub.SEGMENT_RING
        return self._bytes_fault(row, addr, 2) if "x" in row.rights else Sub.SEGMENT_RIGHT
