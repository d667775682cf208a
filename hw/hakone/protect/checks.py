"""What a segment allows, and where it lies: one check for data, one for fetch.

Clock domain ``sync`` (for the copies; the checks are combinational and run beside the look-up of regions). Ring r is
level 3 - r. Every address is compared as segment and offset, and the offset one bit wider than it is, so that nothing
wraps.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState
from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Sub
from ..isa.formats import SEGMENT_SHIFT
from .doors import BASE_BITS, OFFSET_BITS, PAGE_BITS, SEGMENT_BITS, SegmentReadPort, SegmentRow
from .segments import SegmentCopy


def flat_base(segment):
    """Bits 31..12 of a segment's base while segments are off: its own number, then zeros."""
    return Cat(Const(0, SEGMENT_SHIFT - PAGE_BITS), segment)


def _bytes_behind(size_log2):
    """How many bytes of an access lie behind its first one: 0, 1 or 3."""
    return Cat(size_log2.any(), size_log2[1])


class DataSegments(wiring.Component):
    """Checks and translates the address of a load, store, atomic or probe.

    In order: the segment is present, it is not of an inner ring, it has the rights, the last byte of the access lies
    within the limit. An access whose later bytes would lie in the next segment (or behind the end of the address space)
    is ``SEGMENT_STRADDLE`` when only that is wrong. The whole access is judged, whichever part is at work; with neither
    ``reads`` nor ``writes`` no right is needed.

    The row is read a cycle ahead, so that the check and the addition begin with a register: ``next_segment`` and
    ``next_size_log2`` are of the access that will be looked at in the next cycle. When they were not, or the row has
    changed meanwhile, ``ready`` is low. The size is taken off the limit in that cycle, too.

    Parameters: ``switches``: see ``bus.open_checks``.
    Members: ``read`` (segment registers); ``next_segment``, ``next_size_log2``; ``valid`` (its row is needed),
    ``state``, ``base`` (address of the access), ``addr`` (of the part at work), ``size_log2``, ``reads``, ``writes``
    in; out, in the same cycle: ``next_ready`` (the row of ``next_segment`` is here), ``ready`` (that of ``addr`` is;
    while it is low the rest means nothing), ``refused`` with ``rule``, ``segment_base`` (bits 31..12) and ``physical``
    (of ``addr``). With segments off nothing is refused and ``physical`` is ``addr``.
    """

    read: Out(SegmentReadPort())
    next_segment: In(SEGMENT_BITS)
    next_size_log2: In(2)
    valid: In(1)
    state: In(ExecState)
    base: In(32)
    addr: In(32)
    size_log2: In(2)
    reads: In(1)
    writes: In(1)
    next_ready: Out(1)
    ready: Out(1)
    refused: Out(1)
    rule: Out(Sub)
    segment_base: Out(BASE_BITS)
    physical: Out(32)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """Compare, then the first rule that fails."""
        m = Module()
        row = self._row(m)
        last, outside, inner, unfit = Signal(OFFSET_BITS + 1), Signal(), Signal(), Signal()
        ring = Signal(2)
        m.d.comb += [
            self.segment_base.eq(row.base),
            self.physical.eq(Cat(self.addr[:PAGE_BITS], (row.base + self.addr[PAGE_BITS:SEGMENT_SHIFT])[:BASE_BITS])),
            ring.eq(~self.state.level),
            last.eq(self.base[:SEGMENT_SHIFT] + _bytes_behind(self.size_log2)),
            outside.eq(
                ((self.base[:SEGMENT_SHIFT] > self._bound) | self._none_fits | row.wraps)
                & ~is_open(self._switches, OpenCheck.SEGMENT_LIMIT)
            ),
            inner.eq(ring > row.ring),
            unfit.eq((self.reads & ~row.read) | (self.writes & ~row.write)),
            self.refused.eq(self.read.enabled & (~row.present | inner | unfit | outside)),
        ]
        with m.If(self.refused):
            with m.If(~row.present):
                m.d.comb += self.rule.eq(Sub.SEGMENT_ABSENT)
            with m.Elif(inner):
                m.d.comb += self.rule.eq(Sub.SEGMENT_RING)
            with m.Elif(unfit):
                m.d.comb += self.rule.eq(Sub.SEGMENT_RIGHT)
            with m.Elif(last[OFFSET_BITS] & row.limit.all() & ~row.wraps):
                m.d.comb += self.rule.eq(Sub.SEGMENT_STRADDLE)
            with m.Else():
                m.d.comb += self.rule.eq(Sub.SEGMENT_LIMIT)
        return m

    def _row(self, m: Module):
        """The row that was read ahead, and whether it is that of the access."""
        m.submodules.copy = copy = SegmentCopy()
        wiring.connect(m, copy.read, wiring.flipped(self.read))
        enabled = self.read.enabled
        row, good, read_for, asked_for = Signal(SegmentRow), Signal(), Signal(11), Signal(11)
        # Where the last access of this size may begin, and whether there is none.
        self._bound, self._none_fits = Signal(OFFSET_BITS), Signal()
        m.d.comb += [
            copy.wanted.eq(self.valid),
            copy.context.eq(self.state.context),
            copy.segment.eq(self.next_segment),
            self.next_ready.eq(copy.ready & ~self.read.forget),
            asked_for.eq(Cat(self.addr[SEGMENT_SHIFT:], self.state.context, enabled, self.size_log2)),
            self.ready.eq(good & (read_for == asked_for)),
        ]
        m.d.sync += [
            row.eq(copy.row),
            row.base.eq(Mux(enabled, copy.row.base, flat_base(self.next_segment))),
            good.eq(self.next_ready),
            read_for.eq(Cat(self.next_segment, self.state.context, enabled, self.next_size_log2)),
            Cat(self._bound, self._none_fits).eq(copy.row.limit - _bytes_behind(self.next_size_log2)),
        ]
        return row


