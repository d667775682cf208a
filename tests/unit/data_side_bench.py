"""A bench for the data side in Amaranth's simulator: core, line cipher, instruction cache and devices as Python models.

The reference keeps what memory would hold as bytes; a domain sees them through a pad of its own, so that a line that
goes out under the wrong domain, or stays in the cache under two, shows as wrong data. Reads of the line model take
their data when they are accepted and writes act when they are acknowledged: what the unit must order itself goes wrong
at once when it does not.
"""

import functools
from dataclasses import dataclass, field

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.sim import Simulator
from amaranth_bench import CLOCK_PERIOD_SECONDS

from hakone.bus.core_ports import ExecState, MemoryOp, RegionMatch
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import DEVICES, MASK_ROM, RAM_BASE
from hakone.memory.data_side import DataSide

MASK32 = 0xFFFF_FFFF
LOADS = (MemoryOp.LOAD, MemoryOp.LOAD_RESERVED)
ATOMICS = tuple(op for op in MemoryOp if op not in (MemoryOp.LOAD, MemoryOp.STORE))


@dataclass(frozen=True)
class Entry:
    """One attribute entry of the test: lines ``first`` to ``last`` of one context."""

    context: int
    first: int
    last: int
    flags: RegionFlag
    domain: int = 0
    algorithm: Algorithm = Algorithm.NONE
    key_slot: int = 0
    owner: int = 0


@dataclass(frozen=True)
class State:
    """Who runs."""

    context: int = 0
    encrypted: int = 0
    key_slot: int = 0
    owner: int = 0


@dataclass(frozen=True)
class Op:
    """One memory instruction."""

    op: MemoryOp
    addr: int
    size_log2: int = 2
    unsigned: int = 0
    wdata: int = 0


@dataclass
class Outcome:
    """What an instruction must do: its value or its fault, the records of its stores and its device accesses."""

    value: int | None = None
    fault: tuple | None = None  # (cause, sub, address)
    stores: list = field(default_factory=list)
    bus: list = field(default_factory=list)


def pad(line: int, domain: int) -> bytes:
    """What a domain's eyes put over the bytes of a line in memory. Plain memory shows them as they are."""
    if domain == 0:
        return bytes(64)
    return bytes((domain * 37 + line * 11 + k * 5 + 1) & 0xFF for k in range(64))


def rom_word(addr: int) -> int:
    """Contents of the mask ROM."""
    return (addr * 0x9E37_79B1) & MASK32


class Harness(wiring.Component):
    """The unit under test with a fixed attribute table in logic."""

    def __init__(self, entries, cache_bytes, ways, ram_bytes):
        super().__init__({})
        self.entries = entries
        self.unit = DataSide(cache_bytes, ways, ram_bytes)
        self.reset = Signal()

    def elaborate(self, platform):
        """Compare with every entry."""
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.d.comb += domain.rst.eq(self.reset)
        m.submodules.unit = unit = self.unit
        port = unit.lookup
        for entry in self.entries:
            inside = (port.line >= entry.first) & (port.line <= entry.last)
            with m.If((port.context == entry.context) & inside):
                m.d.comb += port.match.eq(
                    RegionMatch.const(
                        {
                            "hit": 1,
                            "algorithm": entry.algorithm,
                            "flags": int(entry.flags),
                            "domain": entry.domain,
                            "key_slot": entry.key_slot,
                            "owner": entry.owner,
                        }
                    )
                )
        return m


