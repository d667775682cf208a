"""UART with the registers of an NS16550A, and byte streams instead of serial lines. Clock domain ``sync``.

Registers: National Semiconductor PC16550D data sheet (June 1995), section 8; corner cases (what resets the FIFOs, what
is acknowledged when, how loop mode looks) as QEMU 7.2 answers (``tests/vectors/qemu/uart_*.txt``). A serial line, its
baud rate and its break and framing errors are left to whoever stands at the streams.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa.platform import UART
from .uart_queues import Receiver, Transmitter

RBR = THR = DLL = 0
IER = DLM = 1
IIR = FCR = 2
LCR = 3
MCR = 4
LSR = 5
MSR = 6
SCR = 7
REGISTERS = 8
_WIDTH = (UART.bytes - 1).bit_length()
_DIVISOR_RESET = 12
_MODEM_LINES = 0xB0  # carrier, data set ready, clear to send


class InterruptEnable(data.Struct):
    """IER: received data, transmitter empty, line status, modem status (which never changes)."""

    received: 1
    transmitter: 1
    line_status: 1
    modem: 1


class ModemControl(data.Struct):
    """MCR. The outputs lead nowhere but, in loop mode, to MSR."""

    dtr: 1
    rts: 1
    out1: 1
    out2: 1
    loop: 1


class Uart(wiring.Component):
    """NS16550A with byte-wide registers at byte addresses 0 to 7.

    An access concerns the register of its lowest byte lane only, whatever its width; the other lanes read zero. Offsets
    from 8 on answer with an error. Answers in the same cycle, but for one case: a byte written while the transmit FIFO
    is full waits until there is room, so that programs that never look at LSR lose nothing. ``tx`` gives every byte
    written, in order; ``rx`` is taken when there is room, so that there is no overrun but in loop mode. The divisor,
    the frame format and break are registers without effect. In loop mode (MCR bit 4) bytes go from the transmitter to
    the receiver, ``rx`` waits, and MSR shows MCR's outputs.

    ``interrupt`` is high while an enabled condition holds, in the order of IIR: line status (overrun), character
    timeout, received data, transmitter empty. The last is acknowledged by reading IIR while it is shown, or by writing
    THR.

    Parameters: ``fifo_bytes``, depth of each FIFO, 1 to 64 (a trigger level beyond it means full); ``timeout_cycles``,
    the character timeout. Members: ``bus``, ``tx`` and ``rx`` (streams of bytes), ``interrupt``.
    """

    def __init__(self, fifo_bytes: int = 16, timeout_cycles: int = 512):
        if not 1 <= fifo_bytes <= 64:
            raise ValueError(f"fifo_bytes = {fifo_bytes}: 1 to 64 are possible")
        if timeout_cycles < 2:
            raise ValueError(f"timeout_cycles = {timeout_cycles}: at least 2 are needed")
        super().__init__(
            {
                "bus": In(RegisterBus(_WIDTH)),
                "tx": Out(stream.Signature(8)),
                "rx": In(stream.Signature(8)),
                "interrupt": Out(1),
            }
        )
        self._transmitter = Transmitter(fifo_bytes)
        self._receiver = Receiver(fifo_bytes, timeout_cycles)
        self._divisor = Signal(16, init=_DIVISOR_RESET)
        self._ier = Signal(InterruptEnable)
        self._lcr = Signal(8)
        self._mcr = Signal(ModemControl, init={"out2": 1})
        self._scr = Signal(8)
        self._fifo_on = Signal()
        self._trigger = Signal(2)
        self._overrun = Signal()
        self._thr_pending = Signal()  # the transmitter became empty and nobody has acknowledged it
        self._iir = Signal(8)

    def elaborate(self, _platform) -> Module:
        """Streams, interrupt, and one register per access."""
        m = Module()
        m.submodules.transmitter = transmitter = self._transmitter
        m.submodules.receiver = receiver = self._receiver
        bus = self.bus
        lane = Mux(bus.strobe[0], 0, Mux(bus.strobe[1], 1, Mux(bus.strobe[2], 2, 3)))
        number, byte, read_byte = Signal(3), Signal(8), Signal(8)
        access = Signal()
        m.d.comb += [
            number.eq(Cat(lane[:2], bus.addr[2])),
            byte.eq(bus.wdata.word_select(lane[:2], 8)),
            bus.rdata.word_select(lane[:2], 8).eq(read_byte),
            bus.error.eq(bus.addr >= REGISTERS),
            bus.ready.eq(bus.error | ~self._is_transmit(number) | transmitter.ready),
            access.eq(bus.valid & bus.ready & ~bus.error & bus.strobe.any()),
            receiver.fifo_on.eq(self._fifo_on),
            receiver.trigger.eq(self._trigger),
            transmitter.byte.eq(byte),
        ]
        self._connect_streams(m)
        # Events of the streams first: an access in the same cycle comes after them.
        with m.If(transmitter.emptied):
            m.d.sync += self._thr_pending.eq(1)
        with m.If(access & ~bus.write):
            self._acknowledge(m, number)
        with m.If(access & bus.write):
            self._write(m, number, byte)
        with m.If(receiver.overrun):  # set wins over a read of LSR in this cycle
            m.d.sync += self._overrun.eq(1)
        self._read(m, number, read_byte)
        self._identify(m)
        return m

    def _is_transmit(self, number):
        """Whether the access writes THR."""
        return self.bus.write & (number == THR) & ~self._lcr[7]

    def _connect_streams(self, m: Module) -> None:
        """Bytes out and in; in loop mode from one to the other."""
        transmitter, receiver = self._transmitter, self._receiver
        out = transmitter.bytes_out
        with m.If(self._mcr.loop):
            m.d.comb += [out.ready.eq(1), receiver.put.eq(out.valid), receiver.byte.eq(out.payload)]
        with m.Else():
            m.d.comb += [
                self.tx.valid.eq(out.valid),
                self.tx.payload.eq(out.payload),
                out.ready.eq(self.tx.ready),
                self.rx.ready.eq(receiver.room & ~receiver.clear),
                receiver.put.eq(self.rx.valid & self.rx.ready),
                receiver.byte.eq(self.rx.payload),
            ]

    def _read(self, m: Module, number, read_byte) -> None:
        """What each register shows."""
        receiver, transmitter, mcr = self._receiver, self._transmitter, self._mcr
        line_status = Cat(receiver.waiting, self._overrun, 0, 0, 0, transmitter.empty, transmitter.empty, 0)
        modem = Mux(mcr.loop, Cat(0, 0, 0, 0, mcr.rts, mcr.dtr, mcr.out1, mcr.out2), _MODEM_LINES)
        divisor = self._divisor
        shown = {
            RBR: Mux(self._lcr[7], divisor[:8], receiver.front),
            IER: Mux(self._lcr[7], divisor[8:], self._ier.as_value()),
            IIR: self._iir,
            LCR: self._lcr,
            MCR: mcr.as_value(),
            LSR: line_status,
            MSR: modem,
            SCR: self._scr,
        }
        with m.Switch(number):
            for register, value in shown.items():
                with m.Case(register):
                    m.d.comb += read_byte.eq(value)

    def _acknowledge(self, m: Module, number) -> None:
        """What a read takes away."""
        with m.Switch(number):
            with m.Case(RBR):
                m.d.comb += self._receiver.read.eq(~self._lcr[7])
            with m.Case(IIR):
                with m.If(self._iir[:4] == 0b0010):
                    m.d.sync += self._thr_pending.eq(0)
            with m.Case(LSR):
                m.d.sync += self._overrun.eq(0)

    def _write(self, m: Module, number, byte) -> None:
        """One register written."""
        transmitter, receiver = self._transmitter, self._receiver
        with m.Switch(number):
            with m.Case(THR):
                with m.If(self._lcr[7]):
                    m.d.sync += self._divisor[:8].eq(byte)
                with m.Else():
                    m.d.comb += transmitter.write.eq(1)
                    m.d.sync += self._thr_pending.eq(0)
            with m.Case(IER):
                with m.If(self._lcr[7]):
                    m.d.sync += self._divisor[8:].eq(byte)
                with m.Else():
                    m.d.sync += self._ier.eq(byte[:4])
                    with m.If(byte[1] ^ self._ier.transmitter):
                        m.d.sync += self._thr_pending.eq(byte[1] & transmitter.empty)
            with m.Case(FCR):
                switched = byte[0] ^ self._fifo_on
                m.d.sync += [self._fifo_on.eq(byte[0]), self._trigger.eq(byte[6:8])]
                m.d.comb += [receiver.clear.eq(byte[1] | switched), transmitter.clear.eq(byte[2] | switched)]
                with m.If(transmitter.clear):
                    m.d.sync += self._thr_pending.eq(1)
            with m.Case(LCR):
                m.d.sync += self._lcr.eq(byte)
            with m.Case(MCR):
                m.d.sync += self._mcr.eq(byte[:5])
            with m.Case(SCR):
                m.d.sync += self._scr.eq(byte)

    def _identify(self, m: Module) -> None:
        """IIR and the interrupt line: the most urgent enabled condition."""
        receiver, cause = self._receiver, Signal(4)
        with m.If(self._ier.line_status & self._overrun):
            m.d.comb += cause.eq(0b0110)
        with m.Elif(self._ier.received & receiver.timeout):
            m.d.comb += cause.eq(0b1100)
        with m.Elif(self._ier.received & receiver.at_level):
            m.d.comb += cause.eq(0b0100)
        with m.Elif(self._ier.transmitter & self._thr_pending):
            m.d.comb += cause.eq(0b0010)
        with m.Else():
            m.d.comb += cause.eq(0b0001)
        m.d.comb += [
            self._iir.eq(Cat(cause, 0, 0, self._fifo_on, self._fifo_on)),
            self.interrupt.eq(~cause[0]),
        ]
