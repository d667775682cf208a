"""Line engine for AES-XTS: whole lines of 64 bytes, as they arrive, in four lanes.

Clock domain ``sync``. A line is one data unit of IEEE 1619-2018 (section 5): four blocks, no ciphertext stealing.
Keys are in ``crypto.key_store``; which line has which tweak and key, and the bus, are left to ``memory.line_cipher``.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..crypto.aes_lane import COLUMN_BITS, COLUMNS, UNUSED, AesLane, KeyReadPort
from ..isa.formats import Algorithm
from .xts_port import XtsPrepare, XtsRecall, XtsStart
from .xts_tweak import TWEAK_BITS, TweakUnit, times_alpha

LANES = 4  #: blocks of a line
WORD_BITS = 64


class XtsLine(wiring.Component):
    """Encrypts or decrypts lines of 64 bytes in AES-XTS, eight words of 64 bits in and eight out.

    ``prepare`` orders the tweak of a line, long before its data where possible: 11 cycles (15 for AES-256) after it
    was taken the tweak can be used. ``start`` begins a line; it must not be taken
    before the ``prepare`` of its place is (the same cycle will do), and it is taken as soon as every block of the
    line before is at work. Words are then taken, one per cycle, whether the tweak is ready or not. Block n starts in
    lane n in the cycle in which its second word is taken, or when the tweak is ready, or when its lane is free,
    whatever is last. Its first result word is valid 10 cycles later (14), its second follows, and all come in address
    order. So the last word of a line comes out 11 cycles (15) after the last went in. ``result`` waits for ``ready``;
    the lane waits with it. A lane takes a block every 12 cycles (16), so this is what a line takes when many follow
    each other.

    A line that was started must get all its eight words. A place can be prepared again from the first result word of
    its line on. A line started with ``keep`` leaves its encrypted tweak in row ``slot``, from where ``recall`` copies
    it to a place when the line is to be encrypted again: within three cycles, as long as no ``prepare`` or ``recall``
    of that place follows. The row is written before the line's first result word is there.

    Members: ``prepare`` (stream of ``XtsPrepare``); ``start`` (stream of ``XtsStart``); ``recall_valid`` with
    ``recall`` (``XtsRecall``, always taken, at least three cycles apart); ``data`` and ``result`` (streams of 64 bits,
    byte 0 in bits 7 to 0); ``data_keys`` (a ``KeyReadPort`` per lane) and ``tweak_keys``, to the key store. An
    algorithm other than AES256_XTS is taken as AES128_XTS.

    It does not check that the slot has a valid key: whoever drives ``prepare`` and ``start`` does, and erases no key
    while a line is in here. Confidentiality only: no tampering is noticed. Time depends on the algorithm and the
    handshakes, never on keys or data. The buffers keep the last line until the next. Source: IEEE 1619-2018, 5.2 to
    5.4.
    """

    prepare: In(stream.Signature(XtsPrepare))
    start: In(stream.Signature(XtsStart))
    recall_valid: In(1)
    recall: In(XtsRecall)
    data: In(stream.Signature(WORD_BITS))
    result: Out(stream.Signature(WORD_BITS))
    data_keys: Out(KeyReadPort()).array(LANES)
    tweak_keys: Out(KeyReadPort())

    def elaborate(self, _platform) -> Module:
        """Lanes, tweak unit, then the side where data enters and the side where results leave."""
        m = Module()
        self._lanes = [AesLane() for _ in range(LANES)]
        for n, lane in enumerate(self._lanes):
            m.submodules[f"lane_{n}"] = lane
            wiring.connect(m, lane.keys, wiring.flipped(self.data_keys[n]))
        m.submodules.tweaks = self._tweaks = TweakUnit()
        wiring.connect(m, self._tweaks.prepare, wiring.flipped(self.prepare))
        wiring.connect(m, self._tweaks.keys, wiring.flipped(self.tweak_keys))

        self._active = Signal()  # a line whose blocks have not all started
        self._begun = Signal(LANES)  # its blocks that have
        self._tweak = Signal(TWEAK_BITS)  # its encrypted tweak, and the same one cycle before it is there
        self._entry_tweak = Signal(TWEAK_BITS)
        self._has_tweak = Signal()
        self._inverse = Signal()  # it is decrypted
        self._handed = Signal()  # the tweak has gone on to the result side
        self._enter(m)
        self._leave(m)
        return m

    def _enter(self, m: Module) -> None:
        """The line that enters: its settings, its tweak, its words, and when its blocks start."""
        line, taken = Signal(XtsStart), Signal(4)
        tweaks, word = self._tweaks, self.data
        bypass, take = Signal(), word.valid & word.ready
        finished = self._begun.all() & self._handed
        m.d.comb += [
            tweaks.place.eq(line.place),
            # At least two cycles: no line goes on before its tweak has been handed on, which takes one.
            tweaks.keep.eq(self._active & self._has_tweak & line.keep),
            tweaks.keep_slot.eq(line.slot),
            tweaks.kept.eq(self._tweak),
            tweaks.recall_valid.eq(self.recall_valid),
            tweaks.recall.eq(self.recall),
            bypass.eq(~self._has_tweak & tweaks.tweak_fresh),
            self.start.ready.eq(~self._active | finished),
            word.ready.eq(self._active & ~taken[3]),
            self._entry_tweak.eq(self._tweak),
        ]
        with m.If(bypass):
            m.d.comb += self._entry_tweak.eq(tweaks.fresh)
        with m.If(self._active & ~self._has_tweak & tweaks.prepared.bit_select(line.place, 1)):
            m.d.sync += [self._tweak.eq(tweaks.tweak), self._has_tweak.eq(1)]
        with m.If(take):
            m.d.sync += taken.eq(taken + 1)
        with m.If(finished):
            m.d.sync += self._active.eq(0)
        m.d.comb += self._inverse.eq(~line.encrypt)
        for n, columns in enumerate(self._turned_tweak(m, self._inverse)):
            self._enter_block(m, n, line, taken, take, bypass, columns)
        with m.If(self.start.valid & self.start.ready):
            m.d.sync += [
                line.eq(self.start.payload),
                taken.eq(0),
                self._active.eq(1),
                self._begun.eq(0),
                self._has_tweak.eq(0),
                self._handed.eq(0),
            ]

    def _turned_tweak(self, m: Module, inverse) -> list:
        """The tweaks of the four blocks in columns, in the order of the lanes: columns 1 and 3 change places for
        decryption. That is done once, before the multiplication, which only shifts the bits of these two.
        """
        margin = LANES - 1  # the largest shift
        low, high = (self._entry_tweak[at - margin : at + COLUMN_BITS] for at in (COLUMN_BITS, 3 * COLUMN_BITS))
        second, fourth = Signal(COLUMN_BITS + margin), Signal(COLUMN_BITS + margin)
        m.d.comb += [second.eq(low), fourth.eq(high)]
        with m.If(inverse):
            m.d.comb += [second.eq(high), fourth.eq(low)]
        tweaks = []
        for n in range(LANES):
            columns = [Cat(times_alpha(self._entry_tweak, n)).word_select(c, COLUMN_BITS) for c in range(COLUMNS)]
            columns[1] = second[margin - n : margin - n + COLUMN_BITS]
            columns[3] = fourth[margin - n : margin - n + COLUMN_BITS]
            tweaks.append(columns)
        return tweaks

    def _enter_block(self, m: Module, n: int, line, taken, take, bypass, tweak) -> None:
        """Lane ``n``: load the key when it is free, start when words and tweak are there. Columns 1 and 3 come in the
        upper halves of the first and of the second word; for decryption they change places.
        """
        lane, inverse = self._lanes[n], self._inverse
        first, second = taken[:3] == 2 * n, taken[:3] == 2 * n + 1
        live = [Const(0), second & inverse, second, second & ~inverse]  # it comes in this cycle
        comes = [first, Mux(inverse, second, first), second, Mux(inverse, first, second)]
        for c in range(COLUMNS):
            column, arriving = Signal(COLUMN_BITS, name=f"block_{n}_{c}"), self.data.payload.word_select(c % 2, 32)
            with m.If(take & comes[c]):
                m.d.sync += column.eq(arriving)
            # In one expression, so that a simulator can leave it out while no block starts.
            m.d.comb += lane.block[c].eq(Mux(live[c], arriving, column) ^ tweak[c])
        m.d.comb += [
            lane.key_slot.eq(line.key_slot),
            lane.inverse.eq(inverse),
            lane.long.eq(line.algorithm == Algorithm.AES256_XTS),
            lane.load.eq(self._active & ~self._begun[n] & (lane.idle | lane.release)),
            lane.start.eq(lane.armed & (self._has_tweak | bypass) & ((taken[1:] > n) | (second & take))),
        ]
        with m.If(lane.start):
            m.d.sync += self._begun[n].eq(1)

    def _leave(self, m: Module) -> None:
        """The line that leaves: lane by lane, half by half, the tweak multiplied on from block to block."""
        leaving, given, tweak, inverse = Signal(), Signal(3), Signal(TWEAK_BITS), Signal()
        half, take, hand = given[0], Signal(), Signal()
        turns = Cat(lane.done & (given[1:] == n) for n, lane in enumerate(self._lanes))
        m.d.comb += [
            self.result.valid.eq(turns.any() & leaving),
            self.result.payload.eq(UNUSED),
            take.eq(self.result.valid & self.result.ready),
            hand.eq(self._active & self._has_tweak & (~leaving | (take & given.all()))),
        ]
        # Gated and added up rather than chosen by number: fewer levels of logic, and fewer LUTs of four inputs.
        low, high = Const(0, COLUMN_BITS), Const(0, COLUMN_BITS)
        for n, lane in enumerate(self._lanes):
            turn = given[1:] == n
            m.d.comb += lane.release.eq(take & half & turn)
            for c in range(2):
                chosen, turned = turn & (half == c), turn & (half ^ inverse == c)
                low = low | (lane.result[2 * c] & chosen.replicate(COLUMN_BITS))
                high = high | (lane.result[2 * c + 1] & turned.replicate(COLUMN_BITS))
        word = Cat(low, high)
        with m.If(self.result.valid):
            m.d.comb += self.result.payload.eq(word ^ Mux(half, tweak[WORD_BITS:], tweak[:WORD_BITS]))
        with m.If(take):
            m.d.sync += given.eq(given + 1)
        with m.If(take & half):
            m.d.sync += tweak.eq(Cat(times_alpha(tweak, 1)))
        with m.If(take & given.all()):
            m.d.sync += leaving.eq(0)
        with m.If(hand):
            m.d.sync += [leaving.eq(1), tweak.eq(self._tweak), inverse.eq(self._inverse), self._handed.eq(1)]