class Reference:
    """What the instructions must do, one after the other."""

    def __init__(self, entries, ram_bytes, bad_lines=(), bad_devices=()):
        self.entries, self.ram_bytes = entries, ram_bytes
        self.bad_lines, self.bad_devices = set(bad_lines), set(bad_devices)
        self.raw = {}  # line -> bytearray as in memory
        self.device = {}
        self.reserved = None

    def line(self, line):
        """Bytes of a line as memory holds them."""
        return self.raw.setdefault(line, bytearray((line * 7 + k * 3) & 0xFF for k in range(64)))

    def view(self, line, domain):
        """A line as ``domain`` sees it."""
        return bytes(a ^ b for a, b in zip(self.line(line), pad(line, domain), strict=True))

    def match(self, state, addr):
        """The entry for an address, or None."""
        found = [e for e in self.entries if e.context == state.context and e.first <= addr >> 6 <= e.last]
        return found[0] if found else None

    def kind(self, addr):
        """What answers at an address."""
        if RAM_BASE <= addr < RAM_BASE + self.ram_bytes:
            return "ram"
        if MASK_ROM.base <= addr < MASK_ROM.end:
            return "rom"
        return "device" if any(d.base <= addr < d.end for d in DEVICES) else None

    def _rule(self, state, op, addr):
        """The rule of protected regions that forbids the access, or None."""
        entry = self.match(state, addr)
        reads = op.op not in (MemoryOp.STORE, MemoryOp.STORE_CONDITIONAL)
        writes = op.op not in LOADS
        if entry is None:
            return Sub.REGION_NO_ENTRY if state.encrypted else None
        region = entry.algorithm != Algorithm.NONE
        if not state.encrypted and not region:
            return None
        if not state.encrypted and not entry.flags & RegionFlag.PLAIN_ACCESS:
            return Sub.REGION_PLAIN_ACCESS
        if (reads and not entry.flags & RegionFlag.READ) or (writes and not entry.flags & RegionFlag.WRITE):
            return Sub.REGION_RIGHT
        if state.encrypted and region and entry.owner != state.owner and not entry.flags & RegionFlag.ANY_OWNER:
            return Sub.REGION_OWNER
        own_code = state.encrypted and entry.key_slot == state.key_slot
        if region and entry.flags & RegionFlag.EXECUTE and not own_code:
            return Sub.REGION_CODE_AS_DATA
        return None

    def _fault(self, state, op, addr):
        """The fault of one part that begins at ``addr``, or None."""
        rule = self._rule(state, op, addr)
        if rule is not None:
            return Cause.REGION, rule, addr
        access = Cause.LOAD_FAULT if op.op in LOADS else Cause.STORE_FAULT
        kind = self.kind(addr)
        atomic = op.op in ATOMICS
        misaligned = bool(op.addr & ((1 << op.size_log2) - 1))
        if (
            kind is None
            or (kind == "rom" and (atomic or op.op == MemoryOp.STORE))
            or (kind == "device" and (atomic or misaligned))
        ):
            return access, Sub.NONE, addr
        return None

    def domain(self, state, addr):
        """Domain of an address."""
        entry = self.match(state, addr)
        return entry.domain if entry else 0

    def parts(self, op):
        """Addresses of the parts, cut where the hardware may cut: at each 32-bit word."""
        size = 1 << op.size_log2
        if (op.addr & 3) + size <= 4:
            return [(op.addr, size)]
        low = 4 - (op.addr & 3)
        return [(op.addr, low), ((op.addr + low) & MASK32, size - low)]

    def execute(self, state, op):
        """Do ``op`` and tell its ``Outcome``. A fault changes nothing."""
        outcome = Outcome()
        size, parts = 1 << op.size_log2, self.parts(op)
        if op.op in ATOMICS and op.addr & 3:
            cause = Cause.LOAD_MISALIGNED if op.op in LOADS else Cause.STORE_MISALIGNED
            outcome.fault = cause, Sub.NONE, op.addr
            return outcome
        for addr, _ in parts:
            outcome.fault = outcome.fault or self._fault(state, op, addr)
        if outcome.fault:
            return outcome
        conditional = op.op == MemoryOp.STORE_CONDITIONAL
        success = conditional and self.reserved == op.addr
        if conditional and not success:
            self.reserved = None
            outcome.value = 1
            return outcome
        access = Cause.LOAD_FAULT if op.op in LOADS else Cause.STORE_FAULT
        for addr, _ in parts:
            bad = addr >> 6 in self.bad_lines or (self.kind(addr) == "device" and addr & ~3 in self.bad_devices)
            if not outcome.fault and bad:
                outcome.fault = access, Sub.NONE, addr
        old = b"".join(self._read(state, addr, count) for addr, count in parts)
        old = int.from_bytes(old, "little")
        self._bus(op, parts, outcome)
        if outcome.fault:
            return outcome
        if op.op in LOADS:
            sign = not op.unsigned and old >> (8 * size - 1)
            outcome.value = old | (MASK32 << 8 * size & MASK32 if sign else 0)
            if op.op == MemoryOp.LOAD_RESERVED:
                self.reserved = op.addr
            return outcome
        new = op.wdata if op.op == MemoryOp.STORE or conditional else amo(op.op, old, op.wdata)
        done = 0
        for addr, count in parts:
            chunk = (new >> 8 * done & ((1 << 8 * count) - 1)).to_bytes(count, "little")
            self._write(state, addr, chunk)
            outcome.stores.append((addr, chunk, self.domain(state, addr) != 0))
            done += count
            if self.reserved is not None and (addr & ~3 == self.reserved or len(parts) == 2):
                self.reserved = None
        outcome.value = 0 if conditional else old if op.op in ATOMICS else None
        return outcome

    def _bus(self, op, parts, outcome):
        """The device accesses of an allowed operation."""
        for addr, count in parts:
            if self.kind(addr) in ("device", "rom"):
                strobe = ((1 << count) - 1) << (addr & 3)
                write = op.op not in LOADS
                data = (op.wdata & ((1 << 8 * count) - 1)) << 8 * (addr & 3) if write else None
                outcome.bus.append((addr & ~3, write, strobe, data))

    def _read(self, state, addr, count):
        kind = self.kind(addr)
        if kind == "ram":
            view = self.view(addr >> 6, self.domain(state, addr))
            return view[addr & 63 : (addr & 63) + count]
        word = rom_word(addr & ~3) if kind == "rom" else self.device.get(addr & ~3, 0)
        return (word >> 8 * (addr & 3) & ((1 << 8 * count) - 1)).to_bytes(count, "little")

    def _write(self, state, addr, chunk):
        if self.kind(addr) == "ram":
            line, cover = self.line(addr >> 6), pad(addr >> 6, self.domain(state, addr))
            for k, byte in enumerate(chunk):
                line[(addr & 63) + k] = byte ^ cover[(addr & 63) + k]
        else:
            word = bytearray(self.device.get(addr & ~3, 0).to_bytes(4, "little"))
            word[addr & 3 : (addr & 3) + len(chunk)] = chunk
            self.device[addr & ~3] = int.from_bytes(word, "little")


