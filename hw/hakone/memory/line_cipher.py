"""Line cipher: between the miss unit and the memory bus, where plaintext ends.

Clock domain ``sync``. Lines of protected domains pass the XTS engine (``xts.XtsLine``) in both directions; lines of
domain 0 pass as they are. Source: IEEE 1619-2018 (data unit = line of 64 bytes, tweak = ``isa.formats.tweak_bytes``).
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4
from ..bus.core_ports import BEATS_PER_LINE, DomainPort, LinePort
from ..isa.formats import Algorithm
from .line_read import LineKind, LineReader
from .line_write import LineWriter
from .tweak_places import WRITE_PLACE, TweakPlaces
from .xts_port import XtsPort


class EngineOwner(enum.Enum, shape=2):
    """Whose line is in the engine."""

    NOBODY = 0
    READ = 1
    WRITE = 2


class LineCipher(wiring.Component):
    """Serves one read and one write at a time between ``lines`` and ``axi``.

    Cycles: the address of a read is on the bus in the cycle after the request was taken. A plain beat passes in the
    cycle of its arrival. Of a protected line, the last beat leaves eleven cycles after the last word arrived (AES-128;
    AES-256 fifteen), if its tweak had been predicted or the memory takes longer than the tweak; otherwise it waits for
    the tweak. An eviction announced before its words are there leaves in eleven cycles likewise.

    A domain whose row is not valid, whose key slot is empty, or whose algorithm is not one of the engine's, is
    refused: no bus cycle; a read is answered with errors, a write is dropped and reported. With ``cipher`` False
    (control runs in simulation) every line of a valid domain passes as it is and the engine is not used.

    Members: ``lines`` (``LinePort``), ``axi`` (manager), ``read_domain`` and ``write_domain`` (rows), ``key_valid``
    (bit per key slot), ``engine`` (``XtsPort``), ``flush`` (a row or a key changes: forget kept tweaks),
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
        self._connect_tweaks(m, reader, writer, places)
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

    def _connect_tweaks(self, m: Module, reader: LineReader, writer: LineWriter, places: TweakPlaces) -> None:
        """Requests to the places, their requests to the engine."""
        m.d.comb += [
            places.read_valid.eq(reader.tweak_valid),
            places.read.eq(reader.tweak),
            places.read_current.eq(reader.tweak_current),
            reader.tweak_ready.eq(places.read_ready),
            places.write_valid.eq(writer.tweak_valid),
            places.write.eq(writer.tweak),
            writer.tweak_ready.eq(places.write_ready),
            writer.tweak_prepared.eq(places.write_prepared),
            places.flush.eq(self.flush),
            reader.flush.eq(self.flush),
            self.engine.prepare.valid.eq(places.prepare_valid),
            self.engine.prepare.payload.eq(places.prepare),
            places.prepare_ready.eq(self.engine.prepare.ready),
            places.prepared.eq(self.engine.prepared),
        ]

    def _share_engine(self, m: Module, reader: LineReader, writer: LineWriter, places: TweakPlaces) -> None:
        """One line is in the engine at a time; a read goes first. The owner changes when the last result is taken."""
        engine, owner = self.engine, Signal(EngineOwner)
        results = Signal(range(BEATS_PER_LINE))
        for_read = reader.claim
        start = engine.start.payload
        m.d.comb += [
            reader.write_waits.eq(writer.waits),
            engine.start.valid.eq((owner == EngineOwner.NOBODY) & (reader.claim | writer.claim)),
            start.encrypt.eq(~for_read),
            start.algorithm.eq(Mux(for_read, reader.tweak.row.algorithm, writer.tweak.row.algorithm)),
            start.key_slot.eq(Mux(for_read, reader.tweak.row.key_slot, writer.tweak.row.key_slot)),
            start.place.eq(Mux(for_read, places.read_place, WRITE_PLACE)),
        ]
        with m.If(engine.start.valid & engine.start.ready):
            m.d.sync += owner.eq(Mux(for_read, EngineOwner.READ, EngineOwner.WRITE))
        for unit, mine in ((reader, EngineOwner.READ), (writer, EngineOwner.WRITE)):
            m.d.comb += [unit.granted.eq(owner == mine), unit.result.payload.eq(engine.result.payload)]
            with m.If(owner == mine):
                m.d.comb += [
                    engine.data.valid.eq(unit.data.valid),
                    engine.data.payload.eq(unit.data.payload),
                    unit.data.ready.eq(engine.data.ready),
                    unit.result.valid.eq(engine.result.valid),
                    engine.result.ready.eq(unit.result.ready),
                ]
        with m.If(engine.result.valid & engine.result.ready):
            m.d.sync += results.eq(results + 1)
            with m.If(results == BEATS_PER_LINE - 1):
                m.d.sync += owner.eq(EngineOwner.NOBODY)
