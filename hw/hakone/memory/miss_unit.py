"""The miss unit: every line that moves between the caches and memory.

Clock domain ``sync``. It serves data misses, instruction misses (with a probe of the data cache) and the cleaning of
the data cache, one at a time in this order of precedence; dirty lines leave through the victim buffer beside that. What
a line looks like in memory is the line cipher's business; who may have it was judged before it is asked for.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainCleanPort, InstructionMissPort, LinePort, PoisonPort
from ..bus.register_bus import RegisterBus
from ..isa.platform import LINE_LOG2
from .data_fill import DataFill
from .doors import WORD_BITS, CacheGeometry, CacheRefillPort, InvalidatePort, MissPort
from .line_copy import LineCopy
from .physical import is_ram
from .rom_fill import RomFill
from .victim_buffer import VictimBuffer


class MissUnit(wiring.Component):
    """Moves lines.

    Data miss: memory is asked in the first cycle of ``miss.fill_valid``; a dirty line in the way is copied to the
    victim buffer, a word a cycle from that cycle on, ahead of the beats, and is written back beside the fill. The read
    waits while memory has yet to acknowledge the same line, and the start while the buffer is full (``DataFill``).
    Instruction miss: the data cache is looked at first (two cycles). Held there under the same domain, the line comes
    from there, 64 bits a cycle from the fifth cycle on, dirty or not, and stays as it is; under another, it leaves the
    data cache, encrypted under its own domain, before memory is read. Else memory is asked in the third cycle.
    Cleaning: every dirty line is written back and stays, clean; between two lines misses come first. Cleaning of a
    domain: every line of it is invalidated, written back first when it is dirty.

    Parameters: ``geometry`` of the data cache.
    Members: ``miss`` and ``cache`` (see ``doors``), ``lines`` (line cipher), ``instruction``, ``rom`` (mask-ROM lines
    for fetch), ``invalidate`` (instruction cache), ``poison`` (a line of that domain was lost on its way to memory),
    ``domain_clean`` (region unit; never together with ``miss.clean_start``), ``write_failed`` (sticky: some line was
    lost), ``event_dcache_evict`` (one cycle per dirty line written back).
    Errors: ``fill_error`` for a data line with a bad beat; the beats themselves carry it for the instruction cache;
    instruction lines outside RAM and ROM get eight beats with ``error`` and no bus cycle.
    Protects: a physical line is in the first-level caches under one domain at a time, and goes to memory under its own.
    At reset the tags are cleared, one set a cycle, while the load/store unit is held.
    """

    def __init__(self, geometry: CacheGeometry):
        self._geometry = geometry
        super().__init__(
            {
                "miss": In(MissPort(geometry)),
                "cache": Out(CacheRefillPort(geometry)),
                "lines": Out(LinePort()),
                "instruction": In(InstructionMissPort()),
                "rom": Out(RegisterBus()),
                "invalidate": Out(InvalidatePort()),
                "poison": Out(PoisonPort()),
                "domain_clean": In(DomainCleanPort()),
                "write_failed": Out(1),
                "event_dcache_evict": Out(1),
            }
        )

    def elaborate(self, platform):
        """The parts, then one state machine that gives the cache and the read port to one of them."""
        m = Module()
        geometry = self._geometry
        m.submodules.victims = self._victims = VictimBuffer()
        m.submodules.rom_fill = self._rom_fill = RomFill()
        m.submodules.copy = self._copy = LineCopy(geometry)
        m.submodules.fill = self._fill = DataFill(geometry)
        self._instruction_set = geometry.set_of(self.instruction.line)
        self._walk = Signal(geometry.set_bits)
        self._cleaning, self._draining, self._from_start = Signal(), Signal(), Signal()
        # What the tags of the set told, for the next cycle: with the next read of tags it was too long a way for one.
        self._found_ways, self._found_dirty, self._found_same = Signal(geometry.ways), Signal(), Signal()
        self._found = Signal(geometry.tag_layout)
        self._for_fetch = Signal()  # the cache is asked for on behalf of an instruction miss
        self._of_domain = Signal()  # what is cleaned is one domain, and none of its lines stays
        self._connect(m)
        with m.FSM(name="state", init="RESET") as fsm:
            with m.State("RESET"):
                everything = Const(-1, geometry.ways)
                m.d.comb += [
                    self.miss.hold.eq(1),
                    self.cache.line_set.eq(self._walk),
                    self.cache.tag_ways.eq(everything),
                    self.cache.clean_ways.eq(everything),
                ]
                m.d.sync += self._walk.eq(self._walk + 1)
                with m.If(self._walk.all()):
                    m.next = "IDLE"
            with m.State("IDLE"):
                self._arbitrate(m)
            with m.State("ASK"):
                self._ask(m)
            with m.State("DATA"):
                self._data_states(m, first=False)
            self._instruction_states(m)
            with m.State("CLEAN"):
                self._clean_set(m)
            with m.State("CLEAN_EVICT"):
                self._clean_line(m)
            with m.State("CLEAN_COPY"):
                m.d.comb += self.miss.hold.eq(1)
                with m.If(self._copy.last):
                    m.next = "IDLE"
        self._clean_control(m, fsm)
        # Looked at in two states only: of the line that fetch wants, and of the set that is cleaned.
        m.d.comb += self.cache.dirty_set.eq(Mux(fsm.ongoing("CLEAN"), self._walk, self._instruction_set))
        return m

    def _connect(self, m):
        """What does not depend on the state, and the defaults of what does: the instruction miss is in question."""
        victims, rom_fill, copy, fill, cache, lines = (
            self._victims,
            self._rom_fill,
            self._copy,
            self._fill,
            self.cache,
            self.lines,
        )
        wiring.connect(m, wiring.flipped(self.rom), rom_fill.rom)
        wiring.connect(m, wiring.flipped(self.invalidate), fill.invalidate)
        m.d.comb += [lines.announce_valid.eq(victims.announce_valid), lines.announce.eq(victims.announce)]
        wiring.connect(m, wiring.flipped(lines.write), victims.write)
        wiring.connect(m, wiring.flipped(lines.wdata), victims.wdata)
        m.d.comb += [
            victims.write_done.eq(lines.write_done),
            victims.write_error.eq(lines.write_error),
            self.poison.domain.eq(victims.poison_domain),
            self.poison.valid.eq(victims.poison),
            self.write_failed.eq(victims.failed),
            self.event_dcache_evict.eq(victims.allocate),
            rom_fill.line.eq(self.instruction.line),
            copy.words.eq(cache.words),
            victims.push.eq(copy.saved),
            victims.word.eq(copy.word),
            fill.fill.eq(self.miss.fill),
            fill.beat.eq(lines.beat),
            fill.wait.eq(victims.conflict),
            self.miss.fill_done.eq(fill.done),
            self.miss.fill_error.eq(fill.error),
            cache.write.eq(fill.write),
            cache.index.eq(copy.index),
            cache.take.eq(copy.active),
            cache.tag.eq(fill.tag),
            victims.query.eq(self.instruction.line),
            lines.read.payload.line.eq(self.instruction.line),
            lines.read.payload.domain.eq(self.instruction.domain),
        ]

    def _arbitrate(self, m):
        """Idle: who is served next."""
        miss, instruction = self.miss, self.instruction
        address = Cat(Const(0, LINE_LOG2), instruction.line)
        with m.If(miss.fill_valid):
            with m.If(~miss.fill.evict | self._victims.room):
                self._data_states(m, first=True)
                m.next = "DATA"
        with m.Elif(instruction.valid & instruction.rom):
            m.d.comb += self._rom_fill.start.eq(1)
            m.next = "ROM"
        with m.Elif(instruction.valid & ~is_ram(address, self._geometry.ram_bytes)):
            m.next = "REFUSE"
        with m.Elif(instruction.valid | self._cleaning):
            m.d.sync += self._for_fetch.eq(instruction.valid)
            m.next = "ASK"

    def _ask(self, m):
        """Ask for the cache, in a state of its own: whether the load/store unit must wait is known from flops alone."""
        miss = self.miss
        m.d.comb += miss.hold.eq(1)
        with m.If(miss.held):
            with m.If(self._for_fetch):
                self._show_set(m, self._instruction_set)
                m.next = "PROBE"
            with m.Elif(self._cleaning):
                begin = Signal.like(self._walk)
                m.d.comb += begin.eq(Mux(self._from_start, 0, self._walk))
                m.d.sync += [self._walk.eq(begin), self._from_start.eq(0)]
                self._show_set(m, begin)
                m.next = "CLEAN"
            with m.Else():
                m.next = "IDLE"
        with m.Elif(miss.fill_valid):  # it is not held while it waits for a line itself
            m.next = "IDLE"

    def _show_set(self, m, set_number):
        """Take the cache's address for the first word of a set; its tags stand in the next cycle."""
        m.d.comb += [
            self.cache.take.eq(1),
            self.cache.index.eq(Cat(Const(0, WORD_BITS), set_number)),
            self.cache.line_set.eq(set_number),
        ]

    def _evict(self, m, ways, tag, domain, set_number):
        """Start copying a dirty line out and queue it for memory."""
        victims = self._victims
        m.d.comb += [
            self._copy.start.eq(1),
            self._copy.set_number.eq(set_number),
            self._copy.ways.eq(ways),
            victims.allocate.eq(1),
            victims.line.eq(self._geometry.line_of(tag, set_number)),
            victims.domain.eq(domain),
            victims.slot.eq(self._geometry.slot_of(set_number, ways)),
        ]

    def _data_states(self, m, first):
        """A data miss; in its ``first`` cycle the dirty line in the way starts to leave."""
        fill, wanted, cache, lines = self._fill, self.miss.fill, self.cache, self.lines
        set_number = self._geometry.set_of(wanted.line)
        m.d.comb += [
            cache.line_set.eq(set_number),
            cache.tag_ways.eq(fill.tag_ways),
            cache.clean_ways.eq(fill.clean_ways),
            self._victims.query.eq(wanted.line),
            lines.read.payload.eq(fill.read.payload),
            lines.read.valid.eq(fill.read.valid),
            fill.read.ready.eq(lines.read.ready),
            fill.beat_valid.eq(lines.beat_valid),
        ]
        if first:
            m.d.comb += fill.start.eq(1)
            with m.If(wanted.evict):
                self._evict(m, wanted.ways, wanted.victim_tag, wanted.victim_domain, set_number)
                # The wanted line itself is just leaving: the buffer knows that from the next cycle on.
                with m.If(wanted.alias):
                    m.d.comb += fill.wait.eq(1)
        else:
            with m.If(fill.done):
                m.next = "IDLE"

    def _instruction_states(self, m):
        """After the probe: the line from the data cache, from memory, from the ROM, or none."""
        instruction, lines, copy, rom_fill = self.instruction, self.lines, self._copy, self._rom_fill
        refused_beats = Signal(WORD_BITS)
        sources = {
            "STREAM": (copy.fetched, {"data": copy.word, "last": copy.word_last, "error": 0}),
            "FETCH": (lines.beat_valid, {name: lines.beat[name] for name in ("data", "last", "error")}),
            "ROM": (rom_fill.beat_valid, {name: rom_fill.beat[name] for name in ("data", "last", "error")}),
            "REFUSE": (Const(1), {"data": Const(0, 64), "last": refused_beats.all(), "error": 1}),
        }
        with m.State("PROBE"):
            self._probe(m)
        with m.State("FOUND"):
            self._give(m)
        with m.State("EVICT"):
            m.d.comb += self.miss.hold.eq(1)
            with m.If(copy.last):
                m.next = "READ"
        with m.State("READ"):
            self._instruction_read(m)
        for name, (valid, beat) in sources.items():
            with m.State(name):
                m.d.comb += [instruction.beat_valid.eq(valid)]
                m.d.comb += [instruction.beat[member].eq(value) for member, value in beat.items()]
                if name == "STREAM":
                    m.d.comb += self.miss.hold.eq(1)
                if name == "REFUSE":
                    m.d.sync += refused_beats.eq(refused_beats + 1)
                with m.If(valid & beat["last"]):
                    m.next = "IDLE"

    def _probe(self, m):
        """The data cache's tags for the instruction miss are up: does it hold the line, and under which domain?"""
        geometry, cache, instruction = self._geometry, self.cache, self.instruction
        held = Signal(geometry.ways)
        tag = geometry.tag_of(instruction.line)
        for way, entry in enumerate(cache.tags):
            m.d.comb += held[way].eq(entry.valid & (entry.tag == tag))
        holder = geometry.chosen_tag(cache.tags, held)
        m.d.comb += self.miss.hold.eq(1)
        m.d.sync += [
            self._found_ways.eq(held),
            self._found_dirty.eq((held & cache.dirty).any()),
            self._found_same.eq(holder.domain == instruction.domain),
            self._found.eq(holder),
        ]
        with m.If(held.any()):
            m.next = "FOUND"
        with m.Else():
            self._instruction_read(m)

    def _give(self, m):
        """The data cache holds the line: give it to fetch, or let it go."""
        cache, copy, held = self.cache, self._copy, self._found_ways
        m.d.comb += self.miss.hold.eq(1)
        self._show_set(m, self._instruction_set)
        with m.If(self._found_same):
            m.d.comb += [
                copy.start.eq(1),
                copy.set_number.eq(self._instruction_set),
                copy.ways.eq(held),
                copy.to_fetch.eq(1),
            ]
            m.next = "STREAM"
        with m.Elif(~self._found_dirty):
            m.d.comb += [cache.tag_ways.eq(held), cache.tag.eq(0)]
            m.next = "READ"
        with m.Elif(self._victims.room):
            m.d.comb += [cache.tag_ways.eq(held), cache.tag.eq(0), cache.clean_ways.eq(held)]
            self._evict(m, held, self._found.tag, self._found.domain, self._instruction_set)
            m.next = "EVICT"

    def _instruction_read(self, m):
        """Ask memory for the instruction miss's line, unless it is still on its way there."""
        m.d.comb += self.lines.read.valid.eq(~self._victims.conflict)
        with m.If(self.lines.read.valid & self.lines.read.ready):
            m.next = "FETCH"
        with m.Else():
            m.next = "READ"

    def _clean_set(self, m):
        """Cleaning: the tags of one set are up. Find its first dirty line, or go on to the next set."""
        geometry, cache = self._geometry, self.cache
        meant, dirty, first = Signal(geometry.ways), Signal(geometry.ways), Signal(geometry.ways)
        chosen = geometry.chosen_tag(cache.tags, first)
        for way, entry in enumerate(cache.tags):
            m.d.comb += meant[way].eq(entry.valid & (~self._of_domain | (entry.domain == self.domain_clean.domain)))
        m.d.comb += [
            self.miss.hold.eq(1),
            dirty.eq(meant & cache.dirty),
            first.eq(dirty & (~dirty + 1)[: geometry.ways]),
        ]
        # The next set is shown whatever is found here: a line that must leave is known from flops then.
        following = (self._walk + 1)[: geometry.set_bits]
        self._show_set(m, self._walk)
        m.d.comb += cache.index.eq(Cat(Const(0, WORD_BITS), following))
        m.d.sync += [self._found_ways.eq(first), self._found.eq(chosen)]
        with m.If(~self._cleaning | self._from_start):
            m.next = "IDLE"
        with m.Elif(dirty.any()):
            m.next = "CLEAN_EVICT"
        with m.Else():
            with m.If(self._of_domain):  # what was dirty has been copied out and is looked at once more
                m.d.comb += [cache.tag_ways.eq(meant), cache.tag.eq(0)]
            m.d.sync += self._walk.eq(following)
            with m.If(self._walk.all()):
                m.d.sync += [self._cleaning.eq(0), self._draining.eq(1)]
                m.next = "IDLE"
            with m.Elif(self.miss.fill_valid | self.instruction.valid):
                m.next = "IDLE"

    def _clean_line(self, m):
        """Cleaning: write the line that was found back."""
        m.d.comb += self.miss.hold.eq(1)
        self._show_set(m, self._walk)
        with m.If(~self._cleaning | self._from_start):
            m.next = "IDLE"
        with m.Elif(self._victims.room):
            m.d.comb += self.cache.clean_ways.eq(self._found_ways)
            self._evict(m, self._found_ways, self._found.tag, self._found.domain, self._walk)
            m.next = "CLEAN_COPY"

    def _clean_control(self, m, fsm):
        """Cleaning: start, stop, and the end when memory has everything."""
        miss, of_domain = self.miss, self.domain_clean
        working = [fsm.ongoing(state) for state in ("CLEAN", "CLEAN_EVICT", "CLEAN_COPY")]
        busy = self._cleaning | self._draining | Cat(working).any()
        m.d.comb += [miss.clean_busy.eq(busy), of_domain.busy.eq(busy)]
        with m.If(self._draining & self._victims.empty):
            m.d.sync += self._draining.eq(0)
        with m.If(miss.clean_abort | of_domain.abort):
            m.d.sync += [self._cleaning.eq(0), self._draining.eq(0)]
        with m.If(miss.clean_start | of_domain.start):
            m.d.sync += [self._cleaning.eq(1), self._from_start.eq(1), self._of_domain.eq(of_domain.start)]
