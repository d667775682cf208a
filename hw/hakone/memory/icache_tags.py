"""Tags of the instruction cache in LUT RAM, with invalidation by line and as a whole. Clock domain ``sync``."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..bus.core_ports import LINE_BITS
from ..isa.platform import LINE_BYTES
from .doors import InvalidatePort


class InstructionTags(wiring.Component):
    """Finds a line among the ways, in the same cycle, and keeps which way comes next.

    Parameters
    ----------
    sets, ways : int
        Powers of two.
    ram_bytes : int
        Span of the memory, a power of two: of the physical line number the bits within it and the highest (memory
        or not) are compared.

    Members
    -------
    line : In(26)
        Line to look up. ``match`` : Out(ways) has the way that holds it, one at most; ``domain`` : Out(4) is the domain
        that it was filled under.
    touch : In(1)
        The matching way was used: it is not the next to go.
    blocked : Out(1)
        The RAM is in use for something else: ``match`` means nothing in this cycle.
    take : In(1), fill_way : Out(range(ways))
        ``take`` chooses the way to replace for the line looked up in the cycle before, and ``fill_way`` tells it from
        the next cycle on: the way that holds the line under another domain, else one that is not valid, else the one
        after that used last.
    fill_line : In(26), fill_domain : In(4), fill_active : In(1)
        The line on its way. ``clear`` : In(1) invalidates ``fill_way``, ``commit`` : In(1) enters the line there.
    discard : Out(1)
        An invalidation met the line on its way: it must not be entered.
    flush_start : In(1), flush_busy : Out(1)
        Invalidates all sets, one a cycle, from the next cycle on; also after reset.
    invalidate : In(InvalidatePort())
        Done in the third cycle, or later when a fill writes the tags. While a flush runs, nothing hits, and the flush
        does the work.
    """

    def __init__(self, *, sets: int, ways: int, ram_bytes: int):
        self.sets, self.ways = sets, ways
        self.set_bits = ceil_log2(sets)
        self.span_bits = ceil_log2(ram_bytes // LINE_BYTES)
        way_bits = max(1, ceil_log2(ways))
        super().__init__(
            {
                "line": In(LINE_BITS),
                "match": Out(ways),
                "domain": Out(4),
                "touch": In(1),
                "blocked": Out(1),
                "take": In(1),
                "fill_line": In(LINE_BITS),
                "fill_domain": In(4),
                "fill_way": Out(way_bits),
                "fill_active": In(1),
                "clear": In(1),
                "commit": In(1),
                "discard": Out(1),
                "flush_start": In(1),
                "flush_busy": Out(1, init=1),
                "invalidate": In(InvalidatePort()),
            }
        )

    def _tag(self, line):
        """The compared part of a line number."""
        return Cat(line[self.set_bits : self.span_bits], line[-1])

    def elaborate(self, platform):
        m = Module()
        looking, drops, flush_set = Signal(), Signal(), Signal(self.set_bits)
        self._invalidation(m, looking, drops)
        self._flush(m, flush_set)

        row = data.StructLayout({"valid": 1, "domain": 4, "tag": len(self._tag(self.line))})
        rows, fill_row = [], Signal(row)
        read_set, write_set = Signal(self.set_bits), Signal(self.set_bits)
        m.d.comb += [
            self.blocked.eq(looking | self.flush_busy),
            fill_row.tag.eq(self._tag(self.fill_line)),
            fill_row.domain.eq(self.fill_domain),
            fill_row.valid.eq(self.commit),
            read_set.eq(self.line),
            write_set.eq(self.fill_line),
        ]
        with m.If(looking):
            m.d.comb += read_set.eq(self.invalidate.line)
        with m.If(drops):
            m.d.comb += write_set.eq(self.invalidate.line)
        with m.If(self.flush_busy):
            m.d.comb += write_set.eq(flush_set)
        for n in range(self.ways):
            ram = memory.Memory(shape=row, depth=self.sets, init=[])
            m.submodules[f"way{n}"] = ram
            write, read = ram.write_port(), ram.read_port(domain="comb")
            found, drop = read.data, Signal(name=f"drop_{n}")
            m.d.sync += drop.eq(
                found.valid & (found.tag == self._tag(self.invalidate.line)) & (found.domain != self.invalidate.domain)
            )
            m.d.comb += [
                read.addr.eq(read_set),
                self.match[n].eq(found.valid & (found.tag == self._tag(self.line))),
                write.addr.eq(write_set),
                write.en.eq((self.clear | self.commit) & (self.fill_way == n)),
            ]
            with m.If(~drops & ~self.flush_busy):
                m.d.comb += write.data.eq(fill_row)
            with m.If(drops):
                m.d.comb += write.en.eq(drop)
            with m.If(self.flush_busy):
                m.d.comb += write.en.eq(1)
            rows.append(found)
        m.d.comb += self.domain.eq(rows[0].domain)
        for n in range(1, self.ways):
            with m.If(self.match[n]):
                m.d.comb += self.domain.eq(rows[n].domain)
        self._replacement(m, rows)
        return m

    def _invalidation(self, m, looking, drops):
        """The request is looked at a cycle late, and what was found is written in the cycle after that one, so that
        neither stands in front of the tags or of their write port in time. A fill that writes the tags goes first; then
        the set is looked at again, as the fill may have changed it.
        """
        request, looked, writes = self.invalidate, Signal(), Signal()
        met_fill = self.fill_active & (request.line == self.fill_line) & (request.domain != self.fill_domain)
        m.d.comb += [
            writes.eq(self.clear | self.commit),
            drops.eq(looked & ~writes & ~self.flush_busy),
            self.discard.eq(drops & met_fill),
            request.done.eq(drops | (looking & self.flush_busy)),
        ]
        m.d.sync += [looking.eq(request.valid & ~request.done), looked.eq(looking & ~writes & ~request.done)]

    def _flush(self, m, flush_set):
        """Walks once over all sets. Nothing hits meanwhile, and the cache has given up a line on its way."""
        with m.If(self.flush_busy):
            m.d.sync += flush_set.eq(flush_set + 1)
            with m.If(flush_set == self.sets - 1):
                m.d.sync += self.flush_busy.eq(0)
        with m.If(self.flush_start):
            m.d.sync += [self.flush_busy.eq(1), flush_set.eq(0)]

    def _replacement(self, m, rows):
        """Keep what the choice needs of the line looked up in this cycle; choose in the next."""
        if self.ways == 1:
            return
        was_match, was_valid = Signal(self.ways), Signal(self.ways)
        match_way, last_way = Signal.like(self.fill_way), Signal.like(self.fill_way)
        m.submodules.used = used = memory.Memory(shape=len(match_way), depth=self.sets, init=[])
        write, read = used.write_port(), used.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self.line),
            write.data.eq(match_way),
            write.en.eq(self.touch & self.match.any()),
            read.addr.eq(self.line),
        ]
        m.d.sync += [was_match.eq(self.match), was_valid.eq(Cat(row.valid for row in rows)), last_way.eq(read.data)]
        choice = Signal.like(self.fill_way)
        m.d.comb += choice.eq(last_way + 1)
        for n in reversed(range(self.ways)):
            with m.If(self.match[n]):
                m.d.comb += match_way.eq(n)
            with m.If(~was_valid[n]):
                m.d.comb += choice.eq(n)
        for n in range(self.ways):
            with m.If(was_match[n]):
                m.d.comb += choice.eq(n)
        with m.If(self.take):
            m.d.sync += self.fill_way.eq(choice)
