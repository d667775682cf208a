"""One lane of AES: a block at a time, one round per cycle, S-boxes in block RAM.

Clock domain ``sync``. The address register of the S-box RAM is the state register: a round is RAM output, ShiftRows,
MixColumns, round key, RAM address. Round keys come from ``key_store.KeyStore``, which keeps those for decryption
already multiplied (FIPS 197, 5.3.5), so that both directions end in the same key addition. Whitening with a tweak and
the choice of blocks are left to ``memory.xts``.

Decryption shares the logic of MixColumns: the inverse matrix is MixColumns times a matrix with rows ``5 0 4 0``,
and the RAM holds five and four times the inverse S-box instead of the S-box, which needs no more RAM.
"""

from functools import reduce
from operator import xor

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .aes_tables import INVERSE_SBOX, SBOX, multiply

BLOCK_BYTES = 16
ROM_PORTS = 8  # read ports of one memory; Yosys 0.70 runs out of memory when it has to map 16
KEY_BITS = 128
ROUNDS_SHORT = 10  #: rounds of AES-128
ROUNDS_LONG = 14  #: rounds of AES-256
#: What an expression is replaced by while nobody uses it, so that a simulator skips its work. Not 0 and not all ones:
#: from these Verilator 5.48 makes an AND, and evaluates the expression in every cycle after all.
UNUSED = 1


class KeyAddress(data.Struct):
    """Where a round key stands: ``index`` counts from 0 in the order of use, in either direction."""

    index: 4
    inverse: 1
    slot: 4


class KeyReadPort(wiring.Signature):
    """From a lane to the key store: ``key`` is the round key that ``addr`` named in the last cycle with ``en``."""

    def __init__(self):
        super().__init__({"en": Out(1), "addr": Out(KeyAddress), "key": In(KEY_BITS)})


def double(*bytes_):
    """Expression for the sum of bytes times x in the field of AES (FIPS 197, 4.2.1).

    The sum is formed twice, of seven bits and of one, so that no intermediate result has two uses.
    """
    top = reduce(xor, (byte[7] for byte in bytes_))
    return Cat(Const(0, 1), reduce(xor, (byte[:7] for byte in bytes_))) ^ Mux(top, Const(0x1B, 8), Const(0, 8))


def _lookup_rom(decrypt: bool) -> list[int]:
    """Contents of the S-box RAM: pages (encrypt, decrypt, encrypt last, decrypt last) of low and high byte."""
    if not decrypt:
        return list(SBOX)
    middle = [multiply(5, y) | multiply(4, y) << 8 for y in INVERSE_SBOX]
    return [*SBOX, *middle, *SBOX, *INVERSE_SBOX]


