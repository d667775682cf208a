"""Attribute look-up: from a context and a line to the rights and the domain that hold there.

Combinational, no clock domain. It stands in the critical path of the memory stage. Requirement AR-02; the entries
themselves are ``attributes.AttributeRegisters``.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LookupPort, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from .attributes import AttributeReadPort


class AttributeLookup(wiring.Component):
    """Finds the entry of ``port.context`` whose range holds ``port.line``, in the same cycle.

    Every range is compared at once; the number of the one that matches then reads its content from the small memory of
    the registers, which costs a tenth of a selector over all contents. Entries of one context never overlap, so that at
    most one matches. Context 0 never matches, whatever the entries say. ``port.match`` is all zero without a hit.

    Parameters: ``entries``, 1 to 16, as in the registers; ``switches``: see ``bus.open_checks``.
    Members: ``port`` (``LookupPort``, seen from this side),
    ``registers`` (``AttributeReadPort``). It tells no rights apart: the fetch unit and the load/store unit judge
    ``flags``, ``owner`` and ``key_slot``.
    """

    def __init__(self, entries: int = 16, switches: Value | None = None):
        self._switches = switches
        super().__init__({"port": In(LookupPort()), "registers": Out(AttributeReadPort(entries))})
        self._entries = entries

    def elaborate(self, _platform) -> Module:
        """Compare, encode, read, and mask when nothing matched."""
        m = Module()
        line, context = self.port.line, self.port.context
        matches = []
        for n in range(self._entries):
            place = self.registers.range[n]
            match = Signal(name=f"match_{n}")
            mine = (place.context == context) & (context != 0)  # empty places have context 0 as well
            if self._switches is not None:
                mine |= is_open(self._switches, OpenCheck.CONTEXT_TAG) & (context != 0) & (place.context != 0)
            # "Less than" only: for "less or equal" synthesis adds an equality comparator (26 LUT4) to the carry chain.
            m.d.comb += match.eq(mine & ~(line < place.start_line) & ~(place.end_line < line))
            matches.append(match)
        index_bits = [reduce(or_, (h for n, h in enumerate(matches) if n >> bit & 1), Const(0, 1)) for bit in range(4)]
        content, found = self.registers.content, Signal(RegionMatch)
        m.d.comb += [
            self.registers.index.eq(Cat(index_bits)),
            found.hit.eq(1),
            found.algorithm.eq(content.algorithm),
            found.flags.eq(content.flags),
            found.domain.eq(content.domain),
            found.key_slot.eq(content.key_slot),
            found.owner.eq(content.owner),
            found.segment_base.eq(content.segment_base),
        ]
        with m.If(Cat(matches).any()):
            m.d.comb += self.port.match.eq(found)
        return m
