"""Boot loader: fills key store, domain table and attribute registers from the fuses, then lets the core go.

Clock domain ``sync``. The format is ``isa.formats``; how a record is judged is ``fuses``. It is hardware, not software:
keys pass from the fuses to the key store over wires that nothing else reaches.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainRow
from ..isa import VERSION, formats
from ..isa.formats import Algorithm, BootStatus
from .attributes import ENTRIES_MAX, AttributeEntry
from .domains import DOMAINS
from .fuses import WORD_BITS, FusePort, RecordCheck, RecordCompare

_RECORD_BITS = range(formats.BOOT_RECORDS + 1)
_CONTEXT_LAST = 14


class KeyWord(data.Struct):
    """One raw key word on its way to the key store; ``index`` is 0 to 15 as in the record, ``last`` ends the key."""

    slot: 4
    algorithm: Algorithm
    index: 4
    word: 32
    last: 1


class BootLoader(wiring.Component):
    """Loads up to four boot records, then raises ``start`` for good.

    From reset it reads the header, then each record: first it is checked by itself, then against every earlier record
    that was loaded, then its key, domain and entries (one per named context) are installed. A record is taken whole or
    refused whole, with the reason in ``boot_status``; the others are not touched by that. A bad header loads nothing. A
    full load takes about 1800 cycles. Until ``start`` the core must be held; ``boot_contexts`` and ``boot_status`` are
    final with it.

    Numbers: equal keys under one algorithm share a slot, equal keys with equal tags share the domain (and must share
    the start, or two places would have one tweak), equal owner ids share the owner index. Slot and owner index are the
    position of the first record that has the key or the id, the owner index counted from 1; so is the domain. Windows
    have slot, domain and owner 0.

    Parameters: ``ram_bytes`` as in ``fuses.RecordCheck``; ``entries`` as in ``attributes.AttributeRegisters``. Members:
    ``fuses``; ``key_install`` (stream of ``KeyWord``); ``attribute_install`` and ``attribute_free`` (to the registers);
    ``domain_install`` with ``domain_number`` and ``domain_row`` (one cycle); ``boot_contexts`` (bit per context that
    exists besides 0), ``boot_status`` (one ``BootStatus`` per record), ``start``.

    Protects: a malformed or contradicting image yields no access. The loader keeps no fuse word afterwards and its fuse
    address rests at the header. It does not authenticate the fuses: who can program them owns the chip. The time it
    takes depends on which records are good and share a key, never on a key's value.
    """

    def __init__(self, ram_bytes: int, entries: int = ENTRIES_MAX):
        self._ram_bytes = ram_bytes
        super().__init__(
            {
                "fuses": Out(FusePort()),
                "key_install": Out(stream.Signature(KeyWord)),
                "attribute_install": Out(stream.Signature(AttributeEntry)),
                "attribute_free": In(range(entries + 1)),
                "domain_install": Out(1),
                "domain_number": Out(range(DOMAINS)),
                "domain_row": Out(DomainRow),
                "boot_contexts": Out(16),
                "boot_status": Out(data.ArrayLayout(BootStatus, formats.BOOT_RECORDS)),
                "start": Out(1),
            }
        )
        self._check = RecordCheck(ram_bytes)
        self._compare = RecordCompare()
        self._word = Signal(WORD_BITS)  # word of the record (or header) at hand
        self._phase = Signal(2)  # cycle of one fuse word: address, (second address,) data
        self._record = Signal(_RECORD_BITS)
        self._other = Signal(_RECORD_BITS)
        self._count = Signal(_RECORD_BITS)
        self._loaded = Signal(formats.BOOT_RECORDS)
        self._held = Signal(32)  # the own word while the other record's is read; zeroed at the end
        self._context = Signal(4)
        self._owner = Signal(4)
        self._slot = Signal(4)
        self._domain = Signal(4)
        self._key_shared = Signal()
        self._domain_shared = Signal()

    def elaborate(self, _platform) -> Module:
        """The order of things; the work of each state stands in a method."""
        m = Module()
        m.submodules.check = self._check
        m.submodules.compare = self._compare
        fields = self._check.fields
        m.d.comb += [
            self._check.index.eq(self._word),
            self._check.word.eq(self.fuses.data),
            self._compare.fields.eq(fields),
            self._compare.index.eq(self._word),
            self._compare.own.eq(self._held),
            self._compare.other.eq(self.fuses.data),
        ]
        self._drive_installs(m)
        with m.FSM(name="boot_state"):
            self._read_header(m)
            self._scan_record(m)
            self._compare_records(m)
            self._install_record(m)
            with m.State("NEXT"):
                m.d.sync += self._record.eq(self._record + 1)
                m.next = "BEGIN"
            with m.State("FINISH"):
                m.d.comb += self._check.clear.eq(1)
                m.d.sync += self._held.eq(0)
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.start.eq(1)
        return m

    def _fuse_word(self, m: Module, record) -> None:
        """Put the address of the current word of ``record`` to the fuses."""
        m.d.comb += self.fuses.addr.eq(Cat(self._word, record[:2]) + formats.FUSE_HEADER_WORDS)

    def _refuse(self, m: Module, status: BootStatus) -> None:
        """End the record at hand with ``status``."""
        m.d.sync += self.boot_status[self._record[:2]].eq(status)
        m.next = "NEXT"

    def _read_header(self, m: Module) -> None:
        """Four header words; any that is wrong refuses all records."""
        word, fuse = self._word, self.fuses.data
        good, good_so_far = Signal(), Signal(init=1)
        with m.State("HEADER"):
            m.d.comb += self.fuses.addr.eq(word)
            with m.Switch(word):
                with m.Case(0):
                    m.d.comb += good.eq(fuse == formats.FUSE_MAGIC)
                with m.Case(1):
                    m.d.comb += good.eq(fuse[16:] == VERSION >> 16)
                with m.Case(2):
                    m.d.comb += good.eq(fuse <= formats.BOOT_RECORDS)
                with m.Case(3):
                    m.d.comb += good.eq(fuse == 0)
            m.d.sync += self._phase.eq(1)
            with m.If(self._phase == 1):
                m.d.sync += [self._phase.eq(0), word.eq(word + 1), good_so_far.eq(good_so_far & good)]
                with m.If(word == 2):
                    m.d.sync += self._count.eq(fuse)
                with m.If(word == formats.FUSE_HEADER_WORDS - 1):
                    m.next = "BEGIN"
                    with m.If(~(good_so_far & good)):
                        m.d.sync += [status.eq(BootStatus.BAD_HEADER) for status in self.boot_status]
                        m.next = "FINISH"

    def _scan_record(self, m: Module) -> None:
        """All words of one record through the check."""
        with m.State("BEGIN"):
            m.d.comb += self._check.clear.eq(1)
            m.d.sync += [self._word.eq(0), self._phase.eq(0)]
            m.next = "SCAN"
            with m.If(self._record == self._count):
                m.next = "FINISH"
        with m.State("SCAN"):
            self._fuse_word(m, self._record)
            m.d.sync += self._phase.eq(1)
            with m.If(self._phase == 1):
                m.d.comb += self._check.word_valid.eq(1)
                m.d.sync += [self._phase.eq(0), self._word.eq(self._word + 1)]
                with m.If(self._word == formats.BOOT_RECORD_WORDS - 1):
                    m.next = "JUDGE"
        with m.State("JUDGE"):
            protected = self._check.fields.algorithm != Algorithm.NONE
            place = Mux(protected, self._record + 1, 0)
            m.d.sync += [
                self._other.eq(0),
                self._owner.eq(place),
                self._domain.eq(place),
                self._slot.eq(Mux(protected, self._record, 0)),
                self._key_shared.eq(0),
                self._domain_shared.eq(0),
            ]
            m.next = "COMPARE_BEGIN"
            with m.If(self._check.status != BootStatus.LOADED):
                self._refuse(m, self._check.status)

    def _compare_records(self, m: Module) -> None:
        """The record at hand against each earlier one that was loaded, three cycles a word."""
        compare, other = self._compare, self._other
        with m.State("COMPARE_BEGIN"):
            m.d.comb += compare.clear.eq(1)
            m.d.sync += [self._word.eq(0), self._phase.eq(0)]
            with m.If(other == self._record):
                m.next = "ROOM"
            with m.Elif(self._loaded.bit_select(other[:2], 1)):
                m.next = "COMPARE"
            with m.Else():
                m.d.sync += other.eq(other + 1)
        with m.State("COMPARE"):
            self._fuse_word(m, Mux(self._phase == 0, self._record, other))
            m.d.sync += self._phase.eq(self._phase + 1)
            with m.If(self._phase == 1):
                m.d.sync += self._held.eq(self.fuses.data)
            with m.If(self._phase == 2):
                m.d.comb += compare.pair_valid.eq(1)
                m.d.sync += [self._phase.eq(0), self._word.eq(self._word + 1)]
                with m.If(self._word == formats.BOOT_RECORD_WORDS - 1):
                    m.next = "COMPARE_END"
        with m.State("COMPARE_END"):
            both = (self._check.fields.algorithm != Algorithm.NONE) & compare.other_protected
            same_domain = both & compare.same_key & compare.same_tag
            m.d.sync += other.eq(other + 1)
            m.next = "COMPARE_BEGIN"
            with m.If(both & compare.same_owner & (self._owner > other)):
                m.d.sync += self._owner.eq(other + 1)  # the first equal one is the smallest
            with m.If(both & compare.same_key & ~self._key_shared):
                m.d.sync += [self._slot.eq(other), self._key_shared.eq(1)]
            with m.If(same_domain & ~self._domain_shared):
                m.d.sync += [self._domain.eq(other + 1), self._domain_shared.eq(1)]
            with m.If(compare.overlap):
                self._refuse(m, BootStatus.OVERLAP)
            with m.Elif(same_domain & ~compare.same_start):
                self._refuse(m, BootStatus.TAG_REUSED)

    def _install_record(self, m: Module) -> None:
        """A good record: is there room; then key, domain, one entry per context."""
        fields = self._check.fields
        protected = fields.algorithm != Algorithm.NONE
        with m.State("ROOM"):
            m.d.sync += [self._word.eq(formats.BOOT_WORD_KEY), self._phase.eq(0), self._context.eq(1)]
            m.next = "DOMAIN"
            with m.If(protected & ~self._key_shared):
                m.next = "KEY"
            with m.If(sum(fields.contexts[1 : _CONTEXT_LAST + 1]) > self.attribute_free):
                self._refuse(m, BootStatus.NO_ROOM)
        with m.State("KEY"):
            self._fuse_word(m, self._record)
            m.d.sync += self._phase.eq(1)
            m.d.comb += self.key_install.valid.eq(self._phase == 1)
            with m.If(self.key_install.valid & self.key_install.ready):
                m.d.sync += [self._phase.eq(0), self._word.eq(self._word + 1)]
                with m.If(self.key_install.payload.last):
                    m.next = "DOMAIN"
        with m.State("DOMAIN"):
            m.d.comb += self.domain_install.eq(protected & ~self._domain_shared)
            m.next = "ENTRIES"
        with m.State("ENTRIES"):
            named = fields.contexts.bit_select(self._context, 1)
            m.d.comb += self.attribute_install.valid.eq(named)
            with m.If(~named | self.attribute_install.ready):
                m.d.sync += self._context.eq(self._context + 1)
                with m.If(self._context == _CONTEXT_LAST):
                    m.next = "LOADED"
        with m.State("LOADED"):
            m.d.sync += [
                self.boot_status[self._record[:2]].eq(BootStatus.LOADED),
                self._loaded.bit_select(self._record[:2], 1).eq(1),
                self.boot_contexts.eq(self.boot_contexts | fields.contexts),
            ]
            m.next = "NEXT"

    def _drive_installs(self, m: Module) -> None:
        """What is installed; the states say when. A key word stands on its wires only while it is valid."""
        fields, key = self._check.fields, self.key_install.payload
        entry, row = self.attribute_install.payload, self.domain_row
        protected = fields.algorithm != Algorithm.NONE
        m.d.comb += [
            key.slot.eq(self._slot),
            key.algorithm.eq(fields.algorithm),
            key.index.eq(self._word[:4]),
            key.word.eq(Mux(self.key_install.valid, self.fuses.data, 0)),
            key.last.eq((self._word[:4] + 1) * 4 == fields.key_bytes),
            self.domain_number.eq(self._domain),
            row.valid.eq(1),
            row.algorithm.eq(fields.algorithm),
            row.key_slot.eq(self._slot),
            row.tag.eq(fields.tag),
            row.base_line.eq(fields.start_line),
            entry.range.context.eq(self._context),
            entry.range.start_line.eq(fields.start_line),
            entry.range.end_line.eq(fields.end_line),
            entry.content.algorithm.eq(fields.algorithm),
            entry.content.key_slot.eq(self._slot),
            entry.content.key_bytes.eq(fields.key_bytes),
            entry.content.flags.eq(fields.flags),
            entry.content.domain.eq(self._domain),
            entry.content.owner.eq(self._owner),
            # Segments are off when the core starts: the base is that of a flat segment.
            entry.content.segment_base[16:].eq(Mux(protected, fields.start_line[-4:], 0)),
        ]
