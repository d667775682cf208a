"""What the SDRAM needs besides accesses: the sequence after power-up, and refresh. Clock domain ``sync``.

Source: Micron 256Mb SDRAM data sheet (MT48LC16M16A2), "Initialization", "Mode Register", "AUTO REFRESH"; JEDEC 21-C,
3.11.5 (eight refreshes at power-up).
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from .sdram_timing import SdramCycles

ALL_BANKS = 1 << 10  #: address bit of PRECHARGE


def mode_register(cas: int) -> int:
    """Bursts of four words in sequence, for reads and writes, with a CAS latency."""
    return cas << 4 | 0b010


class _Step(enum.Enum, shape=3):
    """What is done next."""

    POWER_UP = 0
    WORK = 1
    PRECHARGE = 2
    REFRESH = 3
    MODE = 4


class SdramUpkeep(wiring.Component):
    """Wants the chip to itself while not ``work``: from reset until it is set up, and for each refresh.

    A refresh falls due every ``cycles.refresh`` cycles; from then on no column and no ACTIVE command may be given. As
    soon as ``all_quiet`` says that banks may be precharged, all of them are, and the refresh follows. At most a write
    with its recovery is in the way, so a refresh is never later than that, whatever the load.

    Members: ``precharge_all``, ``refresh``, ``load_mode`` (one cycle each: the command to give); ``started`` (the chip
    is set up).
    """

    def __init__(self, cycles: SdramCycles):
        self._cycles = cycles
        super().__init__(
            {
                "work": Out(1),
                "started": Out(1),
                "all_quiet": In(1),
                "precharge_all": Out(1),
                "refresh": Out(1),
                "load_mode": Out(1),
            }
        )

    def elaborate(self, _platform) -> Module:
        """Two counters: time to the next refresh (or the end of the pause), and the wait behind a command."""
        m, t = Module(), self._cycles
        step = Signal(_Step)
        timer = Signal(range(max(t.power_up, t.refresh)), init=t.power_up - 1)
        wait = Signal(range(max(t.rp, t.rfc, t.mrd)))
        left = Signal(range(t.power_up_refreshes + 1), init=t.power_up_refreshes)
        elapsed = timer == 0
        due = Signal()
        m.d.sync += [timer.eq(Mux(elapsed, t.refresh - 1, timer - 1)), wait.eq(Mux(wait == 0, 0, wait - 1))]
        m.d.comb += self.work.eq((step == _Step.WORK) & ~due & (wait == 0))
        with m.If(elapsed & (step != _Step.POWER_UP)):
            m.d.sync += due.eq(1)
        with m.Switch(step):
            with m.Case(_Step.POWER_UP):
                with m.If(elapsed):
                    m.d.sync += step.eq(_Step.PRECHARGE)
            with m.Case(_Step.WORK):
                with m.If(due):
                    m.d.sync += step.eq(_Step.PRECHARGE)
            with m.Case(_Step.PRECHARGE):
                with m.If(self.all_quiet):
                    m.d.comb += self.precharge_all.eq(1)
                    m.d.sync += [step.eq(_Step.REFRESH), wait.eq(t.rp - 1)]
            with m.Case(_Step.REFRESH):
                with m.If(wait == 0):
                    m.d.comb += self.refresh.eq(1)
                    m.d.sync += wait.eq(t.rfc - 1)
                    with m.If(self.started):
                        m.d.sync += [step.eq(_Step.WORK), due.eq(0)]
                    with m.Elif(left == 1):
                        m.d.sync += step.eq(_Step.MODE)
                    with m.Else():
                        m.d.sync += left.eq(left - 1)
            with m.Case(_Step.MODE):
                with m.If(wait == 0):
                    m.d.comb += self.load_mode.eq(1)
                    m.d.sync += [wait.eq(t.mrd - 1), self.started.eq(1), step.eq(_Step.WORK)]
        return m
