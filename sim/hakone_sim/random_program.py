"""Seeded random programs for lockstep: a bare-metal image with a trap handler that survives everything, and random
blocks.

The program starts at the first byte of RAM, opens memory for user level, sets up handler, timer and interrupt
controller, runs the blocks of ``random_blocks`` and ends through the finisher. The handler clears interrupts, skips a
faulting instruction, comes back after a fetch fault through ``ra``, and lifts user code back to machine level at an
``ecall`` that ``EXIT_MARK`` follows. It always arms the timer again, so that ``wfi`` ends.

The same seed gives the same bytes. ``portable`` leaves out what QEMU's board does differently.
"""

import random
from dataclasses import dataclass

from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, FINISHER, FINISHER_PASS, PLIC, RAM_BASE, RAM_BYTES, UART

from .assembler import Assembler, elf_file
from .models.decode import encode
from .random_layout import (
    DATA_BASE,
    DATA_BYTES,
    MTIME,
    MTIMECMP,
    POINTERS,
    SAVE,
    SCRATCH,
    SLOT_DEVICE,
    SLOT_ONE,
)

EXIT_MARK = encode("lui", 0, imm=0x5A5A5)  #: a HINT behind an ``ecall``: return to machine level
CORNERS = (0, 1, 2, 3, 4, 0x1F, 0x20, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001)

_UART_INTERRUPT = UART.interrupt or 0
_SP, _T0, _T1, _T2, _T3 = 2, 5, 6, 7, 28


@dataclass(frozen=True)
class Program:
    """A program: ``entry``, ``segments`` of (address, bytes), and the seed it came from."""

    seed: int
    entry: int
    segments: tuple[tuple[int, bytes], ...]

    def elf(self) -> bytes:
        """The program as an ELF file."""
        return elf_file(self.entry, list(self.segments))


