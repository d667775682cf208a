"""The SDRAM chip model as a shared library, apart from any system: for tests that are its controller.

Names and numbers are those of ``cpp/sdram_chip.h``; times in picoseconds.
"""

import ctypes
from dataclasses import dataclass
from functools import cache

from . import builder

#: In the order of ``SdramCounters``.
COUNTERS = ("activates", "precharges", "refreshes", "reads", "writes", "row_hits", "data_cycles")
PARTS = {32 << 20: "mt48lc16m16a2-75", 64 << 20: "as4c32m16sb-7"}
U32, U64 = ctypes.c_uint32, ctypes.c_uint64


@cache
def _library() -> ctypes.CDLL:
    sources = ("sdram_c.cpp", "sdram_chip.cpp", "sdram_bus.cpp", "axi_memory.cpp")
    library = ctypes.CDLL(str(builder.library(*sources)))
    library.sdram_new.restype = ctypes.c_void_p
    library.sdram_violation.restype = ctypes.c_char_p
    library.sdram_seen.restype = U32
    return library


@dataclass(frozen=True)
class Pads:
    """What the controller drives in one cycle. The default is an idle chip with its clock on."""

    cke: int = 1
    cs_n: int = 1
    ras_n: int = 1
    cas_n: int = 1
    we_n: int = 1
    ba: int = 0
    a: int = 0
    dqm: int = 0
    dq_oe: int = 0
    dq: int = 0

    def word(self) -> int:
        """As one number, in the order of the fields, each with the width of its pads."""
        widths = (1, 1, 1, 1, 1, 2, 13, 2, 1, 16)
        value = at = 0
        for name, width in zip(self.__dataclass_fields__, widths, strict=True):
            value |= getattr(self, name) << at
            at += width
        return value


class Chip:
    """One chip of a ``part``, whose clock has ``period`` and rises ``shift`` after the pads change. ``changes``: values
    of its data sheet that are other ones. Raises ``ValueError`` for an unknown part or value.
    """

    def __init__(self, part: str, period: int, shift: int, **changes: int):
        self._lib = _library()
        names = (ctypes.c_char_p * len(changes))(*(name.encode() for name in changes))
        values = (U64 * len(changes))(*changes.values())
        numbers = (U64(period), U64(shift), U32(len(changes)), names, values)
        made = self._lib.sdram_new(part.encode(), *numbers)
        if not made:
            raise ValueError(f"{part}, {', '.join(changes)}: no such SDRAM or value")
        self._self = ctypes.c_void_p(made)

    def __del__(self):
        if hasattr(self, "_self"):
            self._lib.sdram_free(self._self)

    def edge(self, pads: int) -> None:
        """A rising edge of the chip's clock, with ``Pads.word`` before it."""
        self._lib.sdram_edge(self._self, U64(pads))

    def seen(self, ahead: int = 1) -> int:
        """Data pads when the controller's clock rises for the ``ahead``-th time after the last edge."""
        return self._lib.sdram_seen(self._self, U32(ahead))

    def finish(self) -> None:
        """Check what only the end can tell."""
        self._lib.sdram_finish(self._self)

    @property
    def violation(self) -> str:
        """First broken rule, or nothing."""
        return self._lib.sdram_violation(self._self).decode()

    @property
    def counters(self) -> dict[str, int]:
        """All counters by name."""
        values = (U64 * len(COUNTERS))()
        self._lib.sdram_counters(self._self, values)
        return dict(zip(COUNTERS, values, strict=True))

    def load(self, at: int, data: bytes) -> None:
        """Put bytes at an offset, as the controller's addresses count."""
        self._lib.sdram_load(self._self, U64(at), data, U64(len(data)))

    def read(self, at: int, size: int) -> bytes:
        """Bytes at an offset."""
        buffer = ctypes.create_string_buffer(size)
        self._lib.sdram_read(self._self, U64(at), buffer, U64(size))
        return buffer.raw
