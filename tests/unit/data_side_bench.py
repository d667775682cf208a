"""A bench for the data side in Amaranth's simulator: the core as a Python model, with everything around it."""

import functools

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth_bench import CLOCK_PERIOD_SECONDS
from data_side_models import DeviceModel, FetchModel, LineModel
from data_side_reference import Entry, Op, Reference, State
from lookup_model import RangeTable
from segment_model import base_word

from hakone.bus.core_ports import ExecState, MemoryOp
from hakone.isa.cause import Cause, Sub
from hakone.memory.data_side import DataSide
from hakone.protect.segments import SegmentRegisters

__all__ = ["Bench", "Entry", "Op", "State"]


class Harness(wiring.Component):
    """The unit under test with a fixed attribute table in logic."""

    def __init__(self, entries, cache_bytes, ways, ram_bytes):
        super().__init__({})
        self.entries = entries
        self.unit = DataSide(cache_bytes, ways, ram_bytes)
        self.segments = SegmentRegisters()
        self.reset = Signal()

    def elaborate(self, platform):
        """Put the table and the segment registers beside it."""
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.d.comb += domain.rst.eq(self.reset)
        m.submodules.unit = unit = self.unit
        m.submodules.segments = self.segments
        wiring.connect(m, unit.segments, self.segments.read[1])
        m.submodules.table = table = RangeTable(self.entries)
        wiring.connect(m, unit.lookup, table.port)
        return m


class Session:
    """One compiled simulation, which many tests use one after the other."""

    def __init__(self, *harness):
        self.harness, self.bench = Harness(*harness), None
        self.simulator = Simulator(self.harness)
        self.simulator.add_clock(CLOCK_PERIOD_SECONDS)

        async def testbench(ctx):
            await self.bench(ctx)

        self.simulator.add_testbench(testbench)

    def run(self, bench):
        """Start from power-up and run ``bench`` to its end."""
        if self.bench is not None:
            self.simulator.reset()
        self.bench = bench
        self.simulator.run()


_session = functools.cache(Session)


