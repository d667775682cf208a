"""Addresses inside AXI4 bursts. Clock domain none: expressions only. Source: ARM IHI 0022H, A3.4.1."""

from amaranth import Cat, Mux, Value
from amaranth.lib import enum

SIZE_BUS = 3  #: log2 of the bytes of a beat that fills the bus


class Burst(enum.Enum, shape=2):
    """AxBURST."""

    FIXED = 0
    INCR = 1
    WRAP = 2
    RESERVED = 3


def possible(length: Value, size: Value, burst: Value) -> Value:
    """One bit: the burst is one that the specification knows on a bus of 64 bits."""
    wraps = (length == 1) | (length == 3) | (length == 7) | (length == 15)
    return (size <= SIZE_BUS) & (burst != Burst.RESERVED) & ((burst != Burst.WRAP) | wraps)


def next_address(address: Value, length: Value, size: Value, burst: Value) -> Value:
    """Address of the beat after the one at ``address``; ``length`` is AxLEN."""
    step = (1 << size)[: SIZE_BUS + 1]
    following = ((address & ~(step - 1)) + step)[:32]
    inside = ((length << size) | (step - 1))[:7]  # offset bits of the block that a wrapping burst stays in
    wrapped = Cat((address[:7] & ~inside) | (following[:7] & inside), address[7:])
    moved = Mux(burst == Burst.WRAP, wrapped, following)
    return Mux(burst == Burst.FIXED, address, moved)
