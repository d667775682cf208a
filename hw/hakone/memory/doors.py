"""The doors inside the data side: load/store unit, data cache and miss unit to each other; and the cache's geometry.

All are in the one system clock domain. A cache *index* is the address of a 64-bit word in every way: the set above
three bits that choose the word in the line. Sets of ways are one-hot vectors.
"""

from dataclasses import dataclass

from amaranth import Cat, Const, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, SLOT_BITS
from ..isa.platform import DEVICES, LINE_BYTES, LINE_LOG2, RAM_BASE, Window

DOMAIN_BITS = 4
WORD_BITS = 3  #: bits that choose one of the eight 64-bit words of a line


@dataclass(frozen=True)
class CacheGeometry:
    """Sizes of the data cache: ``cache_bytes`` (1024 to 16384, power of two), ``ways`` (1, 2 or 4; a way holds 2 to 64
    lines), ``ram_bytes`` (memory that may be cached, power of two); and the ``devices`` that exist. Raises
    ``ValueError`` for an impossible choice.
    """

    cache_bytes: int
    ways: int
    ram_bytes: int
    devices: tuple[Window, ...] = DEVICES

    def __post_init__(self):
        if self.ways not in (1, 2, 4):
            raise ValueError(f"ways = {self.ways}: 1, 2 or 4 are possible")
        if self.cache_bytes & (self.cache_bytes - 1) or not 1024 <= self.cache_bytes <= 16384:
            raise ValueError(f"cache_bytes = {self.cache_bytes}: a power of two from 1024 to 16384 is needed")
        if not 2 <= self.sets <= 64:
            raise ValueError(f"{self.cache_bytes} bytes in {self.ways} ways: a way holds 2 to 64 lines")
        if self.ram_bytes & (self.ram_bytes - 1) or not self.sets * LINE_BYTES < self.ram_bytes <= RAM_BASE:
            raise ValueError(f"ram_bytes = {self.ram_bytes}: a power of two above the size of a way is needed")

    @property
    def sets(self) -> int:
        """Lines in a way."""
        return self.cache_bytes // self.ways // LINE_BYTES

    @property
    def set_bits(self) -> int:
        """Bits of a set number."""
        return self.sets.bit_length() - 1

    @property
    def index_bits(self) -> int:
        """Bits of a cache index."""
        return self.set_bits + WORD_BITS

    @property
    def tag_bits(self) -> int:
        """Bits of a physical tag: enough for RAM, because nothing else is ever cached."""
        return self.ram_bytes.bit_length() - 1 - LINE_LOG2 - self.set_bits

    @property
    def tag_layout(self) -> data.StructLayout:
        """One line's tag: ``valid``, physical ``tag``, and the ``domain`` under which the line is held."""
        return data.StructLayout({"valid": 1, "tag": self.tag_bits, "domain": DOMAIN_BITS})

    def index_of(self, address: Value) -> Value:
        """Cache index of a byte address."""
        return address[LINE_LOG2 - WORD_BITS : LINE_LOG2 + self.set_bits]

    def set_of(self, line: Value) -> Value:
        """Set of a line number."""
        return line[: self.set_bits]

    def tag_of(self, line: Value) -> Value:
        """Physical tag of a line number."""
        return line[self.set_bits : self.set_bits + self.tag_bits]

    def line_of(self, tag: Value, set_number: Value) -> Value:
        """Line number that stands in ``set_number`` with ``tag``."""
        top = self.set_bits + self.tag_bits
        return Cat(set_number, tag, Const(RAM_BASE >> LINE_LOG2 + top, LINE_BITS - top))

    def slot_of(self, set_number: Value, ways: Value) -> Value:
        """Slot (``core_ports.SLOT_BITS``) of the one way in ``ways``."""
        way_bits = self.ways.bit_length() - 1
        way = (Cat(ways[way] for way in range(self.ways) if way >> bit & 1).any() for bit in range(way_bits))
        return Cat(set_number, *way, Const(0, SLOT_BITS - self.set_bits - way_bits))

    def chosen_tag(self, tags, ways: Value) -> data.View:
        """The tag of the one way in ``ways`` (all zero, so invalid, for none)."""
        chosen = Const(0, self.tag_layout.size)
        for way, entry in enumerate(tags):
            chosen = chosen | (entry.as_value() & ways[way].replicate(self.tag_layout.size))
        return data.View(self.tag_layout, chosen)

    def write_layout(self) -> data.StructLayout:
        """One write to the data RAMs: ``ways`` (zero: none), ``index``, byte ``strobe`` and ``data``."""
        return data.StructLayout({"ways": self.ways, "index": self.index_bits, "strobe": 8, "data": 64})

    def fill_layout(self) -> data.StructLayout:
        """What a data miss asks for.

        ``line`` is wanted under ``domain`` in the one way of ``ways``. ``evict``: the line that stands there is dirty
        and is saved first, as ``victim_tag`` of the same set under ``victim_domain``. ``alias``: that line is the
        wanted one itself, held under another domain, so that memory must have it before it is read.
        """
        return data.StructLayout(
            {
                "line": LINE_BITS,
                "domain": DOMAIN_BITS,
                "ways": self.ways,
                "evict": 1,
                "alias": 1,
                "victim_tag": self.tag_bits,
                "victim_domain": DOMAIN_BITS,
            }
        )


