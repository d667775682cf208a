"""A core, a miss unit and memory around the fetch unit, in Python, and the rule that every delivered instruction obeys.

The rule: after a redirect the first instruction stands at the address asked for, and every other one where the one
before it goes on (its predicted target, or the next address). Its bits, its fault and its origin are those of the
model, and nothing follows a fault.
"""

import random
from dataclasses import dataclass, field

from amaranth import Module
from amaranth.lib import data, wiring
from lookup_model import RangeTable
from segment_model import SegmentModel, base_word

from hakone.bus.core_ports import BranchKind, ExecState
from hakone.core.fetch import FetchUnit
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import MASK_ROM, RAM_BASE
from hakone.protect.segments import SegmentRegisters

RAM_BYTES = 1 << 20
PLAIN = {"context": 0, "level": 3, "encrypted": 0, "key_slot": 0, "owner": 0}


@dataclass(frozen=True)
class Region:
    """An attribute entry as the look-up shows it; ``first`` and ``last`` are line numbers."""

    context: int
    first: int
    last: int
    algorithm: Algorithm = Algorithm.AES128_XTS
    flags: RegionFlag = RegionFlag.READ | RegionFlag.EXECUTE
    domain: int = 1
    key_slot: int = 2
    owner: int = 3
    segment_base: int | None = None  # address; None: that of a flat segment

    @property
    def latched_base(self) -> int:
        """Bits 31..12 of the base that the segment must have."""
        flat = self.first >> 22 << 28
        return (flat if self.segment_base is None else self.segment_base) >> 12


@dataclass
class World:
    """Memory as code under each domain sees it, and what may be fetched.

    ``contents`` keeps the bytes by (line, domain), random ones where nothing was placed.
    """

    seed: int
    regions: list[Region] = field(default_factory=list)
    contents: dict = field(default_factory=dict)
    error_lines: set = field(default_factory=set)
    segments: SegmentModel = field(default_factory=SegmentModel)
    ram_bytes: int = RAM_BYTES

    def line_bytes(self, line: int, domain: int) -> bytes:
        """64 bytes of a line in plaintext."""
        key = (line, domain)
        if key not in self.contents:
            self.contents[key] = random.Random(f"{self.seed} {line} {domain}").randbytes(64)
        return self.contents[key]

    def place(self, address: int, code: bytes, domain: int = 0):
        """Write plaintext."""
        for n, byte in enumerate(code):
            line, offset = divmod(address + n, 64)
            old = self.line_bytes(line, domain)
            self.contents[line, domain] = old[:offset] + bytes([byte]) + old[offset + 1 :]

    def find(self, line: int, state: dict) -> Region | None:
        """The entry that matches."""
        found = (r for r in self.regions if r.context == state["context"] and r.first <= line <= r.last)
        return next(found, None)

    def fault(self, address: int, state: dict) -> tuple[Cause, Sub] | None:
        """Why a fetch at ``address`` is refused."""
        rule = self.segments.fetch_fault(state["context"], state["level"], address)
        if rule is not None:
            return Cause.SEGMENT, rule
        region, place = self.find(address >> 6, state), self.segments.place(state["context"], address)
        protected = region is not None and region.algorithm != Algorithm.NONE
        execute = protected and bool(region.flags & RegionFlag.EXECUTE)
        follows = execute and bool(region.flags & RegionFlag.AUTOMATIC)
        may_leave = state.get("automatic", 0)
        if state["encrypted"] and not execute and (protected or not may_leave):
            return Cause.MODE, Sub.MODE_FETCH_OUTSIDE
        if protected and not follows and (may_leave or not state["encrypted"]):
            return Cause.MODE, Sub.MODE_PLAIN_FETCH
        if protected and region.latched_base << 12 != (place - address % (1 << 28)) & 0xFFFF_FFFF:
            return Cause.REGION, Sub.REGION_MOVED
        known = RAM_BASE <= place < RAM_BASE + self.ram_bytes or MASK_ROM.base <= place < MASK_ROM.end
        if not known or place >> 6 in self.error_lines:
            return Cause.FETCH_FAULT, Sub.NONE
        return None

    def half(self, address: int, state: dict) -> tuple[int, int]:
        """Halfword and domain; only where nothing is refused."""
        region = self.find(address >> 6, state)
        domain = region.domain if region else 0
        line, offset = divmod(self.segments.place(state["context"], address), 64)
        return int.from_bytes(self.line_bytes(line, domain)[offset : offset + 2], "little"), domain

    def code(self, address: int, state: dict) -> dict:
        """Whose code it is, apart from the key."""
        region = self.find(address >> 6, state)
        if region is None or region.algorithm == Algorithm.NONE:
            return {"region": 0, "automatic": 0}
        return {"region": 1, "automatic": int(bool(region.flags & RegionFlag.AUTOMATIC)), "owner": region.owner}

    def expected(self, pc: int, state: dict) -> dict:
        """What the fetch unit must deliver at ``pc``: either ``fault`` with ``fault_pc`` or ``raw`` with its origin."""
        if fault := self.fault(pc, state):
            return {"pc": pc, "fault": fault, "fault_pc": pc}
        raw, domain = self.half(pc, state)
        compressed = raw & 3 != 3
        if not compressed:
            second = (pc + 2) & 0xFFFF_FFFF
            if self.segments.enabled and second >> 28 != pc >> 28:
                return {"pc": pc, "fault": (Cause.SEGMENT, Sub.SEGMENT_STRADDLE), "fault_pc": second}
            if fault := self.fault(second, state):
                return {"pc": pc, "fault": fault, "fault_pc": second}
            high, other = self.half(second, state)
            if other != domain or self.code(pc, state) != self.code(second, state):
                return {"pc": pc, "fault": (Cause.REGION, Sub.REGION_MISALIGNED_FETCH), "fault_pc": second}
            raw |= high << 16
        region = self.find(pc >> 6, state)
        key_slot, owner = (region.key_slot, region.owner) if domain else (0, 0)
        origin = {"domain": domain, "key_slot": key_slot, "owner": owner} | self.code(pc, state)
        return {"pc": pc, "fault": None, "raw": raw, "compressed": int(compressed), **origin}


