"""The physical memory map as the core sees it: RAM, mask ROM, device, or nothing.

Combinational functions on an address; the numbers come from ``isa.platform`` (QEMU's ``virt`` board). RAM is the only
range that is cached for data. An address in none of the ranges gets an access fault before any bus cycle.
"""

from collections.abc import Iterable

from amaranth import Cat, Value

from ..isa.platform import DEVICES, MASK_ROM, RAM_BASE, Window


def in_window(address: Value, base: int, size_bytes: int) -> Value:
    """One bit: the 32-bit byte ``address`` lies in the naturally aligned range of ``size_bytes`` from ``base``.

    Raises ``ValueError`` when the size is not a power of two or the range is not aligned to it.
    """
    if size_bytes <= 0 or size_bytes & (size_bytes - 1) or base % size_bytes:
        raise ValueError(f"window {base:#x}, {size_bytes:#x} bytes: a power of two, aligned to itself, is needed")
    low = size_bytes.bit_length() - 1
    return address[low:32] == base >> low


def is_ram(address: Value, ram_bytes: int) -> Value:
    """One bit: ``address`` lies in the memory of ``ram_bytes`` (a power of two, 64 KiB to 1 GiB) behind the caches."""
    return in_window(address, RAM_BASE, ram_bytes)


def is_mask_rom(address: Value) -> Value:
    """One bit: ``address`` lies in the mask ROM: readable and executable, never writable.

    The ROM is pages 1 to 3 of the first four; the register bus refuses those without content.
    """
    return in_window(address, 0, MASK_ROM.end) & (address[12:14] != 0)


def is_device(address: Value, devices: Iterable[Window] = DEVICES) -> Value:
    """One bit: ``address`` lies in the register range of a device; the register bus decides which."""
    return Cat(in_window(address, window.base, window.bytes) for window in devices).any()
