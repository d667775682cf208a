"""AES-128 encryption for a clock above that of the core: two blocks at a time, a round in two cycles.

Clock domain ``sync``. A round is cut behind the S-boxes, which are block RAM: a look-up has one cycle for itself, and
ShiftRows, MixColumns and the round key have the next. So two blocks take turns. Round keys are expanded once a key,
with the same S-boxes, and stored. Modes of operation are left to whoever uses the streams. Source: FIPS 197, 5.1, 5.2.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .aes_lane import BLOCK_BYTES, KEY_BITS, ROUNDS_SHORT
from .aes_tables import SBOX
from .key_schedule import double

BLOCK_BITS = 128
BLOCKS = 4  #: taken and not given back yet
ROM_PORTS = 2  # read ports of one memory, and of one block RAM; more of them gave a slower clock
KEY_CYCLES = 41  #: from the cycle in which a key is taken to the first in which a block can be
BLOCK_CYCLES = 22  #: from the cycle in which a block is taken to that of its result, when nothing stands before it
WORD_BITS = 32


class Aes128Encryptor(wiring.Component):
    """Encrypts blocks under the newest key, in order.

    ``key`` (stream): taken when no block is at work, for which no further block is taken from the cycle after
    ``key.valid`` rose on. A block taken before its key is encrypted under the old one, every later block under the new
    one. 41 cycles after a key was taken ``block`` can be ready.

    ``block`` (stream): none is taken before there is a key. A result comes 22 cycles after its block when nothing is at
    work; sustained, two blocks take 20 cycles. ``result`` (stream) keeps up to four blocks that nobody takes;
    then no further block is taken. Neither ``ready`` nor ``valid`` depends on an input in the same cycle.

    Byte 0 of FIPS 197 (the leftmost of its figures) is in bits 7 to 0. All streams are idle after reset, which forgets
    that there was a key, but leaves the words in the memories until they are written again.

    Time depends on the handshakes only, never on a key or data. It is not protected against who measures power or
    radiation, or makes faults.
    """

    key: In(stream.Signature(KEY_BITS))
    block: In(stream.Signature(BLOCK_BITS))
    result: Out(stream.Signature(BLOCK_BITS))

    def __init__(self):
        super().__init__()
        self._keyed, self._expanding = Signal(), Signal()
        self._white = Signal(BLOCK_BITS)  # a block with its first key added, or a word of the key to be substituted
        self._white_valid = Signal()
        self._next = Signal(BLOCK_BITS)  # what the S-boxes look up at the end of the cycle
        self._substituted = Signal(BLOCK_BITS, reset_less=True)
        self._look_valid, self._mix_valid = Signal(), Signal()  # a block in the look-up, in the other half of a round
        self._look_round = Signal(range(ROUNDS_SHORT + 1))
        self._mix_round = Signal(range(ROUNDS_SHORT + 1))
        self._mix_last = Signal()
        self._enter = Signal()
        self._round_key = Signal(KEY_BITS)

    def elaborate(self, _platform) -> Module:
        """Keys, blocks in, rounds, results out."""
        m = Module()
        m.submodules.round_keys = keys = memory.Memory(shape=KEY_BITS, depth=16, init=[])
        row = keys.read_port(domain="comb")
        m.d.comb += row.addr.eq(self._look_round)
        m.d.sync += self._round_key.eq(row.data)
        self._look_up(m)
        self._rounds(m)
        self._take(m, self._keys(m, keys.write_port()))
        return m

    def _look_up(self, m: Module) -> None:
        """Sixteen S-boxes in block RAM, and a register behind them, since their output is slow."""
        for n in range(BLOCK_BYTES):
            if n % ROM_PORTS == 0:
                rom = memory.Memory(shape=8, depth=256, init=list(SBOX), attrs={"rom_style": "block"})
                m.submodules[f"sbox_{n // ROM_PORTS}"] = rom
            port = rom.read_port()
            m.d.comb += [
                port.en.eq(self._expanding | self._enter | (self._mix_valid & ~self._mix_last)),
                port.addr.eq(self._next[8 * n : 8 * n + 8]),
            ]
            m.d.sync += self._substituted[8 * n : 8 * n + 8].eq(port.data)

    def _rounds(self, m: Module) -> None:
        """ShiftRows, MixColumns and round key of the block that was looked up; a free turn goes to the next block."""
        going_on = self._mix_valid & ~self._mix_last
        m.d.comb += [self._enter.eq(self._white_valid & ~going_on), self._next.eq(self._white)]
        shifted = []
        for n in range(BLOCK_BYTES):
            column, row = divmod(n, 4)
            source = 4 * ((column + row) % 4) + row
            shifted.append(self._substituted[8 * source : 8 * source + 8])
        mixed = []
        for n in range(BLOCK_BYTES):
            v = [shifted[n - n % 4 + (n + k) % 4] for k in range(4)]
            mixed.append(double(v[0], v[1]) ^ v[1] ^ v[2] ^ v[3])
        with m.If(going_on):
            m.d.comb += self._next.eq(Cat(mixed) ^ self._round_key)
        m.d.sync += [
            self._look_valid.eq(going_on | self._enter),
            self._look_round.eq(Mux(going_on, self._mix_round + 1, 1)),
            self._mix_valid.eq(self._look_valid),
            self._mix_round.eq(self._look_round),
            self._mix_last.eq(self._look_round == ROUNDS_SHORT),
        ]
        self._give(m, Cat(shifted) ^ self._round_key)

    def _give(self, m: Module, last) -> None:
        """Results wait in a small memory; there is room in it for every block that was taken."""
        m.submodules.results = results = memory.Memory(shape=BLOCK_BITS, depth=BLOCKS, init=[])
        write, read = results.write_port(), results.read_port(domain="comb")
        written, given = Signal(range(2 * BLOCKS)), Signal(range(2 * BLOCKS))
        m.d.comb += [
            write.en.eq(self._mix_valid & self._mix_last),
            write.addr.eq(written),
            write.data.eq(last),
            read.addr.eq(given),
            self.result.valid.eq(written != given),
            self.result.payload.eq(read.data),
        ]
        m.d.sync += [written.eq(written + write.en), given.eq(given + (self.result.valid & self.result.ready))]

    def _take(self, m: Module, key_waits) -> None:
        """Blocks, as long as there is a key and room for their results; and words of the key while it is expanded."""
        held = Signal(range(BLOCKS + 1))  # blocks taken and not given back
        taken = self.block.valid & self.block.ready
        given = self.result.valid & self.result.ready
        m.d.comb += self.block.ready.eq(
            self._keyed & ~key_waits & (held != BLOCKS) & (~self._white_valid | self._enter)
        )
        m.d.sync += held.eq(held + taken - given)
        with m.If(self._enter):
            m.d.sync += self._white_valid.eq(0)
        with m.If(taken):
            m.d.sync += [self._white_valid.eq(1), self._white.eq(self.block.payload ^ self._first_key)]
        with m.If(self._expanding):
            m.d.sync += self._white[-WORD_BITS:].eq(self._newest[-WORD_BITS:])

    def _keys(self, m: Module, write) -> Signal:
        """Four cycles a round key: last word to the S-boxes, look-up, register, sum. Returns: a key waits."""
        waits = Signal(name="key_waits")
        self._first_key, self._newest = Signal(KEY_BITS, name="first_key"), Signal(KEY_BITS, name="newest_key")
        step, row, constant = Signal(2), Signal(range(ROUNDS_SHORT + 1)), Signal(8)
        word = self._substituted[-WORD_BITS:]
        words, total = [], Cat(word[8:16] ^ constant, word[16:], word[:8])
        for n in range(4):
            total = total ^ self._newest[WORD_BITS * n : WORD_BITS * (n + 1)]
            words.append(total)
        m.d.comb += [
            self.key.ready.eq(waits & ~self._white_valid & ~self._look_valid & ~self._mix_valid & ~self._expanding),
            write.en.eq(self._expanding & step.all()),
            write.addr.eq(row),
            write.data.eq(Cat(words)),
        ]
        m.d.sync += waits.eq(self.key.valid & ~self.key.ready)
        with m.If(self._expanding):
            m.d.sync += step.eq(step + 1)
        with m.If(write.en):
            m.d.sync += [self._newest.eq(write.data), constant.eq(double(constant)), row.eq(row + 1)]
            with m.If(row == ROUNDS_SHORT):
                m.d.sync += [self._expanding.eq(0), self._keyed.eq(1)]
        with m.If(self.key.valid & self.key.ready):
            m.d.sync += [
                self._first_key.eq(self.key.payload),
                self._newest.eq(self.key.payload),
                constant.eq(1),
                row.eq(1),
                self._keyed.eq(0),
                self._expanding.eq(1),
            ]
        return waits