class Guarded(wiring.Component):
    """The fetch unit with the look-up of a ``World`` beside it."""

    def __init__(self, world: World, **sizes):
        self.world = world
        settings = {"icache_bytes": 1024, "cache_ways": 2, "predictor_entries": 16, "ram_bytes": RAM_BYTES}
        self.fetch = FetchUnit(**(settings | sizes))
        self.segments = SegmentRegisters()
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = self.fetch
        m.submodules.segments = self.segments
        wiring.connect(m, self.fetch.segments, self.segments.read[0])
        m.submodules.table = table = RangeTable(self.world.regions)
        wiring.connect(m, self.fetch.lookup, table.port)
        return m


class MissUnit:
    """Answers line requests with random delay; ``requests`` keeps (line, domain, rom)."""

    def __init__(self, world: World, rng: random.Random, max_delay: int = 12, gap_chance: float = 0.2):
        self.world, self.rng, self.max_delay, self.gap_chance = world, rng, max_delay, gap_chance
        self.requests, self.delay, self.beat = [], None, 0

    def step(self, ctx, miss):
        """One cycle: look at the request, set the beat."""
        ctx.set(miss.beat_valid, 0)
        if not ctx.get(miss.valid):
            assert self.delay is None, "the request was withdrawn"
            return
        line, domain = ctx.get(miss.line), ctx.get(miss.domain)
        if self.delay is None:
            self.requests.append((line, domain, ctx.get(miss.rom)))
            self.delay, self.beat = self.rng.randint(0, self.max_delay), 0
        assert (line, domain) == self.requests[-1][:2], "the request changed"
        if self.delay > 0:
            self.delay -= 1
        elif self.beat == 0 or self.rng.random() >= self.gap_chance:
            word = self.world.line_bytes(line, domain)[8 * self.beat : 8 * self.beat + 8]
            error = line in self.world.error_lines and (self.beat == 7 or self.rng.random() < 0.3)
            ctx.set(miss.beat_valid, 1)
            ctx.set(miss.beat.data, int.from_bytes(word, "little"))
            ctx.set(miss.beat.last, self.beat == 7)
            ctx.set(miss.beat.error, error)
            self.beat += 1
            if self.beat == 8:
                self.delay = None


