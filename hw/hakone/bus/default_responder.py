"""The target that stands where nothing is mapped. No state, so no clock domain matters."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from .register_bus import RegisterBus


class DefaultResponder(wiring.Component):
    """Answers every access in the same cycle with ``error`` and zero data, so that nobody waits for ever.

    Members: ``bus`` (``RegisterBus``, seen from this side). Parameter ``addr_width`` as there; the address is not
    looked at.
    """

    def __init__(self, addr_width: int = 32):
        super().__init__({"bus": In(RegisterBus(addr_width))})

    def elaborate(self, _platform) -> Module:
        """Ready and error with valid."""
        m = Module()
        m.d.comb += [self.bus.ready.eq(self.bus.valid), self.bus.error.eq(1)]
        return m
