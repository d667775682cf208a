"""The random blocks that ``random_program`` puts one behind the other, each leaving the machine able to run the next.

A block reserves the registers that it needs while other code runs inside it. Blocks with ``wfi``, level changes and interrupts
rely on the handler of ``random_program``.
"""

from collections.abc import Callable

from hakone.isa.csr import Csr
from hakone.isa.platform import CLINT, MASK_ROM, RAM_BASE, UART

from .models.decode import decode
from .random_pairs import pair_block
from .random_program import DATA_BASE, DATA_BYTES, EXIT_MARK, SCRATCH, Generator

_ALU = ("add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and")
_ALU_IMMEDIATE = ("addi", "slti", "sltiu", "xori", "ori", "andi")
_MULDIV = ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")
_BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")
_LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4}
_STORES = {"sb": 1, "sh": 2, "sw": 4}
_AMOS = ("swap", "add", "xor", "and", "or", "min", "max", "minu", "maxu")
_READABLE = (
    Csr.CYCLE, Csr.TIME, Csr.INSTRET, Csr.CYCLEH, Csr.TIMEH, Csr.INSTRETH, Csr.MVENDORID, Csr.MARCHID, Csr.MIMPID,
    Csr.MHARTID, Csr.MSTATUS, Csr.MISA, Csr.MIE, Csr.MTVEC, Csr.MCOUNTEREN, Csr.MCOUNTINHIBIT, Csr.MSCRATCH, Csr.MEPC,
    Csr.MCAUSE, Csr.MTVAL, Csr.MIP, Csr.MCYCLE, Csr.MINSTRET, Csr.MCYCLEH, Csr.MINSTRETH,
)  # fmt: skip
_READABLE_HERE = (
    Csr.MSTATUSH, Csr.MCONFIGPTR, Csr.MENVCFG, Csr.MENVCFGH, Csr.TSELECT, Csr.TDATA1, Csr.TDATA2, Csr.MCONTEXT,
    0xB03, 0xB1F, 0xC03, 0xC9F, 0x323, 0x3A1, 0x3A3, 0x3B5, 0x3EF, Csr.HXVERSION, Csr.HXCONFIG, Csr.HXBOOT, Csr.HXCTL, Csr.HXTVEC,
)  # fmt: skip
_WRITABLE = (Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MCOUNTEREN)
_WRITABLE_HERE = (
    Csr.MCOUNTINHIBIT, Csr.MINSTRET, Csr.MINSTRETH, Csr.MCYCLE, Csr.MCYCLEH, Csr.MISA, Csr.MIP, 0x3A1, 0x3B5, 0xB03, 0x323,
    Csr.TSELECT, Csr.TDATA1, Csr.MENVCFG, Csr.MSTATUSH, Csr.HXTVEC,
)  # fmt: skip
_COUNTERS = (8, 9, 10, 11)  #: loop counters: functions leave them alone
_MISSING = (0x100, 0x105, 0x5C0, 0x7C7, 0x800, 0xCFF, 0xFFF, 0x000, 0x180, 0x302, 0x303, 0xBFF, 0xF16)
_READ_ONLY = (Csr.CYCLE, Csr.INSTRETH, Csr.MVENDORID, Csr.MHARTID)


# -- plain instructions -------------------------------------------------------------------------------------------


def _compressed(g: Generator) -> None:
    """One compressed register instruction with random operands."""
    a, rng = g.a, g.rng
    small = rng.randint(-32, 31)
    match rng.randrange(12):
        case 0:
            a.op("c.addi", g.rd(), imm=small)
        case 1:
            a.op("c.li", g.rd(), imm=small)
        case 2:
            rd = g.rd()
            a.op("c.lui", rd, imm=small or 1) if rd != 2 else a.op("c.nop")
        case 3:
            a.op(rng.choice(("c.srli", "c.srai")), g.rd(True), imm=rng.randrange(32))
        case 4:
            a.op("c.andi", g.rd(True), imm=small)
        case 5:
            a.op(rng.choice(("c.sub", "c.xor", "c.or", "c.and")), g.rd(True), rs2=rng.randint(8, 15))
        case 6:
            a.op("c.slli", g.rd(), imm=rng.randrange(32))
        case 7:
            a.op("c.mv", g.rd(), rs2=rng.randint(1, 31))
        case 8 | 9:
            a.op("c.add", g.rd(), rs2=rng.randint(1, 31))
        case 10:
            a.op("c.addi4spn", g.rd(True), imm=4 * rng.randint(1, 255))
        case 11 if 2 not in g.reserved:
            a.op("c.addi16sp", imm=16 * rng.choice((-32, -1, 1, 31)))
        case _:
            a.op("c.nop", imm=small)


