"""Two initiators on one register bus. Clock domain ``sync``."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .register_bus import RegisterBus

INITIATORS = 2


class RegisterArbiter(wiring.Component):
    """Lets one of two initiators through at a time, for one access; who was served last comes second.

    It adds no cycle: an access begins in the cycle of its ``valid`` when the bus is free. A started access is
    never interrupted, and its initiator must hold ``valid`` until ``ready``, as the bus asks. The other initiator sees
    ``ready`` low meanwhile. After an access the other initiator, if it waits, is served next: neither can starve.

    Members: ``initiators`` (array of two ``RegisterBus``, seen from this side), ``target``. Parameter ``addr_width`` in
    bits.
    """

    def __init__(self, addr_width: int = 32):
        bus = RegisterBus(addr_width)
        super().__init__({"initiators": In(bus).array(INITIATORS), "target": Out(bus)})

    def elaborate(self, _platform) -> Module:
        """Choose while free, keep the choice while an access waits."""
        m = Module()
        first, second = self.initiators
        waiting = Signal()  # an access began and has not been answered
        owner = Signal()  # who began it
        last = Signal(init=1)  # who was served last
        chosen = Signal()
        m.d.comb += chosen.eq(Mux(waiting, owner, Mux(first.valid & second.valid, ~last, second.valid)))
        for name in ("valid", "addr", "write", "wdata", "strobe"):
            m.d.comb += getattr(self.target, name).eq(Mux(chosen, getattr(second, name), getattr(first, name)))
        for number, initiator in enumerate(self.initiators):
            m.d.comb += [
                initiator.ready.eq(self.target.ready & self.target.valid & (chosen == number)),
                initiator.rdata.eq(self.target.rdata),
                initiator.error.eq(self.target.error),
            ]
        with m.If(self.target.valid):
            m.d.sync += [waiting.eq(~self.target.ready), owner.eq(chosen)]
            with m.If(self.target.ready):
                m.d.sync += last.eq(chosen)
        return m
