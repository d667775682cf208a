"""Branch prediction: a branch target buffer looked up for both words of a fetch block, and a return stack.

Clock domain ``sync``. Predictions are hints: the core repairs every wrong one. They are shared by all software that
runs between two ``clear``; the core clears at every switch from or to a sealed context: its path leaves no trace.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..bus.core_ports import BranchKind, BranchUpdate

TAG_BITS = 8  #: of the address bits above the index; what differs only in higher bits is taken for the same
RETURN_DEPTH = 8  #: calls that the return stack remembers


class TargetBank(wiring.Component):
    """Half of the branch target buffer, in LUT RAM: the entries of the even or of the odd words of memory.

    An entry belongs to the word that holds the last halfword of a transfer. It keeps a partial tag, which half of the
    word that is, the kind, the target and, for a conditional branch, a two-bit counter.

    Parameters: ``depth``, entries, a power of two of at least 2.

    Members
    -------
    index, tag : In
        Word to look up. In the same cycle ``hit`` : Out(1), ``last`` : Out(1) (half of the word), ``kind`` :
        Out(BranchKind), ``likely`` : Out(1) (the counter's verdict, 1 for every other kind), ``target`` : Out(31).
    learn : In(1), learn_index, learn_tag, learn_last, learn_kind, learn_taken, learn_target : In
        A resolved transfer. A taken one is entered. One not taken counts down a branch, and removes an entry of
        another kind.
    forget : In(1)
        Remove the entry at ``learn_index``; not together with ``learn``.
    clear : In(1)
        Remove all entries.
    """

    def __init__(self, depth: int):
        self.depth = depth
        index_bits = ceil_log2(depth)
        super().__init__(
            {
                "index": In(index_bits),
                "tag": In(TAG_BITS),
                "hit": Out(1),
                "last": Out(1),
                "kind": Out(BranchKind),
                "likely": Out(1),
                "target": Out(31),
                "learn": In(1),
                "learn_index": In(index_bits),
                "learn_tag": In(TAG_BITS),
                "learn_last": In(1),
                "learn_kind": In(BranchKind),
                "learn_taken": In(1),
                "learn_target": In(31),
                "forget": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        row = data.StructLayout({"tag": TAG_BITS, "last": 1, "kind": BranchKind, "count": 2})
        m.submodules.rows = rows = memory.Memory(shape=row, depth=self.depth, init=[])
        m.submodules.targets = targets = memory.Memory(shape=31, depth=self.depth, init=[])
        valid = Signal(self.depth)

        entry, target = rows.read_port(domain="comb"), targets.read_port(domain="comb")
        m.d.comb += [
            entry.addr.eq(self.index),
            target.addr.eq(self.index),
            self.hit.eq(valid.bit_select(self.index, 1) & (entry.data.tag == self.tag)),
            self.last.eq(entry.data.last),
            self.kind.eq(entry.data.kind),
            self.likely.eq((entry.data.kind != BranchKind.BRANCH) | entry.data.count[1]),
            self.target.eq(target.data),
        ]

        old, new, new_target = rows.read_port(domain="comb"), rows.write_port(), targets.write_port()
        known, count = Signal(), old.data.count
        m.d.comb += [
            old.addr.eq(self.learn_index),
            known.eq(
                valid.bit_select(self.learn_index, 1)
                & (old.data.tag == self.learn_tag)
                & (old.data.last == self.learn_last)
            ),
            new.addr.eq(self.learn_index),
            new.en.eq(self.learn & (self.learn_taken | known)),
            new.data.tag.eq(self.learn_tag),
            new.data.last.eq(self.learn_last),
            new.data.kind.eq(Mux(self.learn_taken, self.learn_kind, old.data.kind)),
            new_target.addr.eq(self.learn_index),
            new_target.en.eq(self.learn & self.learn_taken),
            new_target.data.eq(self.learn_target),
        ]
        with m.If(~self.learn_taken):
            m.d.comb += new.data.count.eq(Mux(count == 0, 0, count - 1))
        with m.Elif(known & (old.data.kind == BranchKind.BRANCH)):
            m.d.comb += new.data.count.eq(Mux(count == 3, 3, count + 1))
        with m.Else():
            m.d.comb += new.data.count.eq(2)

        wrong_kind = self.learn & ~self.learn_taken & known & (old.data.kind != BranchKind.BRANCH)
        with m.If(self.learn & self.learn_taken):
            m.d.sync += valid.bit_select(self.learn_index, 1).eq(1)
        with m.Elif(wrong_kind | self.forget):
            m.d.sync += valid.bit_select(self.learn_index, 1).eq(0)
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        return m


class ReturnStack(wiring.Component):
    """The last ``RETURN_DEPTH`` return addresses, as fetch sees them; what fetch got wrong is put right by redirects.

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
        valid = Signal(RETURN_DEPTH)
        place, before, retired, retired_next = (
            Signal(range(RETURN_DEPTH), name=n) for n in ("place", "before", "retired", "retired_next")
        )
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


class Predictor(wiring.Component):
    """Tells, in the same cycle, whether and where a fetch block is left.

    Of the transfers known in the block at or after ``start``, the first that is likely decides.

    Parameters: ``entries`` of the branch target buffer, a power of two of at least 4.

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
    forget : In(1), forget_word : In(30)
        Remove what is known of a word; only while ``update_valid`` is low.
    clear : In(1)
        Forget everything.
    """

    def __init__(self, entries: int):
        if entries & (entries - 1) or entries < 4:
            raise ValueError(f"{entries} branch target entries: a power of two of at least 4 is needed")
        self.bank_depth = entries // 2
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
                "forget_word": In(30),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        index_bits = ceil_log2(self.bank_depth)
        m.submodules.even = even = TargetBank(self.bank_depth)
        m.submodules.odd = odd = TargetBank(self.bank_depth)
        m.submodules.returns = returns = ReturnStack()

        # The update's word is that of its last halfword; bits above the tag are not needed.
        update, last_half, word = self.update, Signal(1 + 1 + index_bits + TAG_BITS), Signal(1 + index_bits + TAG_BITS)
        m.d.comb += [
            last_half.eq(update.pc[1:] + ~update.compressed),
            word.eq(Mux(self.update_valid, last_half[1:], self.forget_word)),
        ]
        for n, bank in enumerate((even, odd)):
            m.d.comb += [
                bank.index.eq(self.block),
                bank.tag.eq(self.block[index_bits:]),
                bank.learn.eq(self.update_valid & (word[0] == n)),
                bank.forget.eq(self.forget & (word[0] == n)),
                bank.learn_index.eq(word[1:]),
                bank.learn_tag.eq(word[1 + index_bits :]),
                bank.learn_last.eq(last_half[0]),
                bank.learn_kind.eq(update.kind),
                bank.learn_taken.eq(update.taken),
                bank.learn_target.eq(update.target[1:]),
                bank.clear.eq(self.clear),
            ]

        def leaves(bank, half_base):
            """Whether a bank's entry ends the block: a hit, likely, not before ``start``, with a known target."""
            ahead = Mux(bank.last, self.start <= half_base + 1, self.start <= half_base)
            known = (bank.kind != BranchKind.RETURN) | returns.top_valid
            return bank.hit & bank.likely & ahead & known

        kind, from_even = Signal(BranchKind), Signal()
        m.d.comb += [
            from_even.eq(leaves(even, 0)),
            self.taken.eq(from_even | leaves(odd, 2)),
            self.end.eq(Mux(from_even, Cat(even.last, 0), Cat(odd.last, 1))),
            kind.eq(Mux(from_even, even.kind, odd.kind)),
            self.target.eq(Mux(from_even, even.target, odd.target)),
        ]
        with m.If(kind == BranchKind.RETURN):
            m.d.comb += self.target.eq(returns.top)

        retire = self.update_valid & update.taken
        m.d.comb += [
            returns.push.eq(self.accept & self.taken & (kind == BranchKind.CALL)),
            returns.push_value.eq(Cat(self.end, self.block) + 1),
            returns.pop.eq(self.accept & self.taken & (kind == BranchKind.RETURN)),
            returns.undo.eq(self.undo),
            returns.retire_call.eq(retire & (update.kind == BranchKind.CALL)),
            returns.retire_return.eq(retire & (update.kind == BranchKind.RETURN)),
            returns.retire_value.eq(update.pc[1:] + Mux(update.compressed, 1, 2)),
            returns.redirect.eq(self.redirect),
            returns.clear.eq(self.clear),
        ]
        return m
