"""Fetch unit: instruction cache, prediction, queue and align stage put together. Clock domain ``sync``.

It decides what may be fetched (``fetch_queue.judge``): only what the segment allows to the running ring; encrypted code
only out of a region with a cipher and the right to execute, plain code only from outside of such regions, but both ways
where the region is automatic; all only from memory or the mask ROM. A refused fetch never reaches the miss unit.
"""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..bus.core_ports import FetchPort, InstructionMissPort, LookupPort
from ..bus.open_checks import OpenCheck, is_open
from ..crypto.lookup import RangeCopies, any_inside, chosen_match
from ..isa.formats import Algorithm, RegionFlag
from ..memory.doors import LINE_LOG2, InvalidatePort
from ..memory.icache import InstructionCache
from ..memory.physical import is_mask_rom, is_ram
from ..protect.checks import FetchSegments
from ..protect.doors import SegmentReadPort
from .align import Aligner
from .fetch_address import FetchAddress, FetchTrial
from .fetch_queue import FetchQueue
from .predictor import Predictor

EXECUTE_BIT = ceil_log2(RegionFlag.EXECUTE)
AUTOMATIC_BIT = ceil_log2(RegionFlag.AUTOMATIC)


CODE_COPIES = 2  #: attribute ranges at hand: the code that runs, and what it calls


