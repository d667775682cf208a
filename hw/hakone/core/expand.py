"""Compressed instructions to 32 bits: RV32C without floating point, combinational.

Source: RISC-V Instruction Set Manual, Volume I (20240411), chapter "C" Extension, tables of the three quadrants.
Hints expand to the instruction they stand for, which then does nothing. Everything reserved, everything for
RV64, floating point or custom use becomes 0, which is illegal. What an instruction may do is the decoder's matter.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.encoding import Opcode

ILLEGAL = 0  #: the word that stands for an illegal compressed form
ZERO, LINK, STACK = Const(0, 5), Const(1, 5), Const(2, 5)


def _opcode(opcode: Opcode) -> Const:
    """Bits 6..0 of a 32-bit instruction."""
    return Const(opcode.value << 2 | 0b11, 7)


def _r(opcode, rd, funct3, rs1, rs2, funct7=0):
    """R format."""
    return Cat(_opcode(opcode), rd, Const(funct3, 3), rs1, rs2, Const(funct7, 7))


def _i(opcode, rd, funct3, rs1, imm):
    """I format; ``imm`` has 12 bits."""
    return Cat(_opcode(opcode), rd, Const(funct3, 3), rs1, imm)


def _s(funct3, rs1, rs2, imm):
    """S format of a store; ``imm`` has 12 bits."""
    return Cat(_opcode(Opcode.STORE), imm[:5], Const(funct3, 3), rs1, rs2, imm[5:])


def _b(funct3, rs1, imm):
    """B format, compared with x0; ``imm`` is the offset, 13 bits."""
    return Cat(_opcode(Opcode.BRANCH), imm[11], imm[1:5], Const(funct3, 3), rs1, ZERO, imm[5:11], imm[12])


def _j(rd, imm):
    """J format; ``imm`` is the offset, 21 bits."""
    return Cat(_opcode(Opcode.JAL), rd, imm[12:20], imm[11], imm[1:11], imm[20])


def _fields(*parts, width):
    """Immediate put together from ``(instruction slice, lowest bit)`` and zero elsewhere; ``width`` in bits."""
    bits = [Const(0, 1)] * width
    for part, low in parts:
        for i in range(len(part)):
            bits[low + i] = part[i]
    return Cat(*bits)


def _extended(sign, value, width):
    """``value`` with ``sign`` in all higher bits up to ``width``."""
    return Cat(value, sign.replicate(width - len(value)))


class Expander(wiring.Component):
    """Turns one compressed instruction into its 32-bit form, in the same cycle.

    Members
    -------
    half : In(16)
        The halfword; bits 1..0 are 00, 01 or 10. With 11 (not compressed) ``word`` is meaningless.
    word : Out(32)
        The instruction, or ``ILLEGAL``.
    """

    half: In(16)
    word: Out(32)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.word.eq(ILLEGAL)
        with m.Switch(self.half[:2]):
            with m.Case(0b00):
                self._quadrant0(m)
            with m.Case(0b01):
                self._quadrant1(m)
            with m.Case(0b10):
                self._quadrant2(m)
        return m

    def _quadrant0(self, m):
        """Stack address, word load and store with the eight popular registers."""
        h = self.half
        low, base = Cat(h[2:5], Const(1, 2)), Cat(h[7:10], Const(1, 2))
        imm_spn = _fields((h[6], 2), (h[5], 3), (h[11:13], 4), (h[7:11], 6), width=12)
        imm_word = _fields((h[6], 2), (h[10:13], 3), (h[5], 6), width=12)
        with m.Switch(h[13:16]):
            with m.Case(0b000):
                with m.If(h[5:13].any()):  # the immediate 0 is reserved; all zero is the defined illegal word
                    m.d.comb += self.word.eq(_i(Opcode.OP_IMM, low, 0, STACK, imm_spn))
            with m.Case(0b010):
                m.d.comb += self.word.eq(_i(Opcode.LOAD, low, 2, base, imm_word))
            with m.Case(0b110):
                m.d.comb += self.word.eq(_s(2, base, low, imm_word))

    def _quadrant1(self, m):
        """Immediates, jumps, branches, arithmetic."""
        h = self.half
        rd, popular, sign = h[7:12], Cat(h[7:10], Const(1, 2)), h[12]
        imm = _extended(sign, h[2:7], 12)
        imm_jump = _fields(
            (h[3:6], 1), (h[11], 4), (h[2], 5), (h[7], 6), (h[6], 7), (h[9:11], 8), (h[8], 10), (sign, 11), width=12
        )
        imm_branch = _fields((h[3:5], 1), (h[10:12], 3), (h[2], 5), (h[5:7], 6), (sign, 8), width=9)
        imm_stack = _fields((h[6], 4), (h[2], 5), (h[5], 6), (h[3:5], 7), (sign, 9), width=10)
        jump, branch = _extended(sign, imm_jump, 21), _extended(sign, imm_branch, 13)
        with m.Switch(h[13:16]):
            with m.Case(0b000):
                m.d.comb += self.word.eq(_i(Opcode.OP_IMM, rd, 0, rd, imm))
            with m.Case(0b001):
                m.d.comb += self.word.eq(_j(LINK, jump))
            with m.Case(0b010):
                m.d.comb += self.word.eq(_i(Opcode.OP_IMM, rd, 0, ZERO, imm))
            with m.Case(0b011):
                with m.If(Cat(h[2:7], sign).any()):  # both immediates of 0 are reserved
                    upper = Cat(_opcode(Opcode.LUI), rd, _extended(sign, h[2:7], 20))
                    stack = _i(Opcode.OP_IMM, STACK, 0, STACK, _extended(sign, imm_stack, 12))
                    m.d.comb += self.word.eq(Mux(rd == 2, stack, upper))
            with m.Case(0b100):
                self._arithmetic(m, popular, imm)
            with m.Case(0b101):
                m.d.comb += self.word.eq(_j(ZERO, jump))
            with m.Case(0b110):
                m.d.comb += self.word.eq(_b(0, popular, branch))
            with m.Case(0b111):
                m.d.comb += self.word.eq(_b(1, popular, branch))

    def _arithmetic(self, m, rd, imm):
        """Shifts, and-immediate, register operations on the popular registers; bit 12 set is RV64 or reserved."""
        h = self.half
        rs2, shamt = Cat(h[2:5], Const(1, 2)), h[2:7]
        with m.Switch(Cat(h[10:13])):
            with m.Case(0b000):
                m.d.comb += self.word.eq(_r(Opcode.OP_IMM, rd, 5, rd, shamt))
            with m.Case(0b001):
                m.d.comb += self.word.eq(_r(Opcode.OP_IMM, rd, 5, rd, shamt, 0x20))
            with m.Case(0b010, 0b110):
                m.d.comb += self.word.eq(_i(Opcode.OP_IMM, rd, 7, rd, imm))
            with m.Case(0b011):
                funct3, funct7 = Signal(3), Signal(7)
                with m.Switch(h[5:7]):
                    with m.Case(0b00):
                        m.d.comb += [funct3.eq(0), funct7.eq(0x20)]
                    with m.Case(0b01):
                        m.d.comb += funct3.eq(4)
                    with m.Case(0b10):
                        m.d.comb += funct3.eq(6)
                    with m.Case(0b11):
                        m.d.comb += funct3.eq(7)
                m.d.comb += self.word.eq(Cat(_opcode(Opcode.OP), rd, funct3, rd, rs2, funct7))

    def _quadrant2(self, m):
        """Shift left, stack loads and stores, moves, jumps to registers."""
        h = self.half
        rd, rs2 = h[7:12], h[2:7]
        imm_load = _fields((h[4:7], 2), (h[12], 5), (h[2:4], 6), width=12)
        imm_store = _fields((h[9:13], 2), (h[7:9], 6), width=12)
        with m.Switch(h[13:16]):
            with m.Case(0b000):
                with m.If(~h[12]):  # a shift by 32 or more is left to custom extensions
                    m.d.comb += self.word.eq(_r(Opcode.OP_IMM, rd, 1, rd, rs2))
            with m.Case(0b010):
                with m.If(rd.any()):
                    m.d.comb += self.word.eq(_i(Opcode.LOAD, rd, 2, STACK, imm_load))
            with m.Case(0b100):
                with m.If(rs2.any()):
                    m.d.comb += self.word.eq(_r(Opcode.OP, rd, 0, Mux(h[12], rd, ZERO), rs2))
                with m.Elif(rd.any()):
                    m.d.comb += self.word.eq(_i(Opcode.JALR, Cat(h[12], Const(0, 4)), 0, rd, Const(0, 12)))
                with m.Elif(h[12]):
                    m.d.comb += self.word.eq(_i(Opcode.SYSTEM, ZERO, 0, ZERO, Const(1, 12)))  # ebreak
            with m.Case(0b110):
                m.d.comb += self.word.eq(_s(2, STACK, rs2, imm_store))
