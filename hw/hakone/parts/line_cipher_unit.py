"""Memory encryption between a foreign AXI4 manager and its memory, to take away. Clock domain ``sync``.

The line cipher of ``memory.line_cipher`` with attribute entries, domains and keys of its own, a subordinate port for
plaintext, a manager port for ciphertext, and a register port. Sources: IEEE 1619-2018; ARM IHI 0022H.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4
from ..bus.core_ports import LineBeat, LineRead
from ..crypto.attributes import AttributeRegisters
from ..crypto.domains import DomainTable
from ..crypto.key_store import KeyStore
from ..crypto.lookup_walk import AttributeWalker
from ..memory.line_cipher import LineCipher
from ..memory.xts import XtsLine
from .document import PartDocument, flat
from .entry_manager import EntryManager
from .entry_registers import EntryRegisters
from .read_side import ID_BITS, ReadSide
from .verdict import FetchRequest, Verdict
from .write_side import WriteSide

ENTRIES = 8

DOCUMENT = PartDocument(
    purpose=f"""Memory encryption on the way from any AXI4 manager (a processor's memory port, a DMA engine) to memory:
        AES-XTS (IEEE 1619) with 128-bit or 256-bit keys in up to {ENTRIES} ranges of addresses, each with a key of its
        own. A data unit is a line of 64 bytes. Its tweak is, little-endian, the number of the line inside its range (64
        bits), the range's tag (32 bits), zero (32 bits). Addresses in no entry pass as they are, or are refused.

        REGISTERS (s_axil, 32-bit words at byte addresses): 00 identity, reads 484B4C43; 04 control: bit 0 refuses
        accesses that hit no entry, bit 1 locks control and entries until reset (reset: both 0); 08 status: bit 0 busy,
        bits 7..4 result of the last command, bits 12..8 free entries; 0C command: 1 installs an entry, 2 removes the
        one that begins at START; 10 START and 14 BYTES, multiples of 64; 18 TAG; 1C KIND: bits 2..0 algorithm (0 none,
        1 XTS-AES-128, 2 XTS-AES-256), bit 8 may be read, bit 9 may be written; 40 to 7C KEY, write only: data key, then
        tweak key, byte 0 in bits 7..0 of the first word, 8 words for XTS-AES-128, 16 for XTS-AES-256. The key words are
        wiped at the end of every command. Results: 0 done, 1 bad algorithm, 2 no rights, 3 bad range, 4 overlap, 5 no
        entry free, 6 key incomplete or its halves equal, 7 another entry has this key and this tag, 8 nothing to
        remove, 9 bad command. SLVERR answers reads of command and keys (data 0), addresses without a register, strobes
        not all high, and every write while busy or locked.

        ACCESSES. Bursts of every kind and size of AXI4 up to 64 bits a beat, one read and one write burst at a time.
        m_axi reads whole lines. A write that covers a line of an encrypted range whole goes out without a read; one
        that does not reads the line, puts its bytes over it and writes it whole. A write in plain memory goes out with
        its own strobes, as a burst of eight beats. m_axi is for memory: not for devices, which would see reads and
        writes beyond what was asked for. Exclusive accesses are done as ordinary ones and answered OKAY.
        SLVERR: an access without the right, to no entry while that is refused, with an error of the memory, of a burst
        that AXI4 does not know, or of beats wider than 64 bits. Nothing of such a line is written.""",
    ports={
        "clk": "clock",
        "rst": "reset: for two cycles at least. No entry is left; keys are overwritten in the 512 cycles behind it.",
        "s_axi_aw*": "AXI4 subordinate, plaintext: write addresses. awcache and awprot are not looked at.",
        "s_axi_w*": "write data",
        "s_axi_b*": "write responses, when the memory has acknowledged everything",
        "s_axi_ar*": "read addresses. arcache and arprot are not looked at.",
        "s_axi_r*": "read data",
        "m_axi_aw*": "AXI4 manager, to memory: aligned bursts of eight 64-bit beats; id, lock, cache and prot are 0",
        "m_axi_w*": "write data",
        "m_axi_b*": "write responses; the identifier is not looked at",
        "m_axi_ar*": "read addresses, as for writes",
        "m_axi_r*": "read data; in order, the identifier is not looked at",
        "s_axil_*": "AXI4-Lite subordinate: the registers. For whoever is trusted with keys, and nobody else.",
    },
    cycles="""Read: a line's address is at m_axi 4 cycles after it was taken at s_axi. AES-128: the first word is given
        12 cycles after the memory gave its own (AES-256: 16) when the line follows the one read before, or the memory
        took 10 cycles (14) from the address on; else as many cycles later as it took fewer. Plain: 1 cycle after the
        memory's. Then a word a cycle. Write: the address of a line that is written whole is at m_axi 16 cycles
        (AES-256: 23, plain: 2) after its last word was taken, if the words came without a pause; the response comes 2
        cycles after the memory's. Each direction knows the two ranges (entries, or gaps between them) that it used
        last. A line in another one, or the first after a change of the entries, takes 3 to 10 cycles more, and up to as
        many again while the other direction looks for one, too; while there is no entry, none. An entry takes effect
        between two bursts: no burst sees half of a change. While no burst is at work, to install an entry takes about
        390 cycles (AES-256: 620, algorithm none: 30), and to remove one 45. How long a burst takes depends on
        addresses, entries and handshakes, never on data or keys.""",
    protects="""the contents of the encrypted ranges from whoever sees or owns m_axi and the memory; keys from everyone:
        no port shows them, and the register port only takes them. Two entries never share key and tag, so that one line
        never stands in two places under one tweak.""",
    leaves="""integrity: who writes to the memory can change a line into noise, or put an old line of the same place
        back, unnoticed. Which line is used when, and that a line was written again with what it held before, can be
        seen. Whoever reaches s_axi sees plaintext; whoever reaches s_axil before the lock can install and remove, which
        makes memory unreadable but never readable without the key. Nothing is masked against who measures power or
        makes faults.""",
)


class LineCipherUnit(wiring.Component):
    """The unit of ``DOCUMENT``. ``entries``: 1 to 15."""

    def __init__(self, entries: int = ENTRIES):
        self._entries = entries
        self._registers = EntryRegisters()
        lite = self._registers.signature.members
        super().__init__(
            {
                **flat("s_axi", Axi4(id_bits=ID_BITS), In),
                **flat("m_axi", Axi4(), Out),
                **{
                    name.replace("axi_", "s_axil_", 1): m.flow(m.shape)
                    for name, m in lite.items()
                    if name.startswith("axi_")
                },
            }
        )

    def elaborate(self, _platform) -> Module:
        """Parts, and wires between them."""
        m = Module()
        m.submodules.reads = reads = ReadSide()
        m.submodules.writes = writes = WriteSide()
        m.submodules.cipher = cipher = LineCipher()
        m.submodules.engine = engine = XtsLine()
        m.submodules.keys = keys = KeyStore()
        m.submodules.domains = domains = DomainTable(ports=3)
        m.submodules.registers = self._registers
        m.submodules.manager = manager = EntryManager(self._entries)
        self._connect_entries(m, reads, writes, manager)
        self._connect_registers(m, manager, keys)
        self._connect_keys(m, manager, keys, engine)
        self._connect_domains(m, manager, domains, cipher, writes)
        self._connect_engine(m, cipher, engine, writes)
        self._share_fetch(m, reads, writes, cipher)
        self._connect_buses(m, reads, writes, cipher)
        m.d.comb += [
            manager.idle.eq(~reads.busy & ~writes.busy),
            reads.hold.eq(manager.hold),
            writes.hold.eq(manager.hold),
            cipher.flush.eq(manager.changed),
            cipher.key_valid.eq(keys.valid),
        ]
        return m

    def _connect_entries(self, m: Module, reads, writes, manager) -> None:
        """The attribute registers, and one walker for both directions."""
        m.submodules.entries = entries = AttributeRegisters(self._entries)
        m.submodules.walker = walker = AttributeWalker()
        wiring.connect(m, walker.registers, entries.read)
        wiring.connect(m, manager.entry, entries.install)
        wiring.connect(m, manager.walk, entries.walk)
        for n, (name, side) in enumerate((("read", reads), ("write", writes))):
            m.submodules[f"{name}_verdict"] = verdict = Verdict()
            wiring.connect(m, side.verdict, verdict.port)
            wiring.connect(m, verdict.lookup, walker.sides[n])
            m.d.comb += verdict.refuse.eq(self._registers.refuse)
        m.d.comb += [self._registers.free.eq(entries.free), manager.alone.eq(entries.free == self._entries - 1)]

    def _connect_registers(self, m: Module, manager, keys) -> None:
        """The register port outwards, and its commands to the manager."""
        registers = self._registers
        for name, member in registers.signature.members.items():
            if name.startswith("axi_"):
                inside, outside = getattr(registers, name), getattr(self, name.replace("axi_", "s_axil_", 1))
                m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        for name in ("command_valid", "command", "start", "bytes", "tag", "kind", "key_write", "key_index", "key_word"):
            m.d.comb += getattr(manager, name).eq(getattr(registers, name))
        m.d.comb += [registers.busy.eq(manager.busy | keys.busy), registers.status.eq(manager.status)]

    def _connect_keys(self, m: Module, manager, keys, engine) -> None:
        """Words into the store, round keys to the lanes, and nothing else."""
        wiring.connect(m, manager.key, keys.install)
        wiring.connect(m, manager.erase, keys.erase)
        wiring.connect(m, manager.search, keys.search)
        wiring.connect(m, engine.tweak_keys, keys.tweak_keys)
        for lane, port in enumerate(keys.data_keys):
            wiring.connect(m, engine.data_keys[lane], port)

    def _connect_domains(self, m: Module, manager, domains, cipher, writes) -> None:
        """Rows for both directions of the cipher and for the tweaks of lines to be written."""
        for n, port in enumerate((cipher.read_domain, cipher.write_domain, writes.domain)):
            wiring.connect(m, port, domains.read[n])
        wiring.connect(m, manager.row_walk, domains.walk)
        m.d.comb += [
            domains.install.eq(manager.row_write),
            domains.install_domain.eq(manager.row_domain),
            domains.install_row.eq(manager.row),
        ]

    def _connect_engine(self, m: Module, cipher, engine, writes) -> None:
        """The tweak of a line to be written is ordered here; nothing is kept from its read, so nothing is recalled."""
        for name in ("start", "data", "result"):
            wiring.connect(m, getattr(cipher.engine, name), getattr(engine, name))
        m.d.comb += [
            engine.prepare.valid.eq(cipher.engine.prepare.valid | writes.prepare.valid),
            engine.prepare.payload.eq(cipher.engine.prepare.payload),
            writes.prepare.ready.eq(engine.prepare.ready),
            cipher.engine.prepare.ready.eq(engine.prepare.ready & ~writes.prepare.valid),
        ]
        with m.If(writes.prepare.valid):
            m.d.comb += engine.prepare.payload.eq(writes.prepare.payload)

    def _share_fetch(self, m: Module, reads, writes, cipher) -> None:
        """One line at a time for either side, in turns where both want one; its beats go to who asked."""
        fetching, for_write, last_write = Signal(), Signal(), Signal()
        request = Signal(LineRead)
        lines = cipher.lines
        choice = writes.fetch.valid & (~reads.fetch.valid | ~last_write)
        chosen, pending = Signal(FetchRequest), Signal()
        m.d.comb += [
            chosen.eq(Mux(choice, writes.fetch.payload.as_value(), reads.fetch.payload.as_value())),
            lines.read.valid.eq(pending),
            lines.read.payload.eq(request),
            reads.fetch.ready.eq(~fetching & ~choice & reads.fetch.valid),
            writes.fetch.ready.eq(~fetching & choice),
        ]
        with m.If(~fetching & (reads.fetch.valid | writes.fetch.valid)):
            m.d.sync += [
                fetching.eq(1),
                pending.eq(1),
                for_write.eq(choice),
                last_write.eq(choice),
                request.line.eq(chosen.line),
                request.domain.eq(chosen.domain),
            ]
        with m.If(pending & lines.read.ready):
            m.d.sync += pending.eq(0)
        with m.If(lines.beat_valid & lines.beat.last):
            m.d.sync += fetching.eq(0)
        beat = Signal(LineBeat)
        m.d.comb += [
            beat.eq(lines.beat),
            reads.beat.eq(beat),
            writes.beat.eq(beat),
            reads.beat_valid.eq(lines.beat_valid & ~for_write),
            writes.beat_valid.eq(lines.beat_valid & for_write),
        ]

    def _connect_buses(self, m: Module, reads, writes, cipher) -> None:
        """The subordinate port to both sides; the manager port to the cipher, or to the writer of plain lines."""
        for name, member in Axi4(id_bits=ID_BITS).flip().members.items():
            side = reads if name.startswith(("ar", "r")) else writes
            inside, outside = getattr(side.axi, name), getattr(self, f"s_axi_{name}")
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        for name, member in Axi4().members.items():
            inside, outside = getattr(cipher.axi, name), getattr(self, f"m_axi_{name}")
            plain = getattr(writes.memory_axi, name)
            reading = name.startswith(("ar", "r"))
            if member.flow == Out:
                m.d.comb += outside.eq(inside if reading else Mux(writes.plain, plain, inside))
            elif reading:
                m.d.comb += inside.eq(outside)
            elif member.shape == 1:
                m.d.comb += [inside.eq(outside & ~writes.plain), plain.eq(outside & writes.plain)]
            else:
                m.d.comb += [inside.eq(outside), plain.eq(outside)]
        for name in ("write", "wdata"):
            inside = {"write": writes.write, "wdata": writes.words}[name]
            outside = getattr(cipher.lines, name)
            m.d.comb += [
                outside.valid.eq(inside.valid),
                outside.payload.eq(inside.payload),
                inside.ready.eq(outside.ready),
            ]
        m.d.comb += [
            writes.write_done.eq(cipher.lines.write_done),
            writes.write_error.eq(cipher.lines.write_error),
        ]
