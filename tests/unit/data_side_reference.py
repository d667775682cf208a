"""What memory instructions must do: regions, physical map and memory under domains, as plain Python.

Memory is kept as the bytes outside the chip; a domain sees them through a pad of its own, so that a line that goes out
under the wrong domain, or stays in the cache under two, shows as wrong data.
"""

from dataclasses import dataclass, field

from segment_model import SegmentModel

from hakone.bus.core_ports import MemoryOp
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import DEVICES, MASK_ROM, RAM_BASE

MASK32 = 0xFFFF_FFFF
LOADS = (MemoryOp.LOAD, MemoryOp.LOAD_RESERVED)
STORES = (MemoryOp.STORE, MemoryOp.STORE_CONDITIONAL)
ATOMICS = tuple(op for op in MemoryOp if op not in (MemoryOp.LOAD, MemoryOp.STORE, MemoryOp.PROBE))


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
    segment_base: int | None = None  # address; None: that of a flat segment

    @property
    def latched_base(self):
        """Bits 31..12 of the base that the segment must have."""
        flat = self.first >> 22 << 28
        return (flat if self.segment_base is None else self.segment_base) >> 12


@dataclass(frozen=True)
class State:
    """Who runs."""

    context: int = 0
    encrypted: int = 0
    key_slot: int = 0
    owner: int = 0
    level: int = 3
    handler: int = 0


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
    place: tuple | None = None  # (physical address, a region with a cipher) of an access in one part
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


class Reference:
    """What the instructions must do, one after the other."""

    def __init__(self, entries, ram_bytes, bad_lines=(), bad_devices=()):
        self.entries, self.ram_bytes = entries, ram_bytes
        self.bad_lines, self.bad_devices = set(bad_lines), set(bad_devices)
        self.segments = SegmentModel()
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

    def place(self, state, addr):
        """Physical address."""
        return self.segments.place(state.context, addr)

    def kind(self, addr):
        """What answers at a physical address."""
        if RAM_BASE <= addr < RAM_BASE + self.ram_bytes:
            return "ram"
        if MASK_ROM.base <= addr < MASK_ROM.end:
            return "rom"
        return "device" if any(d.base <= addr < d.end for d in DEVICES) else None

    def _rule(self, state, op, addr):
        """The rule of protected regions that forbids the access, or None."""
        entry = self.match(state, addr)
        reads = op.op not in STORES
        writes = op.op not in LOADS
        if entry is None:
            return Sub.REGION_NO_ENTRY if state.encrypted else None
        region = entry.algorithm != Algorithm.NONE
        if not state.encrypted and not region:
            return None
        if not state.encrypted and (state.handler or not entry.flags & RegionFlag.PLAIN_ACCESS):
            return Sub.REGION_PLAIN_ACCESS
        if (reads and not entry.flags & RegionFlag.READ) or (writes and not entry.flags & RegionFlag.WRITE):
            return Sub.REGION_RIGHT
        if (
            state.encrypted
            and (region or entry.owner)
            and entry.owner != state.owner
            and not entry.flags & RegionFlag.ANY_OWNER
        ):
            return Sub.REGION_OWNER
        own_code = state.encrypted and entry.key_slot == state.key_slot
        if region and entry.flags & RegionFlag.EXECUTE and not own_code:
            return Sub.REGION_CODE_AS_DATA
        base = (self.place(state, addr) - addr % (1 << 28)) & MASK32
        return Sub.REGION_MOVED if region and entry.latched_base << 12 != base else None

    def _fault(self, state, op, addr):
        """The fault of one part that begins at ``addr``, or None."""
        rule = self._rule(state, op, addr)
        if rule is not None:
            return Cause.REGION, rule, addr
        access = Cause.LOAD_FAULT if op.op in LOADS else Cause.STORE_FAULT
        kind = self.kind(self.place(state, addr))
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
        needs = "" if op.op == MemoryOp.PROBE else "r" if op.op in LOADS else "w" if op.op in STORES else "rw"
        span = 1 if op.op == MemoryOp.PROBE else size
        rule = self.segments.data_fault(state.context, state.level, op.addr, span, needs)
        if rule is not None:
            outcome.fault = Cause.SEGMENT, rule, op.addr
            return outcome
        if len(parts) == 1:
            entry = self.match(state, op.addr)
            outcome.place = self.place(state, op.addr), entry is not None and entry.algorithm != Algorithm.NONE
        if op.op == MemoryOp.PROBE:
            return outcome
        for addr, _ in parts:
            outcome.fault = outcome.fault or self._fault(state, op, addr)
        if outcome.fault:
            return outcome
        conditional = op.op == MemoryOp.STORE_CONDITIONAL
        success = conditional and self.reserved == self.place(state, op.addr)
        if conditional and not success:
            self.reserved = None
            outcome.value = 1
            return outcome
        access = Cause.LOAD_FAULT if op.op in LOADS else Cause.STORE_FAULT
        for addr, _ in parts:
            place = self.place(state, addr)
            bad = place >> 6 in self.bad_lines or (self.kind(place) == "device" and place & ~3 in self.bad_devices)
            if not outcome.fault and bad:
                outcome.fault = access, Sub.NONE, addr
        old = b"".join(self._read(state, addr, count) for addr, count in parts)
        old = int.from_bytes(old, "little")
        self._bus(state, op, parts, outcome)
        if outcome.fault:
            return outcome
        if op.op in LOADS:
            sign = not op.unsigned and old >> (8 * size - 1)
            outcome.value = old | (MASK32 << 8 * size & MASK32 if sign else 0)
            if op.op == MemoryOp.LOAD_RESERVED:
                self.reserved = self.place(state, op.addr)
            return outcome
        new = op.wdata if op.op == MemoryOp.STORE or conditional else amo(op.op, old, op.wdata)
        done = 0
        for addr, count in parts:
            chunk = (new >> 8 * done & ((1 << 8 * count) - 1)).to_bytes(count, "little")
            self._write(state, addr, chunk)
            place = self.place(state, addr)
            outcome.stores.append((place, chunk, self.domain(state, addr) != 0))
            done += count
            if self.reserved is not None and (place & ~3 == self.reserved or len(parts) == 2):
                self.reserved = None
        outcome.value = 0 if conditional else old if op.op in ATOMICS else None
        return outcome

    def _bus(self, state, op, parts, outcome):
        """The device accesses of an allowed operation."""
        for addr, count in ((self.place(state, a), n) for a, n in parts):
            if self.kind(addr) in ("device", "rom"):
                strobe = ((1 << count) - 1) << (addr & 3)
                write = op.op not in LOADS
                data = (op.wdata & ((1 << 8 * count) - 1)) << 8 * (addr & 3) if write else None
                outcome.bus.append((addr & ~3, write, strobe, data))

    def _read(self, state, virtual, count):
        addr = self.place(state, virtual)
        kind = self.kind(addr)
        if kind == "ram":
            view = self.view(addr >> 6, self.domain(state, virtual))
            return view[addr & 63 : (addr & 63) + count]
        word = rom_word(addr & ~3) if kind == "rom" else self.device.get(addr & ~3, 0)
        return (word >> 8 * (addr & 3) & ((1 << 8 * count) - 1)).to_bytes(count, "little")

    def _write(self, state, virtual, chunk):
        addr = self.place(state, virtual)
        if self.kind(addr) == "ram":
            line, cover = self.line(addr >> 6), pad(addr >> 6, self.domain(state, virtual))
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
