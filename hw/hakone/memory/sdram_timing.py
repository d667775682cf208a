"""Timing of 16-bit SDR SDRAM: what data sheets ask for, in nanoseconds, and what follows in cycles of a clock.

Sources, one column of ``PARTS`` each:

- Micron, 256Mb: x4, x8, x16 SDRAM (MT48LC16M16A2), speed grade -75: Table 12, "Electrical Characteristics and
  Recommended AC Operating Conditions"; tMRD from the table of AC functional characteristics; pause, order and number
  of commands from the section "Initialization" and note 6.
- Alliance Memory, AS4C32M16SB 512Mb SDRAM, speed grade -7: Table 16, "Electrical Characteristics and Recommended A.C.
  Operating Conditions", and note 11 (power-up).

The same boards also carry the ISSI IS42S16160 (-7). Its table was not at hand; no number here is taken from it.
"""

import dataclasses
import math
from dataclasses import dataclass

BANKS = 4
ROWS = 8192
WORD_BYTES = 2
BURST_WORDS = 4  #: words of one read or write command: a beat of 64 bits


def _cycles(ns: float, clock_hz: int) -> int:
    """The least number of cycles that last ``ns``."""
    return math.ceil(ns * clock_hz / 1e9 - 1e-9)


@dataclass(frozen=True)
class SdramCycles:
    """The same in cycles of one clock, as the controller counts them, from command to command."""

    cas: int  #: CAS latency, 2 or 3
    rcd: int  #: ACTIVE to READ or WRITE
    rp: int  #: PRECHARGE to ACTIVE or REFRESH
    ras: int  #: ACTIVE to PRECHARGE; long enough that ``ras + rp`` is tRC
    rfc: int  #: REFRESH to the next command
    rrd: int  #: ACTIVE to ACTIVE of another bank
    wr: int  #: last word written to PRECHARGE
    mrd: int  #: LOAD MODE REGISTER to the next command
    power_up: int  #: quiet cycles after reset
    power_up_refreshes: int  #: REFRESH commands before the mode register is loaded
    refresh: int  #: from one REFRESH to the next
    capture: int  #: from a READ on the pads to the edge that captures its first word
    clock_shift: float  #: the chip's clock rises this part of a cycle after the pads change


