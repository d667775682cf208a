"""Align stage: cuts fetch blocks into instructions and expands the compressed ones. Clock domain ``sync``."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import Fault, FetchedInstruction
from ..isa.cause import Cause, Sub
from ..protect.doors import SEGMENT_BITS
from .expand import Expander
from .fetch_queue import FetchBlock, judge


def _segment_fault(fault, rule):
    """Statements that make ``fault`` one of a segment's ``rule``."""
    return [fault.valid.eq(1), fault.cause.eq(Cause.SEGMENT), fault.sub.eq(rule)]


class Aligner(wiring.Component):
    """Gives one instruction a cycle, combinational out of the queue's flops.

    An instruction that begins with the last halfword of a block has that half put aside, so that only the oldest block
    is ever looked at. This happens together with the instruction before it, and takes a cycle of its own only when the
    block was entered at that halfword.

    Members
    -------
    head : In(FetchBlock), head_valid : In(1), head_trusted : In(1)
        Oldest block of the queue. Until it is trusted (its line was really held) it is not touched.
    step, done : Out(1), advance_start : Out(2)
        To the queue.
    drop : In(1)
        A redirect: forget the half put aside, and go on after a fault.
    encrypted : In(1), automatic : In(1)
        Mode of the running code.
    anywhere : In(1)
        Control runs: see ``fetch_queue.judge``.
    segments : In(1)
        Segments are on: no instruction lies in two.
    cut : Out(1)
        A transfer is predicted for the first half of a 32-bit instruction, so that its second half was never
        fetched. High as long as this is so; the fetch unit drops everything and begins again at the start of ``head``.
    instruction : Out(stream.Signature(FetchedInstruction))
        Nothing follows a fault until ``drop``.
    """

    head: In(FetchBlock)
    head_valid: In(1)
    head_trusted: In(1)
    step: Out(1)
    done: Out(1)
    advance_start: Out(2)
    drop: In(1)
    encrypted: In(1)
    automatic: In(1)
    anywhere: In(1)
    segments: In(1)
    cut: Out(1)
    instruction: Out(stream.Signature(FetchedInstruction))

    def elaborate(self, platform):
        m = Module()
        m.submodules.expander = expander = Expander()
        head, out = self.head, self.instruction.payload
        halves = [head.data[16 * n : 16 * n + 16] for n in range(4)]

        # The half put aside: always the last one of the block before ``head``.
        aside, aside_half, aside_block, aside_place = Signal(), Signal(16), Signal(29), Signal(9)

        low, high = Signal(16), Signal(16)
        with m.Switch(head.start):
            for n in range(4):
                with m.Case(n):
                    m.d.comb += [low.eq(halves[n]), high.eq(halves[(n + 1) % 4])]
        with m.If(aside):
            m.d.comb += [low.eq(aside_half), high.eq(halves[0])]
        compressed, last = Signal(), Signal(2)
        m.d.comb += [
            compressed.eq(low[:2] != 0b11),
            last.eq(Mux(aside | compressed, head.start, head.start + 1)),
            expander.half.eq(low),
        ]

        # Where a half comes from, with all that decides over mode.
        owner = Mux(head.origin.region, head.origin.owner, 0)
        automatic = head.origin.region & head.origin.automatic
        place = Cat(head.origin.domain, owner, automatic)
        stopped = Signal()
        ready_head = self.head_valid & self.head_trusted & ~stopped
        # ``stop``: it cannot be executed, whatever its length. Of a block that its segment cuts short, halfwords are
        # refused when it is their turn, and not before.
        stop = Signal(Fault)
        straddles = self.segments & aside & (aside_block[-SEGMENT_BITS:] != head.block[-SEGMENT_BITS:])
        second_outside = ~aside & ~compressed & (last >= head.halves)
        origin_fault = judge(m, head.origin, self.encrypted, self.automatic, self.anywhere, "origin_fault")
        m.d.comb += stop.eq(origin_fault)
        with m.If(straddles):
            m.d.comb += _segment_fault(stop, Sub.SEGMENT_STRADDLE)
        with m.Elif(~origin_fault.valid & (head.start >= head.halves)):
            m.d.comb += _segment_fault(stop, Sub.SEGMENT_LIMIT)
        split_domains = aside & (aside_place != place)
        second_half_missing = ~aside & ~compressed & (head.start == 3)
        cut_here = ~aside & ~compressed & head.taken & (head.end == head.start)
        whole = ~second_half_missing & ~cut_here
        ends_block = head.taken & (head.end == last)
        m.d.comb += [
            self.instruction.valid.eq(ready_head & (stop.valid | whole)),
            self.cut.eq(ready_head & ~stop.valid & cut_here),
            out.pc.eq(Cat(Const(0, 1), Mux(aside, Cat(Const(3, 2), aside_block), Cat(head.start, head.block)))),
            out.word.eq(Mux(compressed, expander.word, Cat(low, high))),
            out.raw.eq(Cat(low, Mux(compressed, 0, high))),
            out.compressed.eq(compressed),
            out.predicted_taken.eq(ends_block),
            out.predicted_target.eq(Cat(Const(0, 1), head.target)),
            out.fault.eq(stop),
            out.fault_pc.eq(Cat(Const(0, 1), Mux(~stop.valid & second_outside, last, head.start), head.block)),
            out.region.eq(head.origin.region),
            out.automatic.eq(automatic),
            out.domain.eq(head.origin.domain),
            out.key_slot.eq(Mux(head.origin.region, head.origin.key_slot, 0)),
            out.owner.eq(owner),
        ]
        with m.If(~stop.valid & second_outside):
            m.d.comb += _segment_fault(out.fault, Sub.SEGMENT_LIMIT)
        with m.Elif(~stop.valid & split_domains):
            m.d.comb += [
                out.fault.valid.eq(1),
                out.fault.cause.eq(Cause.REGION),
                out.fault.sub.eq(Sub.REGION_MISALIGNED_FETCH),
            ]

        # Go on: within the block, to the next one, or to the next one with the last half put aside.
        taken = self.instruction.valid & self.instruction.ready
        long_tail = (halves[3][:2] == 0b11) & (head.halves == 4) & ~(head.taken & (head.end == 3))
        tail_first = ready_head & ~stop.valid & second_half_missing & ~cut_here
        # ``taken`` is late: everything else is decided without it.
        tail_next = ~stop.valid & (last == 2) & ~ends_block & long_tail
        block_done = stop.valid | ends_block | (last == 3) | tail_next
        m.d.comb += [
            self.step.eq(tail_first | taken),
            self.done.eq(tail_first | block_done),
            self.advance_start.eq(last + 1),
        ]
        with m.If(taken):
            m.d.sync += stopped.eq(out.fault.valid)
        with m.If(self.step):
            m.d.sync += aside.eq(tail_first | tail_next)
        with m.If(self.step & self.done):
            m.d.sync += [aside_half.eq(halves[3]), aside_block.eq(head.block), aside_place.eq(place)]
        with m.If(self.drop):
            m.d.sync += [aside.eq(0), stopped.eq(0)]
        return m
