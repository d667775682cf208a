"""What an attribute entry says about an access of a foreign manager, and the requests that follow from it.

Combinational. Part of ``line_cipher_unit``. The entries themselves are ``parallel_lookup``.
"""

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..isa.formats import RegionFlag
from .parallel_lookup import ParallelLookupPort

CONTEXT = 1  #: the one context whose entries there are


class FetchRequest(data.Struct):
    """A line to be read under a domain."""

    line: LINE_BITS
    domain: 4


class VerdictPort(wiring.Signature):
    """Asked for ``line``; in the same cycle: may it be read, written, and under which domain."""

    def __init__(self):
        super().__init__({"line": Out(LINE_BITS), "read": In(1), "write": In(1), "domain": In(4)})


class Verdict(wiring.Component):
    """A line in no entry may be used as plain memory unless ``refuse`` is high; else its entry's rights hold.

    Members: ``port`` (``VerdictPort``), ``lookup`` (``ParallelLookupPort``), ``refuse``.
    """

    port: In(VerdictPort())
    lookup: Out(ParallelLookupPort())
    refuse: In(1)

    def elaborate(self, _platform) -> Module:
        """Defaults for a line in no entry, then those of the entry."""
        m = Module()
        match = self.lookup.match
        m.d.comb += [
            self.lookup.context.eq(CONTEXT),
            self.lookup.line.eq(self.port.line),
            self.port.read.eq(~self.refuse),
            self.port.write.eq(~self.refuse),
        ]
        with m.If(match.hit):
            m.d.comb += [
                self.port.read.eq((match.flags & int(RegionFlag.READ)) != 0),
                self.port.write.eq((match.flags & int(RegionFlag.WRITE)) != 0),
                self.port.domain.eq(match.domain),
            ]
        return m