class CacheLookupPort(wiring.Signature):
    """Load/store unit to data cache.

    ``index`` is read at the end of every cycle, unless the refill port takes the RAMs; ``tags``, ``words`` and
    ``forward`` belong to the index of the cycle before. ``forward`` is the write of the cycle before: a word that was
    read in the same cycle shows old bytes, which the reader must replace. ``dirty`` and ``oldest`` (the way to replace,
    one-hot) are combinational for ``line_set``. ``write`` acts at the end of the cycle and makes its line dirty.
    ``touch`` (one-hot, zero: none) makes that way of ``line_set`` the youngest.
    """

    def __init__(self, geometry: CacheGeometry):
        ways = geometry.ways
        super().__init__(
            {
                "index": Out(geometry.index_bits),
                "tags": In(data.ArrayLayout(geometry.tag_layout, ways)),
                "words": In(data.ArrayLayout(64, ways)),
                "forward": In(geometry.write_layout()),
                "line_set": Out(geometry.set_bits),
                "dirty": In(ways),
                "oldest": In(ways),
                "write": Out(geometry.write_layout()),
                "touch": Out(ways),
            }
        )


class CacheRefillPort(wiring.Signature):
    """Miss unit to data cache; it drives only while the load/store unit waits or is held.

    ``take`` reads ``index`` instead of the other port's. ``dirty`` is that of ``dirty_set``, in the same cycle; it has
    a number of its own, which comes from registers, because what is taken next depends on it. ``write`` as there, but
    leaves dirty bits alone. ``tag_ways`` writes ``tag`` to those ways of ``line_set``; ``clean_ways`` makes those of
    ``line_set`` clean. A tag written in the cycle in which its set is read is seen by that read.
    """

    def __init__(self, geometry: CacheGeometry):
        ways = geometry.ways
        super().__init__(
            {
                "take": Out(1),
                "index": Out(geometry.index_bits),
                "line_set": Out(geometry.set_bits),
                "tags": In(data.ArrayLayout(geometry.tag_layout, ways)),
                "words": In(data.ArrayLayout(64, ways)),
                "dirty_set": Out(geometry.set_bits),
                "dirty": In(ways),
                "write": Out(geometry.write_layout()),
                "tag_ways": Out(ways),
                "tag": Out(geometry.tag_layout),
                "clean_ways": Out(ways),
            }
        )


class MissPort(wiring.Signature):
    """Load/store unit to miss unit.

    ``fill_valid`` with ``fill`` is held until ``fill_done``; with ``fill_error`` the line was not kept. In the cycle of
    ``fill_done`` the cache is free to be read again and shows the new line. The miss unit raises ``hold`` when it needs
    the cache for itself; ``held`` answers in the same cycle that the load/store unit leaves it alone, and stays while
    ``hold`` does. ``clean_start``, ``clean_abort`` and ``clean_busy`` are those of ``LoadStorePort``.
    """

    def __init__(self, geometry: CacheGeometry):
        super().__init__(
            {
                "fill_valid": Out(1),
                "fill": Out(geometry.fill_layout()),
                "fill_done": In(1),
                "fill_error": In(1),
                "hold": In(1),
                "held": Out(1),
                "clean_start": Out(1),
                "clean_abort": Out(1),
                "clean_busy": In(1),
            }
        )


class InvalidatePort(wiring.Signature):
    """Miss unit to instruction cache: drop ``line`` if it is held under another domain than ``domain``.

    ``valid`` is held with ``line`` and ``domain`` until the cycle with ``done``, which may be the first one. The
    instruction cache answers also while a miss of its own waits.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "line": Out(LINE_BITS),
                "domain": Out(DOMAIN_BITS),
                "done": In(1),
            }
        )
