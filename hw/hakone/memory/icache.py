"""Instruction cache: set-associative, physical 64-byte lines, each with its domain. Clock domain ``sync``.

64 bits a cycle come out of block RAM; tags stand in LUT RAM. The cache keeps plaintext of protected code, so a line
answers only to the domain that it was filled under, and no physical line is held twice. Whether a fetch is allowed
is left to the fetch unit, which asks for a fill only when it is; reading and decrypting the line to the miss unit.
"""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..bus.core_ports import BEATS_PER_LINE, LINE_BITS, InstructionMissPort
from ..isa.platform import LINE_BYTES
from .doors import InvalidatePort
from .icache_tags import InstructionTags

BEAT_BITS = ceil_log2(BEATS_PER_LINE)
BLOCK_BITS = LINE_BITS + BEAT_BITS  #: bits of the number of a 64-bit block in a 32-bit address space


class LineFill(wiring.Component):
    """Fetches one line at a time from the miss unit.

    ``start`` in cycle t: the request is on ``miss`` from t+1 on until the beat with ``last``, in cycle u. In t+1
    ``clear`` is high, so that the victim cannot hit while it is overwritten. In u+1 ``ended`` is high: ``commit`` tells
    that the line is whole and may hit from u+2 on, ``failed`` that a beat had an error. Every beat is written as it
    comes.

    Members
    -------
    start : In(1), start_line : In(26), start_domain : In(4), start_rom : In(1)
        Begin; only while ``idle``.
    discard : In(1)
        The line in flight must not become valid (it is still read to its end).
    idle, fetching, clear, ended, commit, failed : Out(1)
        States as above; ``fetching`` is high while the request stands, with ``line`` and ``domain``.
    line : Out(26), domain : Out(4), beat : Out(3)
        The line on its way and the number of the next beat.
    miss : Out(InstructionMissPort())
    """

    start: In(1)
    start_line: In(LINE_BITS)
    start_domain: In(4)
    start_rom: In(1)
    discard: In(1)
    idle: Out(1)
    fetching: Out(1)
    clear: Out(1)
    ended: Out(1)
    commit: Out(1)
    failed: Out(1)
    line: Out(LINE_BITS)
    domain: Out(4)
    beat: Out(BEAT_BITS)
    miss: Out(InstructionMissPort())

    def elaborate(self, platform):
        m = Module()
        rom, error, dropped = Signal(), Signal(), Signal()
        m.d.comb += [
            self.miss.valid.eq(self.fetching),
            self.miss.line.eq(self.line),
            self.miss.domain.eq(self.domain),
            self.miss.rom.eq(rom),
        ]
        with m.If(self.discard):
            m.d.sync += dropped.eq(1)
        with m.If(self.miss.beat_valid):
            m.d.sync += [self.beat.eq(self.beat + 1), error.eq(error | self.miss.beat.error)]
        m.d.sync += self.clear.eq(0)

        with m.FSM(name="state"):
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                with m.If(self.start):
                    m.d.sync += [
                        self.line.eq(self.start_line),
                        self.domain.eq(self.start_domain),
                        rom.eq(self.start_rom),
                    ]
                    m.d.sync += [self.beat.eq(0), error.eq(0), dropped.eq(0), self.clear.eq(1)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.fetching.eq(1)
                with m.If(self.miss.beat_valid & self.miss.beat.last):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [
                    self.ended.eq(1),
                    self.commit.eq(~error & ~dropped),
                    self.failed.eq(error),
                ]
                m.next = "SETTLE"
            # A block whose tags were read in the cycle of END did not see the new line: no second fill for it.
            with m.State("SETTLE"):
                m.next = "IDLE"
        return m


class InstructionCache(wiring.Component):
    """The instruction cache, looked at over two cycles.

    ``next_block`` (virtual) in cycle t-1 and the same block's physical number as ``block`` in cycle t; both agree in
    the address bits within 4096 bytes, which choose the set. In t ``data`` is that block, if ``present``, and belongs
    to ``held_domain``. ``touch`` in t tells that it was used. In t+1 a fill for the line of that block may be started
    with ``fill_start``, if ``fill_idle``. While ``blocked``, the answers of that cycle mean nothing.

    Parameters
    ----------
    bytes, ways : int
        Capacity, 1024 to 16384, a power of two, and 1, 2 or 4 ways of at most 4096 bytes.
    ram_bytes : int
        Memory from ``RAM_BASE`` on, a power of two. Only its lines, and as many from address 0 on, are told apart; the
        fetch unit refuses all others but the mask ROM.

    Members
    -------
    next_block : In(29), block : In(29)
        Number of a 64-bit block (address without its low three bits).
    data : Out(64), present : Out(1), held_domain : Out(4), blocked : Out(1), touch : In(1)
        As above.
    fill_start : In(1), fill_line : In(26), fill_domain : In(4), fill_rom : In(1)
        Read a line and keep it, unless an error, an invalidation or a flush comes in between.
    fill_idle, fill_ended, fill_failed : Out(1)
        ``fill_ended`` for one cycle: reading again, with ``next_block`` in this very cycle, finds the line; with
        ``fill_failed`` the memory answered with an error and the line is not kept.
    flush_start : In(1), flush_busy : Out(1)
        Forget every line: ``flush_busy`` is high from the next cycle on for as many cycles as there are sets, and after
        a reset. A fill in flight is not kept.
    invalidate : In(InvalidatePort())
        As in ``InstructionTags``.
    miss : Out(InstructionMissPort())
    event_miss : Out(1)
        One cycle per line asked for.

    Raises ``ValueError`` for an impossible size. It protects nothing from code that is allowed to fetch; data words of
    invalid lines stay in the RAM until overwritten, where no port can read them.
    """

    def __init__(self, *, bytes: int, ways: int, ram_bytes: int):
        if ways not in (1, 2, 4) or bytes & (bytes - 1) or not 2 * LINE_BYTES <= bytes // ways <= 4096:
            raise ValueError(f"instruction cache of {bytes} bytes in {ways} ways: a way has 128 to 4096 bytes")
        self.ways = ways
        self.sets = bytes // ways // LINE_BYTES
        self.ram_bytes = ram_bytes
        super().__init__(
            {
                "next_block": In(BLOCK_BITS),
                "block": In(BLOCK_BITS),
                "data": Out(64),
                "present": Out(1),
                "held_domain": Out(4),
                "blocked": Out(1),
                "touch": In(1),
                "fill_start": In(1),
                "fill_line": In(LINE_BITS),
                "fill_domain": In(4),
                "fill_rom": In(1),
                "fill_idle": Out(1),
                "fill_ended": Out(1),
                "fill_failed": Out(1),
                "flush_start": In(1),
                "flush_busy": Out(1),
                "invalidate": In(InvalidatePort()),
                "miss": Out(InstructionMissPort()),
                "event_miss": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.tags = tags = InstructionTags(sets=self.sets, ways=self.ways, ram_bytes=self.ram_bytes)
        m.submodules.fill = fill = LineFill()
        connect(m, flipped(self.invalidate), tags.invalidate)
        connect(m, fill.miss, flipped(self.miss))
        m.d.comb += [
            tags.line.eq(self.block[BEAT_BITS:]),
            tags.touch.eq(self.touch),
            tags.take.eq(self.fill_start),
            self.present.eq(tags.match.any()),
            self.held_domain.eq(tags.domain),
            self.blocked.eq(tags.blocked),
            tags.fill_line.eq(fill.line),
            tags.fill_domain.eq(fill.domain),
            tags.fill_active.eq(fill.fetching),
            tags.clear.eq(fill.clear),
            tags.commit.eq(fill.commit),
            tags.flush_start.eq(self.flush_start),
            self.flush_busy.eq(tags.flush_busy),
            fill.start.eq(self.fill_start),
            fill.start_line.eq(self.fill_line),
            fill.start_domain.eq(self.fill_domain),
            fill.start_rom.eq(self.fill_rom),
            fill.discard.eq(self.flush_start | tags.discard),
            self.fill_idle.eq(fill.idle),
            self.fill_ended.eq(fill.ended),
            self.fill_failed.eq(fill.failed),
            self.event_miss.eq(self.fill_start),
        ]
        self._data(m, tags, fill)
        return m

    def _data(self, m, tags, fill):
        """One block RAM per way. The victim is invalid while it is written, so a colliding read is never used."""
        index_bits = ceil_log2(self.sets) + BEAT_BITS
        words = []
        for n in range(self.ways):
            ram = memory.Memory(shape=64, depth=self.sets * BEATS_PER_LINE, init=[])
            m.submodules[f"data{n}"] = ram
            write, read = ram.write_port(), ram.read_port()
            m.d.comb += [
                read.addr.eq(self.next_block[:index_bits]),
                read.en.eq(Const(1)),
                write.addr.eq(Cat(fill.beat, fill.line)[:index_bits]),
                write.data.eq(self.miss.beat.data),
                write.en.eq(self.miss.beat_valid & (tags.fill_way == n)),
            ]
            words.append(read.data)
        m.d.comb += self.data.eq(words[0])
        for n in range(1, self.ways):
            with m.If(tags.match[n]):
                m.d.comb += self.data.eq(words[n])
