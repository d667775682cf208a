"""The verdict on one part of a memory access: is it allowed, can it be reached, is it in the cache?

Combinational; it is the critical path of the memory stage. Tags and address come from flops; the attribute look-up's
answer is late, so that everything else is ready when it arrives.
"""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState, Fault, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Cause, Sub
from .access_check import AccessCheck
from .doors import LINE_LOG2, CacheGeometry
from .physical import is_device, is_mask_rom, is_ram


class AccessJudge(wiring.Component):
    """Judges the part of an access that lies at ``physical``.

    In order of precedence: an atomic must be aligned; the segment; the rules of protected regions; then the physical
    map. RAM takes everything, the mask ROM plain loads, devices aligned loads and stores; nothing else exists. A probe
    is no access: only its segment counts, it is never ``allowed``, and ``refused`` is the answer.

    Parameters: ``geometry`` of the cache; ``switches``: see ``bus.open_checks``.
    Members: ``physical``, ``reads``, ``writes``, ``atomic``, ``probe``, ``misaligned`` (of the whole access),
    ``segment_refused`` with ``segment_rule``, ``segment_base`` (bits 31..12), ``state``, ``match`` and the ``tags`` of
    the set in; ``ways`` that hold the physical line, whatever its domain (one at most); ``present``: it
    is held under the domain wanted; ``ram`` and ``rom``: what the address is; ``allowed``: no rule and no alignment
    forbids it; ``refused`` with ``fault``: it must not happen. All in the same cycle.
    Protects: ``present`` is never high for a line that came in under another domain, nor outside RAM.
    """

    def __init__(self, geometry: CacheGeometry, switches: Value | None = None):
        self._geometry = geometry
        self._switches = switches
        super().__init__(
            {
                "physical": In(32),
                "reads": In(1),
                "writes": In(1),
                "atomic": In(1),
                "probe": In(1),
                "misaligned": In(1),
                "segment_refused": In(1),
                "segment_rule": In(Sub),
                "segment_base": In(20),
                "state": In(ExecState),
                "match": In(RegionMatch),
                "tags": In(data.ArrayLayout(geometry.tag_layout, geometry.ways)),
                "ways": Out(geometry.ways),
                "present": Out(1),
                "ram": Out(1),
                "rom": Out(1),
                "allowed": Out(1),
                "refused": Out(1),
                "fault": Out(Fault),
            }
        )

    def elaborate(self, platform):
        """Compare, then combine."""
        m = Module()
        m.submodules.check = check = AccessCheck(self._switches)
        geometry = self._geometry
        tag = geometry.tag_of(self.physical[LINE_LOG2:])
        domain_fits = Signal(geometry.ways)
        for way, entry in enumerate(self.tags):
            m.d.comb += [
                self.ways[way].eq(entry.valid & (entry.tag == tag)),
                domain_fits[way].eq(
                    (entry.domain == self.match.domain) | is_open(self._switches, OpenCheck.DOMAIN_TAG)
                ),
            ]
        unaligned_atomic, device, reachable = Signal(), Signal(), Signal()
        m.d.comb += [
            check.match.eq(self.match),
            check.state.eq(self.state),
            check.segment_base.eq(self.segment_base),
            check.reads.eq(self.reads),
            check.writes.eq(self.writes),
            self.ram.eq(is_ram(self.physical, geometry.ram_bytes)),
            self.rom.eq(is_mask_rom(self.physical)),
            device.eq(is_device(self.physical, geometry.devices)),
            unaligned_atomic.eq(self.atomic & self.misaligned),
            reachable.eq(
                self.ram | (self.rom & ~self.writes & ~self.atomic) | (device & ~self.atomic & ~self.misaligned)
            ),
            self.present.eq(self.ram & (self.ways & domain_fits).any()),
            self.allowed.eq(check.allowed & ~(unaligned_atomic | self.segment_refused | self.probe)),
            self.refused.eq(Mux(self.probe, self.segment_refused, ~self.allowed | ~reachable)),
            self.fault.valid.eq(self.refused),
            self.fault.cause.eq(Mux(self.writes, Cause.STORE_FAULT, Cause.LOAD_FAULT)),
        ]
        with m.If(unaligned_atomic):
            m.d.comb += self.fault.cause.eq(Mux(self.writes, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED))
        with m.Elif(self.segment_refused):
            m.d.comb += [self.fault.cause.eq(Cause.SEGMENT), self.fault.sub.eq(self.segment_rule)]
        with m.Elif(~check.allowed):
            m.d.comb += [self.fault.cause.eq(Cause.REGION), self.fault.sub.eq(check.rule)]
        return m
