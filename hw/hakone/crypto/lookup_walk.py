"""The walker of the attribute entries: from a context and a line to the exact range of lines that share its answer.

Clock domain ``sync``. One for both sides of the core; what it finds is kept in ``lookup.RangeCopies``. Requirement
AR-02; the entries are ``attributes.AttributeRegisters``.
"""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, LookupPort, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from .attributes import AttributeReadPort

SIDES = 2  #: 0 fetch, 1 data
#: Fields of an entry that go into a copy.
COPIED = ("algorithm", "flags", "domain", "key_slot", "owner", "segment_base")


class AttributeWalker(wiring.Component):
    """Answers one request after the other, the data side's first.

    An entry a cycle: the one that holds the line is the answer. If there is none, it is the widest range around the
    line without any entry of that context: every entry of the context that lies below moves the range's beginning, and
    every one above moves its end. A request taken in cycle t whose entry has number n is answered in t+n+2, one
    without an entry in t+k+2, where k is the number of the last entry of all. A change of the registers ends a walk
    without an answer, in that very cycle; the side asks again.

    Parameters: ``switches``: see ``bus.open_checks``.
    Members: ``sides`` (0 fetch, 1 data: ``LookupPort``, seen from this side), ``registers`` (``AttributeReadPort``).
    Entries of one context do not overlap, so that the first match is the only one. Context 0 never matches.
    """

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__({"sides": In(LookupPort()).array(SIDES), "registers": Out(AttributeReadPort())})

    def elaborate(self, _platform) -> Module:
        """Take a request, walk, answer."""
        m = Module()
        registers, (fetch, side) = self.registers, self.sides
        entry, content = registers.range, registers.content
        index, for_data, context, line = Signal(4), Signal(), Signal(4), Signal(LINE_BITS)
        first, last, found, answer = Signal(LINE_BITS), Signal(LINE_BITS), Signal(), Signal()
        open_tag = is_open(self._switches, OpenCheck.CONTEXT_TAG)
        mine, below, above = Signal(), Signal(), Signal()
        m.d.comb += [
            registers.index.eq(index),
            mine.eq(registers.used & (entry.context != 0) & ((entry.context == context) | open_tag)),
            below.eq(entry.end_line < line),
            above.eq(line < entry.start_line),
        ]
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                m.d.sync += [index.eq(0), first.eq(0), last.eq(-1), found.eq(0), for_data.eq(side.want)]
                with m.If(side.want):
                    m.d.sync += [context.eq(side.context), line.eq(side.line)]
                with m.Else():
                    m.d.sync += [context.eq(fetch.context), line.eq(fetch.line)]
                with m.If((side.want | fetch.want) & ~registers.changes):
                    m.next = "WALK"
            with m.State("WALK"):
                with m.If(mine & ~below & ~above):
                    m.d.sync += [found.eq(1), first.eq(entry.start_line), last.eq(entry.end_line)]
                    m.next = "ANSWER"
                with m.Else():
                    with m.If(mine & below & ~(entry.end_line < first)):
                        m.d.sync += first.eq(entry.end_line + 1)
                    with m.If(mine & above & ~(last < entry.start_line)):
                        m.d.sync += last.eq(entry.start_line - 1)
                    with m.If(registers.more):
                        m.d.sync += index.eq(index + 1)
                    with m.Else():
                        m.next = "ANSWER"
                with m.If(registers.changes):
                    m.next = "IDLE"
            with m.State("ANSWER"):
                m.d.comb += answer.eq(~registers.changes)
                m.next = "IDLE"
        match = Signal(RegionMatch)
        m.d.comb += [getattr(match, name).eq(getattr(content, name)) for name in COPIED]
        m.d.comb += match.hit.eq(1)
        for number, port in enumerate(self.sides):
            none = (port.context == 0) | ~(registers.contexts.bit_select(port.context, 1) | open_tag)
            m.d.comb += [
                port.bare.eq(none),
                port.done.eq(answer & (for_data == number)),
                port.owner.eq(context),
                port.first.eq(first),
                port.last.eq(last),
                port.match.eq(Mux(found, match, 0)),
                port.forget.eq(registers.changes),
            ]
        return m
