"""Pads of a board by place, and the pin tables that go with the Verilog: LPF for Lattice, XDC for Xilinx.

Ports have the names that ``amaranth-boards`` gives them, ``<resource>_<number>__<member>__io``; a port of a
differential pair ends in ``__p``. A file lists each bit of each port once.
"""

from collections.abc import Iterator
from typing import Any

from amaranth.build import Pins
from amaranth.hdl import IOPort
from amaranth.lib import io

from .board import Board, Place


class Pads:
    """Hands out the pads of a board and remembers which were taken.

    ``platform`` is the object of amaranth-boards that elaboration needs as well.
    """

    def __init__(self, board: Board):
        self.board = board
        self.platform = board.open_platform()
        self._groups: dict[tuple[str, int], Any] = {}
        self._ports: dict[str, IOPort] = {}

    @property
    def clock_hz(self) -> int:
        """Rate of the board's oscillator."""
        return int(self.platform.lookup(self.board.clock).clock.frequency)

    def take(self, place: Place, member: str = "") -> Any:
        """The port of a place: what ``amaranth.lib.io`` buffers take. ``member`` is one wire group of it.

        Raises ``ValueError`` when the board's table has no such place.
        """
        resource, number, *rest = place
        names = [*rest, *([member] if member else [])]
        try:
            if (resource, number) not in self._groups:
                self._groups[resource, number] = self.platform.request(resource, number, dir="-")
            port = self._groups[resource, number]
            for name in names:
                port = getattr(port, name)
        except Exception as e:
            raise ValueError(f"{self.board.name}: {place} {member}: {e}; look at {self.board.platform}") from None
        pad = port.p if isinstance(port, io.DifferentialPort) else port.io
        self._ports[pad.name] = pad
        return port

    def has(self, place: Place, member: str) -> bool:
        """True when the resource of a place has this member."""
        resource, number = place[:2]
        ios = self.platform.lookup(resource, number).ios
        return not isinstance(ios[0], Pins) and any(getattr(sub, "name", "") == member for sub in ios)

    def ports(self) -> list[IOPort]:
        """Every pad that was taken, by name."""
        return [self._ports[name] for name in sorted(self._ports)]

    def bits(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Name in the Verilog, pin, and electrical attributes of each bit."""
        for port in self.ports():
            for number, meta in enumerate(port.metadata):
                name = f"{port.name}[{number}]" if len(port.metadata) > 1 else port.name
                yield name, meta.name, meta.attrs

    def clocks(self) -> Iterator[tuple[str, float]]:
        """Port and rate of each clock that comes in at a pad."""
        for port, rate in self.platform.iter_port_clock_constraints():
            if port.name in self._ports:
                yield port.name, rate


def _head(pads: Pads, mark: str) -> list[str]:
    board = pads.board
    return [
        f"{mark} Pins of module {board.top}: {board.title}.",
        f"{mark} Made by `make docs` from the table {board.platform} of amaranth-boards.",
        "",
    ]


def lpf(pads: Pads) -> str:
    """Constraints for nextpnr and Lattice's tools."""
    lines = _head(pads, "#") + ["BLOCK ASYNCPATHS;", "BLOCK RESETPATHS;"]
    for port, rate in pads.clocks():
        lines.append(f'FREQUENCY PORT "{port}" {rate / 1e6:g} MHZ;')
    for port, pin, attrs in pads.bits():
        options = "".join(f" {key}={value}" for key, value in attrs.items())
        lines.append(f'LOCATE COMP "{port}" SITE "{pin}";')
        if options:
            lines.append(f'IOBUF PORT "{port}"{options};')
    return "\n".join(lines) + "\n"


def xdc(pads: Pads) -> str:
    """Constraints for Vivado."""
    lines = _head(pads, "#")
    for port, rate in pads.clocks():
        lines.append(f"create_clock -name {port} -period {1e9 / rate:g} [get_ports {{{port}}}]")
    for port, pin, attrs in pads.bits():
        options = "".join(f" {key} {value}" for key, value in attrs.items())
        lines.append(f"set_property -dict {{PACKAGE_PIN {pin}{options}}} [get_ports {{{port}}}]")
    return "\n".join(lines) + "\n"
