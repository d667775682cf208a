"""The verdict on one part of a memory access: is it allowed, can it be reached, is it in the cache?

Combinational; it is the critical path of the memory stage. Everything that does not depend on the address, the rules of
protected regions above all, is worked out for every copied range at once while the address is still compared with them,
so that behind the comparison there is only a choice.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState, Fault, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from ..crypto.lookup import any_inside, chosen
from ..isa.cause import Cause, Sub
from ..isa.formats import Algorithm
from .access_check import AccessCheck
from .doors import DOMAIN_BITS, LINE_LOG2, CacheGeometry
from .physical import is_device, is_mask_rom, is_ram


class AccessJudge(wiring.Component):
    """Judges the part of an access that lies at ``physical``.

    In order of precedence: an atomic must be aligned; the segment; the rules of protected regions; then the physical
    map. RAM takes everything, the mask ROM plain loads, devices aligned loads and stores; nothing else exists. A probe
    is no access: only its segment counts, it is never ``allowed``, and ``refused`` is the answer.

    Parameters: ``geometry`` of the cache; ``copies``: as of ``RangeCopies``; ``switches``: see ``bus.open_checks``.
    Members: ``physical``, ``reads``, ``writes``, ``atomic``, ``probe``, ``misaligned`` (of the whole access),
    ``segment_refused`` with ``segment_rule``, ``segment_base`` (bits 31..12), ``state``, ``match``, ``inside`` and
    ``bare`` as of ``RangeCopies``, and the ``tags`` of the set in; ``ways`` that hold the physical line, whatever its
    domain (one at most); ``domain`` wanted, ``protected``: the address hit a region with a cipher; ``present``: the
    line is held under the domain wanted; ``hit``: it is, and ``allowed``; ``ram`` and ``rom``: what the address is;
    ``allowed``: no rule and no alignment forbids it; ``refused`` with ``fault``: it must not happen. All in the same
    cycle. When no copy is ``inside`` and it is not ``bare``, nothing is allowed and nothing present.
    Protects: ``present`` is never high for a line that came in under another domain, nor outside RAM.
    """

    def __init__(self, geometry: CacheGeometry, copies: int, switches: Value | None = None):
        self._geometry = geometry
        self._copies = copies
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
                "match": In(RegionMatch).array(copies),
                "inside": In(copies),
                "bare": In(1),
                "tags": In(data.ArrayLayout(geometry.tag_layout, geometry.ways)),
                "ways": Out(geometry.ways),
                "domain": Out(DOMAIN_BITS),
                "protected": Out(1),
                "present": Out(1),
                "hit": Out(1),
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
        geometry = self._geometry
        tag = geometry.tag_of(self.physical[LINE_LOG2:])
        for way, entry in enumerate(self.tags):
            m.d.comb += self.ways[way].eq(entry.valid & (entry.tag == tag))
        # Every copy's verdict, and last that of a context without entries.
        inside = Cat(self.inside, self.bare)
        checks = [self._check(m, f"check_{n}", match) for n, match in enumerate(self.match)]
        checks.append(self._check(m, "check_bare", None))
        domains = [match.domain for match in self.match] + [Const(0, DOMAIN_BITS)]
        held = [self._held(m, n, domain) for n, domain in enumerate(domains)]
        regions = [match.hit & (match.algorithm != Algorithm.NONE) for match in self.match] + [Const(0, 1)]
        unaligned_atomic, device, reachable, rules, may = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            may.eq(~(unaligned_atomic | self.segment_refused | self.probe)),
            rules.eq(any_inside(inside, [check.allowed for check in checks])),
            self.ram.eq(is_ram(self.physical, geometry.ram_bytes)),
            self.rom.eq(is_mask_rom(self.physical)),
            device.eq(is_device(self.physical, geometry.devices)),
            unaligned_atomic.eq(self.atomic & self.misaligned),
            reachable.eq(
                self.ram | (self.rom & ~self.writes & ~self.atomic) | (device & ~self.atomic & ~self.misaligned)
            ),
            self.domain.eq(chosen(self.inside, domains[:-1])),
            self.protected.eq(any_inside(inside, regions)),
            self.present.eq(self.ram & any_inside(inside, held)),
            self.hit.eq(
                self.ram
                & may
                & any_inside(inside, [check.allowed & there for check, there in zip(checks, held, strict=True)])
            ),
            self.allowed.eq(rules & may),
            self.refused.eq(Mux(self.probe, self.segment_refused, ~self.allowed | ~reachable)),
            self.fault.valid.eq(self.refused),
            self.fault.cause.eq(Mux(self.writes, Cause.STORE_FAULT, Cause.LOAD_FAULT)),
        ]
        with m.If(unaligned_atomic):
            m.d.comb += self.fault.cause.eq(Mux(self.writes, Cause.STORE_MISALIGNED, Cause.LOAD_MISALIGNED))
        with m.Elif(self.segment_refused):
            m.d.comb += [self.fault.cause.eq(Cause.SEGMENT), self.fault.sub.eq(self.segment_rule)]
        with m.Elif(~rules):
            rule = chosen(inside, [check.rule for check in checks])
            m.d.comb += [self.fault.cause.eq(Cause.REGION), self.fault.sub.eq(rule)]
        return m

    def _check(self, m, name: str, match) -> AccessCheck:
        """The rules for an access to what ``match`` describes; None: no entry."""
        m.submodules[name] = check = AccessCheck(self._switches)
        m.d.comb += [
            check.match.eq(0 if match is None else match),
            check.state.eq(self.state),
            check.segment_base.eq(self.segment_base),
            check.reads.eq(self.reads),
            check.writes.eq(self.writes),
        ]
        return check

    def _held(self, m, number: int, domain) -> Signal:
        """One bit: a way holds the physical line under ``domain``."""
        fits = Signal(self._geometry.ways, name=f"domain_fits_{number}")
        open_tag = is_open(self._switches, OpenCheck.DOMAIN_TAG)
        for way, entry in enumerate(self.tags):
            m.d.comb += fits[way].eq((entry.domain == domain) | open_tag)
        held = Signal(name=f"held_{number}")
        m.d.comb += held.eq((self.ways & fits).any())
        return held
