"""A second hand on the flush of the instruction cache, between core and fetch unit. Combinational."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import FetchPort


class FlushJoin(wiring.Component):
    """Passes ``core`` to ``fetch`` and starts a flush also with ``flush`` (one cycle).

    ``flush_busy`` tells both. Whoever raises ``flush`` waits for it while the core takes no instruction, and the core
    redirects afterwards.
    """

    core: In(FetchPort())
    fetch: Out(FetchPort())
    flush: In(1)

    def elaborate(self, _platform) -> Module:
        """Everything as it is, but for one OR."""
        m = Module()
        for name, member in FetchPort().members.items():
            if member.is_signature:
                wiring.connect(m, wiring.flipped(self.core.instruction), wiring.flipped(self.fetch.instruction))
            elif member.flow == Out:
                m.d.comb += getattr(self.fetch, name).eq(getattr(self.core, name))
            else:
                m.d.comb += getattr(self.core, name).eq(getattr(self.fetch, name))
        with m.If(self.flush):
            m.d.comb += self.fetch.flush_start.eq(1)
        return m
