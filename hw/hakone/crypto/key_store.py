"""Key store: the round keys of sixteen slots, in the order in which the lanes use them.

Clock domain ``sync``. Raw keys come from the boot loader or the region unit over a stream and are expanded while they
come; nothing but the ciphers' lanes can read what is stored. Expansion itself is ``key_schedule``; whether a key is
there already is told by ``raw_keys``.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa.formats import Algorithm
from .aes_lane import KEY_BITS, ROUNDS_LONG, ROUNDS_SHORT, KeyAddress, KeyReadPort
from .boot_loader import KeyWord
from .key_schedule import KeyExpansion
from .raw_keys import SLOTS, KeySearchPort, RawKeys

DATA_PORTS = 4


class KeyStore(wiring.Component):
    """Sixteen slots, each with a data key (both directions) and a tweak key, of AES-128 or AES-256.

    ``install`` takes the words of a key, data key first. The first word makes the slot invalid. ``ready`` is low
    while words are expanded, two cycles each and one more for a word that comes in; the word with ``last`` is taken in
    the cycle before the slot becomes valid: 194 cycles for AES-128 and 266 for AES-256 when every word is there. A word
    out of order, with an algorithm that is not AES-XTS, or a ``last`` at another place refuses the key: the words up to
    ``last`` are dropped, and the slot is wiped and stays invalid.

    ``cancel`` (one cycle) ends an installation at any word, the slot being wiped; the last word that is taken in its
    cycle counts as not taken. ``erase`` (stream of a slot number) makes the slot invalid from the next cycle on and
    overwrites it with zeros in 32 cycles. It is taken before an ``install`` of the same cycle, and not while a key is
    being installed. After reset, all slots are overwritten in 512 cycles. ``busy`` is high in all that time;
    ``install`` and ``erase`` wait. ``search`` (``KeySearchPort``, seen from this side) finds slots with an equal key.

    ``data_keys`` and ``tweak_keys`` (``KeyReadPort``, seen from this side): a round key in the cycle after its
    address, held until the next ``en``. With ``inverse``, the data keys for decryption in their order of use, ready
    for the equivalent inverse cipher (FIPS 197, 5.3.5), their columns in the order 0, 3, 2, 1. ``tweak_keys`` has
    encryption keys only and does not look at ``inverse``. A port that reads the slot which is being written or wiped
    holds what it had.

    ``valid`` (bit per slot): what a port gives for a slot that is not valid must not be used; whoever starts a lane
    looks at it, and erases no slot whose key a lane still needs.

    Protects: keys leave through the ports of the lanes only; after installing, the expansion is cleared. It does not
    protect the RAM from who can open the chip, or reset from leaving the keys until they are overwritten.
    Source: FIPS 197, 5.2.
    """

    install: In(stream.Signature(KeyWord))
    cancel: In(1)
    erase: In(stream.Signature(4))
    search: In(KeySearchPort())
    busy: Out(1)
    valid: Out(SLOTS)
    data_keys: In(KeyReadPort()).array(DATA_PORTS)
    tweak_keys: In(KeyReadPort())

    def __init__(self):
        super().__init__()
        self._expansion = KeyExpansion()
        self._raw = RawKeys()
        self._long_slots = Signal(SLOTS)
        self._slot = Signal(4)
        self._algorithm = Signal(Algorithm)
        self._long = Signal()
        self._tweak = Signal()  # the tweak key is at hand, else the data key
        self._index = Signal(6)  # word of the schedule
        self._row = Signal(5)  # row of the slot that is wiped
        self._wipe_all = Signal(init=1)
        self._write_data, self._write_tweak = Signal(), Signal()
        self._address = Signal(KeyAddress)
        self._words = Signal(4)  # which of the four words of the row are written
        self._word = Signal(32)
        self._fits, self._ends = Signal(), Signal()  # the word looked at is the one that is due; it is the key's last

    def elaborate(self, _platform) -> Module:
        """Memories, and the order of things; the work of each state stands in a method."""
        m = Module()
        m.submodules.expansion = self._expansion
        m.submodules.raw = raw = self._raw
        wiring.connect(m, wiring.flipped(self.search), raw.search)
        self._memories(m)
        searched_long = self.search.algorithm == Algorithm.AES256_XTS
        m.d.comb += [
            self._long.eq(self._algorithm == Algorithm.AES256_XTS),
            self._expansion.long.eq(self._long),
            self._expansion.raw.eq(self.install.payload.word),
            self._address.slot.eq(self._slot),
            self._word.eq(self._expansion.word),
            self.busy.eq(1),
            raw.candidates.eq(self.valid & (self._long_slots ^ ~searched_long.replicate(SLOTS))),
            raw.slot.eq(self._slot),
            raw.index.eq(self.install.payload.index),
        ]
        with m.FSM(name="store_state", init="WIPE"):
            self._idle(m)
            self._wipe(m)
            self._take(m)
            self._expand(m)
            self._finish(m)
        return m

    def _memories(self, m: Module) -> None:
        """Data keys by slot, direction and round, tweak keys by slot and round; a word is written at a time."""
        for name, ports, write, address in (
            ("data_rows", list(self.data_keys), self._write_data, lambda a: a.as_value()),
            ("tweak_rows", [self.tweak_keys], self._write_tweak, lambda a: Cat(a.index, a.slot)),
        ):
            depth = 1 << len(address(self._address))
            rows = memory.Memory(shape=KEY_BITS, depth=depth, init=[], attrs={"ram_style": "block"})
            m.submodules[name] = rows
            port = rows.write_port(granularity=32)
            m.d.comb += [
                port.addr.eq(address(self._address)),
                port.data.eq(self._word.replicate(4)),
                port.en.eq(self._words & write.replicate(4)),
            ]
            for reader in ports:
                read = rows.read_port()
                # Never the slot that is written: so the RAM needs no rule for a read and a write of one row.
                m.d.comb += [
                    read.addr.eq(address(reader.addr)),
                    read.en.eq(reader.en & ~(write & (reader.addr.slot == self._slot))),
                    reader.key.eq(read.data),
                ]

    def _wipe(self, m: Module) -> None:
        """Zeros over a slot or over all, and over what the expansion holds."""
        with m.State("WIPE"):
            m.d.comb += [
                self._expansion.step.eq(1),
                self._expansion.clear.eq(1),
                self._write_data.eq(1),
                self._write_tweak.eq(1),
                self._words.eq(0b1111),
                self._address.index.eq(self._row[:4]),
                self._address.inverse.eq(self._row[4]),
                self._raw.write.eq(1),
                self._raw.index.eq(self._row[:4]),
            ]
            m.d.sync += self._row.eq(self._row + 1)
            with m.If(self._row.all()):
                with m.If(self._wipe_all & ~self._slot.all()):
                    m.d.sync += self._slot.eq(self._slot + 1)
                with m.Else():
                    m.d.sync += self._wipe_all.eq(0)
                    m.next = "IDLE"

    def _idle(self, m: Module) -> None:
        """A slot to erase, or the first word of a key, which is only looked at."""
        first = self.install.payload
        with m.State("IDLE"):
            m.d.comb += [self.busy.eq(0), self.erase.ready.eq(1)]
            m.d.sync += [self._row.eq(0), self._index.eq(0), self._tweak.eq(0)]
            with m.If(self.erase.valid):
                m.d.sync += [self._slot.eq(self.erase.payload), self.valid.bit_select(self.erase.payload, 1).eq(0)]
                m.next = "WIPE"
            with m.Elif(self.install.valid & ~self.cancel):
                m.d.comb += self._expansion.begin.eq(1)
                m.d.sync += [
                    self._slot.eq(first.slot),
                    self._algorithm.eq(first.algorithm),
                    self.valid.bit_select(first.slot, 1).eq(0),
                ]
                m.next = "DROP"
                with m.If((first.algorithm == Algorithm.AES128_XTS) | (first.algorithm == Algorithm.AES256_XTS)):
                    m.next = "KEY"

    def _obey_cancel(self, m: Module) -> None:
        """Last in a state of an installation: give it up."""
        with m.If(self.cancel):
            m.d.sync += self._row.eq(0)
            m.next = "WIPE"

    def _take(self, m: Module) -> None:
        """A word of the key itself: the one that is due, or the key is refused. The last one is taken at the end."""
        given = self.install.payload
        due = Mux(self._long, Cat(self._index[:3], self._tweak), Cat(self._index[:2], self._tweak))
        ends = self._tweak & self._index[:2].all() & (self._index[2] | ~self._long)
        fits = (given.slot == self._slot) & (given.algorithm == self._algorithm) & (given.index == due)
        with m.State("KEY"):
            m.d.sync += [self._fits.eq(fits & (given.last == ends)), self._ends.eq(ends)]
            with m.If(self.install.valid):
                m.next = "TAKE"
            self._obey_cancel(m)
        with m.State("TAKE"):
            m.d.comb += self._expansion.from_key.eq(1)
            m.next = "DROP"
            with m.If(self._fits):
                m.d.comb += [self.install.ready.eq(~self._ends), self._expansion.step.eq(1)]
                m.d.comb += [self._raw.write.eq(1), self._raw.word.eq(given.word)]
                self._write_forward(m)
                m.next = "INVERSE"
            self._obey_cancel(m)
        with m.State("DROP"):
            m.d.comb += self.install.ready.eq(1)
            with m.If(self.install.valid & given.last):
                m.next = "WIPE"
            self._obey_cancel(m)

    def _write_forward(self, m: Module) -> None:
        """The new word to its row, of the data key or of the tweak key."""
        m.d.comb += [
            self._words.eq(1 << self._index[:2]),
            self._address.index.eq(self._index[2:]),
            self._write_data.eq(~self._tweak),
            self._write_tweak.eq(self._tweak),
        ]

    def _expand(self, m: Module) -> None:
        """Further words; after each one its place in the inverse order, and what comes next."""
        key_round, rounds = self._index[2:], Mux(self._long, ROUNDS_LONG, ROUNDS_SHORT)
        outer = (key_round == 0) | (key_round == rounds)
        with m.State("EXPAND"):
            m.d.comb += self._expansion.step.eq(1)
            self._write_forward(m)
            m.next = "INVERSE"
            self._obey_cancel(m)
        with m.State("INVERSE"):
            m.d.comb += [
                self._words.eq(1 << (-self._index[:2])[:2]),
                self._address.index.eq(rounds - key_round),
                self._address.inverse.eq(1),
                self._expansion.inverse.eq(1),
                self._write_data.eq(~self._tweak),
                self._word.eq(Mux(outer, self._expansion.newest, self._expansion.newest_inverse)),
            ]
            m.d.sync += self._index.eq(self._index + 1)
            m.next = "EXPAND"
            with m.If((key_round == 0) & (~self._index[:2].all() | self._long)):
                m.next = "KEY"
            with m.If(self._long & (key_round == 1) & ~self._index[:2].all()):
                m.next = "KEY"
            with m.If((key_round == rounds) & self._index[:2].all()):
                m.d.comb += self._expansion.begin.eq(1)
                m.d.sync += [self._index.eq(0), self._tweak.eq(1)]
                m.next = "KEY"
                with m.If(self._tweak):
                    m.next = "CLEAR"
            self._obey_cancel(m)

    def _finish(self, m: Module) -> None:
        """Nothing of the key stays in the expansion; then the last word is taken and the slot is valid."""
        with m.State("CLEAR"):
            m.d.comb += [self._expansion.step.eq(1), self._expansion.clear.eq(1)]
            m.d.sync += self._row.eq(self._row + 1)
            with m.If(self._row[:3].all()):
                m.next = "FINISH"
            self._obey_cancel(m)
        with m.State("FINISH"):
            m.d.comb += self.install.ready.eq(1)
            with m.If(self.install.valid & ~self.cancel):
                m.d.sync += [
                    self.valid.bit_select(self._slot, 1).eq(1),
                    self._long_slots.bit_select(self._slot, 1).eq(self._long),
                ]
                m.next = "IDLE"
            self._obey_cancel(m)
