"""The key of a region while it is installed: loaded once, compared, handed on, overwritten.

Clock domain ``sync``. Part of ``region_install``.
"""

from amaranth import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .raw_keys import WORDS

WORD_BYTES = 4


class KeyBuffer(wiring.Component):
    """Up to sixteen words.

    ``keep`` (one cycle, while ``loading`` is high) puts ``data`` at ``index``; ``wipe`` a zero, and forgets what was
    compared. Without ``loading``, ``word`` is the one at ``index``, in the same cycle. ``last``: the word at ``index``
    ends a key of ``key_bytes``. ``halves_differ``: some word of the second half was not the one at the same place of
    the first, from the cycle after that word on. Every word costs the same time.
    """

    loading: In(1)
    keep: In(1)
    wipe: In(1)
    index: In(range(WORDS))
    data: In(32)
    key_bytes: In(8)
    word: Out(32)
    last: Out(1)
    halves_differ: Out(1)

    def __init__(self):
        super().__init__()
        self._words = memory.Memory(shape=32, depth=WORDS, init=[])

    def elaborate(self, _platform) -> Module:
        """While words come, the read port looks half a key back."""
        m = Module()
        m.submodules.words = words = self._words
        write, read = words.write_port(), words.read_port(domain="comb")
        half = self.key_bytes[3:7]  # in words
        m.d.comb += [
            write.addr.eq(self.index),
            write.data.eq(self.data & ~self.wipe.replicate(32)),
            write.en.eq(self.keep | self.wipe),
            read.addr.eq(self.index),
            self.word.eq(read.data),
            self.last.eq((self.index + 1) * WORD_BYTES == self.key_bytes),
        ]
        with m.If(self.loading):
            m.d.comb += read.addr.eq(self.index - half)
        with m.If(self.wipe):
            m.d.sync += self.halves_differ.eq(0)
        with m.Elif(self.keep & (self.index >= half) & (self.data != read.data)):
            m.d.sync += self.halves_differ.eq(1)
        return m
