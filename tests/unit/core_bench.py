"""The core in Amaranth's simulator between an ideal fetch unit and an ideal memory, both with random delays.

Memory is a dictionary of bytes, code included; a load or store outside of it faults. The fetch side learns nothing but
guesses at random (``mispredict``), so that every path of prediction is met. Expansion of compressed instructions is the
reference model's.
"""

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data
from amaranth.sim import Simulator
from amaranth_bench import CLOCK_PERIOD_SECONDS

from hakone.bus.core_ports import ExecState, Fault, FetchedInstruction, MemoryOp, MemoryRequest
from hakone.bus.open_checks import OPEN_BITS
from hakone.bus.probe import RetireRecord
from hakone.core.core import Core
from hakone.isa.cause import Cause, Sub
from hakone.isa.encoding import CUSTOM
from hakone.isa.platform import RAM_BASE, RESET_PC
from hakone_sim.assembler import Assembler
from hakone_sim.models.context_model import CodeRegion
from hakone_sim.models.decode import expand
from hakone_sim.models.reference import Reference

FINISH = 0x0010_0000  #: a store here ends the run
MASK = 0xFFFF_FFFF


def fields(layout) -> dict[str, tuple[int, int]]:
    """Offset and width of each field of a struct."""
    return {name: (f.offset, f.width) for name, f in data.Layout.cast(layout)}


def unpack(layout: dict[str, tuple[int, int]], bits: int) -> dict[str, int]:
    """The fields of a packed value."""
    return {name: bits >> offset & (1 << width) - 1 for name, (offset, width) in layout.items()}


_FETCHED, _REQUEST, _RECORD = fields(FetchedInstruction), fields(MemoryRequest), fields(RetireRecord)
STATE = fields(ExecState)
_EVENT_PREFIX = "event_"


class Program(Assembler):
    """Assembler with Hakone's instructions, starting at the first byte of RAM."""

    def __init__(self, base: int = RAM_BASE):
        super().__init__(base)

    def custom(self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0):
        """Emit a custom-0 instruction."""
        self.data(CUSTOM[name].encode(rd, rs1, rs2).to_bytes(4, "little"))

    def csrw(self, csr: int, value: int | str, temporary: int = 31):
        """Write a constant or the address of a label into a register."""
        (self.la if isinstance(value, str) else self.li)(temporary, value)
        self.op("csrrw", 0, temporary, imm=int(csr))

    def csrr(self, rd: int, csr: int):
        """Read a register."""
        self.op("csrrs", rd, imm=int(csr))

    def finish(self):
        """End the run."""
        self.li(31, FINISH)
        self.op("sw", rs1=31)
        self.label(self.fresh("end"))
        self.op("jal", 0, imm=0)


@dataclass
class Region:
    """Encrypted code for the fetch side: bytes ``start`` to ``end``, key slot and owner."""

    start: int
    end: int
    key_slot: int
    owner: int
    automatic: bool = False


@dataclass
class RegionScript:
    """A region unit that makes the ``loads`` (address, probe), then ends with ``status``, ``code`` or
    ``fault`` (cause, sub).

    ``slow``: idle cycles before the end, in which an ``abort`` is obeyed. ``starts``: what it was asked for, as
    (command, operand, context, encrypted, quota); ``loaded``: what each load brought, as (data, protected, physical,
    fault); ``aborts``: how often it gave way.
    """

    loads: list[tuple[int, int]] = field(default_factory=list)
    status: int = 0
    fault: tuple[Cause, Sub] | None = None
    code: int = 0
    slow: int = 3
    starts: list[tuple] = field(default_factory=list)
    loaded: list[tuple] = field(default_factory=list)
    aborts: int = 0
    step: int = -1
    aborted: int = 0

    def drive(self, ctx, port, rng):
        """Outputs of this cycle."""
        busy = self.step >= 0
        loading = 0 <= self.step < len(self.loads)
        addr, probe = self.loads[self.step] if loading else (rng.getrandbits(32), 0)
        ended = not busy and self.starts
        bits = 0
        if ended and self.fault and not self.aborted:
            cause, sub = self.fault
            layout = fields(Fault)
            bits = 1 | cause.value << layout["cause"][0] | sub.value << layout["sub"][0]
        for name, value in (
            ("busy", busy), ("load", loading), ("probe", probe), ("addr", addr), ("aborted", self.aborted),
            ("status", self.status if ended else 0), ("code", self.code if ended else 0),
        ):  # fmt: skip
            ctx.set(getattr(port, name), value)
        ctx.set(port.fault.as_value(), bits)

    def look(self, ctx, port):
        """Inputs of this cycle, once they have settled."""
        if ctx.get(port.start):
            assert self.step < 0, "a start while busy"
            state = port.state
            self.starts.append(
                tuple(
                    int(ctx.get(v))
                    for v in (port.command.as_value(), port.operand, state.context, state.encrypted, port.quota)
                )
            )
            self.step, self.aborted = 0, 0
        elif 0 <= self.step < len(self.loads):
            if ctx.get(port.load_done):
                self.loaded.append(
                    tuple(
                        int(ctx.get(v)) for v in (port.data, port.protected, port.physical, port.load_fault.as_value())
                    )
                )
                self.step += 1
        elif self.step >= 0:
            self.step += 1
            if ctx.get(port.abort):
                self.step, self.aborted = -1, 1
                self.aborts += 1
            elif self.step > len(self.loads) + self.slow:
                self.step = -1