def amo(op, old, new):
    """New value of an atomic memory operation."""

    def signed(value):
        return value - (1 << 32) if value >> 31 else value

    return {
        MemoryOp.AMO_SWAP: new,
        MemoryOp.AMO_ADD: (old + new) & MASK32,
        MemoryOp.AMO_XOR: old ^ new,
        MemoryOp.AMO_AND: old & new,
        MemoryOp.AMO_OR: old | new,
        MemoryOp.AMO_MIN: min(old, new, key=signed),
        MemoryOp.AMO_MAX: max(old, new, key=signed),
        MemoryOp.AMO_MINU: min(old, new),
        MemoryOp.AMO_MAXU: max(old, new),
    }[op]


class LineModel:
    """The line cipher and memory behind it. ``latency`` in cycles to the first beat; with ``rng`` everything also waits
    at random.
    """

    def __init__(self, reference, rng=None, latency=4, gaps=0.0, write_latency=6):
        self.reference, self.rng, self.latency, self.gaps = reference, rng, latency, gaps
        self.write_latency = write_latency
        self.memory = {}
        self.reads, self.read_log, self.write_log, self.fetch_reads = [], [], [], []
        self.writes, self.acks = [], []
        self.bad_writes = set()
        self.sent = 0
        self.beat = None

    def line(self, number):
        """Bytes of a line as memory holds them."""
        return self.memory.setdefault(number, bytes((number * 7 + k * 3) & 0xFF for k in range(64)))

    def _wait(self):
        return self.rng is not None and self.rng.random() < self.gaps

    def drive(self, ctx, lines, now):
        """Inputs of the cycle."""
        ctx.set(lines.read.ready, not self._wait())
        ctx.set(lines.write.ready, not self._wait())
        ctx.set(lines.wdata.ready, not self._wait())
        done = bool(self.acks) and self.acks[0][0] <= now
        ctx.set(lines.write_done, done)
        ctx.set(lines.write_error, done and self.acks[0][1] in self.bad_writes)
        if done:
            _, line, domain, words = self.acks.pop(0)
            if line not in self.bad_writes:
                data = b"".join(w.to_bytes(8, "little") for w in words)
                self.memory[line] = bytes(a ^ b for a, b in zip(data, pad(line, domain), strict=True))
        valid = bool(self.reads) and self.reads[0][0] <= now and not self._wait()
        ctx.set(lines.beat_valid, valid)
        if valid:
            _, line, data, bad_beat = self.reads[0]
            beat = int.from_bytes(data[8 * self.sent : 8 * self.sent + 8], "little")
            last = self.sent == 7
            ctx.set(lines.beat, {"data": beat, "last": last, "error": self.sent == bad_beat})
            self.sent = 0 if last else self.sent + 1
            if last:
                self.reads.pop(0)

    def sample(self, ctx, lines, now):
        """Handshakes of the cycle."""
        if ctx.get(lines.read.valid) and ctx.get(lines.read.ready):
            line, domain = ctx.get(lines.read.payload.line), ctx.get(lines.read.payload.domain)
            data = bytes(a ^ b for a, b in zip(self.line(line), pad(line, domain), strict=True))
            bad = line in self.reference.bad_lines
            bad_beat = (self.rng.randrange(8) if self.rng else 3) if bad else None
            extra = self.rng.randrange(self.latency + 1) if self.rng else 0
            self.reads.append((now + self.latency + extra, line, data, bad_beat))
            self.read_log.append((now, line, domain))
        if ctx.get(lines.write.valid) and ctx.get(lines.write.ready):
            line, domain = ctx.get(lines.write.payload.line), ctx.get(lines.write.payload.domain)
            self.writes.append([line, domain, []])
            self.write_log.append((now, line, domain))
        if ctx.get(lines.wdata.valid) and ctx.get(lines.wdata.ready):
            assert self.writes, "a word of a line before its request"
            self.writes[0][2].append(ctx.get(lines.wdata.payload))
            if len(self.writes[0][2]) == 8:
                line, domain, words = self.writes.pop(0)
                extra = self.rng.randrange(self.write_latency + 1) if self.rng else 0
                self.acks.append((now + self.write_latency + extra, line, domain, words))


