"""The device tree of a system, as a flattened blob: exactly what exists, for software that asks what it runs on.

Format: Devicetree Specification v0.4, chapter 5. Bindings as Linux documents them for the named devices; names and
addresses of nodes as QEMU's ``virt`` has them.
"""

import struct
from dataclasses import dataclass, field

from ..isa import board_io, platform
from .config import SocConfig

_MAGIC = 0xD00DFEED
_VERSION, _LAST_COMPATIBLE = 17, 16
_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
_HEADER_BYTES = 40
ISA_STRING = "rv32imac_zicntr_zicsr_zifencei"
_INTC, _PLIC, _TEST, _CLOCK = 1, 2, 3, 4  # phandles
_NO_INTERRUPT = 0xFFFF_FFFF  # a PLIC context that leads to no hart interrupt
_SD_CARD_HZ = 25_000_000  # default speed
_UART_CLOCK_HZ = 3_686_400  # the divisor has no effect; this is what QEMU names


@dataclass
class Node:
    """A node: name with unit address, properties (already bytes) and children, in order."""

    name: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)


def cells(*values: int) -> bytes:
    """A property of 32-bit big-endian cells."""
    return struct.pack(f">{len(values)}I", *values)


def text(*values: str) -> bytes:
    """A property of zero-terminated strings."""
    return b"".join(v.encode() + b"\0" for v in values)


def _pad(blob: bytes) -> bytes:
    """``blob`` extended to a multiple of four bytes."""
    return blob + b"\0" * (-len(blob) % 4)


def _structure(node: Node, strings: dict[str, int], names: bytearray) -> bytes:
    """The structure block of a node; names of properties are gathered in ``names``."""
    out = cells(_BEGIN_NODE) + _pad(text(node.name))
    for name, value in node.properties.items():
        if name not in strings:
            strings[name] = len(names)
            names += text(name)
        out += cells(_PROP, len(value), strings[name]) + _pad(value)
    return out + b"".join(_structure(child, strings, names) for child in node.children) + cells(_END_NODE)


def flatten(root: Node) -> bytes:
    """The blob: header, empty reservation map, structure, strings."""
    names = bytearray()
    structure = _structure(root, {}, names) + cells(_END)
    reservations = bytes(16)
    at_structure = _HEADER_BYTES + len(reservations)
    at_strings = at_structure + len(structure)
    total = (at_strings + len(names) + 7) & ~7
    header = cells(_MAGIC, total, at_structure, at_strings, _HEADER_BYTES, _VERSION, _LAST_COMPATIBLE, 0)
    header += cells(len(names), len(structure))
    return (header + reservations + structure + bytes(names)).ljust(total, b"\0")


def _reg(window: platform.Window) -> bytes:
    """``reg`` of a device: two cells of address, two of size."""
    return cells(0, window.base, 0, window.bytes)


def _device(name: str, window: platform.Window, compatible: bytes, **properties: bytes) -> Node:
    """A device on the bus; ``_`` in the names of ``properties`` stands for ``-``."""
    more = {key.replace("_", "-"): value for key, value in properties.items()}
    if window.interrupt is not None:
        more |= {"interrupts": cells(window.interrupt), "interrupt-parent": cells(_PLIC)}
    return Node(f"{name}@{window.base:x}", {"compatible": compatible, "reg": _reg(window), **more})


def _board_io() -> list[Node]:
    """SPI controller with its card slot, LEDs and buttons."""
    spi = _device(
        "spi",
        platform.SPI,
        text("sifive,spi0"),
        clocks=cells(_CLOCK),
        **{"#address_cells": cells(1), "#size_cells": cells(0)},
    )
    slot = {"compatible": text("mmc-spi-slot"), "reg": cells(0), "spi-max-frequency": cells(_SD_CARD_HZ)}
    spi.children.append(Node("mmc@0", {**slot, "voltage-ranges": cells(3300, 3300), "disable-wp": b""}))
    gpio = _device(
        "gpio",
        platform.GPIO,
        text("hakone,gpio"),
        **{"hakone,leds": cells(board_io.LEDS), "hakone,buttons": cells(board_io.BUTTONS)},
    )
    return [spi, gpio]


def _bus(config: SocConfig) -> Node:
    """The devices."""
    plic = _device(
        "plic",
        platform.PLIC,
        text("sifive,plic-1.0.0", "riscv,plic0"),
        **{"#interrupt_cells": cells(1), "#address_cells": cells(0)},
        interrupt_controller=b"",
        interrupts_extended=cells(_INTC, 11, _INTC, _NO_INTERRUPT),
        **{"riscv,ndev": cells(config.interrupt_sources)},
        phandle=cells(_PLIC),
    )
    clint = _device(
        "clint",
        platform.CLINT,
        text("sifive,clint0", "riscv,clint0"),
        interrupts_extended=cells(_INTC, 3, _INTC, 7),
    )
    return Node(
        "soc",
        {"#address-cells": cells(2), "#size-cells": cells(2), "compatible": text("simple-bus"), "ranges": b""},
        [
            _device("serial", platform.UART, text("ns16550a"), clock_frequency=cells(_UART_CLOCK_HZ)),
            _device("test", platform.FINISHER, text("sifive,test1", "sifive,test0", "syscon"), phandle=cells(_TEST)),
            _device("rtc", platform.RTC, text("google,goldfish-rtc")),
            *(_device("virtio_mmio", w, text("virtio,mmio")) for w in platform.VIRTIO),
            plic,
            clint,
            *(_board_io() if config.board_io else ()),
        ],
    )


def _syscon(name: str, value: int) -> Node:
    """A node that tells how to end or restart the machine through the finisher."""
    target = {"value": cells(value), "offset": cells(0), "regmap": cells(_TEST)}
    return Node(name, {**target, "compatible": text(f"syscon-{name}")})


def device_tree(config: SocConfig) -> bytes:
    """The blob for ``config``."""
    intc = {"#interrupt-cells": cells(1), "interrupt-controller": b"", "compatible": text("riscv,cpu-intc")}
    cpu = Node(
        "cpu@0",
        {
            "device_type": text("cpu"),
            "reg": cells(0),
            "status": text("okay"),
            "compatible": text("riscv"),
            "riscv,isa": text(ISA_STRING),
            "mmu-type": text("riscv,none"),
            "clock-frequency": cells(config.clock_hz),
        },
        [Node("interrupt-controller", {**intc, "phandle": cells(_INTC)})],
    )
    cpus = {"#address-cells": cells(1), "#size-cells": cells(0), "timebase-frequency": cells(platform.TIMEBASE_HZ)}
    ram = {"device_type": text("memory"), "reg": cells(0, platform.RAM_BASE, 0, config.ram_bytes)}
    fixed = {"#clock-cells": cells(0), "clock-frequency": cells(config.clock_hz), "phandle": cells(_CLOCK)}
    clocks = [Node("clock", {"compatible": text("fixed-clock"), **fixed})] if config.board_io else []
    root = {"#address-cells": cells(2), "#size-cells": cells(2), "compatible": text("hakone,soc", "riscv-virtio")}
    return flatten(
        Node(
            "",
            {**root, "model": text("hakone")},
            [
                Node("chosen", {"stdout-path": text(f"/soc/serial@{platform.UART.base:x}")}),
                Node(f"memory@{platform.RAM_BASE:x}", ram),
                Node("cpus", cpus, [cpu]),
                _syscon("poweroff", platform.FINISHER_PASS),
                _syscon("reboot", platform.FINISHER_RESET),
                _bus(config),
                *clocks,
            ],
        )
    )
