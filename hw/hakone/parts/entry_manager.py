"""Installs and removes the attribute entries of the line cipher unit.

Clock domain ``sync``. Part of ``line_cipher_unit``. Entry n has key slot n and domain n + 1. What it finds wrong stands
in ``entry_registers.EntryStatus``.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, DomainRow
from ..crypto.attributes import AttributeEntry, AttributeWalkPort
from ..crypto.boot_loader import KeyWord
from ..crypto.domains import DOMAINS, DomainWalkPort
from ..crypto.raw_keys import KeySearchPort
from ..isa.formats import KEY_BYTES, Algorithm, RegionFlag
from ..isa.platform import LINE_LOG2
from .entry_registers import KEY_WORDS, Command, EntryStatus
from .verdict import CONTEXT


class EntryManager(wiring.Component):
    """Obeys one command at a time.

    ``command_valid`` (one cycle, only while not ``busy``) with ``command``; ``start``, ``bytes``, ``tag`` and ``kind``
    stay as they are until ``busy`` is low again; then ``status`` tells what became of it. Key words come before, with
    ``key_write``; they are overwritten at the end of every command, whatever became of it. An entry is put in place or
    taken away in a single cycle in which ``hold`` is high and ``idle`` as well: no burst is at work. The key of a
    removed entry is overwritten in the key store before ``busy`` falls.

    A command takes some hundred cycles, which depend on the algorithm, on the ranges of the entries, on the traffic,
    and on whether the two halves of a key or the keys and tags of two entries are equal, which ``status`` tells anyway.

    Parameter ``entries``: 1 to 15. ``alone``: there is one entry. Other members: to the stores, named like the ports
    there.
    """

    def __init__(self, entries: int):
        if not 1 <= entries < DOMAINS:
            raise ValueError(f"entries = {entries}: 1 to {DOMAINS - 1} are possible")
        self._entries = entries
        super().__init__(
            {
                "command_valid": In(1),
                "command": In(2),
                "start": In(32),
                "bytes": In(32),
                "tag": In(32),
                "kind": In(32),
                "key_write": In(1),
                "key_index": In(range(KEY_WORDS)),
                "key_word": In(32),
                "busy": Out(1),
                "status": Out(EntryStatus),
                "hold": Out(1),
                "idle": In(1),
                "changed": Out(1),
                "alone": In(1),
                "entry": Out(stream.Signature(AttributeEntry)),
                "walk": Out(AttributeWalkPort()),
                "row_write": Out(1),
                "row_domain": Out(range(DOMAINS)),
                "row": Out(DomainRow),
                "row_walk": Out(DomainWalkPort()),
                "key": Out(stream.Signature(KeyWord)),
                "erase": Out(stream.Signature(4)),
                "search": Out(KeySearchPort()),
            }
        )
        self._index = Signal(range(KEY_WORDS + 1))  # of an entry or a key word, as the state says
        self._place = Signal(4)
        self._found = Signal()
        self._removing = Signal()
        self._given = Signal(KEY_WORDS)  # words of the key that were written
        self._word, self._half_word = Signal(32), Signal(32)
        self._differ = Signal()
        self._algorithm = Signal(Algorithm)
        self._first, self._last = Signal(LINE_BITS), Signal(LINE_BITS)

    def elaborate(self, _platform) -> Module:
        """The key's memory, constant wires, and the order of things."""
        m = Module()
        self._decode(m)
        m.submodules.key_words = words = memory.Memory(shape=32, depth=KEY_WORDS, init=[])
        write, read = words.write_port(), words.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.key_write),
            write.addr.eq(self.key_index),
            write.data.eq(self.key_word),
            read.addr.eq(self._index),
            self._word.eq(read.data),
            self.busy.eq(1),
        ]
        with m.If(self.key_write):
            m.d.sync += self._given.bit_select(self.key_index, 1).eq(1)
        with m.FSM(name="manager_state"):
            self._idle(m)
            self._walk_entries(m)
            self._judge_key(m, read)
            self._search_key(m)
            self._install_key(m)
            self._change(m)
            with m.State("WIPE"):
                m.d.comb += [write.en.eq(1), write.addr.eq(self._index), write.data.eq(0)]
                m.d.sync += [self._index.eq(self._index + 1), self._given.eq(0), self._half_word.eq(0)]
                with m.If(self._index == KEY_WORDS - 1):
                    m.next = "IDLE"
        return m

    def _decode(self, m: Module) -> None:
        """The registers as fields, and everything that a new entry says."""
        long = self._algorithm == Algorithm.AES256_XTS
        self._words = Mux(long, KEY_BYTES[Algorithm.AES256_XTS] // 4, KEY_BYTES[Algorithm.AES128_XTS] // 4)
        self._half = Mux(long, KEY_WORDS // 2, KEY_WORDS // 4)
        self._none = self._algorithm == Algorithm.NONE
        end = self.start + self.bytes  # one bit wider
        entry, row = self.entry.payload, self.row
        m.d.comb += [
            self._algorithm.eq(self.kind[:3]),
            self._first.eq(self.start >> LINE_LOG2),
            self._last.eq((end >> LINE_LOG2) - 1),
            entry.range.context.eq(CONTEXT),
            entry.range.start_line.eq(self._first),
            entry.range.end_line.eq(self._last),
            entry.content.algorithm.eq(self._algorithm),
            entry.content.key_slot.eq(self._place),
            entry.content.key_bytes.eq(Mux(self._none, 0, self._words << 2)),
            entry.content.flags.eq(
                self.kind[8].replicate(8) & int(RegionFlag.READ) | self.kind[9].replicate(8) & int(RegionFlag.WRITE)
            ),
            entry.content.domain.eq(Mux(self._none, 0, self._place + 1)),
            self.row_domain.eq(self._place + 1),
            row.valid.eq(1),
            row.algorithm.eq(self._algorithm),
            row.key_slot.eq(self._place),
            row.tag.eq(self.tag),
            row.base_line.eq(self._first),
            self.walk.index.eq(self._index),
            self.row_walk.index.eq(self._index + 1),
            self.search.algorithm.eq(self._algorithm),
            self.search.index.eq(self._index),
            self.search.word.eq(self._word),
            self.key.payload.slot.eq(self._place),
            self.key.payload.algorithm.eq(self._algorithm),
            self.key.payload.index.eq(self._index),
            self.key.payload.word.eq(self._word),
            self.key.payload.last.eq(self._index == self._words - 1),
            self.erase.payload.eq(self._place),
        ]
        known = self._none | (self._algorithm == Algorithm.AES128_XTS) | (self._algorithm == Algorithm.AES256_XTS)
        whole = (self.start[:LINE_LOG2] == 0) & (self.bytes[:LINE_LOG2] == 0) & (self.bytes != 0) & (end <= 1 << 32)
        self._problems = (
            (~known | self.kind[3:8].any(), EntryStatus.BAD_ALGORITHM),
            (~self.kind[8:10].any() | self.kind[10:].any(), EntryStatus.BAD_RIGHTS),
            (~whole, EntryStatus.BAD_RANGE),
        )

    def _end(self, m: Module, status: EntryStatus) -> None:
        """Last in a state: this is what became of the command."""
        m.d.sync += [self.status.eq(status), self._index.eq(0)]
        m.next = "WIPE"

    def _idle(self, m: Module) -> None:
        """A command, and what can be said of it without looking at the entries."""
        with m.State("IDLE"):
            m.d.comb += self.busy.eq(0)
            m.d.sync += [self._index.eq(0), self._found.eq(0), self._differ.eq(0)]
            m.d.sync += self._removing.eq(self.command == Command.REMOVE)
            with m.If(self.command_valid):
                m.next = "WALK"
                for problem, status in reversed(self._problems):
                    with m.If(problem & (self.command == Command.INSTALL)):
                        self._end(m, status)
                with m.If((self.command != Command.INSTALL) & (self.command != Command.REMOVE)):
                    self._end(m, EntryStatus.BAD_COMMAND)

    def _walk_entries(self, m: Module) -> None:
        """Every entry once: does it overlap, is it the one to remove, is its place free."""
        place = self.walk.place
        overlaps = place.used & ~(self._last < place.range.start_line) & ~(place.range.end_line < self._first)
        wanted = Mux(self._removing, place.used & (place.range.start_line == self._first), ~place.used)
        with m.State("WALK"):
            m.d.sync += self._index.eq(self._index + 1)
            with m.If(wanted & ~self._found):
                m.d.sync += [self._found.eq(1), self._place.eq(self._index)]
            with m.If(self._index == self._entries - 1):
                m.next = "WALKED"
            with m.If(overlaps & ~self._removing):
                self._end(m, EntryStatus.OVERLAP)
        with m.State("WALKED"):
            m.d.sync += self._index.eq(0)
            m.next = "KEY"
            with m.If(self._removing | self._none):
                m.next = "HOLD"
            with m.If(~self._found):
                self._end(m, EntryStatus.NO_ROOM)
            with m.If(self._removing & (~self._found | (self.start[:LINE_LOG2] != 0))):
                self._end(m, EntryStatus.NOT_FOUND)

    def _judge_key(self, m: Module, read) -> None:
        """Two cycles a word of the first half: does the second half differ, and is everything there."""
        needed = Mux(self._words == KEY_WORDS, (1 << KEY_WORDS) - 1, (1 << KEY_WORDS // 2) - 1)
        with m.State("KEY"):
            m.d.sync += self._half_word.eq(self._word)
            m.next = "HALF"
        with m.State("HALF"):
            m.d.comb += read.addr.eq(self._index + self._half)
            m.d.sync += [
                self._index.eq(self._index + 1),
                self._differ.eq(self._differ | (self._word != self._half_word)),
            ]
            m.next = "KEY"
            with m.If(self._index == self._half - 1):
                m.next = "JUDGED"
        with m.State("JUDGED"):
            m.d.comb += self.search.begin.eq(1)
            m.d.sync += self._index.eq(0)
            m.next = "COMPARE"
            with m.If(~self._differ | ((self._given & needed) != needed)):
                self._end(m, EntryStatus.BAD_KEY)

    def _search_key(self, m: Module) -> None:
        """Slots with the same key, word by word; then the domains of these slots: none may have the same tag."""
        row = self.row_walk.row
        with m.State("COMPARE"):
            m.d.comb += self.search.compare.eq(1)
            m.next = "COMPARING"
        with m.State("COMPARING"):
            with m.If(~self.search.busy):
                m.d.sync += self._index.eq(self._index + 1)
                m.next = "COMPARE"
                with m.If(self._index == self._words - 1):
                    m.d.sync += self._index.eq(0)
                    m.next = "TAGS"
        with m.State("TAGS"):
            m.d.sync += self._index.eq(self._index + 1)
            with m.If(self._index == self._entries - 1):
                m.d.sync += self._index.eq(0)
                m.next = "INSTALL"
            with m.If(row.valid & self.search.equal.bit_select(row.key_slot, 1) & (row.tag == self.tag)):
                self._end(m, EntryStatus.TAG_REUSED)

    def _install_key(self, m: Module) -> None:
        """The words to the key store, which expands them."""
        with m.State("INSTALL"):
            m.d.comb += self.key.valid.eq(1)
            with m.If(self.key.ready):
                m.d.sync += self._index.eq(self._index + 1)
                with m.If(self.key.payload.last):
                    m.next = "HOLD"

    def _change(self, m: Module) -> None:
        """Between two bursts, in a single cycle; then the key of an entry that is gone is erased."""
        with m.State("HOLD"):
            m.d.comb += self.hold.eq(1)
            m.d.sync += self._index.eq(self._place)
            with m.If(self.idle):
                m.next = "CHANGE"
        with m.State("CHANGE"):
            m.d.comb += [
                self.hold.eq(1),
                self.changed.eq(1),
                self.entry.valid.eq(~self._removing),
                self.row_write.eq(~self._removing & ~self._none),
                self.walk.remove.eq(self._removing),
                self.walk.last.eq(self.alone),
                # The row of a plain entry is not in use, and removing it changes nothing.
                self.row_walk.remove.eq(self._removing),
            ]
            with m.If(self._removing):
                m.next = "ERASE"
            with m.Else():
                self._end(m, EntryStatus.DONE)
        with m.State("ERASE"):
            m.d.comb += self.erase.valid.eq(1)
            with m.If(self.erase.ready):
                self._end(m, EntryStatus.DONE)
