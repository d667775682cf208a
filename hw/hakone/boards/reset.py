"""Reset of a board: after power-on, while a button is pressed, while the PLL has not locked. Domain ``raw``."""

from amaranth import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out


class ResetUnit(wiring.Component):
    """``reset`` rises at once with ``request``, ends ``hold_cycles`` after it, synchronous to the clock, out of a flop.

    The hold makes one reset of a bouncing button. Parameters: ``hold_cycles``, 2 to 2**24. Members: ``clock``;
    ``request``, asynchronous (a pulse shorter than a flop needs may be missed); ``reset``, high from power-on.
    Raises ``ValueError`` for another ``hold_cycles``.
    """

    clock: In(1)
    request: In(1)
    reset: Out(1, init=1)

    def __init__(self, hold_cycles: int = 1 << 16):
        if not 2 <= hold_cycles <= 1 << 24:
            raise ValueError(f"hold_cycles = {hold_cycles}: 2 to {1 << 24} are possible")
        self._hold_cycles = hold_cycles
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """A synchroniser that resets a counter, and a flop for its end."""
        m = Module()
        m.domains.raw = ClockDomain("raw", local=True)
        m.d.comb += ClockSignal("raw").eq(self.clock)
        m.submodules.synchronizer = ResetSynchronizer(self.request, domain="raw")
        left = Signal(range(self._hold_cycles), init=self._hold_cycles - 1)
        with m.If(left != 0):
            m.d.raw += left.eq(left - 1)
        m.d.raw += self.reset.eq(left != 0)
        return m
