"""The register bus: 32-bit single accesses to devices, one outstanding, in the system clock domain.

The initiator raises ``valid`` with ``addr``, ``write``, ``wdata`` and ``strobe`` and holds them until the cycle in
which the target raises ``ready``; ``rdata`` and ``error`` are valid in that cycle only. A target may answer in the
same cycle. Address bits 1..0 are zero; for a read, ``strobe`` tells which bytes are wanted.
"""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class RegisterBus(wiring.Signature):
    """Signature from the initiator's side. ``addr_width`` is in bits (1 to 32)."""

    def __init__(self, addr_width: int = 32):
        if not 1 <= addr_width <= 32:
            raise ValueError(f"addr_width {addr_width}: 1 to 32 bits are possible")
        self.addr_width = addr_width
        super().__init__(
            {
                "valid": Out(1),
                "addr": Out(addr_width),
                "write": Out(1),
                "wdata": Out(32),
                "strobe": Out(4),
                "ready": In(1),
                "rdata": In(32),
                "error": In(1),
            }
        )
