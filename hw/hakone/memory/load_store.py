"""The load/store unit: the memory stage of loads, stores and atomics.

Clock domain ``sync``. It owns the memory stage for one instruction at a time: checks, cache hit, alignment, the second
part of a misaligned access, atomics, and single accesses to devices. Lines are fetched and written back by the miss
unit.
Sources: RISC-V Unprivileged Architecture (20240411), chapters 2.6 and 13 (loads, stores, atomics); Privileged
Architecture, 3.6.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LoadStorePort, LookupPort
from ..bus.probe import StoreRecord
from ..bus.register_bus import RegisterBus
from ..crypto.lookup import RangeCopies
from ..isa.cause import Cause, Sub
from ..isa.formats import SEGMENT_SHIFT
from ..protect.checks import DataSegments
from ..protect.doors import SegmentReadPort
from .access_judge import AccessJudge
from .align import AccessShape, LoadAligner, turned_down
from .atomics import AtomicUnit
from .doors import LINE_LOG2, CacheGeometry, CacheLookupPort, MissPort
from .memory_stage import FillChoice, MemoryStage, Reservation

DATA_COPIES = 4  #: attribute ranges at hand: code's constants, data, stack, and memory shared or plain


class LoadStoreUnit(wiring.Component):
    """Executes one memory instruction after the other in the memory stage.

    Cycles, from the first in the memory stage, busy ones in brackets: a load or store that hits 1 (0); an AMO 2 (1); a
    load over a 64-bit boundary 2 (1); a store over a 32-bit boundary 3 (2); a device access 3 (2) and the device's
    wait; a fault 2 (1). A miss is asked for in the second cycle and looked up again in the cycle after the line's last
    beat. The first access to a segment after a switch of context or a write to the segment registers takes 3 more. The
    first access to an attribute range that is not at hand takes n+4 more, where n is the entry's number (of the last
    entry, if the address lies in none), and more while the walker answers the fetch unit; in a context without entries
    it takes none.
    The segment judges the whole access, then each part is judged by itself: region rules, looked up by virtual line,
    then the physical map. A misaligned access first looks at both parts; only
    then may one of them miss, use the register bus, or be written. A fault comes with the address of the lower part
    that has one. A refused access leaves no trace: no bus cycle, no fill, no change in the cache or its order.
    Atomics are for aligned words in RAM. A reservation is the physical word; it ends with any store-conditional, with a
    store to that word or a store in two parts, and with ``port.end_reservation``. A probe checks and translates one
    byte's address in one cycle, and does nothing else.

    Parameters: ``geometry`` of the cache; ``switches``: see ``bus.open_checks``.
    Members: ``port`` (core), ``lookup`` (attribute ranges), ``segments`` (segment registers),
    ``devices`` (devices and mask-ROM
    loads; an access is issued once and only for an instruction that completes), ``cache``, ``miss``, ``store`` (the
    write that takes effect in this cycle, for the probe), ``event_dcache_miss``, ``event_uncached``,
    ``event_misaligned`` (one cycle each).
    Errors: LOAD_FAULT or STORE_FAULT for unmapped addresses, misaligned device accesses, stores to the ROM, atomics
    outside RAM, bus errors and lines that failed; LOAD_MISALIGNED or STORE_MISALIGNED for atomics; REGION with its
    rule.
    Protects: no byte of a region reaches code that the rules exclude, and a line held under another domain is never a
    hit. Timing depends on addresses, not on data.
    """

    def __init__(self, geometry: CacheGeometry, switches: Value | None = None):
        self._geometry = geometry
        self._switches = switches
        super().__init__(
            {
                "port": In(LoadStorePort()),
                "lookup": Out(LookupPort()),
                "segments": Out(SegmentReadPort()),
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
        """The parts beside the stage, then the state machine and what follows from its state."""
        m = Module()
        self._stage = MemoryStage(self._geometry)
        m.submodules.checks = self._checks = DataSegments(self._switches)
        m.submodules.copies = self._copies = RangeCopies(DATA_COPIES, self._switches)
        m.submodules.judge = self._judge = AccessJudge(self._geometry, DATA_COPIES, self._switches)
        m.submodules.shape = self._shape = AccessShape()
        m.submodules.aligner = self._aligner = LoadAligner(self._geometry)
        m.submodules.atomic = self._atomic = AtomicUnit()
        m.submodules.choice = self._choice = FillChoice(self._geometry)
        m.submodules.reservation = self._reservation = Reservation()
        wiring.connect(m, self._checks.read, wiring.flipped(self.segments))
        wiring.connect(m, self._copies.port, wiring.flipped(self.lookup))
        self._connect(m)
        self._fsm = self._control(m)
        self._answer(m)
        self._align(m)
        self._address(m)
        self._write(m)
        self._registers(m)
        return m

    def _connect(self, m):
        """What does not depend on the state."""
        stage, judge, shape, choice, miss = self._stage, self._judge, self._shape, self._choice, self.miss
        checks, copies = self._checks, self._copies
        self._split, self._finishing, self._ready = Signal(), Signal(), Signal()
        m.d.comb += [
            self._ready.eq(checks.ready & copies.ready),
            copies.context.eq(self.port.state.context),
            copies.line.eq(stage.addr[LINE_LOG2:]),
            self.cache.line_set.eq(self._geometry.set_of(stage.addr[LINE_LOG2:])),
            [getattr(judge, name).eq(getattr(stage, name)) for name in ("reads", "writes", "atomic", "probe")],
            [
                getattr(checks, name).eq(getattr(stage, name))
                for name in ("base", "addr", "size_log2", "reads", "writes")
            ],
            checks.state.eq(self.port.state),
            judge.physical.eq(checks.physical),
            judge.segment_base.eq(checks.segment_base),
            judge.segment_refused.eq(checks.refused),
            judge.segment_rule.eq(checks.rule),
            judge.misaligned.eq(shape.misaligned),
            judge.state.eq(self.port.state),
            [judge.match[n].eq(copies.match[n]) for n in range(DATA_COPIES)],
            judge.inside.eq(copies.inside),
            judge.bare.eq(copies.bare),
            judge.tags.eq(self.cache.tags),
            shape.offset.eq(stage.base[:3]),
            shape.size_log2.eq(stage.size_log2),
            shape.wdata.eq(stage.wdata),
            self._atomic.op.eq(stage.op),
            self._atomic.memory.eq(stage.kept),
            self._atomic.operand.eq(stage.wdata),
            choice.line.eq(checks.physical[LINE_LOG2:]),
            choice.domain.eq(judge.domain),
            [getattr(choice, name).eq(getattr(self.cache, name)) for name in ("tags", "dirty", "oldest")],
            choice.ways.eq(judge.ways),
            self._reservation.word.eq(checks.physical[2:]),
            miss.fill.eq(stage.fill),
            miss.clean_start.eq(self.port.clean_start),
            miss.clean_abort.eq(self.port.clean_abort),
            self.port.clean_busy.eq(miss.clean_busy),
            self._split.eq(shape.crosses_word & (stage.writes | shape.crosses_block | judge.rom)),
            # With the line present and the access allowed, the instruction ends in this cycle.
            self._finishing.eq(
                ~stage.modifies
                & (~stage.conditional | self._reservation.reserved)
                & Mux(stage.second, stage.first_there & ~stage.writes, ~self._split)
            ),
        ]

    def _control(self, m):
        """The state machine. ``LOOKUP`` is also the idle state."""
        stage, miss, copies = self._stage, self.miss, self._copies
        active = self._active = Signal()
        with m.FSM(name="state") as fsm:
            with m.State("LOOKUP"):
                m.d.comb += [
                    self._checks.valid.eq(stage.valid & ~self._checks.ready),
                    self._copies.wanted.eq(stage.valid),
                    active.eq(stage.valid & ~miss.held & self._ready),
                ]
                with m.If(stage.valid & (miss.held | ~self._ready)):
                    m.next = "REPLAY"
                with m.Elif(active):
                    self._decide(m)
            # Moving between the parts has states of its own, so that nothing late enables the address register.
            with m.State("TO_FIRST"):
                m.d.sync += [stage.checked.eq(1), stage.second.eq(0), stage.addr.eq(stage.base)]
                m.next = "REPLAY"
            with m.State("TO_SECOND"):
                m.d.sync += stage.first_there.eq(1)
                self._go_to_second(m)
                m.next = "REPLAY"
            with m.State("REPLAY"):  # the RAMs are read again for the part at work, while the copies are filled
                m.d.comb += [self._checks.valid.eq(1), self._copies.wanted.eq(1)]
                with m.If(~miss.held & self._checks.next_ready & copies.ready):
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
        with m.If(self._judge.refused):
            m.next = "DONE"
        with m.Elif(stage.probe):
            pass  # it ends here
        with m.Elif(stage.conditional & ~self._reservation.reserved):
            m.next = "DONE"
        with m.Elif(~stage.second & self._split & ~stage.checked):
            m.d.comb += self.event_misaligned.eq(1)  # the step itself is taken in ``_registers``
        with m.Elif(stage.second & ~stage.first_there):
            # Both parts are allowed; the first one is not in the cache: now it may be fetched.
            m.next = "TO_FIRST"
        with m.Elif(~self._judge.ram):
            m.d.comb += self.event_uncached.eq(1)
            m.next = "BUS"
        with m.Elif(~self._judge.present):
            m.d.comb += self.event_dcache_miss.eq(1)
            m.next = "MISS"
        with m.Elif(stage.modifies):
            m.next = "MODIFY"
        with m.Elif(~stage.second & self._split):
            m.next = "TO_SECOND"
        with m.Elif(stage.second & stage.writes):
            m.next = "WRITE_FIRST"

    def _go_to_second(self, m):
        """Turn to the second part."""
        m.d.sync += [self._stage.second.eq(1), self._stage.addr.eq(self._stage.next_word())]

    def _access_fault(self, m):
        """The part at work failed on its way."""
        cause = Mux(self._stage.writes, Cause.STORE_FAULT.value, Cause.LOAD_FAULT.value)
        m.d.sync += [
            self._stage.fault.valid.eq(1),
            self._stage.fault.cause.eq(cause),
            self._stage.fault.sub.eq(Sub.NONE),
            self._stage.fault_second.eq(self._stage.second),
        ]
        m.next = "DONE"

    def _end_bus_access(self, m):
        """Take what the register bus answered."""
        stage = self._stage
        word = turned_down(self.devices.rdata, stage.base[:2], 8)
        for k in range(4):
            with m.If(~stage.second | ~self._stage.of_first(k)):
                m.d.sync += stage.kept[8 * k : 8 * k + 8].eq(word[8 * k : 8 * k + 8])
        with m.If(self.devices.error):
            self._access_fault(m)
        with m.Elif(stage.checked & ~stage.second):
            m.next = "TO_SECOND"
        with m.Else():
            m.next = "DONE"

    def _answer(self, m):
        """What the core, the miss unit and the register bus see."""
        stage, shape, port, devices = self._stage, self._shape, self.port, self.devices
        state = self._fsm.ongoing
        ending = self._ending = state("MODIFY") | state("WRITE_FIRST") | state("DONE")
        undisturbed = ~(stage.second | stage.checked | stage.filled)
        # A hit implies that the range is here; a probe waits for it because ``protected`` is part of its answer.
        probed = stage.probe & ~self._checks.refused & self._copies.ready
        done = (self._judge.hit & self._finishing) | probed
        m.d.comb += [
            # What a fill brought or a first look found must stay until it is used; else the cache may be taken away,
            # and the look-up is done again.
            self.miss.held.eq(
                self.miss.hold & ((state("LOOKUP") & (~stage.valid | undisturbed)) | (state("REPLAY") & ~stage.second))
            ),
            port.occupied.eq(~ending & (~state("LOOKUP") | self.miss.held)),
            port.busy.eq(~ending & (port.occupied | (stage.valid & ~(self._checks.ready & done)))),
            port.rdata.eq(self._aligner.value),
            port.fault.eq(Mux(state("DONE"), stage.fault, 0)),
            port.fault_addr.eq(Mux(stage.fault_second, stage.addr, stage.base)),
            port.protected.eq(Mux(state("LOOKUP"), self._judge.protected, stage.protected)),
            port.physical.eq(Mux(state("LOOKUP"), self._checks.physical, stage.physical)),
        ]
        # The register bus lies outside the boundary: while no access is under way its wires are zero, or every address
        # and every store would be seen there. The register's other bytes are nobody's business outside either.
        with m.If(devices.valid):
            m.d.comb += [
                devices.addr.eq(Cat(Const(0, 2), stage.physical[2:])),
                devices.write.eq(stage.writes),
                devices.strobe.eq(Mux(stage.second, shape.second_strobe, shape.first_strobe)),
                devices.wdata.eq(Cat(shape.lanes.word_select(k, 8) & devices.strobe[k].replicate(8) for k in range(4))),
            ]

    def _align(self, m):
        """Put a load's bytes together: of the cache, of the write just before, or of what is kept."""
        stage, aligner, forward = self._stage, self._aligner, self.cache.forward
        looking = self._fsm.ongoing("LOOKUP")
        same_word = forward.index == self._geometry.index_of(stage.addr)
        m.d.comb += [
            aligner.words.eq(self.cache.words),
            aligner.ways.eq(self._judge.ways),
            aligner.forward.eq(forward),
            aligner.forwarded.eq(same_word & (forward.ways & self._judge.ways).any()),
            aligner.kept.eq(stage.kept),
            # A store-conditional that succeeds answers the zero that is kept.
            aligner.use_kept.eq(
                Cat(~looking | stage.conditional | (stage.second & stage.of_first(k)) for k in range(4))
            ),
            aligner.offset.eq(stage.base[:3]),
            aligner.size_log2.eq(stage.size_log2),
            aligner.unsigned.eq(stage.unsigned),
        ]

    def _address(self, m):
        """Which word the cache reads for the next cycle. Nothing late takes part in the choice."""
        stage, shape, geometry = self._stage, self._shape, self._geometry
        looking = self._fsm.ongoing("LOOKUP")
        to_second = stage.valid & ~stage.second & shape.crosses_word & (stage.writes | shape.crosses_block)
        turns = Signal()  # the next look-up is that of the instruction in execute
        own = Mux(looking, geometry.index_of(self._stage.next_word()), geometry.index_of(stage.addr))
        m.d.comb += [
            self.cache.index.eq(
                Mux(self._ending | (looking & ~to_second), geometry.index_of(self.port.request.addr), own)
            ),
            # While the row is not here, it is the one of the access at work that is asked for.
            turns.eq(self._ending | (looking & ~to_second & ~self._checks.valid)),
            self._checks.next_segment.eq(
                Mux(turns, self.port.request.addr[SEGMENT_SHIFT:], stage.addr[SEGMENT_SHIFT:])
            ),
            self._checks.next_size_log2.eq(Mux(turns, stage.size_of(self.port.request), stage.size_log2)),
            self.cache.line_set.eq(geometry.set_of(stage.addr[LINE_LOG2:])),
        ]

    def _write(self, m):
        """Writes to the cache, the record of what took effect, and what all this means for the reservation."""
        stage, shape, judge, store, write = self._stage, self._shape, self._judge, self.store, self.cache.write
        state, reservation = self._fsm.ongoing, self._reservation
        found, complete, stored, ending = Signal(), Signal(), Signal(), Signal()
        addr = Mux(state("WRITE_FIRST"), stage.base, stage.addr)
        place = Mux(state("WRITE_FIRST"), stage.first_physical, stage.physical)
        place = Mux(state("LOOKUP"), self._checks.physical, place)
        lanes = Mux(state("MODIFY"), self._atomic.result, shape.lanes)
        strobe = Mux(stage.second & ~state("WRITE_FIRST"), shape.second_strobe, shape.first_strobe)
        stores = stage.writes & ~stage.modifies & (~stage.conditional | reservation.reserved)
        m.d.comb += [
            found.eq(self._active & judge.hit),
            complete.eq(Mux(stage.second, stage.first_there, ~self._split)),
            stored.eq(found & stores & complete),
            ending.eq(state("WRITE_FIRST") | state("MODIFY")),
            write.index.eq(self._geometry.index_of(addr)),
            write.data.eq(Cat(lanes, lanes)),
            write.strobe.eq(Mux(addr[2], Cat(Const(0, 4), strobe), strobe)),
            write.ways.eq(Mux(ending, stage.first_ways, Mux(stored, judge.ways, 0))),
            self.cache.touch.eq(Mux(found & complete, judge.ways, 0)),
            store.valid.eq(stored | ending | (state("BUS") & stage.writes & self.devices.ready & ~self.devices.error)),
            store.addr.eq(Cat(Const(0, 2), place[2:])),
            store.data.eq(lanes),
            store.strobe.eq(strobe),
            store.protected.eq(Mux(state("LOOKUP"), judge.domain != 0, stage.first_protected)),
            store.encrypted.eq(self.port.state.encrypted),
            reservation.reserve.eq(found & stage.atomic & ~stage.writes),
            reservation.overwrite.eq(stored | (found & stage.modifies)),
            reservation.end.eq(
                state("WRITE_FIRST")
                | (self._active & stage.conditional & ~judge.refused & ~reservation.reserved)
                | self.port.end_reservation
            ),
        ]

    def _registers(self, m):
        """The registers of the stage. What a look-up finds is kept in each of its cycles: no late enable is needed."""
        stage, port, judge = self._stage, self.port, self._judge
        m.d.sync += stage.valid.eq(port.issue | (stage.valid & port.busy))
        with m.If(self._fsm.ongoing("LOOKUP")):
            m.d.sync += [
                stage.fault.eq(judge.fault),
                stage.fault_second.eq(stage.second),
                stage.fill.eq(self._choice.fill),
                stage.physical.eq(self._checks.physical),
                stage.protected.eq(judge.protected),
            ]
            with m.If(~stage.second):
                m.d.sync += [
                    stage.first_ways.eq(judge.ways),
                    stage.first_physical.eq(self._checks.physical),
                    stage.first_protected.eq(judge.domain != 0),
                    # A store-conditional keeps its status: 1 unless the reservation stands.
                    stage.kept.eq(Mux(stage.conditional, ~self._reservation.reserved, self._aligner.raw)),
                ]
            with m.If(~stage.second & self._split & ~stage.checked & self._active):
                # Taken also when the first part is refused: the state machine then ends, and the address was kept.
                m.d.sync += stage.first_there.eq(judge.present)
                self._go_to_second(m)
        # Whatever comes is taken in; ``valid`` tells whether it is an instruction. That keeps the core's answer to
        # ``busy`` out of the enable of two hundred registers.
        with m.If(~port.busy):
            m.d.sync += stage.load(port.request)
