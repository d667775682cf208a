"""A fixed table of attribute entries beside one side of the core: every range and every gap worked out beforehand."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hakone.bus.core_ports import LookupPort, RegionMatch

LINES = 1 << 26


def ranges(entries, context):
    """The maximal ranges of a context, gaps included: (first, last, entry or None)."""
    found, begin = [], 0
    for entry in sorted((e for e in entries if e.context == context), key=lambda e: e.first):
        if begin < entry.first:
            found.append((begin, entry.first - 1, None))
        found.append((entry.first, entry.last, entry))
        begin = entry.last + 1
    if begin < LINES:
        found.append((begin, LINES - 1, None))
    return found


def match_of(entry):
    """What a look-up says of an entry of the tests; None: of a gap."""
    if entry is None:
        return RegionMatch.const({})
    names = ("algorithm", "domain", "key_slot", "owner")
    fields = {name: getattr(entry, name) for name in names} | {"hit": 1, "flags": int(entry.flags)}
    return RegionMatch.const(fields | {"segment_base": entry.latched_base})


class RangeTable(wiring.Component):
    """Answers a request in the cycle after it, as ``port`` (``LookupPort``) says. Nothing ever changes."""

    port: In(LookupPort())

    def __init__(self, entries):
        super().__init__()
        self.entries = tuple(entries)

    def elaborate(self, platform):
        """Find the range around the line."""
        m = Module()
        port = self.port
        m.d.sync += port.done.eq(port.want & ~port.done)
        bare = Signal()
        m.d.comb += [port.bare.eq(bare), bare.eq(1)]
        for context in {e.context for e in self.entries}:
            with m.If(port.context == context):
                m.d.comb += bare.eq(0)
                for first, last, entry in ranges(self.entries, context):
                    with m.If((port.line >= first) & (port.line <= last)):
                        m.d.sync += [port.first.eq(first), port.last.eq(last), port.match.eq(match_of(entry))]
                        m.d.sync += port.owner.eq(context)
        return m
