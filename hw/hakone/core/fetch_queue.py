"""Queue of fetch blocks between the fetch and the align stage. Clock domain ``sync``."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import Fault
from ..isa.cause import Cause, Sub


class FetchOrigin(data.Struct):
    """What decides whether a block may be executed, as the look-up and the address map told it.

    ``known``: the look-up had an answer; without it nothing else counts. ``refused``: its segment forbids it, by
    ``rule``. ``region``: a region with a cipher matched; ``execute``: with that right; ``automatic``: mode follows the
    fetch there; ``moved``: its segment has another base than when the region was bound to its place. ``fetchable``:
    memory or mask ROM; ``error``: the bus answered with an error. The numbers are those of the match.
    """

    known: 1
    refused: 1
    rule: Sub
    region: 1
    execute: 1
    automatic: 1
    moved: 1
    fetchable: 1
    error: 1
    domain: 4
    key_slot: 4
    owner: 4


class FetchBlock(data.Struct):
    """64 bits of instructions on their way to the align stage.

    ``block``: address without its low three bits. ``start``: number of the first halfword that is to be executed. With
    ``taken`` a transfer to ``target`` (address without bit 0) is predicted for the instruction that ends with halfword
    ``end``. ``halves`` (0 to 4): how many halfwords lie within the segment's limit.
    """

    data: 64
    block: 29
    halves: 3
    start: 2
    taken: 1
    end: 2
    target: 31
    origin: FetchOrigin


def judge(m, origin, encrypted, automatic, anywhere, name: str) -> data.View:
    """The fault of fetching from ``origin``: a new signal, driven combinationally, all zero when nothing is wrong.

    ``encrypted`` and ``automatic`` tell what code runs (``ExecState``). What lies in an automatic region, or outside of
    all regions while automatic code runs, may be fetched: the core changes mode before it executes it. With
    ``anywhere`` (control runs) encrypted code may come from outside of all regions. The segment
    comes first; the rules of the region come before the address map, so that encrypted code learns nothing of what lies
    elsewhere.
    """
    fault = Signal(Fault, name=name)
    explicit, outside = Signal(name=f"{name}_explicit"), Signal(name=f"{name}_outside")
    m.d.comb += [
        explicit.eq(origin.region & ~(origin.automatic & origin.execute)),
        outside.eq(Mux(origin.region, ~origin.execute, ~automatic)),
    ]
    with m.If(origin.refused):
        m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.SEGMENT), fault.sub.eq(origin.rule)]
    with m.Elif(encrypted & outside & ~anywhere):
        m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.MODE), fault.sub.eq(Sub.MODE_FETCH_OUTSIDE)]
    with m.Elif((automatic | ~encrypted) & explicit):
        m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.MODE), fault.sub.eq(Sub.MODE_PLAIN_FETCH)]
    with m.Elif(origin.region & origin.moved):
        m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.REGION), fault.sub.eq(Sub.REGION_MOVED)]
    with m.Elif(~origin.fetchable | origin.error):
        m.d.comb += [fault.valid.eq(1), fault.cause.eq(Cause.FETCH_FAULT)]
    return fault


class FetchQueue(wiring.Component):
    """Two blocks in flops; the older one is ``head``, without a multiplexer behind it.

    A block given with ``push`` in cycle t may be looked at from t+1 on. In t+1 it is still on trial: ``withdraw``
    removes it.

    Members
    -------
    push : In(1), entry : In(FetchBlock)
        Take a block; only while ``room``, which depends on flops alone.
    withdraw : In(1)
        Remove the block pushed in the cycle before; nothing may be pushed in that cycle.
    flush : In(1)
        Remove everything, and do not take ``entry``.
    step : In(1), done : In(1), advance_start : In(2)
        With ``step``, which may come late: be ``done`` with ``head``, or go on within it at halfword ``advance_start``.
    head : Out(FetchBlock), head_valid : Out(1), head_on_trial : Out(1)
        The oldest block; whether it was pushed in the cycle before.
    room : Out(1)
    """

    push: In(1)
    entry: In(FetchBlock)
    withdraw: In(1)
    flush: In(1)
    step: In(1)
    done: In(1)
    advance_start: In(2)
    head: Out(FetchBlock)
    head_valid: Out(1)
    head_on_trial: Out(1)
    room: Out(1)

    def elaborate(self, platform):
        m = Module()
        valid, second, pushed = Signal(2), Signal(FetchBlock), Signal()
        m.d.comb += [
            self.head_valid.eq(valid[0]),
            self.head_on_trial.eq(pushed & ~valid[1]),
            self.room.eq(~valid[1]),
        ]
        m.d.sync += pushed.eq(self.push)

        # What remains, then the new block behind it. Data follows without regard to validity where nothing can see it.
        kept = Signal(2)
        m.d.comb += kept.eq(valid)
        with m.If(self.withdraw):
            m.d.comb += kept.eq(Cat(valid[0] & valid[1], 0))
        # Nothing steps while the queue is empty; then the first block that comes is taken in.
        pop = self.step & self.done
        with m.If(pop):
            m.d.sync += valid.eq(Cat(kept[1] | self.push, kept[1] & self.push))
        with m.Else():
            m.d.sync += valid.eq(Cat(kept[0] | self.push, kept[1] | (kept[0] & self.push)))
        follower = Signal(FetchBlock)
        m.d.comb += follower.eq(Mux(valid[1], second, self.entry))
        with m.If(pop | ~valid[0]):
            m.d.sync += self.head.eq(follower)
        with m.If(self.step | ~valid[0]):
            m.d.sync += self.head.start.eq(Mux(self.done | ~valid[0], follower.start, self.advance_start))
        with m.If(pop | ~valid[1]):
            m.d.sync += second.eq(self.entry)
        with m.If(self.flush):
            m.d.sync += [valid.eq(0), pushed.eq(0)]
        return m