class FetchUnit(wiring.Component):
    """Delivers the instructions of the predicted path, one a cycle.

    A redirect in cycle t gives the first instruction in t+2 when its line is held; a predicted transfer costs nothing
    while the queue holds an instruction. A miss costs four cycles besides the request itself (found in t+2, asked for
    in t+3; after the last beat in cycle u the instruction comes in u+3). The first block of a segment after a switch of
    context or a write to the segment registers costs two, or three when the data side asks too. A block whose attribute
    range is not at hand is withdrawn in the cycle after and tried again every third cycle until the range has come
    (``lookup_walk``); never so in a context without entries. After a fault, a flush
    and a reset nothing is fetched until the next redirect. In the cycle of a redirect or of ``flush_start`` the core
    must not take an instruction.

    Parameters
    ----------
    icache_bytes, cache_ways : int
        As for ``InstructionCache``.
    predictor_entries : int
        Branch target entries, a power of two of at least 16.
    ram_bytes : int
        Memory from ``RAM_BASE`` on, a power of two of at least 64 KiB.
    switches : Value, optional
        See ``bus.open_checks``.

    Members
    -------
    port : In(FetchPort())
        The core. ``flush_busy`` as in ``InstructionCache.flush_busy``.
    lookup : Out(LookupPort())
        Attribute ranges. What holds for the block in the fetch stage, by its virtual line, is kept with the block.
    segments : Out(SegmentReadPort())
        Segment registers.
    miss : Out(InstructionMissPort())
        Lines that may be fetched and are not held. A request once made is finished, redirect or not.
    invalidate : In(InvalidatePort())
        The miss unit takes a line out of another domain.
    event_icache_miss : Out(1)
        One cycle per line asked for.

    Errors: a beat with an error gives ``Cause.FETCH_FAULT`` for this fetch, and the next one asks for the line again.
    Nothing here tells one key's code from another's; the core compares ``key_slot`` (``FetchedInstruction``).
    """

    def __init__(
        self,
        icache_bytes: int,
        cache_ways: int,
        predictor_entries: int,
        ram_bytes: int,
        switches: Value | None = None,
    ):
        self.icache_bytes = icache_bytes
        self.cache_ways = cache_ways
        self.predictor_entries = predictor_entries
        self.ram_bytes = ram_bytes
        self._switches = switches
        super().__init__(
            {
                "port": In(FetchPort()),
                "lookup": Out(LookupPort()),
                "segments": Out(SegmentReadPort()),
                "miss": Out(InstructionMissPort()),
                "invalidate": In(InvalidatePort()),
                "event_icache_miss": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.cache = cache = InstructionCache(
            bytes=self.icache_bytes, ways=self.cache_ways, ram_bytes=self.ram_bytes
        )
        m.submodules.predictor = predictor = Predictor(self.predictor_entries)
        m.submodules.address = address = FetchAddress()
        m.submodules.queue = queue = FetchQueue()
        m.submodules.trial = trial = FetchTrial()
        m.submodules.align = align = Aligner()
        m.submodules.checks = checks = FetchSegments(self._switches)
        m.submodules.copies = copies = RangeCopies(CODE_COPIES, self._switches)
        connect(m, checks.read, flipped(self.segments))
        connect(m, copies.port, flipped(self.lookup))
        connect(m, flipped(self.invalidate), cache.invalidate)
        connect(m, cache.miss, flipped(self.miss))
        connect(m, align.instruction, flipped(self.port.instruction))
        port, origin = self.port, queue.entry.origin

        # A cut waits for the core's own update, since the wrong entry is removed together with it.
        cut, restart = Signal(), Signal()
        m.d.comb += [
            cut.eq(align.cut & ~port.update_valid),
            restart.eq(port.redirect | port.flush_start | cut),
        ]
        m.d.comb += [
            address.redirect.eq(port.redirect),
            address.redirect_pc.eq(port.redirect_pc[1:]),
            address.stop.eq(port.flush_start),
            address.cut.eq(cut),
            address.cut_pc.eq(Cat(align.head.start, align.head.block)),
            address.missed.eq(trial.missed),
            address.refused.eq(trial.refused),
            address.taken.eq(predictor.taken),
            address.target.eq(predictor.target),
            address.ready.eq(queue.room & ~cache.blocked & checks.ready),
            address.fill_idle.eq(cache.fill_idle),
            address.fill_ended.eq(cache.fill_ended),
            address.fill_failed.eq(cache.fill_failed),
            address.known.eq(trial.known),
        ]
        self._place(m, origin, address, checks, copies)
        m.d.comb += [
            queue.entry.data.eq(cache.data),
            queue.entry.block.eq(address.pc[2:]),
            queue.entry.halves.eq(checks.halves),
            queue.entry.start.eq(address.pc[:2]),
            queue.entry.taken.eq(predictor.taken),
            queue.entry.end.eq(predictor.end),
            queue.entry.target.eq(predictor.target),
            queue.push.eq(address.push),
            queue.withdraw.eq(trial.missed),
            queue.flush.eq(restart),
            queue.step.eq(align.step),
            queue.done.eq(align.done),
            queue.advance_start.eq(align.advance_start),
            trial.push.eq(address.push & ~restart),
            trial.line.eq(checks.physical[LINE_LOG2:]),
            trial.origin.eq(origin),
            trial.present.eq(cache.present),
            trial.held_domain.eq(cache.held_domain),
            trial.drop.eq(restart),
            trial.encrypted.eq(port.state.encrypted),
            trial.automatic.eq(port.state.automatic),
            trial.anywhere.eq(is_open(self._switches, OpenCheck.FETCH)),
            align.head.eq(queue.head),
            align.head_valid.eq(queue.head_valid),
            align.head_trusted.eq(trial.good | ~queue.head_on_trial),
            align.drop.eq(restart),
            align.encrypted.eq(port.state.encrypted),
            align.automatic.eq(port.state.automatic),
            align.anywhere.eq(is_open(self._switches, OpenCheck.FETCH)),
            align.segments.eq(self.segments.enabled),
        ]
        self._connect_cache(m, cache, address, trial, checks)
        self._connect_predictor(m, predictor, address, trial, align, cut)
        return m

    def _place(self, m, origin, address, checks, copies):
        """What the segment, the look-up and the address map say of the block in the fetch stage."""
        match, place = chosen_match(copies.inside, copies.match), checks.physical
        moved = [copy.segment_base != checks.segment_base for copy in copies.match]
        m.d.comb += [
            copies.wanted.eq(address.valid),
            copies.context.eq(self.port.state.context),
            copies.line.eq(address.pc[5:]),
            origin.known.eq(copies.ready),
            checks.valid.eq(address.valid),
            checks.state.eq(self.port.state),
            checks.pc.eq(address.pc),
            origin.refused.eq(checks.refused),
            origin.rule.eq(checks.rule),
            origin.moved.eq(any_inside(copies.inside, moved)),
            origin.region.eq(match.hit & (match.algorithm != Algorithm.NONE)),
            origin.execute.eq(match.flags[EXECUTE_BIT]),
            origin.automatic.eq(match.flags[AUTOMATIC_BIT]),
            origin.fetchable.eq(is_ram(place, self.ram_bytes) | is_mask_rom(place)),
            origin.error.eq(address.error),
            origin.domain.eq(match.domain),
            origin.key_slot.eq(match.key_slot),
            origin.owner.eq(match.owner),
        ]

    def _connect_cache(self, m, cache, address, trial, checks):
        """The cache's read, fill and flush."""
        m.d.comb += [
            cache.next_block.eq(address.next_block),
            cache.block.eq(checks.physical[3:]),
            cache.touch.eq(address.push),
            cache.fill_start.eq(address.fill_start),
            cache.fill_line.eq(trial.missed_line),
            cache.fill_domain.eq(trial.missed_domain),
            cache.fill_rom.eq(~trial.missed_line[-1]),  # of what may be fetched, only the memory has the highest bit
            cache.flush_start.eq(self.port.flush_start),
            self.port.flush_busy.eq(cache.flush_busy),
            self.event_icache_miss.eq(cache.event_miss),
        ]

    def _connect_predictor(self, m, predictor, address, trial, align, cut):
        """The predictor's look-up, its progress with the fetch stage and what it learns."""
        m.d.comb += [
            predictor.block.eq(address.pc[2:]),
            predictor.start.eq(address.pc[:2]),
            predictor.accept.eq(address.push),
            predictor.undo.eq(trial.missed),
            predictor.redirect.eq(self.port.redirect),
            predictor.update_valid.eq(self.port.update_valid),
            predictor.update.eq(self.port.update),
            predictor.forget.eq(cut),
            predictor.forget_half.eq(Cat(align.head.start, align.head.block)),
            predictor.clear.eq(self.port.clear_predictor),
        ]
