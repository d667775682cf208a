"""The load/store unit: the memory stage of loads, stores and atomics.

Clock domain ``sync``. It owns the memory stage for one instruction at a time: checks, cache hit, alignment, the second part of a
misaligned access, atomics, and single accesses to devices. Lines are fetched and written back by the miss unit.
Sources: RISC-V Unprivileged Architecture (20240411), chapters 2.6 and 13 (loads, stores, atomics); Privileged Architecture, 3.6.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import Fault, LoadStorePort, LookupPort, MemoryOp
from ..bus.probe import StoreRecord
from ..bus.register_bus import RegisterBus
from ..isa.cause import Cause, Sub
from .access_check import AccessCheck
from .align import AccessShape, LoadAligner, turned_down
from .atomics import AtomicUnit
from .doors import LINE_LOG2, CacheGeometry, CacheLookupPort, MissPort
from .physical import is_device, is_mask_rom, is_ram

# What an operation does, looked up by its number: reads memory, may change it, is an AMO.
_READS = sum(1 << op.value for op in MemoryOp if op not in (MemoryOp.STORE, MemoryOp.STORE_CONDITIONAL))
_WRITES = sum(1 << op.value for op in MemoryOp if op not in (MemoryOp.LOAD, MemoryOp.LOAD_RESERVED))


class _Stage:
    """Registers of the memory stage: the instruction in it and how far it has come."""

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
        self.base = Signal(32)  # address of the instruction
        self.addr = Signal(32)  # address of the part at work
        self.second = Signal()  # the part at work is the second one
        self.checked = Signal()  # both parts have passed their checks
        self.filled = Signal()  # a line was fetched for it; it must come to use it
        self.first_there = Signal()  # the first part's bytes are in ``kept`` (load), its line is in the cache (store)
        self.first_ways = Signal(geometry.ways)
        self.first_protected = Signal()
        self.kept = Signal(32)  # load value so far, or the result
        self.fault = Signal(Fault)
        self.fill = Signal(geometry.fill_layout())  # what to ask for if the look-up misses

    def load(self, request):
        """Statements that take in a new instruction."""
        op = request.op.as_value()
        return [
            self.op.eq(request.op),
            self.size_log2.eq(request.size_log2),
            self.unsigned.eq(request.unsigned),
            self.wdata.eq(request.wdata),
            self.reads.eq(Const(_READS, 16).bit_select(op, 1)),
            self.writes.eq(Const(_WRITES, 16).bit_select(op, 1)),
            self.conditional.eq(request.op == MemoryOp.STORE_CONDITIONAL),
            self.modifies.eq(op >= MemoryOp.AMO_SWAP.value),
            self.atomic.eq(op >= MemoryOp.LOAD_RESERVED.value),
            Cat(self.base, self.addr).eq(Cat(request.addr, request.addr)),
            Cat(self.second, self.checked, self.filled, self.first_there).eq(0),
        ]


class LoadStoreUnit(wiring.Component):
    """Executes one memory instruction after the other in the memory stage.

    Cycles, from the first in the memory stage, busy ones in brackets: a load or store that hits 1 (0); an AMO 2 (1); a
    load over a 64-bit boundary 2 (1); a store over a 32-bit boundary 3 (2); a device access 3 (2) and the device's wait; a
    fault 2 (1). A miss is asked for in the second cycle and looked up again in the cycle after the line's last beat.
    Each part is judged by itself: region rules, then physical map. A misaligned access first looks at both parts; only
    then may one of them miss, use the register bus, or be written. A fault comes with the address of the lower part
    that has one. An access that faults leaves no trace: no bus cycle, no fill, no change in the cache or its order.
    Atomics are for aligned words in RAM. A reservation is the word; it ends with any store-conditional, with a store to
    that word or a store in two parts, and with ``port.end_reservation``.

    Parameters: ``geometry`` of the cache.
    Members: ``port`` (core), ``lookup`` (attribute look-up of the part at work), ``devices`` (devices and mask-ROM loads; an access is issued
    once and only for an instruction that completes), ``cache``, ``miss``, ``store`` (the write that takes effect in this cycle, for the
    probe), ``event_dcache_miss``, ``event_uncached``, ``event_misaligned`` (one cycle each).
    Errors: LOAD_FAULT or STORE_FAULT for unmapped addresses, misaligned device accesses, stores to the ROM, atomics outside
    RAM, bus errors and lines that failed; LOAD_MISALIGNED or STORE_MISALIGNED for atomics; REGION with its rule.
    Protects: no byte of a region reaches code that the rules exclude, and a line held under another domain is never a hit.
    Timing depends on addresses, not on data.
    """

    def __init__(self, geometry: CacheGeometry):
        self._geometry = geometry
        super().__init__(
            {
                "port": In(LoadStorePort()),
                "lookup": Out(LookupPort()),
                "devices": Out(RegisterBus()),
                "cache": Out(CacheLookupPort(geometry)),
                "miss": Out(MissPort(geometry)),
                "store": Out(StoreRecord),
                "event_dcache_miss": Out(1),
                "event_uncached": Out(1),
                "event_misaligned": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._stage = stage = _Stage(self._geometry)
        m.submodules.check = self._check = AccessCheck()
        m.submodules.shape = self._shape = AccessShape()
        m.submodules.aligner = self._aligner = LoadAligner(self._geometry)
        m.submodules.atomic = self._atomic = AtomicUnit()
        m.d.comb += [
            self.lookup.context.eq(self.port.state.context),
            self.lookup.line.eq(stage.addr[LINE_LOG2:]),
            self._check.match.eq(self.lookup.match),
            self._check.state.eq(self.port.state),
            self._check.reads.eq(stage.reads),
            self._check.writes.eq(stage.writes),
            self._shape.offset.eq(stage.base[:3]),
            self._shape.size_log2.eq(stage.size_log2),
            self._shape.wdata.eq(stage.wdata),
            self._atomic.op.eq(stage.op),
            self._atomic.memory.eq(stage.kept),
            self._atomic.operand.eq(stage.wdata),
            self.miss.fill.eq(stage.fill),
            self.miss.clean_start.eq(self.port.clean_start),
            self.miss.clean_abort.eq(self.port.clean_abort),
            self.port.clean_busy.eq(self.miss.clean_busy),
        ]
        self._judge(m)
        self._fsm = self._control(m)
        self._answer(m)
        self._address(m)
        self._prepare_fill(m)
        self._write(m)
        self._registers(m)
        self._reservation(m)
        return m

    def _judge(self, m):
        """What the look-up of the part at work says. Tags are early; the attribute look-up's answer is late."""
        stage, shape, geometry = self._stage, self._shape, self._geometry
        self._ram, self._rom, device, reachable = Signal(), Signal(), Signal(), Signal()
        self._ways = Signal(geometry.ways)  # ways with the physical line; at most one, whatever its domain
        self._present = Signal()  # the line is in the cache under the domain wanted
        self._refused, self._finishing, self._split, self._unaligned_atomic = Signal(), Signal(), Signal(), Signal()
        self._reserved = Signal()
        domain_fits = Signal(geometry.ways)
        tag = geometry.tag_of(stage.addr[LINE_LOG2:])
        for way, entry in enumerate(self.cache.tags):
            m.d.comb += [
                self._ways[way].eq(entry.valid & (entry.tag == tag)),
                domain_fits[way].eq(entry.domain == self.lookup.match.domain),
            ]
        plain_load = ~stage.writes & ~stage.atomic
        m.d.comb += [
            self._ram.eq(is_ram(stage.addr, geometry.ram_bytes)),
            self._rom.eq(is_mask_rom(stage.addr)),
            device.eq(is_device(stage.addr)),
            self._present.eq(self._ram & (self._ways & domain_fits).any()),
            self._unaligned_atomic.eq(stage.atomic & shape.misaligned),
            reachable.eq(self._ram | (self._rom & plain_load) | (device & ~stage.atomic & ~shape.misaligned)),
            self._refused.eq(self._unaligned_atomic | ~self._check.allowed | ~reachable),
            self._split.eq(shape.crosses_word & (stage.writes | shape.crosses_block | self._rom)),
            # With the line present, the instruction ends in this cycle.
            self._finishing.eq(
                ~self._unaligned_atomic
                & ~stage.modifies
                & (~stage.conditional | self._reserved)
                & Mux(stage.second, stage.first_there & ~stage.writes, ~self._split)
            ),
        ]

    def _control(self, m):
        """The state machine. ``LOOKUP`` is also the idle state."""
        stage, miss = self._stage, self.miss
        active = self._active = Signal()
        with m.FSM(name="state") as fsm:
            with m.State("LOOKUP"):
                m.d.comb += active.eq(stage.valid & ~miss.held)
                with m.If(stage.valid & miss.held):
                    m.next = "REPLAY"
                with m.Elif(active):
                    self._decide(m)
            with m.State("REPLAY"):  # the RAMs are read again for the part at work
                with m.If(~miss.held):
                    m.next = "LOOKUP"
            with m.State("MISS"):
                m.d.comb += miss.fill_valid.eq(1)
                with m.If(miss.fill_done):
                    m.d.sync += stage.filled.eq(1)
                    with m.If(miss.fill_error):
                        self._access_fault(m)
                    with m.Else():
                        m.next = "LOOKUP"
            with m.State("BUS"):
                m.d.comb += self.devices.valid.eq(1)
                with m.If(self.devices.ready):
                    self._end_bus_access(m)
            # In the states below the instruction ends, and the next one may come in.
            for last in ("MODIFY", "WRITE_FIRST", "DONE"):
                with m.State(last):
                    m.next = "LOOKUP"
        return fsm

    def _decide(self, m):
        """What follows a look-up of the part at work that does not end the instruction."""
        stage = self._stage
        with m.If(self._refused):
            m.next = "DONE"
        with m.Elif(stage.conditional & ~self._reserved):
            m.d.sync += stage.kept.eq(1)
            m.next = "DONE"
        with m.Elif(~stage.second & self._split & ~stage.checked):
            m.d.sync += stage.first_there.eq(self._present)
            m.d.comb += self.event_misaligned.eq(1)
            self._go_to_second(m)
        with m.Elif(stage.second & ~stage.first_there):
            # Both parts are allowed; the first one is not in the cache: now it may be fetched.
            m.d.sync += [stage.checked.eq(1), stage.second.eq(0), stage.addr.eq(stage.base)]
            m.next = "REPLAY"
        with m.Elif(~self._ram):
            m.d.comb += self.event_uncached.eq(1)
            m.next = "BUS"
        with m.Elif(~self._present):
            m.d.comb += self.event_dcache_miss.eq(1)
            m.next = "MISS"
        with m.Elif(stage.modifies):
            m.next = "MODIFY"
        with m.Elif(~stage.second & self._split):
            m.d.sync += stage.first_there.eq(1)
            self._go_to_second(m)
        with m.Elif(stage.second & stage.writes):
            m.next = "WRITE_FIRST"

    def _next_word(self):
        """Address of the 32-bit word after the one in which the access begins."""
        return Cat(Const(0, 2), (self._stage.base[2:] + 1)[:30])

    def _go_to_second(self, m):
        """Turn to the second part."""
        m.d.sync += [self._stage.second.eq(1), self._stage.addr.eq(self._next_word())]

    def _access_fault(self, m):
        """The part at work failed on its way."""
        cause = Mux(self._stage.writes, Cause.STORE_FAULT.value, Cause.LOAD_FAULT.value)
        m.d.sync += [
            self._stage.fault.valid.eq(1),
            self._stage.fault.cause.eq(cause),
            self._stage.fault.sub.eq(Sub.NONE),
        ]
        m.next = "DONE"

    def _end_bus_access(self, m):
        """Take what the register bus answered."""
        stage = self._stage
        word = turned_down(self.devices.rdata, stage.base[:2], 8)
        for k in range(4):
            with m.If(~stage.second | ~self._of_first(k)):
                m.d.sync += stage.kept[8 * k : 8 * k + 8].eq(word[8 * k : 8 * k + 8])
        with m.If(self.devices.error):
            self._access_fault(m)
        with m.Elif(stage.checked & ~stage.second):
            m.d.sync += stage.first_there.eq(1)
            self._go_to_second(m)
            m.next = "REPLAY"
        with m.Else():
            m.next = "DONE"

    def _of_first(self, k):
        """One bit: byte ``k`` of the register lies in the word in which the access begins."""
        return ~(self._stage.base[:2] + k)[2]

    def _answer(self, m):
        """What the core and the register bus see."""
        stage, shape, port, aligner = self._stage, self._shape, self.port, self._aligner
        looking = self._fsm.ongoing("LOOKUP")
        ending = self._ending = (
            self._fsm.ongoing("MODIFY") | self._fsm.ongoing("WRITE_FIRST") | self._fsm.ongoing("DONE")
        )
        forward = self.cache.forward
        undisturbed = ~(stage.second | stage.checked | stage.filled)
        done = self._present & self._check.allowed & self._finishing
        m.d.comb += [
            # Only before anything has begun can the cache be taken away: what a fill or a first look brought must stay.
            self.miss.held.eq(
                self.miss.hold
                & ((looking & (~stage.valid | undisturbed)) | (self._fsm.ongoing("REPLAY") & undisturbed))
            ),
            port.busy.eq(~ending & (~looking | self.miss.held | (stage.valid & ~done))),
            aligner.words.eq(self.cache.words),
            aligner.ways.eq(self._ways),
            aligner.forward.eq(forward),
            aligner.forwarded.eq(
                (forward.index == self._geometry.index_of(stage.addr)) & (forward.ways & self._ways).any()
            ),
            aligner.kept.eq(stage.kept),
            aligner.use_kept.eq(
                Cat(~looking | stage.conditional | (stage.second & self._of_first(k)) for k in range(4))
            ),
            aligner.offset.eq(stage.base[:3]),
            aligner.size_log2.eq(stage.size_log2),
            aligner.unsigned.eq(stage.unsigned),
            port.rdata.eq(aligner.value),
            port.fault.eq(Mux(self._fsm.ongoing("DONE"), stage.fault, 0)),
            port.fault_addr.eq(stage.addr),
            self.devices.addr.eq(Cat(Const(0, 2), stage.addr[2:])),
            self.devices.write.eq(stage.writes),
            # The register's other bytes are nobody's business outside.
            self.devices.wdata.eq(
                Cat(shape.lanes.word_select(k, 8) & self.devices.strobe[k].replicate(8) for k in range(4))
            ),
            self.devices.strobe.eq(Mux(stage.second, shape.second_strobe, shape.first_strobe)),
        ]

    def _address(self, m):
        """Which word the cache reads for the next cycle. Nothing late takes part in the choice."""
        stage, shape, geometry = self._stage, self._shape, self._geometry
        looking = self._fsm.ongoing("LOOKUP")
        to_second = stage.valid & ~stage.second & shape.crosses_word & (stage.writes | shape.crosses_block)
        own = Mux(looking, geometry.index_of(self._next_word()), geometry.index_of(stage.addr))
        m.d.comb += [
            self.cache.index.eq(
                Mux(self._ending | (looking & ~to_second), geometry.index_of(self.port.request.addr), own)
            ),
            self.cache.line_set.eq(geometry.set_of(stage.addr[LINE_LOG2:])),
        ]

    def _prepare_fill(self, m):
        """In every look-up, keep what a miss would have to ask for, so that asking starts from flops."""
        stage, geometry, tags = self._stage, self._geometry, self.cache.tags
        replace = Signal(geometry.ways)
        free = Cat(~entry.valid for entry in tags)
        with m.If(self._ways.any()):
            m.d.comb += replace.eq(self._ways)
        with m.Elif(free.any()):
            m.d.comb += replace.eq(free & (~free + 1)[: geometry.ways])
        with m.Else():
            m.d.comb += replace.eq(self.cache.oldest)
        victim = Const(0, len(Value.cast(tags[0])))
        for way, entry in enumerate(tags):
            victim = victim | (entry.as_value() & replace[way].replicate(len(entry.as_value())))
        victim = data.View(geometry.tag_layout, victim)
        with m.If(self._fsm.ongoing("LOOKUP")):
            m.d.sync += [
                stage.fill.line.eq(stage.addr[LINE_LOG2:]),
                stage.fill.domain.eq(self.lookup.match.domain),
                stage.fill.ways.eq(replace),
                stage.fill.evict.eq(victim.valid & (self.cache.dirty & replace).any()),
                stage.fill.alias.eq(self._ways.any()),
                stage.fill.victim_tag.eq(victim.tag),
                stage.fill.victim_domain.eq(victim.domain),
            ]

    def _write(self, m):
        """Writes to the cache, and the record of what took effect."""
        stage, shape, store, write = self._stage, self._shape, self.store, self.cache.write
        looked = self._active & self._present & self._check.allowed & ~self._unaligned_atomic
        complete = Mux(stage.second, stage.first_there, ~self._split)
        stores = stage.writes & ~stage.modifies & (~stage.conditional | self._reserved)
        self._stored = Signal()
        addr = Mux(self._fsm.ongoing("WRITE_FIRST"), stage.base, stage.addr)
        lanes = Mux(self._fsm.ongoing("MODIFY"), self._atomic.result, shape.lanes)
        strobe = Mux(
            self._fsm.ongoing("LOOKUP") & stage.second | self._fsm.ongoing("BUS") & stage.second,
            shape.second_strobe,
            shape.first_strobe,
        )
        m.d.comb += [
            self._stored.eq(looked & stores & complete),
            write.index.eq(self._geometry.index_of(addr)),
            write.data.eq(Cat(lanes, lanes)),
            write.strobe.eq(Mux(addr[2], Cat(Const(0, 4), strobe), strobe)),
            write.ways.eq(Mux(self._stored, self._ways, 0)),
            self.cache.touch.eq(Mux(looked & complete, self._ways, 0)),
            store.valid.eq(self._stored),
            store.addr.eq(Cat(Const(0, 2), addr[2:])),
            store.data.eq(lanes),
            store.strobe.eq(strobe),
            store.protected.eq(self.lookup.match.domain != 0),
            store.encrypted.eq(self.port.state.encrypted),
        ]
        with m.If(self._fsm.ongoing("WRITE_FIRST") | self._fsm.ongoing("MODIFY")):
            m.d.comb += [write.ways.eq(stage.first_ways), store.valid.eq(1), store.protected.eq(stage.first_protected)]
        with m.If(self._fsm.ongoing("BUS")):
            m.d.comb += [
                store.valid.eq(stage.writes & self.devices.ready & ~self.devices.error),
                store.protected.eq(0),
            ]

    def _registers(self, m):
        """The registers of the stage; what a look-up keeps is kept in each of its cycles, so that no late enable is needed."""
        stage, port = self._stage, self.port
        m.d.sync += stage.valid.eq(port.issue | (stage.valid & port.busy))
        with m.If(self._fsm.ongoing("LOOKUP")):
            m.d.sync += stage.fault.eq(0)
            with m.If(self._refused):
                m.d.sync += [
                    stage.fault.valid.eq(1),
                    stage.fault.cause.eq(Mux(stage.writes, Cause.STORE_FAULT.value, Cause.LOAD_FAULT.value)),
                ]
            with m.If(self._unaligned_atomic):
                m.d.sync += stage.fault.cause.eq(
                    Mux(stage.writes, Cause.STORE_MISALIGNED.value, Cause.LOAD_MISALIGNED.value)
                )
            with m.Elif(~self._check.allowed):
                m.d.sync += [stage.fault.cause.eq(Cause.REGION), stage.fault.sub.eq(self._check.rule)]
            with m.If(~stage.second & ~(self._active & stage.conditional & ~self._reserved)):
                m.d.sync += stage.kept.eq(self._aligner.raw)
            with m.If(~stage.second):
                m.d.sync += [
                    stage.first_ways.eq(self._ways),
                    stage.first_protected.eq(self.lookup.match.domain != 0),
                ]
        with m.If(port.issue):
            m.d.sync += [stage.load(port.request), stage.kept.eq(0)]

    def _reservation(self, m):
        """The reserved word. Ending it wins over making it."""
        stage = self._stage
        valid, word = Signal(), Signal(30)
        same = word == stage.addr[2:]
        m.d.comb += self._reserved.eq(valid & same)
        loads = stage.atomic & ~stage.writes
        with m.If(self._active & self._present & self._check.allowed & ~self._unaligned_atomic & loads):
            m.d.sync += [valid.eq(1), word.eq(stage.addr[2:])]
        overwritten = (self._stored & same) | (self._fsm.ongoing("MODIFY") & same) | self._fsm.ongoing("WRITE_FIRST")
        settled = self._active & stage.conditional & ~self._refused & (self._present | ~self._reserved)
        with m.If(overwritten | settled | self.port.end_reservation):
            m.d.sync += valid.eq(0)