class Core:
    """Drives redirects and takes instructions; checks each against the rule. One ``cycle`` call per clock cycle."""

    def __init__(self, ctx, fetch: FetchUnit, world: World, rng: random.Random, **miss_settings):
        self.ctx, self.fetch, self.world = ctx, fetch, world
        self.miss_unit = MissUnit(world, rng, **miss_settings)
        self.time, self.waited, self.next_pc, self.ended = 0, 0, None, True
        self.state, self.new_state = dict(PLAIN), None
        self.delivered = []

    async def cycle(self, *, ready=True, redirect=None, update=None, flush=False, clear=False, invalidate=None):
        """One clock cycle; returns the instruction taken in it, or None.

        ``redirect``: (address, state). ``update``: from ``transfer``. ``invalidate``: (line, domain), kept until done.
        """
        ctx, port = self.ctx, self.fetch.port
        if self.new_state is not None:
            self.state, self.new_state = self.new_state, None
            ctx.set(port.state, ExecState.const(self.state))
        ctx.set(port.redirect, redirect is not None)
        ctx.set(port.redirect_pc, redirect[0] if redirect else 0xDEAD_BEEE)
        ctx.set(port.flush_start, flush)
        ctx.set(port.clear_predictor, clear)
        if invalidate is not None:
            ctx.set(self.fetch.invalidate.valid, 1)
            ctx.set(self.fetch.invalidate.line, invalidate[0])
            ctx.set(self.fetch.invalidate.domain, invalidate[1])
        ctx.set(port.update_valid, update is not None)
        if update:
            for name, value in update.items():
                ctx.set(getattr(port.update, name), value)
        ctx.set(port.instruction.ready, ready)
        self.miss_unit.step(ctx, self.fetch.miss)
        taken = None
        if redirect:
            self.next_pc, self.new_state = redirect
            self.ended, self.waited = False, 0
        elif flush:
            self.next_pc, self.ended = None, True
        elif ctx.get(port.instruction.valid) and ready:
            taken = self.check(ctx.get(port.instruction.payload))
            self.waited = 0
        elif ready and not self.ended and not ctx.get(port.flush_busy):
            self.waited += 1
            assert self.waited < 200, f"no instruction at {self.next_pc:#x} for {self.waited} cycles"
        invalidated = ctx.get(self.fetch.invalidate.done)
        await ctx.tick()
        if invalidated:
            ctx.set(self.fetch.invalidate.valid, 0)
        self.time += 1
        return taken

    async def segput(self, registers: SegmentRegisters, context: int, segment: int, word: int, value: int):
        """One write to the segment registers while nothing is taken; a redirect must follow."""
        self.ctx.set(registers.port.write, 1)
        for name, number in (("context", context), ("segment", segment), ("word", word), ("data", value)):
            self.ctx.set(getattr(registers.port, name), number)
        await self.cycle(ready=False)
        self.ctx.set(registers.port.write, 0)
        self.world.segments.put(context, segment, word, value)

    async def segment(self, registers, context, segment, base, limit, rights="rx", ring=0):
        """A whole segment, as software loads one."""
        await self.segput(registers, context, segment, 1, limit)
        await self.segput(registers, context, segment, 0, base_word(base, rights, ring))

    def enable_segments(self, registers, on=True):
        """Switch segments on or off; a redirect must follow."""
        self.ctx.set(registers.port.enabled, on)
        self.world.segments.enabled = bool(on)

    def check(self, got: data.Const) -> dict:
        """Compare one delivered instruction with the model, and note where the next one must stand."""
        assert self.next_pc is not None and not self.ended, f"an instruction at {got.pc:#x} that nobody asked for"
        expected = self.world.expected(self.next_pc, self.state)
        seen = {"pc": got.pc, "fault": (Cause(got.fault.cause), Sub(got.fault.sub)) if got.fault.valid else None}
        if got.fault.valid:
            seen["fault_pc"] = got.fault_pc
            self.ended = True
        else:
            seen |= {
                n: getattr(got, n) for n in ("raw", "compressed", "domain", "key_slot", "owner", "region", "automatic")
            }
        assert seen == expected, f"cycle {self.time}: {seen} instead of {expected} in {self.state}"
        if got.fault.valid:
            self.next_pc = None
            return expected | {"time": self.time}
        if not got.compressed:
            assert got.word == got.raw
        length = 2 if got.compressed else 4
        self.next_pc = got.predicted_target if got.predicted_taken else (got.pc + length) & 0xFFFF_FFFF
        record = expected | {"time": self.time, "taken": got.predicted_taken, "target": got.predicted_target}
        self.delivered.append(record)
        return record


