"""Segment registers of all contexts, and the copy of the running one's that each side of the core looks at.

Clock domain ``sync``. Sixteen segments for each of sixteen contexts are too many for flops or LUT RAM: they stand in
block RAM, and what is in use is copied on first use. Whether an access is allowed is said by ``checks``; that only ring
0 loads segments, by the core.
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import SegmentPort
from ..bus.open_checks import OpenCheck, is_open
from ..isa import formats
from .doors import BASE_BITS, OFFSET_BITS, PAGE_BITS, SEGMENT_BITS, SegmentReadPort, SegmentRow

CONTEXTS = 16
READ_PORTS = 2  #: 0 fetch, 1 data


class BaseWord(data.Struct):
    """Word 0 of ``segput`` but for the present bit, as it is kept."""

    read: 1
    write: 1
    execute: 1
    ring: 2
    base: BASE_BITS


class PresentMask(wiring.Component):
    """Which segments are present: a row of 16 bits for each context, which counts once it was written.

    After reset no row counts, and ``clear`` takes one context's row back, whatever its segments: both in one cycle.

    Members: ``write`` (one cycle) with ``context``, ``segment`` and ``present`` sets one bit, ``clear`` (one cycle)
    with ``context`` drops 16; ``ask_context`` and ``ask_segment`` in, ``found`` in the same cycle: present so far.
    """

    write: In(1)
    clear: In(1)
    context: In(4)
    segment: In(SEGMENT_BITS)
    present: In(1)
    ask_context: In(4)
    ask_segment: In(SEGMENT_BITS)
    found: Out(1)

    def elaborate(self, _platform) -> Module:
        """Read, change one bit, write back."""
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=formats.SEGMENTS, depth=CONTEXTS, init=[])
        change, ask, write = rows.read_port(domain="comb"), rows.read_port(domain="comb"), rows.write_port()
        row_valid, row = Signal(CONTEXTS), Signal(formats.SEGMENTS)
        m.d.comb += [
            change.addr.eq(self.context),
            ask.addr.eq(self.ask_context),
            self.found.eq(row_valid.bit_select(self.ask_context, 1) & ask.data.bit_select(self.ask_segment, 1)),
            row.eq(Mux(row_valid.bit_select(self.context, 1), change.data, 0)),
            write.addr.eq(self.context),
            write.data.eq(row),
            write.data.bit_select(self.segment, 1).eq(self.present),
            write.en.eq(self.write),
        ]
        with m.If(self.write):
            m.d.sync += row_valid.bit_select(self.context, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += row_valid.bit_select(self.context, 1).eq(0)
        return m


class SegmentRegisters(wiring.Component):
    """All segments of all contexts.

    A write is in force from the next cycle on, a clear likewise. A row that is wanted comes in the next cycle, or one
    later when the other side asks too (data goes first). A write or clear makes both sides forget what they hold and
    drops an answer on its way, so that no copy is ever older than the registers. Nothing is present after reset. A
    clear and a write in one cycle: the clear wins.

    Parameters: ``switches``: see ``bus.open_checks``.
    Members: ``port`` (the core), ``read`` (0 fetch, 1 data: ``SegmentReadPort``, seen from this side).
    It judges no operands: reserved bits are refused by the core, and a limit past the end of the address space is
    marked (``wraps``) for the check. Rows that are not present stay in the RAM, where no port shows them as usable.
    """

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__({"port": In(SegmentPort()), "read": In(SegmentReadPort()).array(READ_PORTS)})

    def elaborate(self, _platform) -> Module:
        """Two block RAMs, one for each word; who is answered; the row put together."""
        m = Module()
        m.submodules.present = present = PresentMask()
        port, fetch, side = self.port, *self.read
        changes, first = Signal(), Signal()
        granted, answered = Signal(READ_PORTS), Signal(READ_PORTS)
        asked, found = Signal(8), Signal()
        m.d.comb += [
            changes.eq(port.write | port.clear),
            first.eq(port.word == formats.SEGMENT_WORD_BASE),
            granted[1].eq(side.want & ~answered[1]),
            granted[0].eq(fetch.want & ~answered[0] & ~granted[1]),
            asked.eq(Mux(granted[1], Cat(side.segment, side.context), Cat(fetch.segment, fetch.context))),
            present.write.eq(port.write),
            present.clear.eq(port.clear),
            present.context.eq(port.context),
            present.segment.eq(port.segment),
            present.present.eq(first & (port.data & formats.SEGMENT_PRESENT).any()),
            present.ask_segment.eq(asked[:SEGMENT_BITS]),
            present.ask_context.eq(asked[SEGMENT_BITS:]),
        ]
        m.d.sync += [answered.eq(Mux(changes, 0, granted)), found.eq(present.found)]
        base, limit = self._words(m, asked, first)

        row = Signal(SegmentRow)
        end_page = base.base + limit[PAGE_BITS:]
        m.d.comb += [
            getattr(row, name).eq(getattr(base, name)) for name in ("read", "write", "execute", "ring", "base")
        ]
        m.d.comb += [row.present.eq(found), row.limit.eq(limit), row.wraps.eq(end_page[BASE_BITS:].any())]
        for number, reader in enumerate(self.read):
            m.d.comb += [
                reader.enabled.eq(port.enabled),
                reader.forget.eq(changes & ~is_open(self._switches, OpenCheck.SEGMENT_STALE)),
                reader.done.eq(answered[number]),
                reader.row.eq(row),
            ]
        return m

    def _words(self, m: Module, asked, first):
        """The two words of the row ``asked`` for in the cycle before."""
        port, shift = self.port, formats.SEGMENT_RING_SHIFT
        flags = (formats.SEGMENT_READ, formats.SEGMENT_WRITE, formats.SEGMENT_EXECUTE)
        word = Cat([(port.data & flag).any() for flag in flags], port.data[shift : shift + 2], port.data[PAGE_BITS:])
        found = []
        for name, kind, content, enable in (
            ("bases", BaseWord, word, first),
            ("limits", OFFSET_BITS, port.data[:OFFSET_BITS], ~first),
        ):
            ram = memory.Memory(shape=kind, depth=CONTEXTS * formats.SEGMENTS, init=[], attrs={"ram_style": "block"})
            m.submodules[name] = ram
            read, write = ram.read_port(), ram.write_port()
            m.d.comb += [
                read.addr.eq(asked),
                write.addr.eq(Cat(port.segment, port.context)),
                write.data.eq(content),
                write.en.eq(port.write & enable),
            ]
            found.append(read.data)
        return found


class SegmentCopy(wiring.Component):
    """The running context's segments as one side has used them so far, in LUT RAM.

    ``row`` and ``ready`` are combinational for ``segment``. When ``ready`` is low and ``wanted`` high, the row is
    fetched: ready two cycles later, or three when the other side asks as well. A row is forgotten when ``context``
    changes, in that very cycle, and with every write to the segment registers. With segments off it is always ready and
    fetches nothing.

    Members: ``read`` (the registers), ``wanted``, ``context``, ``segment`` in; ``ready``, ``row`` (meaningless unless
    ready and segments are on) out.
    """

    read: Out(SegmentReadPort())
    wanted: In(1)
    context: In(4)
    segment: In(SEGMENT_BITS)
    ready: Out(1)
    row: Out(SegmentRow)

    def elaborate(self, _platform) -> Module:
        """Sixteen rows, and which of them are good."""
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=SegmentRow, depth=formats.SEGMENTS, init=[])
        read, write = rows.read_port(domain="comb"), rows.write_port()
        loaded, kept, same = Signal(formats.SEGMENTS), Signal(formats.SEGMENTS), Signal()
        asked_context, asked_segment = Signal(4), Signal(SEGMENT_BITS)
        m.d.sync += [asked_context.eq(self.context), asked_segment.eq(self.segment)]
        m.d.comb += [
            same.eq(asked_context == self.context),
            read.addr.eq(self.segment),
            self.row.eq(read.data),
            self.ready.eq(~self.read.enabled | (same & loaded.bit_select(self.segment, 1))),
            self.read.want.eq(self.wanted & ~self.ready),
            self.read.context.eq(self.context),
            self.read.segment.eq(self.segment),
            write.addr.eq(asked_segment),
            write.data.eq(self.read.row),
            write.en.eq(self.read.done),
            kept.eq(loaded),
        ]
        with m.If(write.en):
            m.d.comb += kept.bit_select(asked_segment, 1).eq(1)
        m.d.sync += loaded.eq(Mux(same & ~self.read.forget, kept, 0))
        return m
