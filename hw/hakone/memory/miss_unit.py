"""The miss unit: every line that moves between the caches and memory.

Clock domain ``sync``. It serves data misses, instruction misses (with a probe of the data cache) and the cleaning of the data
cache, one at a time in this order of precedence; dirty lines leave through the victim buffer beside that.
What a line looks like in memory is the line cipher's business; who may have it was judged before it is asked for.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainPort, InstructionMissPort, LinePort
from ..bus.register_bus import RegisterBus
from ..isa.platform import LINE_LOG2
from .doors import CacheGeometry, CacheRefillPort, InvalidatePort, MissPort
from .physical import is_ram
from .rom_fill import RomFill
from .victim_buffer import VictimBuffer


class MissUnit(wiring.Component):
    """Moves lines.

    Data miss: memory is asked in the first cycle of ``miss.fill_valid``; a dirty line in the way is copied to the victim buffer
    at a word a cycle from that cycle on, ahead of the beats, and is written back beside the fill. The read waits while
    memory has yet to acknowledge the same line, and the start while the buffer is full. The line becomes valid with its last
    beat, if none had an error and the instruction cache has dropped the line where it held it under another domain.
    Instruction miss: the data cache is looked at first (one cycle). Held there under the same domain, the line comes from
    there, 64 bits a cycle from the second cycle on, dirty or not; under another, it leaves the data cache, encrypted under its own
    domain, before memory is read. Else memory is asked in the second cycle.
    Cleaning: every dirty line is written back and stays, clean; between two lines misses come first.

    Parameters: ``geometry`` of the data cache.
    Members: ``miss`` and ``cache`` (see ``doors``), ``lines`` (line cipher), ``instruction`` (``valid`` takes part in the core's ``busy`` and
    should be a flop), ``rom`` (mask-ROM lines for fetch), ``invalidate`` (instruction cache), ``domain`` (``poison`` when a line of that domain was
    lost on its way to memory), ``write_failed`` (sticky: some line was lost), ``event_dcache_evict`` (one cycle per dirty line written back).
    Errors: ``fill_error`` for a data line with a bad beat; the beats themselves carry it for the instruction cache; instruction lines
    outside RAM and ROM get eight beats with ``error`` and no bus cycle.
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
                "domain": Out(DomainPort()),
                "write_failed": Out(1),
                "event_dcache_evict": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        geometry = self._geometry
        m.submodules.victims = self._victims = VictimBuffer()
        m.submodules.rom_fill = self._rom_fill = RomFill()
        self._instruction_set = geometry.set_of(self.instruction.line)
        self._walk = Signal(geometry.set_bits)
        self._cleaning, self._draining = Signal(), Signal()
        # Of the fill at work: read asked for, instruction cache told, last beat here, a beat was bad, beats so far.
        self._asked, self._told, self._ended, self._bad, self._beats = Signal(), Signal(), Signal(), Signal(), Signal(3)
        self._copy_out(m)
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
                with m.If(self._walk == geometry.sets - 1):
                    m.next = "IDLE"
            with m.State("IDLE"):
                self._arbitrate(m)
            with m.State("DATA"):
                self._data_fill(m)
            self._instruction_states(m)
            self._clean_states(m)
        self._clean_control(m, fsm)
        return m

    def _connect(self, m):
        """What does not depend on the state."""
        victims, rom_fill = self._victims, self._rom_fill
        wiring.connect(m, wiring.flipped(self.rom), rom_fill.rom)
        m.d.comb += [
            self.lines.write.payload.eq(victims.write.payload),
            self.lines.write.valid.eq(victims.write.valid),
            victims.write.ready.eq(self.lines.write.ready),
            self.lines.wdata.payload.eq(victims.wdata.payload),
            self.lines.wdata.valid.eq(victims.wdata.valid),
            victims.wdata.ready.eq(self.lines.wdata.ready),
            victims.write_done.eq(self.lines.write_done),
            victims.write_error.eq(self.lines.write_error),
            self.domain.domain.eq(victims.poison_domain),
            self.domain.poison.eq(victims.poison),
            self.write_failed.eq(victims.failed),
            self.event_dcache_evict.eq(victims.allocate),
            rom_fill.line.eq(self.instruction.line),
            # Defaults of what the states decide: the instruction miss's line is the one in question.
            victims.query.eq(self.instruction.line),
            self.lines.read.payload.line.eq(self.instruction.line),
            self.lines.read.payload.domain.eq(self.instruction.domain),
            self.invalidate.line.eq(self.miss.fill.line),
            self.invalidate.domain.eq(self.miss.fill.domain),
        ]

    def _copy_out(self, m):
        """Reads a line out of the data cache, into the victim buffer or (``to_fetch``) to the instruction cache.

        ``start`` in the first cycle, with ``set`` and ``ways``; ``active`` for all eight, ``last`` in the eighth. Words come a cycle later.
        """
        geometry, cache = self._geometry, self.cache
        self._copy_start, self._copy_active, self._copy_last = Signal(), Signal(), Signal()
        self._copy_set, self._copy_ways = Signal(geometry.set_bits), Signal(geometry.ways)
        self._to_fetch = Signal()
        set_kept, ways_kept, to_fetch_kept = Signal(geometry.set_bits), Signal(geometry.ways), Signal()
        running, count, arriving, arriving_last = Signal(), Signal(3), Signal(), Signal()
        m.d.comb += [
            self._copy_active.eq(self._copy_start | running),
            self._copy_last.eq(count == 7),
        ]
        m.d.sync += [arriving.eq(self._copy_active), arriving_last.eq(self._copy_last)]
        with m.If(self._copy_active):
            m.d.sync += [running.eq(~self._copy_last), count.eq(count + 1)]
            m.d.comb += [
                cache.take.eq(1),
                cache.index.eq(Cat(count, Mux(self._copy_start, self._copy_set, set_kept))),
            ]
        with m.If(self._copy_start):
            m.d.sync += [set_kept.eq(self._copy_set), ways_kept.eq(self._copy_ways), to_fetch_kept.eq(self._to_fetch)]
        word = Const(0, 64)
        for way in range(geometry.ways):
            word = word | (cache.words[way] & ways_kept[way].replicate(64))
        m.d.comb += [
            self._victims.push.eq(arriving & ~to_fetch_kept),
            self._victims.word.eq(word),
        ]
        self._fetch_word = word
        self._fetch_word_valid = arriving & to_fetch_kept
        self._fetch_word_last = arriving_last

    def _arbitrate(self, m):
        """Idle: who is served next."""
        miss, instruction = self.miss, self.instruction
        with m.If(miss.fill_valid):
            with m.If(~miss.fill.evict | self._victims.room):
                self._data_start(m)
        with m.Elif(instruction.valid & instruction.rom):
            m.d.comb += self._rom_fill.start.eq(1)
            m.next = "ROM"
        with m.Elif(instruction.valid & ~is_ram(Cat(Const(0, LINE_LOG2), instruction.line), self._geometry.ram_bytes)):
            m.d.sync += self._beats.eq(0)
            m.next = "REFUSE"
        with m.Elif(instruction.valid):
            m.d.comb += miss.hold.eq(1)
            with m.If(miss.held):
                self._show_set(m, self._instruction_set)
                m.next = "PROBE"
        with m.Elif(self._cleaning):
            m.d.comb += miss.hold.eq(1)
            with m.If(miss.held):
                self._show_set(m, self._walk)
                m.next = "CLEAN"

    def _show_set(self, m, set_number):
        """Take the cache's address for the first word of a set; its tags stand in the next cycle."""
        m.d.comb += [
            self.cache.take.eq(1),
            self.cache.index.eq(Cat(Const(0, 3), set_number)),
            self.cache.line_set.eq(set_number),
        ]

    def _evict(self, m, ways, tag, domain, set_number):
        """Start copying a dirty line out and queue it for memory."""
        victims = self._victims
        m.d.comb += [
            self._copy_start.eq(1),
            self._copy_set.eq(set_number),
            self._copy_ways.eq(ways),
            victims.allocate.eq(1),
            victims.line.eq(self._geometry.line_of(tag, set_number)),
            victims.domain.eq(domain),
        ]

    # ---- data misses

    def _data_start(self, m):
        """First cycle of a data miss: empty the way, save what is dirty, ask memory, tell the instruction cache."""
        fill, geometry = self.miss.fill, self._geometry
        with m.If(fill.evict):
            self._evict(m, fill.ways, fill.victim_tag, fill.victim_domain, geometry.set_of(fill.line))
        m.d.comb += [self.cache.tag_ways.eq(fill.ways), self.cache.clean_ways.eq(fill.ways)]
        m.d.sync += [self._beats.eq(0), self._bad.eq(0), self._ended.eq(0)]
        self._data_requests(m, may_read=~(fill.evict & fill.alias), asked=Const(0), told=Const(0))
        m.next = "DATA"

    def _data_requests(self, m, may_read, asked, told):
        """The read and the invalidation, each until it is accepted."""
        fill = self.miss.fill
        m.d.comb += [
            self.cache.line_set.eq(self._geometry.set_of(fill.line)),
            self._victims.query.eq(fill.line),
            self.lines.read.payload.line.eq(fill.line),
            self.lines.read.payload.domain.eq(fill.domain),
            self.lines.read.valid.eq(may_read & ~asked & ~self._victims.conflict),
            self.invalidate.valid.eq(~told),
        ]
        m.d.sync += [
            self._asked.eq(asked | (self.lines.read.valid & self.lines.read.ready)),
            self._told.eq(told | self.invalidate.done),
        ]

    def _data_fill(self, m):
        """Take the beats; the line becomes valid when everything that must be true of it is."""
        fill, lines, cache = self.miss.fill, self.lines, self.cache
        self._data_requests(m, may_read=Const(1), asked=self._asked, told=self._told)
        with m.If(lines.beat_valid):
            m.d.sync += [
                self._beats.eq(self._beats + 1),
                self._bad.eq(self._bad | lines.beat.error),
                self._ended.eq(lines.beat.last),
            ]
            m.d.comb += [
                cache.write.ways.eq(fill.ways),
                cache.write.index.eq(Cat(self._beats, self._geometry.set_of(fill.line))),
                cache.write.strobe.eq(0xFF),
                cache.write.data.eq(lines.beat.data),
            ]
        bad = self._bad | (lines.beat_valid & lines.beat.error)
        with m.If((self._ended | (lines.beat_valid & lines.beat.last)) & (self._told | self.invalidate.done)):
            m.d.comb += [self.miss.fill_done.eq(1), self.miss.fill_error.eq(bad)]
            with m.If(~bad):
                m.d.comb += [
                    cache.tag_ways.eq(fill.ways),
                    cache.tag.valid.eq(1),
                    cache.tag.tag.eq(self._geometry.tag_of(fill.line)),
                    cache.tag.domain.eq(fill.domain),
                ]
            m.next = "IDLE"

    # ---- instruction misses

    def _instruction_states(self, m):
        """Probe, then the line from the data cache, from memory or from the ROM."""
        instruction, lines = self.instruction, self.lines
        with m.State("PROBE"):
            self._probe(m)
        with m.State("STREAM"):
            m.d.comb += [
                self.miss.hold.eq(1),
                instruction.beat_valid.eq(self._fetch_word_valid),
                instruction.beat.data.eq(self._fetch_word),
                instruction.beat.last.eq(self._fetch_word_last),
            ]
            with m.If(self._fetch_word_valid & self._fetch_word_last):
                m.next = "IDLE"
        with m.State("EVICT"):
            m.d.comb += self.miss.hold.eq(1)
            with m.If(self._copy_last):
                m.next = "READ"
        with m.State("READ"):
            self._instruction_read(m)
        with m.State("FETCH"):
            m.d.comb += [instruction.beat_valid.eq(lines.beat_valid), instruction.beat.eq(lines.beat)]
            with m.If(lines.beat_valid & lines.beat.last):
                m.next = "IDLE"
        with m.State("ROM"):
            m.d.comb += [
                instruction.beat_valid.eq(self._rom_fill.beat_valid),
                instruction.beat.eq(self._rom_fill.beat),
            ]
            with m.If(self._rom_fill.beat_valid & self._rom_fill.beat.last):
                m.next = "IDLE"
        with m.State("REFUSE"):
            m.d.sync += self._beats.eq(self._beats + 1)
            m.d.comb += [
                instruction.beat_valid.eq(1),
                instruction.beat.error.eq(1),
                instruction.beat.last.eq(self._beats == 7),
            ]
            with m.If(self._beats == 7):
                m.next = "IDLE"

    def _probe(self, m):
        """The data cache's tags for the instruction miss are up: does it hold the line, and under which domain?"""
        geometry, cache, instruction = self._geometry, self.cache, self.instruction
        held = Signal(geometry.ways)
        tag = geometry.tag_of(instruction.line)
        same_domain = Const(0, 1)
        holder_domain = Const(0, 4)
        for way, entry in enumerate(cache.tags):
            m.d.comb += held[way].eq(entry.valid & (entry.tag == tag))
            same_domain = same_domain | (held[way] & (entry.domain == instruction.domain))
            holder_domain = holder_domain | (entry.domain & held[way].replicate(4))
        m.d.comb += self.miss.hold.eq(1)
        self._show_set(m, self._instruction_set)
        with m.If(~held.any()):
            self._instruction_read(m)
        with m.Elif(same_domain):
            m.d.comb += [
                self._copy_start.eq(1),
                self._copy_set.eq(self._instruction_set),
                self._copy_ways.eq(held),
                self._to_fetch.eq(1),
            ]
            m.next = "STREAM"
        with m.Elif(~(held & cache.dirty).any()):
            m.d.comb += cache.tag_ways.eq(held)
            m.next = "READ"
        with m.Elif(self._victims.room):
            m.d.comb += [cache.tag_ways.eq(held), cache.clean_ways.eq(held)]
            self._evict(m, held, tag, holder_domain, self._instruction_set)
            m.next = "EVICT"

    def _instruction_read(self, m):
        """Ask memory for the instruction miss's line, unless it is still on its way there."""
        m.d.comb += self.lines.read.valid.eq(~self._victims.conflict)
        with m.If(self.lines.read.valid & self.lines.read.ready):
            m.next = "FETCH"
        with m.Else():
            m.next = "READ"

    # ---- cleaning

    def _clean_states(self, m):
        """One set after the other, one dirty line after the other."""
        geometry, cache, victims = self._geometry, self.cache, self._victims
        with m.State("CLEAN"):
            dirty = Signal(geometry.ways)
            first = Signal(geometry.ways)
            chosen = Const(0, len(Value.cast(cache.tags[0])))
            for way, entry in enumerate(cache.tags):
                m.d.comb += dirty[way].eq(entry.valid & cache.dirty[way])
                chosen = chosen | (entry.as_value() & first[way].replicate(len(entry.as_value())))
            chosen = data.View(geometry.tag_layout, chosen)
            m.d.comb += [self.miss.hold.eq(1), first.eq(dirty & (~dirty + 1)[: geometry.ways])]
            self._show_set(m, self._walk)
            with m.If(~self._cleaning):
                m.next = "IDLE"
            with m.Elif(dirty.any()):
                with m.If(victims.room):
                    m.d.comb += cache.clean_ways.eq(first)
                    self._evict(m, first, chosen.tag, chosen.domain, self._walk)
                    m.next = "CLEAN_COPY"
            with m.Else():
                m.d.comb += cache.index.eq(Cat(Const(0, 3), (self._walk + 1)[: geometry.set_bits]))
                m.d.sync += self._walk.eq(self._walk + 1)
                with m.If(self._walk == geometry.sets - 1):
                    m.d.sync += [self._cleaning.eq(0), self._draining.eq(1)]
                    m.next = "IDLE"
                with m.Elif(self.miss.fill_valid | self.instruction.valid):
                    m.next = "IDLE"
        with m.State("CLEAN_COPY"):
            m.d.comb += self.miss.hold.eq(1)
            with m.If(self._copy_last):
                m.next = "IDLE"

    def _clean_control(self, m, fsm):
        """Start, stop, and the end when memory has everything."""
        m.d.comb += self.miss.clean_busy.eq(
            self._cleaning | self._draining | fsm.ongoing("CLEAN") | fsm.ongoing("CLEAN_COPY")
        )
        with m.If(self._draining & self._victims.empty):
            m.d.sync += self._draining.eq(0)
        with m.If(self.miss.clean_abort):
            m.d.sync += [self._cleaning.eq(0), self._draining.eq(0)]
        with m.If(self.miss.clean_start):
            m.d.sync += [self._cleaning.eq(1), self._walk.eq(0)]
