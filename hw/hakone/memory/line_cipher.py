"""Line cipher: between the miss unit and the memory bus, where plaintext ends.

Clock domain ``sync``. Lines of protected domains pass the XTS engine (``xts.XtsLine``) in both directions; lines of
domain 0 pass as they are. Source: IEEE 1619-2018 (data unit = line of 64 bytes, tweak = ``isa.formats.tweak_bytes``).
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4
from ..bus.core_ports import DomainPort, LinePort
from ..isa.formats import Algorithm
from .line_read import LineKind, LineReader
from .line_write import LineWriter
from .tweak_places import WRITE_PLACES, TweakPlaces
from .xts_port import XtsPort


class LineCipher(wiring.Component):
    """Serves one read and one write at a time between ``lines`` and ``axi``.

    Cycles: the address of a read is on the bus in the cycle after the request was taken. A plain beat passes in the
    cycle of its arrival. Of a protected line, the last beat leaves eleven cycles after the last word arrived (AES-128;
    AES-256 fifteen), if its tweak had been predicted or the memory takes longer than the tweak; otherwise it waits for
    the tweak. The last word of an eviction can go to the bus twelve cycles (sixteen) after it would in plaintext,
    because its tweak was kept when the line was read. A read and a write may be in the engine one behind the other;
    the later one waits for lanes, which are free twelve (sixteen) cycles after the earlier one used them.

    Kept tweaks: a read with ``keep`` leaves its encrypted tweak in the row of its slot; ``announce`` takes it out of
    there, before the slot's next line can overwrite it. No line is ever written that was not read: the data cache
    allocates on a store, so there is no other way to a tweak for writing. ``flush`` leaves the rows alone: what a slot
    holds was decrypted under the row and key of its read, and a change of these is only right while the data cache
    holds no line of that domain: ``clrk`` cleans before the row dies. If it did, its lines would go out
    under the new key with an old tweak: ciphertext still, but lost. Nothing in the rows is used after a reset, since
    no slot holds a line until one was read.

    A domain whose row is not valid, whose key slot is empty, or whose algorithm is not one of the engine's, is
    refused: no bus cycle; a read is answered with errors, a write is dropped and reported. With ``cipher`` False
    (control runs in simulation) every line of a valid domain passes as it is and the engine is not used.

    Members: ``lines`` (``LinePort``), ``axi`` (manager), ``read_domain`` and ``write_domain`` (rows), ``key_valid``
    (bit per key slot), ``engine`` (``XtsPort``), ``flush`` (a row or a key changes: forget tweaks held for reading),
    ``event_line_decrypt`` and ``event_line_encrypt``. Protects the contents of lines against whoever sees the bus;
    not their integrity, nor which line is used when.
    """

    def __init__(self, cipher: bool = True):
        self._cipher = cipher
        super().__init__(
            {
                "lines": In(LinePort()),
                "axi": Out(Axi4()),
                "read_domain": Out(DomainPort()),
                "write_domain": Out(DomainPort()),
                "key_valid": In(16),
                "engine": Out(XtsPort()),
                "flush": In(1),
                "event_line_decrypt": Out(1),
                "event_line_encrypt": Out(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Reader, writer, tweak places, and the engine between them."""
        m = Module()
        m.submodules.reader = reader = LineReader()
        m.submodules.writer = writer = LineWriter()
        m.submodules.places = places = TweakPlaces()
        lines = self.lines
        wiring.connect(m, wiring.flipped(lines.read), reader.request)
        wiring.connect(m, wiring.flipped(lines.write), writer.request)
        wiring.connect(m, wiring.flipped(lines.wdata), writer.words)
        m.d.comb += [
            self.read_domain.domain.eq(lines.read.payload.domain),
            self.write_domain.domain.eq(lines.write.payload.domain),
            lines.beat_valid.eq(reader.beat_valid),
            lines.beat.eq(reader.beat),
            lines.write_done.eq(writer.done),
            lines.write_error.eq(writer.error),
            self.event_line_decrypt.eq(reader.decrypted),
            self.event_line_encrypt.eq(writer.encrypted),
        ]
        for unit, request, port in ((reader, lines.read, self.read_domain), (writer, lines.write, self.write_domain)):
            m.d.comb += [unit.row.eq(port.row), unit.kind.eq(LineKind.REFUSED)]
            self._judge(m, request.payload.domain, port.row, unit.kind)
        self._connect_bus(m, reader, writer)
        self._connect_tweaks(m, reader, places)
        self._share_engine(m, reader, writer, places)
        return m

    def _judge(self, m: Module, domain, row, kind) -> None:
        """What the line needs. The default, refusal, stands for everything that is not known to be right."""
        xts = (row.algorithm == Algorithm.AES128_XTS) | (row.algorithm == Algorithm.AES256_XTS)
        with m.If(domain == 0):
            m.d.comb += kind.eq(LineKind.PLAIN)
        with m.Elif(row.valid & xts & self.key_valid.bit_select(row.key_slot, 1)):
            m.d.comb += kind.eq(LineKind.PROTECTED if self._cipher else LineKind.PLAIN)

    def _connect_bus(self, m: Module, reader: LineReader, writer: LineWriter) -> None:
        """The reader owns the two read channels, the writer the other three."""
        for name, member in self.axi.signature.members.items():
            unit = reader if name.startswith(("ar", "r")) else writer
            inside, outside = getattr(unit.axi, name), getattr(self.axi, name)
            m.d.comb += outside.eq(inside) if member.flow == Out else inside.eq(outside)

    def _connect_tweaks(self, m: Module, reader: LineReader, places: TweakPlaces) -> None:
        """Tweaks of lines to be read are encrypted; those of lines to be written were kept in the engine's rows."""
        lines, engine = self.lines, self.engine
        m.d.comb += [
            places.read_valid.eq(reader.tweak_valid),
            places.read.eq(reader.tweak),
            places.read_current.eq(reader.tweak_current),
            reader.tweak_ready.eq(places.read_ready),
            places.flush.eq(self.flush),
            reader.flush.eq(self.flush),
            engine.prepare.valid.eq(places.prepare_valid),
            engine.prepare.payload.eq(places.prepare),
            places.prepare_ready.eq(engine.prepare.ready),
            engine.recall_valid.eq(lines.announce_valid),
            engine.recall.slot.eq(lines.announce.slot),
            engine.recall.place.eq(WRITE_PLACES | lines.announce.place),
        ]

    def _share_engine(self, m: Module, reader: LineReader, writer: LineWriter, places: TweakPlaces) -> None:
        """One line of each direction may be in the engine; a read goes first into it. Words are of the line that was
        started last, results of the one before it while that is there.
        """
        engine = self.engine
        reading, writing = Signal(), Signal()  # such a line is in the engine, from its start to its last result
        newest_read = Signal()  # the one started last is a read
        for_read, for_write = reader.claim & ~reading, writer.claim & ~writing
        start = engine.start.payload
        m.d.comb += [
            reader.write_waits.eq(writer.waits & ~writing),
            engine.start.valid.eq(for_read | for_write),
            start.encrypt.eq(~for_read),
            start.algorithm.eq(Mux(for_read, reader.tweak.row.algorithm, writer.algorithm)),
            start.key_slot.eq(Mux(for_read, reader.tweak.row.key_slot, writer.key_slot)),
            start.place.eq(Mux(for_read, places.read_place, WRITE_PLACES | writer.place)),
            start.keep.eq(for_read & reader.keep),
            start.slot.eq(reader.slot),
            reader.granted.eq(reading & newest_read),
            writer.granted.eq(writing & ~newest_read),
            reader.leaving.eq(reading & ~(writing & newest_read)),
            writer.leaving.eq(writing & ~(reading & ~newest_read)),
        ]
        with m.If(reader.decrypted):
            m.d.sync += reading.eq(0)
        with m.If(writer.encrypted):
            m.d.sync += writing.eq(0)
        with m.If(engine.start.valid & engine.start.ready):
            m.d.sync += newest_read.eq(for_read)
            with m.If(for_read):
                m.d.sync += reading.eq(1)
            with m.Else():
                m.d.sync += writing.eq(1)
        for unit in (reader, writer):
            m.d.comb += unit.result.payload.eq(engine.result.payload)
            with m.If(unit.granted):
                m.d.comb += [
                    engine.data.valid.eq(unit.data.valid),
                    engine.data.payload.eq(unit.data.payload),
                    unit.data.ready.eq(engine.data.ready),
                ]
            with m.If(unit.leaving):
                m.d.comb += [unit.result.valid.eq(engine.result.valid), engine.result.ready.eq(unit.result.ready)]
