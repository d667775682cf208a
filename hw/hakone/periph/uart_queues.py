"""The two halves of the UART behind its registers: what waits to be sent, and what has come. Clock domain ``sync``.

What a full FIFO, a trigger level and the character timeout mean: National Semiconductor PC16550D data sheet (June
1995), sections 8.4 to 8.6.
"""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


class Transmitter(wiring.Component):
    """THR and its FIFO. ``write`` (only with ``ready``) puts ``byte`` in; the bytes leave by ``bytes_out`` in order.

    ``empty``: nothing waits. ``clear`` (one cycle) drops what waits. ``emptied`` is high in the cycle in which the last
    byte leaves, also when another one is written in it. Parameter ``depth``, 1 to 64 bytes.
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__(
            {
                "write": In(1),
                "byte": In(8),
                "ready": Out(1),
                "clear": In(1),
                "empty": Out(1),
                "emptied": Out(1),
                "bytes_out": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, _platform) -> Module:
        """A FIFO that can be emptied."""
        m = Module()
        m.submodules.queue = queue = ResetInserter(self.clear)(fifo.SyncFIFO(width=8, depth=self._depth))
        m.d.comb += [
            queue.w_en.eq(self.write),
            queue.w_data.eq(self.byte),
            self.ready.eq(queue.w_rdy),
            self.empty.eq(queue.level == 0),
            self.bytes_out.valid.eq(queue.r_rdy),
            self.bytes_out.payload.eq(queue.r_data),
            queue.r_en.eq(self.bytes_out.ready),
            self.emptied.eq(queue.r_rdy & queue.r_en & (queue.level == 1)),
        ]
        return m


class Receiver(wiring.Component):
    """RBR and its FIFO, with trigger level, character timeout and overrun.

    ``put`` brings ``byte``: with the FIFO on it is dropped when that is full, with the FIFO off it replaces the one
    that waits; both raise ``overrun`` for that cycle. ``read`` takes the byte that ``front`` shows (with the FIFO on
    and empty, zero). ``waiting``: there is one. ``room``: one more fits without loss. ``at_level``: the FIFO holds as
    many as its trigger level, or the FIFO is off and one waits. ``timeout`` rises when bytes have waited
    ``timeout_cycles`` without one coming or being read, and falls at the next ``read`` or ``clear``. ``clear`` (one
    cycle) drops what waits.

    Parameters: ``depth``, 1 to 64 bytes; ``timeout_cycles``, at least 2.
    """

    def __init__(self, depth: int, timeout_cycles: int):
        self._depth = depth
        self._timeout_cycles = timeout_cycles
        flags = ("overrun", "waiting", "room", "at_level", "timeout")
        super().__init__(
            {
                "put": In(1),
                "byte": In(8),
                "read": In(1),
                "clear": In(1),
                "fifo_on": In(1),
                "trigger": In(2),
                "front": Out(8),
                **{flag: Out(1) for flag in flags},
            }
        )

    def elaborate(self, _platform) -> Module:
        """FIFO, single holding register, and a counter of idle cycles."""
        m = Module()
        m.submodules.queue = queue = ResetInserter(self.clear)(fifo.SyncFIFO(width=8, depth=self._depth))
        single, single_waits = Signal(8), Signal()
        idle_cycles = Signal(range(self._timeout_cycles + 1))
        level = Signal(range(15))
        with m.Switch(self.trigger):
            for code, count in enumerate((1, 4, 8, 14)):
                with m.Case(code):
                    m.d.comb += level.eq(min(count, self._depth))
        m.d.comb += [
            queue.w_data.eq(self.byte),
            queue.w_en.eq(self.put & self.fifo_on),
            queue.r_en.eq(self.read & self.fifo_on),
            self.waiting.eq(Mux(self.fifo_on, queue.r_rdy, single_waits)),
            self.room.eq(Mux(self.fifo_on, queue.w_rdy, ~single_waits)),
            self.overrun.eq(self.put & ~self.room),
            self.at_level.eq(Mux(self.fifo_on, queue.level >= level, single_waits)),
            self.front.eq(Mux(self.fifo_on, Mux(queue.r_rdy, queue.r_data, 0), single)),
        ]
        with m.If(self.read | self.clear):
            m.d.sync += single_waits.eq(0)
        with m.If(self.put & ~self.fifo_on):
            m.d.sync += [single.eq(self.byte), single_waits.eq(~self.clear)]
        with m.If(self.read | self.clear):
            m.d.sync += self.timeout.eq(0)
        with m.If(self.put | self.read | self.clear | ~self.fifo_on):
            m.d.sync += idle_cycles.eq(0)
        with m.Elif(queue.r_rdy & (idle_cycles != self._timeout_cycles)):
            m.d.sync += idle_cycles.eq(idle_cycles + 1)
            with m.If(idle_cycles == self._timeout_cycles - 1):
                m.d.sync += self.timeout.eq(1)
        return m
