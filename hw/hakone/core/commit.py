"""Memory stage, apart from the memory itself: the one place where traps, returns, switches and redirects happen.

Clock domain ``sync``. Joins the CSR file, the trap unit, contexts and modes; sources are named there. The load/store
unit and the pipeline registers are ``pipeline``'s.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import ExecState, Fault, RegionCommand, RegionPort, SegmentPort
from ..isa.cause import Cause
from ..isa.encoding import CLRK_CONTEXT
from ..isa.platform import RESET_PC
from ..lib.fields import Fields
from .context import ContextUnit
from .control import LEVEL_M, System, Transfer
from .csr import CsrFile, TrapRecord
from .mode import DEFAULT_CALL_MASK, LINKS, ModeState, ModeUnit
from .slots import MemorySlot
from .trap import TrapRequest, TrapUnit


class CommitPort(wiring.Signature):
    """Commit logic to pipeline; written from the side of the commit logic, explained in ``Commit``."""

    def __init__(self):
        super().__init__(
            {
                "slot": In(MemorySlot),
                "completes": In(1),
                "retires": In(1),
                "first": In(1),
                "wait": Out(1),
                "redirect": Out(1),
                "hold": Out(1),
                "state": Out(ExecState),
                "mode": Out(ModeState),
                "link_overflow": Out(1),
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
                "managed": Out(16),
                "sealed": Out(16),
                "entries": Out(16),
                "exhausted": Out(1),
                "forget": Out(1),
                "converts": Out(1),
                "converted": Out(TrapRequest),
                "assist": Out(1),
                "assist_probe": Out(1),
                "assist_addr": Out(32),
                "assist_done": In(1),
                "assist_data": In(32),
                "assist_fault": In(Fault),
                "assist_protected": In(1),
                "assist_physical": In(32),
                "clean_start": Out(1),
                "clean_abort": Out(1),
                "clean_busy": In(1),
                "check_context": In(4),
                "pc_known": Out(1),
                "pc_written": In(1),
                "pc_context": In(4),
                "other_word": In(32),
                "other_written": In(1),
                "other_data": Out(32),
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
    what else concerns the pipeline lie in ``stage``. ``completes`` is low for loads, stores and atomics, which have no
    effect here, so that it does not wait for the data side's answer; ``retires`` is high for every instruction when it
    has run to its end, and comes late. ``first``: it is the instruction's first cycle in the memory stage.

    An instruction with a trap request takes the trap in its first cycle here and has no other effect. ``redirect`` with
    ``redirect_pc`` comes from registers only: a fault of the load/store unit is turned into a request first. It may
    come before ``completes`` when a load or a division had been predicted taken by mistake.

    - ``sleeps``: a ``wfi`` that an interrupt can end is waiting. ``wait``: the instruction is not done yet. ``wfi``
      waits for an enabled pending interrupt, ``fence.i`` for the invalidation of the instruction cache and for every
      dirty line of the data cache to reach memory (``clean_*`` as in ``LoadStorePort``). An interrupt ends its wait at
      the next line; what was cleaned stays so.
    - ``start``: the core is idle from reset until it is high; then fetching begins at the reset address. ``hold``: no
      instruction may be accepted (idle, halted, or the first cycle after a switch).
    - ``halted``: the core failed closed and stays so until reset.
    - ``pc_written`` with ``pc_context``: a program counter was stored in that context's bank; ``check_context``,
      ``pc_known``: was one?
    - ``keep_valid``, ``keep``: registers that survive ``retmode``; ``swap``, ``swap_from``: masks to exchange;
      ``*_stack``: see ``ModeUnit``.
    - ``other_word``: the word of the bank that ``ctxrun`` or ``ctxget`` names, read in execute; ``other_written``: it
      is a register that was written. ``other_data``: results that do not come from the pipeline. ``forget``: the
      registers of the context that ``ctxnew`` or ``ctxkill`` names count as unwritten.
    - ``region`` executes ``setik`` and ``clrk`` (``RegionPort``), its loads through ``assist_*``. ``segments``: see
      ``SegmentPort``.
    - ``key_erased``, ``key_erased_slot``: see ``ModeUnit.erased``. ``stage.link_overflow``: when the instruction in
      ``slot`` has completed, all back links are in use and another one stands ready.
    - ``converts``: the waiting instruction in the memory stage becomes a trap with ``converted``: a fault that the
      region unit found, or an interrupt that ends the wait of ``fence.i``, ``setik`` or ``clrk``, which are begun again
      when it returns.

    ``minstret`` counts in plain mode only. Parameters ``config_word``: what ``hxconfig`` reads; ``boot_quota``: see
    ``ContextUnit``; ``switches``: see ``bus.open_checks``.
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
    key_erased: In(1)
    key_erased_slot: In(4)
    region: Out(RegionPort())
    segments: Out(SegmentPort())

    def __init__(self, config_word: int = 0, boot_quota: int = 4, switches: Value | None = None):
        self._config_word = config_word
        self._switches = switches
        self._boot_quota = boot_quota
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.csr = self._csr = CsrFile(self._config_word)
        m.submodules.trap = self._trap = TrapUnit()
        m.submodules.context = self._context = ContextUnit(self._boot_quota)
        m.submodules.mode = self._mode = ModeUnit(self._switches)
        slot = self.stage.slot
        self._converted = Fields(TrapRequest, "converted")
        self._done = Signal()  # completes as an instruction, not as a trap
        self._over = Signal()  # the work of the lingering instruction has ended: it completes in this cycle
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
        self._region(m)
        self._traps(m)
        self._registers(m)
        self._contexts(m)
        self._modes(m)
        self._redirects(m)
        return m

    def _waits(self, m):
        slot = self.stage.slot
        flushing, aborted = Signal(), Signal()  # the invalidation was started; cleaning was cut short
        alive = slot.valid & ~slot.trap.valid & ~self._over
        fence = Signal()
        fence_waits = Signal()
        wfi = Signal()
        m.d.comb += [
            fence.eq(alive & (slot.control.system == System.FENCE_I)),
            wfi.eq(alive & (slot.control.system == System.WFI)),
            self.flush_start.eq(fence & ~flushing),
            self.stage.clean_start.eq(fence & ~flushing),
            fence_waits.eq(fence & (~flushing | self.flush_busy | self.stage.clean_busy | aborted)),
            self.stage.clean_abort.eq(fence & flushing & self._csr.interrupt & self.stage.clean_busy),
            self.sleeps.eq(wfi & self._csr.wakeable),
        ]
        m.d.sync += flushing.eq(fence_waits & ~self.stage.converts)
        with m.If(fence & ~flushing):
            m.d.sync += aborted.eq(0)
        with m.Elif(self.stage.clean_abort):
            m.d.sync += aborted.eq(1)
        ended = aborted & ~self.flush_busy & ~self.stage.clean_busy
        with m.If(fence & flushing & ended):
            self._convert(m)
            with m.If(~self._csr.interrupt):  # it went away: begin again
                m.d.sync += flushing.eq(0)
        self._fence_waits, self._wfi_waits = fence_waits, wfi & ~self._csr.wake

    def _convert(self, m):
        """The waiting instruction gives way to the interrupt, if there still is one."""
        converted = self._converted
        m.d.comb += [
            self.stage.converts.eq(self._csr.interrupt),
            converted.valid.eq(1),
            converted.interrupt.eq(1),
            converted.cause.eq(self._csr.interrupt_code),
        ]

    def _region(self, m):
        """``setik`` and ``clrk``: start the region unit, wait, then end as an instruction, a fault or an interrupt."""
        slot, region, stage = self.stage.slot, self.region, self.stage
        alive = slot.valid & ~slot.trap.valid & ~self._over
        installs = slot.control.system == System.SETIK
        asks, started, waits, over = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            asks.eq(alive & (installs | (slot.control.system == System.CLRK))),
            region.start.eq(asks & ~started),
            over.eq(asks & started & ~region.busy),
            region.operand.eq(slot.result),
            region.state.eq(stage.state),
            region.segments.eq(self._csr.segments_enabled),
            region.quota.eq(self._context.quota),
            region.abort.eq(self._csr.interrupt),
            region.load_done.eq(stage.assist_done),
            region.data.eq(stage.assist_data),
            region.load_fault.eq(stage.assist_fault),
            region.protected.eq(stage.assist_protected),
            region.physical.eq(stage.assist_physical),
            stage.assist.eq(region.load),
            stage.assist_probe.eq(region.probe),
            stage.assist_addr.eq(region.addr),
            waits.eq(asks & (~started | region.busy | region.fault.valid | region.aborted)),
        ]
        with m.If(installs):
            m.d.comb += region.command.eq(RegionCommand.INSTALL)
        with m.Elif(slot.result[CLRK_CONTEXT.bit_length() - 1]):
            m.d.comb += region.command.eq(RegionCommand.RELEASE_CONTEXT)
        with m.Else():
            m.d.comb += region.command.eq(RegionCommand.RELEASE)
        with m.If(over):
            m.d.sync += started.eq(0)
        with m.Elif(region.start):
            m.d.sync += started.eq(1)
        with m.If(over & region.fault.valid):
            m.d.comb += [
                stage.converts.eq(1),
                self._converted.valid.eq(1),
                self._converted.cause.eq(region.fault.cause),
                self._converted.sub.eq(region.fault.sub),
            ]
        with m.Elif(over & region.aborted):
            self._convert(m)
        m.d.comb += [
            stage.converted.eq(self._converted.packed()),
            stage.wait.eq((slot.control.lingers & alive) | self._wfi_waits),
        ]
        # The end is seen a cycle late, so that how it was found out stands in front of nothing.
        m.d.sync += self._over.eq(slot.control.lingers & alive & ~self._fence_waits & ~waits & ~stage.converts)

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
            csr.count_instruction.eq(
                self.stage.retires & ~self._mode.state.encrypted & (slot.control.system != System.CROSS)
            ),
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
        with m.Switch(slot.control.system):
            with m.Case(System.SETIK):
                m.d.comb += self.stage.other_data.eq(self.region.status.as_value())
            with m.Case(System.CTXNEW):
                m.d.comb += self.stage.other_data.eq(context.generation)
            with m.Default():  # ctxget
                written = Mux(slot.other_register == 0, slot.pc_known, self.stage.other_written)
                word = Mux(written, self.stage.other_word, 0)
                m.d.comb += self.stage.other_data.eq(Mux(slot.other_birth, context.birth_of_other, word))
        m.d.comb += [
            context.boot_contexts.eq(self.boot_contexts),
            context.trap_context.eq(self._csr.trap_context),
            context.mode.eq(self._mode.kept),
            context.leave.eq(self.stage.leaves),
            context.run.eq(self._system[System.CTXRUN]),
            context.run_context.eq(slot.other),
            context.make.eq(self._system[System.CTXNEW]),
            context.make_quota.eq(slot.result),
            context.kill.eq(self._system[System.CTXKILL]),
            self.stage.forget.eq(context.make | context.kill),
            self.stage.managed.eq(context.managed),
            self.stage.entries.eq(self.region.entries),
            self.stage.exhausted.eq(context.exhausted),
            self.segments.enabled.eq(self._csr.segments_enabled),
            self.segments.write.eq(self._system[System.SEGPUT]),
            self.segments.clear.eq(context.make | context.kill),
            self.segments.context.eq(slot.other),
            self.segments.segment.eq(slot.other_register[:4]),
            self.segments.word.eq(slot.other_register[4]),
            self.segments.data.eq(slot.result),
            context.set_level.eq(mret | (self.stage.takes_trap & ~self.stage.leaves)),
            context.new_level.eq(Mux(mret, self._csr.previous_level, LEVEL_M)),
            context.seal.eq(self._system[System.CRYPTOMODE] | (self._system[System.CROSS] & slot.region)),
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
        slot, mode, state, exec_state = self.stage.slot, self._mode, self._mode.state, self.stage.state
        control, crosses = slot.control, self._system[System.CROSS]
        jumps = (control.transfer == Transfer.JAL) | (control.transfer == Transfer.JALR)
        calls = jumps & control.rd_write & state.automatic
        m.d.comb += [
            mode.context.eq(self._context.context),
            mode.fresh.eq(~self._context.running_sealed),
            mode.enter.eq(self._system[System.CRYPTOMODE]),
            mode.target.eq(slot.goes_to),
            mode.land.eq(self._system[System.CRYPTOLAND] & state.landing),
            mode.exit.eq(self._system[System.RETMODE]),
            mode.push.eq(control.rd_write),
            mode.cross.eq(crosses),
            # A load or store takes its time to complete, but it is never a call.
            mode.completes.eq(self._done | (slot.valid & ~slot.trap.valid & control.memory)),
            mode.call.eq(self._done & calls),
            mode.link_pc.eq(Mux(jumps, slot.result, self.stage.link)),
            mode.load.eq(self.stage.leaves | self._system[System.CTXRUN]),
            # The trap context runs in plain mode.
            mode.loaded.eq(Mux(self.stage.leaves, 0, self._context.row.mode)),
            mode.past.eq(self._trap.past | self._system[System.CTXRUN]),
            mode.end_links.eq(self._system[System.CLRK] & self.region.code),
            mode.erased.eq(self.key_erased),
            mode.erased_slot.eq(self.key_erased_slot),
            self.stage.link_overflow.eq(
                (state.links == LINKS) & Mux(slot.valid & ~slot.trap.valid, calls, state.called)
            ),
            self.stage.keep_valid.eq(mode.exit | (crosses & state.encrypted)),
            self.stage.keep.eq(Mux(crosses | (slot.raw[20:25] == 0), DEFAULT_CALL_MASK, slot.result) | 1 << 2),
            self.stage.mode.eq(state),
            mode.stack_in.eq(self.stage.stack_in),
            exec_state.context.eq(self._context.context),
            exec_state.level.eq(self._context.level),
            exec_state.encrypted.eq(state.encrypted),
            exec_state.automatic.eq(state.automatic),
            exec_state.handler.eq((self._context.context == self._csr.trap_context) | (self._context.level == LEVEL_M)),
            exec_state.key_slot.eq(state.key_slot),
            exec_state.owner.eq(state.owner),
        ]
        for name in ("region", "automatic", "key_slot", "owner"):
            m.d.comb += getattr(mode, name).eq(slot[name])
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
                | (
                    slot.valid
                    & ~self.halted
                    & (slot.trap.valid | (slot.redirect & (~slot.control.lingers | self._over)))
                )
            ),
            self.stage.end_reservation.eq(
                self.stage.takes_trap
                | does[System.MRET]
                | does[System.CTXRUN]
                | does[System.CRYPTOMODE]
                | does[System.RETMODE]
                | does[System.CROSS]
            ),
        ]
        with m.If(~started):
            m.d.comb += self.redirect_pc.eq(RESET_PC)
        with m.Elif(slot.trap.valid):
            m.d.comb += self.redirect_pc.eq(self._trap.target)
        with m.Elif(slot.control.system == System.MRET):
            m.d.comb += self.redirect_pc.eq(self._csr.mepc)
        with m.Elif(slot.control.system == System.CTXRUN):
            m.d.comb += self.redirect_pc.eq(Mux(slot.pc_known, self.stage.other_word, 0))
        with m.Else():
            m.d.comb += self.redirect_pc.eq(slot.goes_to)
