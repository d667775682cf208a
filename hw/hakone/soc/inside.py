"""Everything inside the trust boundary: core, caches, line cipher, attribute registers, keys, boot loader.

Clock domain ``sync``. This module's ports are the boundary: what crosses them is in the open (memory bus, register
bus, interrupt lines) or comes over wires of its own (fuses). Source: ``docs/threat-model.md``.
"""

from amaranth import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4
from ..bus.open_checks import OPEN_BITS
from ..bus.probe import Probe
from ..bus.register_bus import RegisterBus
from ..core.core import Core
from ..core.fetch import FetchUnit
from ..crypto.attributes import AttributeRegisters
from ..crypto.boot_loader import BootLoader
from ..crypto.domains import DomainTable
from ..crypto.fuses import FusePort
from ..crypto.install_switch import InstallSwitch
from ..crypto.key_store import KeyStore
from ..crypto.lookup_walk import AttributeWalker
from ..crypto.region_unit import RegionUnit
from ..isa.events import Event
from ..memory.data_side import DataSide
from ..memory.line_cipher import LineCipher
from ..memory.xts import XtsLine
from ..protect.segments import SegmentRegisters
from .config import SocConfig
from .flush_join import FlushJoin


class Inside(wiring.Component):
    """Places and connects the parts inside the boundary; adds no behaviour.

    Members: ``axi`` (memory bus, whole lines only); ``devices`` and ``rom`` (register buses: device accesses, and
    fills of lines of the mask ROM); ``fuses``; ``software``, ``timer``, ``external`` (interrupt levels), ``time``
    (mtime); ``halted`` (the core has failed closed); with ``config.probe`` also ``probe`` and
    ``open_checks`` (constant; see ``bus.open_checks``).
    """

    def __init__(self, config: SocConfig):
        self._config = config.check()
        members = {
            "axi": Out(Axi4()),
            "devices": Out(RegisterBus()),
            "rom": Out(RegisterBus()),
            "fuses": Out(FusePort()),
            "software": In(1),
            "timer": In(1),
            "external": In(1),
            "time": In(64),
            "halted": Out(1),
        }
        if config.probe:
            members["probe"] = Out(Probe())
            members["open_checks"] = In(OPEN_BITS)
        super().__init__(members)

    def elaborate(self, _platform) -> Module:
        """Parts by room, then their doors."""
        m = Module()
        config = self._config
        # Control runs: which protections are off, as an input, or for good in generated Verilog.
        if config.probe:
            self._switches = self.open_checks
        else:
            self._switches = Const(config.open_bits(), OPEN_BITS) if config.open_checks else None
        m.submodules.core = core = Core(config.word, config.boot_quota, self._switches)
        m.submodules.fetch = fetch = FetchUnit(
            icache_bytes=config.icache_bytes,
            cache_ways=config.cache_ways,
            predictor_entries=config.predictor_entries,
            ram_bytes=config.ram_bytes,
            switches=self._switches,
        )
        m.submodules.data_side = data_side = DataSide(
            config.dcache_bytes, config.cache_ways, config.ram_bytes, self._switches, config.devices
        )
        m.submodules.line_cipher = line_cipher = LineCipher(config.cipher)
        wiring.connect(m, core.memory, data_side.port)
        wiring.connect(m, fetch.miss, data_side.instruction)
        wiring.connect(m, data_side.invalidate, fetch.invalidate)
        wiring.connect(m, data_side.lines, line_cipher.lines)
        for name, part in (("axi", line_cipher), ("devices", data_side), ("rom", data_side)):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(part, name))
        for name in ("software", "timer", "external", "time"):
            m.d.comb += getattr(core, name).eq(getattr(self, name))
        m.d.comb += self.halted.eq(core.halted)
        self._connect_protection(m, core, fetch, data_side, line_cipher)
        if config.probe:
            self._connect_probe(m, core, fetch, data_side, line_cipher)
        return m

    def _connect_protection(
        self, m: Module, core: Core, fetch: FetchUnit, data_side: DataSide, line_cipher: LineCipher
    ):
        """Attribute entries, domains, keys, and the loader that fills them before the core starts."""
        config = self._config
        m.submodules.attributes = attributes = AttributeRegisters(config.attribute_entries)
        m.submodules.segments = segments = SegmentRegisters(self._switches)
        wiring.connect(m, core.segments, segments.port)
        wiring.connect(m, fetch.segments, segments.read[0])
        wiring.connect(m, data_side.segments, segments.read[1])
        m.submodules.walker = walker = AttributeWalker(self._switches)
        m.submodules.domains = domains = DomainTable(ports=2)
        m.submodules.boot_loader = loader = BootLoader(config.ram_bytes, config.attribute_entries)
        wiring.connect(m, walker.registers, attributes.read)
        for side, part in zip(walker.sides, (fetch, data_side), strict=True):
            wiring.connect(m, part.lookup, side)
        wiring.connect(m, data_side.poison, domains.poison)
        for number, port in enumerate((line_cipher.read_domain, line_cipher.write_domain)):
            wiring.connect(m, port, domains.read[number])
        wiring.connect(m, wiring.flipped(self.fuses), loader.fuses)
        m.submodules.key_store = key_store = KeyStore()
        m.d.comb += [
            loader.attribute_free.eq(attributes.free),
            core.boot_contexts.eq(loader.boot_contexts),
            core.boot_status.eq(loader.boot_status),
            core.start.eq(loader.start),
        ]
        if config.cipher:
            m.submodules.xts = xts = XtsLine()
            wiring.connect(m, xts.tweak_keys, key_store.tweak_keys)
            for lane, port in enumerate(key_store.data_keys):
                wiring.connect(m, xts.data_keys[lane], port)
            for name in ("prepare", "start", "data", "result"):
                wiring.connect(m, getattr(line_cipher.engine, name), getattr(xts, name))
            m.d.comb += [
                xts.recall_valid.eq(line_cipher.engine.recall_valid),
                xts.recall.eq(line_cipher.engine.recall),
                line_cipher.key_valid.eq(key_store.valid),
            ]
        else:
            # Control runs: nobody uses the keys, and every slot counts as filled so that lines pass as they are.
            m.d.comb += line_cipher.key_valid.eq(0xFFFF)
        m.submodules.regions = regions = RegionUnit(config.ram_bytes, self._switches)
        wiring.connect(m, core.region, regions.port)
        self._connect_regions(m, regions, attributes, domains, key_store)
        self._connect_installs(m, loader, regions, attributes, domains, key_store)
        self._connect_caches(m, core, fetch, data_side, regions)
        m.d.comb += line_cipher.flush.eq(loader.domain_install | regions.changed)

    def _connect_regions(
        self, m: Module, regions: RegionUnit, attributes: AttributeRegisters, domains: DomainTable, key_store: KeyStore
    ):
        """What the region unit looks up and takes away."""
        wiring.connect(m, regions.attributes, attributes.walk)
        wiring.connect(m, regions.domains, domains.walk)
        wiring.connect(m, regions.key_erase, key_store.erase)
        wiring.connect(m, regions.search, key_store.search)
        m.d.comb += [
            regions.contexts.eq(attributes.contexts),
            regions.key_busy.eq(key_store.busy),
            regions.key_valid.eq(key_store.valid),
            key_store.cancel.eq(regions.key_cancel),
        ]

    def _connect_installs(
        self,
        m: Module,
        loader: BootLoader,
        regions: RegionUnit,
        attributes: AttributeRegisters,
        domains: DomainTable,
        key_store: KeyStore,
    ):
        """What is installed comes from the boot loader, and once the core runs from the region unit."""
        m.submodules.installs = installs = InstallSwitch()
        for source, door in ((loader, installs.loader), (regions, installs.regions)):
            for name in ("key_install", "attribute_install"):
                wiring.connect(m, getattr(source, name), getattr(door, name))
            for name in ("domain_install", "domain_number", "domain_row"):
                m.d.comb += getattr(door, name).eq(getattr(source, name))
        tables = installs.tables
        wiring.connect(m, tables.key_install, key_store.install)
        wiring.connect(m, tables.attribute_install, attributes.install)
        m.d.comb += [
            installs.started.eq(loader.start),
            domains.install.eq(tables.domain_install),
            domains.install_domain.eq(tables.domain_number),
            domains.install_row.eq(tables.domain_row),
        ]

    def _connect_caches(self, m: Module, core: Core, fetch: FetchUnit, data_side: DataSide, regions: RegionUnit):
        """A domain that dies leaves no line behind: the region unit cleans the one cache and flushes the other."""
        m.submodules.flush_join = flush_join = FlushJoin()
        wiring.connect(m, core.fetch, flush_join.core)
        wiring.connect(m, flush_join.fetch, fetch.port)
        wiring.connect(m, regions.clean, data_side.domain_clean)
        m.d.comb += [
            flush_join.flush.eq(regions.flush_instruction),
            regions.flush_busy.eq(fetch.port.flush_busy),
            core.key_erased.eq(regions.key_erase.valid & regions.key_erase.ready),
            core.key_erased_slot.eq(regions.key_erase.payload),
        ]

    def _connect_probe(self, m: Module, core: Core, fetch: FetchUnit, data_side: DataSide, line_cipher: LineCipher):
        """Records and events to the white-box ports of simulation."""
        m.d.comb += [self.probe.retire.eq(core.retire), self.probe.store.eq(data_side.store)]
        for event in Event:
            name = f"event_{event.name.lower()}"
            part = next(p for p in (core, fetch, data_side, line_cipher) if hasattr(p, name))
            m.d.comb += self.probe.events[event.value].eq(getattr(part, name))
