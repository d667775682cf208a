"""Platform-level interrupt controller for one hart: two contexts (machine, supervisor). Clock domain ``sync``.

RISC-V Platform-Level Interrupt Controller Specification 1.0.0; register addresses and the widths of priorities and
thresholds as in QEMU 7.2 ``-M virt`` (``tests/vectors/qemu/plic.txt``). Where QEMU departs from the specification
(claims under a threshold, a line still high at completion, stale outputs after a write of an enable register) the
specification is followed.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa.platform import PLIC

CONTEXTS = 2
PRIORITY_BITS = 3
PRIORITY = 0x0000
PENDING = 0x1000
ENABLE = 0x2000
ENABLE_STEP = 0x80
THRESHOLD = 0x20_0000
THRESHOLD_STEP = 0x1000
CLAIM = 4  #: behind the threshold of a context
_WIDTH = (PLIC.bytes - 1).bit_length()


class _Best(data.Struct):
    """The most urgent source of a context: its number (0: none) and priority."""

    source: 5
    priority: PRIORITY_BITS


class Plic(wiring.Component):
    """Level-triggered sources 1 to ``sources``, priorities 0 to 7, thresholds, claim and completion.

    A source's gateway sets its pending bit when the line is high, until it is claimed; then it waits for the
    completion, and a line that is still high then is pending again. A pending bit stays when the line falls. ``claim``
    reads the pending and enabled source with the highest priority above 0 (the lowest number among equals), whatever
    the threshold; ``interrupt[c]`` is high while that priority is above the threshold of context ``c``. Completion by a
    context for which the source is not enabled is ignored. Priorities and thresholds keep three bits of what is
    written. Registers of sources that do not exist, and everything else in the window, read 0 and ignore writes. Only
    whole words are accepted; others answer with an error.

    The best source is searched one source per cycle, after each change only: an access that changes something answers
    when ``interrupt`` is up to date (``sources + 2`` cycles), other accesses at once, so that a handler never sees a
    stale interrupt.

    Parameters: ``sources``, 1 to 31. Members: ``bus``; ``lines`` (bit per source; bit 0 is not used); ``interrupt``
    (bit per context). Errors: ``ValueError`` for an impossible number of sources.
    """

    def __init__(self, sources: int = 11):
        if not 1 <= sources <= 31:
            raise ValueError(f"sources = {sources}: 1 to 31 are possible")
        self._sources = sources
        super().__init__({"bus": In(RegisterBus(_WIDTH)), "lines": In(sources + 1), "interrupt": Out(CONTEXTS)})
        self._pending = Signal(sources + 1)
        self._in_service = Signal(sources + 1)
        self._priority = Signal(data.ArrayLayout(PRIORITY_BITS, sources + 1))
        self._enable = [Signal(sources + 1, name=f"enable_{n}") for n in range(CONTEXTS)]
        self._threshold = [Signal(PRIORITY_BITS, name=f"threshold_{n}") for n in range(CONTEXTS)]
        self._best = [Signal(_Best, name=f"best_{n}") for n in range(CONTEXTS)]
        self._changed = Signal()  # this access changes what the search depends on
        self._answer = Signal(32)  # what it reads

    def elaborate(self, _platform) -> Module:
        """Gateways, registers, and the search that follows each change."""
        m = Module()
        bus, pending = self.bus, self._pending
        rising, stale = Signal(self._sources + 1), Signal()
        reply, held = Signal(), Signal(32)
        source = Signal(range(self._sources + 1))

        # Bit 0 stands for "no source": it can be neither raised nor claimed.
        m.d.comb += rising.eq(self.lines & ~pending & ~self._in_service & ~1)
        m.d.sync += pending.eq(pending | rising)
        m.d.comb += [bus.error.eq(bus.strobe != 0xF), bus.rdata.eq(Mux(reply, held, self._answer))]
        with m.FSM(name="search"):
            with m.State("IDLE"):
                m.d.sync += source.eq(1)
                with m.If(reply & ~stale):
                    m.d.comb += bus.ready.eq(1)
                    m.d.sync += reply.eq(0)
                with m.Elif(bus.valid & ~stale):
                    with m.If(bus.error):
                        m.d.comb += bus.ready.eq(1)
                    with m.Else():
                        self._access(m)
                        m.d.comb += bus.ready.eq(~self._changed)
                        m.d.sync += [held.eq(self._answer), reply.eq(self._changed), stale.eq(self._changed)]
                with m.If(stale):
                    m.d.sync += [stale.eq(0), *(best.eq(0) for best in self._best)]
                    m.next = "SCAN"
            with m.State("SCAN"):
                self._search_step(m, source)
                m.d.sync += source.eq(source + 1)
                with m.If(source == self._sources):
                    m.next = "PUBLISH"
            with m.State("PUBLISH"):
                for context in range(CONTEXTS):
                    urgent = self._best[context].priority > self._threshold[context]
                    m.d.sync += self.interrupt[context].eq(urgent)
                m.next = "IDLE"
        with m.If(rising.any()):
            m.d.sync += stale.eq(1)
        return m

    def _search_step(self, m: Module, source) -> None:
        """Look at one source for every context; the first of equals stays."""
        priority = self._priority[source]
        for best, enable in zip(self._best, self._enable, strict=True):
            ready = (self._pending & enable).bit_select(source, 1)
            with m.If(ready & (priority > best.priority)):
                m.d.sync += [best.source.eq(source), best.priority.eq(priority)]

    def _access(self, m: Module) -> None:
        """One word read or written; it stands in the cycle that accepts the access."""
        bus, answer = self.bus, self._answer
        number = bus.addr[2:12]
        with m.If(bus.addr[12:] == PRIORITY >> 12):
            with m.If((number != 0) & (number <= self._sources)):
                place = self._priority[number[: range(self._sources + 1).stop.bit_length()]]
                m.d.comb += answer.eq(place)
                self._write(m, place)
        with m.Elif(bus.addr[2:] == PENDING >> 2):
            m.d.comb += answer.eq(self._pending)
        for context in range(CONTEXTS):
            enable, threshold = self._enable[context], self._threshold[context]
            base = THRESHOLD + THRESHOLD_STEP * context
            with m.If(bus.addr[2:] == (ENABLE + ENABLE_STEP * context) >> 2):
                m.d.comb += answer.eq(enable)
                self._write(m, enable[1:], bus.wdata[1:])
            with m.If(bus.addr[2:] == base >> 2):
                m.d.comb += answer.eq(threshold)
                self._write(m, threshold)
            with m.If(bus.addr[2:] == (base + CLAIM) >> 2):
                m.d.comb += answer.eq(self._best[context].source)
                self._claim_or_complete(m, context)

    def _write(self, m: Module, register, value=None) -> None:
        """Take the written value (its low bits) into ``register``."""
        with m.If(self.bus.write):
            m.d.comb += self._changed.eq(1)
            m.d.sync += register.eq(self.bus.wdata if value is None else value)

    def _claim_or_complete(self, m: Module, context: int) -> None:
        """A read claims the best source, a write completes the source that it names."""
        claimed, named = self._best[context].source, self.bus.wdata
        with m.If(~self.bus.write):
            with m.If(claimed != 0):
                m.d.comb += self._changed.eq(1)
                m.d.sync += self._pending.bit_select(claimed, 1).eq(0)
                m.d.sync += self._in_service.bit_select(claimed, 1).eq(1)
        with m.Elif(named <= self._sources):
            with m.If(self._enable[context].bit_select(named[:5], 1)):
                m.d.comb += self._changed.eq(1)
                m.d.sync += self._in_service.bit_select(named[:5], 1).eq(0)
