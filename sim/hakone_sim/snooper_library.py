"""The bus snooper as a shared library, apart from any simulation: for comparing it with its model.

Names, arguments and counters are those of ``cpp/snooper_c.cpp`` and ``cpp/snooper.h``.
"""

import ctypes
from functools import cache

from . import builder

#: In the order of ``SnooperCounters``.
COUNTERS = (
    *("bus_bytes", "windows_searched", "bus_hits", "ram_hits", "output_hits", "input_hits"),
    *("declared_windows", "stored_windows", "stored_windows_dropped", "output_windows", "ram_windows_searched"),
)
U32, U64 = ctypes.c_uint32, ctypes.c_uint64


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(builder.library("snooper_c.cpp", "snooper.cpp", "axi_memory.cpp")))
    library.snooper_new.restype = ctypes.c_void_p
    library.snooper_hits.restype = U64
    return library


class Snooper:
    """One snooper over ``size`` bytes of memory from ``base`` on; ``stored_limit`` windows from stores a generation."""

    def __init__(self, base: int, size: int, stored_limit: int = 1 << 20):
        self._lib = _library()
        self._self = ctypes.c_void_p(self._lib.snooper_new(U32(base), U64(size), U64(stored_limit)))

    def __del__(self):
        self._lib.snooper_free(self._self)

    def arm(self) -> None:
        """Watch even when nothing is declared."""
        self._lib.snooper_arm(self._self)

    def declare_plain(self, data: bytes) -> None:
        """Bytes that anyone may see. To be called before ``declare_protected``."""
        self._lib.snooper_plain(self._self, data, U64(len(data)))

    def declare_protected(self, addr: int, data: bytes) -> None:
        """Bytes that must never be seen."""
        self._lib.snooper_protected(self._self, U32(addr), data, U64(len(data)))

    def burst(
        self, write: bool, addr: int, length: int, size: int, kind: int, data: list[int], strobes: list[int], cycle: int
    ) -> None:
        """A burst (AXI4 len, size, burst) whose beats crossed the bus in this order."""
        n = len(data)
        words, lanes = (U64 * n)(*data), (ctypes.c_uint8 * n)(*strobes)
        head = (ctypes.c_int(write), U32(addr), U32(length), U32(size), U32(kind), U32(n))
        self._lib.snooper_burst(self._self, *head, words, lanes, U64(cycle))

    def store(self, addr: int, data: int, strobe: int, protected: bool, encrypted: bool, cycle: int) -> None:
        """A store of the processor: word address, data, byte lanes."""
        flags = (ctypes.c_int(protected), ctypes.c_int(encrypted))
        self._lib.snooper_store(self._self, U32(addr), U32(data), U32(strobe), *flags, U64(cycle))

    def search_memory(self, image: bytes, cycle: int, touched: bytes | None = None) -> None:
        """Search the memory: every page of 4 KiB, or those with a 1 in ``touched``."""
        pages = touched if touched is not None else b"\1" * (len(image) >> 12)
        self._lib.snooper_memory(self._self, image, U64(len(image)), pages, U64(cycle))

    @property
    def counters(self) -> dict[str, int]:
        """All counters by name."""
        values = (U64 * len(COUNTERS))()
        self._lib.snooper_counters(self._self, values)
        return dict(zip(COUNTERS, values, strict=True))

    @property
    def hits(self) -> list[int]:
        """Addresses of the first leaks."""
        values = (U32 * 64)()
        return list(values[: self._lib.snooper_hits(self._self, values, U64(64))])
