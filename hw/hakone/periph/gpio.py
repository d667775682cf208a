"""LEDs and buttons, with an interrupt when a button changes. Clock domain ``sync``. Registers: ``isa.board_io``."""

from amaranth import Module, Signal
from amaranth.lib import cdc, wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa import board_io
from ..isa.board_io import Gpio as Register
from ..isa.platform import GPIO

_WIDTH = (GPIO.bytes - 1).bit_length()


class Gpio(wiring.Component):
    """Register bits out to LEDs (0 after reset), buttons in through two flops each.

    A change of a button is pending two cycles after it arrives, whether its interrupt is enabled or not, until one is
    written to its bit; a change in that cycle wins. Buttons are not debounced: whoever handles the interrupt waits. A
    button that is already 1 after reset counts as one change. Only whole words below ``GPIO_END`` are accepted, other
    accesses answer with an error; answers in the same cycle; reserved offsets read 0.

    Members: ``bus``; ``leds``; ``buttons`` (asynchronous); ``interrupt``, high while an enabled change is pending.
    """

    bus: In(RegisterBus(_WIDTH))
    leds: Out(board_io.LEDS)
    buttons: In(board_io.BUTTONS)
    interrupt: Out(1)

    def elaborate(self, _platform) -> Module:
        """Synchronisers, edges, registers."""
        m = Module()
        bus = self.bus
        now, before = Signal(board_io.BUTTONS), Signal(board_io.BUTTONS)
        m.submodules.synchroniser = cdc.FFSynchronizer(self.buttons, now)
        m.d.sync += before.eq(now)
        edges = {Register.RISE_IP: now & ~before, Register.FALL_IP: ~now & before}
        pending = {register: Signal(board_io.BUTTONS, name=register.name.lower()) for register in edges}
        plain = {Register.OUTPUT_VAL: self.leds}
        plain |= {r: Signal(board_io.BUTTONS, name=r.name.lower()) for r in (Register.RISE_IE, Register.FALL_IE)}
        m.d.comb += [bus.ready.eq(1), bus.error.eq((bus.strobe != 0xF) | (bus.addr >= board_io.GPIO_END))]
        write = bus.valid & bus.write & ~bus.error
        with m.Switch(bus.addr[2:]):
            for register, value in ({Register.INPUT_VAL: now} | plain | pending).items():
                with m.Case(register >> 2):
                    m.d.comb += bus.rdata.eq(value)
                    if register in plain:
                        with m.If(write):
                            m.d.sync += value.eq(bus.wdata)
        for register, value in pending.items():
            cleared = Signal.like(value, name=f"{register.name.lower()}_cleared")
            with m.If(write & (bus.addr == register)):
                m.d.comb += cleared.eq(bus.wdata)
            m.d.sync += value.eq((value & ~cleared) | edges[register])
        rises = pending[Register.RISE_IP] & plain[Register.RISE_IE]
        falls = pending[Register.FALL_IP] & plain[Register.FALL_IE]
        m.d.sync += self.interrupt.eq((rises | falls).any())
        return m
