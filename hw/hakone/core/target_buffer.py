"""Branch target buffer in LUT RAM, looked up for the four halfwords of a fetch block at once. Clock domain ``sync``."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..bus.core_ports import BranchKind, BranchUpdate

BANKS = 4  #: one for each halfword of a block
TAG_BITS = 8  #: of the address bits above the index; halfwords that differ only in higher bits share an entry
TARGET_BITS = 24  #: of a target's halfword address; the others are those of the transfer itself


class TargetRow(data.Struct):
    """An entry but for its target.

    ``count`` is the two-bit counter of a branch; 2 for a return; for a jump or call 2, or 3 when its target was seen to
    change. Bit 1 says that it is expected to be taken. A return with 0 is no entry at all.
    """

    tag: TAG_BITS
    kind: BranchKind
    count: 2


NO_ENTRY = {"tag": 0, "kind": BranchKind.RETURN, "count": 0}


class Prediction(data.Struct):
    """What is known of a halfword as the last one of a transfer: ``likely`` taken, to ``target``, which ``varies``."""

    likely: 1
    kind: BranchKind
    varies: 1
    target: TARGET_BITS


def goes_to_one_place(kind):
    """Jumps and calls: one target is expected until it is seen to change. Branches have one, returns many."""
    return (kind == BranchKind.JUMP) | (kind == BranchKind.CALL)


class TargetBank(wiring.Component):
    """The entries of every fourth halfword.

    Parameters: ``depth``, entries, a power of two of at least 2.

    Members
    -------
    index, tag : In
        Halfword to look up; ``prediction`` : Out(Prediction) in the same cycle.
    other_index : In
        Entry to change; ``old`` : Out(TargetRow) in the same cycle.
    write : In(1), row : In(TargetRow), write_target : In(1), target : In(24)
        Change it, row and target each by itself.
    """

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__(
            {
                "index": In(ceil_log2(depth)),
                "tag": In(TAG_BITS),
                "prediction": Out(Prediction),
                "other_index": In(ceil_log2(depth)),
                "old": Out(TargetRow),
                "write": In(1),
                "row": In(TargetRow),
                "write_target": In(1),
                "target": In(TARGET_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=TargetRow, depth=self.depth, init=[])
        m.submodules.targets = targets = memory.Memory(shape=TARGET_BITS, depth=self.depth, init=[])
        here, target = rows.read_port(domain="comb"), targets.read_port(domain="comb")
        old, new, new_target = rows.read_port(domain="comb"), rows.write_port(), targets.write_port()
        m.d.comb += [
            here.addr.eq(self.index),
            target.addr.eq(self.index),
            self.prediction.likely.eq((here.data.tag == self.tag) & here.data.count[1]),
            self.prediction.kind.eq(here.data.kind),
            self.prediction.varies.eq(here.data.count[0] & goes_to_one_place(here.data.kind)),
            self.prediction.target.eq(target.data),
            old.addr.eq(self.other_index),
            self.old.eq(old.data),
            new.addr.eq(self.other_index),
            new.en.eq(self.write),
            new.data.eq(self.row),
            new_target.addr.eq(self.other_index),
            new_target.en.eq(self.write_target),
            new_target.data.eq(self.target),
        ]
        return m


class TargetBuffer(wiring.Component):
    """What is known of the halfwords of a block, and how it is learned.

    An entry belongs to the last halfword of a transfer. ``clear`` acts at once: from the next cycle on nothing is
    predicted or learned until all entries are erased, one row of every bank a cycle. So it is after reset.

    Parameters: ``entries``, a power of two of at least 16.

    Members
    -------
    block : In(29)
        Block to look up; ``predictions`` : Out, one ``Prediction`` for each halfword, in the same cycle.
    update_valid : In(1), update : In(BranchUpdate)
        A resolved transfer. A taken one is entered. One not taken counts down a branch, and removes an entry of another
        kind. In the same cycle ``update_varies`` : Out(1) tells that it is known to change its target.
    forget : In(1), forget_half : In(31)
        Remove what is known of a halfword; only while ``update_valid`` is low.
    clear : In(1)
        Forget everything.
    """

    def __init__(self, entries: int):
        if entries & (entries - 1) or entries < 16:
            raise ValueError(f"{entries} branch target entries: a power of two of at least 16 is needed")
        self.depth = entries // BANKS
        super().__init__(
            {
                "block": In(29),
                "predictions": Out(data.ArrayLayout(Prediction, BANKS)),
                "update_valid": In(1),
                "update": In(BranchUpdate),
                "update_varies": Out(1),
                "forget": In(1),
                "forget_half": In(31),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        index_bits = ceil_log2(self.depth)
        erasing, erase_index = Signal(init=1), Signal(index_bits)
        half, tag, index = Signal(2 + index_bits + TAG_BITS), Signal(TAG_BITS), Signal(index_bits)
        m.d.comb += [
            half.eq(Mux(self.update_valid, self.update.pc[1:] + ~self.update.compressed, self.forget_half)),
            tag.eq(half[2 + index_bits :]),
            index.eq(Mux(erasing, erase_index, half[2:])),
        ]
        old, new = Signal(TargetRow), Signal(TargetRow)
        write, write_target = self._learn(m, old, new, tag)
        with m.If(erasing):
            m.d.comb += new.eq(Const(NO_ENTRY, TargetRow))
            m.d.sync += [erase_index.eq(erase_index + 1), erasing.eq(erase_index != self.depth - 1)]
        with m.If(self.clear):
            m.d.sync += [erasing.eq(1), erase_index.eq(0)]

        for n in range(BANKS):
            bank = TargetBank(self.depth)
            m.submodules[f"bank{n}"] = bank
            here = half[:2] == n
            m.d.comb += [
                bank.index.eq(self.block),
                bank.tag.eq(self.block[index_bits:]),
                bank.other_index.eq(index),
                bank.write.eq((write & here) | erasing),
                bank.row.eq(new),
                bank.write_target.eq(write_target & here),
                bank.target.eq(self.update.target[1:]),
                self.predictions[n].eq(bank.prediction),
            ]
            with m.If(erasing):
                m.d.comb += self.predictions[n].likely.eq(0)
            with m.If(here):
                m.d.comb += old.eq(bank.old)
        return m

    def _learn(self, m, old, new, tag):
        """The new row from the old one; returns whether row and target are written."""
        update, known, same_kind = self.update, Signal(), Signal()
        m.d.comb += [
            known.eq(old.tag == tag),
            same_kind.eq(known & (old.kind == update.kind)),
            # A known jump is predicted taken always, so only its target can have been wrong.
            self.update_varies.eq(
                self.update_valid
                & update.taken
                & same_kind
                & goes_to_one_place(old.kind)
                & (old.count[0] | update.mispredicted)
            ),
            new.tag.eq(tag),
            new.kind.eq(update.kind),
            # A new branch has to be seen not taken twice: one that changes its mind every time would otherwise miss
            # every time.
            new.count.eq(Mux(update.kind == BranchKind.BRANCH, 3, 2)),
        ]
        with m.If(update.taken & self.update_varies):
            m.d.comb += new.count.eq(3)
        with m.Elif(update.taken & same_kind & (old.kind == BranchKind.BRANCH)):
            m.d.comb += new.count.eq(Mux(old.count == 3, 3, old.count + 1))
        with m.Elif(~update.taken):
            m.d.comb += [new.kind.eq(old.kind), new.count.eq(Mux(old.count == 0, 0, old.count - 1))]
        with m.If(self.forget | (~update.taken & (old.kind != BranchKind.BRANCH))):
            m.d.comb += new.eq(Const(NO_ENTRY, TargetRow))
        return (self.update_valid & (update.taken | known)) | self.forget, self.update_valid & update.taken
