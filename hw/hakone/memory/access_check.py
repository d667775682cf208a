"""May this code touch this line as data? The rules of protected regions for one part of an access.

Purely combinational. There is one for every copied range (``crypto.lookup``), and none of them sees the address: what
it needs stands in flops, so that its answer is there before the range is known.
"""

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState, RegionMatch
from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Sub
from ..isa.formats import Algorithm, RegionFlag


class AccessCheck(wiring.Component):
    """Rules for a data access to what ``match`` describes.

    Encrypted code must hit an entry that has the right. A region (an entry with an algorithm) must in addition belong
    to the code's owner or be open to any, and when it holds code, the key must be the running code's. So must a window
    that code installed, or another owner's code could put one where a region is missing. Plain code may
    touch a region only if the region allows it, within its rights, and never a region that holds code, and not at all
    in a handler (``state.handler``); outside regions it is free, rights of windows included. Last, a region's segment
    must have the base that it had when the region was bound to its place; for windows it does not matter.

    Members: ``match``, ``state``, ``segment_base`` (bits 31..12 of the base of the address's segment); ``reads`` and
    ``writes`` tell what the operation does (an AMO both); ``allowed`` is the verdict and ``rule`` the one that failed
    (``Sub.NONE`` when allowed); all in the same cycle.
    Protects regions against code without their key or owner id. Beyond the segment's base it does not see physical
    addresses: two regions over the same memory are kept apart by the domain in the cache tags.
    """

    match: In(RegionMatch)
    state: In(ExecState)
    segment_base: In(20)
    reads: In(1)
    writes: In(1)
    allowed: Out(1)
    rule: Out(Sub)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        match, state = self.match, self.state
        region = Signal()
        right_missing = Signal()
        foreign_owner = Signal()
        foreign_code = Signal()
        owned, moved, closed, wrong = Signal(), Signal(), Signal(), Signal()
        base, bound = self.segment_base, match.segment_base
        m.d.comb += [
            region.eq(match.hit & (match.algorithm != Algorithm.NONE)),
            # A window that a boot record installed has no owner: it is for all code of its context.
            owned.eq(region | (match.hit & (match.owner != 0) & ~is_open(self._switches, OpenCheck.WINDOW_OWNER))),
            right_missing.eq(
                (self.reads & ~self._flag(RegionFlag.READ)) | (self.writes & ~self._flag(RegionFlag.WRITE))
            ),
            foreign_owner.eq(
                (match.owner != state.owner)
                & ~self._flag(RegionFlag.ANY_OWNER)
                & ~is_open(self._switches, OpenCheck.REGION_OWNER)
            ),
            foreign_code.eq(self._flag(RegionFlag.EXECUTE) & ((match.key_slot != state.key_slot) | ~state.encrypted)),
            moved.eq((base != bound) & ~is_open(self._switches, OpenCheck.MOVED)),
            closed.eq(
                (state.handler & ~is_open(self._switches, OpenCheck.HANDLER))
                | (~self._flag(RegionFlag.PLAIN_ACCESS) & ~is_open(self._switches, OpenCheck.PLAIN_ACCESS))
            ),
        ]
        # The verdict is said apart from the rule, so that the comparison of bases, which is known last, comes in last.
        with m.If(state.encrypted):
            m.d.comb += wrong.eq(~match.hit | right_missing | (owned & foreign_owner) | (region & foreign_code))
        with m.Else():
            m.d.comb += wrong.eq(region & (closed | right_missing | foreign_code))
        m.d.comb += self.allowed.eq(~(wrong | (region & moved)))
        with m.If(state.encrypted & ~match.hit):
            m.d.comb += self.rule.eq(Sub.REGION_NO_ENTRY)
        with m.Elif(~state.encrypted & region & closed):
            m.d.comb += self.rule.eq(Sub.REGION_PLAIN_ACCESS)
        with m.Elif((state.encrypted | region) & right_missing):
            m.d.comb += self.rule.eq(Sub.REGION_RIGHT)
        with m.Elif(state.encrypted & owned & foreign_owner):
            m.d.comb += self.rule.eq(Sub.REGION_OWNER)
        with m.Elif(region & foreign_code):
            m.d.comb += self.rule.eq(Sub.REGION_CODE_AS_DATA)
        with m.Elif(region & moved):
            m.d.comb += self.rule.eq(Sub.REGION_MOVED)
        return m

    def _flag(self, flag):
        """The bit of ``flag`` in the entry that matched."""
        return self.match.flags[flag.bit_length() - 1]
