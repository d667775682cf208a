"""Key expansion of AES, a word at a time. Clock domain ``sync``. The order of things is ``key_store.KeyStore``.

Source: FIPS 197, 5.2 (key expansion) and 5.3.5 (keys of the equivalent inverse cipher).
"""

from functools import reduce
from operator import xor

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .aes_lane import UNUSED
from .aes_tables import SBOX

WORD_BYTES = 4
_HISTORY = 8  # words of an AES-256 key


def double(*bytes_):
    """Expression for the sum of bytes times x in the field of AES (FIPS 197, 4.2.1).

    The sum is formed twice, of seven bits and of one, so that no intermediate result has two uses.
    """
    top = reduce(xor, (byte[7] for byte in bytes_))
    return Cat(Const(0, 1), reduce(xor, (byte[:7] for byte in bytes_))) ^ Mux(top, Const(0x1B, 8), Const(0, 8))


def inverse_mix_column(column) -> list:
    """Expressions for the four bytes of InvMixColumns of one column of 32 bits (FIPS 197, 5.3.3)."""
    v = [column[8 * n : 8 * n + 8] for n in range(WORD_BYTES)]
    far = [double(double(v[n], v[n + 2])) for n in range(2)]
    v = [v[n] ^ far[n % 2] for n in range(WORD_BYTES)]
    total = v[0] ^ v[1] ^ v[2] ^ v[3]
    return [v[n] ^ total ^ double(v[n], v[(n + 1) % WORD_BYTES]) for n in range(WORD_BYTES)]


class KeyExpansion(wiring.Component):
    """Words of one key schedule in order, of AES-128 or AES-256 (``long``).

    In a cycle with ``step``, ``word`` is the next word of the schedule: ``raw`` while ``from_key`` is high (the first
    4 or 8 words), else the expanded one. From the next cycle on it is ``newest`` until the next step, and in a cycle
    with ``inverse``, ``newest_inverse`` is InvMixColumns of it. ``begin`` (one cycle, not together with ``step``)
    starts a schedule. A step with ``clear`` pushes a zero; eight of them leave nothing of a key behind. Byte 0 of a
    word is bits 7 to 0.
    """

    long: In(1)
    begin: In(1)
    step: In(1)
    clear: In(1)
    from_key: In(1)
    raw: In(32)
    inverse: In(1)
    word: Out(32)
    newest: Out(32)
    newest_inverse: Out(32)

    def __init__(self):
        super().__init__()
        self._words = [Signal(32, name=f"word_{n}") for n in range(_HISTORY)]  # newest first

    def elaborate(self, _platform) -> Module:
        """Shift register of the last words, S-box RAM read with each new word, round constant."""
        m = Module()
        m.submodules.sbox = sbox = memory.Memory(shape=8, depth=256, init=list(SBOX), attrs={"rom_style": "block"})
        words = self._words
        constant, position = Signal(8, init=1), Signal(3)
        substituted = []
        for n in range(WORD_BYTES):
            port = sbox.read_port()
            m.d.comb += [port.en.eq(self.step), port.addr.eq(self.word[8 * n : 8 * n + 8])]
            substituted.append(port.data)

        begins = Mux(self.long, position, position[:2]) == 0
        rotated = Cat(substituted[1] ^ constant, *substituted[2:], substituted[0])
        change = Mux(begins, rotated, Mux(self.long & (position == 4), Cat(substituted), words[0]))
        expanded = change ^ Mux(self.long, words[7], words[3])
        m.d.comb += [
            self.word.eq(Mux(self.from_key, self.raw, expanded) & ~self.clear.replicate(32)),
            self.newest.eq(words[0]),
            self.newest_inverse.eq(UNUSED),
        ]
        with m.If(self.inverse):
            m.d.comb += self.newest_inverse.eq(Cat(inverse_mix_column(words[0])))
        with m.If(self.step):
            m.d.sync += [new.eq(old) for new, old in zip(words, (self.word, *words), strict=False)]
            m.d.sync += position.eq(position + 1)
            with m.If(begins & ~self.from_key):
                m.d.sync += constant.eq(double(constant))
        with m.If(self.begin):
            m.d.sync += [constant.eq(1), position.eq(0)]
        return m
