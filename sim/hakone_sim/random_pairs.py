"""Pairs of instructions that each make the pipeline wait, one directly behind the other.

``STALLS`` names the reasons to wait; ``coverage`` counts the same names. For a pair (a, b) the block emits an instruction of kind
a and then one of kind b, with the second using the result of the first wherever its encoding allows: the result is then a
pointer, taken from the table of pointers in the data area.
"""

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

from hakone.isa.csr import Csr

if TYPE_CHECKING:
    from .random_program import Generator

STALLS = (
    "load_use", "multiply_use", "divide", "csr_flush", "mispredict", "fetch_miss", "data_miss", "split", "atomic", "device",
)  # fmt: skip
PAIRS = tuple(product(STALLS, STALLS))


class _Pair:
    """Registers of one pair: ``table`` points at the pointers, ``one`` holds 1, ``far`` walks over cold lines."""

    def __init__(self, g: "Generator") -> None:
        self.g, self.a = g, g.a
        free = [n for n in range(8, 32) if n not in g.reserved]
        self.table, self.one, self.far, self.chain, self.other, self.device = g.rng.sample(free, 6)

    def pointer(self, kind: str) -> None:
        """Put the address that ``kind`` needs into ``chain``."""
        self.a.op("lw", self.chain, self.table, imm=4 * (12 if kind == "device" else self.g.rng.randrange(1, 8)))

    def emit(self, kind: str, following: str, chained: bool) -> None:
        """One instruction of ``kind``. When ``chained``, ``chain`` is the address or operand that it must use."""
        a = self.a
        address = self.chain if chained else self.table
        offset = 4 * (12 if following == "device" else self.g.rng.randrange(1, 8))
        match kind:
            case "load_use":
                # The result must serve the following instruction as an address: from the table whenever possible.
                a.op("lw", self.chain, self.table, imm=offset)
            case "multiply_use":
                a.op("mul", self.chain, self.chain, self.one)
            case "divide":
                a.op("divu", self.chain, self.chain, self.one)
            case "csr_flush":
                a.op("csrrw", self.other, self.chain, imm=Csr.MTVAL if not self.g.user else Csr.CYCLE)
            case "mispredict":
                over = a.fresh()
                a.op("bne", rs1=self.chain, rs2=0, imm=over)
                a.op("c.ebreak")
                a.label(over)
            case "fetch_miss":
                a.op("xor", self.other, self.chain, self.one)
            case "data_miss":
                a.op("lw", self.other, self.far, imm=0)
            case "split":
                a.op("lw", self.other, address if chained else self.chain, imm=self.g.rng.choice((1, 2, 3)))
            case "atomic":
                a.op("amoadd.w", self.other, address if chained else self.chain, 0)
            case "device":
                a.op("lw", self.other, self.chain if chained else self.device)


#: Kinds that leave a value in ``chain`` which the next instruction can be made to wait for.
_PRODUCERS = ("load_use", "multiply_use", "divide")
_NEEDS_ADDRESS = ("split", "atomic", "device")


def emit_pair(g: "Generator", first: str, second: str) -> None:
    """The pair (``first``, ``second``), then an instruction that uses the result of the second."""
    a = g.a
    pair = _Pair(g)
    a.li(pair.table, pair_table())
    a.li(pair.one, 1)
    a.li(pair.device, mtime_address())
    # A line that has not been touched for long: the data area is larger than the cache.
    a.li(pair.far, cold_line(g))
    pair.pointer(second if second in _NEEDS_ADDRESS else "data")
    if "fetch_miss" in (first, second):
        # A jump to a line that is not in the instruction cache yet: code runs forward and has not been here.
        size = 4 if second == "fetch_miss" else 0
        cold = a.fresh()
        if first == "fetch_miss":
            a.op("jal", 0, imm=cold)
            a.align(64)
            a.label(cold)
        while second == "fetch_miss" and (a.here + size) % 64:
            a.op("c.nop")
    chained = first in _PRODUCERS
    if first == "device":
        pair.emit(first, second, False)
    elif first in _NEEDS_ADDRESS and second == "device":
        a.op("lw", pair.chain, pair.table, imm=4)
        pair.emit(first, second, True)
        chained = False
    else:
        pair.emit(first, second, first in _NEEDS_ADDRESS)
    if second == "device" and not chained:
        pair.emit(second, "", False)
    elif first == "device" and second in _NEEDS_ADDRESS:
        pair.emit(second, "", True)
    else:
        pair.emit(second, "", chained or second in ("split", "atomic"))
    a.op("add", pair.other, pair.chain, pair.other)


def pair_table() -> int:
    """Address of the table of pointers."""
    from .random_program import POINTERS

    return POINTERS


def mtime_address() -> int:
    """Address of the low word of ``mtime``."""
    from hakone.isa.platform import CLINT

    return CLINT.base + 0xBFF8


def cold_line(g: "Generator") -> int:
    """Address of a line in the data area, random."""
    from .random_program import DATA_BYTES, SCRATCH

    return SCRATCH + 0x1000 + 64 * g.rng.randrange((DATA_BYTES - 0x2000) // 64)


def pair_block(g: "Generator") -> None:
    """A random pair."""
    emit_pair(g, *g.rng.choice(PAIRS))


PairBlock = Callable[["Generator"], None]
