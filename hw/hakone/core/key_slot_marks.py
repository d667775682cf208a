"""Which hidden stack words and back links still belong to the key that is in a slot. Clock domain ``sync``.

Slots are used again for other keys, words and links are not cleared then: they die here, all in one cycle.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

LINKS = 8  #: back links of one context
NUMBER_BITS = 4  #: of a link's number, or of how many there are


class KeySlotMarks(wiring.Component):
    """Marks by context and key slot.

    - ``leaves``: code under ``slot`` is left by the running ``context``; its stack word is stored, and a back link may
      have been, with number ``link``, which is the number of links before.
    - ``fresh``: ``context`` begins a life: none of its stack words counts.
    - ``erased``: the key in ``erased_slot`` is wiped: no word and no link under this slot counts, in any context.
    - ``stored``: the stack word of ``context`` and ``slot`` was stored; ``alive``: so was back link number ``link``, if
      it was one under ``slot``. Both in the same cycle, about what was stored before it.

    A word counts when its context has marked its slot and its slot has marked its context. For links one mark is not
    enough, since an old one may lie below a new one of the same slot: ``first`` is the lowest number that was stored
    since the slot's key was wiped, and what lies below it is dead. Memories keep their bits over a reset, which does no
    harm: what ``first`` says too low hides no wiped key, since none was wiped since then.
    """

    context: In(4)
    slot: In(4)
    link: In(NUMBER_BITS)
    leaves: In(1)
    fresh: In(1)
    erased: In(1)
    erased_slot: In(4)
    stored: Out(1)
    alive: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.slots_of = slots_of = memory.Memory(shape=16, depth=16, init=[])  # by context
        m.submodules.contexts_of = contexts_of = memory.Memory(shape=16, depth=16, init=[])  # by slot
        m.submodules.first = first = memory.Memory(shape=NUMBER_BITS, depth=256, init=[])  # by both
        ports = [(unit.read_port(domain="comb"), unit.write_port()) for unit in (slots_of, contexts_of, first)]
        (slots, slots_write), (contexts, contexts_write), (lowest, lowest_write) = ports
        known = Signal()
        m.d.comb += [
            slots.addr.eq(self.context),
            contexts.addr.eq(self.slot),
            lowest.addr.eq(Cat(self.slot, self.context)),
            known.eq(contexts.data.bit_select(self.context, 1)),
            self.stored.eq(known & slots.data.bit_select(self.slot, 1)),
            self.alive.eq(known & (self.link >= lowest.data)),
            slots_write.addr.eq(self.context),
            slots_write.en.eq(self.leaves | self.fresh),
            slots_write.data.eq(Mux(self.fresh, 0, slots.data | (Const(1, 16) << self.slot)[:16])),
            contexts_write.addr.eq(Mux(self.erased, self.erased_slot, self.slot)),
            contexts_write.en.eq(self.leaves | self.erased),
            contexts_write.data.eq(Mux(self.erased, 0, contexts.data | (Const(1, 16) << self.context)[:16])),
            lowest_write.addr.eq(lowest.addr),
            lowest_write.en.eq(self.leaves & ~(known & (lowest.data < self.link))),
            lowest_write.data.eq(self.link),
        ]
        return m
