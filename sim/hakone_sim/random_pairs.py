"""Pairs of instructions that each make the pipeline wait, one directly behind the other.

``STALLS`` names the reasons to wait; ``coverage`` counts the same names. For a pair (a, b) the block emits an
instruction of kind a and then one of kind b, the second using the result of the first wherever the first makes others
wait for a result. That result is an address or the number 1, whatever the second needs, taken from the table in the
data area.
"""

from itertools import product
from typing import TYPE_CHECKING

from hakone.isa.csr import Csr

from .random_layout import DATA_BYTES, MTIME, POINTERS, SCRATCH, SLOT_COLD, SLOT_DEVICE, SLOT_ONE

if TYPE_CHECKING:
    from .random_program import Generator

STALLS = (
    *("load_use", "multiply_use", "divide", "csr_flush", "mispredict"),
    *("fetch_miss", "data_miss", "split", "atomic", "device"),
)
PAIRS = tuple(product(STALLS, STALLS))

#: Kinds that leave in ``chain`` what the next instruction can be made to wait for.
_PRODUCERS = ("load_use", "multiply_use", "divide")


class _Pair:
    """Emits one pair. Registers: ``table`` of pointers, ``one`` holds 1, ``far`` a line that is not in the cache,
    ``chain`` what the kinds pass on, ``device`` the address of a device register, ``other`` takes results."""

    def __init__(self, g: "Generator", second: str) -> None:
        self.g, self.a, self.second = g, g.a, second
        free = [n for n in range(8, 32) if n not in g.reserved]
        self.table, self.one, self.far, self.chain, self.other, self.device = g.rng.sample(free, 6)
        slots = {"device": SLOT_DEVICE, "csr_flush": SLOT_ONE, "data_miss": SLOT_COLD}
        self.offset = 4 * slots.get(second, g.rng.randrange(1, 8))

    def prepare(self, first: str) -> None:
        """Load all registers; ``chain`` gets what the second kind needs when the first passes it on, else a data
        address."""
        a = self.a
        a.li(self.table, POINTERS)
        a.li(self.one, 1)
        a.li(self.device, MTIME)
        a.li(self.far, SCRATCH + 0x1000 + 64 * self.g.rng.randrange((DATA_BYTES - 0x2000) // 64))
        a.op("sw", rs1=self.table, rs2=self.far, imm=4 * SLOT_COLD)
        passes = first in ("multiply_use", "divide")
        a.op("lw", self.chain, self.table, imm=self.offset if passes else 4 * self.g.rng.randrange(1, 8))

    def emit(self, kind: str, chained: bool) -> None:
        """One instruction of ``kind``; when ``chained`` it must use ``chain``."""
        a = self.a
        match kind:
            case "load_use" if chained:
                a.op("lw", self.chain, self.chain)
            case "load_use":
                a.op("lw", self.chain, self.table, imm=self.offset)
            case "multiply_use":
                a.op("mul", self.chain, self.chain, self.one)
            case "divide":
                a.op("divu", self.chain, self.chain, self.one)
            case "csr_flush":
                # A one in mie's bit 0 changes nothing, but it is a write.
                a.op("csrrs", self.other, self.chain if chained else self.one, imm=Csr.MIE)
            case "mispredict":
                over = a.fresh()
                a.op("bne", rs1=self.chain, rs2=0, imm=over)
                a.op("c.ebreak")
                a.label(over)
            case "fetch_miss":
                a.op("xor", self.other, self.chain, self.one)
            case "data_miss":
                a.op("lw", self.other, self.chain if chained else self.far)
            case "split":
                a.op("lw", self.other, self.chain, imm=self.g.rng.choice((61, 62, 63)))
            case "atomic":
                a.op("amoadd.w", self.other, self.chain, 0)
            case "device":
                a.op("lw", self.other, self.chain if chained else self.device)


def emit_pair(g: "Generator", first: str, second: str) -> None:
    """The pair (``first``, ``second``), then an instruction that reads the result of the second."""
    a = g.a
    pair = _Pair(g, second)
    pair.prepare(first)
    if first == "fetch_miss":
        _cold_jump(g, "jal")
    if second == "fetch_miss" and first in ("fetch_miss", "mispredict"):
        # The first is itself the transfer to another line that has not run yet.
        _cold_jump(g, "jal" if first == "fetch_miss" else "bne", pair.chain)
        pair.emit(second, False)
    else:
        while second == "fetch_miss" and (a.here + 4) % 64:
            a.op("c.nop")
        pair.emit(first, False)
        pair.emit(second, first in _PRODUCERS)
    a.op("add", pair.other, pair.chain, pair.other)


def _cold_jump(g: "Generator", name: str, register: int = 0) -> None:
    """Go to the start of a line that has not run yet, by ``jal`` or by a branch on ``register``, which is not zero."""
    cold = g.a.fresh()
    g.a.op(name, rs1=register, imm=cold)
    g.a.align(64)
    g.a.label(cold)


def pair_block(g: "Generator") -> None:
    """The next pair. A program begins somewhere in the list and goes through it, so that twelve programs have all."""
    if not g.pairs:
        first = 31 * g.seed % len(PAIRS)
        g.pairs = list(PAIRS[first:] + PAIRS[:first])
    emit_pair(g, *g.pairs.pop(0))
