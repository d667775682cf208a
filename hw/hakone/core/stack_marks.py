"""Which hidden stack words still belong to the key that is in a slot. Clock domain ``sync``.

Slots are used again for other keys. Their words are not cleared then: they die here, all in one cycle.
"""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class StackMarks(wiring.Component):
    """One mark for each context and key slot: the stack word of this pair was stored.

    - ``stores``: mark ``context`` and ``slot``. ``fresh``: ``context`` begins a life, none of its marks counts.
    - ``erased``: the key in ``erased_slot`` is wiped, no mark of this slot counts, in any context.
    - ``stored``: the mark of ``context`` and ``slot``, in the same cycle.

    At most one of the commands in a cycle. A mark is kept twice, in a row of its context and in a row of its slot, and
    counts when both have it: so either row can be cleared at once. Memories keep their bits over a reset; a context's
    first entry into encrypted mode is ``fresh``, so that they are never seen.
    """

    context: In(4)
    slot: In(4)
    stores: In(1)
    fresh: In(1)
    erased: In(1)
    erased_slot: In(4)
    stored: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.slots_of = slots_of = memory.Memory(shape=16, depth=16, init=[])  # by context
        m.submodules.contexts_of = contexts_of = memory.Memory(shape=16, depth=16, init=[])  # by slot
        slots, slots_write = slots_of.read_port(domain="comb"), slots_of.write_port()
        contexts, contexts_write = contexts_of.read_port(domain="comb"), contexts_of.write_port()
        one_slot, one_context = Signal(16), Signal(16)
        m.d.comb += [
            one_slot.eq(Const(1, 16) << self.slot),
            one_context.eq(Const(1, 16) << self.context),
            slots.addr.eq(self.context),
            slots_write.addr.eq(self.context),
            slots_write.en.eq(self.stores | self.fresh),
            slots_write.data.eq(Mux(self.fresh, 0, slots.data | one_slot)),
            contexts.addr.eq(self.slot),
            contexts_write.addr.eq(Mux(self.erased, self.erased_slot, self.slot)),
            contexts_write.en.eq(self.stores | self.erased),
            contexts_write.data.eq(Mux(self.erased, 0, contexts.data | one_context)),
            self.stored.eq((slots.data & one_slot).any() & (contexts.data & one_context).any()),
        ]
        return m
