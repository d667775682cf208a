"""Walking the addresses of an AXI4 burst. Source: ARM IHI 0022H, A3.4.1."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data

ADDRESS_BITS = 26  #: 64 MiB
WALK_BITS = 12  #: a burst stays inside 4 KiB
FIXED, WRAP = 0, 2


class Burst(data.Struct):
    """What is left of a burst: whether it lies outside the chip, else the place of its next beat in there; beats behind
    that one; log2 of the bytes of a beat; and which bits of the address change from beat to beat (the lowest seven by
    themselves, the others together).
    """

    id: unsigned(2)
    outside: unsigned(1)
    address: unsigned(ADDRESS_BITS)
    beats: unsigned(8)
    size: unsigned(2)
    low: unsigned(7)
    high: unsigned(1)


def from_channel(m: Module, axi, channel: str, base: int, size_log2: int, name: str) -> Signal:
    """A ``Burst`` made of the address channel ``ar`` or ``aw`` of ``axi``, combinational. The chip has ``2**size_log2``
    bytes from ``base`` on.
    """
    burst = Signal(Burst, name=name)
    field = {key: getattr(axi, f"{channel}{key}") for key in ("id", "addr", "len", "size", "burst")}
    increment = (field["burst"] != WRAP) & (field["burst"] != FIXED)
    span = (Cat(Const(0x7, 3), field["len"][:4]) << field["size"])[3:10]  # bytes of the burst, less one
    m.d.comb += [
        burst.id.eq(field["id"]),
        burst.outside.eq(field["addr"][size_log2:] != base >> size_log2),
        burst.address.eq(field["addr"][:size_log2]),
        burst.beats.eq(field["len"]),
        burst.size.eq(field["size"]),
        burst.low.eq(Mux(increment, 0x7F, Mux(field["burst"] == WRAP, span, 0))),
        burst.high.eq(increment),
    ]
    return burst


def walked(m: Module, burst, name: str) -> Signal:
    """The burst after its next beat, combinational."""
    after = Signal(Burst, name=name)
    total = Signal(WALK_BITS, name=f"{name}_address")
    step = Signal(4, name=f"{name}_step")
    m.d.comb += [
        after.eq(burst),
        step.eq(1 << burst.size),
        total.eq((burst.address[:WALK_BITS] & ~(step - 1)) + step),
        after.beats.eq(burst.beats - 1),
    ]
    for bit in range(WALK_BITS):
        changes = burst.low[bit] if bit < len(burst.low) else burst.high
        m.d.comb += after.address[bit].eq(Mux(changes, total[bit], burst.address[bit]))
    return after
