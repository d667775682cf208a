"""The core's back end: pipeline and commit logic behind the two doors to the fetch and load/store units.

Clock domain ``sync``. RV32IMAC with Zicsr, Zifencei and Zicntr, levels M and U, contexts and execution modes; the
sources are named in the units. Caches, the fetch unit and the expansion of compressed instructions lie outside.
"""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..bus.core_ports import FetchPort, LoadStorePort, RegionPort, SegmentPort
from ..bus.probe import RetireRecord
from ..isa.cause import Cause
from ..isa.events import Event
from .commit import Commit
from .control import System, Transfer
from .pipeline import Pipeline

#: Events that the core drives, as members ``event_<name>``.
CORE_EVENTS = (
    Event.MEMORY_STALL,
    Event.FETCH_STALL,
    Event.LOAD_USE_STALL,
    Event.DIVIDE_STALL,
    Event.TRANSFER,
    Event.MISPREDICT,
    Event.FLUSH,
    Event.TRAP,
    Event.INTERRUPT,
    Event.CONTEXT_SWITCH,
    Event.MODE_SWITCH,
    Event.REGION_FAULT,
    Event.WFI_WAIT,
)


class Core(wiring.Component):
    """The core.

    Parameters: ``config_word`` (32 bits) is what ``hxconfig`` reads; ``boot_quota`` (0 to 16) how many attribute
    entries a context named by boot records may install; ``switches``: see ``bus.open_checks``.

    Members: ``fetch``, ``memory``, ``region`` (``setik``, ``clrk``) and ``segments`` are the doors. ``software``,
    ``timer``, ``external``: interrupt lines, level-sensitive, synchronous; ``time``: ``mtime``. ``boot_contexts`` has a
    bit for each context that a boot record names, ``boot_status`` is what ``hxboot`` reads; both are constant once
    ``start`` is high. ``key_erased`` (one cycle): the key in slot ``key_erased_slot`` is wiped; no instruction
    completes in that cycle. The core is idle from reset until ``start``. Nothing needs to be cleared in between:
    registers, context rows and stack words count as zero until their first write (``WrittenMask``, ``ContextUnit``,
    ``ModeUnit``). ``retire`` is valid for one cycle for each completed instruction or trap, with no back-pressure;
    ``event_*`` are high for one cycle each.
    ``halted``: failed closed, until reset.

    Timing: an instruction's result is ready for the next one, a load's one cycle later. A redirect leaves the memory
    stage one cycle after a transfer was in execute; the target is in register read three cycles after the redirect
    with a fetch unit of two stages. Traps, ``mret``, ``ctxrun`` and mode switches cost the same as a mispredicted
    branch. Interrupts are attached to an instruction that enters the memory stage, so they wait for a memory
    operation or a division, never cancel one. Reservations end at every trap, return and switch.
    """

    def __init__(self, config_word: int = 0, boot_quota: int = 4, switches: Value | None = None):
        self._config_word = config_word
        self._switches = switches
        self._boot_quota = boot_quota
        super().__init__(
            {
                "fetch": Out(FetchPort()),
                "memory": Out(LoadStorePort()),
                "software": In(1),
                "timer": In(1),
                "external": In(1),
                "time": In(64),
                "boot_contexts": In(16),
                "boot_status": In(16),
                "start": In(1),
                "key_erased": In(1),
                "key_erased_slot": In(4),
                "region": Out(RegionPort()),
                "segments": Out(SegmentPort()),
                "retire": Out(RetireRecord),
                "halted": Out(1),
                **{f"event_{event.name.lower()}": Out(1) for event in CORE_EVENTS},
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.commit = commit = Commit(self._config_word, self._boot_quota, self._switches)
        m.submodules.pipeline = pipeline = Pipeline(self._switches)
        connect(m, commit.stage, pipeline.commit)
        connect(m, pipeline.memory, flipped(self.memory))
        connect(m, commit.region, flipped(self.region))
        connect(m, commit.segments, flipped(self.segments))
        self._connect_fetch(m, commit, pipeline)
        inputs = ("software", "timer", "external", "time", "boot_contexts", "boot_status", "start")
        for name in (*inputs, "key_erased", "key_erased_slot"):
            m.d.comb += getattr(commit, name).eq(getattr(self, name))
        m.d.comb += self.halted.eq(commit.halted)
        self._record(m, pipeline)
        self._events(m, commit, pipeline)
        return m

    def _connect_fetch(self, m, commit, pipeline):
        slot, fetch = pipeline.memory_slot, self.fetch
        leaves = Signal()
        transfer = slot.control.transfer != Transfer.NONE
        connect(m, pipeline.instruction, flipped(fetch.instruction))
        m.d.comb += [
            leaves.eq(slot.valid & ~slot.trap.valid & commit.stage.first),
            fetch.redirect.eq(commit.stage.redirect),
            fetch.redirect_pc.eq(commit.redirect_pc),
            fetch.state.eq(commit.stage.state),
            fetch.flush_start.eq(commit.flush_start),
            commit.flush_busy.eq(fetch.flush_busy),
            fetch.clear_predictor.eq(commit.clear_predictor),
            # Reported in the first cycle, with the redirect if there is one. What was predicted without being a
            # transfer is reported too, as not taken.
            fetch.update_valid.eq(leaves & (transfer | slot.mispredicted)),
            fetch.update.pc.eq(slot.pc),
            fetch.update.compressed.eq(slot.compressed),
            fetch.update.kind.eq(slot.control.kind),
            fetch.update.taken.eq(slot.taken),
            fetch.update.mispredicted.eq(slot.mispredicted),
            fetch.update.target.eq(slot.goes_to),
            self.event_transfer.eq(leaves & transfer),
            self.event_mispredict.eq(leaves & slot.mispredicted),
            self.event_wfi_wait.eq(commit.sleeps),
            self.event_flush.eq(leaves & slot.control.flush),
        ]

    def _record(self, m, pipeline):
        w, out = pipeline.write_slot, self.retire
        m.d.comb += [
            out.retire.eq(w.retire & pipeline.write_new),
            out.trap.eq(w.trap & pipeline.write_new),
            out.cause.eq(Cat(w.cause, w.interrupt)),
            out.tval.eq(w.value),
            out.value.eq(w.result),
        ]
        for name in ("pc", "raw", "rd", "rd_write", "context", "encrypted", "level"):
            m.d.comb += out[name].eq(w[name])

    def _events(self, m, commit, pipeline):
        slot = pipeline.memory_slot
        system = slot.control.system
        completes = commit.stage.retires
        cause = slot.trap.cause
        m.d.comb += [
            self.event_memory_stall.eq(pipeline.memory_waits),
            self.event_fetch_stall.eq(pipeline.fetch_waits),
            self.event_load_use_stall.eq(pipeline.operand_waits),
            self.event_divide_stall.eq(pipeline.divide_waits),
            self.event_trap.eq(commit.stage.takes_trap & ~slot.trap.interrupt),
            self.event_interrupt.eq(commit.stage.takes_trap & slot.trap.interrupt),
            self.event_context_switch.eq(commit.stage.leaves | (completes & (system == System.CTXRUN))),
            self.event_mode_switch.eq(
                completes & ((system == System.CRYPTOMODE) | (system == System.RETMODE) | (system == System.CROSS))
            ),
            self.event_region_fault.eq(self.event_trap & ((cause == Cause.REGION) | (cause == Cause.MODE))),
        ]
