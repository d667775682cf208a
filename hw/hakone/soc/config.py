"""Choices of a system, as a frozen dataclass, and the named presets. Derived numbers stand with their checks.

Sizes are bytes, counts are entries. ``SocConfig.check`` is called by every user; an impossible choice raises
``ValueError`` that quotes it.
"""

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any

from ..bus.open_checks import OpenCheck
from ..isa.platform import BOARD_DEVICES, DEVICES, LINE_BYTES, RAM_BYTES, TIMEBASE_HZ, Window
from ..memory.sdram_timing import any_part

#: Kinds of memory, and the least and the largest size of each.
MEMORY_BYTES = {"axi": (1 << 16, 1 << 30), "sdram": (32 << 20, 64 << 20), "bram": (16 << 10, 256 << 10)}


@dataclass(frozen=True)
class SocConfig:
    """The choices. Every field can be set with ``--set name=value``."""

    icache_bytes: int = 8192  #: instruction cache: 1 to 16 KiB, power of two
    dcache_bytes: int = 8192  #: data cache: 1 to 16 KiB, power of two
    cache_ways: int = 2  #: ways of each cache: 1, 2 or 4; a way is at most 4 KiB
    attribute_entries: int = 16  #: live attribute entries: 1 to 16
    boot_quota: int = 4  #: attribute entries that each context of a boot record may install itself: 0 to 16
    predictor_entries: int = 128  #: branch target entries: power of two, 16 to 512
    memory: str = (
        "axi"  #: where memory is: `axi` (behind an AXI4 port), `sdram` (a chip at the pads), `bram` (block RAM)
    )
    ram_bytes: int = RAM_BYTES  #: size of memory: power of two, 64 KiB to 1 GiB; sdram 32 or 64 MiB; bram 16 to 256 KiB
    clock_hz: int = 50_000_000  #: system clock; multiple of 10 MHz
    uart_fifo_bytes: int = 16  #: depth of each UART FIFO
    board_io: bool = False  #: SPI controller (SD card), LEDs and buttons
    cipher: bool = True  #: the line cipher works; off only in simulation (control runs)
    probe: bool = False  #: simulation only: white-box ports for traces and checks
    open_checks: str = ""  #: simulation only: protections that are off, by name, with commas between (control runs)

    def check(self) -> "SocConfig":
        """Return self, or raise ``ValueError`` that quotes the impossible choice."""
        for name in ("icache_bytes", "dcache_bytes"):
            size = getattr(self, name)
            if size & (size - 1) or not 1024 <= size <= 16384:
                raise ValueError(f"{name} = {size}: a power of two from 1024 to 16384 is needed")
            if size // self.cache_ways > 4096:
                raise ValueError(f"{name} = {size} with {self.cache_ways} ways: a way is at most 4096 bytes")
            if size // self.cache_ways < 2 * LINE_BYTES:
                raise ValueError(f"{name} = {size} with {self.cache_ways} ways: a way needs at least two lines")
        if self.cache_ways not in (1, 2, 4):
            raise ValueError(f"cache_ways = {self.cache_ways}: 1, 2 or 4 are possible")
        if not 1 <= self.attribute_entries <= 16:
            raise ValueError(f"attribute_entries = {self.attribute_entries}: 1 to 16 are possible")
        if not 0 <= self.boot_quota <= 16:
            raise ValueError(f"boot_quota = {self.boot_quota}: 0 to 16 are possible")
        n = self.predictor_entries
        if n & (n - 1) or not 16 <= n <= 512:
            raise ValueError(f"predictor_entries = {n}: a power of two from 16 to 512 is needed")
        if self.clock_hz % TIMEBASE_HZ or self.clock_hz <= 0:
            raise ValueError(f"clock_hz = {self.clock_hz}: a multiple of {TIMEBASE_HZ} is needed")
        if not 1 <= self.uart_fifo_bytes <= 64:
            raise ValueError(f"uart_fifo_bytes = {self.uart_fifo_bytes}: 1 to 64 are possible")
        self._check_memory()
        self.open_bits()
        return self

    def _check_memory(self) -> None:
        """Raise ``ValueError`` for an unknown kind of memory, or a size or clock that it cannot have."""
        if self.memory not in MEMORY_BYTES:
            raise ValueError(f"memory = {self.memory}: {', '.join(MEMORY_BYTES)} are possible")
        least, most = MEMORY_BYTES[self.memory]
        if self.ram_bytes & (self.ram_bytes - 1) or not least <= self.ram_bytes <= most:
            needed = f"a power of two from {least} to {most} is needed with memory = {self.memory}"
            raise ValueError(f"ram_bytes = {self.ram_bytes}: {needed}")
        if self.memory == "sdram":
            any_part(self.ram_bytes).cycles(self.clock_hz)

    def open_bits(self) -> int:
        """``open_checks`` as bits of ``OpenCheck``. Raises ``ValueError`` for an unknown name, naming the nearest."""
        known = {check.name.lower(): check for check in OpenCheck}
        bits = 0
        for name in filter(None, (word.strip() for word in self.open_checks.split(","))):
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise ValueError(f"open_checks = {name}: no such check; {hint}")
            bits |= 1 << known[name]
        return bits

    @property
    def devices(self) -> tuple[Window, ...]:
        """The devices that exist."""
        return DEVICES + (BOARD_DEVICES if self.board_io else ())

    @property
    def interrupt_sources(self) -> int:
        """Sources of the interrupt controller: the greatest number of a device."""
        return max(w.interrupt for w in self.devices if w.interrupt is not None)

    @property
    def word(self) -> int:
        """What ``hxconfig`` reads: log2 of the cache sizes (3..0 instruction, 7..4 data), ways (11..8), attribute
        entries (19..12), bit 31 for a configuration that is for simulation only.
        """
        sizes = (self.icache_bytes.bit_length() - 1) | (self.dcache_bytes.bit_length() - 1) << 4
        return sizes | self.cache_ways << 8 | self.attribute_entries << 12 | self.simulation_only << 31

    @property
    def simulation_only(self) -> bool:
        """True when the configuration must never reach a board."""
        return self.probe or not self.cipher or bool(self.open_checks)


