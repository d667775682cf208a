"""Register-read stage: decode, bypass, operands, and every trap that can be known before execution.

Combinational between the fetched instruction's register and the execute stage's. Sources: see ``decode``; the project's
reference of custom-0 for the mode rules.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import FetchedInstruction
from ..bus.open_checks import OpenCheck, is_open
from ..isa.cause import Cause, Sub
from ..isa.encoding import Opcode
from ..lib.fields import Fields
from .control import LEVEL_M, Control, LateSource, System, Transfer
from .csr_rights import CsrRights
from .decode import Decoder
from .mode import LINKS, ModeState
from .slots import Bypass, ExecuteSlot
from .trap import TrapRequest

#: Bits of the control word that an instruction loses when something else takes its place.
_EFFECTS = ("rd_write", "memory", "csr_write", "lingers")


class OperandRead(wiring.Component):
    """One source operand: the newest of the bypassed results, else the register file, else zero when never written.

    ``execute``, ``memory``, ``write`` and ``written`` are the results in flight, newest first. ``late``: take the
    write stage's result in the next cycle. ``wait``: its producer is in execute and known only a cycle later than the
    next; ``used`` may be high for a field that is no operand, which then waits in vain. All in the same cycle.
    """

    register: In(5)
    used: In(1)
    file_data: In(32)
    mask: In(32)
    execute: In(Bypass)
    memory: In(Bypass)
    write: In(Bypass)
    written: In(Bypass)
    data: Out(32)
    late: Out(1)
    wait: Out(1)

    def elaborate(self, platform):
        m = Module()
        written_ever = self.mask.bit_select(self.register, 1)
        # Each source is gated by a choice that is made once: two of them fit into a LUT of four inputs.
        older, hidden = Const(0, 32), Const(0)
        for source in (self.memory, self.write, self.written):
            meets = source.valid & (source.register == self.register)
            older = older | (source.data & (meets & ~hidden).replicate(32))
            hidden = hidden | meets
        older = older | (self.file_data & (written_ever & ~hidden).replicate(32))
        # The ALU's result comes last in the cycle, so it meets one selection only.
        from_execute = Signal()
        m.d.comb += [
            from_execute.eq(self.execute.valid & (self.execute.register == self.register)),
            self.data.eq(Mux(from_execute, self.execute.data, older)),
            self.wait.eq(self.used & from_execute & self.execute.late),
            self.late.eq(
                self.memory.valid & self.memory.late & (self.memory.register == self.register) & ~from_execute
            ),
        ]
        return m


class ReadStage(wiring.Component):
    """From ``fetched`` (with ``valid``) to ``slot`` in the same cycle.

    - ``file1``, ``file2``, ``mask``: register file data of rs1 and rs2, and the written registers.
    - ``execute``, ``memory``, ``write``, ``written``: bypass sources.
    - ``put_ahead``: a ``ctxput`` is in execute or memory; ``ctxrun`` and ``ctxget`` wait, since they read the
      bank early, and all of custom-0 with them.
    - ``context``, ``trap_context``, ``level``, ``mode``, ``custom_enabled``, ``timeout_wait``, ``counter_enable``:
      who runs and what he may. All change only with a redirect, so that what is decided here still holds when the
      instruction completes.
    - ``wait``: the instruction must stay in this stage; the execute stage gets a bubble.

    Parameter ``switches``: see ``bus.open_checks``.

    Rules of encrypted mode kept here: the first instruction is a landing; every later one comes from the same key and
    owner id. An instruction of an automatic region met by other code, or one from elsewhere met by automatic code,
    becomes ``System.CROSS``, whatever it is: nothing of it is executed before the mode has changed.
    """

    valid: In(1)
    fetched: In(FetchedInstruction)
    file1: In(32)
    file2: In(32)
    mask: In(32)
    execute: In(Bypass)
    memory: In(Bypass)
    write: In(Bypass)
    written: In(Bypass)
    put_ahead: In(1)
    context: In(4)
    trap_context: In(4)
    level: In(2)
    mode: In(ModeState)
    custom_enabled: In(1)
    timeout_wait: In(1)
    counter_enable: In(3)
    slot: Out(ExecuteSlot)
    wait: Out(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        fetched, word = self.fetched, self.fetched.word
        slot = self._slot = Fields(ExecuteSlot, "next")
        self._trap = Fields(TrapRequest, "trap")
        self._control = Fields(Control, "passed")
        m.submodules.decoder = decoder = Decoder()
        control = decoder.control
        self._identify(m)
        operands = []
        # Whether to wait must be known early in the cycle, so that nothing but the opcode is asked which fields are
        # registers. That is exact but for the immediate forms of CSR instructions and some of custom-0.
        opcode = word[2:7]
        no_rs1 = [opcode == kind for kind in (Opcode.LUI, Opcode.AUIPC, Opcode.JAL)]
        has_rs2 = [opcode == kind for kind in (Opcode.OP, Opcode.STORE, Opcode.BRANCH, Opcode.AMO, Opcode.CUSTOM_0)]
        for name, field, used, data in (
            ("rs1", word[15:20], ~Cat(no_rs1).any(), self.file1),
            ("rs2", word[20:25], Cat(has_rs2).any(), self.file2),
        ):
            m.submodules[name] = operand = OperandRead()
            m.d.comb += [operand.register.eq(field), operand.used.eq(used), operand.file_data.eq(data)]
            m.d.comb += operand.mask.eq(self.mask)
            for source in ("execute", "memory", "write", "written"):
                m.d.comb += getattr(operand, source).eq(getattr(self, source))
            operands.append(operand)
        rs1, rs2 = operands
        put_wait = (opcode == Opcode.CUSTOM_0) & self.put_ahead
        m.d.comb += [
            decoder.word.eq(word),
            decoder.level.eq(self.level),
            decoder.custom_enabled.eq(self.custom_enabled),
            decoder.timeout_wait.eq(self.timeout_wait),
            self.wait.eq(self.valid & (rs1.wait | rs2.wait | put_wait)),
            slot.valid.eq(self.valid & ~self.wait),
            slot.pc.eq(fetched.pc),
            # A crossing is followed by the same instruction again.
            slot.next_pc.eq(fetched.pc + Mux(self._crosses, 0, Mux(fetched.compressed, 2, 4))),
            slot.target.eq(fetched.pc + decoder.immediate),
            slot.raw.eq(Mux(fetched.fault.valid, fetched.fault_pc, fetched.raw)),
            slot.compressed.eq(fetched.compressed),
            slot.predicted_taken.eq(fetched.predicted_taken & ~self._crosses),
            slot.predicted_target.eq(fetched.predicted_target),
            slot.rd.eq(word[7:12]),
            slot.rs1.eq(rs1.data),
            slot.rs1_late.eq(rs1.late),
            slot.rs2.eq(rs2.data),
            slot.rs2_late.eq(rs2.late),
            slot.b.eq(Mux(control.immediate, decoder.immediate, rs2.data)),
            slot.b_late.eq(rs2.late & ~control.immediate),
            slot.region.eq(fetched.region),
            slot.automatic.eq(fetched.automatic),
            slot.key_slot.eq(fetched.key_slot),
            slot.owner.eq(fetched.owner),
            slot.control.eq(self._control.packed()),
            slot.trap.eq(self._trap.packed()),
        ]
        # The flush bit is decided here; the rest of the control word passes on.
        m.d.comb += [
            getattr(self._control, name).eq(control[name]) for name, _ in Control.as_shape() if name != "flush"
        ]
        legal = self._system(m, decoder)
        with m.If(self._crosses):
            m.d.comb += [getattr(self._control, name).eq(0) for name in _EFFECTS]
            m.d.comb += [
                self._control.late.eq(LateSource.NONE),
                self._control.transfer.eq(Transfer.NONE),
                self._control.system.eq(System.CROSS),
                self._control.flush.eq(1),
                slot.indirect.eq(0),
            ]
        self._traps(m, legal, control)
        with m.If(self._lands_anywhere):
            m.d.comb += [getattr(self._control, name).eq(0) for name in _EFFECTS]
            m.d.comb += [
                self._control.late.eq(LateSource.NONE),
                self._control.transfer.eq(Transfer.NONE),
                self._control.system.eq(System.CRYPTOLAND),
                self._control.flush.eq(1),
            ]
        m.d.comb += self.slot.eq(slot.packed())
        return m

    def _identify(self, m):
        """Does the instruction belong to the code that runs, and if not, may it be crossed to?"""
        fetched, mode = self.fetched, self.mode
        self._own, self._crosses, self._lands_anywhere = Signal(), Signal(), Signal()
        # A control run: whatever stands at an entry is taken for a landing instruction.
        anywhere = is_open(self._switches, OpenCheck.LANDING)
        m.d.comb += self._lands_anywhere.eq(mode.encrypted & mode.landing & ~fetched.fault.valid & anywhere)
        m.d.comb += self._own.eq(
            fetched.region
            & (fetched.automatic == mode.automatic)
            & (fetched.key_slot == mode.key_slot)
            & (fetched.owner == mode.owner)
        )
        may_enter = fetched.region & fetched.automatic
        with m.If(fetched.fault.valid):
            m.d.comb += self._crosses.eq(0)
        with m.Elif(mode.encrypted):  # automatic code has landed
            m.d.comb += self._crosses.eq(mode.automatic & ~self._own & (may_enter | ~fetched.region))
        with m.Else():
            m.d.comb += self._crosses.eq(may_enter)

    def _system(self, m, decoder):
        """Flush and target of system instructions; returns whether the instruction is legal here."""
        control, word = decoder.control, self.fetched.word
        m.submodules.rights = rights = CsrRights()
        landing = Signal()
        m.d.comb += [
            rights.address.eq(word[20:32]),
            rights.write.eq(control.csr_write),
            rights.level.eq(self.level),
            rights.counter_enable.eq(self.counter_enable),
            landing.eq((control.system == System.CRYPTOLAND) & self.mode.landing),
            self._control.flush.eq(control.flush | (control.csr_write & rights.flushes) | landing),
            self._slot.indirect.eq(
                ((control.system == System.CRYPTOMODE) | (control.system == System.RETMODE)) & (word[15:20] != 0)
            ),
        ]
        return decoder.legal & (rights.legal | (control.late != LateSource.CSR))

    def _traps(self, m, legal, control):
        trap, fetched, mode = self._trap, self.fetched, self.mode
        # Nor at level 3, where a former trap context may still be: it is resumed by ``ctxrun`` wherever it was left.
        trusted = (self.context == 0) | (self.context == self.trap_context) | (self.level == LEVEL_M)
        with m.If(fetched.fault.valid):
            m.d.comb += [
                trap.valid.eq(1),
                trap.cause.eq(fetched.fault.cause),
                trap.sub.eq(fetched.fault.sub),
                trap.value_valid.eq(1),
            ]
        with m.Elif(self._lands_anywhere):
            pass
        with m.Elif(mode.encrypted & mode.landing & (control.system != System.CRYPTOLAND)):
            self._raise(m, Cause.MODE, Sub.MODE_NO_LANDING)
        with m.Elif(self._crosses):
            with m.If(~mode.encrypted & trusted):
                self._raise(m, Cause.MODE, Sub.MODE_CONTEXT)
        with m.Elif(mode.encrypted & ~mode.landing & ~self._own & ~is_open(self._switches, OpenCheck.FETCH)):
            self._raise(m, Cause.MODE, Sub.MODE_FETCH_OUTSIDE)
        with m.Elif(~legal):
            self._raise(m, Cause.ILLEGAL)
            m.d.comb += trap.value_valid.eq(1)
        with m.Else():
            with m.Switch(control.system):
                with m.Case(System.ECALL):
                    # Four causes in the order of the levels, ECALL_U first.
                    m.d.comb += [trap.valid.eq(1), trap.cause.eq(Const(Cause.ECALL_U.value, 5) | self.level)]
                with m.Case(System.EBREAK):
                    self._raise(m, Cause.BREAKPOINT)
                with m.Case(System.CRYPTOMODE):
                    with m.If(trusted):
                        self._raise(m, Cause.MODE, Sub.MODE_CONTEXT)
                    with m.Elif(mode.encrypted):
                        self._raise(m, Cause.MODE, Sub.MODE_NOT_PLAIN)
                with m.Case(System.SETIK):
                    with m.If(~mode.encrypted & ~is_open(self._switches, OpenCheck.SETIK_MODE)):
                        self._raise(m, Cause.MODE, Sub.MODE_NOT_ENCRYPTED)
                with m.Case(System.RETMODE):
                    with m.If(~mode.encrypted):
                        self._raise(m, Cause.MODE, Sub.MODE_NOT_ENCRYPTED)
                    with m.Elif(control.rd_write & (mode.links == LINKS)):
                        self._raise(m, Cause.MODE, Sub.MODE_BACKLINK_OVERFLOW)

    def _raise(self, m, cause, sub=Sub.NONE):
        trap = self._trap
        m.d.comb += [trap.valid.eq(1), trap.cause.eq(cause), trap.sub.eq(sub)]
