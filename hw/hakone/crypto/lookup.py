"""Copies of the attribute ranges that one side of the core uses: from a context and a line to what holds there.

Clock domain ``sync`` for the copies; the comparison is combinational and stands in the critical path of the memory
stage. Requirement AR-02; the entries are ``attributes.AttributeRegisters``, and ``lookup_walk.AttributeWalker`` finds
what is copied.
"""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, LookupPort, RegionMatch
from ..bus.open_checks import OpenCheck, is_open


class RangeCopy(data.Struct):
    """For ``context``, the lines ``first`` to ``last``, both included, all have ``match``: an entry's lines, or a gap
    between entries (then ``match`` is all zero).
    """

    context: 4
    first: LINE_BITS
    last: LINE_BITS
    match: RegionMatch


class RangeCopies(wiring.Component):
    """The ranges of attribute entries, and the gaps between them, that one side has used last.

    ``inside`` and ``bare`` are combinational for ``context`` and ``line``. One bit of ``inside`` at most is high, since
    what is copied never overlaps within a context. When all are low and ``bare`` is, too, then ``ready`` is low, and
    with ``wanted`` the walker is asked for the range; it takes the place of a copy that was not the last one used.
    All copies are forgotten with every change of the attribute registers, at the end of the very cycle of the change,
    so that none is ever older than they are. Nothing is held after reset.

    Parameters: ``copies``, 2 to 16 (of one copy, the two parts of an access could take it from each other for ever);
    ``switches``: see ``bus.open_checks``.
    Members: ``port`` (the walker); ``wanted``, ``context``, ``line`` in; ``inside`` (one-hot), ``match`` (of each copy,
    meaningless unless it is inside), ``bare`` (the context has no entry: nothing matches) and ``ready`` out.
    It judges nothing. Errors: ``ValueError`` for an impossible number of copies.
    """

    def __init__(self, copies: int, switches: Value | None = None):
        if not 2 <= copies <= 16:
            raise ValueError(f"copies = {copies}: 2 to 16 are possible")
        self._copies, self._switches = copies, switches
        super().__init__(
            {
                "port": Out(LookupPort()),
                "wanted": In(1),
                "context": In(4),
                "line": In(LINE_BITS),
                "inside": Out(copies),
                "match": Out(RegionMatch).array(copies),
                "bare": Out(1),
                "ready": Out(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Compare with every copy; fill the next place."""
        m = Module()
        port, valid = self.port, Signal(self._copies)
        copies = [Signal(RangeCopy, name=f"copy_{n}") for n in range(self._copies)]
        place, forget = Signal(range(self._copies)), Signal()
        open_tag = is_open(self._switches, OpenCheck.CONTEXT_TAG)
        m.d.comb += [
            port.context.eq(self.context),
            port.line.eq(self.line),
            port.want.eq(self.wanted & ~self.ready),
            self.bare.eq(port.bare),
            self.ready.eq(self.bare | self.inside.any()),
            forget.eq(port.forget & ~is_open(self._switches, OpenCheck.LOOKUP_STALE)),
        ]
        for n, copy in enumerate(copies):
            mine = valid[n] & ((copy.context == self.context) | open_tag) & (self.context != 0)
            # "Less than" only: for "less or equal" synthesis adds an equality comparator (26 LUT4) to the carry chain.
            m.d.comb += [
                self.inside[n].eq(mine & ~(self.line < copy.first) & ~(copy.last < self.line)),
                self.match[n].eq(copy.match),
            ]
            fill = port.done & (place == n)
            with m.If(fill):
                m.d.sync += [
                    copy.context.eq(port.owner),
                    copy.first.eq(port.first),
                    copy.last.eq(port.last),
                    copy.match.eq(port.match),
                ]
            m.d.sync += valid[n].eq((valid[n] | fill) & ~forget)
        # The next place is never that of the copy used last.
        used = self.wanted & (self.inside.bit_select(place, 1))
        with m.If(port.done | used):
            m.d.sync += place.eq(Mux(place == self._copies - 1, 0, place + 1))
        return m


def chosen(inside: Value, values) -> Value:
    """The one of ``values`` whose bit in ``inside`` is high; all zero when none is."""
    return reduce(or_, (Value.cast(v) & inside[n].replicate(len(Value.cast(v))) for n, v in enumerate(values)))


def chosen_match(inside: Value, matches) -> data.View:
    """The ``RegionMatch`` of the copy that is ``inside``; all zero when none is."""
    return data.View(RegionMatch, chosen(inside, matches))


def any_inside(inside: Value, bits) -> Value:
    """One bit: the copy that is ``inside`` has its bit high."""
    return (inside & Cat(bits)).any()
