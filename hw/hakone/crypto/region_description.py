"""A region description, judged as a whole once its words are on the chip.

Clock domain ``sync``. The format is ``isa.formats`` (``REGION_WORD_*``). What concerns keys, other entries and the
place in memory is left to ``region_install``.
"""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..bus.open_checks import OpenCheck, is_open
from ..isa import VERSION, formats
from ..isa.formats import Algorithm, RegionStatus
from ..isa.platform import LINE_LOG2

_SEGMENT_LINES_LOG2 = formats.SEGMENT_SHIFT - LINE_LOG2


class DescriptionFields(data.Struct):
    """What a description says. ``end_line`` is inside the range."""

    algorithm: Algorithm
    flags: 8  # isa.formats.RegionFlag
    key_bytes: 8
    segment: 4
    start_line: LINE_BITS
    end_line: LINE_BITS
    tag: 32


class DescriptionCheck(wiring.Component):
    """Takes the eight words of a description and judges them.

    ``clear`` (one cycle) forgets everything. Then the words come in order, each in a cycle with ``word_valid``. From
    the cycle after the last one on, ``status`` is ``DONE`` for a good description, else its first problem in the order
    header, algorithm, flags, key size, alignment, size, segment; and ``fields`` are what stood in it. Nothing that is
    not known is ignored: an algorithm without a raw key or a reserved bit refuses the description.

    Members: ``segments`` (constant meanwhile): segments are on, so that the description names the one of its start;
    else it names 0. A region lies in one segment in either case, because its place is judged by one base; a window
    need not, because every access through it is judged by itself. Parameter ``switches``: see ``bus.open_checks``.
    """

    clear: In(1)
    segments: In(1)
    word_valid: In(1)
    index: In(range(formats.REGION_WORDS))
    word: In(32)
    fields: Out(DescriptionFields)
    status: Out(RegionStatus)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """A bit for what is only looked at, registers for what is kept; the judgement is made of both."""
        m = Module()
        word, fields = self.word, self.fields
        bad_header, misaligned, bad_size = Signal(), Signal(), Signal()
        lines = word[LINE_LOG2:]
        end = Signal(LINE_BITS + 1)  # one bit wider: a range past the end of the address space does not wrap
        m.d.comb += end.eq(fields.start_line + lines - 1)
        with m.If(self.clear):
            m.d.sync += [fields.eq(0), bad_header.eq(0), misaligned.eq(0), bad_size.eq(0)]
        with m.Elif(self.word_valid):
            with m.Switch(self.index):
                with m.Case(formats.REGION_WORD_KIND):
                    known = formats.REGION_MAGIC | VERSION >> 16 << 24
                    m.d.sync += [
                        bad_header.eq(Cat(word[:16], word[19:]) != (known & 0xFFFF | known >> 19 << 16)),
                        fields.algorithm.eq(word[16:19]),
                    ]
                with m.Case(formats.REGION_WORD_ACCESS):
                    m.d.sync += [
                        bad_header.eq(bad_header | word[20:].any()),
                        fields.flags.eq(word[:8]),
                        fields.key_bytes.eq(word[8:16]),
                        fields.segment.eq(word[16:20]),
                    ]
                with m.Case(formats.REGION_WORD_START):
                    m.d.sync += [misaligned.eq(word[:LINE_LOG2].any()), fields.start_line.eq(lines)]
                with m.Case(formats.REGION_WORD_BYTES):
                    m.d.sync += [
                        misaligned.eq(misaligned | word[:LINE_LOG2].any()),
                        bad_size.eq((lines == 0) | end[LINE_BITS]),
                        fields.end_line.eq(end),
                    ]
                with m.Case(formats.REGION_WORD_TAG):
                    m.d.sync += fields.tag.eq(word)
                with m.Default():
                    m.d.sync += bad_header.eq(bad_header | word.any())
        self._judge(m, bad_header, misaligned, bad_size)
        return m

    def _judge(self, m: Module, bad_header, misaligned, bad_size) -> None:
        """The first problem."""
        fields, status = self.fields, self.status
        available, window = Signal(), fields.algorithm == Algorithm.NONE
        allowed, needed = Signal(8), Signal(8)
        m.d.comb += allowed.eq(int(formats.REGION_FLAGS))
        with m.Switch(fields.algorithm):
            for algorithm, size_bytes in formats.KEY_BYTES.items():
                with m.Case(algorithm):
                    m.d.comb += [available.eq(1), needed.eq(size_bytes)]
                    if algorithm == Algorithm.NONE:
                        m.d.comb += allowed.eq(int(formats.WINDOW_FLAGS))
        segment = fields.start_line[_SEGMENT_LINES_LOG2:]
        named = segment & self.segments.replicate(len(segment))
        crosses = ~window & (fields.end_line[_SEGMENT_LINES_LOG2:] != segment)
        with m.If(bad_header):
            m.d.comb += status.eq(RegionStatus.BAD_HEADER)
        with m.Elif(~available):
            m.d.comb += status.eq(RegionStatus.BAD_ALGORITHM)
        with m.Elif((fields.flags & ~allowed).any()):
            m.d.comb += status.eq(RegionStatus.BAD_FLAGS)
        with m.Elif(fields.key_bytes != needed):
            m.d.comb += status.eq(RegionStatus.BAD_KEY)
        with m.Elif(misaligned & ~is_open(self._switches, OpenCheck.ALIGNMENT)):
            m.d.comb += status.eq(RegionStatus.MISALIGNED)
        with m.Elif(bad_size):
            m.d.comb += status.eq(RegionStatus.EMPTY_RANGE)
        with m.Elif((fields.segment != named) | crosses):
            m.d.comb += status.eq(RegionStatus.BAD_SEGMENT)
