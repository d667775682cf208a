"""The pipeline: align -> register read -> execute -> memory -> write-back, its registers, bypasses and stalls.

Clock domain ``sync``. Fetching and aligning lie before it (``FetchPort``), the memory itself beside it
(``LoadStorePort``).

Stalls: when the memory stage waits, everything from register read to write-back stands still (``advance`` low), so
that every bypass found in one cycle still holds in the next; when an operand is a cycle too late, only register
read waits (``read.wait``). The file is read at the end of the align stage, or again for the instruction that waits.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import FetchedInstruction, LoadStorePort, MemoryOp
from ..lib.fields import Fields
from .commit import CommitPort
from .control import AluOp, Control, LateSource, System
from .execute_stage import ExecuteStage
from .read_stage import ReadStage
from .register_file import STACK_POINTER, RegisterFile, WrittenMask
from .slots import Bypass, ExecuteSlot, MemorySlot, WriteSlot


class Pipeline(wiring.Component):
    """Connects the stages to the ``instruction`` stream, to ``memory``, and to ``commit``, which lies beside it.

    ``execute_slot``, ``memory_slot``, ``write_slot``: the stages' registers, for counting and traces; ``write_new``:
    the write stage's content is one cycle old or less. ``fetch_waits``, ``operand_waits``, ``memory_waits``,
    ``divide_waits``: causes of lost cycles, as in ``isa.events``.

    A load's result can be used two cycles after the load, a product and a CSR's value likewise; a quotient takes 17
    cycles more, whatever the operands are. Memory operations are issued as they leave execute and are never dropped
    afterwards.

    Parameter ``switches``: see ``bus.open_checks``.
    """

    instruction: In(stream.Signature(FetchedInstruction))
    commit: In(CommitPort())
    memory: Out(LoadStorePort())
    execute_slot: Out(ExecuteSlot)
    memory_slot: Out(MemorySlot)
    write_slot: Out(WriteSlot)
    write_new: Out(1)
    fetch_waits: Out(1)
    operand_waits: Out(1)
    memory_waits: Out(1)
    divide_waits: Out(1)

    def __init__(self, switches: Value | None = None):
        self._switches = switches
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.file = self._file = RegisterFile()
        m.submodules.mask = self._mask = WrittenMask()
        m.submodules.read = self._read = ReadStage(self._switches)
        m.submodules.execute = self._execute = ExecuteStage(self._switches)
        self._read_valid = Signal()
        self._fetched = Signal(FetchedInstruction)
        self._written = Signal(Bypass)  # what was in write-back one step earlier: not yet in the data read
        self._advance = Signal()
        self._assist_issues = Signal()
        self._issue(m)
        self._addresses(m)
        self._connect_read(m)
        self._connect_execute(m)
        self._step(m)
        self._complete(m)
        self._write(m)
        self._assist(m)
        return m

    def _issue(self, m):
        """What stops the pipeline, and the door to the load/store unit."""
        commit, memory, slot = self.commit, self.memory, self.memory_slot
        in_memory = slot.valid & slot.control.memory & ~slot.trap.valid
        collides, waits = Signal(), Signal()
        divides = slot.valid & ~slot.trap.valid & (slot.control.late == LateSource.DIVIDE)
        faults = Signal()
        m.d.comb += [
            # The fault becomes a trap request first and is taken a cycle later: no late signal reaches the redirect.
            faults.eq(in_memory & memory.fault.valid),
            # The load/store unit may also be busy for itself; then nothing may be issued to it. What a redirect drops
            # does not wait: the redirect's own instruction would otherwise take effect twice.
            collides.eq(memory.occupied & self._execute.asks & ~commit.redirect),
            self.memory_waits.eq(Mux(in_memory, memory.busy, collides)),
            self.divide_waits.eq(divides & self._execute.dividing),
            waits.eq(faults | self.divide_waits | commit.wait),
            self._advance.eq(~(self.memory_waits | waits)),
            # Of an instruction that does not touch memory it is known early whether it completes.
            commit.completes.eq(~slot.control.memory & ~collides & ~waits),
            commit.retires.eq(self._advance & slot.valid & ~slot.trap.valid),
            memory.issue.eq(
                (self._execute.asks & self._advance & ~commit.redirect) | (self._assist_issues & ~memory.busy)
            ),
            memory.request.eq(self._execute.request),
            memory.state.eq(commit.state),
            memory.state.level.eq(commit.memory_level),
            memory.end_reservation.eq(commit.end_reservation),
            memory.clean_start.eq(commit.clean_start),
            memory.clean_abort.eq(commit.clean_abort),
            commit.clean_busy.eq(memory.clean_busy),
        ]
        with m.If(self._advance):
            m.d.sync += slot.eq(self._execute.following)
            with m.If(commit.redirect):
                m.d.sync += slot.valid.eq(0)
        # What follows happens while the instruction stays, but for a redirect that drops the next one anyhow. It does
        # not ask for ``advance``, which is late and so only enables registers.
        with m.If(commit.redirect):  # sent once, though the instruction may still be busy
            m.d.sync += slot.redirect.eq(0)
        with m.If(faults):
            m.d.sync += [
                slot.raw.eq(memory.fault_addr),
                slot.trap.valid.eq(1),
                slot.trap.cause.eq(memory.fault.cause),
                slot.trap.sub.eq(memory.fault.sub),
                slot.trap.value_valid.eq(1),
            ]
        with m.If(commit.converts):
            m.d.sync += slot.trap.eq(commit.converted)

    def _assist(self, m):
        """Loads for the region unit, while its instruction waits in the memory stage. Each is put into execute, where
        a younger instruction stands that will be fetched again: so no multiplexer lengthens the way of an address.
        """
        commit, memory, x = self.commit, self.memory, self.execute_slot
        load, control = Fields(ExecuteSlot, "assist"), Fields(Control, "assist_control")
        waits, done = Signal(), Signal()
        m.d.comb += [
            load.valid.eq(1),
            load.rs1.eq(commit.assist_addr),
            load.control.eq(control.packed()),
            control.memory.eq(1),
            control.immediate.eq(1),
            control.alu.eq(AluOp.ADD),
            control.funct3.eq(0b010),
            control.memory_op.eq(Mux(commit.assist_probe, MemoryOp.PROBE, MemoryOp.LOAD)),
            done.eq(waits & ~memory.busy),
        ]
        # The answer is late in its cycle: the region unit sees it in the next.
        m.d.sync += [
            commit.assist_done.eq(done),
            commit.assist_data.eq(memory.rdata),
            commit.assist_fault.eq(memory.fault),
            commit.assist_protected.eq(memory.protected),
            commit.assist_physical.eq(memory.physical),
        ]
        with m.If(self._assist_issues):
            with m.If(~memory.busy):
                m.d.sync += [self._assist_issues.eq(0), waits.eq(1), x.valid.eq(0)]
        with m.Elif(done):
            m.d.sync += waits.eq(0)
        with m.Elif(commit.assist & ~waits & ~commit.assist_done):
            m.d.sync += [self._assist_issues.eq(1), x.eq(load.packed())]

    def _addresses(self, m):
        """Addresses of the file's read ports: x2 at a switch, ``ctxrun``'s program counter, else rs1 and rs2."""
        commit, file = self.commit, self._file
        word = Signal(32)
        bank = commit.state.context
        m.d.comb += [
            word.eq(Mux(self._read.wait, self._fetched.word, self.instruction.payload.word)),
            file.read_enable.eq(self._advance),
            file.read1_address.eq(Cat(word[15:20], bank)),
            file.read2_address.eq(Cat(word[20:25], bank)),
        ]
        system, other = self.execute_slot.control.system, self._execute.following
        with m.If(self.execute_slot.valid & ((system == System.CTXRUN) | (system == System.CTXGET))):
            m.d.comb += file.read1_address.eq(Cat(Mux(system == System.CTXRUN, 0, other.other_register), other.other))
        with m.If(commit.read_stack):
            m.d.comb += file.read1_address.eq(Cat(Const(STACK_POINTER, 5), bank))

    def _connect_read(self, m):
        commit, read = self.commit, self._read
        x, mem, w = self.execute_slot, self.memory_slot, self.write_slot
        m.d.comb += [
            read.valid.eq(self._read_valid),
            read.fetched.eq(self._fetched),
            read.file1.eq(self._file.read1_data),
            read.file2.eq(self._file.read2_data),
            read.mask.eq(self._mask.mask),
            read.context.eq(commit.state.context),
            read.level.eq(commit.state.level),
            read.mode.eq(commit.mode),
            read.execute.valid.eq(x.valid & x.control.rd_write),
            read.execute.register.eq(x.rd),
            read.execute.late.eq(x.control.late != LateSource.NONE),
            read.execute.data.eq(self._execute.following.result),
            read.memory.valid.eq(mem.valid & mem.control.rd_write),
            read.memory.register.eq(mem.rd),
            read.memory.late.eq(mem.control.late != LateSource.NONE),
            read.memory.data.eq(mem.result),
            read.write.valid.eq(w.rd_write),
            read.write.register.eq(w.rd),
            read.write.data.eq(w.result),
            read.written.eq(self._written),
            read.put_ahead.eq(
                (x.valid & (x.control.system == System.CTXPUT)) | (mem.valid & (mem.control.system == System.CTXPUT))
            ),
        ]
        for name in ("trap_context", "custom_enabled", "timeout_wait", "counter_enable"):
            m.d.comb += getattr(read, name).eq(getattr(commit, name))

    def _connect_execute(self, m):
        commit, execute = self.commit, self._execute
        m.d.comb += [
            execute.slot.eq(self.execute_slot),
            execute.late_result.eq(self.write_slot.result),
            execute.moves.eq(self._advance & ~commit.redirect),
            execute.interrupt.eq(commit.interrupt),
            execute.interrupt_code.eq(commit.interrupt_code),
            execute.context.eq(commit.state.context),
            execute.level.eq(commit.state.level),
            execute.pc_known.eq(commit.pc_known),
            execute.link_overflow.eq(commit.link_overflow),
            commit.check_context.eq(execute.operand[:4]),
        ]
        for name in ("trap_context", "exists", "managed", "sealed", "entries", "exhausted"):
            m.d.comb += getattr(execute, name).eq(getattr(commit, name))

    def _step(self, m):
        """Align to register read to execute. A redirect drops both, even while the memory stage waits."""
        commit, read, instruction = self.commit, self._read, self.instruction
        m.d.comb += [
            instruction.ready.eq(self._advance & ~read.wait & ~commit.hold),
            self.fetch_waits.eq(~self._read_valid & self._advance),
            self.operand_waits.eq(read.wait & self._advance),
        ]
        with m.If(self._advance):
            # While the region unit's load is put in, the memory stage waits: ``_assist`` is not in the way.
            m.d.sync += self.execute_slot.eq(read.slot)
            with m.If(~read.wait):
                m.d.sync += [
                    self._fetched.eq(instruction.payload),
                    self._read_valid.eq(instruction.valid & ~commit.hold),
                ]
        with m.If(commit.redirect):
            m.d.sync += [self._read_valid.eq(0), self.execute_slot.valid.eq(0)]

    def _complete(self, m):
        """Memory stage to write-back."""
        commit, slot, w = self.commit, self.memory_slot, self.write_slot
        done = Signal()
        late, result = Signal(32), Signal(32)
        m.d.comb += [
            done.eq(slot.valid & ~slot.trap.valid),
            commit.slot.eq(slot),
            commit.first.eq(self.write_new),
            commit.other_word.eq(self._file.read1_data),
            commit.other_written.eq(self._mask.get_written),
            self._mask.get_context.eq(slot.other),
            self._mask.get_register.eq(slot.other_register),
        ]
        with m.Switch(slot.control.late):
            with m.Case(LateSource.NONE):
                m.d.comb += late.eq(slot.result)
            with m.Case(LateSource.MULTIPLY):
                m.d.comb += late.eq(self._execute.product)
            with m.Case(LateSource.DIVIDE):
                m.d.comb += late.eq(self._execute.quotient)
            with m.Case(LateSource.CSR):
                m.d.comb += late.eq(commit.csr_data)
            with m.Case(LateSource.LINK):
                m.d.comb += late.eq(commit.link)
            with m.Case(LateSource.OTHER):
                m.d.comb += late.eq(commit.other_data)
        put = done & (slot.control.system == System.CTXPUT)
        leaves = commit.leaves | (done & (slot.control.system == System.CTXRUN))  # its PC stays in its bank
        loads = slot.control.memory & ~slot.trap.valid
        m.d.comb += result.eq(Mux(commit.leaves, commit.record.pc, Mux(leaves, commit.link, late)))
        with m.If(self._advance):
            m.d.sync += [
                w.retire.eq(done & (slot.control.system != System.CROSS)),
                w.trap.eq(commit.takes_trap),
                w.pc.eq(Mux(commit.takes_trap, commit.record.pc, slot.pc)),
                w.raw.eq(slot.raw),
                w.rd.eq(slot.rd),
                w.rd_write.eq(done & slot.control.rd_write),
                # What memory answers comes last in the cycle, so it meets one selection only.
                w.result.eq(Mux(loads, self.memory.rdata, result)),
                w.interrupt.eq(slot.trap.interrupt),
                w.cause.eq(slot.trap.cause),
                w.value.eq(commit.record.value),
                w.context.eq(commit.state.context),
                w.encrypted.eq(commit.state.encrypted),
                w.level.eq(commit.state.level),
                w.put.eq(put),
                w.bank_write.eq(put | leaves | (done & slot.control.rd_write)),
                w.address.eq(Cat(slot.rd, commit.state.context)),
            ]
            with m.If(put):
                m.d.sync += w.address.eq(Cat(slot.other_register, slot.other))
            with m.If(leaves):
                m.d.sync += w.address.eq(Cat(Const(0, 5), commit.state.context))
        m.d.sync += self.write_new.eq(self._advance)

    def _write(self, m):
        """Write-back: the bank, the masks, and the stack pointer at a switch (the stages are empty then)."""
        commit, w, file, mask = self.commit, self.write_slot, self._file, self._mask
        writes = Signal()
        register = w.address[:5]
        m.d.comb += [
            writes.eq(w.bank_write & self.write_new),
            file.write_enable.eq(writes),
            file.write_address.eq(w.address),
            file.write_data.eq(w.result),
            mask.set_valid.eq(writes & w.rd_write),
            mask.set_register.eq(w.rd),
            mask.put_valid.eq(writes & w.put),
            mask.put_context.eq(w.address[5:]),
            mask.put_register.eq(register),
            commit.pc_written.eq(writes & (register == 0)),
            commit.pc_context.eq(w.address[5:]),
            commit.stack_in.eq(Mux(mask.mask[STACK_POINTER], file.read1_data, 0)),
            mask.forget.eq(commit.forget),
            mask.forget_context.eq(self.memory_slot.other),
            mask.keep_valid.eq(commit.keep_valid),
            mask.keep.eq(commit.keep),
            mask.swap.eq(commit.swap),
            mask.swap_from.eq(commit.swap_from),
            mask.swap_to.eq(commit.state.context),
            mask.stack_valid.eq(commit.write_stack),
            mask.stack_written.eq(commit.stack_written),
        ]
        with m.If(self._advance):
            m.d.sync += [
                self._written.valid.eq(w.rd_write),
                self._written.register.eq(w.rd),
                self._written.data.eq(w.result),
            ]
        with m.If(commit.write_stack):
            m.d.comb += [
                file.write_enable.eq(1),
                file.write_address.eq(Cat(Const(STACK_POINTER, 5), commit.state.context)),
                file.write_data.eq(commit.stack_out),
            ]
            m.d.sync += [
                self._written.valid.eq(1),
                self._written.register.eq(STACK_POINTER),
                self._written.data.eq(commit.stack_out),
            ]
