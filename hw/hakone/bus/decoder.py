"""Address decoder of the register bus. Clock domain ``sync``. What no window holds goes to the default responder."""

from collections.abc import Mapping, Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.platform import Window
from .default_responder import DefaultResponder
from .register_bus import RegisterBus


def _check(targets: Mapping[str, Sequence[Window]]) -> None:
    """Raise ``ValueError`` for windows that cannot be decoded."""
    seen: list[Window] = []
    for name, windows in targets.items():
        if not windows or len({w.bytes for w in windows}) != 1:
            raise ValueError(f"target {name}: at least one window is needed, and all of one size")
        for window in windows:
            if window.bytes & (window.bytes - 1) or window.bytes < 4 or window.base % window.bytes:
                raise ValueError(
                    f"window {window.name}: {window.bytes:#x} bytes at {window.base:#x}; a power of two at a multiple"
                    " of itself is needed"
                )
            for other in seen:
                if window.base < other.end and other.base < window.end:
                    raise ValueError(f"windows {window.name} and {other.name} overlap at {window.base:#x}")
            seen.append(window)


class RegisterDecoder(wiring.Component):
    """Sends each access to the target whose window holds its address, and answers with an error where there is none.

    Both directions are registered, so that no path crosses it: an access takes two cycles more than its target does. In
    the cycle after ``bus.valid`` rises the target sees ``valid`` with the offset inside its window, until it is
    ``ready``; in the cycle after that ``bus.ready`` is high for one cycle, with ``rdata`` and ``error``. Targets see
    the last access's address and data while idle, which costs nothing to keep. ``rdata`` is zero with an error.

    Parameters: ``targets``, name to windows (all windows of one target have one size, a power of two; the target sees
    the offset in its window and not which one it was). Members: ``bus`` (32 address bits, seen from this side), and one
    ``RegisterBus`` per target under its name. Errors: ``ValueError`` for windows that overlap or are misaligned.
    """

    def __init__(self, targets: Mapping[str, Sequence[Window]]):
        _check(targets)
        self._targets = {name: tuple(windows) for name, windows in targets.items()}
        ports = {n: Out(RegisterBus((w[0].bytes - 1).bit_length())) for n, w in self._targets.items()}
        super().__init__({"bus": In(RegisterBus(32)), **ports})

    def elaborate(self, _platform) -> Module:
        """Latch the request with its target, wait, latch the answer."""
        m = Module()
        m.submodules.default = default = DefaultResponder(2)
        ports = [getattr(self, name) for name in self._targets] + [default.bus]
        hits = [Cat(self._inside(w) for w in windows).any() for windows in self._targets.values()]
        hits.append(~Cat(hits).any())
        select, active = Signal(len(ports)), Signal()
        request = RegisterBus(32).create(path=("request",))
        ready, rdata, error = Signal(), Signal(32), Signal()

        with m.If(self.bus.valid & ~active & ~self.bus.ready):
            m.d.sync += [active.eq(1), select.eq(Cat(hits))]
            m.d.sync += [getattr(request, f).eq(getattr(self.bus, f)) for f in ("addr", "write", "wdata", "strobe")]
        m.d.sync += self.bus.ready.eq(active & ready)
        with m.If(active & ready):
            m.d.sync += [active.eq(0), self.bus.error.eq(error), self.bus.rdata.eq(Mux(error, 0, rdata))]
        for number, port in enumerate(ports):
            m.d.comb += [
                port.valid.eq(active & select[number]),
                port.addr.eq(request.addr),
                port.write.eq(request.write),
                port.wdata.eq(request.wdata),
                port.strobe.eq(request.strobe),
            ]
            with m.If(select[number]):
                m.d.comb += [ready.eq(port.ready), rdata.eq(port.rdata), error.eq(port.error)]
        return m

    def _inside(self, window: Window):
        """Whether the address lies in ``window``."""
        low = (window.bytes - 1).bit_length()
        return self.bus.addr[low:] == window.base >> low
