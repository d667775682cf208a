"""Raw keys of all slots, kept for one question: is this key there already?

Clock domain ``sync``. Part of ``key_store.KeyStore``, which writes and wipes what stands here. Nothing leaves but one
bit per slot.
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..isa.formats import Algorithm

SLOTS = 16
WORDS = 16  #: words of the longest key
SEARCH_CYCLES = SLOTS + 1  #: of one word, in which ``busy`` is high


class KeySearchPort(wiring.Signature):
    """From the region unit to the key store.

    ``begin`` (one cycle) with ``algorithm`` (held until the end): from the next cycle on ``equal`` has the valid slots
    of that algorithm. Then ``compare`` (one cycle) for each word of the key, with ``index`` and ``word`` held while
    ``busy`` is high, from the next cycle on for ``SEARCH_CYCLES``: slots whose key has another word there leave
    ``equal``. The time depends on the number of words only. No key is installed meanwhile.
    """

    def __init__(self):
        super().__init__(
            {
                "begin": Out(1),
                "algorithm": Out(Algorithm),
                "compare": Out(1),
                "index": Out(range(WORDS)),
                "word": Out(32),
                "busy": In(1),
                "equal": In(SLOTS),
            }
        )


class RawKeys(wiring.Component):
    """A block RAM of ``SLOTS`` keys of ``WORDS`` words, and the search through it.

    ``write`` puts ``word`` at ``slot`` and ``index`` at the end of the cycle. ``search`` (``KeySearchPort``, seen from
    this side) looks at every slot whether it holds a key or not, so that its time tells nothing. ``candidates`` are the
    slots that a search of ``search.algorithm`` begins with.

    Protects: between searches the RAM's output shows nothing but word 0 of slot 0, to nobody but the comparator. It
    does not wipe itself: its owner writes zeros.
    """

    write: In(1)
    slot: In(range(SLOTS))
    index: In(range(WORDS))
    word: In(32)
    candidates: In(SLOTS)
    search: In(KeySearchPort())

    def __init__(self):
        super().__init__()
        self._rows = memory.Memory(shape=32, depth=SLOTS * WORDS, init=[], attrs={"ram_style": "block"})

    def elaborate(self, _platform) -> Module:
        """One slot a cycle; the comparison is a cycle behind the address."""
        m = Module()
        m.submodules.rows = rows = self._rows
        write, read, search = rows.write_port(), rows.read_port(), self.search
        scanning, checking = Signal(), Signal()
        slot, checked = Signal(range(SLOTS)), Signal(range(SLOTS))
        m.d.comb += [
            write.addr.eq(Cat(self.index, self.slot)),
            write.data.eq(self.word),
            write.en.eq(self.write),
            # At rest the address is that of slot 0, word 0: no word of a search stays in the output. Never in a cycle
            # of a write: so the RAM needs no rule for both at one address.
            read.en.eq(~self.write),
            search.busy.eq(scanning | checking),
        ]
        with m.If(scanning):
            m.d.comb += read.addr.eq(Cat(search.index, slot))
        m.d.sync += [checking.eq(scanning), checked.eq(slot)]
        with m.If(search.compare):
            m.d.sync += scanning.eq(1)
        with m.Elif(slot == SLOTS - 1):
            m.d.sync += scanning.eq(0)
        with m.If(scanning):
            m.d.sync += slot.eq(slot + 1)
        with m.If(search.begin):
            m.d.sync += search.equal.eq(self.candidates)
        with m.Elif(checking & (read.data != search.word)):
            m.d.sync += search.equal.bit_select(checked, 1).eq(0)
        return m