@dataclass
class Machine:
    """A run of the core. ``records`` holds the retired instructions and traps as dictionaries, with their ``cycle``.

    ``region`` plays the region unit (see ``RegionScript``); ``segment_writes`` holds what ``segput`` and the clearing
    of a context's segments gave out, as (kind, context, segment, word, data). ``entries``: contexts with attribute
    entries.

    ``clean_lines``: dirty lines of the data cache, ten cycles each.

    ``gap``, ``busy``, ``mispredict``: chances of a cycle without instruction, of a slow memory operation, of a random
    prediction. ``inputs(machine)`` may set interrupt lines each cycle, or ``erased`` to a key slot that is wiped in it.
    ``predict`` has the targets of transfers that are predicted taken. ``open_checks``: bits of ``OpenCheck``.
    ``events`` counts the core's event outputs; ``accesses`` are the address and the ``ExecState`` of every access.
    """

    segments: dict[int, bytes]
    rng: object
    gap: float = 0.0
    busy: float = 0.0
    mispredict: float = 0.0
    regions: list[Region] = field(default_factory=list)
    inputs: object = None
    flush_cycles: int = 7
    clean_lines: int = 0
    fetch_latency: int = 1
    boot_contexts: int = 0x7FFE
    region: "RegionScript | None" = None
    entries: int = 0
    segment_writes: list[tuple] = field(default_factory=list)
    memory: dict[int, int] = field(default_factory=dict)
    records: list[dict] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=lambda: {"software": 0, "timer": 0, "external": 0})
    cycle: int = 0
    stores: list[tuple[int, int, int]] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    memory_levels: list[int] = field(default_factory=list)
    accesses: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    erased: int | None = None
    open_checks: int = 0
    predict: dict[int, int] = field(default_factory=dict)
    cleared_predictor: int = 0
    flushes: int = 0
    halted: int = 0

    def __post_init__(self):
        boot = Assembler(RESET_PC)
        boot.li(5, RAM_BASE)
        boot.op("jalr", 0, 5)
        for start, content in {RESET_PC: boot.image(), **self.segments}.items():
            self.memory.update({start + i: byte for i, byte in enumerate(content)})
        self.queue = []
        self.fetch_pc = None
        self.operation = None
        self.reservation = None
        self.finished = False

    # -- fetch side ----------------------------------------------------------------------------------------------

    def _region(self, address: int) -> Region | None:
        return next((r for r in self.regions if r.start <= address < r.end), None)

    def _part(self, address: int, state: dict[str, int]):
        """A halfword of code, or the fault that it meets."""
        if address not in self.memory:
            return None, (Cause.FETCH_FAULT, Sub.NONE)
        inside = self._region(address)
        if state["encrypted"] and not inside and not state["automatic"]:
            return None, (Cause.MODE, Sub.MODE_FETCH_OUTSIDE)
        if inside and not inside.automatic and (state["automatic"] or not state["encrypted"]):
            return None, (Cause.MODE, Sub.MODE_PLAIN_FETCH)
        return self.memory[address] | self.memory.get(address + 1, 0) << 8, None

    def _fetch(self, state: dict[str, int]):
        pc = self.fetch_pc
        values = {"pc": pc}
        low, fault = self._part(pc, state)
        place = pc
        high = 0
        if not fault and low & 3 == 3:
            place = pc + 2
            high, fault = self._part(place, state)
        if fault:
            code, sub = fault
            layout = fields(Fault)
            bits = 1 << layout["valid"][0] | code.value << layout["cause"][0] | sub.value << layout["sub"][0]
            values |= {"fault": bits, "fault_pc": place, "word": self.rng.getrandbits(32)}
            self.fetch_pc = None
        else:
            compressed = low & 3 != 3
            raw = low | (0 if compressed else high << 16)
            expanded = expand(low) if compressed else None
            word = (expanded[1] if expanded else 0) if compressed else raw
            region = self._region(pc)
            following = pc + (2 if compressed else 4)
            values |= {"word": word, "raw": raw, "compressed": compressed}
            if region:
                values |= {"key_slot": region.key_slot, "owner": region.owner, "domain": region.key_slot, "region": 1}
                values |= {"automatic": region.automatic}
            if pc in self.predict:
                following = self.predict[pc]
                values |= {"predicted_taken": 1, "predicted_target": following}
            elif self.rng.random() < self.mispredict:
                following = self.rng.choice((following, pc + 2 * self.rng.randrange(-8, 9)))
                values |= {"predicted_taken": 1, "predicted_target": following}
            self.fetch_pc = following
        bits = 0
        for name, value in values.items():
            bits |= int(value) << _FETCHED[name][0]
        self.queue.append((self.cycle, bits))

    # -- memory side ---------------------------------------------------------------------------------------------

    def _access(self, request: dict[str, int]) -> dict[str, int]:
        """Perform an operation; returns read data or fault."""
        op, address, size = MemoryOp(request["op"]), request["addr"], 1 << request["size_log2"]
        writes = op not in (MemoryOp.LOAD, MemoryOp.LOAD_RESERVED)
        atomic = op not in (MemoryOp.LOAD, MemoryOp.STORE)
        result = {"rdata": 0, "cause": None, "fault_addr": address}
        if op is MemoryOp.PROBE:
            return result | {"physical": address ^ 0x4000_0000}
        result["protected"] = self._region(address) is not None
        if atomic and address & 3:
            return result | {"cause": Cause.STORE_MISALIGNED if writes else Cause.LOAD_MISALIGNED}
        if address == FINISH:
            self.finished = True
            return result
        if any(address + i not in self.memory for i in range(size)):
            return result | {"cause": Cause.STORE_FAULT if writes else Cause.LOAD_FAULT}
        old = sum(self.memory[address + i] << 8 * i for i in range(size))
        sign = 1 << 8 * size - 1
        result["rdata"] = old if request["unsigned"] else (old ^ sign) - sign & MASK
        if op is MemoryOp.LOAD_RESERVED:
            self.reservation = address
        if writes:
            new = self._modify(op, old, request["wdata"])
            if op is MemoryOp.STORE_CONDITIONAL:
                fails = self.reservation != address
                self.reservation = None
                result["rdata"] = int(fails)
                if fails:
                    return result
            self.memory.update({address + i: new >> 8 * i & 0xFF for i in range(size)})
            self.stores.append((address, size, new & (1 << 8 * size) - 1))
        return result

    @staticmethod
    def _modify(op: MemoryOp, old: int, operand: int) -> int:
        signed = lambda v: v - (v >> 31 << 32)
        return {
            MemoryOp.AMO_ADD: lambda: old + operand & MASK,
            MemoryOp.AMO_XOR: lambda: old ^ operand,
            MemoryOp.AMO_AND: lambda: old & operand,
            MemoryOp.AMO_OR: lambda: old | operand,
            MemoryOp.AMO_MIN: lambda: min(old, operand, key=signed),
            MemoryOp.AMO_MAX: lambda: max(old, operand, key=signed),
            MemoryOp.AMO_MINU: lambda: min(old, operand),
            MemoryOp.AMO_MAXU: lambda: max(old, operand),
        }.get(op, lambda: operand)()

    # -- the run -------------------------------------------------------------------------------------------------

    def run(self, cycles: int = 2000, before: "Machine | None" = None) -> "Machine":
        """Run until the program stores to ``FINISH`` and 8 cycles more; fails when it needs more than ``cycles``.

        ``before`` runs first; then comes a reset, which leaves its values in the core's memories.
        """
        global _bench, _open_bench
        if self.open_checks:
            _open_bench = _open_bench or _Bench(switched=True)
            _open_bench.run([self], cycles)
            return self
        if _bench is None:
            _bench = _Bench()
        _bench.run([before, self] if before else [self], cycles)
        return self

    async def drive(self, ctx, dut, cycles: int):
        """The environment of one run, cycle by cycle."""
        rng = self.rng
        port, memory = dut.fetch, dut.memory
        payload = port.instruction.payload.as_value()
        events = [name for name in dut.signature.members if name.startswith(_EVENT_PREFIX)]
        self.events = dict.fromkeys((name[len(_EVENT_PREFIX) :] for name in events), 0)
        watched = [
            port.redirect, port.redirect_pc, port.state.as_value(), port.flush_start, port.instruction.ready,
            port.clear_predictor, memory.issue, memory.request.as_value(), memory.end_reservation,
            dut.retire.as_value(), dut.halted, *(getattr(dut, name) for name in events),
        ]  # fmt: skip
        ctx.set(dut.boot_contexts, self.boot_contexts)
        ctx.set(dut.boot_status, 0x1234)
        left, flushing, cleaning = 8, 0, 0
        while left:
            assert self.cycle < cycles, f"not finished after {cycles} cycles; last {self.records[-3:]}"
            ctx.set(dut.start, self.cycle >= 3)
            ctx.set(dut.time, self.cycle << 8)
            if self.inputs:
                self.erased = None
                self.inputs(self)
                ctx.set(dut.key_erased, self.erased is not None)
                ctx.set(dut.key_erased_slot, self.erased or 0)
                for name, level in self.lines.items():
                    ctx.set(getattr(dut, name), level)
            ctx.set(port.flush_busy, flushing > 0)
            offered = (
                bool(self.queue) and self.queue[0][0] + self.fetch_latency <= self.cycle and rng.random() >= self.gap
            )
            ctx.set(port.instruction.valid, offered)
            ctx.set(payload, self.queue[0][1] if offered else rng.getrandbits(len(payload)))
            busy = self._drive_memory(ctx, memory)
            ctx.set(memory.clean_busy, cleaning > 0)
            ctx.set(dut.region.entries, self.entries)
            if self.region:
                self.region.drive(ctx, dut.region, rng)
            segments = dut.segments
            kind = ctx.get(segments.write) | ctx.get(segments.clear) << 1
            if kind:
                names = ("context", "segment", "word", "data")
                self.segment_writes.append((kind, *(ctx.get(getattr(segments, name)) for name in names)))
            clean = ctx.get(memory.clean_start), ctx.get(memory.clean_abort)
            if self.region:
                self.region.look(ctx, dut.region)
            _, _, *seen = await ctx.tick().sample(*watched)
            redirect, redirect_pc, state, flush_start, ready, clear, issue, request, end, record, halted, *happened = (
                seen
            )
            assert not (issue and busy), "a memory operation was issued while the last one is busy"
            assert not (redirect and flushing), "a redirect while the instruction cache is being invalidated"
            for name, value in zip(self.events, happened, strict=True):
                self.events[name] += value
            self.states.append(state)
            self.cleared_predictor += clear
            self.flushes += flush_start
            self.halted = halted
            # The state is the new one from the cycle after a redirect on.
            running = unpack(STATE, ctx.get(port.state.as_value()))
            if record & 3:
                self.records.append(unpack(_RECORD, record) | {"cycle": self.cycle})
            if end:
                self.reservation = None
            if self.operation:
                self.operation = self.operation if busy else None
            if issue:
                self.memory_levels.append(ctx.get(memory.state.level))
                self.accesses.append((unpack(_REQUEST, request)["addr"], running))
                slow = rng.randrange(6) if rng.random() < self.busy else 0
                self.operation = [slow, self._access(unpack(_REQUEST, request))]
            rest = cleaning % 10 if clean[1] else cleaning  # an abort ends it after the line at work
            cleaning = 10 * self.clean_lines if clean[0] else max(0, rest - 1)
            flushing = self.flush_cycles if flush_start else max(0, flushing - 1)
            if offered and ready:
                self.queue.pop(0)
            self.cycle += 1
            if redirect:
                self.queue.clear()
                self.fetch_pc = redirect_pc
            for _ in range(2):
                if self.fetch_pc is not None and len(self.queue) < 4:
                    self._fetch(running)
            if self.finished or halted:
                left -= 1

    def _drive_memory(self, ctx, memory) -> bool:
        """Answer of the memory side in this cycle; noise wherever the contract says that nothing is valid."""
        noise = self.rng.getrandbits
        busy = bool(self.operation) and self.operation[0] > 0
        itself = not self.operation and self.rng.random() < self.busy / 4  # busy without an operation of the core's
        ctx.set(memory.busy, busy or itself)
        ctx.set(memory.occupied, itself or (busy and self.rng.random() < 0.5))
        if busy or not self.operation:
            if busy:
                self.operation[0] -= 1
            ctx.set(memory.rdata, noise(32))
            ctx.set(memory.fault.as_value(), 0 if busy else noise(14))
            ctx.set(memory.fault_addr, noise(32))
            return busy
        answer = self.operation[1]
        ctx.set(memory.protected, answer.get("protected", 0))
        ctx.set(memory.physical, answer.get("physical", noise(32)))
        cause = answer["cause"]
        ctx.set(memory.rdata, answer["rdata"])
        ctx.set(memory.fault.as_value(), 1 | cause.value << 1 if cause else noise(13) << 1)
        ctx.set(memory.fault_addr, answer["fault_addr"])
        return False

    # -- what tests ask ------------------------------------------------------------------------------------------

    def retired(self, pc: int) -> dict:
        """The first completed instruction at ``pc``."""
        return next(r for r in self.records if r["retire"] and r["pc"] == pc)

    @property
    def traps(self) -> list[dict]:
        """All traps."""
        return [r for r in self.records if r["trap"]]

    def registers(self, context: int = 0) -> list[int]:
        """Values last written to the registers by instructions of a context."""
        values = [0] * 32
        for r in self.records:
            if r["rd_write"] and r["context"] == context:
                values[r["rd"]] = r["value"]
        return values