@dataclass(frozen=True)
class SdramTiming:
    """What a chip asks for. Times in nanoseconds unless the name says otherwise.

    ``columns``: 512 (32 MiB) or 1024 (64 MiB). ``board_ns``: allowance for pads and tracks, clock to chip and data back
    together; an estimate, measured by nobody. ``cycles`` derives what the controller needs and raises ``ValueError``
    for a clock that the chip cannot have.
    """

    columns: int
    trcd: float
    trp: float
    tras: float
    tras_max: float
    trc: float
    trfc: float
    trrd: float
    twr: float
    tmrd: float
    tmrd_cycles: int
    twr_cycles: int
    tck2: float  #: shortest cycle with CAS latency 2
    tck3: float
    tac2: float  #: clock to data with CAS latency 2
    tac3: float
    toh: float  #: data kept after the clock
    tis: float  #: set-up of every input
    refresh_ms: float  #: in which each of the rows must be refreshed
    power_up_us: float
    power_up_refreshes: int
    board_ns: float = 2.0

    @property
    def bytes(self) -> int:
        """Size of the chip."""
        return BANKS * ROWS * self.columns * WORD_BYTES

    def capture(self, clock_hz: int, cas: int) -> tuple[float, int]:
        """``clock_shift`` and ``capture`` of ``SdramCycles``: the chip has the inverted system clock if data come
        in time then, else a quarter of a cycle earlier, else a quarter later with data captured one edge later. Raises
        ``ValueError`` when none of them does.
        """
        period, access = 1e9 / clock_hz, self.tac2 if cas == 2 else self.tac3
        for shift, edge in ((0.5, cas), (0.25, cas), (0.75, cas + 1)):
            inputs_settle = shift * period >= self.tis + self.board_ns / 2
            arrives = (edge - (cas - 1) - shift) * period >= access + self.board_ns
            stays = (shift + cas - edge) * period + self.toh >= 0
            if inputs_settle and arrives and stays:
                return shift, edge
        raise ValueError(f"clock_hz = {clock_hz}: no edge captures data of the SDRAM ({access} ns after its clock)")

    def cycles(self, clock_hz: int) -> SdramCycles:
        """In cycles of ``clock_hz``. The CAS latency is 2 where the clock permits. Raises ``ValueError``."""
        period = 1e9 / clock_hz
        if period < self.tck3:
            raise ValueError(f"clock_hz = {clock_hz}: the SDRAM takes at most {int(1e9 / self.tck3)}")
        cas = 2 if period >= self.tck2 else 3
        rp = _cycles(self.trp, clock_hz)
        shift, capture = self.capture(clock_hz, cas)
        timed = SdramCycles(
            cas=cas,
            rcd=_cycles(self.trcd, clock_hz),
            rp=rp,
            ras=max(_cycles(self.tras, clock_hz), _cycles(self.trc, clock_hz) - rp),
            rfc=_cycles(self.trfc, clock_hz),
            rrd=_cycles(self.trrd, clock_hz),
            wr=max(self.twr_cycles, _cycles(self.twr, clock_hz)),
            mrd=max(self.tmrd_cycles, _cycles(self.tmrd, clock_hz)),
            power_up=_cycles(self.power_up_us * 1e3, clock_hz),
            power_up_refreshes=self.power_up_refreshes,
            refresh=int(self.refresh_ms * 1e-3 * clock_hz / ROWS),
            capture=capture,
            clock_shift=shift,
        )
        # A column command alone then tells when a bank may be precharged: its row was opened long enough ago.
        if timed.rcd + BURST_WORDS < timed.ras:
            raise ValueError(f"clock_hz = {clock_hz}: tRAS is longer than tRCD and a burst")
        # Rows are closed by each refresh; between two of them there must be time to work.
        open_ns = 2 * timed.refresh * period
        if open_ns > self.tras_max or timed.refresh < 128:
            raise ValueError(f"clock_hz = {clock_hz}: {timed.refresh} cycles from refresh to refresh cannot be kept")
        return timed


#: Data sheet values by part.
PARTS = {
    "mt48lc16m16a2-75": SdramTiming(
        columns=512,
        trcd=20,
        trp=20,
        tras=44,
        tras_max=120_000,
        trc=66,
        trfc=66,
        trrd=15,
        twr=15,
        tmrd=0,
        tmrd_cycles=2,
        twr_cycles=1,
        tck2=10,
        tck3=7.5,
        tac2=6,
        tac3=5.4,
        toh=3,
        tis=1.5,
        refresh_ms=64,
        power_up_us=100,
        power_up_refreshes=2,
    ),
    "as4c32m16sb-7": SdramTiming(
        columns=1024,
        trcd=21,
        trp=21,
        tras=42,
        tras_max=120_000,
        trc=63,
        trfc=63,
        trrd=14,
        twr=14,
        tmrd=14,
        tmrd_cycles=1,
        twr_cycles=1,
        tck2=10,
        tck3=7,
        tac2=6,
        tac3=5.4,
        toh=2.5,
        tis=1.5,
        refresh_ms=64,
        power_up_us=200,
        power_up_refreshes=2,
    ),
}
_LEAST = ("tras_max", "toh", "refresh_ms")


def any_part(size_bytes: int) -> SdramTiming:
    """Timing that satisfies every part of ``PARTS``, for a chip of 32 or 64 MiB: the worst of each value, eight
    refreshes at power-up (JEDEC 21-C asks for them, these parts for two) and two cycles of write recovery. Raises
    ``ValueError`` for another size.
    """
    sizes = {BANKS * ROWS * columns * WORD_BYTES: columns for columns in (512, 1024)}
    if size_bytes not in sizes:
        known = " or ".join(str(n) for n in sizes)
        raise ValueError(f"{size_bytes} bytes: an SDRAM of {known} is possible")
    values = {}
    for field in dataclasses.fields(SdramTiming):
        column = [getattr(part, field.name) for part in PARTS.values()]
        values[field.name] = min(column) if field.name in _LEAST else max(column)
    values |= {"columns": sizes[size_bytes], "power_up_refreshes": 8, "twr_cycles": 2}
    return SdramTiming(**values)
