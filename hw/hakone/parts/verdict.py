"""What an attribute entry says about an access of a foreign manager, and the requests that follow from it.

Clock domain ``sync``. Part of ``line_cipher_unit``. The entries are ``crypto.attributes``, and what is found in them is
kept as ``crypto.lookup`` keeps it.
"""

from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, LookupPort
from ..crypto.lookup import RangeCopies, chosen_match
from ..isa.formats import RegionFlag

CONTEXT = 1  #: the one context whose entries there are
COPIES = 2  #: ranges that a direction knows at a time: where it copies from, and what is used beside


class FetchRequest(data.Struct):
    """A line to be read under a domain."""

    line: LINE_BITS
    domain: 4


class VerdictPort(wiring.Signature):
    """Asked with ``want`` for ``line``, both held until ``ready``; in that cycle: may it be read, written, and under
    which domain.
    """

    def __init__(self):
        super().__init__(
            {
                "want": Out(1),
                "line": Out(LINE_BITS),
                "ready": In(1),
                "read": In(1),
                "write": In(1),
                "domain": In(4),
            }
        )


class Verdict(wiring.Component):
    """A line in no entry may be used as plain memory unless ``refuse`` is high; else its entry's rights hold.

    The answer comes in the cycle of the question when the line is in one of the last two ranges used here (an entry's
    lines, or a gap between entries), and otherwise as soon as the walker has brought it. While ``ready`` is low,
    nothing may be read or written. An entry that comes or goes makes every answer wait for the walker again.

    Members: ``port`` (``VerdictPort``), ``lookup`` (``LookupPort``, to the walker), ``refuse``.
    """

    port: In(VerdictPort())
    lookup: Out(LookupPort())
    refuse: In(1)

    def elaborate(self, _platform) -> Module:
        """Nothing while unknown; then defaults for a line in no entry, or what the entry says."""
        m = Module()
        m.submodules.copies = copies = RangeCopies(COPIES)
        wiring.connect(m, wiring.flipped(self.lookup), copies.port)
        match, port = chosen_match(copies.inside, copies.match), self.port
        m.d.comb += [
            copies.context.eq(CONTEXT),
            copies.line.eq(port.line),
            copies.wanted.eq(port.want),
            port.ready.eq(copies.ready),
        ]
        with m.If(port.ready & match.hit):
            m.d.comb += [
                port.read.eq((match.flags & int(RegionFlag.READ)) != 0),
                port.write.eq((match.flags & int(RegionFlag.WRITE)) != 0),
                port.domain.eq(match.domain),
            ]
        with m.Elif(port.ready):
            m.d.comb += [port.read.eq(~self.refuse), port.write.eq(~self.refuse)]
        return m
