"""Branch prediction: a branch target buffer looked up for all halfwords of a fetch block, a return stack, path targets.

Clock domain ``sync``. Predictions are hints: the core repairs every wrong one. They are shared by all software that
runs between two ``clear``; the core clears at every switch from or to a sealed context: its path leaves no trace.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import BranchKind, BranchUpdate
from .path_memory import PathTargets, ReturnStack
from .target_buffer import BANKS, TARGET_BITS, Prediction, TargetBuffer


class Predictor(wiring.Component):
    """Tells, in the same cycle, whether and where a fetch block is left.

    Of the transfers known in the block at or after ``start``, the first that is likely decides.

    Parameters: ``entries`` of the branch target buffer, a power of two of at least 16.

    Members
    -------
    block : In(29), start : In(2)
        Block and first halfword of interest. ``taken`` : Out(1), ``end`` : Out(2) (last halfword of the transfer),
        ``target`` : Out(31).
    accept : In(1)
        The block is used. ``undo`` : In(1): the block accepted in the cycle before was not, after all.
    redirect : In(1)
        Fetch goes on elsewhere; everything accepted and not yet resolved is void.
    update_valid : In(1), update : In(BranchUpdate)
        A resolved transfer. For an instruction that was predicted taken and is none: not taken, of any kind.
    forget : In(1), forget_half : In(31)
        Remove what is known of a halfword; only while ``update_valid`` is low.
    clear : In(1)
        Forget everything.
    """

    def __init__(self, entries: int):
        self.entries = entries
        super().__init__(
            {
                "block": In(29),
                "start": In(2),
                "taken": Out(1),
                "end": Out(2),
                "target": Out(31),
                "accept": In(1),
                "undo": In(1),
                "redirect": In(1),
                "update_valid": In(1),
                "update": In(BranchUpdate),
                "forget": In(1),
                "forget_half": In(31),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = TargetBuffer(self.entries)
        m.submodules.returns = returns = ReturnStack()
        m.submodules.paths = paths = PathTargets()
        for name in ("block", "update_valid", "update", "forget", "forget_half", "clear"):
            m.d.comb += getattr(buffer, name).eq(getattr(self, name))

        first = Signal(Prediction)
        for n in reversed(range(BANKS)):
            found = buffer.predictions[n]
            reached = (self.start < n + 1) if n < BANKS - 1 else 1
            with m.If(found.likely & reached & ((found.kind != BranchKind.RETURN) | returns.top_valid)):
                m.d.comb += [self.taken.eq(1), self.end.eq(n), first.eq(found)]
        near = Signal(TARGET_BITS)
        m.d.comb += near.eq(Mux(first.varies & paths.known, paths.target, first.target))
        m.d.comb += self.target.eq(Cat(near, self.block[TARGET_BITS - 2 :]))
        with m.If(first.kind == BranchKind.RETURN):
            m.d.comb += self.target.eq(returns.top)

        followed, retired = self.accept & self.taken, self.update_valid & self.update.taken
        m.d.comb += [
            returns.push.eq(followed & (first.kind == BranchKind.CALL)),
            returns.push_value.eq(Cat(self.end, self.block) + 1),
            returns.pop.eq(followed & (first.kind == BranchKind.RETURN)),
            returns.retire_call.eq(retired & (self.update.kind == BranchKind.CALL)),
            returns.retire_return.eq(retired & (self.update.kind == BranchKind.RETURN)),
            returns.retire_value.eq(self.update.pc[1:] + Mux(self.update.compressed, 1, 2)),
            paths.follow.eq(followed),
            paths.follow_target.eq(self.target),
            paths.retire.eq(retired),
            paths.retire_target.eq(self.update.target[1:]),
            paths.learn.eq(buffer.update_varies),
        ]
        for memory in (returns, paths):
            m.d.comb += [
                memory.undo.eq(self.undo),
                memory.redirect.eq(self.redirect),
                memory.clear.eq(self.clear),
            ]
        return m