def _alu(g: Generator) -> None:
    """One register or immediate instruction, sometimes with x0 as destination."""
    a, rng = g.a, g.rng
    rd = 0 if g.chance(0.03) else g.rd()
    match rng.randrange(10):
        case 0 | 1 | 2:
            a.op(rng.choice(_ALU), rd, g.rs(), g.rs())
        case 3 | 4:
            a.op(rng.choice(_ALU_IMMEDIATE), rd, g.rs(), imm=rng.choice((0, 1, -1, 2047, -2048, rng.randint(-99, 99))))
        case 5:
            a.op(rng.choice(("slli", "srli", "srai")), rd, g.rs(), imm=rng.choice((0, 1, 31, rng.randrange(32))))
        case 6:
            a.op(rng.choice(("lui", "auipc")), rd, imm=rng.choice((0, 1, 0xFFFFF, 0x80000, rng.randrange(1 << 20))))
        case 7:
            a.li(g.rd(), g.value())
        case _:
            _compressed(g)


def alu_block(g: Generator) -> None:
    """A run of register instructions."""
    for _ in range(g.rng.randint(2, 12)):
        _alu(g)


def multiply_block(g: Generator) -> None:
    """Multiplications and divisions of corner values, back to back and with dependent uses."""
    a, rng = g.a, g.rng
    x, y = g.rd(), g.rd()
    for _ in range(rng.randint(1, 3)):
        a.li(x, g.value())
        a.li(y, g.value())
        for _ in range(rng.randint(1, 4)):
            rd = g.rd()
            a.op(rng.choice(_MULDIV), rd, rng.choice((x, y, rd)), rng.choice((x, y, g.rs())))
            if g.chance(0.5):
                a.op(rng.choice(_ALU), g.rd(), rd, g.rs())


# -- memory -------------------------------------------------------------------------------------------------------


