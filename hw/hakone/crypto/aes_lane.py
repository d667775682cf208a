"""One lane of AES: a block at a time, one round per cycle, with tables of SubBytes and MixColumns in block RAM.

Clock domain ``sync``. The address register of the tables is the state register: a round is RAM output, the sum of four
products and the round key, RAM address. Round keys come from ``key_store.KeyStore``, which keeps those for decryption
already multiplied (FIPS 197, 5.3.5), so that both directions end in the same key addition. Whitening with a tweak and
the choice of blocks are left to ``memory.xts``.

InvShiftRows is ShiftRows when the columns are counted the other way round. So a block that is decrypted stands with
columns 1 and 3 in each other's place, its round keys too, and the two directions differ in the table's page alone.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .aes_tables import INVERSE_SBOX, SBOX, multiply

BLOCK_BYTES = 16
COLUMNS = 4
ROWS = 4
COLUMN_BITS = 32
KEY_BITS = 128
ROUNDS_SHORT = 10  #: rounds of AES-128
ROUNDS_LONG = 14  #: rounds of AES-256
#: What an expression is replaced by while nobody uses it, so that a simulator skips its work. Not 0 and not all ones:
#: from these Verilator 5.48 makes an AND, and evaluates the expression in every cycle after all.
UNUSED = 1

_MIX = (2, 1, 1, 3)  # column 0 of the matrix of MixColumns (FIPS 197, 5.1.3)
_INVERSE_MIX = (14, 9, 13, 11)  # and of InvMixColumns (5.3.3)
_LAST = (1, 0, 0, 0)  # the last round mixes nothing


class KeyAddress(data.Struct):
    """Where a round key stands: ``index`` counts from 0 in the order of use, in either direction."""

    index: 4
    inverse: 1
    slot: 4


class KeyReadPort(wiring.Signature):
    """From a lane to the key store: ``key`` is the round key that ``addr`` named in the last cycle with ``en``. With
    ``inverse``, its columns stand in the order 0, 3, 2, 1.
    """

    def __init__(self):
        super().__init__({"en": Out(1), "addr": Out(KeyAddress), "key": In(KEY_BITS)})


def products(byte: int, row: int, factors: tuple[int, ...]) -> int:
    """What a byte in ``row`` adds to its column: its four products, that for row 0 in bits 7 to 0."""
    return sum(multiply(factor, byte) << 8 * ((row + n) % ROWS) for n, factor in enumerate(factors))


def _table(row: int, decrypt: bool) -> list[int]:
    """Contents of the table of a row: pages encrypt, decrypt, encrypt last, decrypt last, or those of encryption."""
    pages = [(SBOX, _MIX), (INVERSE_SBOX, _INVERSE_MIX), (SBOX, _LAST), (INVERSE_SBOX, _LAST)]
    return [products(byte, row, factors) for box, factors in pages[:: 1 if decrypt else 2] for byte in box]


class AesLane(wiring.Component):
    """Encrypts or decrypts one block of 128 bits in 10 (AES-128) or 14 (AES-256) cycles after the one it starts in.

    ``load`` takes the settings and addresses the first round key; ``armed`` is high from the next cycle until
    ``start``. ``start`` (only while ``armed``) takes ``block``. After 10 or 14 cycles ``done`` is high and ``result``
    valid, combinational out of the RAM, and both stay until ``release``, which ends the block at the end of that
    cycle. ``load`` is possible while ``idle``, or together with ``release``: the key port has changed only a cycle
    later. While nothing runs, the RAM and the key port are not enabled.

    Parameters: ``decrypt``, False for a lane that only encrypts. Members: ``load`` with ``key_slot``, ``long``
    (AES-256) and ``inverse`` (decrypt; ignored by a lane that cannot); ``block`` and ``result``, four columns of FIPS
    197, 3.4, row 0 in bits 7 to 0, in the order 0, 1, 2, 3, for decryption 0, 3, 2, 1; ``keys`` (``KeyReadPort``). All
    flags are low after reset.

    The number of cycles depends on the algorithm alone. The last block stays in the RAM's registers until the next.
    Source: FIPS 197, 5.1 and 5.3.5.
    """

    def __init__(self, decrypt: bool = True):
        self._decrypt = decrypt
        super().__init__(
            {
                "load": In(1),
                "key_slot": In(4),
                "long": In(1),
                "inverse": In(1),
                "armed": Out(1),
                "start": In(1),
                "block": In(COLUMN_BITS).array(COLUMNS),
                "idle": Out(1),
                "done": Out(1),
                "result": Out(COLUMN_BITS).array(COLUMNS),
                "release": In(1),
                "keys": Out(KeyReadPort()),
            }
        )
        self._running = Signal()  # a round that is not the last
        self._round = Signal(4)  # number of the round in this cycle
        self._next_last = Signal()
        self._long = Signal()
        self._settings = Signal(KeyAddress)
        self._column = [Signal(COLUMN_BITS, name=f"column_{n}") for n in range(COLUMNS)]  # the next state

    def elaborate(self, _platform) -> Module:
        """Control, and the round. Nothing is armed while a result is there, so the result is the next state. Which of
        the two it is does not wait for ``start``, which is late and only enables the look-up.
        """
        m = Module()
        self._sequence(m)
        mixed = self._look_up(m)
        for n, column in enumerate(self._column):
            key = self.keys.key[COLUMN_BITS * n : COLUMN_BITS * (n + 1)]
            m.d.comb += [column.eq(Mux(self.armed, self.block[n], mixed[n]) ^ key), self.result[n].eq(column)]
        return m

    def _sequence(self, m: Module) -> None:
        """Idle, armed, rounds, done; the key address runs one ahead of the round."""
        settings, number = self._settings, self._round
        m.d.comb += [
            # Round 9 of 10 or 13 of 14: what is looked up next is for the last round.
            self._next_last.eq(self._running & number[3] & number[0] & (number[2] == self._long)),
            self.idle.eq(~self._running & ~self.done & ~self.armed),
            self.keys.en.eq(self.load | self.start | self._running),
            self.keys.addr.slot.eq(Mux(self.load, self.key_slot, settings.slot)),
            self.keys.addr.inverse.eq(Mux(self.load, self.inverse, settings.inverse) if self._decrypt else 0),
            self.keys.addr.index.eq(Mux(self.load, 0, number + 1)),
        ]
        with m.If(self.release):
            m.d.sync += self.done.eq(0)
        with m.If(self.load):
            m.d.sync += [
                self.armed.eq(1),
                number.eq(0),
                self._long.eq(self.long),
                settings.slot.eq(self.key_slot),
                settings.inverse.eq(self.inverse),
            ]
        with m.If(self.start | self._running):
            m.d.sync += number.eq(number + 1)
        with m.If(self.start):
            m.d.sync += [self.armed.eq(0), self._running.eq(1)]
        with m.If(self._next_last):
            m.d.sync += [self._running.eq(0), self.done.eq(1)]

    def _look_up(self, m: Module) -> list:
        """SubBytes, ShiftRows and MixColumns: sixteen look-ups in four tables, and the sums of their products."""
        page = Cat(self._settings.inverse, self._next_last) if self._decrypt else self._next_last
        mixed = [Const(0, COLUMN_BITS)] * COLUMNS
        for row in range(ROWS):
            contents = _table(row, self._decrypt)
            attrs = {"rom_style": "block"}
            table = memory.Memory(shape=COLUMN_BITS, depth=len(contents), init=contents, attrs=attrs)
            m.submodules[f"table_{row}"] = table
            for n in range(COLUMNS):
                port = table.read_port()
                byte = self._column[n][8 * row : 8 * row + 8]
                m.d.comb += [port.en.eq(self.start | self._running), port.addr.eq(Cat(byte, page))]
                to = (n - row) % COLUMNS  # ShiftRows
                mixed[to] = mixed[to] ^ port.data if row else port.data
        return mixed
