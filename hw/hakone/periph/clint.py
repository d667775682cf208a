"""Core-local interruptor: software interrupt, 64-bit timer and its compare register, for one hart. Clock domain
``sync``.

Register layout as SiFive's CLINT (``sifive,clint0``); which accesses fault, and the values after reset, as QEMU 7.2
answers (``tests/vectors/qemu/clint.txt``).
"""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.register_bus import RegisterBus
from ..isa.platform import CLINT, TIMEBASE_HZ

MSIP = 0x0000
MTIMECMP = 0x4000
MTIME = 0xBFF8
END = 0xC000  #: first offset without registers
_WIDTH = (CLINT.bytes - 1).bit_length()


class Clint(wiring.Component):
    """``msip`` at 0x0, ``mtimecmp`` at 0x4000, ``mtime`` at 0xBFF8; everything else up to 0xC000 reads 0 and ignores
    writes.

    Answers in the same cycle. Only whole words are accepted: others, and offsets from 0xC000 on, answer with an error.
    ``mtime`` begins at 0 and counts at 10 MHz; software may write it. ``interrupt_timer`` is high one cycle after
    ``mtime >= mtimecmp`` begins to hold, unsigned; after reset both are 0, so it rises at once. ``interrupt_software``
    is ``msip``.

    Parameters: ``clock_hz``, a multiple of 10 MHz. Members: ``bus``, ``interrupt_software``, ``interrupt_timer``,
    ``time`` (``mtime``), ``tick`` (one cycle every 100 ns, whatever is written). Errors: ``ValueError`` for an
    impossible clock.
    """

    bus: In(RegisterBus(_WIDTH))
    interrupt_software: Out(1)
    interrupt_timer: Out(1)
    time: Out(64)
    tick: Out(1)

    def __init__(self, clock_hz: int):
        if clock_hz <= 0 or clock_hz % TIMEBASE_HZ:
            raise ValueError(f"clock_hz = {clock_hz}: a multiple of {TIMEBASE_HZ} is needed")
        self._cycles_per_tick = clock_hz // TIMEBASE_HZ
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """Count, compare, and serve the registers."""
        m = Module()
        compare = Signal(64)
        cycles = Signal(range(self._cycles_per_tick))
        m.d.sync += [cycles.eq(cycles + 1), self.interrupt_timer.eq(self.time >= compare)]
        m.d.comb += self.tick.eq(cycles == self._cycles_per_tick - 1)
        with m.If(self.tick):
            m.d.sync += [cycles.eq(0), self.time.eq(self.time + 1)]

        bus = self.bus
        write = bus.valid & bus.write & ~bus.error
        m.d.comb += [bus.ready.eq(1), bus.error.eq((bus.strobe != 0xF) | (bus.addr >= END))]
        registers = {
            MSIP: self.interrupt_software,
            MTIMECMP: compare[:32],
            MTIMECMP + 4: compare[32:],
            MTIME: self.time[:32],
            MTIME + 4: self.time[32:],
        }
        with m.Switch(bus.addr[2:]):
            for offset, register in registers.items():
                with m.Case(offset >> 2):
                    m.d.comb += bus.rdata.eq(register)
                    with m.If(write):  # a written mtime wins over its tick
                        m.d.sync += register.eq(bus.wdata)
        return m
