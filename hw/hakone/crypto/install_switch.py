"""Who fills the tables: the boot loader until it lets the core go, the region unit from then on. No clock domain."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainRow
from .attributes import AttributeEntry
from .boot_loader import KeyWord
from .domains import DOMAINS


class InstallPort(wiring.Signature):
    """Everything that an installation writes: key words, entries, and a domain row for one cycle."""

    def __init__(self):
        super().__init__(
            {
                "key_install": Out(stream.Signature(KeyWord)),
                "attribute_install": Out(stream.Signature(AttributeEntry)),
                "domain_install": Out(1),
                "domain_number": Out(range(DOMAINS)),
                "domain_row": Out(DomainRow),
            }
        )


class InstallSwitch(wiring.Component):
    """Connects ``tables`` to ``loader``, or with ``started`` to ``regions``; the other one waits. Combinational.

    Members: three ``InstallPort``, ``loader`` and ``regions`` seen from this side.
    """

    loader: In(InstallPort())
    regions: In(InstallPort())
    tables: Out(InstallPort())
    started: In(1)

    def elaborate(self, _platform) -> Module:
        """A multiplexer."""
        m = Module()
        tables = self.tables
        for choice, source in ((~self.started, self.loader), (self.started, self.regions)):
            with m.If(choice):
                m.d.comb += [
                    tables.domain_install.eq(source.domain_install),
                    tables.domain_number.eq(source.domain_number),
                    tables.domain_row.eq(source.domain_row),
                ]
                for name in ("key_install", "attribute_install"):
                    wiring.connect(m, wiring.flipped(getattr(source, name)), wiring.flipped(getattr(tables, name)))
        return m
