"""What travels between the pipeline stages: one struct for each stage's input registers. No logic."""

from amaranth.lib import data

from ..isa.cause import Cause
from .control import Control
from .trap import TrapRequest


class ExecuteSlot(data.Struct):
    """Instruction at the start of execute. ``*_late``: that operand is the write stage's result, which was not known
    before.

    ``raw`` is the instruction as in memory, or the faulting address of a fetch fault: what a trap would put into
    ``mtval``. ``b`` is the second operand (rs2 or the immediate), ``target`` is pc + immediate.
    """

    valid: 1
    pc: 32
    next_pc: 32
    target: 32
    raw: 32
    compressed: 1
    predicted_taken: 1
    predicted_target: 32
    control: Control
    rd: 5
    rs1: 32
    rs2: 32
    b: 32
    rs1_late: 1
    rs2_late: 1
    b_late: 1
    indirect: 1  # a mode switch to the address in rs1
    trap: TrapRequest
    region: 1
    automatic: 1
    key_slot: 4
    owner: 4


class MemorySlot(data.Struct):
    """Instruction at the start of the memory stage. ``redirect``: fetching must go on at ``goes_to``; ``pc_known``:
    the bank of ``other`` has a pc.
    """

    valid: 1
    pc: 32
    raw: 32
    compressed: 1
    control: Control
    rd: 5
    result: 32
    goes_to: 32
    taken: 1
    mispredicted: 1
    redirect: 1
    other: 4  # context operand of an instruction on contexts, or of segput
    other_register: 5  # and its register; the segment and the word of segput
    other_birth: 1  # ctxget of the generation
    pc_known: 1
    trap: TrapRequest
    region: 1
    automatic: 1
    key_slot: 4
    owner: 4


class WriteSlot(data.Struct):
    """Instruction at the start of write-back, or the trap that took its place.

    ``bank_write`` writes ``result`` to ``address``; ``put``: in another context's bank.
    """

    retire: 1
    trap: 1
    pc: 32
    raw: 32
    rd: 5
    rd_write: 1
    result: 32
    interrupt: 1
    cause: Cause
    value: 32
    context: 4
    encrypted: 1
    level: 2
    bank_write: 1
    address: 9
    put: 1


class Bypass(data.Struct):
    """A result that is not in the register file yet. ``late``: ``data`` is not known in this cycle, but one later in
    write-back.
    """

    valid: 1
    register: 5
    late: 1
    data: 32