class Generator:
    """State while a program is made: assembler ``a``, random source ``rng``, reserved registers, level of the code.

    ``blocks`` is the number of random blocks, ``ram_bytes`` the size of memory (for accesses past its end).
    """

    def __init__(self, seed: int, *, blocks: int = 120, ram_bytes: int = RAM_BYTES, portable: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.a = Assembler(RAM_BASE)
        self.blocks = blocks
        self.ram_end = RAM_BASE + ram_bytes
        self.portable = portable
        self.reserved: set[int] = set()
        self.user = False
        self.depth = 0
        self.functions: list[tuple[str, int]] = []
        self.pairs: list[tuple[str, str]] = []
        self.tick = self.rng.choice((150, 400, 1500))
        self.vectored = self.rng.random() < 0.5

    # -- what blocks ask for -------------------------------------------------------------------------------------

    def rd(self, popular: bool = False) -> int:
        """A register that may be overwritten; ``popular``: one of x8 to x15."""
        low, high = (8, 15) if popular else (1, 31)
        return self.rng.choice([n for n in range(low, high + 1) if n not in self.reserved])

    def rs(self) -> int:
        """Any register as a source."""
        return self.rng.randrange(32)

    def value(self) -> int:
        """A 32-bit value, mostly a corner."""
        pick = self.rng.random()
        if pick < 0.4:
            return self.rng.choice(CORNERS)
        if pick < 0.6:
            return -self.rng.choice(CORNERS) & 0xFFFF_FFFF
        if pick < 0.7:
            return 1 << self.rng.randrange(32)
        return self.rng.getrandbits(32)

    def block(self) -> None:
        """Emit one random block."""
        from .random_blocks import BLOCKS

        self.rng.choice(BLOCKS)(self)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    # -- the frame -----------------------------------------------------------------------------------------------

    def make(self) -> Program:
        """The whole program."""
        from .random_blocks import emit_functions

        self._start()
        for _ in range(self.blocks):
            self.block()
        self._finish()
        emit_functions(self)
        self._handler()
        data = bytearray(random.Random(self.seed ^ 0x5EED).randbytes(DATA_BYTES))
        for n in range(16):
            value = {SLOT_ONE: 1, SLOT_DEVICE: MTIME}.get(n, SCRATCH + 0x100 * n)
            at = POINTERS - DATA_BASE + 4 * n
            data[at : at + 4] = value.to_bytes(4, "little")
        return Program(self.seed, RAM_BASE, ((RAM_BASE, self.a.image()), (DATA_BASE, bytes(data))))

    def _csr(self, csr: int, value: int) -> None:
        self.a.li(_T0, value)
        self.a.op("csrrw", 0, _T0, imm=csr)

    def _store(self, address: int, value: int, name: str = "sw") -> None:
        self.a.li(_T0, address)
        self.a.li(_T1, value)
        self.a.op(name, rs1=_T0, rs2=_T1)

    def _start(self) -> None:
        a = self.a
        a.la(_T0, "vectors", 1 if self.vectored else 0)
        a.op("csrrw", 0, _T0, imm=Csr.MTVEC)
        self._csr(Csr.MSCRATCH, SAVE)
        # The whole address space for user level, on machines that have physical memory protection.
        self._csr(0x3B0, 0xFFFF_FFFF)
        self._csr(0x3A0, 0x1F)
        self._store(PLIC.base + 4 * _UART_INTERRUPT, 1)
        self._store(PLIC.base + 0x2000, 1 << _UART_INTERRUPT)
        self._store(PLIC.base + 0x20_0000, 0)
        self._store(MTIMECMP + 4, 0)
        self._store(MTIMECMP, self.tick)
        self._csr(Csr.MIE, 0x888)
        self._csr(Csr.MCOUNTEREN, self.rng.choice((0, 7, 7, 5)))
        for n in range(1, 32):
            a.li(n, self.value())
        a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)

    def _finish(self) -> None:
        self.a.op("csrrci", 0, 8, imm=Csr.MSTATUS)
        self._store(FINISHER.base, FINISHER_PASS)
        stay = self.a.fresh()
        self.a.label(stay)
        self.a.op("jal", 0, imm=stay)

    def _handler(self) -> None:
        a = self.a
        a.align(64)
        a.label("vectors")
        for _ in range(16):
            a.op("jal", 0, imm="handler")
        a.label("handler")
        a.op("csrrw", _SP, _SP, imm=Csr.MSCRATCH)
        for n, register in enumerate((_T0, _T1, _T2, _T3)):
            a.op("sw", rs1=_SP, rs2=register, imm=4 * n)
        a.op("csrrs", _T0, imm=Csr.MCAUSE)
        a.op("blt", rs1=_T0, rs2=0, imm="interrupt")
        a.op("csrrs", _T1, imm=Csr.MEPC)
        a.op("csrrs", _T2, imm=Csr.MTVAL)
        a.op("addi", _T2, _T0, imm=-1)
        a.op("beq", rs1=_T2, rs2=0, imm="fetch_fault")
        a.op("addi", _T2, _T0, imm=-8)
        a.op("bne", rs1=_T2, rs2=0, imm="skip")
        a.op("lw", _T2, _T1, imm=4)
        a.li(_T3, EXIT_MARK)
        a.op("bne", rs1=_T2, rs2=_T3, imm="skip")
        a.li(_T3, 3 << 11)
        a.op("csrrs", 0, _T3, imm=Csr.MSTATUS)
        a.label("skip")
        a.op("lbu", _T2, _T1)
        a.op("andi", _T2, _T2, imm=3)
        a.op("addi", _T1, _T1, imm=2)
        a.op("addi", _T2, _T2, imm=-3)
        a.op("bne", rs1=_T2, rs2=0, imm="return_at")
        a.op("addi", _T1, _T1, imm=2)
        a.label("return_at")
        a.op("csrrw", 0, _T1, imm=Csr.MEPC)
        self._leave("leave")
        a.label("fetch_fault")
        a.op("csrrw", 0, 1, imm=Csr.MEPC)
        a.op("c.j", imm="leave")
        self._interrupts()

    def _leave(self, name: str) -> None:
        a = self.a
        a.label(name)
        for n, register in enumerate((_T0, _T1, _T2, _T3)):
            a.op("lw", register, _SP, imm=4 * n)
        a.op("csrrw", _SP, _SP, imm=Csr.MSCRATCH)
        a.op("mret")

    def _interrupts(self) -> None:
        a = self.a
        a.label("interrupt")
        a.op("slli", _T0, _T0, imm=1)
        a.op("addi", _T1, _T0, imm=-14)
        a.op("beq", rs1=_T1, rs2=0, imm="timer")
        a.op("addi", _T1, _T0, imm=-6)
        a.op("beq", rs1=_T1, rs2=0, imm="software")
        a.li(_T1, PLIC.base + 0x20_0004)
        a.op("lw", _T2, _T1)
        a.li(_T3, UART.base)
        a.op("sb", rs1=_T3, rs2=0, imm=1)
        a.op("lbu", _T0, _T3, imm=2)
        a.op("sw", rs1=_T1, rs2=_T2)
        a.op("c.j", imm="leave2")
        a.label("software")
        a.li(_T1, CLINT.base)
        a.op("sw", rs1=_T1, rs2=0)
        a.op("c.j", imm="leave2")
        a.label("timer")
        a.li(_T1, MTIME)
        a.op("lw", _T2, _T1)
        a.op("addi", _T2, _T2, imm=self.tick)
        a.li(_T1, MTIMECMP)
        a.op("sw", rs1=_T1, rs2=_T2)
        self._leave("leave2")


def random_program(seed: int, *, blocks: int = 120, ram_bytes: int = RAM_BYTES, portable: bool = False) -> Program:
    """The program of ``seed``."""
    return Generator(seed, blocks=blocks, ram_bytes=ram_bytes, portable=portable).make()
