"""Random blocks of ordinary code: register instructions, memory, atomics, devices, control flow, self-modifying code.

A block reserves the registers that it needs while other code runs inside it.
"""

from hakone.isa.platform import UART

from .random_layout import DATA_BASE, DATA_BYTES, MTIME, SCRATCH
from .random_program import Generator

_ALU = ("add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and")
_ALU_IMMEDIATE = ("addi", "slti", "sltiu", "xori", "ori", "andi")
_MULDIV = ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")
_BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4}
_STORES = {"sb": 1, "sh": 2, "sw": 4}
COUNTERS = (8, 9, 10, 11)  #: loop counters: functions leave them alone
_AMOS = ("swap", "add", "xor", "and", "or", "min", "max", "minu", "maxu")


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


def alu(g: Generator) -> None:
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
        alu(g)


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
        name = rng.choice((*LOADS, *_STORES))
        if aligned and g.chance(0.8):
            offset -= offset % 4
        match rng.randrange(6):
            case 0:
                a.op("c.lw", g.rd(True), base, imm=4 * rng.randrange(32))
            case 1:
                a.op("c.sw", rs1=base, rs2=rng.randint(8, 15), imm=4 * rng.randrange(32))
            case 2:
                alu(g)
            case _ if name in LOADS:
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
            alu(g)
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
        a.li(base, MTIME)
        for _ in range(rng.randint(1, 3)):
            a.op("lw", g.rd(), base, imm=rng.choice((0, 4)))
        if g.chance(0.3) and not g.portable:
            a.op(rng.choice(("lw", "lh", "sw")), g.rd(), base, g.rs(), rng.choice((1, 3)))
    g.reserved.discard(base)


# -- control flow -------------------------------------------------------------------------------------------------


def short_block(g: Generator) -> None:
    """A block of ordinary code that needs nothing but registers."""
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
            alu(g)
        a.label(over)


def loop_block(g: Generator) -> None:
    """A counted loop, possibly with another inside, with code that branches on changing data."""
    a, rng = g.a, g.rng
    counter = rng.choice([n for n in COUNTERS if n not in g.reserved])
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
    alu(g)
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
    alu(g)
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
        alu(g) if not {pointer, new} & g.reserved else None
    a.op("fence")
    a.op("fence.i")
    if g.chance(0.5):
        a.align(4, 2)
    a.label(place)
    a.op("addi", rd, 0, imm=rng.randrange(2048))
