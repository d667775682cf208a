"""Region unit: installs and releases attribute entries, domains and keys at run time.

Clock domain ``sync``. The core gives it ``setik`` and ``clrk`` through ``RegionPort``; it works on the attribute
registers, the domain table and the key store, which reset has filled before (``boot_loader``). ``region_install`` and
``region_release`` know the order of things.
"""

from amaranth import Module, Mux, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, flipped

from ..bus.core_ports import DomainCleanPort, DomainRow, RegionCommand, RegionPort
from .attributes import AttributeEntry, AttributeWalkPort
from .boot_loader import KeyWord
from .domains import DOMAINS, DomainWalkPort
from .raw_keys import SLOTS, KeySearchPort
from .region_install import RegionInstall
from .region_release import RegionRelease
from .region_walk import ANSWERS, TableWalk


class RegionUnit(wiring.Component):
    """Executes one command of ``port`` at a time.

    An installation takes about 60 cycles beside its loads, and for a region another 19 for each word of the key, and
    when the key is new 194 (AES-128) or 266 (AES-256). A refusal or an abort ends within 50 cycles and has changed
    nothing. A release takes about 40 cycles, and when a domain ends with it the cleaning of its lines, the flush of the
    instruction cache and 34 cycles for the key. The core fetches anew after every command.

    Parameters: ``ram_bytes``, a power of two: regions lie inside ``RAM_BASE`` and that many bytes;
    ``switches``: see ``bus.open_checks``. Members: ``port``;
    ``attribute_install``, ``attributes``, ``contexts`` (attribute registers); ``domain_install`` with
    ``domain_number`` and ``domain_row``, ``domains`` (domain table); ``key_install``, ``key_cancel``, ``key_erase``,
    ``key_busy``, ``key_valid``, ``search`` (key store); ``clean`` (data side); ``flush_instruction`` (one cycle) and
    ``flush_busy`` (fetch unit); ``changed`` (one cycle): a row appears or dies, what the line cipher keeps is stale.

    Protects: see ``RegionInstall``. No answer tells anything of another context's entries, but whether a key and tag
    that the asker knows are bound, and how full the tables are.
    """

    def __init__(self, ram_bytes: int, switches: Value | None = None):
        self._switches = switches
        self._install = RegionInstall(ram_bytes, switches)
        super().__init__(
            {
                "port": In(RegionPort()),
                "attribute_install": Out(stream.Signature(AttributeEntry)),
                "attributes": Out(AttributeWalkPort()),
                "contexts": In(16),
                "domain_install": Out(1),
                "domain_number": Out(range(DOMAINS)),
                "domain_row": Out(DomainRow),
                "domains": Out(DomainWalkPort()),
                "key_install": Out(stream.Signature(KeyWord)),
                "key_cancel": Out(1),
                "key_erase": Out(stream.Signature(4)),
                "key_busy": In(1),
                "key_valid": In(SLOTS),
                "search": Out(KeySearchPort()),
                "clean": Out(DomainCleanPort()),
                "flush_instruction": Out(1),
                "flush_busy": In(1),
                "changed": Out(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Two workers, one walk between them."""
        m = Module()
        m.submodules.install = install = self._install
        m.submodules.release = release = RegionRelease(self._switches)
        m.submodules.walk = walk = TableWalk(self._switches)
        port = self.port
        for name in ("key_install", "search", "attribute_install"):
            wiring.connect(m, flipped(getattr(self, name)), getattr(install, name))
        for name in ("key_erase", "clean"):
            wiring.connect(m, flipped(getattr(self, name)), getattr(release, name))
        for name in ("key_cancel", "domain_install", "domain_number", "domain_row"):
            m.d.comb += getattr(self, name).eq(getattr(install, name))
        m.d.comb += [
            install.entry_free.eq(self.attribute_install.ready),
            install.key_valid.eq(self.key_valid),
            install.key_busy.eq(self.key_busy),
            release.key_busy.eq(self.key_busy),
            release.flush_busy.eq(self.flush_busy),
            self.flush_instruction.eq(release.flush_instruction),
            self.changed.eq(install.domain_install | release.remove_domain),
            port.entries.eq(self.contexts),
            port.code.eq(release.code),
            release.place_code.eq(self.attributes.place.code),
        ]
        self._connect_port(m, install, release)
        self._connect_walk(m, install, release, walk)
        return m

    def _connect_port(self, m: Module, install: RegionInstall, release: RegionRelease) -> None:
        """The command to the one who executes it, the answer from the one who did: the other's is zero."""
        port = self.port
        for worker in (install, release):
            for name in ("operand", "state", "abort"):
                m.d.comb += getattr(worker, name).eq(getattr(port, name))
            m.d.comb += worker.clear.eq(port.start)
        for name in ("segments", "quota", "load_done", "data", "load_fault", "protected", "physical"):
            m.d.comb += getattr(install, name).eq(getattr(port, name))
        for name in ("load", "probe", "addr", "status"):
            m.d.comb += getattr(port, name).eq(getattr(install, name))
        installs = port.command == RegionCommand.INSTALL
        m.d.comb += [
            install.start.eq(port.start & installs),
            release.start.eq(port.start & ~installs),
            release.whole_context.eq(port.command == RegionCommand.RELEASE_CONTEXT),
            port.busy.eq(install.busy | release.busy),
            port.fault.eq(install.fault.as_value() | release.fault.as_value()),
            port.aborted.eq(install.aborted | release.aborted),
        ]

    def _connect_walk(self, m: Module, install: RegionInstall, release: RegionRelease, walk: TableWalk) -> None:
        """Questions of the worker at work; answers to both; what leaves the tables."""
        for name in ("attributes", "domains"):
            table, walked = getattr(self, name), getattr(walk, name)
            m.d.comb += table.index.eq(walked.index)
        m.d.comb += [
            walk.attributes.place.eq(self.attributes.place),
            walk.domains.row.eq(self.domains.row),
            self.attributes.remove.eq(release.remove_entry),
            self.attributes.last.eq(release.entry_last),
            self.domains.remove.eq(release.remove_domain),
            walk.query.start.eq(install.query.start | release.query.start),
        ]
        for name in ("start_line", "end_line", "tag", "base_line", "equal", "key_valid"):
            m.d.comb += getattr(walk.query, name).eq(getattr(install.query, name))
        for name in ("any_line", "begin_line", "owner"):
            m.d.comb += getattr(walk.query, name).eq(getattr(release.query, name))
        for name in ("mode", "context"):
            mine, other = getattr(release.query, name), getattr(install.query, name)
            m.d.comb += getattr(walk.query, name).eq(Mux(release.busy, mine, other))
        for worker in (install, release):
            asked = [name for name in ANSWERS if name in worker.signature.members]
            m.d.comb += [getattr(worker, name).eq(getattr(walk, name)) for name in asked]
            m.d.comb += worker.walking.eq(walk.busy)
