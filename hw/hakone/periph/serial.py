"""Serial line to byte streams and back: start bit, eight data bits (least significant first), one stop bit. Clock
domain ``sync``. It stands between the pins of a board and the streams of the system.

The frame: ANSI/TIA-232-F leaves it to custom; this is what a UART calls 8N1. No flow control.
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

FRAME_BITS = 10
COUNTER_BITS = 16
MIN_BIT_CYCLES = 8


def bit_cycles(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit, rounded. Raises ``ValueError`` for a rate that would be off by more than 2 %.

    Both sides together may be off by 5 %: half a bit in ten.
    """
    if baud <= 0 or clock_hz <= 0:
        raise ValueError(f"baud = {baud} at {clock_hz} Hz: both must be positive")
    cycles = round(clock_hz / baud)
    if cycles < MIN_BIT_CYCLES:
        raise ValueError(f"baud = {baud}: at {clock_hz} Hz at most {clock_hz // MIN_BIT_CYCLES} is possible")
    if abs(clock_hz / cycles - baud) > baud / 50:
        raise ValueError(f"baud = {baud}: {clock_hz} Hz gives {clock_hz // cycles}, more than 2 % off")
    return cycles


class SerialTransmitter(wiring.Component):
    """Bytes out on ``line``, which rests at 1. ``bytes_in`` is ready while nothing is being sent.

    A byte taken in cycle t has its start bit from t + 1 on; each bit takes ``bit_cycles`` cycles, and the next byte can
    be taken in the last cycle of the stop bit. Parameters: ``clock_hz``, ``baud``. Errors: those of ``bit_cycles``.
    """

    def __init__(self, clock_hz: int, baud: int):
        self._bit_cycles = bit_cycles(clock_hz, baud)
        super().__init__({"bytes_in": In(stream.Signature(8)), "line": Out(1, init=1)})

    def elaborate(self, _platform) -> Module:
        """The rest of the frame in a shift register that fills with ones."""
        m = Module()
        cycles, left = Signal(range(self._bit_cycles)), Signal(range(FRAME_BITS + 1))
        rest = Signal(FRAME_BITS - 1)
        bit_ends = cycles == self._bit_cycles - 1
        m.d.comb += self.bytes_in.ready.eq((left == 0) | ((left == 1) & bit_ends))
        with m.If(left != 0):
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(bit_ends):
                m.d.sync += [cycles.eq(0), left.eq(left - 1), Cat(self.line, rest).eq(Cat(rest, 1))]
        with m.If(self.bytes_in.valid & self.bytes_in.ready):
            m.d.sync += [
                cycles.eq(0),
                left.eq(FRAME_BITS),
                Cat(self.line, rest).eq(Cat(0, self.bytes_in.payload, 1)),
            ]
        return m


class SerialReceiver(wiring.Component):
    """Bytes from ``line``, each sampled in the middle of its bits.

    A fall begins a frame; a start bit that is 1 again in its middle was none. A byte is offered on ``bytes_out`` from
    the middle of its stop bit on until it is taken. A frame whose stop bit is 0 is dropped and counted, and the line
    must be 1 again before another begins (so that a break counts once). A byte that comes while the one before it still
    waits is dropped and counted.

    Parameters: ``clock_hz``, ``baud``. Members: ``line`` (asynchronous), ``bytes_out``, ``framing_errors`` and
    ``overruns`` (numbers since reset; they stay at their greatest). Errors: those of ``bit_cycles``.
    """

    def __init__(self, clock_hz: int, baud: int):
        self._bit_cycles = bit_cycles(clock_hz, baud)
        super().__init__(
            {
                "line": In(1),
                "bytes_out": Out(stream.Signature(8)),
                "framing_errors": Out(COUNTER_BITS),
                "overruns": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Wait for a fall, then sample; what was sampled goes out or is counted."""
        m = Module()
        line, arrived = Signal(init=1), Signal()
        cycles, bits = Signal(range(self._bit_cycles + self._bit_cycles // 2)), Signal(range(FRAME_BITS))
        byte = Signal(8)
        out = self.bytes_out
        m.submodules.synchroniser = cdc.FFSynchronizer(self.line, line, init=1)
        with m.If(cycles != 0):
            m.d.sync += cycles.eq(cycles - 1)
        with m.FSM(name="frame"):
            with m.State("IDLE"):
                m.d.sync += [cycles.eq(self._bit_cycles // 2 - 1), bits.eq(0)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"):
                with m.If(cycles == 0):
                    m.d.sync += cycles.eq(self._bit_cycles - 1)
                    m.next = "DATA"
                    with m.If(line):
                        m.next = "IDLE"
            with m.State("DATA"):
                with m.If(cycles == 0):
                    m.d.sync += [cycles.eq(self._bit_cycles - 1), byte.eq(Cat(byte[1:], line)), bits.eq(bits + 1)]
                    with m.If(bits == 7):
                        m.next = "STOP"
            with m.State("STOP"):
                with m.If(cycles == 0):
                    m.d.comb += arrived.eq(line)
                    m.next = "IDLE"
                    with m.If(~line):
                        self._count(m, self.framing_errors)
                        m.next = "BREAK"
            with m.State("BREAK"):
                with m.If(line):
                    m.next = "IDLE"
        with m.If(out.ready):
            m.d.sync += out.valid.eq(0)
        with m.If(arrived):
            with m.If(out.valid & ~out.ready):
                self._count(m, self.overruns)
            with m.Else():
                m.d.sync += [out.valid.eq(1), out.payload.eq(byte)]
        return m

    def _count(self, m: Module, counter) -> None:
        """One more, unless it is at its greatest."""
        m.d.sync += counter.eq(counter + ~counter.all())
