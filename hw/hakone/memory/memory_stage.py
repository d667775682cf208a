"""Registers of the memory stage and the two small parts beside it: what a miss would ask for, and the reservation."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, Fault, MemoryOp
from .doors import DOMAIN_BITS, CacheGeometry

# What an operation does, looked up by its number: it reads memory, it may change memory.
_AMOS = sum(1 << op.value for op in MemoryOp if op.name.startswith("AMO_"))
_READS = _AMOS | 1 << MemoryOp.LOAD.value | 1 << MemoryOp.LOAD_RESERVED.value
_WRITES = _AMOS | 1 << MemoryOp.STORE.value | 1 << MemoryOp.STORE_CONDITIONAL.value
_ATOMICS = _AMOS | 1 << MemoryOp.LOAD_RESERVED.value | 1 << MemoryOp.STORE_CONDITIONAL.value


class MemoryStage:
    """Registers of the load/store unit: the instruction in the memory stage and how far it has come.

    Parameters: ``geometry``. A plain group of signals, all driven by the load/store unit.
    """

    def __init__(self, geometry: CacheGeometry):
        self.valid = Signal()
        self.op = Signal(MemoryOp)
        self.size_log2 = Signal(2)
        self.unsigned = Signal()
        self.wdata = Signal(32)
        self.reads = Signal()
        self.writes = Signal()
        self.conditional = Signal()  # store-conditional
        self.modifies = Signal()  # AMO
        self.atomic = Signal()
        self.probe = Signal()  # no access: only the segment's check and translation
        self.base = Signal(32)  # address of the instruction
        self.addr = Signal(32)  # address of the part at work
        self.physical = Signal(32)  # where that part lies, from its look-up on
        self.protected = Signal()  # it hit a region with a cipher; like ``physical``
        self.first_physical = Signal(32)  # where the first part lies
        self.second = Signal()  # the part at work is the second one
        self.checked = Signal()  # both parts have passed their checks
        self.filled = Signal()  # a line was fetched for it; it must come to use it
        self.first_there = Signal()  # the first part's bytes are in ``kept`` (load), its line is in the cache (store)
        self.first_ways = Signal(geometry.ways)
        self.first_protected = Signal()
        self.kept = Signal(32)  # load value so far, or the result
        self.fault = Signal(Fault)
        self.fault_second = Signal()  # the fault belongs to the second part
        self.fill = Signal(geometry.fill_layout())  # what to ask for if the look-up misses

    def load(self, request):
        """Statements that take in a new instruction. Only its address is late; the rest is decoded from flops."""
        op = request.op.as_value()
        return [
            self.op.eq(request.op),
            self.size_log2.eq(self.size_of(request)),
            self.unsigned.eq(request.unsigned),
            self.wdata.eq(request.wdata),
            self.reads.eq(Const(_READS, 16).bit_select(op, 1)),
            self.writes.eq(Const(_WRITES, 16).bit_select(op, 1)),
            self.conditional.eq(request.op == MemoryOp.STORE_CONDITIONAL),
            self.modifies.eq(Const(_AMOS, 16).bit_select(op, 1)),
            self.atomic.eq(Const(_ATOMICS, 16).bit_select(op, 1)),
            self.probe.eq(request.op == MemoryOp.PROBE),
            Cat(self.base, self.addr).eq(Cat(request.addr, request.addr)),
            Cat(self.second, self.checked, self.filled, self.first_there).eq(0),
            self.kept.eq(0),
        ]

    def size_of(self, request) -> Value:
        """Size of a new instruction; a probe looks at one byte."""
        return Mux(request.op == MemoryOp.PROBE, 0, request.size_log2)

    def next_word(self) -> Value:
        """Address of the 32-bit word after the one in which the access begins."""
        return Cat(Const(0, 2), (self.base[2:] + 1)[:30])

    def of_first(self, k: int) -> Value:
        """One bit: byte ``k`` of the register lies in the word in which the access begins."""
        return ~(self.base[:2] + k)[2]


class FillChoice(wiring.Component):
    """What a miss would ask for, and which line gives way: the wanted line itself when another domain holds it, else an
    invalid way, else the oldest.

    Parameters: ``geometry``. Members: ``line`` and ``domain`` wanted; ``tags``, ``dirty`` and ``oldest`` of the set,
    ``ways`` with the physical line; ``fill`` in the same cycle.
    """

    def __init__(self, geometry: CacheGeometry):
        self._geometry = geometry
        super().__init__(
            {
                "line": In(LINE_BITS),
                "domain": In(DOMAIN_BITS),
                "tags": In(data.ArrayLayout(geometry.tag_layout, geometry.ways)),
                "ways": In(geometry.ways),
                "dirty": In(geometry.ways),
                "oldest": In(geometry.ways),
                "fill": Out(geometry.fill_layout()),
            }
        )

    def elaborate(self, platform):
        """Choose the way, then read its tag."""
        m = Module()
        replace = Signal(self._geometry.ways)
        free = Cat(~entry.valid for entry in self.tags)
        with m.If(self.ways.any()):
            m.d.comb += replace.eq(self.ways)
        with m.Elif(free.any()):
            m.d.comb += replace.eq(free & (~free + 1)[: len(replace)])
        with m.Else():
            m.d.comb += replace.eq(self.oldest)
        victim = self._geometry.chosen_tag(self.tags, replace)
        m.d.comb += [
            self.fill.line.eq(self.line),
            self.fill.domain.eq(self.domain),
            self.fill.ways.eq(replace),
            self.fill.evict.eq(victim.valid & (self.dirty & replace).any()),
            self.fill.alias.eq(self.ways.any()),
            self.fill.victim_tag.eq(victim.tag),
            self.fill.victim_domain.eq(victim.domain),
        ]
        return m


class Reservation(wiring.Component):
    """The word that was load-reserved last.

    Members: ``word`` is the physical word address at work; ``reserve`` makes it the reservation at the end of the
    cycle; ``overwrite`` ends it if it is that word, ``end`` in any case, and both win over ``reserve``. ``reserved``:
    ``word`` is the reservation, in the same cycle.
    """

    word: In(30)
    reserve: In(1)
    overwrite: In(1)
    end: In(1)
    reserved: Out(1)

    def elaborate(self, platform):
        """One register and a compare."""
        m = Module()
        valid, place = Signal(), Signal(30)
        same = place == self.word
        m.d.comb += self.reserved.eq(valid & same)
        with m.If(self.reserve):
            m.d.sync += [valid.eq(1), place.eq(self.word)]
        with m.If(self.end | (self.overwrite & same)):
            m.d.sync += valid.eq(0)
        return m