class _Bench:
    """The core and its simulator, built once: building takes longer than most runs."""

    def __init__(self, switched: bool = False):
        self.switches = Signal(OPEN_BITS) if switched else None
        self.dut = Core(config_word=0x55, switches=self.switches)
        self.reset = Signal()
        self.simulator = Simulator(ResetInserter(self.reset)(self.dut))
        self.simulator.add_clock(CLOCK_PERIOD_SECONDS)
        self.simulator.add_testbench(self.bench)
        self.current = None

    async def bench(self, ctx):
        machines, cycles = self.current
        for machine in machines:
            if self.switches is not None:
                ctx.set(self.switches, machine.open_checks)
            await machine.drive(ctx, self.dut, cycles)
            ctx.set(self.reset, 1)
            await ctx.tick()
            ctx.set(self.reset, 0)

    def run(self, machines: list[Machine], cycles: int):
        if self.current:
            self.simulator.reset()
        self.current = machines, cycles
        self.simulator.run()


_bench: _Bench | None = None
_open_bench: _Bench | None = None


def run_program(
    program: Assembler, rng, *, more: dict[int, bytes] | None = None, cycles: int = 2000, **options
) -> Machine:
    """Run a program with 256 bytes of zeros behind it at ``RAM_BASE + 0x1000``."""
    segments = {RAM_BASE + 0x1000: bytes(256), program.base: program.image(), **(more or {})}
    return Machine(segments, rng, **options).run(cycles)


def compare(machine: Machine, segments: list[tuple[int, bytes]], contexts: frozenset[int] = frozenset()) -> int:
    """Replay the records on the reference; returns the number of instructions compared.

    ``contexts``: where the machine's regions hold; with none, the reference is not told of them.
    """
    names = ("retire", "trap", "pc", "raw", "rd", "rd_write", "value", "cause", "tval", "context", "encrypted", "level")
    records = np.zeros(len(machine.records), [(n, "<u4") for n in names] + [("cycle", "<u8")])
    for n, record in enumerate(machine.records):
        for name in (*names, "cycle"):
            records[name][n] = record[name]
    records["value"] = np.where(records["trap"] == 1, records["tval"], records["value"])
    regions = [
        CodeRegion(r.start, r.end, r.key_slot, r.owner, r.automatic, contexts) for r in machine.regions if contexts
    ]
    reference = Reference(segments, ram_bytes=1 << 20, regions=regions)
    reference.feed(records)
    return reference.instructions
