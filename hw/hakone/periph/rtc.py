"""Goldfish real-time clock: nanoseconds, one alarm, one interrupt. Clock domain ``sync``.

Registers: "Goldfish platform virtual hardware" (Android emulator documentation), section "Goldfish real-time clock";
which accesses fault, and what an alarm in the past does, as QEMU 7.2 answers (``tests/vectors/qemu/rtc.txt``).
"""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa.platform import RTC, TIMEBASE_HZ

TIME_LOW = 0x00  #: reading it keeps the high half for TIME_HIGH
TIME_HIGH = 0x04
ALARM_LOW = 0x08  #: writing it (or ALARM_HIGH) sets the alarm
ALARM_HIGH = 0x0C
IRQ_ENABLED = 0x10
CLEAR_ALARM = 0x14
ALARM_STATUS = 0x18
CLEAR_INTERRUPT = 0x1C
END = 0x24  #: first offset without registers
_WIDTH = (RTC.bytes - 1).bit_length()


class GoldfishRtc(wiring.Component):
    """Time in nanoseconds since software set it: there is no battery, after reset it begins at 0.

    It advances by 100 with every tick of the 10 MHz time base. ``interrupt`` is high while an alarm has fired, has not
    been cleared with ``CLEAR_INTERRUPT``, and ``IRQ_ENABLED`` is 1. An alarm fires when the time reaches it; one set in
    the past fires in the cycle after. Only whole words below 0x24 are accepted, other accesses answer with an error.
    Answers in the same cycle.

    Members: ``bus``; ``tick`` (one cycle per 100 ns); ``interrupt``.
    """

    bus: In(RegisterBus(_WIDTH))
    tick: In(1)
    interrupt: Out(1)

    def elaborate(self, _platform) -> Module:
        """Time, alarm, registers."""
        m = Module()
        bus = self.bus
        now, high, alarm = Signal(64), Signal(32), Signal(64)
        running, pending, enabled = Signal(), Signal(), Signal()
        access = bus.valid & ~bus.error
        m.d.comb += [
            bus.ready.eq(1),
            bus.error.eq((bus.strobe != 0xF) | (bus.addr >= END)),
            self.interrupt.eq(pending & enabled),
        ]
        with m.If(self.tick):
            m.d.sync += now.eq(now + 1_000_000_000 // TIMEBASE_HZ)
        with m.If(running & (now >= alarm)):
            m.d.sync += [running.eq(0), pending.eq(1)]
        registers = {TIME_LOW: now[:32], TIME_HIGH: now[32:], ALARM_LOW: alarm[:32], ALARM_HIGH: alarm[32:]}
        registers |= {IRQ_ENABLED: enabled}
        readable = registers | {TIME_HIGH: high, ALARM_STATUS: running}
        with m.Switch(bus.addr[2:]):
            for offset, value in readable.items():
                with m.Case(offset >> 2):
                    m.d.comb += bus.rdata.eq(value)
        with m.If(access & ~bus.write & (bus.addr[2:] == TIME_LOW >> 2)):
            m.d.sync += high.eq(now[32:])
        with m.If(access & bus.write):
            with m.Switch(bus.addr[2:]):
                for offset, register in registers.items():
                    with m.Case(offset >> 2):
                        m.d.sync += register.eq(bus.wdata)
                        if offset in (ALARM_LOW, ALARM_HIGH):
                            m.d.sync += running.eq(1)
                with m.Case(CLEAR_ALARM >> 2):
                    m.d.sync += running.eq(0)
                with m.Case(CLEAR_INTERRUPT >> 2):
                    m.d.sync += pending.eq(0)
        return m
