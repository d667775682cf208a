"""The register port of the line cipher unit: AXI4-Lite, 32 bits.

Clock domain ``sync``. Part of ``line_cipher_unit``; what a command does is ``entry_manager``. Source: ARM IHI 0022H,
chapter B1.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Response
from ..isa.formats import Algorithm

ADDRESS_BITS = 8
IDENTITY = 0x484B_4C43  #: "HKLC", in the first register
KEY_WORDS = 16


class Register(enum.IntEnum, shape=8):
    """Byte addresses."""

    IDENTITY = 0x00  #: read only
    CONTROL = 0x04  #: bit 0: refuse what hits no entry; bit 1: locked until reset, can only be set
    STATUS = 0x08  #: read only; bit 0: busy; bits 7..4: what became of the last command; bits 12..8: free entries
    COMMAND = 0x0C  #: write only: ``Command``
    START = 0x10  #: first byte of the range, a multiple of 64
    BYTES = 0x14  #: its size, a multiple of 64
    TAG = 0x18  #: part of the tweak
    KIND = 0x1C  #: bits 2..0: algorithm; bit 8: may be read; bit 9: may be written
    KEY = 0x40  #: sixteen words, write only: data key, then tweak key


class Command(enum.IntEnum, shape=2):
    """What can be written to ``COMMAND``."""

    INSTALL = 1  #: an entry as the registers describe it
    REMOVE = 2  #: the entry that begins at ``START``


class EntryStatus(enum.IntEnum, shape=4):
    """What became of a command; anything but ``DONE`` has changed nothing."""

    DONE = 0
    BAD_ALGORITHM = 1  #: none of NONE, AES128_XTS, AES256_XTS
    BAD_RIGHTS = 2  #: neither to be read nor to be written
    BAD_RANGE = 3  #: not whole lines, empty, or past the end of the address space
    OVERLAP = 4  #: with another entry
    NO_ROOM = 5  #: every entry is in use
    BAD_KEY = 6  #: words are missing, or data key and tweak key are equal
    TAG_REUSED = 7  #: another entry has this key and this tag
    NOT_FOUND = 8  #: no entry begins at ``START``
    BAD_COMMAND = 9


class EntryRegisters(wiring.Component):
    """Registers of ``Register``. A write is answered in the cycle after address and data were both taken, a read in the
    cycle after its address was.

    SLVERR, and nothing happens: an address without a register; a write with a strobe low; a write while ``busy`` or
    locked; a write to a register that is read only; a read of COMMAND or of a key word, which gives zero.

    Members: ``axi_<name>``, the signals of AXI4-Lite; ``busy``, ``status`` and ``free`` as they stand; ``refuse``;
    ``command_valid`` for one cycle with ``command``; ``start``, ``bytes``, ``tag``, ``kind`` as last written;
    ``key_write`` for one cycle with ``key_index`` and ``key_word``.
    """

    def __init__(self):
        axi = {}
        for channel, flow in (("aw", In), ("ar", In)):
            axi |= {f"{channel}addr": flow(ADDRESS_BITS), f"{channel}prot": flow(3)}
        axi |= {"wdata": In(32), "wstrb": In(4), "bresp": Out(Response), "rdata": Out(32), "rresp": Out(Response)}
        for channel in ("aw", "w", "ar"):
            axi |= {f"{channel}valid": In(1), f"{channel}ready": Out(1)}
        for channel in ("b", "r"):
            axi |= {f"{channel}valid": Out(1), f"{channel}ready": In(1)}
        super().__init__(
            {
                **{f"axi_{name}": member for name, member in axi.items()},
                "busy": In(1),
                "status": In(EntryStatus),
                "free": In(5),
                "refuse": Out(1),
                "command_valid": Out(1),
                "command": Out(2),
                "start": Out(32),
                "bytes": Out(32),
                "tag": Out(32),
                "kind": Out(32),
                "key_write": Out(1),
                "key_index": Out(range(KEY_WORDS)),
                "key_word": Out(32),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Writes, then reads; both directions are independent."""
        m = Module()
        self._locked = Signal()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m: Module) -> None:
        """Address and data are taken together, when no response waits."""
        both = self.axi_awvalid & self.axi_wvalid & ~self.axi_bvalid
        address, word = self.axi_awaddr, self.axi_wdata
        possible = both & self.axi_wstrb.all() & ~self.busy & ~self._locked & (address[:2] == 0)
        known = Signal()
        m.d.comb += [
            self.axi_awready.eq(both),
            self.axi_wready.eq(both),
            self.command.eq(word),
            self.key_index.eq(address[2:6]),
            self.key_word.eq(word),
        ]
        with m.Switch(address):
            with m.Case(Register.CONTROL):
                m.d.comb += known.eq(1)
                with m.If(possible):
                    m.d.sync += [self.refuse.eq(word[0]), self._locked.eq(word[1])]
            with m.Case(Register.COMMAND):
                m.d.comb += [known.eq(1), self.command_valid.eq(possible)]
            for register, value in self._staged():
                with m.Case(register):
                    m.d.comb += known.eq(1)
                    with m.If(possible):
                        m.d.sync += value.eq(word)
        with m.If(address[6:] == Register.KEY >> 6):
            m.d.comb += [known.eq(1), self.key_write.eq(possible)]
        with m.If(both):
            m.d.sync += [
                self.axi_bvalid.eq(1),
                self.axi_bresp.eq(Mux(possible & known, Response.OKAY, Response.SLVERR)),
            ]
        with m.If(self.axi_bvalid & self.axi_bready):
            m.d.sync += self.axi_bvalid.eq(0)

    def _staged(self):
        """Registers that only hold what the next command needs."""
        return (
            (Register.START, self.start),
            (Register.BYTES, self.bytes),
            (Register.TAG, self.tag),
            (Register.KIND, self.kind),
        )

    def _read(self, m: Module) -> None:
        """One read at a time. Key words are nowhere on this path."""
        take = self.axi_arvalid & ~self.axi_rvalid
        value, known = Signal(32), Signal()
        m.d.comb += self.axi_arready.eq(take)
        readable = (
            (Register.IDENTITY, Const(IDENTITY, 32)),
            (Register.CONTROL, Cat(self.refuse, self._locked)),
            (Register.STATUS, Cat(self.busy, Const(0, 3), self.status, self.free)),
            *self._staged(),
        )
        with m.Switch(self.axi_araddr):
            for register, word in readable:
                with m.Case(register):
                    m.d.comb += [value.eq(word), known.eq(1)]
        with m.If(take):
            m.d.sync += [
                self.axi_rvalid.eq(1),
                self.axi_rdata.eq(value),
                self.axi_rresp.eq(Mux(known, Response.OKAY, Response.SLVERR)),
            ]
        with m.If(self.axi_rvalid & self.axi_rready):
            m.d.sync += self.axi_rvalid.eq(0)


#: Ciphers that an entry can have.
ALGORITHMS = (Algorithm.NONE, Algorithm.AES128_XTS, Algorithm.AES256_XTS)
