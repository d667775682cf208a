"""Control bits of a decoded instruction: what the decoder tells every later stage. No logic.

Sources: the manuals named in ``decode``, which drives them.
"""

from amaranth.lib import data, enum

from ..bus.core_ports import BranchKind, MemoryOp

LEVEL_M = 3  #: ring 0, machine level
LEVEL_U = 0  #: ring 3, user level


class AluOp(enum.Enum, shape=4):
    """What the arithmetic unit does with its operands a and b."""

    ADD = 0
    SUB = 1
    SLT = 2
    SLTU = 3
    XOR = 4
    OR = 5
    AND = 6
    PASS = 7  #: b itself
    SLL = 8
    SRL = 9
    SRA = 10


class ResultSource(enum.Enum, shape=2):
    """What the execute stage hands on as its result."""

    ALU = 0
    LINK = 1  #: address of the next instruction
    TARGET = 2  #: pc + immediate


class LateSource(enum.Enum, shape=3):
    """Unit of the memory stage that a result comes from; ``NONE``: it is known at the end of execute."""

    NONE = 0
    MEMORY = 1
    MULTIPLY = 2
    DIVIDE = 3
    CSR = 4
    LINK = 5  #: retmode: pc + 4, because its result field carries the call mask
    OTHER = 6  #: ctxget, ctxnew, setik: what another context or the region unit answers


class Transfer(enum.Enum, shape=2):
    """Kind of control transfer."""

    NONE = 0
    BRANCH = 1
    JAL = 2
    JALR = 3


class System(enum.Enum, shape=5):
    """Instructions that the memory stage treats one by one."""

    NONE = 0
    ECALL = 1
    EBREAK = 2
    MRET = 3
    WFI = 4
    FENCE_I = 5
    CRYPTOMODE = 6
    RETMODE = 7
    CRYPTOLAND = 8
    CTXPUT = 9
    CTXRUN = 10
    CTXNEW = 11
    CTXGET = 12
    CTXKILL = 13
    SEGPUT = 14
    SETIK = 15
    CLRK = 16
    CROSS = 17  #: no instruction: the one fetched is under another key, or none, and is fetched again behind this


#: Instructions whose rs1 names a context; they are for level 3.
CONTEXT_SYSTEM = (System.CTXNEW, System.CTXGET, System.CTXPUT, System.CTXRUN, System.CTXKILL)


class Immediate(enum.Enum, shape=3):
    """Immediate format: I, S, B, U, J of the manual, the 5-bit field of CSR instructions, or zero."""

    ZERO = 0
    I = 1  # noqa: E741 - the manual's name
    S = 2
    B = 3
    U = 4
    J = 5
    CSR = 6


class Control(data.Struct):
    """Decoded instruction. ``rd_write`` is false for rd = x0; ``flush``: after it, younger instructions are fetched
    again; ``lingers``: it waits in the memory stage until it is told that its work is over.
    """

    rd_write: 1
    rs1_used: 1
    rs2_used: 1
    alu: AluOp
    immediate: 1  # operand b is the immediate
    result: ResultSource
    late: LateSource
    transfer: Transfer
    kind: BranchKind
    funct3: 3
    memory: 1
    memory_op: MemoryOp
    system: System
    csr_write: 1
    flush: 1
    lingers: 1
