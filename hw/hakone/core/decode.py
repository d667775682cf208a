"""Instruction decoder: a 32-bit (expanded) word to the control bits that every later stage works from.

Combinational, no clock. Sources: RISC-V ISA Manual, Volume I (20240411), chapters 2, 3, 8, 13, 14 and the listings of
chapter 34; Volume II, chapter 3.3 for the privileged instructions; ``isa.encoding`` for custom-0. Expansion of
compressed forms happens before (fetch unit); which CSR exists at which level is ``csr_rights``'s business.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import BranchKind, MemoryOp
from ..isa.encoding import CUSTOM, Opcode
from ..lib.fields import Fields
from .control import LEVEL_M, AluOp, Control, Immediate, LateSource, ResultSource, System, Transfer

_AMO = {
    0b00010: MemoryOp.LOAD_RESERVED,
    0b00011: MemoryOp.STORE_CONDITIONAL,
    0b00001: MemoryOp.AMO_SWAP,
    0b00000: MemoryOp.AMO_ADD,
    0b00100: MemoryOp.AMO_XOR,
    0b01100: MemoryOp.AMO_AND,
    0b01000: MemoryOp.AMO_OR,
    0b10000: MemoryOp.AMO_MIN,
    0b10100: MemoryOp.AMO_MAX,
    0b11000: MemoryOp.AMO_MINU,
    0b11100: MemoryOp.AMO_MAXU,
}
#: name: (kind, only at level 3). Custom-0 exists only while ``hxctl`` enables it.
_CUSTOM_SYSTEM = {
    "cryptomode": (System.CRYPTOMODE, False),
    "retmode": (System.RETMODE, False),
    "cryptoland": (System.CRYPTOLAND, False),
    "setik": (System.SETIK, False),
    "clrk": (System.CLRK, False),
    "ctxnew": (System.CTXNEW, True),
    "ctxget": (System.CTXGET, True),
    "ctxput": (System.CTXPUT, True),
    "ctxrun": (System.CTXRUN, True),
    "ctxkill": (System.CTXKILL, True),
    "segput": (System.SEGPUT, True),
}
#: After these, younger instructions are fetched again.
#: (``ctxget`` because it takes a read port of the register file from the instruction behind it).
_CUSTOM_FLUSHING = ("cryptomode", "retmode", "setik", "clrk", "ctxget", "ctxrun", "segput")
#: These wait in the memory stage for a unit beside it.
_CUSTOM_LINGERING = ("setik", "clrk")


class Decoder(wiring.Component):
    """Combinational decoder.

    Members: ``word`` the instruction; ``level`` of the running code; ``custom_enabled`` (``hxctl`` bit 0);
    ``timeout_wait`` (``mstatus.TW``). ``control`` and ``immediate`` (sign-extended) are meaningful when ``legal``. A
    CSR instruction is legal here by its form; its register is checked elsewhere.

    Every reserved encoding is illegal, except the fields of ``fence`` and ``fence.i`` that the manual tells
    simple implementations to ignore. ``retmode`` with rd = x2 is illegal: x2 belongs to the side that is entered.
    """

    word: In(32)
    level: In(2)
    custom_enabled: In(1)
    timeout_wait: In(1)
    control: Out(Control)
    immediate: Out(32)
    legal: Out(1)

    def elaborate(self, platform):
        m = Module()
        self._fields = Fields(Control, "field")
        word, control = self.word, self._fields
        self._format = Signal(Immediate)
        self._writes = Signal()  # the instruction has a result, which may still go to x0
        m.d.comb += [control.funct3.eq(word[12:15]), control.rd_write.eq(self._writes & (word[7:12] != 0))]
        groups = {
            Opcode.LUI: self._upper,
            Opcode.AUIPC: self._upper,
            Opcode.JAL: self._jump,
            Opcode.JALR: self._jump,
            Opcode.BRANCH: self._branch,
            Opcode.LOAD: self._load,
            Opcode.STORE: self._store,
            Opcode.AMO: self._atomic,
            Opcode.OP_IMM: self._operation_immediate,
            Opcode.OP: self._operation,
            Opcode.MISC_MEM: self._fence,
            Opcode.SYSTEM: self._system,
            Opcode.CUSTOM_0: self._custom,
        }
        with m.If(word[0:2] == 0b11):
            with m.Switch(word[2:7]):
                for opcode, group in groups.items():
                    with m.Case(opcode):
                        group(m, opcode)
        self._immediates(m)
        m.d.comb += self.control.eq(control.packed())
        return m

    def _immediates(self, m):
        word, out, sign = self.word, self.immediate, self.word[31]
        with m.Switch(self._format):
            with m.Case(Immediate.ZERO):
                m.d.comb += out.eq(0)
            with m.Case(Immediate.I):
                m.d.comb += out.eq(Cat(word[20:31], sign.replicate(21)))
            with m.Case(Immediate.S):
                m.d.comb += out.eq(Cat(word[7:12], word[25:31], sign.replicate(21)))
            with m.Case(Immediate.B):
                m.d.comb += out.eq(Cat(Const(0, 1), word[8:12], word[25:31], word[7], sign.replicate(20)))
            with m.Case(Immediate.U):
                m.d.comb += out[12:].eq(word[12:])
            with m.Case(Immediate.J):
                m.d.comb += out.eq(Cat(Const(0, 1), word[21:31], word[20], word[12:20], sign.replicate(12)))
            with m.Case(Immediate.CSR):
                m.d.comb += out.eq(word[15:20])

    def _upper(self, m, opcode):
        source = ResultSource.ALU if opcode is Opcode.LUI else ResultSource.TARGET
        m.d.comb += [
            self.legal.eq(1),
            self._writes.eq(1),
            self._format.eq(Immediate.U),
            self._fields.immediate.eq(1),
            self._fields.alu.eq(AluOp.PASS),
            self._fields.result.eq(source),
        ]

    def _jump(self, m, opcode):
        direct = opcode is Opcode.JAL
        # x1 and x5 are the link registers of the calling convention (volume I, table "return-address stack").
        links = (self.word[7:12] == 1) | (self.word[7:12] == 5)
        returns = (self.word[15:20] == 1) | (self.word[15:20] == 5)
        other = BranchKind.JUMP if direct else Mux(returns, BranchKind.RETURN, BranchKind.JUMP)
        m.d.comb += [
            self.legal.eq(1 if direct else (self.word[12:15] == 0)),
            self._writes.eq(1),
            self._format.eq(Immediate.J if direct else Immediate.I),
            self._fields.immediate.eq(1),
            self._fields.rs1_used.eq(not direct),
            self._fields.result.eq(ResultSource.LINK),
            self._fields.transfer.eq(Transfer.JAL if direct else Transfer.JALR),
            self._fields.kind.eq(Mux(links, BranchKind.CALL, other)),
        ]

    def _branch(self, m, opcode):
        m.d.comb += [
            self.legal.eq(self.word[13:15] != 1),
            self._format.eq(Immediate.B),
            self._fields.rs1_used.eq(1),
            self._fields.rs2_used.eq(1),
            self._fields.alu.eq(AluOp.SUB),
            self._fields.transfer.eq(Transfer.BRANCH),
        ]

    def _load(self, m, opcode):
        funct3 = self.word[12:15]
        m.d.comb += [
            self.legal.eq((funct3[0:2] != 3) & (funct3 != 6)),
            self._writes.eq(1),
            self._format.eq(Immediate.I),
            self._fields.immediate.eq(1),
            self._fields.rs1_used.eq(1),
            self._fields.memory.eq(1),
            self._fields.memory_op.eq(MemoryOp.LOAD),
            self._fields.late.eq(LateSource.MEMORY),
        ]

    def _store(self, m, opcode):
        m.d.comb += [
            self.legal.eq(self.word[12:15] < 3),
            self._format.eq(Immediate.S),
            self._fields.immediate.eq(1),
            self._fields.rs1_used.eq(1),
            self._fields.rs2_used.eq(1),
            self._fields.memory.eq(1),
            self._fields.memory_op.eq(MemoryOp.STORE),
        ]

    def _atomic(self, m, opcode):
        word = self.word
        m.d.comb += [
            self._writes.eq(1),
            self._fields.immediate.eq(1),  # zero: the address is rs1
            self._fields.rs1_used.eq(1),
            self._fields.rs2_used.eq(1),
            self._fields.memory.eq(1),
            self._fields.late.eq(LateSource.MEMORY),
        ]
        with m.If(word[12:15] == 0b010):
            with m.Switch(word[27:32]):
                for code, op in _AMO.items():
                    with m.Case(code):
                        legal = (word[20:25] == 0) if op is MemoryOp.LOAD_RESERVED else 1
                        m.d.comb += [self.legal.eq(legal), self._fields.memory_op.eq(op)]

    def _arithmetic(self, m, funct3, alternative):
        """``alternative`` selects SUB and SRA."""
        table = [AluOp.ADD, AluOp.SLL, AluOp.SLT, AluOp.SLTU, AluOp.XOR, AluOp.SRL, AluOp.OR, AluOp.AND]
        with m.Switch(funct3):
            for code, op in enumerate(table):
                with m.Case(code):
                    m.d.comb += self._fields.alu.eq(op)
        with m.If(alternative):
            m.d.comb += self._fields.alu.eq(Mux(funct3[2], AluOp.SRA, AluOp.SUB))

    def _operation_immediate(self, m, opcode):
        funct3, funct7 = self.word[12:15], self.word[25:32]
        m.d.comb += [
            self.legal.eq(1),
            self._writes.eq(1),
            self._format.eq(Immediate.I),
            self._fields.immediate.eq(1),
            self._fields.rs1_used.eq(1),
        ]
        self._arithmetic(m, funct3, (funct3 == 5) & self.word[30])
        with m.If(funct3 == 1):
            m.d.comb += self.legal.eq(funct7 == 0)
        with m.If(funct3 == 5):
            m.d.comb += self.legal.eq((funct7 == 0) | (funct7 == 0x20))

    def _operation(self, m, opcode):
        funct3, funct7 = self.word[12:15], self.word[25:32]
        m.d.comb += [self._writes.eq(1), self._fields.rs1_used.eq(1), self._fields.rs2_used.eq(1)]
        with m.Switch(funct7):
            with m.Case(0x00):
                m.d.comb += self.legal.eq(1)
            with m.Case(0x20):
                m.d.comb += self.legal.eq((funct3 == 0) | (funct3 == 5))
            with m.Case(0x01):
                late = Mux(funct3[2], LateSource.DIVIDE, LateSource.MULTIPLY)
                m.d.comb += [self.legal.eq(1), self._fields.late.eq(late)]
        self._arithmetic(m, funct3, self.word[30])

    def _fence(self, m, opcode):
        # fence: one hart, a coherent first level and devices in order leave nothing to do.
        with m.Switch(self.word[12:15]):
            with m.Case(0):
                m.d.comb += self.legal.eq(1)
            with m.Case(1):
                m.d.comb += [self.legal.eq(1), self._fields.system.eq(System.FENCE_I)]
                m.d.comb += [self._fields.flush.eq(1), self._fields.lingers.eq(1)]

    def _system(self, m, opcode):
        word, control = self.word, self._fields
        machine = self.level == LEVEL_M
        with m.If(word[12:15] == 0):
            plain = {
                0x0000_0073: (System.ECALL, 1),
                0x0010_0073: (System.EBREAK, 1),
                0x3020_0073: (System.MRET, machine),
                0x1050_0073: (System.WFI, machine | ~self.timeout_wait),
            }
            with m.Switch(word):
                for match, (system, legal) in plain.items():
                    with m.Case(match):
                        m.d.comb += [control.system.eq(system), self.legal.eq(legal)]
                        m.d.comb += control.flush.eq(1 if system is System.MRET else 0)
        with m.Elif(word[12:14] != 0):
            # The operand travels as the execute result: rs1 + 0, or the 5-bit field passed through.
            m.d.comb += [
                self.legal.eq(1),
                self._writes.eq(1),
                self._format.eq(Mux(word[14], Immediate.CSR, Immediate.ZERO)),
                control.immediate.eq(1),
                control.rs1_used.eq(~word[14]),
                control.alu.eq(Mux(word[14], AluOp.PASS, AluOp.ADD)),
                control.late.eq(LateSource.CSR),
                control.csr_write.eq((word[12:14] == 1) | (word[15:20] != 0)),
            ]

    def _custom(self, m, opcode):
        word, control = self.word, self._fields
        for name, (system, machine_only) in _CUSTOM_SYSTEM.items():
            i = CUSTOM[name]
            allowed = self.custom_enabled & ((self.level == LEVEL_M) | (not machine_only))
            with m.If((word & i.mask) == i.match):
                m.d.comb += [
                    self.legal.eq(allowed),
                    control.system.eq(system),
                    control.rs1_used.eq(i.rs1),
                    control.rs2_used.eq(i.rs2),
                    control.flush.eq(name in _CUSTOM_FLUSHING),
                    control.lingers.eq(name in _CUSTOM_LINGERING),
                ]
        with m.If(control.system == System.RETMODE):
            m.d.comb += [
                self.legal.eq(self.custom_enabled & (word[7:12] != 2)),
                self._writes.eq(1),
                control.alu.eq(AluOp.PASS),  # operand b: the call mask
                control.late.eq(LateSource.LINK),
            ]
        with m.Switch(control.system):
            with m.Case(System.CTXPUT, System.SEGPUT):
                m.d.comb += control.alu.eq(AluOp.PASS)  # operand b: the value
            with m.Case(System.CTXNEW):  # operand b: the quota
                m.d.comb += [self._writes.eq(1), control.alu.eq(AluOp.PASS), control.late.eq(LateSource.OTHER)]
            with m.Case(System.CTXGET):
                m.d.comb += [self._writes.eq(1), control.late.eq(LateSource.OTHER)]
            with m.Case(System.SETIK):
                m.d.comb += [self._writes.eq(1), control.late.eq(LateSource.OTHER)]
                m.d.comb += [control.immediate.eq(1)]  # zero: the result is the address
            with m.Case(System.CLRK):
                m.d.comb += control.immediate.eq(1)
