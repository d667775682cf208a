"""The simulated memory as a shared library, apart from any system: for tests that are its AXI4 manager.

Member names are those of AMBA AXI4; the structures are those of ``cpp/ports.h``.
"""

import ctypes
from functools import cache

from . import builder

U8, U32, U64 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64


class Manager(ctypes.Structure):
    """What the manager drives."""

    _fields_ = (
        ("wdata", U64),
        ("awaddr", U32),
        ("araddr", U32),
        *(
            (name, U8)
            for name in ("awvalid", "awid", "awlen", "awsize", "awburst", "wvalid", "wstrb", "wlast", "bready")
        ),
        *((name, U8) for name in ("arvalid", "arid", "arlen", "arsize", "arburst", "rready")),
    )


class Subordinate(ctypes.Structure):
    """What the memory drives."""

    _fields_ = (
        ("rdata", U64),
        *((name, U8) for name in ("awready", "wready", "bvalid", "bid", "bresp")),
        *((name, U8) for name in ("arready", "rvalid", "rid", "rresp", "rlast")),
    )


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(builder.library("axi_memory_c.cpp", "axi_memory.cpp")))
    library.memory_new.restype = ctypes.c_void_p
    library.memory_violation.restype = ctypes.c_char_p
    return library


class Memory:
    """One memory of ``size`` bytes from ``base`` on. ``cycle`` counts the edges since it was made."""

    def __init__(self, base: int, size: int, latency: int = 10, wait_seed: int = 0, wait_percent: int = 30):
        self._lib = _library()
        numbers = (U32(base), U64(size), U32(latency), U64(wait_seed), U32(wait_percent))
        self._self = ctypes.c_void_p(self._lib.memory_new(*numbers))
        self.cycle = 0

    def __del__(self):
        self._lib.memory_free(self._self)

    @property
    def driven(self) -> Subordinate:
        """What the memory drives in this cycle."""
        values = Subordinate()
        self._lib.memory_driven(self._self, ctypes.byref(values))
        return values

    def edge(self, manager: Manager) -> None:
        """A rising edge; ``manager`` was driven before it."""
        self._lib.memory_edge(self._self, ctypes.byref(manager))
        self.cycle += 1

    @property
    def violation(self) -> str:
        """First broken rule, or nothing."""
        return self._lib.memory_violation(self._self).decode()

    def load(self, addr: int, data: bytes) -> None:
        """Put bytes into the memory."""
        self._lib.memory_load(self._self, U32(addr), data, U64(len(data)))

    def read(self, addr: int, size: int) -> bytes:
        """Bytes that stand in the memory."""
        buffer = ctypes.create_string_buffer(size)
        self._lib.memory_read(self._self, U32(addr), buffer, U64(size))
        return buffer.raw
