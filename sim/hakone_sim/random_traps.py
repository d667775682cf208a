"""Random blocks that trap, change level, touch control registers, or wait for interrupts; the rest is in
``random_blocks``."""

from collections.abc import Callable

from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, MASK_ROM, RAM_BASE, UART

from .models.context_model import decode_all
from .random_layout import MTIME, MTIMECMP, SCRATCH
from .random_plain import LOADS, alu, short_block
from .random_program import EXIT_MARK, Generator

_READABLE = (
    Csr.CYCLE, Csr.TIME, Csr.INSTRET, Csr.CYCLEH, Csr.TIMEH, Csr.INSTRETH, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID,
    Csr.MHARTID, Csr.MSTATUS, Csr.MISA, Csr.MIE, Csr.MTVEC, Csr.MCOUNTEREN, Csr.MCOUNTINHIBIT, Csr.MSCRATCH, Csr.MEPC,
    Csr.MCAUSE, Csr.MTVAL, Csr.MIP, Csr.MCYCLE, Csr.MINSTRET, Csr.MCYCLEH, Csr.MINSTRETH,
)  # fmt: skip
_READABLE_HERE = (
    Csr.MSTATUSH, Csr.MCONFIGPTR, Csr.MENVCFG, Csr.MENVCFGH, Csr.TSELECT, Csr.TDATA1, Csr.TDATA2, Csr.MCONTEXT,
    0xB03, 0xB1F, 0xC03, 0xC9F, 0x323, 0x3A1, 0x3A3, 0x3B5, 0x3EF, Csr.HXVERSION, Csr.HXCONFIG, Csr.HXBOOT,
    Csr.HXCTL, Csr.HXTVEC,
)  # fmt: skip
_WRITABLE = (Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MCOUNTEREN)
_WRITABLE_HERE = (
    Csr.MCOUNTINHIBIT, Csr.MINSTRET, Csr.MINSTRETH, Csr.MCYCLE, Csr.MCYCLEH, Csr.MISA, Csr.MIP, 0x3A1, 0x3B5, 0xB03,
    0x323,
    Csr.TSELECT, Csr.TDATA1, Csr.MENVCFG, Csr.MSTATUSH, Csr.HXTVEC,
)  # fmt: skip
_MISSING = (0x100, 0x105, 0x5C0, 0x7C7, 0x800, 0xCFF, 0xFFF, 0x000, 0x180, 0x302, 0x303, 0xBFF, 0xF16)
_READ_ONLY = (Csr.CYCLE, Csr.INSTRETH, Csr.MVENDORID, Csr.MHARTID)


# -- traps, levels, interrupts ------------------------------------------------------------------------------------


def csr_block(g: Generator) -> None:
    """Reads and harmless writes of registers; from user level most of them trap."""
    a, rng = g.a, g.rng
    for _ in range(rng.randint(1, 5)):
        readable = _READABLE if g.portable else _READABLE + _READABLE_HERE
        writable = (Csr.MTVAL,) if g.portable else _WRITABLE + _WRITABLE_HERE
        match rng.randrange(6):
            case 0 | 1:
                a.op(rng.choice(("csrrs", "csrrc")), g.rd(), imm=rng.choice(readable))
            case 2:
                a.op(rng.choice(("csrrsi", "csrrci")), g.rd(), imm=rng.choice(readable))
            case 3:
                name = rng.choice(("csrrw", "csrrs", "csrrc"))
                a.op(name, g.rd() if g.chance(0.8) else 0, g.rs(), imm=rng.choice(writable))
            case 4:
                name = rng.choice(("csrrwi", "csrrsi", "csrrci"))
                a.op(name, g.rd(), rng.randrange(32), imm=rng.choice(writable))
            case 5:
                _status(g)


def _status(g: Generator) -> None:
    """Change fields of mstatus and of mie, and switch interrupts on again."""
    a, rng = g.a, g.rng
    register = g.rd()
    if g.chance(0.5):
        bits = (0x08, 0x80, 0x1800, 0x88)
        a.li(
            register,
            rng.choice(bits if g.portable else (*bits, 0x800, 0x1000, 0x2_0000, 0x20_0000, 0xFFFF_FFFF & ~0x8)),
        )
        a.op(rng.choice(("csrrs", "csrrc")), g.rd(), register, imm=Csr.MSTATUS)
    else:
        a.li(register, rng.choice((0x008, 0x800, 0x808)))
        a.op(rng.choice(("csrrs", "csrrc")), g.rd(), register, imm=Csr.MIE)
    if g.chance(0.7):
        a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)


