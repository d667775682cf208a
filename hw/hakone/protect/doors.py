"""The doors of the segment registers: one row, and how a side of the core gets at the rows it uses.

All are in the one system clock domain. Formats of the instruction ``segput``: ``isa.formats``, ``SEGMENT_*``.
"""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

SEGMENT_BITS = 4  #: bits of a segment's number: the top ones of an address
OFFSET_BITS = 28  #: bits of an offset in a segment
PAGE_BITS = 12  #: a base is a multiple of 4096
BASE_BITS = 32 - PAGE_BITS


class SegmentRow(data.Struct):
    """One segment as it is checked: rights, the ring (0 to 3) that may use it, bits 31..12 of its base, and the offset
    of its last valid byte. ``wraps``: base and limit add up to more than 32 bits; nothing in it is valid.
    """

    present: 1
    wraps: 1
    read: 1
    write: 1
    execute: 1
    ring: 2
    base: BASE_BITS
    limit: OFFSET_BITS


class SegmentReadPort(wiring.Signature):
    """A side's copy of the running context's segments to the registers of all contexts.

    ``enabled``: segments translate and check. ``want`` with ``context`` and ``segment`` asks for a row, and is repeated
    until it was answered: ``done`` with ``row`` belongs to the context and segment of the cycle before. ``forget``: no
    copy is good after this cycle, nor is a row that is answered in it.
    """

    def __init__(self):
        super().__init__(
            {
                "enabled": In(1),
                "want": Out(1),
                "context": Out(4),
                "segment": Out(SEGMENT_BITS),
                "done": In(1),
                "row": In(SegmentRow),
                "forget": In(1),
            }
        )
