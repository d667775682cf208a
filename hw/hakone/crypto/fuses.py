"""Boot records of the fuses, judged word by word: one record by itself, and one against another.

Clock domain ``sync``. The format is ``isa.formats`` (fuse image, boot record). Nothing here reads the fuses; that and
the order of things is ``boot_loader.BootLoader``.
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..isa import formats
from ..isa.formats import Algorithm, BootStatus
from ..isa.platform import LINE_BYTES, LINE_LOG2, RAM_BASE

WORD_BITS = 5  #: bits of a word index inside a record
_RESERVED = (5, 6, 7, 12, 13, 14, 15)
_CONTEXTS_FORBIDDEN = 1 << 0 | 1 << 15  # context 0 is never protected, bank 15 is no context


class FusePort(wiring.Signature):
    """From the chip to its fuses: ``data`` holds the word that ``addr`` named in the cycle before."""

    def __init__(self):
        super().__init__({"addr": Out(8), "data": In(32)})


class RecordFields(data.Struct):
    """What a record says of its range. ``end_line`` is inside the range. Neither key nor owner id."""

    algorithm: Algorithm
    contexts: 16
    flags: 8
    key_bytes: 8
    start_line: LINE_BITS
    end_line: LINE_BITS
    tag: 32


class RecordCheck(wiring.Component):
    """Checks one boot record completely, by itself.

    ``clear`` (one cycle) forgets everything. Then all 32 words come in order, each in a cycle with ``word_valid``; from
    the cycle after the last one ``status`` is ``LOADED`` for a good record, else the first problem in word order, and
    ``fields`` are valid when it is good. Before, ``status`` is ``EMPTY`` or the first problem so far. An unknown
    algorithm or a reserved bit refuses the record: nothing is ignored. The key itself is not judged and not kept.

    Parameters: ``ram_bytes``, a power of two: protected regions must lie inside ``RAM_BASE`` and that many bytes;
    windows (algorithm ``NONE``) may lie anywhere. Source: ``isa.formats``.
    """

    def __init__(self, ram_bytes: int):
        if ram_bytes & (ram_bytes - 1) or not LINE_BYTES <= ram_bytes <= RAM_BASE or RAM_BASE % ram_bytes:
            raise ValueError(f"ram_bytes = {ram_bytes}: a power of two from {LINE_BYTES} to {RAM_BASE} is needed")
        self._ram_log2 = ram_bytes.bit_length() - 1
        super().__init__(
            {
                "clear": In(1),
                "word_valid": In(1),
                "index": In(WORD_BITS),
                "word": In(32),
                "fields": Out(RecordFields),
                "status": Out(BootStatus),
            }
        )

    def elaborate(self, _platform) -> Module:
        """The first problem wins; the last word turns a clean record into a good one."""
        m = Module()
        problem = Signal(BootStatus)
        with m.Switch(self.index):
            with m.Case(formats.BOOT_WORD_KIND):
                self._check_kind(m, problem)
            with m.Case(formats.BOOT_WORD_ACCESS):
                self._check_access(m, problem)
            with m.Case(formats.BOOT_WORD_START, formats.BOOT_WORD_BYTES):
                self._check_range(m, problem)
            with m.Case(*_RESERVED):
                with m.If(self.word != 0):
                    m.d.comb += problem.eq(BootStatus.BAD_HEADER)
            with m.Case(*range(formats.BOOT_WORD_KEY, formats.BOOT_RECORD_WORDS)):
                beyond = (self.index - formats.BOOT_WORD_KEY) * 4 >= self.fields.key_bytes
                with m.If(beyond & (self.word != 0)):
                    m.d.comb += problem.eq(BootStatus.BAD_KEY_SIZE)

        with m.If(self.clear):
            m.d.sync += [self.fields.eq(0), self.status.eq(BootStatus.EMPTY)]
        with m.Elif(self.word_valid):
            self._latch_fields(m)
            with m.If(self.status == BootStatus.EMPTY):
                m.d.sync += self.status.eq(problem)
                with m.If((problem == BootStatus.EMPTY) & (self.index == formats.BOOT_RECORD_WORDS - 1)):
                    m.d.sync += self.status.eq(BootStatus.LOADED)
        return m

    def _check_kind(self, m: Module, problem) -> None:
        """Word 0: magic and reserved bits, then an algorithm that this version has."""
        algorithm = self.word[16:19]
        available = Cat(algorithm == a.value for a in formats.KEY_BYTES).any()
        with m.If((self.word[:16] != formats.BOOT_RECORD_MAGIC) | (self.word[19:] != 0)):
            m.d.comb += problem.eq(BootStatus.BAD_HEADER)
        with m.Elif(~available):
            m.d.comb += problem.eq(BootStatus.BAD_ALGORITHM)

    def _check_access(self, m: Module, problem) -> None:
        """Word 1: contexts, flags and key size, the last two by algorithm."""
        contexts, flags, key_bytes = self.word[:16], self.word[16:24], self.word[24:]
        allowed, needed = Signal(8), Signal(8)
        m.d.comb += allowed.eq(int(formats.REGION_FLAGS))
        with m.Switch(self.fields.algorithm):
            for algorithm, size_bytes in formats.KEY_BYTES.items():
                with m.Case(algorithm):
                    m.d.comb += needed.eq(size_bytes)
                    if algorithm == Algorithm.NONE:
                        m.d.comb += allowed.eq(int(formats.WINDOW_FLAGS))
        with m.If((contexts == 0) | (contexts & _CONTEXTS_FORBIDDEN).any()):
            m.d.comb += problem.eq(BootStatus.BAD_CONTEXTS)
        with m.Elif((flags & ~allowed).any()):
            m.d.comb += problem.eq(BootStatus.BAD_FLAGS)
        with m.Elif(key_bytes != needed):
            m.d.comb += problem.eq(BootStatus.BAD_KEY_SIZE)

    def _check_range(self, m: Module, problem) -> None:
        """Words 2 and 3: whole lines; with the size, the end and (for a region) the place in RAM."""
        start, lines = self.fields.start_line, self.word[LINE_LOG2:]
        end = Signal(LINE_BITS + 1)  # one bit wider: a range past the end of the address space does not wrap
        line_log2 = self._ram_log2 - LINE_LOG2
        ram = RAM_BASE >> self._ram_log2
        outside = (start[line_log2:] != ram) | (end[line_log2:LINE_BITS] != ram)
        m.d.comb += end.eq(start + lines - 1)
        with m.If(self.word[:LINE_LOG2] != 0):
            m.d.comb += problem.eq(BootStatus.MISALIGNED)
        with m.Elif(self.index == formats.BOOT_WORD_BYTES):
            with m.If((lines == 0) | end[LINE_BITS]):
                m.d.comb += problem.eq(BootStatus.EMPTY_RANGE)
            with m.Elif((self.fields.algorithm != Algorithm.NONE) & outside):
                m.d.comb += problem.eq(BootStatus.OUTSIDE_RAM)

    def _latch_fields(self, m: Module) -> None:
        """Keep what the entries and the domain will need."""
        fields, word = self.fields, self.word
        with m.Switch(self.index):
            with m.Case(formats.BOOT_WORD_KIND):
                m.d.sync += fields.algorithm.eq(word[16:19])
            with m.Case(formats.BOOT_WORD_ACCESS):
                m.d.sync += [
                    fields.contexts.eq(word[:16]),
                    fields.flags.eq(word[16:24]),
                    fields.key_bytes.eq(word[24:]),
                ]
            with m.Case(formats.BOOT_WORD_START):
                m.d.sync += fields.start_line.eq(word[LINE_LOG2:])
            with m.Case(formats.BOOT_WORD_BYTES):
                m.d.sync += fields.end_line.eq(fields.start_line + word[LINE_LOG2:] - 1)
            with m.Case(formats.BOOT_WORD_TAG):
                m.d.sync += fields.tag.eq(word)


class RecordCompare(wiring.Component):
    """Compares the record at hand with an earlier, good one, word by word, each pair as (``own``, ``other``).

    ``clear`` (one cycle) begins. Then pairs of all 32 words come in order, each with ``pair_valid``; from the cycle
    after the last, the answers are valid. The same number of cycles is taken whatever the words are, and no word is
    kept, so that owner ids and keys leave nothing behind.

    Members: ``fields`` of the record at hand; ``overlap`` (a common context and a common line); ``same_owner``;
    ``same_key`` (key and algorithm); ``same_tag``; ``same_start``; ``other_protected`` (the other is no window).
    """

    fields: In(RecordFields)
    clear: In(1)
    pair_valid: In(1)
    index: In(WORD_BITS)
    own: In(32)
    other: In(32)
    overlap: Out(1)
    same_owner: Out(1)
    same_key: Out(1)
    same_tag: Out(1)
    same_start: Out(1)
    other_protected: Out(1)

    def elaborate(self, _platform) -> Module:
        """Every answer begins as true and is lost at the first word that says otherwise."""
        m = Module()
        differs = self.own != self.other
        other_start = Signal(LINE_BITS)
        other_end = other_start + self.other[LINE_LOG2:] - 1
        answers = (self.overlap, self.same_owner, self.same_key, self.same_tag, self.same_start)
        with m.If(self.clear):
            m.d.sync += [answer.eq(1) for answer in answers]
        with m.Elif(self.pair_valid):
            with m.Switch(self.index):
                with m.Case(formats.BOOT_WORD_KIND):
                    m.d.sync += self.other_protected.eq(self.other[16:19] != Algorithm.NONE.value)
                    self._lose(m, differs, self.same_key)
                with m.Case(formats.BOOT_WORD_ACCESS):
                    self._lose(m, (self.other[:16] & self.fields.contexts) == 0, self.overlap)
                with m.Case(formats.BOOT_WORD_START):
                    m.d.sync += other_start.eq(self.other[LINE_LOG2:])
                    self._lose(m, differs, self.same_start)
                    self._lose(m, self.other[LINE_LOG2:] > self.fields.end_line, self.overlap)
                with m.Case(formats.BOOT_WORD_BYTES):
                    self._lose(m, other_end < self.fields.start_line, self.overlap)
                with m.Case(formats.BOOT_WORD_TAG):
                    self._lose(m, differs, self.same_tag)
                with m.Case(*range(formats.BOOT_WORD_OWNER, formats.BOOT_WORD_OWNER + 4)):
                    self._lose(m, differs, self.same_owner)
                with m.Case(*range(formats.BOOT_WORD_KEY, formats.BOOT_RECORD_WORDS)):
                    self._lose(m, differs, self.same_key)
        return m

    @staticmethod
    def _lose(m: Module, condition, answer: Signal) -> None:
        """Drop ``answer`` when ``condition`` holds."""
        with m.If(condition):
            m.d.sync += answer.eq(0)
