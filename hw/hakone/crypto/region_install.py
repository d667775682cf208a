"""Installing a region at run time: ``setik`` from its first word to the entry.

Clock domain ``sync``. Part of ``region_unit.RegionUnit``. The format and its judgement are ``region_description``, the
tables are looked through by ``region_walk``, equal keys are found by the key store.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, DomainRow, ExecState, Fault
from ..isa import formats
from ..isa.cause import Cause, Sub
from ..isa.formats import Algorithm, RegionStatus
from ..isa.platform import LINE_LOG2, RAM_BASE
from .attributes import AttributeEntry
from .boot_loader import KeyWord
from .domains import DOMAINS
from .raw_keys import SLOTS, WORDS, KeySearchPort
from .region_description import DescriptionCheck
from .region_walk import WalkQuery

WORD_BYTES = 4


class RegionInstall(wiring.Component):
    """Executes ``setik``: every word is loaded once into the chip and judged as it stands there.

    ``start`` (one cycle) with ``operand``; ``state``, ``segments``, ``quota`` and ``abort`` as in ``RegionPort``, loads
    too. ``busy`` is high from the next cycle on; afterwards ``status``, ``fault`` and ``aborted`` stand until ``clear``
    (one cycle, also together with ``start``). Order of what can refuse: operand, loads of the description, its
    judgement, loads of the key, equal halves, the segment's own faults at both ends, place in RAM, overlap, quota,
    free entry, key and tag bound elsewhere, free key slot and domain.

    Members: ``query``, ``walking`` and ``overlap`` to ``slot`` (``TableWalk``); ``entry_free``; ``key_install``,
    ``key_cancel``, ``key_busy``, ``key_valid``, ``search`` (key store); ``attribute_install``, ``domain_install`` with
    ``domain_number`` and ``domain_row`` (tables).

    Protects: nothing is seen of an installation before its last cycle, in which entry and row appear together; an
    ``abort`` before leaves nothing, and a key slot filled in vain is wiped. The buffer is overwritten at every end. No
    value of a key word decides how long anything takes; whether the key is new, and equal halves, do.
    """

    def __init__(self, ram_bytes: int):
        self._ram_log2 = ram_bytes.bit_length() - 1
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "operand": In(32),
                "state": In(ExecState),
                "segments": In(1),
                "quota": In(5),
                "abort": In(1),
                "busy": Out(1),
                "status": Out(RegionStatus),
                "fault": Out(Fault),
                "aborted": Out(1),
                "load": Out(1),
                "probe": Out(1),
                "addr": Out(32),
                "load_done": In(1),
                "data": In(32),
                "load_fault": In(Fault),
                "protected": In(1),
                "physical": In(32),
                "query": Out(WalkQuery()),
                "walking": In(1),
                "overlap": In(1),
                "counted": In(5),
                "bound": In(1),
                "base_same": In(1),
                "domain_free": In(1),
                "domain": In(range(DOMAINS)),
                "key_found": In(1),
                "slot_free": In(1),
                "slot": In(range(SLOTS)),
                "entry_free": In(1),
                "search": Out(KeySearchPort()),
                "key_install": Out(stream.Signature(KeyWord)),
                "key_cancel": Out(1),
                "key_busy": In(1),
                "key_valid": In(SLOTS),
                "attribute_install": Out(stream.Signature(AttributeEntry)),
                "domain_install": Out(1),
                "domain_number": Out(range(DOMAINS)),
                "domain_row": Out(DomainRow),
            }
        )
        self._check = DescriptionCheck()
        self._words = memory.Memory(shape=32, depth=WORDS, init=[])
        self._word = Signal(range(WORDS))
        self._kept, self._kept_addr = Signal(32), Signal(range(WORDS))  # a word of the buffer
        self._keep, self._wipe = Signal(), Signal()
        self._base_line, self._in_ram = Signal(LINE_BITS), Signal()
        self._halves_differ = Signal()
        self._protected = Signal()  # a region, not a window

    def elaborate(self, _platform) -> Module:
        """The order of things; the work of each step stands in a method."""
        m = Module()
        m.submodules.check = self._check
        self._buffer(m)
        self._connect(m)
        with m.FSM(name="install_state") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [self.addr.eq(self.operand), self._word.eq(0), self._halves_differ.eq(0)]
                with m.If(self.clear):
                    m.d.sync += [self.status.eq(RegionStatus.DONE), self.fault.eq(0), self.aborted.eq(0)]
                with m.If(self.start):
                    m.next = "DESCRIPTION"
                    with m.If(self.operand[:2].any()):
                        self._fault(m, Sub.REGION_OPERAND)
            self._load_description(m)
            self._load_key(m)
            self._probe_place(m)
            self._decide(m)
            self._store_key(m)
            with m.State("COMMIT"):
                m.d.comb += [self.attribute_install.valid.eq(1), self.domain_install.eq(self._new_domain())]
                self._end(m)
            with m.State("CLEAR"):
                m.d.comb += [self._wipe.eq(1), self._check.clear.eq(1)]
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(self._word == WORDS - 1):
                    m.next = "IDLE"
        return m

    def _buffer(self, m: Module) -> None:
        """The key on the chip. It is overwritten from word 0 on, whatever was loaded."""
        m.submodules.words = words = self._words
        write, read = words.write_port(), words.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(self._word),
            write.data.eq(self.data & ~self._wipe.replicate(32)),
            write.en.eq(self._keep | self._wipe),
            read.addr.eq(self._kept_addr),
            self._kept.eq(read.data),
            self._kept_addr.eq(self._word),
        ]

    def _connect(self, m: Module) -> None:
        """What does not depend on the state."""
        check, fields, query, search = self._check, self._check.fields, self.query, self.search
        m.d.comb += [
            self._protected.eq(fields.algorithm != Algorithm.NONE),
            check.segments.eq(self.segments),
            check.index.eq(self._word[:3]),
            check.word.eq(self.data),
            query.context.eq(self.state.context),
            query.start_line.eq(fields.start_line),
            query.end_line.eq(fields.end_line),
            query.tag.eq(fields.tag),
            query.base_line.eq(self._base_line),
            query.equal.eq(search.equal & self._protected.replicate(SLOTS)),
            query.key_valid.eq(self.key_valid),
            search.algorithm.eq(fields.algorithm),
            search.index.eq(self._word),
            search.word.eq(self._kept),
        ]
        self._drive_tables(m)

    def _drive_tables(self, m: Module) -> None:
        """What is installed; the states say when. Between commands the key's wires are zero, as the buffer is."""
        fields, protected = self._check.fields, self._protected
        entry, row, key = self.attribute_install.payload, self.domain_row, self.key_install.payload
        domain, slot = Mux(protected, self.domain, 0), Mux(protected, self.slot, 0)
        segment_base = self._base_line[6:] - fields.start_line[6 : formats.SEGMENT_SHIFT - LINE_LOG2]
        m.d.comb += [
            entry.range.context.eq(self.state.context),
            entry.range.start_line.eq(fields.start_line),
            entry.range.end_line.eq(fields.end_line),
            entry.content.algorithm.eq(fields.algorithm),
            entry.content.key_slot.eq(slot),
            entry.content.key_bytes.eq(fields.key_bytes),
            entry.content.flags.eq(fields.flags),
            entry.content.domain.eq(domain),
            entry.content.owner.eq(Mux(protected, self.state.owner, 0)),
            entry.content.segment_base.eq(segment_base),
            entry.counted.eq(1),
            self.domain_number.eq(domain),
            row.valid.eq(1),
            row.algorithm.eq(fields.algorithm),
            row.key_slot.eq(slot),
            row.tag.eq(fields.tag),
            row.base_line.eq(self._base_line),
            key.slot.eq(slot),
            key.algorithm.eq(fields.algorithm),
            key.index.eq(self._word),
            key.word.eq(self._kept),
            key.last.eq(self._last_word()),
        ]

    def _last_word(self):
        """The word at hand ends the key."""
        return (self._word + 1) * WORD_BYTES == self._check.fields.key_bytes

    def _new_domain(self):
        """The region brings a domain of its own."""
        return self._protected & ~self.bound

    def _end(self, m: Module) -> None:
        """Go and overwrite the buffer."""
        m.d.sync += self._word.eq(0)
        m.next = "CLEAR"

    def _abort(self, m: Module) -> None:
        """End without an answer: it will be begun again."""
        m.d.sync += self.aborted.eq(1)
        self._end(m)

    def _refuse(self, m: Module, status) -> None:
        """End with a status."""
        m.d.sync += self.status.eq(status)
        self._end(m)

    def _fault(self, m: Module, sub: Sub) -> None:
        """End with a fault of the region rules."""
        m.d.sync += [self.fault.valid.eq(1), self.fault.cause.eq(Cause.REGION), self.fault.sub.eq(sub)]
        self._end(m)

    def _loaded(self, m: Module):
        """Ask for a word of the description or key; the block that this opens is for a good one."""
        m.d.comb += self.load.eq(1)
        with m.If(self.load_done):
            m.d.sync += [self._word.eq(self._word + 1), self.addr.eq(self.addr + WORD_BYTES)]
            with m.If(self.load_fault.valid):
                m.d.sync += self.fault.eq(self.load_fault)
                self._end(m)
            with m.Elif(~self.protected):
                self._fault(m, Sub.REGION_DESCRIPTION)
            with m.Elif(self.abort):
                self._abort(m)
        return m.If(self.load_done & ~self.load_fault.valid & self.protected & ~self.abort)

    def _load_description(self, m: Module) -> None:
        """Eight words, then the judgement."""
        with m.State("DESCRIPTION"):
            with self._loaded(m):
                m.d.comb += self._check.word_valid.eq(1)
                with m.If(self._word == formats.REGION_WORDS - 1):
                    m.next = "JUDGE"
        with m.State("JUDGE"):
            m.d.comb += self.search.begin.eq(1)
            m.d.sync += self._word.eq(0)
            m.next = "KEY"
            with m.If(self._check.status != RegionStatus.DONE):
                self._refuse(m, self._check.status)
            with m.Elif(~self._protected):
                m.d.comb += self.query.start.eq(1)
                m.next = "ROOM"

    def _load_key(self, m: Module) -> None:
        """The key's words, each kept, compared with the one half a key before it, and looked for in every slot."""
        half = self._check.fields.key_bytes[3:7]  # in words
        with m.State("KEY"):
            m.d.comb += self._kept_addr.eq(self._word - half)
            with self._loaded(m):
                m.d.comb += self._keep.eq(1)
                m.d.sync += self._word.eq(self._word)
                with m.If((self._word >= half) & (self.data != self._kept)):
                    m.d.sync += self._halves_differ.eq(1)
                m.next = "COMPARE"
        with m.State("COMPARE"):
            m.d.comb += self.search.compare.eq(1)
            m.next = "SEARCH"
        with m.State("SEARCH"):
            with m.If(~self.search.busy):
                m.d.sync += self._word.eq(self._word + 1)
                m.next = "KEY"
                with m.If(self._last_word()):
                    m.d.sync += self.addr.eq(Cat(Const(-1, LINE_LOG2), self._check.fields.end_line))
                    m.next = "PROBE_END"
                    with m.If(~self._halves_differ):
                        self._refuse(m, RegionStatus.BAD_KEY)
                with m.If(self.abort):
                    self._abort(m)

    def _probe_place(self, m: Module) -> None:
        """Where both ends lie: the segment is asked, memory is not touched."""
        outside = self.physical[self._ram_log2 :] != RAM_BASE >> self._ram_log2
        fields = self._check.fields
        for state in ("PROBE_END", "PROBE_START"):
            with m.State(state):
                m.d.comb += [self.load.eq(1), self.probe.eq(1)]
                with m.If(self.load_done):
                    m.d.sync += [
                        self.addr.eq(Cat(Const(0, LINE_LOG2), fields.start_line)),
                        self._base_line.eq(self.physical[LINE_LOG2:]),
                        self._in_ram.eq(~outside & (self._in_ram if state == "PROBE_START" else 1)),
                    ]
                    m.next = "PROBE_START" if state == "PROBE_END" else "PLACE"
                    with m.If(self.load_fault.valid):
                        m.d.sync += self.fault.eq(self.load_fault)
                        self._end(m)
                    with m.Elif(self.abort):
                        self._abort(m)
        with m.State("PLACE"):
            m.d.comb += self.query.start.eq(1)
            m.next = "ROOM"
            with m.If(~self._in_ram):
                self._refuse(m, RegionStatus.OUTSIDE_RAM)

    def _decide(self, m: Module) -> None:
        """After the walk over both tables."""
        fits = Signal()
        m.d.comb += fits.eq(self.domain_free & (self.key_found | self.slot_free))
        with m.State("ROOM"):
            m.d.sync += self._word.eq(0)
            with m.If(~self.walking):
                m.next = "COMMIT"
                with m.If(self.overlap):
                    self._refuse(m, RegionStatus.OVERLAP)
                with m.Elif(self.counted >= self.quota):
                    self._refuse(m, RegionStatus.QUOTA)
                with m.Elif(~self.entry_free):
                    self._refuse(m, RegionStatus.NO_ENTRY)
                with m.Elif(self._protected & self.bound & ~self.base_same):
                    self._fault(m, Sub.REGION_BOUND)
                with m.Elif(self._new_domain() & ~fits):
                    self._refuse(m, RegionStatus.NO_KEY)
                with m.Elif(self._new_domain() & ~self.key_found):
                    m.next = "STORE_KEY"

    def _store_key(self, m: Module) -> None:
        """The key into its slot; an interrupt takes it out again."""
        key, last_taken = self.key_install, Signal()
        m.d.comb += last_taken.eq(key.ready & key.payload.last)
        with m.State("STORE_KEY"):
            m.d.comb += [key.valid.eq(1), self.key_cancel.eq(self.abort & ~last_taken)]
            with m.If(self.key_cancel):
                m.next = "CANCELLED"
            with m.Elif(key.ready):
                m.d.sync += self._word.eq(self._word + 1)
                with m.If(key.payload.last):
                    m.next = "COMMIT"
        with m.State("CANCELLED"):
            with m.If(~self.key_busy):
                self._abort(m)
