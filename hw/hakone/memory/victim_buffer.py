"""Lines on their way from the data cache to memory: two of them, from the first word saved to the acknowledgement.

Clock domain ``sync``. It stands between the miss unit, which fills it ahead of an arriving line, and the line cipher.
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS, SLOT_BITS, LineAnnounce, LineWrite
from .doors import DOMAIN_BITS


class VictimBuffer(wiring.Component):
    """Two lines with their domains, written to memory in the order in which they came.

    ``allocate`` (one cycle, only while ``room``) takes ``line``, ``domain`` and ``slot``; eight ``push`` with ``word``
    follow, the first in the next cycle or later, in address order. In the cycle after ``allocate`` the line is
    announced, even while another one is still being sent, and from that cycle on its write is requested; words follow
    as they come, from the cycle after that. A line leaves with ``write_done``, which memory gives in the order of the
    requests.

    Members: ``room`` (a line can be taken), ``empty`` (everything acknowledged); ``query`` and, in the same cycle,
    ``conflict``: that line is on its way and memory may not be read for it yet. ``announce_valid``, ``announce``,
    ``write``, ``wdata``, ``write_done``, ``write_error`` are those of ``LinePort``. ``poison`` with ``poison_domain``
    for one cycle: a line of that domain was lost. ``failed`` stays high from the first lost line, of any domain, until
    reset.
    """

    allocate: In(1)
    line: In(LINE_BITS)
    domain: In(DOMAIN_BITS)
    slot: In(SLOT_BITS)
    push: In(1)
    word: In(64)
    room: Out(1)
    empty: Out(1)
    query: In(LINE_BITS)
    conflict: Out(1)
    announce_valid: Out(1)
    announce: Out(LineAnnounce)
    write: Out(stream.Signature(LineWrite))
    wdata: Out(stream.Signature(64))
    write_done: In(1)
    write_error: In(1)
    poison: Out(1)
    poison_domain: Out(DOMAIN_BITS)
    failed: Out(1)

    def elaborate(self, platform):
        m = Module()
        valid = Signal(2)
        rows = Signal(data.ArrayLayout(data.StructLayout({"line": LINE_BITS, "domain": DOMAIN_BITS}), 2))
        # Two pointers go round the two places; a third, for what goes to the cipher, stands in ``_send``.
        taken, acknowledged = Signal(), Signal()
        m.submodules.words = words = memory.Memory(shape=64, depth=16, init=[])
        reader, writer = words.read_port(domain="comb"), words.write_port()
        # Word counters with a place above three bits; equal counters mean that nothing is stored.
        pushed, popped = Signal(5), Signal(5)
        m.d.comb += [
            writer.addr.eq(pushed[:4]),
            writer.data.eq(self.word),
            writer.en.eq(self.push),
            reader.addr.eq(popped[:4]),
            self.wdata.payload.eq(reader.data),
            self.room.eq(~valid.all()),
            self.empty.eq(~valid.any()),
            self.conflict.eq(Cat(valid[n] & (rows[n].line == self.query) for n in range(2)).any()),
        ]
        with m.If(self.push):
            m.d.sync += pushed.eq(pushed + 1)
        m.d.sync += self.announce_valid.eq(self.allocate)
        with m.If(self.allocate):
            m.d.sync += [
                self.announce.slot.eq(self.slot),
                self.announce.place.eq(taken),
                valid.bit_select(taken, 1).eq(1),
                rows[taken].line.eq(self.line),
                rows[taken].domain.eq(self.domain),
                taken.eq(~taken),
            ]
        self._send(m, rows, pushed, popped)
        m.d.comb += self.poison_domain.eq(rows[acknowledged].domain)
        with m.If(self.write_done):
            m.d.sync += [valid.bit_select(acknowledged, 1).eq(0), acknowledged.eq(~acknowledged)]
            with m.If(self.write_error):
                m.d.comb += self.poison.eq(rows[acknowledged].domain != 0)
                m.d.sync += self.failed.eq(1)
        return m

    def _send(self, m, rows, pushed, popped):
        """Hand the oldest line that has not gone yet to the cipher: the request, then its eight words."""
        sent = Signal()  # the place whose line goes next
        waiting = Signal(range(3))  # lines taken and not yet requested
        requested = self.write.valid & self.write.ready
        m.d.sync += waiting.eq(waiting + self.allocate - requested)
        m.d.comb += [
            self.write.payload.line.eq(rows[sent].line),
            self.write.payload.domain.eq(rows[sent].domain),
            self.write.payload.place.eq(sent),
        ]
        with m.FSM(name="sending"):
            with m.State("REQUEST"):
                m.d.comb += self.write.valid.eq(waiting != 0)
                with m.If(requested):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.wdata.valid.eq(pushed != popped)
                with m.If(self.wdata.valid & self.wdata.ready):
                    m.d.sync += popped.eq(popped + 1)
                    with m.If(popped[:3] == 7):
                        m.d.sync += sent.eq(~sent)
                        m.next = "REQUEST"
