"""The region unit on real tables and a real key store; the bench plays the core, the caches and the segments."""

import random
import struct

from amaranth import Const, Module, Signal
from amaranth.lib import wiring
from amaranth_bench import run, seeded

from hakone.bus.core_ports import RegionCommand
from hakone.bus.open_checks import OPEN_BITS
from hakone.crypto.attributes import AttributeRegisters
from hakone.crypto.domains import DOMAINS, DomainTable
from hakone.crypto.install_switch import InstallSwitch
from hakone.crypto.key_store import KeyStore
from hakone.crypto.region_unit import RegionUnit
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag, RegionStatus

RAM_BYTES = 1 << 20
CLEAN_CYCLES, FLUSH_CYCLES = 9, 5
CYCLES_MAX = 3000
NAMES = ("key_install", "attribute_install", "domain_install", "domain_number", "domain_row")


class System(wiring.Component):
    """The parts that the unit works on. The side of the boot loader is the bench's, while ``started`` is low.
    ``open_check``: a check that is switched off.
    """

    def __init__(self, entries=16, open_check=None):
        super().__init__({})
        switches = None if open_check is None else Const(1 << open_check, OPEN_BITS)
        self.unit = RegionUnit(RAM_BYTES, switches)
        self.registers, self.domains = AttributeRegisters(entries), DomainTable(1)
        self.keys, self.switch = KeyStore(), InstallSwitch()
        self.started = Signal()

    def elaborate(self, _platform):
        """Connect."""
        m = Module()
        for name in ("unit", "registers", "domains", "keys", "switch"):
            m.submodules[name] = getattr(self, name)
        unit, keys, tables = self.unit, self.keys, self.switch.tables
        wiring.connect(m, tables.key_install, keys.install)
        wiring.connect(m, tables.attribute_install, self.registers.install)
        wiring.connect(m, unit.attributes, self.registers.walk)
        wiring.connect(m, unit.domains, self.domains.walk)
        wiring.connect(m, unit.key_erase, keys.erase)
        wiring.connect(m, unit.search, keys.search)
        for name in ("key_install", "attribute_install"):
            wiring.connect(m, getattr(unit, name), getattr(self.switch.regions, name))
        m.d.comb += [
            self.switch.started.eq(self.started),
            unit.contexts.eq(self.registers.contexts),
            keys.cancel.eq(unit.key_cancel),
            unit.key_busy.eq(keys.busy),
            unit.key_valid.eq(keys.valid),
            self.domains.install.eq(tables.domain_install),
            self.domains.install_domain.eq(tables.domain_number),
            self.domains.install_row.eq(tables.domain_row),
            *(getattr(self.switch.regions, n).eq(getattr(unit, n)) for n in NAMES if n.startswith("domain")),
        ]
        return m


class Outcome:
    """What a command answered: status, rule (0: no fault), cause, whether aborted, cycles from start to the end."""

    def __init__(self, status, fault, aborted, cycles):
        self.status, self.aborted, self.cycles = RegionStatus(status), aborted, cycles
        self.rule = Sub(fault.sub) if fault.valid else Sub.NONE
        self.cause = Cause(fault.cause) if fault.valid else None

    def __eq__(self, other):
        return (self.status, self.rule, self.aborted) == other

    def __repr__(self):
        return f"({self.status}, {self.rule}, {self.aborted}) after {self.cycles}"


