"""Attribute registers: which lines of which context lie under which domain, key slot, owner and rights.

Clock domain ``sync``. The ranges, which every look-up compares at once, stand in flops; the rest of an entry stands
in a small memory that a look-up reads at the index it found (two read ports: fetch and data). The comparison itself is
``lookup.AttributeLookup``. Requirement AR-02 names the fields.
"""

from amaranth import Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import LINE_BITS
from ..isa.formats import Algorithm

ENTRIES_MAX = 16  #: entries that an index of four bits can name
READ_PORTS = 2  #: fetch and data


class AttributeRange(data.Struct):
    """What a look-up compares: the owner context and the first and last line, both inside the range."""

    context: 4
    start_line: LINE_BITS
    end_line: LINE_BITS


class AttributeContent(data.Struct):
    """What a look-up reads: cipher, key-store slot and key size in bytes, rights, domain and owner index.

    ``domain`` is 0 for a window to plain memory. ``owner`` is 0 where no owner id applies.
    """

    algorithm: Algorithm
    key_slot: 4
    key_bytes: 7
    flags: 8  # isa.formats.RegionFlag
    domain: 4
    owner: 4


class AttributeEntry(data.Struct):
    """One whole attribute entry, as it is installed."""

    range: AttributeRange
    content: AttributeContent


class AttributeReadPort(wiring.Signature):
    """From a look-up to the registers: every range out of flops, and the content of entry ``index`` in the same cycle.

    A place without an entry has context 0, which never matches; its ``content`` means nothing. ``entries``: 1 to 16.
    """

    def __init__(self, entries: int):
        if not 1 <= entries <= ENTRIES_MAX:
            raise ValueError(f"entries = {entries}: 1 to {ENTRIES_MAX} are possible")
        self.entries = entries
        super().__init__(
            {
                "range": In(AttributeRange).array(entries),
                "index": Out(4),
                "content": In(AttributeContent),
            }
        )


class AttributeRegisters(wiring.Component):
    """The attribute entries of the chip. No software at any level has a way to read them.

    ``install`` takes one entry per cycle into the next free place; it is seen by look-ups from the next cycle on.
    ``install.ready`` is low, and stays so, when every place is taken: nothing is ever overwritten. ``free`` is the
    number of places left. Synchronous reset empties all. The caller installs only entries that do not overlap another
    one of the same context, and none of context 0; the look-up ignores entries of context 0 in any case.

    Parameters: ``entries``, 1 to 16. Members: ``install`` (stream of ``AttributeEntry``), ``free`` (0 to ``entries``),
    ``read`` (two ``AttributeReadPort``, seen from this side). Errors: ``ValueError`` for an impossible number of
    entries.
    """

    def __init__(self, entries: int = ENTRIES_MAX):
        port = AttributeReadPort(entries)
        self._entries = entries
        super().__init__(
            {
                "install": In(stream.Signature(AttributeEntry)),
                "free": Out(range(entries + 1), init=entries),
                "read": In(port).array(READ_PORTS),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Flops for the ranges, a memory for the contents, a counter of used places."""
        m = Module()
        m.submodules.contents = contents = memory.Memory(shape=AttributeContent, depth=ENTRIES_MAX, init=[])
        write = contents.write_port()
        used = Signal(range(self._entries + 1))
        ranges = [Signal(AttributeRange, name=f"range_{n}") for n in range(self._entries)]

        m.d.comb += [
            self.install.ready.eq(used != self._entries),
            self.free.eq(self._entries - used),
            write.addr.eq(used),
            write.data.eq(self.install.payload.content),
            write.en.eq(self.install.valid & self.install.ready),
        ]
        with m.If(write.en):
            m.d.sync += used.eq(used + 1)
        for n in range(self._entries):
            with m.If(write.en & (used == n)):
                m.d.sync += ranges[n].eq(self.install.payload.range)
        for port in self.read:
            content = contents.read_port(domain="comb")
            m.d.comb += [content.addr.eq(port.index), port.content.eq(content.data)]
            for n in range(self._entries):
                m.d.comb += port.range[n].eq(ranges[n])
        return m