PRESETS = {
    "default": SocConfig(),
    "small": SocConfig(icache_bytes=2048, dcache_bytes=2048, attribute_entries=8, predictor_entries=16),
    # Of boards: the names are those of hakone.boards.
    "ulx3s-85f": SocConfig(memory="sdram", ram_bytes=32 << 20, board_io=True),
    "ecpix5-85f": SocConfig(memory="bram", ram_bytes=128 << 10, board_io=True),
    "ecp5-evn": SocConfig(memory="bram", ram_bytes=128 << 10, board_io=True),
    "arty-a7-100t": SocConfig(memory="bram", ram_bytes=128 << 10, board_io=True),
    "sim_open_cipher": SocConfig(cipher=False),
    **{f"sim_open_{check.name.lower()}": SocConfig(open_checks=check.name.lower()) for check in OpenCheck},
}


def set_option(config: SocConfig, name: str, value: str) -> SocConfig:
    """``config`` with one field changed from text. Raises ``ValueError`` for an unknown name (naming the nearest) or
    value.
    """
    fields = {f.name: f for f in dataclasses.fields(SocConfig)}
    if name not in fields:
        near = difflib.get_close_matches(name, fields, 1)
        raise ValueError(f"{name}: no such configuration key" + (f"; did you mean {near[0]}?" if near else ""))
    if fields[name].type in (bool, "bool"):
        words = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
        if value.lower() not in words:
            raise ValueError(f"{name} = {value}: true or false is needed")
        changed: Any = words[value.lower()]
        return dataclasses.replace(config, **{name: changed})
    if fields[name].type in (str, "str"):
        text: Any = value
        return dataclasses.replace(config, **{name: text})
    try:
        number: Any = int(value, 0)
        return dataclasses.replace(config, **{name: number})
    except ValueError:
        raise ValueError(f"{name} = {value}: a whole number is needed") from None
