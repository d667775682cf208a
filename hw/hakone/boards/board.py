"""What a board description says, and the boards there are: on top of the pin tables of ``amaranth-boards``.

A description names which of the board's resources Hakone uses and for what; pins and electrical attributes are those of
the package. A place is ``(resource, number)``, or ``(resource, number, member)`` for one wire group of a resource.
"""

import difflib
import importlib
import re
from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

Place = tuple[str, int] | tuple[str, int, str]


@dataclass(frozen=True)
class Board:
    """One board. ``ValueError`` for a name that ``by_name`` does not know."""

    name: str  #: as in ``make fpga BOARD=``; the preset of ``soc.config`` has the same name
    title: str  #: what is printed on the box, and the device
    platform: str  #: class of amaranth-boards, as ``module:class``
    clock: str  #: resource of the oscillator
    serial: Place  #: resource with ``rx`` and ``tx``
    resets: tuple[Place, ...]  #: buttons that reset the system while pressed
    buttons: tuple[Place, ...] = ()  #: buttons or switches that software reads, from bit 0
    leds: tuple[Place, ...] = ()  #: lights, from bit 0
    card: Place | None = None  #: SD card as SPI: ``cs``, ``clk``, ``copi``, ``cipo``
    sdram: Place | None = None  #: 16-bit SDRAM chip
    extra: tuple[Resource, ...] = ()  #: what the package has not, or has for another revision of the board
    low: tuple[Place, ...] = ()  #: outputs that are held inactive
    programmer: tuple[str, ...] = ()  #: openFPGALoader's options for this board

    @property
    def top(self) -> str:
        """Name of the top module in Verilog."""
        return "board_" + re.sub(r"\W", "_", self.name)

    def open_platform(self) -> Any:
        """A new object of the platform's class: pins that have been handed out are noted in it."""
        module, name = self.platform.split(":")
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()
        platform.add_resources(self.extra)
        return platform


#: The package has the card's pins of ULX3S 1.7; these are of 2.x and 3.x. Source: emard/ulx3s,
#: doc/constraints/ulx3s_v20.lpf.
_ULX3S_CARD = Resource(
    "card",
    0,
    Subsignal("cs", PinsN("K2", dir="o")),
    Subsignal("clk", Pins("H2", dir="o")),
    Subsignal("copi", Pins("J1", dir="o")),
    Subsignal("cipo", Pins("J3", dir="i")),
    Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP", DRIVE="4"),
)


ULX3S_85F = Board(
    name="ulx3s-85f",
    title="Radiona ULX3S with LFE5U-85F-6, 32 MiB SDRAM",
    platform="ulx3s:ULX3S_85F_Platform",
    clock="clk25",
    serial=("uart", 0),
    resets=(("button_pwr", 0),),
    buttons=tuple(("button", n) for n in range(6)),
    leds=tuple(("led", n) for n in range(8)),
    card=("card", 0),
    extra=(_ULX3S_CARD,),
    sdram=("sdram", 0),
    low=(("esp32", 0, "en"),),  # the radio module hangs on the same wires as the card: it stays off
    programmer=("-b", "ulx3s"),
)
ECPIX5_85F = Board(
    name="ecpix5-85f",
    title="LambdaConcept ECPIX-5 with LFE5UM5G-85F-8, block RAM only",
    platform="ecpix5:ECPIX585Platform",
    clock="clk100",
    serial=("uart", 0),
    resets=(("rst", 0),),
    leds=tuple(("rgb_led", n, color) for n in range(4) for color in "rg"),
    programmer=("-b", "ecpix5"),
)
ECP5_EVN = Board(
    name="ecp5-evn",
    title="Lattice ECP5-5G evaluation board with LFE5UM5G-85F-8, block RAM only",
    platform="ecp5_5g_evn:ECP55GEVNPlatform",
    clock="clk12",
    serial=("uart", 0),
    resets=(("rst", 0),),
    buttons=(("button", 0), *(("switch", n) for n in range(1, 8))),
    leds=tuple(("led", n) for n in range(8)),
    programmer=("-b", "ecp5_evn"),
)
ARTY_A7_100T = Board(
    name="arty-a7-100t",
    title="Digilent Arty A7 with XC7A100T-1, block RAM only, for Vivado",
    platform="arty_a7:ArtyA7_100Platform",
    clock="clk100",
    serial=("uart", 0),
    resets=(("rst", 0),),
    buttons=(*(("button", n) for n in range(4)), *(("switch", n) for n in range(4))),
    leds=(*(("led", n) for n in range(4)), *(("rgb_led", n, "g") for n in range(4))),
    programmer=("-b", "arty_a7_100t"),
)
BOARDS = {b.name: b for b in (ULX3S_85F, ECPIX5_85F, ECP5_EVN, ARTY_A7_100T)}


def by_name(name: str) -> Board:
    """The board of this name. Raises ``ValueError`` that names the nearest, or all."""
    if name not in BOARDS:
        near = difflib.get_close_matches(name, BOARDS, 1)
        raise ValueError(
            f"{name}: no such board; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(BOARDS)}")
        )
    return BOARDS[name]