class Bench:
    """Everything around the unit. ``body(bench)`` is a coroutine that uses ``do``, ``pipeline``, ``tick`` and
    ``clean``.
    """

    def __init__(self, entries=(), cache_bytes=1024, ways=2, ram_bytes=1 << 20, bad_lines=(), bad_devices=(), **models):
        self.reference = Reference(entries, ram_bytes, bad_lines, bad_devices)
        self.session = _session(tuple(entries), cache_bytes, ways, ram_bytes)
        self.harness = self.session.harness
        self.unit = self.harness.unit
        rng = models.get("rng")
        names = ("latency", "gaps", "write_latency", "one_write")
        self.lines = LineModel(self.reference, rng, **{k: models[k] for k in names if k in models})
        self.devices = DeviceModel(self.reference, rng, models.get("waits", 0.0))
        self.rom = DeviceModel(self.reference, rng, models.get("waits", 0.0))
        names = ("rate", "choose", "patience")
        self.fetch = FetchModel(self.reference, rng, **{k: models[k] for k in names if k in models})
        self.now, self.stores, self.poisoned = 0, [], []
        self.events = dict.fromkeys(("dcache_miss", "dcache_evict", "uncached", "misaligned"), 0)
        self.inflight = None  # what the instruction in the memory stage may do

    def run(self, body):
        """Simulate from power-up until ``body`` returns."""

        async def bench(ctx):
            self.ctx = ctx
            await body(self)

        self.session.run(bench)

    async def tick(self, op=None):
        """One cycle; issues ``op`` if the unit takes it. Returns (issued, the unit was not busy)."""
        ctx, unit = self.ctx, self.unit
        port = unit.port
        ctx.set(port.issue, 0)
        self.lines.drive(ctx, unit.lines, self.now)
        self.fetch.drive(ctx, unit)
        idle = not ctx.get(port.busy)
        self.answer = None
        if idle:
            fault = port.fault
            self.answer = (
                ctx.get(port.rdata),
                (Cause(ctx.get(fault.cause)), Sub(ctx.get(fault.sub)), ctx.get(port.fault_addr))
                if ctx.get(fault.valid)
                else None,
            )
            self.answer_place = ctx.get(port.physical), bool(ctx.get(port.protected))
            if op is not None:
                request = {
                    "op": op.op,
                    "addr": op.addr,
                    "size_log2": op.size_log2,
                    "unsigned": op.unsigned,
                    "wdata": op.wdata,
                }
                ctx.set(port.request, request)
                ctx.set(port.issue, 1)
        self.devices.cycle(ctx, unit.devices)
        self.rom.cycle(ctx, unit.rom)
        self.lines.sample(ctx, unit.lines, self.now)
        self.fetch.sample(ctx, unit)
        self._observe(ctx, unit)
        await ctx.tick()
        self.now += 1
        return op is not None and idle, idle

    def _observe(self, ctx, unit):
        # The register bus is outside the boundary: an idle bus shows nothing of what goes on inside.
        for name in ("devices", "rom"):
            bus = getattr(unit, name)
            if not ctx.get(bus.valid):
                shown = [ctx.get(getattr(bus, wire)) for wire in ("addr", "write", "wdata")]
                assert not any(shown), f"{name} idle, but its wires show {shown}"
        store = unit.store
        if ctx.get(store.valid):
            record = {name: ctx.get(getattr(store, name)) for name in ("addr", "data", "strobe", "protected")}
            self.stores.append(record)
        if ctx.get(unit.poison.valid):
            self.poisoned.append(ctx.get(unit.poison.domain))
        for name in self.events:
            self.events[name] += ctx.get(getattr(unit, f"event_{name}"))

    def set_state(self, state):
        """Another one runs from now on; only between instructions."""
        self.state = state
        self.ctx.set(self.unit.port.state, ExecState.const(vars(state)))

    async def segput(self, context, segment, word, value):
        """One write to the segment registers, between instructions."""
        port = self.harness.segments.port
        self.ctx.set(port.write, 1)
        for name, number in (("context", context), ("segment", segment), ("word", word), ("data", value)):
            self.ctx.set(getattr(port, name), number)
        await self.tick()
        self.ctx.set(port.write, 0)
        self.reference.segments.put(context, segment, word, value)

    async def segment(self, context, segment, base, limit, rights="rw", ring=3):
        """A whole segment, as software loads one."""
        await self.segput(context, segment, 1, limit)
        await self.segput(context, segment, 0, base_word(base, rights, ring))

    async def clear_segments(self, context):
        """None of the context's segments is present any more."""
        port = self.harness.segments.port
        self.ctx.set(port.clear, 1)
        self.ctx.set(port.context, context)
        await self.tick()
        self.ctx.set(port.clear, 0)
        self.reference.segments.clear(context)

    def enable_segments(self, on=True):
        """Switch segments on or off, between instructions."""
        self.ctx.set(self.harness.segments.port.enabled, on)
        self.reference.segments.enabled = bool(on)

    async def end_reservation(self):
        """What the core does with every trap and switch."""
        self.ctx.set(self.unit.port.end_reservation, 1)
        await self.tick()
        self.ctx.set(self.unit.port.end_reservation, 0)
        self.reference.reserved = None

    async def do(self, op):
        """One instruction by itself: its cycles in the memory stage, checked against the reference."""
        cycles = await self.pipeline([op])
        return cycles[0]

    async def pipeline(self, ops):
        """Instructions back to back, each checked; returns the cycles of each in the memory stage."""
        cycles, waiting, current, entered = [], list(ops), None, 0
        while waiting or current:
            marks = len(self.lines.read_log), len(self.devices.log)
            issued, idle = await self.tick(waiting[0] if waiting else None)
            if current:
                self._guard(current, marks)
            if current and idle:
                self._check(current)
                self.fetch.before = {}
                cycles.append(self.now - entered)
                current = None
            if issued:
                op = waiting.pop(0)
                marks = len(self.devices.log), len(self.stores)
                lines = {self.reference.place(self.state, addr) >> 6 for addr, _ in self.reference.parts(op)}
                self.fetch.before = {line: bytes(self.reference.line(line)) for line in lines}
                current = (op, self.reference.execute(self.state, op), *marks)
                self.fetch.changed()
                entered = self.now
        return cycles

    def _guard(self, current, marks):
        """A refused access reaches no bus: reads of this cycle can only be those of the instruction cache."""
        op, outcome = current[:2]
        refused = outcome.fault and outcome.fault[0] not in (Cause.LOAD_FAULT, Cause.STORE_FAULT)
        parts = [addr for addr, _ in self.reference.parts(op)]
        refused = refused or (op.op != MemoryOp.PROBE and any(self.reference._fault(self.state, op, a) for a in parts))
        if refused:
            assert len(self.devices.log) == marks[1], f"{op}: a refused access on the register bus"
            for _, line, domain in self.lines.read_log[marks[0] :]:
                assert (line, domain) == self.fetch.request, f"{op}: a refused access read line {line:#x}"

    def _check(self, current):
        op, outcome, bus_mark, store_mark = current
        value, fault = self.answer
        assert fault == outcome.fault, f"{op} in {self.state}: fault {fault}, not {outcome.fault}"
        if outcome.fault is None and outcome.value is not None:
            assert value == outcome.value, f"{op} in {self.state}: {value:#x}, not {outcome.value:#x}"
        if outcome.place is not None and outcome.fault is None:
            assert self.answer_place == outcome.place, f"{op}: {self.answer_place}, not {outcome.place}"
        assert self.devices.log[bus_mark:] == outcome.bus, f"{op}: {self.devices.log[bus_mark:]}, not {outcome.bus}"
        records = sorted(self.stores[store_mark:], key=lambda r: r["addr"])
        assert len(records) == len(outcome.stores), f"{op}: {records}"
        for record, (addr, chunk, protected) in zip(records, sorted(outcome.stores), strict=True):
            place = addr & 3
            assert record["addr"] == addr & ~3 and record["strobe"] == ((1 << len(chunk)) - 1) << place
            assert record["data"].to_bytes(4, "little")[place : place + len(chunk)] == chunk
            assert record["protected"] == protected
        place = self.reference.place(self.state, op.addr)
        done = outcome.fault is None and outcome.value != 1 and op.op != MemoryOp.PROBE
        if done and self.reference.kind(place) == "ram":
            for addr, _ in self.reference.parts(op):
                domain = self.reference.domain(self.state, addr)
                assert self.fetch.held.get(self.reference.place(self.state, addr) >> 6, domain) == domain, (
                    "the instruction cache kept an alias"
                )

    async def settle(self):
        """Let reads, writes and fetches come to an end."""
        self.fetch.rate = 0
        for _ in range(60):
            await self.tick()
        while self.fetch.request or self.lines.writes or self.lines.acks or self.lines.reads:
            await self.tick()

    async def clean(self):
        """Clean the cache and wait for the end. Returns the cycles."""
        begin = self.now
        self.ctx.set(self.unit.port.clean_start, 1)
        await self.tick()
        self.ctx.set(self.unit.port.clean_start, 0)
        while self.ctx.get(self.unit.port.clean_busy):
            await self.tick()
            assert self.now - begin < 5000, "cleaning does not end"
        return self.now - begin

    def compare(self):
        """After cleaning, memory holds what the reference holds, line by line."""
        for line in self.reference.raw:
            assert self.lines.line(line) == bytes(self.reference.line(line)), f"line {line:#x} differs in memory"
