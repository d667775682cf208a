"""Taking a region description and its key onto the chip, word by word, and finding out where the region lies.

Clock domain ``sync``. Part of ``region_install``. The format and its judgement are ``region_description``; equal keys
are found by the key store.
"""

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, Fault
from ..bus.open_checks import OpenCheck, is_open
from ..isa import formats
from ..isa.cause import Cause, Sub
from ..isa.formats import Algorithm, RegionStatus
from ..isa.platform import LINE_LOG2, RAM_BASE
from .key_buffer import WORD_BYTES, KeyBuffer
from .raw_keys import WORDS, KeySearchPort
from .region_description import DescriptionCheck, DescriptionFields


class RegionLoad(wiring.Component):
    """The first part of ``setik``: everything that loads or probes.

    ``start`` (one cycle) with ``operand``; loads as in ``RegionPort``. ``busy`` is high from the next cycle on. When it
    ends with ``good``, ``fields``, ``protected_region`` (not a window), ``base_line`` (the first physical line) and the
    key's words are there, ``key_word`` being the one at ``index`` and ``key_last`` telling that it is the last, and
    ``search.equal`` has the slots with an equal key. Else ``status``, ``fault`` or ``aborted`` tell why. ``clear`` (one
    cycle, also together with ``start``) takes that back; ``wipe`` for each ``index`` overwrites what was loaded.

    Order of what can refuse: operand, loads of the description, its judgement, loads of the key, equal halves, the
    segment's own faults at both ends, place in RAM. Each word is loaded once. No value of a key word decides how long
    anything takes.

    Parameters: ``ram_bytes`` as in ``RegionUnit``; ``switches``: see ``bus.open_checks``.
    """

    def __init__(self, ram_bytes: int, switches: Value | None = None):
        self._switches = switches
        self._ram_log2 = ram_bytes.bit_length() - 1
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "wipe": In(1),
                "operand": In(32),
                "segments": In(1),
                "abort": In(1),
                "busy": Out(1),
                "good": Out(1),
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
                "search": Out(KeySearchPort()),
                "fields": Out(DescriptionFields),
                "protected_region": Out(1),
                "base_line": Out(LINE_BITS),
                "index": In(range(WORDS)),
                "key_word": Out(32),
                "key_last": Out(1),
            }
        )
        self._check = DescriptionCheck(switches)
        self._key = KeyBuffer()
        self._word = Signal(range(WORDS))
        self._in_ram = Signal()

    def elaborate(self, _platform) -> Module:
        """The order of things; the work of each step stands in a method."""
        m = Module()
        m.submodules.check = self._check
        m.submodules.key = self._key
        self._connect(m)
        with m.FSM(name="load_state") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += self._key.index.eq(self.index)
                m.d.sync += [self.addr.eq(self.operand), self._word.eq(0)]
                with m.If(self.clear):
                    m.d.sync += [self.status.eq(RegionStatus.DONE), self.fault.eq(0), self.aborted.eq(0)]
                    m.d.sync += self.good.eq(0)
                with m.If(self.start):
                    m.next = "DESCRIPTION"
                    with m.If(self.operand[:2].any()):
                        self._fault(m, Sub.REGION_OPERAND)
            self._load_description(m)
            self._load_key(m)
            self._probe_place(m)
        return m

    def _connect(self, m: Module) -> None:
        """What does not depend on the state."""
        check, fields, search, key = self._check, self._check.fields, self.search, self._key
        m.d.comb += [
            self.fields.eq(fields),
            self.protected_region.eq(fields.algorithm != Algorithm.NONE),
            check.clear.eq(self.wipe),
            check.segments.eq(self.segments),
            check.index.eq(self._word[:3]),
            check.word.eq(self.data),
            search.algorithm.eq(fields.algorithm),
            search.index.eq(self._word),
            search.word.eq(key.word),
            key.index.eq(self._word),
            key.data.eq(self.data),
            key.key_bytes.eq(fields.key_bytes),
            key.wipe.eq(self.wipe),
            self.key_word.eq(key.word),
            self.key_last.eq(key.last),
        ]

    def _abort(self, m: Module) -> None:
        """End without an answer: it will be begun again."""
        m.d.sync += self.aborted.eq(1)
        m.next = "IDLE"

    def _refuse(self, m: Module, status) -> None:
        """End with a status."""
        m.d.sync += self.status.eq(status)
        m.next = "IDLE"

    def _fault(self, m: Module, sub: Sub) -> None:
        """End with a fault of the region rules."""
        m.d.sync += [self.fault.valid.eq(1), self.fault.cause.eq(Cause.REGION), self.fault.sub.eq(sub)]
        m.next = "IDLE"

    def _accept(self, m: Module) -> None:
        """End well."""
        m.d.sync += self.good.eq(1)
        m.next = "IDLE"

    def _loaded(self, m: Module):
        """Ask for a word of the description or key; the block that this opens is for a good one."""
        protected = self.protected | is_open(self._switches, OpenCheck.SETIK_SOURCE)
        m.d.comb += self.load.eq(1)
        with m.If(self.load_done):
            m.d.sync += [self._word.eq(self._word + 1), self.addr.eq(self.addr + WORD_BYTES)]
            with m.If(self.load_fault.valid):
                m.d.sync += self.fault.eq(self.load_fault)
                m.next = "IDLE"
            with m.Elif(~protected):
                self._fault(m, Sub.REGION_DESCRIPTION)
            with m.Elif(self.abort):
                self._abort(m)
        return m.If(self.load_done & ~self.load_fault.valid & protected & ~self.abort)

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
            with m.Elif(~self.protected_region):
                self._accept(m)

    def _load_key(self, m: Module) -> None:
        """The key's words, each kept and looked for in every slot."""
        key = self._key
        with m.State("KEY"):
            m.d.comb += key.loading.eq(1)
            with self._loaded(m):
                m.d.comb += key.keep.eq(1)
                m.d.sync += self._word.eq(self._word)
                m.next = "COMPARE"
        with m.State("COMPARE"):
            m.d.comb += self.search.compare.eq(1)
            m.next = "SEARCH"
        with m.State("SEARCH"):
            with m.If(~self.search.busy):
                m.d.sync += self._word.eq(self._word + 1)
                m.next = "KEY"
                with m.If(key.last):
                    m.d.sync += self.addr.eq(Cat(Const(-1, LINE_LOG2), self._check.fields.end_line))
                    m.next = "PROBE_END"
                    with m.If(~key.halves_differ):
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
                        self.base_line.eq(self.physical[LINE_LOG2:]),
                        self._in_ram.eq(~outside & (self._in_ram if state == "PROBE_START" else 1)),
                    ]
                    m.next = "PROBE_START" if state == "PROBE_END" else "PLACE"
                    with m.If(self.load_fault.valid):
                        m.d.sync += self.fault.eq(self.load_fault)
                        m.next = "IDLE"
                    with m.Elif(self.abort):
                        self._abort(m)
        with m.State("PLACE"):
            with m.If(self._in_ram):
                self._accept(m)
            with m.Else():
                self._refuse(m, RegionStatus.OUTSIDE_RAM)