def _illegal_word(g: Generator) -> bytes:
    while True:
        raw = g.rng.getrandbits(32)
        if g.portable:
            raw = g.rng.choice((0xFFFF_FFFF, 0x0000_0000, 0x1020_0073, 0x0000_40AF, 0x7000_0033, 0x0000_2063))
        elif g.chance(0.3):
            raw = g.rng.choice(
                (0x1020_0073, 0x1200_0073, 0x0020_0073, 0x7000_0033, 0x0000_B007, 0x1010_302F, 0x0000_3003)
            )
        if decode_all(raw) is None:
            return raw.to_bytes(4, "little")[: 4 if raw & 3 == 3 else 2]


def exception_block(g: Generator) -> None:
    """One instruction that traps; the handler skips it."""
    a, rng = g.a, g.rng
    kinds: tuple[Callable[[Generator], None], ...] = (
        lambda g: a.op("ecall"),
        lambda g: a.op(rng.choice(("ebreak", "c.ebreak"))),
        lambda g: a.data(_illegal_word(g)),
        lambda g: a.op("csrrs", g.rd(), imm=rng.choice(_MISSING[:7] if g.portable else _MISSING)),
        lambda g: a.op("csrrw", g.rd(), g.rs(), imm=rng.choice(_READ_ONLY)),
        _bad_access,
        _bad_access,
        _misaligned_atomic,
        _bad_fetch,
    )
    rng.choice(kinds)(g)


def _bad_address(g: Generator) -> int:
    portable = (0x0, 0x9000_0000, 0xF000_0000, 0xFFFF_FFFC, 0x1000_0200)
    more = (0x7FFF_FFFC, 0x7FFF_FFFE, g.ram_end - 2, g.ram_end - 1, g.ram_end, 0x4000_0000, 0x0201_0000, 0x0010_3000)
    return g.rng.choice(portable if g.portable else portable + more)


def _bad_access(g: Generator) -> None:
    a, rng = g.a, g.rng
    base = g.rd()
    if g.chance(0.1) and not g.portable:
        a.li(base, MASK_ROM.base + 8)
        a.op(rng.choice(("sw", "sb")), rs1=base, rs2=g.rs())
        return
    a.li(base, _bad_address(g))
    names = ("lw", "lh", "lbu", "sw", "sh", "sb", "c.lw", "c.sw", "lr.w", "sc.w", "amoadd.w", "amomaxu.w")
    name = rng.choice(names[:8] if g.portable else names)
    if name in ("c.lw", "c.sw"):
        popular = g.rd(popular=True)
        a.op("c.mv", popular, rs2=base)
        a.op(name, 8 * (name == "c.lw"), popular, 8 * (name == "c.sw")) if 8 not in g.reserved else None
        return
    rd, rs2 = (g.rd(), 0) if name in LOADS or name == "lr.w" else (0, g.rs())
    a.op(name, rd, base, rs2)


def _misaligned_atomic(g: Generator) -> None:
    base = g.rd()
    address = g.rng.randrange(SCRATCH, SCRATCH + 0x1000) & ~3 | g.rng.randint(1, 3)
    if g.chance(0.2) and not g.portable:
        address = MTIME
    g.a.li(base, address)
    name = "lr.w" if g.portable else g.rng.choice(("lr.w", "sc.w", "amoswap.w", "amoand.w"))
    g.a.op(name, g.rd(), base, 0 if name == "lr.w" else g.rs())


