"""The data side: load/store unit, data cache and miss unit, put together. Clock domain ``sync``. It only connects."""

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainCleanPort, InstructionMissPort, LinePort, LoadStorePort, LookupPort, PoisonPort
from ..bus.probe import StoreRecord
from ..bus.register_bus import RegisterBus
from ..isa.platform import DEVICES, Window
from ..protect.doors import SegmentReadPort
from .dcache import DataCache
from .doors import CacheGeometry, InvalidatePort
from .load_store import LoadStoreUnit
from .miss_unit import MissUnit


class DataSide(wiring.Component):
    """Everything between the memory stage of the core and the line cipher.

    Parameters: ``cache_bytes`` (1024 to 16384), ``ways`` (1, 2, 4), ``ram_bytes``, ``devices``: see ``CacheGeometry``,
    which raises ``ValueError`` for an impossible choice; ``switches``: see ``bus.open_checks``. Members, cycles and
    errors: those of ``LoadStoreUnit`` and ``MissUnit`` with the same names.
    """

    def __init__(
        self,
        cache_bytes: int,
        ways: int,
        ram_bytes: int,
        switches: Value | None = None,
        devices: tuple[Window, ...] = DEVICES,
    ):
        self._switches = switches
        self._geometry = CacheGeometry(cache_bytes, ways, ram_bytes, devices)
        super().__init__(
            {
                "port": In(LoadStorePort()),
                "lookup": Out(LookupPort()),
                "segments": Out(SegmentReadPort()),
                "devices": Out(RegisterBus()),
                "lines": Out(LinePort()),
                "instruction": In(InstructionMissPort()),
                "invalidate": Out(InvalidatePort()),
                "rom": Out(RegisterBus()),
                "poison": Out(PoisonPort()),
                "domain_clean": In(DomainCleanPort()),
                "store": Out(StoreRecord),
                "write_failed": Out(1),
                "event_dcache_miss": Out(1),
                "event_dcache_evict": Out(1),
                "event_uncached": Out(1),
                "event_misaligned": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.load_store = load_store = LoadStoreUnit(self._geometry, self._switches)
        m.submodules.cache = cache = DataCache(self._geometry)
        m.submodules.miss = miss = MissUnit(self._geometry)
        wiring.connect(m, load_store.cache, cache.lookup)
        wiring.connect(m, miss.cache, cache.refill)
        wiring.connect(m, load_store.miss, miss.miss)
        for name in ("port", "lookup", "segments", "devices"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(load_store, name))
        for name in ("lines", "instruction", "invalidate", "rom", "poison", "domain_clean"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(miss, name))
        for name in ("store", "event_dcache_miss", "event_uncached", "event_misaligned"):
            m.d.comb += getattr(self, name).eq(getattr(load_store, name))
        for name in ("write_failed", "event_dcache_evict"):
            m.d.comb += getattr(self, name).eq(getattr(miss, name))
        return m