class RegionBench:
    """Drives commands. ``memory`` holds words by address, ``plain`` addresses that lie outside of protected memory,
    ``faults`` a (cause, rule) by address; ``bases`` a physical base by segment (None: flat and segments off).
    """

    def __init__(self, entries=16, waits=True, seed=1, open_check=None):
        self.system, self.source = System(entries, open_check), seeded(seed)
        self.noise = random.Random(seed)  # of the surroundings, so that what a test draws does not depend on cycles
        self.unit, self.entries, self.waits = self.system.unit, entries, waits
        self.memory, self.plain, self.faults, self.bases = {}, set(), {}, None
        self.loads, self.cleaned, self.flushes, self.changes = [], [], 0, 0
        self.cycle, self.abort_in = 0, None

    def run(self, body):
        """Simulate ``body(bench, ctx)``; the unit may be used from its first line on."""

        async def bench(ctx):
            while ctx.get(self.system.keys.busy):
                await ctx.tick()
            ctx.set(self.system.started, 1)
            await body(self, ctx)

        run(self.system, bench, background=(self._core, self._caches, self._count))

    def place(self, addr, data):
        """Put bytes into memory."""
        self.memory.update({addr + 4 * n: w for n, (w,) in enumerate(struct.iter_unpack("<I", data))})

    def physical(self, addr):
        """Translation by ``bases``."""
        return addr if self.bases is None else (self.bases[addr >> 28] + (addr & 0xFFF_FFFF)) & 0xFFFF_FFFF

    async def _core(self, ctx):
        """Loads and probes, each answered after a while."""
        port = self.unit.port
        while True:
            await ctx.tick()
            if not ctx.get(port.load):
                continue
            await ctx.tick().repeat(self.noise.randrange(4) + 1 if self.waits else 1)
            addr, probe = ctx.get(port.addr), ctx.get(port.probe)
            assert ctx.get(port.load)
            self.loads.append((addr, probe))
            cause, rule = self.faults.get(addr, (Cause.LOAD_FAULT, Sub.NONE))
            ctx.set(port.load_fault, {"valid": addr in self.faults, "cause": cause, "sub": rule})
            ctx.set(port.data, 0 if probe else self.memory.get(addr, 0))
            ctx.set(port.protected, addr not in self.plain)
            ctx.set(port.physical, self.physical(addr))
            ctx.set(port.load_done, 1)
            await ctx.tick()
            ctx.set(port.load_done, 0)
            for name in ("protected", "physical", "data"):  # without ``load_done`` they mean nothing
                ctx.set(getattr(port, name), self.noise.getrandbits(len(getattr(port, name))))

    async def _caches(self, ctx):
        """Cleaning, which an abort stops in its middle, and flushing."""
        clean = self.unit.clean
        while True:
            _, _, started, flushed, domain = await ctx.tick().sample(
                clean.start, self.unit.flush_instruction, clean.domain
            )
            if started:
                ctx.set(clean.busy, 1)
                for n in range(CLEAN_CYCLES):
                    if ctx.get(clean.abort) and n % 3 == 2:
                        break
                    await ctx.tick()
                else:
                    self.cleaned.append(domain)
                ctx.set(clean.busy, 0)
            if flushed:
                ctx.set(self.unit.flush_busy, 1)
                await ctx.tick().repeat(FLUSH_CYCLES)
                ctx.set(self.unit.flush_busy, 0)
                self.flushes += 1

    async def _count(self, ctx):
        """Cycles, changes, and the interrupt that is due."""
        async for _, _, changed in ctx.tick().sample(self.unit.changed):
            self.cycle += 1
            self.changes += changed
            if self.abort_in is not None:
                self.abort_in -= 1
                if self.abort_in == 0:
                    ctx.set(self.unit.port.abort, 1)

    async def command(self, ctx, command, operand, context=1, *, owner=3, quota=16, abort_in=None):
        """One command to its end; ``abort_in`` cycles after its start an interrupt comes and stays."""
        port = self.unit.port
        ctx.set(port.command, command)
        ctx.set(port.operand, operand)
        ctx.set(port.state, {"context": context, "encrypted": 1, "owner": owner, "key_slot": 9})
        ctx.set(port.segments, self.bases is not None)
        ctx.set(port.quota, quota)
        ctx.set(port.abort, 0)
        ctx.set(port.start, 1)
        self.loads.clear()
        self.abort_in = abort_in
        begin = self.cycle
        await ctx.tick()
        ctx.set(port.start, 0)
        while ctx.get(port.busy):
            await ctx.tick()
            assert self.cycle - begin < CYCLES_MAX
        self.abort_in = None
        ctx.set(port.abort, 0)
        return Outcome(ctx.get(port.status), ctx.get(port.fault), bool(ctx.get(port.aborted)), self.cycle - begin)

    async def install(self, ctx, description, context=1, addr=0x8000_0100, **more):
        """``setik`` of a description (object or bytes), laid at ``addr`` first."""
        self.place(addr, description if isinstance(description, bytes) else description.pack())
        return await self.command(ctx, RegionCommand.INSTALL, addr, context, **more)

    async def release(self, ctx, addr, context=1, **more):
        """``clrk`` of an own region."""
        return await self.command(ctx, RegionCommand.RELEASE, addr, context, **more)

    async def release_context(self, ctx, context, **more):
        """``clrk`` of a dead context."""
        return await self.command(ctx, RegionCommand.RELEASE_CONTEXT, context, 0, **more)

    def buffer(self):
        """The words in which a key stands while it is installed."""
        return [self.unit._install._load._key._words.data[n] for n in range(16)]

    async def boot_entry(self, ctx, entry):
        """What the boot loader would have installed."""
        install = self.system.switch.loader.attribute_install
        ctx.set(self.system.started, 0)
        ctx.set(install.payload, entry)
        ctx.set(install.valid, 1)
        await ctx.tick()
        ctx.set(install.valid, 0)
        ctx.set(self.system.started, 1)

    async def tables(self, ctx):
        """Everything that stands in the tables: entries by place, rows by number, keys by slot, contexts, poison."""
        registers, domains, keys = self.system.registers, self.system.domains, self.system.keys
        port, entries, rows = registers.read, {}, {}
        for n in range(self.entries):
            ctx.set(port.index, n)
            place, content = ctx.get(port.range), ctx.get(port.content)
            if ctx.get(port.used):
                entries[n] = {name: getattr(place, name) for name in ("context", "start_line", "end_line")} | {
                    "algorithm": Algorithm(content.algorithm),
                    "flags": RegionFlag(content.flags),
                    **{k: getattr(content, k) for k in ("key_slot", "key_bytes", "domain", "owner")},
                }
                if content.domain:
                    entries[n]["segment_base"] = content.segment_base
        assert ctx.get(registers.free) == self.entries - len(entries)
        for n in range(1, DOMAINS):
            ctx.set(domains.read[0].domain, n)
            row = ctx.get(domains.read[0].row)
            if row.valid:
                rows[n] = (Algorithm(row.algorithm), row.key_slot, row.tag, row.base_line)
        valid, found = ctx.get(keys.valid), {}
        for slot in range(16):
            halves = await self.halves(ctx, slot)
            if valid >> slot & 1:
                found[slot] = halves
            else:
                assert not any(b"".join(halves)), f"slot {slot} is not empty"
        return entries, rows, found, ctx.get(registers.contexts), ctx.get(domains.poisoned)

    async def halves(self, ctx, slot, index=0):
        """Round key ``index`` of the data key and of the tweak key of a slot."""
        keys = self.system.keys
        for reader in (keys.data_keys[0], keys.tweak_keys):
            ctx.set(reader.addr, {"slot": slot, "index": index, "inverse": 0})
            ctx.set(reader.en, 1)
        await ctx.tick()
        return tuple(ctx.get(r.key).to_bytes(16, "little") for r in (keys.data_keys[0], keys.tweak_keys))

    async def whole_slot_is_empty(self, ctx, slot):
        """No round key and no raw word of the slot is left."""
        raw = [ctx.get(self.system.keys._raw._rows.data[slot * 16 + n]) for n in range(16)]
        return not any(raw) and not any([any(b"".join(await self.halves(ctx, slot, n))) for n in range(16)])