class AesLane(wiring.Component):
    """Encrypts or decrypts one block of 128 bits in 10 (AES-128) or 14 (AES-256) cycles after the one it starts in.

    ``load`` takes the settings and addresses the first round key; ``armed`` is high from the next cycle until
    ``start``. ``start`` (only while ``armed``) takes ``block``. After 10 or 14 cycles ``done`` is high and ``result``
    valid, combinational out of the RAM, and both stay until ``release``, which ends the block at the end of that
    cycle. ``load`` is possible while ``idle``, or together with ``release``: the key port has changed only a cycle
    later. While nothing runs, the RAM and the key port are not enabled.

    Parameters: ``decrypt``, False for a lane that only encrypts. Members: ``load`` with ``key_slot``, ``long``
    (AES-256) and ``inverse`` (decrypt; ignored by a lane that cannot); ``block`` and ``result``, 16 bytes in the
    order of FIPS 197; ``keys`` (``KeyReadPort``). All flags are low after reset.

    The number of cycles depends on the algorithm alone. The last block stays in the RAM's registers until the next.
    Source: FIPS 197, 5.1 and 5.3.
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
                "block": In(8).array(BLOCK_BYTES),
                "idle": Out(1),
                "done": Out(1),
                "result": Out(8).array(BLOCK_BYTES),
                "release": In(1),
                "keys": Out(KeyReadPort()),
            }
        )
        self._running = Signal()  # a round that is not the last
        self._round = Signal(4)  # number of the round in this cycle
        self._next_last = Signal()
        self._long = Signal()
        self._settings = Signal(KeyAddress)
        self._byte = [Signal(8, name=f"byte_{n}") for n in range(BLOCK_BYTES)]  # the next state
        self._inverting = Signal()  # a block is being decrypted

    def elaborate(self, _platform) -> Module:
        """Control, and the round."""
        m = Module()
        self._sequence(m)
        low, high = self._substitute(m)
        mixed = self._round_data(m, low, high)
        for n in range(BLOCK_BYTES):
            key = self.keys.key[8 * n : 8 * n + 8]
            m.d.comb += self._byte[n].eq(Mux(self.start, self.block[n], mixed[n]) ^ key)
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
            m.d.sync += [self.done.eq(0), self._inverting.eq(0)]
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
            m.d.sync += [self.armed.eq(0), self._running.eq(1), self._inverting.eq(settings.inverse)]
        with m.If(self._next_last):
            m.d.sync += [self._running.eq(0), self.done.eq(1)]

    def _substitute(self, m: Module) -> tuple[list, list]:
        """Sixteen look-ups; returns their low and high bytes. The high ones are zero but in a round of decryption."""
        contents = _lookup_rom(self._decrypt)
        shape = 16 if self._decrypt else 8
        roms = []
        for n in range(BLOCK_BYTES // ROM_PORTS):
            rom = memory.Memory(shape=shape, depth=len(contents), init=contents, attrs={"rom_style": "block"})
            m.submodules[f"sbox_{n}"] = rom
            roms.append(rom)
        low, high = [], []
        for n in range(BLOCK_BYTES):
            port = roms[n // ROM_PORTS].read_port()
            page = Cat(self._settings.inverse, self._next_last) if self._decrypt else Const(0, 0)
            m.d.comb += [port.en.eq(self.start | self._running), port.addr.eq(Cat(self._byte[n], page))]
            low.append(port.data[:8])
            high.append(port.data[8:])
        return low, high

    def _round_data(self, m: Module, low: list, high: list) -> list:
        """ShiftRows and MixColumns of the bytes that were looked up, either direction; drives ``result`` on the way."""
        mixed = []
        active = self._running | self.done
        for column in range(4):
            v = self._shift_rows(m, low, high, column, active)
            total = v[0] ^ v[1] ^ v[2] ^ v[3]
            for row in range(4):
                n = 4 * column + row
                m.d.comb += self.result[n].eq(v[row] ^ self.keys.key[8 * n : 8 * n + 8])
                mixed.append(v[row] ^ total ^ double(v[row], v[(row + 1) % 4]))
        return mixed

    def _shift_rows(self, m: Module, low: list, high: list, column: int, active) -> list:
        """The four bytes of a column after ShiftRows. When encrypting, the high bytes are zero."""
        shifted = [low[4 * ((column + row) % 4) + row] for row in range(4)]
        if not self._decrypt:
            return shifted
        back = [low[4 * ((column - row) % 4) + row] for row in range(4)]
        four_times = [high[4 * ((column - row - 2) % 4) + (row + 2) % 4] for row in range(4)]
        even = Signal(16, name=f"even_{column}")  # rows 0 and 2 move alike in both directions
        odd = [Signal(8, name=f"odd_{column}_{row}") for row in (1, 3)]
        m.d.comb += even.eq(UNUSED)
        with m.If(active):
            m.d.comb += even.eq(Cat(shifted[row] ^ four_times[row] for row in (0, 2)))
        for row, byte in zip((1, 3), odd, strict=True):
            m.d.comb += byte.eq(shifted[row])
            with m.If(self._inverting):
                m.d.comb += byte.eq(back[row] ^ four_times[row])
        return [even[:8], odd[0], even[8:], odd[1]]
