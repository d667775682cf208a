"""Memory stage, apart from the memory itself: the one place where traps, returns, switches and redirects happen.

Clock domain ``sync``. Joins the CSR file, the trap unit, contexts and modes; sources are named there. The load/store
unit and the pipeline registers are ``pipeline``'s.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState
from ..isa.cause import Cause
from ..isa.platform import RESET_PC
from .context import ContextUnit
from .control import LEVEL_M, System
from .csr import CsrFile, TrapRecord
from .mode import DEFAULT_CALL_MASK, ModeState, ModeUnit
from .slots import MemorySlot
from .trap import TrapUnit


class CommitPort(wiring.Signature):
    """Commit logic to pipeline; written from the side of the commit logic, explained in ``Commit``."""

    def __init__(self):
        super().__init__(
            {
                "slot": In(MemorySlot),
                "completes": In(1),
                "wait": Out(1),
                "redirect": Out(1),
                "hold": Out(1),
                "state": Out(ExecState),
                "mode": Out(ModeState),
                "memory_level": Out(2),
                "end_reservation": Out(1),
                "record": Out(TrapRecord),
                "takes_trap": Out(1),
                "leaves": Out(1),
                "link": Out(32),
                "csr_data": Out(32),
                "interrupt": Out(1),
                "interrupt_code": Out(Cause),
                "custom_enabled": Out(1),
                "timeout_wait": Out(1),
                "counter_enable": Out(3),
                "trap_context": Out(4),
                "exists": Out(16),
                "sealed": Out(16),
                "clean_start": Out(1),
                "clean_busy": In(1),
                "check_context": In(4),
                "pc_known": Out(1),
                "pc_written": In(1),
                "pc_context": In(4),
                "other_pc": In(32),
                "keep_valid": Out(1),
                "keep": Out(32),
                "swap": Out(1),
                "swap_from": Out(4),
                "read_stack": Out(1),
                "stack_in": In(32),
                "write_stack": Out(1),
                "stack_out": Out(32),
                "stack_written": Out(1),
            }
        )


class Commit(wiring.Component):
    """Effects of the instruction in ``slot``, at the end of the cycle in which ``completes`` is high; these two and
    what else concerns the pipeline lie in ``stage``.

    An instruction with a trap request takes the trap in its first cycle here and has no other effect. ``redirect`` with
    ``redirect_pc`` comes from registers only: a fault of the load/store unit is turned into a request first. It may
    come before ``completes`` when a load or a division had been predicted taken by mistake.

    - ``sleeps``: a ``wfi`` that an interrupt can end is waiting. ``wait``: the instruction is not done yet. ``wfi``
      waits for an enabled pending interrupt, ``fence.i`` for the invalidation of the instruction cache and for every
      dirty line of the data cache to reach memory (``clean_start``, ``clean_busy`` as in ``LoadStorePort``), which an
      interrupt does not cut short: 64 sets or fewer, a cycle or two each, and the time of the lines.
    - ``start``: the core is idle from reset until it is high; then fetching begins at the reset address. ``hold``: no
      instruction may be accepted (idle, halted, or the first cycle after a switch).
    - ``halted``: the core failed closed and stays so until reset.
    - ``pc_written`` with ``pc_context``: a program counter was stored in that context's bank; ``check_context``,
      ``pc_known``: was one?
    - ``keep_valid``, ``keep``: registers that survive ``retmode``; ``swap``, ``swap_from``: masks to exchange;
      ``*_stack``: see ``ModeUnit``.
    - ``other_pc``: word 0 of the bank that ``ctxrun`` names, read in execute.

    ``minstret`` counts in plain mode only. Parameter ``config_word``: what ``hxconfig`` reads.
    """

    stage: Out(CommitPort())
    redirect_pc: Out(32)
    start: In(1)
    halted: Out(1)
    flush_start: Out(1)
    flush_busy: In(1)
    clear_predictor: Out(1)
    software: In(1)
    timer: In(1)
    external: In(1)
    time: In(64)
    boot_contexts: In(16)
    boot_status: In(16)
    sleeps: Out(1)

    def __init__(self, config_word: int = 0):
        self._config_word = config_word
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.csr = self._csr = CsrFile(self._config_word)
        m.submodules.trap = self._trap = TrapUnit()
        m.submodules.context = self._context = ContextUnit()
        m.submodules.mode = self._mode = ModeUnit()
        slot = self.stage.slot
        self._done = Signal()  # completes as an instruction, not as a trap
        # One-hot: which system instruction completes.
        self._system = {s: Signal(name=f"does_{s.name.lower()}") for s in System}
        for system, does in self._system.items():
            m.d.comb += does.eq(self._done & (slot.control.system == system))
        m.d.comb += [
            self.stage.takes_trap.eq(slot.valid & slot.trap.valid),
            self._done.eq(slot.valid & ~slot.trap.valid & self.stage.completes),
            self.stage.link.eq(slot.pc + 4),
        ]
        self._waits(m)
        self._traps(m)
        self._registers(m)
        self._contexts(m)
        self._modes(m)
        self._redirects(m)
        return m

    def _waits(self, m):
        slot = self.stage.slot
        flushing = Signal()  # the invalidation was started
        alive = slot.valid & ~slot.trap.valid
        fence = Signal()
        fence_waits = Signal()
        wfi = Signal()
        m.d.comb += [
            fence.eq(alive & (slot.control.system == System.FENCE_I)),
            wfi.eq(alive & (slot.control.system == System.WFI)),
            self.flush_start.eq(fence & ~flushing),
            self.stage.clean_start.eq(fence & ~flushing),
            fence_waits.eq(fence & (~flushing | self.flush_busy | self.stage.clean_busy)),
            self.stage.wait.eq(fence_waits | (wfi & ~self._csr.wake)),
            self.sleeps.eq(wfi & self._csr.wakeable),
        ]
        m.d.sync += flushing.eq(fence_waits)
        self._fence_waits = fence_waits

    def _traps(self, m):
        slot, trap, context = self.stage.slot, self._trap, self._context
        m.d.comb += [
            trap.request.eq(slot.trap),
            trap.pc.eq(slot.pc),
            trap.next_pc.eq(self.stage.link),
            trap.value.eq(slot.raw),
            trap.context.eq(context.context),
            trap.level.eq(context.level),
            trap.encrypted.eq(self._mode.state.encrypted),
            trap.sealed.eq(context.running_sealed),
            trap.refused.eq(context.trap_refused),
            trap.trap_context.eq(self._csr.trap_context),
            trap.mtvec.eq(self._csr.mtvec),
            trap.hxtvec.eq(self._csr.hxtvec),
            self.stage.record.eq(trap.record),
            self.stage.leaves.eq(self.stage.takes_trap & trap.leaves & ~context.trap_refused),
        ]
        with m.If(self.stage.takes_trap & context.trap_refused):
            m.d.sync += self.halted.eq(1)

    def _registers(self, m):
        slot, csr = self.stage.slot, self._csr
        m.d.comb += [
            csr.address.eq(slot.raw[20:]),  # CSR instructions are never compressed
            csr.funct3.eq(slot.control.funct3),
            csr.operand.eq(slot.result),
            csr.write.eq(self._done & slot.control.csr_write),
            csr.trap.eq(self.stage.takes_trap),
            csr.record.eq(self._trap.record),
            csr.mret.eq(self._system[System.MRET]),
            csr.level.eq(self._context.level),
            csr.count_cycle.eq(1),
            csr.count_instruction.eq(self._done & ~self._mode.state.encrypted),
            csr.contexts_allowed.eq(self._context.allowed),
            self.stage.csr_data.eq(csr.rdata),
            self.stage.memory_level.eq(
                Mux((self._context.level == LEVEL_M) & csr.modify_privilege, csr.previous_level, self._context.level)
            ),
        ]
        for name in ("software", "timer", "external", "time", "boot_status"):
            m.d.comb += getattr(csr, name).eq(getattr(self, name))
        for name in ("interrupt", "interrupt_code", "custom_enabled", "timeout_wait", "counter_enable", "trap_context"):
            m.d.comb += getattr(self.stage, name).eq(getattr(csr, name))

    def _contexts(self, m):
        slot, context = self.stage.slot, self._context
        mret = self._system[System.MRET]
        m.d.comb += [
            context.boot_contexts.eq(self.boot_contexts),
            context.trap_context.eq(self._csr.trap_context),
            context.mode.eq(self._mode.state),
            context.leave.eq(self.stage.leaves),
            context.run.eq(self._system[System.CTXRUN]),
            context.run_context.eq(slot.other),
            context.set_level.eq(mret | (self.stage.takes_trap & ~self.stage.leaves)),
            context.new_level.eq(Mux(mret, self._csr.previous_level, LEVEL_M)),
            context.seal.eq(self._system[System.CRYPTOMODE]),
            context.pc_written.eq(self.stage.pc_written),
            context.pc_context.eq(self.stage.pc_context),
            context.check_context.eq(self.stage.check_context),
            self.stage.pc_known.eq(context.run_pc_known),
            self.stage.exists.eq(context.exists),
            self.stage.sealed.eq(context.sealed),
            self.stage.swap.eq(context.switched),
            self.stage.swap_from.eq(context.previous),
            # Nothing that ran before a switch is left to be guessed from by a sealed context, nor the reverse.
            self.clear_predictor.eq(
                (context.leave & context.running_sealed)
                | (context.run & (context.running_sealed | context.sealed.bit_select(slot.other, 1)))
            ),
        ]

    def _modes(self, m):
        slot, mode, state = self.stage.slot, self._mode, self._mode.state
        m.d.comb += [
            mode.context.eq(self._context.context),
            mode.fresh.eq(~self._context.running_sealed),
            mode.enter.eq(self._system[System.CRYPTOMODE]),
            mode.target.eq(slot.goes_to),
            mode.land.eq(self._system[System.CRYPTOLAND] & state.landing),
            mode.key_slot.eq(slot.key_slot),
            mode.owner.eq(slot.owner),
            mode.exit.eq(self._system[System.RETMODE]),
            mode.push.eq(slot.control.rd_write),
            mode.link_pc.eq(self.stage.link),
            mode.load.eq(self.stage.leaves | self._system[System.CTXRUN]),
            # The trap context runs in plain mode.
            mode.loaded.eq(Mux(self.stage.leaves, 0, self._context.row.mode)),
            self.stage.keep_valid.eq(self._system[System.RETMODE]),
            self.stage.keep.eq(Mux(slot.raw[20:25] == 0, DEFAULT_CALL_MASK, slot.result) | 1 << 2),
            self.stage.mode.eq(state),
            self.stage.state.context.eq(self._context.context),
            self.stage.state.level.eq(self._context.level),
            self.stage.state.encrypted.eq(state.encrypted),
            self.stage.state.key_slot.eq(state.key_slot),
            self.stage.state.owner.eq(state.owner),
            mode.stack_in.eq(self.stage.stack_in),
        ]
        for name in ("read_stack", "write_stack", "stack_out", "stack_written"):
            m.d.comb += getattr(self.stage, name).eq(getattr(mode, name))

    def _redirects(self, m):
        slot, does = self.stage.slot, self._system
        running, started = Signal(), Signal()
        m.d.sync += [running.eq(running | self.start), started.eq(running)]
        m.d.comb += [
            self.stage.hold.eq(~started | self.halted | self._context.switching | self._mode.read_stack),
            self.stage.redirect.eq(
                (running & ~started)
                | (slot.valid & ~self.halted & (slot.trap.valid | (slot.redirect & ~self._fence_waits)))
            ),
            self.stage.end_reservation.eq(
                self.stage.takes_trap
                | does[System.MRET]
                | does[System.CTXRUN]
                | does[System.CRYPTOMODE]
                | does[System.RETMODE]
            ),
        ]
        with m.If(~started):
            m.d.comb += self.redirect_pc.eq(RESET_PC)
        with m.Elif(slot.trap.valid):
            m.d.comb += self.redirect_pc.eq(self._trap.target)
        with m.Elif(slot.control.system == System.MRET):
            m.d.comb += self.redirect_pc.eq(self._csr.mepc)
        with m.Elif(slot.control.system == System.CTXRUN):
            m.d.comb += self.redirect_pc.eq(Mux(slot.pc_known, self.stage.other_pc, 0))
        with m.Else():
            m.d.comb += self.redirect_pc.eq(slot.goes_to)