def _bad_fetch(g: Generator) -> None:
    """Jump to where no instruction can be; the handler comes back through ra."""
    if 1 in g.reserved:
        return
    via = g.rd()
    if via == 1:
        return
    address = _bad_address(g) & ~1
    if not g.portable and g.chance(0.3):
        address = g.rng.choice((CLINT.base, UART.base, 0x0C00_0000, 0x1000_1000))
    while RAM_BASE <= address < g.ram_end:
        address = 0x9000_0000 if g.ram_end <= 0x9000_0000 else 0x4000_0000
    g.a.li(via, address)
    if g.chance(0.5):
        g.a.op("c.jalr", rs1=via)
    else:
        g.a.op("jalr", 1, via)


def end_of_ram_block(g: Generator) -> None:
    """An instruction whose first half is the last halfword of memory: the second half faults."""
    if 1 in g.reserved or g.portable:
        return
    pointer, word = g.rng.sample(range(6, 32), 2)
    if {pointer, word} & g.reserved:
        return
    g.a.li(pointer, g.ram_end - 2)
    g.a.li(word, g.rng.choice((0x0013, 0x0093, 0x2003, 0x0001)))
    g.a.op("sh", rs1=pointer, rs2=word)
    g.a.op("fence.i")
    g.a.op("jalr", 1, pointer)


def user_block(g: Generator) -> None:
    """Go to user level with ``mret``, run blocks there, come back by an ``ecall`` with the mark behind it."""
    a = g.a
    if g.user:
        a.op(g.rng.choice(("mret", "ecall", "ebreak")))
        return
    inside, register = a.fresh(), g.rd()
    a.li(register, 0x1800)
    a.op("csrrc", 0, register, imm=Csr.MSTATUS)
    # An interrupt between here and mret would move mepc: keep them out, mret switches them on again.
    a.op("csrrci", 0, 8, imm=Csr.MSTATUS)
    if g.chance(0.7):
        a.op("csrrsi", 0, 0, imm=Csr.MSTATUS)
        a.li(register, 0x80)
        a.op("csrrs", 0, register, imm=Csr.MSTATUS)
    a.la(register, inside)
    a.op("csrrw", 0, register, imm=Csr.MEPC)
    a.li(register, 0x1800)
    a.op("csrrc", 0, register, imm=Csr.MSTATUS)
    a.op("mret")
    a.align(4, g.rng.choice((0, 2)))
    a.label(inside)
    g.user = True
    for _ in range(g.rng.randint(2, 6)):
        g.block()
    g.user = False
    a.op("ecall")
    a.data(EXIT_MARK.to_bytes(4, "little"))
    a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)


def _raise_interrupt(g: Generator, kind: int) -> None:
    """Make a software (0), timer (1) or external (2) interrupt pending, or about to be."""
    a, rng = g.a, g.rng
    base, value = g.rd(), g.rd()
    while value == base:
        value = g.rd()
    match kind:
        case 0:
            a.li(base, CLINT.base)
            a.li(value, 1)
            a.op("sw", rs1=base, rs2=value)
        case 1:
            a.li(base, MTIME)
            a.op("lw", value, base)
            a.op("addi", value, value, imm=rng.randrange(40))
            a.li(base, MTIMECMP)
            a.op("sw", rs1=base, rs2=value)
        case 2:
            a.li(base, UART.base)
            a.li(value, 2)
            a.op("sb", rs1=base, rs2=value, imm=1)


def interrupt_block(g: Generator) -> None:
    """Raise a software, timer or external interrupt and run on."""
    _raise_interrupt(g, g.rng.randrange(3))
    for _ in range(g.rng.randint(0, 3)):
        short_block(g)


def held_block(g: Generator) -> None:
    """Hold interrupts back while two or three become pending, so that their priority decides."""
    if g.user:
        return
    g.a.op("csrrci", 0, 8, imm=Csr.MSTATUS)
    for kind in g.rng.sample(range(3), g.rng.randint(2, 3)):
        _raise_interrupt(g, kind)
    for _ in range(g.rng.randint(1, 4)):
        short_block(g)
    g.a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)


def wait_block(g: Generator) -> None:
    """Wait for the next interrupt, with interrupts on or off."""
    a = g.a
    if not g.user and g.chance(0.5):
        a.op("csrrci", 0, 8, imm=Csr.MSTATUS)
        if g.chance(0.5):
            interrupt_block(g)
        a.op("wfi")
        alu(g)
        a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)
    else:
        a.op("wfi")
