"""The board's clock made into the system's: PLL parameters, computed and checked here, and the primitives.

No clock domain of its own. Sources: Lattice FPGA-DS-02012 (ECP5 family data sheet, sysCLOCK PLL timing) and
FPGA-TN-02200 (ECP5 sysCLOCK PLL usage); Xilinx DS181 (Artix-7 data sheet, PLL switching characteristics, speed grade
-1) and UG472 (7 series clocking, PLLE2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from amaranth import Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

DIVIDERS = range(1, 129)  #: of the ECP5's PLL: input, feedback and outputs
ECP5_VCO_HZ = (400_000_000, 800_000_000)
ECP5_OUT_HZ = (3_125_000, 400_000_000)
ECP5_PHASE_DETECTOR_HZ = (10_000_000, 400_000_000)
XILINX_VCO_HZ = (800_000_000, 1_600_000_000)
XILINX_PHASE_DETECTOR_HZ = (19_000_000, 450_000_000)


@dataclass(frozen=True)
class PllDividers:
    """Dividers of a PLL. ``vco = in / input * feedback * spare``, and ``out = vco / output``.

    On the ECP5 the feedback comes from the output itself (``spare == output``), or from a second output with the
    divider ``spare`` where that cannot give the rate. A Xilinx PLL has its feedback behind no divider: 1.
    """

    input: int
    feedback: int
    spare: int
    output: int

    def out_hz(self, in_hz: int) -> Fraction:
        """Rate of the output, exactly."""
        return Fraction(in_hz * self.feedback * self.spare, self.input * self.output)


def _inside(value: Fraction, limits: tuple[int, int]) -> bool:
    return limits[0] <= value <= limits[1]


def _ecp5_candidates(in_hz: int, out_hz: int) -> Iterator[PllDividers]:
    for i in DIVIDERS:
        detector = Fraction(in_hz, i)
        if not _inside(detector, ECP5_PHASE_DETECTOR_HZ):
            continue
        for output in DIVIDERS:
            vco = Fraction(out_hz * output)
            product = vco / detector
            if not _inside(vco, ECP5_VCO_HZ) or product.denominator != 1:
                continue
            for spare in {output, *range(2, 17)}:
                feedback, rest = divmod(product.numerator, spare)
                if not rest and feedback in DIVIDERS and _inside(vco / spare, ECP5_OUT_HZ):
                    yield PllDividers(i, feedback, spare, output)


def ecp5_dividers(in_hz: int, out_hz: int) -> PllDividers:
    """Dividers of an EHXPLLL that give the rate exactly: the output in the feedback where that is possible, the
    oscillator near 600 MHz.

    Raises ``ValueError`` that quotes both rates when there are none within limits.
    """
    middle = sum(ECP5_VCO_HZ) // 2
    found = list(_ecp5_candidates(in_hz, out_hz))
    if not found:
        raise ValueError(f"clock_hz = {out_hz}: an ECP5's PLL cannot make it from {in_hz} Hz; choose another")

    def worth(d: PllDividers):
        # A small input divider leaves the phase detector fast, which keeps jitter low.
        return d.spare != d.output, d.input, abs(out_hz * d.output - middle), d.feedback

    return min(found, key=worth)


def xilinx_dividers(in_hz: int, out_hz: int) -> PllDividers:
    """Dividers of a PLLE2_BASE, exact, the oscillator as slow as possible. Raises ``ValueError`` as above."""
    found = [
        PllDividers(i, f, 1, o)
        for i in range(1, 57)
        if _inside(Fraction(in_hz, i), XILINX_PHASE_DETECTOR_HZ)
        for f in range(2, 65)
        if _inside(Fraction(in_hz * f, i), XILINX_VCO_HZ)
        for o in DIVIDERS
        if in_hz * f == out_hz * i * o
    ]
    if not found:
        raise ValueError(f"clock_hz = {out_hz}: a PLLE2 cannot make it from {in_hz} Hz; choose another")
    return min(found, key=lambda d: (d.input, d.feedback))


class Ecp5Clock(wiring.Component):
    """An EHXPLLL; where its first output is in the feedback, ``clock`` is in phase with ``pad``.

    Parameters: ``in_hz`` and ``out_hz``; ``shift``, a part of a cycle in sixteenths, 0 for no shifted clock. Members:
    ``pad`` (clock from its input buffer); ``clock``; ``shifted``, the same later by ``shift``; ``locked``, low until
    the outputs have the right rate, asynchronous to every clock. Raises ``ValueError`` for what cannot be.
    """

    pad: In(1)
    clock: Out(1)
    shifted: Out(1)
    locked: Out(1)

    def __init__(self, in_hz: int, out_hz: int, shift: float = 0):
        if not 0 <= shift < 1 or shift * 16 % 1:
            raise ValueError(f"shift = {shift}: sixteenths of a cycle from 0 to 15/16 are possible")
        self.dividers = ecp5_dividers(in_hz, out_hz)
        self._in_hz, self._out_hz, self._shift = in_hz, out_hz, shift
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """One primitive; what it has besides is switched off."""
        m = Module()
        d = self.dividers
        spare = Signal()
        if d.spare == d.output:
            path, feedback, options = "CLKOP", self.clock, {}
        else:
            path, feedback = "CLKOS", spare
            options = {
                "p_CLKOS_DIV": d.spare,
                "p_CLKOS_ENABLE": "ENABLED",
                "p_CLKOS_CPHASE": d.spare - 1,
                "p_CLKOS_FPHASE": 0,
                "o_CLKOS": spare,
            }
        if self._shift:
            options |= self._shifted_output()
        m.submodules.pll = Instance(
            "EHXPLLL",
            # Read by place and route, which takes the clock's rate from it.
            a_FREQUENCY_PIN_CLKI=f"{self._in_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self._out_hz / 1e6:g}",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            p_CLKI_DIV=d.input,
            p_CLKFB_DIV=d.feedback,
            p_CLKOP_DIV=d.output,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=d.output - 1,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH=path,
            **options,
            i_CLKI=self.pad,
            i_CLKFB=feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            o_CLKOP=self.clock,
            o_LOCK=self.locked,
        )
        return m

    def _shifted_output(self) -> dict:
        """A third output with the divider of the first; its phase in whole and eighth periods of the oscillator."""
        output = self.dividers.output
        whole, rest = divmod(self._shift * output, 1)
        return {
            "p_CLKOS2_DIV": output,
            "p_CLKOS2_ENABLE": "ENABLED",
            "p_CLKOS2_CPHASE": output - 1 + int(whole),
            "p_CLKOS2_FPHASE": int(rest * 8),
            "o_CLKOS2": self.shifted,
        }


class XilinxClock(wiring.Component):
    """A PLLE2_BASE and the buffer of its output. Parameters and members as in ``Ecp5Clock``."""

    pad: In(1)
    clock: Out(1)
    locked: Out(1)

    def __init__(self, in_hz: int, out_hz: int):
        self.dividers = xilinx_dividers(in_hz, out_hz)
        self._in_hz = in_hz
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """Two primitives."""
        m = Module()
        d = self.dividers
        feedback, output = Signal(), Signal()
        m.submodules.pll = Instance(
            "PLLE2_BASE",
            p_CLKIN1_PERIOD=1e9 / self._in_hz,
            p_DIVCLK_DIVIDE=d.input,
            p_CLKFBOUT_MULT=d.feedback,
            p_CLKOUT0_DIVIDE=d.output,
            i_CLKIN1=self.pad,
            i_CLKFBIN=feedback,
            i_RST=Const(0),
            i_PWRDWN=Const(0),
            o_CLKFBOUT=feedback,
            o_CLKOUT0=output,
            o_LOCKED=self.locked,
        )
        m.submodules.buffer = Instance("BUFG", i_I=output, o_O=self.clock)
        return m