def _pointer(g: Generator, register: int, align: int = 1, room: int = 64) -> None:
    """Load ``register`` with an address from which ``room`` bytes on either side may be touched."""
    first, last = SCRATCH + room, DATA_BASE + DATA_BYTES - room - 8
    address = g.rng.randrange(first, last)
    if g.chance(0.4):
        address = (address & ~63) + g.rng.choice((0, 60, 61, 62, 63))
    g.a.li(register, address // align * align)


def memory_block(g: Generator) -> None:
    """Loads and stores of all sizes and alignments around one pointer, in both encodings."""
    a, rng = g.a, g.rng
    base = g.rd(popular=True)
    aligned = g.chance(0.5)
    _pointer(g, base, 4 if aligned else 1, 128)
    g.reserved.add(base)
    for _ in range(rng.randint(2, 10)):
        offset = rng.randint(-100, 100)
        name = rng.choice((*_LOADS, *_STORES))
        if aligned and g.chance(0.8):
            offset -= offset % 4
        match rng.randrange(6):
            case 0:
                a.op("c.lw", g.rd(True), base, imm=4 * rng.randrange(32))
            case 1:
                a.op("c.sw", rs1=base, rs2=rng.randint(8, 15), imm=4 * rng.randrange(32))
            case 2:
                _alu(g)
            case _ if name in _LOADS:
                rd = 0 if g.chance(0.03) else g.rd()
                a.op(name, rd, base, imm=offset)
                if g.chance(0.4):
                    a.op(rng.choice(_ALU), g.rd(), rd, g.rs())
            case _:
                a.op(name, rs1=base, rs2=g.rs(), imm=offset)
    g.reserved.discard(base)


def stack_block(g: Generator) -> None:
    """Stack-relative compressed accesses."""
    if 2 in g.reserved:
        return
    _pointer(g, 2, 4 if g.chance(0.8) else 1, 256)
    g.reserved.add(2)
    for _ in range(g.rng.randint(2, 6)):
        if g.chance(0.5):
            g.a.op("c.swsp", rs2=g.rs(), imm=4 * g.rng.randrange(64))
        else:
            g.a.op("c.lwsp", g.rd(), imm=4 * g.rng.randrange(64))
    g.reserved.discard(2)


def stride_block(g: Generator) -> None:
    """Walk the data area line by line so that lines are missed and written back."""
    a, rng = g.a, g.rng
    base, count = g.rd(), g.rd()
    while count == base:
        count = g.rd()
    a.li(base, SCRATCH + 64 + 4 * rng.randrange(8))
    a.li(count, rng.randint(4, 40))
    g.reserved |= {base, count}
    loop = a.fresh()
    step = rng.choice((64, 128, 192, 512))
    a.li(count, min(rng.randint(4, 40), (DATA_BYTES - 0x600) // step))
    a.label(loop)
    a.op(rng.choice(("lw", "lhu", "lb")), g.rd(), base)
    if g.chance(0.7):
        a.op("sw", rs1=base, rs2=g.rs(), imm=rng.choice((4, 8, -4)))
    a.op("addi", base, base, imm=step)
    a.op("addi", count, count, imm=-1)
    a.op("bne", rs1=count, rs2=0, imm=loop)
    g.reserved -= {base, count}


def atomic_block(g: Generator) -> None:
    """Read-modify-write instructions, and load-reserved with a store-conditional that must, may or cannot succeed."""
    a, rng = g.a, g.rng
    base = g.rd()
    _pointer(g, base, 4)
    g.reserved.add(base)
    for _ in range(rng.randint(1, 4)):
        if g.chance(0.6):
            a.op(f"amo{rng.choice(_AMOS)}.w", g.rd() if g.chance(0.95) else 0, base, g.rs(), rng.randrange(4))
            continue
        if g.chance(0.85):
            a.op("lr.w", g.rd(), base, imm=rng.randrange(4))
        for _ in range(rng.randrange(3)):
            _alu(g)
        if g.chance(0.15):
            a.op("sw", rs1=base, rs2=g.rs())
        if g.chance(0.1):
            a.op("ecall")
        if g.chance(0.1):
            a.op("addi", base, base, imm=rng.choice((4, 64)))
        a.op("sc.w", g.rd(), base, g.rs(), rng.randrange(4))
        if g.chance(0.2):
            a.op("sc.w", g.rd(), base, g.rs())
    g.reserved.discard(base)


def device_block(g: Generator) -> None:
    """Reads and writes of device registers that have no lasting effect, some of them badly aligned."""
    a, rng = g.a, g.rng
    base = g.rd()
    g.reserved.add(base)
    if g.chance(0.5):
        a.li(base, UART.base)
        a.op("sb", rs1=base, rs2=g.rs(), imm=7)
        a.op(rng.choice(("lb", "lbu")), g.rd(), base, imm=rng.choice((3, 5, 7)))
    else:
        a.li(base, CLINT.base + 0xBFF8)
        for _ in range(rng.randint(1, 3)):
            a.op("lw", g.rd(), base, imm=rng.choice((0, 4)))
        if g.chance(0.3) and not g.portable:
            a.op(rng.choice(("lw", "lh", "sw")), g.rd(), base, g.rs(), rng.choice((1, 3)))
    g.reserved.discard(base)


# -- control flow -------------------------------------------------------------------------------------------------


def _short_block(g: Generator) -> None:
    g.rng.choice((alu_block, alu_block, memory_block, multiply_block))(g)


def branch_block(g: Generator) -> None:
    """Forward branches over random code, taken or not as the operands fall."""
    a, rng = g.a, g.rng
    for _ in range(rng.randint(1, 4)):
        over = a.fresh()
        if g.chance(0.3):
            a.op(rng.choice(("c.beqz", "c.bnez")), rs1=rng.randint(8, 15), imm=over)
        elif g.chance(0.1):
            a.op(*rng.choice((("c.j",), ("jal",))), imm=over)
        else:
            a.op(rng.choice(_BRANCHES), rs1=g.rs(), rs2=g.rs(), imm=over)
        for _ in range(rng.randint(1, 8)):
            _alu(g)
        a.label(over)


def loop_block(g: Generator) -> None:
    """A counted loop, possibly with another inside, with code that branches on changing data."""
    a, rng = g.a, g.rng
    counter = rng.choice([n for n in _COUNTERS if n not in g.reserved])
    g.reserved.add(counter)
    a.li(counter, rng.randint(2, 12 if g.depth == 0 else 4))
    loop = a.fresh()
    a.label(loop)
    g.depth += 1
    for _ in range(rng.randint(1, 2)):
        rng.choice((alu_block, memory_block, branch_block, call_block if g.depth == 1 else alu_block))(g)
    if g.depth == 1 and g.chance(0.3):
        loop_block(g)
    g.depth -= 1
    a.op("c.addi", counter, imm=-1)
    far = a.here - a.labels[loop] > 200
    if not far and g.chance(0.5):
        a.op("c.bnez", rs1=counter, imm=loop)
    else:
        a.op("bne", rs1=counter, rs2=0, imm=loop)
    g.reserved.discard(counter)


def call_block(g: Generator) -> None:
    """Call a function through one of the ways that exist."""
    a, rng = g.a, g.rng
    link = rng.choice([n for n in (1, 5) if n not in g.reserved] or [0])
    if link == 0:
        return
    if len(g.functions) < 8 or g.chance(0.2):
        g.functions.append((a.fresh("f"), link))
    name, link = rng.choice([f for f in g.functions if f[1] == link] or [g.functions[-1]])
    if link in g.reserved:
        return
    via = rng.choice([n for n in range(6, 32) if n not in g.reserved])
    match rng.randrange(3):
        case 0:
            a.op("jal", link, imm=name)
        case 1:
            a.la(via, name)
            a.op("jalr", link, via)
        case 2:
            a.la(via, name, 16)
            if link == 1:
                a.op("c.addi", via, imm=-16)
                a.op("c.jalr", rs1=via)
            else:
                a.op("jalr", link, via, imm=-16)


def jump_block(g: Generator) -> None:
    """Jumps to odd halfwords, backwards and through a table."""
    a, rng = g.a, g.rng
    first, second, after, via = a.fresh(), a.fresh(), a.fresh(), g.rd()
    a.op(*rng.choice((("c.j",), ("jal",))), imm=second)
    a.align(4, rng.choice((0, 2)))
    a.label(first)
    _alu(g)
    a.op("c.j", imm=after)
    a.align(4, 2)
    a.label(second)
    for _ in range(rng.randrange(3)):
        a.op("c.nop", imm=rng.randrange(8))
    a.la(via, first, rng.choice((0, 1)))  # bit 0 of the target is dropped
    if g.chance(0.5):
        a.op("c.jr", rs1=via)
    else:
        a.op("jalr", 0, via)
    a.label(after)


def short_call_block(g: Generator) -> None:
    """``c.jal`` to a function that stands right behind."""
    a = g.a
    if 1 in g.reserved:
        return
    function, after = a.fresh(), a.fresh()
    a.op("c.jal", imm=function)
    a.op("c.j", imm=after)
    a.label(function)
    g.reserved.add(1)
    _alu(g)
    g.reserved.discard(1)
    a.op("c.jr", rs1=1)
    a.label(after)


def self_modifying_block(g: Generator) -> None:
    """Overwrite an instruction that comes next, then ``fence.i``; run it in a loop so that both versions execute."""
    a, rng = g.a, g.rng
    pointer, new, rd = g.rng.sample([n for n in range(6, 32) if n not in g.reserved], 3)
    place = a.fresh()
    a.la(pointer, place)
    a.li(new, rng.choice((0x00000013, 0x00100013)) | rd << 7 | rng.randrange(2048) << 20)
    a.op("sw", rs1=pointer, rs2=new)
    if g.chance(0.3):
        _alu(g) if not {pointer, new} & g.reserved else None
    a.op("fence")
    a.op("fence.i")
    if g.chance(0.5):
        a.align(4, 2)
    a.label(place)
    a.op("addi", rd, 0, imm=rng.randrange(2048))


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
        if decode(raw) is None:
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
    rd, rs2 = (g.rd(), 0) if name in _LOADS or name == "lr.w" else (0, g.rs())
    a.op(name, rd, base, rs2)


def _misaligned_atomic(g: Generator) -> None:
    base = g.rd()
    address = g.rng.randrange(SCRATCH, SCRATCH + 0x1000) & ~3 | g.rng.randint(1, 3)
    if g.chance(0.2) and not g.portable:
        address = CLINT.base + 0xBFF8
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
        emit_block(g, -1)
    g.user = False
    a.op("ecall")
    a.data(EXIT_MARK.to_bytes(4, "little"))
    a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)


def interrupt_block(g: Generator) -> None:
    """Raise a software, timer or external interrupt and run on."""
    a, rng = g.a, g.rng
    base, value = g.rd(), g.rd()
    while value == base:
        value = g.rd()
    match rng.randrange(3):
        case 0:
            a.li(base, CLINT.base)
            a.li(value, 1)
            a.op("sw", rs1=base, rs2=value)
        case 1:
            a.li(base, CLINT.base + 0xBFF8)
            a.op("lw", value, base)
            a.op("addi", value, value, imm=rng.randrange(40))
            a.li(base, CLINT.base + 0x4000)
            a.op("sw", rs1=base, rs2=value)
        case 2:
            a.li(base, UART.base)
            a.li(value, 2)
            a.op("sb", rs1=base, rs2=value, imm=1)
    for _ in range(rng.randint(0, 3)):
        _short_block(g)


def wait_block(g: Generator) -> None:
    """Wait for the next interrupt, with interrupts on or off."""
    a = g.a
    if not g.user and g.chance(0.5):
        a.op("csrrci", 0, 8, imm=Csr.MSTATUS)
        if g.chance(0.5):
            interrupt_block(g)
        a.op("wfi")
        _alu(g)
        a.op("csrrsi", 0, 8, imm=Csr.MSTATUS)
    else:
        a.op("wfi")


_BLOCKS: tuple[tuple[Callable[[Generator], None], int], ...] = (
    (alu_block, 6), (multiply_block, 5), (memory_block, 8), (stack_block, 3), (stride_block, 2), (atomic_block, 4),
    (device_block, 2), (branch_block, 6), (loop_block, 5), (call_block, 5), (jump_block, 3), (short_call_block, 1),
    (self_modifying_block, 2), (csr_block, 4), (exception_block, 6), (end_of_ram_block, 1), (user_block, 3),
    (interrupt_block, 3), (wait_block, 1), (pair_block, 8),
)  # fmt: skip
_CHOICES = [block for block, weight in _BLOCKS for _ in range(weight)]


def emit_block(g: Generator, number: int) -> None:
    """One random block."""
    g.rng.choice(_CHOICES)(g)


def emit_functions(g: Generator) -> None:
    """The functions that ``call_block`` asked for. Those with link register ra may call those with t0."""
    a, rng = g.a, g.rng
    done = set()
    while True:
        todo = [f for f in g.functions if f[0] not in done]
        if not todo:
            return
        name, link = todo[0]
        done.add(name)
        a.align(4, rng.choice((0, 2)))
        a.label(name)
        g.reserved = {1, link, *_COUNTERS}  # code with link register t0 is called from code that needs ra
        g.depth = 2
        for _ in range(rng.randint(1, 3)):
            _short_block(g)
        if link == 1 and g.chance(0.5):
            inner = [f for f in g.functions if f[1] == 5]
            if inner:
                a.op("jal", 5, imm=rng.choice(inner)[0])
        if link == 1 and g.chance(0.5):
            a.op("c.jr", rs1=1)
        else:
            a.op("jalr", 0, link)
        g.reserved = set()