class FetchSegments(wiring.Component):
    """Checks and translates the address of a fetch block.

    In order: the segment is present, it is of the running ring, it has the right to execute, and the first halfword
    that is to be executed lies within the limit. ``halves`` tells how many halfwords of the block do, so that the rest
    can be refused when the path really comes there.

    Parameters: ``switches``: see ``bus.open_checks``.
    Members: ``read`` (segment registers); ``valid`` (a block is looked at), ``state``, ``pc`` (31 bits: address without
    bit 0) in; out, in the same cycle: ``ready`` (while low the rest means nothing), ``refused`` with ``rule``,
    ``segment_base`` (bits 31..12), ``physical`` (of ``pc``), ``halves`` (0 to 4). With segments off nothing is refused,
    and ``physical`` is the address itself.
    """

    read: Out(SegmentReadPort())
    valid: In(1)
    state: In(ExecState)
    pc: In(31)
    ready: Out(1)
    refused: Out(1)
    rule: Out(Sub)
    segment_base: Out(BASE_BITS)
    physical: Out(32)
    halves: Out(3)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """Compare block numbers; within the last block count halfwords."""
        m = Module()
        m.submodules.copy = copy = SegmentCopy()
        wiring.connect(m, copy.read, wiring.flipped(self.read))
        row, enabled = copy.row, self.read.enabled
        addr, segment = Cat(Const(0, 1), self.pc), self.pc[-SEGMENT_BITS:]
        block, last_block = addr[3:SEGMENT_SHIFT], row.limit[3:]
        foreign, outside = Signal(), Signal()
        m.d.comb += [
            copy.wanted.eq(self.valid),
            copy.context.eq(self.state.context),
            copy.segment.eq(segment),
            self.ready.eq(copy.ready),
            self.segment_base.eq(Mux(enabled, row.base, flat_base(segment))),
            self.physical.eq(Cat(addr[:PAGE_BITS], (self.segment_base + addr[PAGE_BITS:SEGMENT_SHIFT])[:BASE_BITS])),
            foreign.eq(row.ring != (~self.state.level)[:2]),
            outside.eq(self.pc[:2] >= self.halves),
            self.refused.eq(enabled & (~row.present | foreign | ~row.execute | outside)),
        ]
        with m.If(~enabled | is_open(self._switches, OpenCheck.SEGMENT_LIMIT)):
            m.d.comb += self.halves.eq(4)
        with m.Elif(~row.wraps & (block < last_block)):
            m.d.comb += self.halves.eq(4)
        with m.Elif(~row.wraps & (block == last_block)):
            m.d.comb += self.halves.eq((row.limit[:3] + 1)[1:])
        with m.If(self.refused):
            with m.If(~row.present):
                m.d.comb += self.rule.eq(Sub.SEGMENT_ABSENT)
            with m.Elif(foreign):
                m.d.comb += self.rule.eq(Sub.SEGMENT_RING)
            with m.Elif(~row.execute):
                m.d.comb += self.rule.eq(Sub.SEGMENT_RIGHT)
            with m.Else():
                m.d.comb += self.rule.eq(Sub.SEGMENT_LIMIT)
        return m