def transfer(pc: int, target: int, *, kind=BranchKind.JUMP, compressed=False, taken=True, mispredicted=True) -> dict:
    """A branch update."""
    fields = {"pc": pc, "target": target, "kind": kind, "compressed": compressed}
    return fields | {"taken": taken, "mispredicted": mispredicted}


class Program:
    """Code whose transfers are told to it: the fetch unit sees lengths only, the bench the rest.

    ``code`` is a list of (label or None, length in bytes, transfer or None) placed from ``base`` on. A transfer is
    (kind, outcome), where ``outcome(visit)`` gives the target's label, or None for not taken; a return goes behind the
    last call.
    """

    RESOLVE_CYCLES = 3  #: from the align stage to the memory stage

    def __init__(self, base: int, code: list):
        self.base, self.code, self.labels, self.at = base, code, {}, {}
        pc = base
        for label, length, transfer_here in code:
            if label is not None:
                self.labels[label] = pc
            self.at[pc] = (length, transfer_here)
            pc += length
        self.end = pc

    def place(self, world: World):
        """Write words of the right lengths."""
        for pc, (length, _) in self.at.items():
            world.place(pc, b"\x01\x00" if length == 2 else b"\x13\x00\x00\x00")

    async def run(self, core: Core, cycles: int, ready=lambda: True) -> tuple[list[int], int]:
        """Execute from ``base`` for so many cycles; the addresses that were executed, and how many mispredictions."""
        visits, calls, flight, path, wrong = {}, [], [], [], 0
        redirect = (self.base, PLAIN)
        for _ in range(cycles):
            update = None
            if flight and flight[0]["due"] <= core.time:
                resolved = flight.pop(0)
                update = resolved["update"]
                if update and update["mispredicted"]:
                    wrong += 1
                    flight.clear()
                    redirect = (resolved["goes_to"], PLAIN)
            got = await core.cycle(ready=ready(), redirect=redirect, update=update)
            redirect = None
            behind = flight and flight[-1]["update"] and flight[-1]["update"]["mispredicted"]
            if got is None or behind:  # known to be wrong here, but not yet to the fetch unit
                continue
            length, transfer_here = self.at[got["pc"]]
            kind, target = None, None
            if transfer_here:
                kind, outcome = transfer_here
                visits[got["pc"]] = visits.get(got["pc"], -1) + 1
                if kind == BranchKind.CALL:
                    calls.append(got["pc"] + length)
                target = calls.pop() if kind == BranchKind.RETURN else self.labels.get(outcome(visits[got["pc"]]))
            taken, goes_to = target is not None, got["pc"] + length if target is None else target
            bad = taken != bool(got["taken"]) or (taken and target != got["target"])
            update = None
            if kind is not None or bad:
                here = {"kind": kind or BranchKind.BRANCH, "compressed": length == 2}
                update = transfer(got["pc"], goes_to, taken=taken, mispredicted=bad, **here)
            flight.append({"due": got["time"] + self.RESOLVE_CYCLES, "update": update, "goes_to": goes_to})
            path.append(got["pc"])
        return path, wrong
