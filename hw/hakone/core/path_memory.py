"""What the predictor remembers of the path: return addresses, and targets by the transfers before them.

Clock domain ``sync``. Both follow the fetch unit's predictions at once, and go back to what the core resolved when one
was wrong. What a mistaken path overwrote is not brought back: that costs a misprediction at most.
"""

from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .target_buffer import TARGET_BITS

RETURN_DEPTH = 8  #: calls that the return stack remembers
HISTORY_BITS = 4  #: of the path that choose one of the changing targets


class ReturnStack(wiring.Component):
    """The last ``RETURN_DEPTH`` return addresses.

    Members
    -------
    top : Out(31), top_valid : Out(1)
        Return address without bit 0.
    push : In(1), push_value : In(31), pop : In(1)
        A predicted call or return.
    undo : In(1)
        The ``push`` or ``pop`` of the cycle before did not happen.
    retire_call, retire_return : In(1), retire_value : In(31)
        A resolved call or return, with the call's return address.
    redirect : In(1)
        Go back to what was resolved, the retiring transfer included.
    clear : In(1)
        Forget all addresses.
    """

    top: Out(31)
    top_valid: Out(1)
    push: In(1)
    push_value: In(31)
    pop: In(1)
    undo: In(1)
    retire_call: In(1)
    retire_return: In(1)
    retire_value: In(31)
    redirect: In(1)
    clear: In(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.stack = stack = memory.Memory(shape=31, depth=RETURN_DEPTH, init=[])
        valid, bits = Signal(RETURN_DEPTH), ceil_log2(RETURN_DEPTH)
        place, before, retired, retired_next = Signal(bits), Signal(bits), Signal(bits), Signal(bits)
        read, write = stack.read_port(domain="comb"), stack.write_port()
        m.d.comb += [
            read.addr.eq(place),
            self.top.eq(read.data),
            self.top_valid.eq(valid.bit_select(place, 1)),
            retired_next.eq(retired + self.retire_call - self.retire_return),
            write.addr.eq(place + 1),
            write.data.eq(self.push_value),
            write.en.eq(self.push),
        ]
        m.d.sync += [retired.eq(retired_next), before.eq(place)]
        with m.If(self.redirect):  # a call that fetch did not know is pushed now, when nothing else is
            m.d.comb += [
                write.addr.eq(retired_next),
                write.data.eq(self.retire_value),
                write.en.eq(self.retire_call),
            ]
            m.d.sync += place.eq(retired_next)
        with m.Elif(self.undo):
            m.d.sync += place.eq(before)
        with m.Elif(self.push):
            m.d.sync += place.eq(place + 1)
        with m.Elif(self.pop):
            m.d.sync += place.eq(place - 1)
        with m.If(write.en):
            m.d.sync += valid.bit_select(write.addr, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        return m


class PathTargets(wiring.Component):
    """Targets of jumps and calls that change theirs, one for each recent path: ``HISTORY_BITS`` of the last targets.

    A table of sixteen rows that every such transfer shares halves the mispredictions of compiled ``switch`` statements.

    Members
    -------
    target : Out(24), known : Out(1)
        What followed the path that fetch is on.
    follow : In(1), follow_target : In(24)
        A transfer predicted taken, of any kind.
    undo : In(1)
        The ``follow`` of the cycle before did not happen.
    retire : In(1), retire_target : In(24)
        A resolved taken transfer; with ``learn`` : In(1) its target is remembered for the path before it.
    redirect : In(1)
        Go back to the path that was resolved, the retiring transfer included.
    clear : In(1)
        Forget all targets and the path.
    """

    target: Out(TARGET_BITS)
    known: Out(1)
    follow: In(1)
    follow_target: In(TARGET_BITS)
    undo: In(1)
    retire: In(1)
    retire_target: In(TARGET_BITS)
    learn: In(1)
    redirect: In(1)
    clear: In(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = memory.Memory(shape=TARGET_BITS, depth=1 << HISTORY_BITS, init=[])
        valid, path, before = Signal(1 << HISTORY_BITS), Signal(HISTORY_BITS), Signal(HISTORY_BITS)
        retired, retired_next = Signal(HISTORY_BITS), Signal(HISTORY_BITS)
        read, write = table.read_port(domain="comb"), table.write_port()
        m.d.comb += [
            read.addr.eq(path),
            self.target.eq(read.data),
            self.known.eq(valid.bit_select(path, 1)),
            write.addr.eq(retired),
            write.data.eq(self.retire_target),
            write.en.eq(self.learn),
            retired_next.eq(retired),
        ]
        with m.If(self.retire):
            m.d.comb += retired_next.eq((retired << 1) ^ self.retire_target)
        m.d.sync += [retired.eq(retired_next), before.eq(path)]
        with m.If(self.redirect):
            m.d.sync += path.eq(retired_next)
        with m.Elif(self.undo):
            m.d.sync += path.eq(before)
        with m.Elif(self.follow):
            m.d.sync += path.eq((path << 1) ^ self.follow_target)
        with m.If(self.learn):
            m.d.sync += valid.bit_select(retired, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), path.eq(0), retired.eq(0)]
        return m
