"""The fetch stage proper: which block comes next, and whether the one before was really held. Clock domain ``sync``."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .fetch_queue import FetchOrigin, judge


class FetchTrial(wiring.Component):
    """The cycle after a block went into the queue: was its line held, under its own domain?

    This is one cycle late on purpose, so that the look-up and the tags do not stand in front of the next address.

    Members
    -------
    push : In(1), line : In(26), origin : In(FetchOrigin), present : In(1), held_domain : In(4)
        What is known in the fetch stage; ``line`` is physical.
    drop : In(1)
        Whatever is on trial does not count: redirect, flush or cut.
    encrypted : In(1), automatic : In(1)
        Mode of the running code.
    anywhere : In(1)
        Control runs: see ``fetch_queue.judge``.
    good : Out(1)
        The block may be used: held, or refused (then nothing of its data is used).
    missed : Out(1)
        It must be withdrawn; a fill of ``missed_line`` : Out(26) in ``missed_domain`` : Out(4) is needed. Low with
        ``drop``.
    known : Out(1)
        The look-up had an answer for it. If not, it is ``missed``, but no fill is needed: it is tried again.
    refused : Out(1)
        It carries a fault. Nothing after it is of use.
    """

    push: In(1)
    line: In(26)
    origin: In(FetchOrigin)
    present: In(1)
    held_domain: In(4)
    drop: In(1)
    encrypted: In(1)
    automatic: In(1)
    anywhere: In(1)
    good: Out(1)
    missed: Out(1)
    missed_line: Out(26)
    missed_domain: Out(4)
    known: Out(1)
    refused: Out(1)

    def elaborate(self, platform):
        m = Module()
        valid, origin, present, held_domain = Signal(), Signal(FetchOrigin), Signal(), Signal(4)
        m.d.sync += [
            valid.eq(self.push),
            origin.eq(self.origin),
            present.eq(self.present),
            held_domain.eq(self.held_domain),
            self.missed_line.eq(self.line),
        ]
        fault = judge(m, origin, self.encrypted, self.automatic, self.anywhere, "trial_fault")
        hit = present & (held_domain == origin.domain)
        m.d.comb += [
            self.known.eq(origin.known),
            self.good.eq(origin.known & (fault.valid | hit)),
            self.refused.eq(valid & origin.known & fault.valid),
            self.missed.eq(valid & ~self.good & ~self.drop),
            self.missed_domain.eq(origin.domain),
        ]
        return m


class FetchAddress(wiring.Component):
    """Which block is in the fetch stage, and which comes next.

    Members
    -------
    redirect : In(1), redirect_pc : In(31)
        Go on there (address without bit 0) in the next cycle; goes before everything else.
    stop : In(1)
        Fetch nothing until the next redirect.
    cut : In(1), cut_pc : In(31)
        Go on there as soon as no fill is on its way.
    missed : In(1)
        The block pushed in the cycle before was not held: go on with it when its line has come; at once when it is not
        ``known`` : In(1) whether it may be fetched.
    refused : In(1)
        The block pushed in the cycle before carries a fault: as ``stop``.
    taken : In(1), target : In(31)
        Prediction for the block in the fetch stage.
    ready : In(1)
        It can go into the queue in this cycle; ``push`` : Out(1) says that it does.
    fill_idle, fill_ended, fill_failed : In(1)
        From the instruction cache; ``fill_start`` : Out(1) begins a fill of the missed line.
    valid : Out(1), pc : Out(31), error : Out(1)
        The fetch stage: valid, halfword address, and whether the memory answered this very fetch with an error.
    next_block : Out(29)
        Block of the next cycle, for the RAM's address.
    """

    redirect: In(1)
    redirect_pc: In(31)
    stop: In(1)
    cut: In(1)
    cut_pc: In(31)
    missed: In(1)
    known: In(1)
    refused: In(1)
    taken: In(1)
    target: In(31)
    ready: In(1)
    push: Out(1)
    fill_idle: In(1)
    fill_ended: In(1)
    fill_failed: In(1)
    fill_start: Out(1)
    pc: Out(31)
    valid: Out(1)
    error: Out(1)
    next_block: Out(29)

    def elaborate(self, platform):
        m = Module()
        waiting, wanted, replay_pc, trial_pc, next_pc = Signal(), Signal(), Signal(31), Signal(31), Signal(31)
        m.d.comb += [
            self.push.eq(self.valid & self.ready & ~self.missed & ~self.refused),
            self.fill_start.eq(self.missed & self.known & self.fill_idle),
            self.next_block.eq(next_pc[2:]),
            next_pc.eq(self.pc),
        ]
        # Nothing here waits for ``missed``: an address that turns out to be in vain is replaced by the replay.
        with m.If(self.redirect):
            m.d.comb += next_pc.eq(self.redirect_pc)
        with m.Elif(waiting):
            m.d.comb += next_pc.eq(replay_pc)
        with m.Elif(self.ready & self.taken):
            m.d.comb += next_pc.eq(self.target)
        with m.Elif(self.ready):
            m.d.comb += next_pc.eq(Cat(Const(0, 2), self.pc[2:] + 1))
        m.d.sync += [self.pc.eq(next_pc), trial_pc.eq(self.pc)]

        with m.If(self.redirect):
            m.d.sync += [self.valid.eq(1), self.error.eq(0), waiting.eq(0), wanted.eq(0)]
        with m.Elif(self.stop):
            m.d.sync += [self.valid.eq(0), waiting.eq(0), wanted.eq(0)]
        with m.Elif(self.cut):
            m.d.sync += [self.valid.eq(0), waiting.eq(1), wanted.eq(0), replay_pc.eq(self.cut_pc)]
        with m.Elif(self.missed):  # with another fill on its way, the replay misses again and then starts its own
            m.d.sync += [self.valid.eq(0), waiting.eq(1), wanted.eq(self.fill_start), replay_pc.eq(trial_pc)]
        with m.Elif(self.refused):
            m.d.sync += self.valid.eq(0)
        with m.Elif(waiting & (self.fill_idle | self.fill_ended)):
            m.d.sync += [self.valid.eq(1), self.error.eq(wanted & self.fill_failed), waiting.eq(0), wanted.eq(0)]
        with m.Elif(self.push):
            m.d.sync += self.error.eq(0)
        return m