class DeviceModel:
    """Devices and mask ROM behind a register bus; ``log`` has every access that was answered."""

    def __init__(self, reference, rng=None, waits=0.0):
        self.reference, self.rng, self.waits = reference, rng, waits
        self.words, self.log = {}, []

    def cycle(self, ctx, bus):
        """Answer in the cycle; every member of the bus is stable by now."""
        ready = ctx.get(bus.valid) and not (self.rng is not None and self.rng.random() < self.waits)
        ctx.set(bus.ready, ready)
        if not ready:
            return
        addr, strobe = ctx.get(bus.addr), ctx.get(bus.strobe)
        write = bool(ctx.get(bus.write))
        error = addr in self.reference.bad_devices
        data = ctx.get(bus.wdata) if write else None
        self.log.append((addr, write, strobe, data))
        ctx.set(bus.error, error)
        if self.reference.kind(addr) == "rom":
            ctx.set(bus.rdata, rom_word(addr))
        else:
            ctx.set(bus.rdata, self.words.get(addr, 0))
        if write and not error:
            lanes = sum(0xFF << 8 * k for k in range(4) if strobe >> k & 1)
            self.words[addr] = (self.words.get(addr, 0) & ~lanes) | (data & lanes)


class FetchModel:
    """An instruction cache that holds all it was given and asks for random lines, or for those of ``wanted``."""

    def __init__(self, reference, rng=None, rate=0.0, choose=None, patience=0):
        self.reference, self.rng, self.rate, self.choose, self.patience = reference, rng, rate, choose, patience
        self.held, self.request, self.got, self.allowed = {}, None, [], []
        self.log, self.wait = [], None
        self.before = {}  # lines as they were before the instruction in flight, which may not have acted yet
        self.wanted = []

    def drive(self, ctx, unit):
        """Inputs of the cycle."""
        if self.request is None:
            if self.wanted:
                self.request = self.wanted.pop(0)
            elif self.rng is not None and self.rng.random() < self.rate:
                self.request = self.choose(self.rng)
            if self.request is not None:
                self.got, self.allowed = [], []
                self.changed(self.before)
                self.changed()
        port = unit.instruction
        ctx.set(port.valid, self.request is not None)
        if self.request is not None:
            line, domain = self.request
            ctx.set(port.line, line)
            ctx.set(port.domain, domain)
            ctx.set(port.rom, self.reference.kind(line << 6) == "rom")

    def changed(self, raw=None):
        """Memory may have changed: remember what a fetch may now see (in ``raw``, or in the reference)."""
        if self.request and self.reference.kind(self.request[0] << 6) == "ram":
            line, domain = self.request
            raw = (raw or {}).get(line, self.reference.line(line))
            self.allowed.append(bytes(a ^ b for a, b in zip(raw, pad(line, domain), strict=True)))

    def sample(self, ctx, unit):
        """Beats and invalidations of the cycle."""
        if ctx.get(unit.invalidate.valid):
            if self.wait is None:
                self.wait = self.rng.randrange(self.patience + 1) if self.rng else 0
            done = self.wait == 0
            ctx.set(unit.invalidate.done, done)
            if done:
                line, domain = ctx.get(unit.invalidate.line), ctx.get(unit.invalidate.domain)
                if self.held.get(line, domain) != domain:
                    del self.held[line]
                self.wait = None
            else:
                self.wait -= 1
        else:
            ctx.set(unit.invalidate.done, 0)
        port = unit.instruction
        if ctx.get(port.beat_valid):
            assert self.request is not None, "a beat that nobody asked for"
            self.got.append((ctx.get(port.beat.data), ctx.get(port.beat.error)))
            assert bool(ctx.get(port.beat.last)) == (len(self.got) == 8)
            if len(self.got) == 8:
                self._finish()

    def _finish(self):
        line, domain = self.request
        errors = any(error for _, error in self.got)
        kind = self.reference.kind(line << 6)
        assert errors == (line in self.reference.bad_lines or kind not in ("ram", "rom")), (hex(line), errors)
        if not errors:
            for k, (word, _) in enumerate(self.got):
                if kind == "rom":
                    addr = (line << 6) + 8 * k
                    assert word == rom_word(addr) | rom_word(addr + 4) << 32
                else:
                    seen = word.to_bytes(8, "little")
                    assert any(seen == view[8 * k : 8 * k + 8] for view in self.allowed), (hex(line), domain, k)
            self.held[line] = domain
        self.log.append((line, domain))
        self.request = None


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
        names = ("latency", "gaps", "write_latency")
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
        store = unit.store
        if ctx.get(store.valid):
            record = {name: ctx.get(getattr(store, name)) for name in ("addr", "data", "strobe", "protected")}
            self.stores.append(record)
        if ctx.get(unit.domain.poison):
            self.poisoned.append(ctx.get(unit.domain.domain))
        for name in self.events:
            self.events[name] += ctx.get(getattr(unit, f"event_{name}"))

    def set_state(self, state):
        """Another one runs from now on; only between instructions."""
        self.state = state
        self.ctx.set(self.unit.port.state, ExecState.const(vars(state)))

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
                lines = {addr >> 6 for addr, _ in self.reference.parts(op)}
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
        refused = refused or any(self.reference._fault(self.state, op, addr) for addr in parts)
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
        assert self.devices.log[bus_mark:] == outcome.bus, f"{op}: {self.devices.log[bus_mark:]}, not {outcome.bus}"
        records = sorted(self.stores[store_mark:], key=lambda r: r["addr"])
        assert len(records) == len(outcome.stores), f"{op}: {records}"
        for record, (addr, chunk, protected) in zip(records, sorted(outcome.stores), strict=True):
            place = addr & 3
            assert record["addr"] == addr & ~3 and record["strobe"] == ((1 << len(chunk)) - 1) << place
            assert record["data"].to_bytes(4, "little")[place : place + len(chunk)] == chunk
            assert record["protected"] == protected
        if outcome.fault is None and self.reference.kind(op.addr) == "ram" and outcome.value != 1:
            for addr, _ in self.reference.parts(op):
                domain = self.reference.domain(self.state, addr)
                assert self.fetch.held.get(addr >> 6, domain) == domain, "the instruction cache kept an alias"

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
