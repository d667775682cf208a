"""Load/store unit: cycles, alignment, atomics, and what a refused access leaves behind."""

import pytest
from amaranth_bench import run_comb, seeded
from data_side_bench import Bench, Entry, Op, State
from data_side_reference import amo

from hakone.bus.core_ports import MemoryOp
from hakone.isa.cause import Cause, Sub
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import MASK_ROM, RAM_BASE, UART
from hakone.memory.atomics import AtomicUnit
from hakone_sim.evidence import evidence

BASE = RAM_BASE >> 6
R, W, X = RegionFlag.READ, RegionFlag.WRITE, RegionFlag.EXECUTE
PLAIN, ANY = RegionFlag.PLAIN_ACCESS, RegionFlag.ANY_OWNER
XTS = Algorithm.AES128_XTS
RESET_CYCLES = 70


def load(addr, size_log2=2, unsigned=0):
    return Op(MemoryOp.LOAD, addr, size_log2, unsigned)


def store(addr, value=0x8182_8384, size_log2=2):
    return Op(MemoryOp.STORE, addr, size_log2, 0, value)


def simulate(body, *entries, **options):
    """Run ``body`` as plain code of context 0 after the reset walk; returns the bench."""
    bench = Bench(entries, **options)

    async def after_reset(bench):
        bench.set_state(State())
        for _ in range(RESET_CYCLES):
            await bench.tick()
        await body(bench)

    bench.run(after_reset)
    return bench


def test_busy_high_while_tags_are_cleared():
    """The first access waits for the walk through the sets, then misses."""
    bench = Bench(cache_bytes=1024)

    async def body(bench):
        bench.set_state(State())
        await bench.pipeline([load(RAM_BASE)])
        assert bench.now > 8

    bench.run(body)


def test_hits_take_one_cycle_back_to_back():
    """Loads after stores to the same bytes included: the value stored comes back at once."""

    async def body(bench):
        a = RAM_BASE + 0x40
        await bench.do(load(a))
        ops = [store(a, 0x8001_F0A5), load(a), load(a + 1, 0), load(a + 2, 1), load(a + 1, 1), load(a + 2, 2)]
        ops += [store(a + 3, 0x77, 0), load(a, 2), store(a + 4, 1), store(a, 2), load(a), load(a + 4)]
        assert await bench.pipeline(ops) == [1] * len(ops)

    simulate(body)


@pytest.mark.parametrize("latency", [1, 4, 10])
def test_miss_adds_one_cycle_before_and_one_after_the_line(latency):
    """From the cycle after the look-up to the last beat memory has it; the look-up after that hits."""

    async def body(bench):
        issued = bench.now
        cycles = await bench.do(load(RAM_BASE + 0x100 + 0x1C))
        asked = bench.lines.read_log[0][0]
        assert asked == issued + 2, "the read goes out one cycle after the look-up in the memory stage"
        assert cycles == 1 + latency + 8 + 1  # look-up, latency to the first beat, beats, look-up

    simulate(body, latency=latency)


def test_dirty_victim_adds_no_cycle_to_a_fill():
    """Stores to ever new lines of one set take as long when something dirty must leave as when not."""

    async def body(bench):
        ops = [store(RAM_BASE + 0x200 * k) for k in range(8)]
        cycles = await bench.pipeline(ops)
        assert len(set(cycles)) == 1, cycles
        assert len(bench.lines.write_log) >= 5
        await bench.clean()
        bench.compare()

    simulate(body, latency=6, write_latency=8)


CYCLES = (
    (load(RAM_BASE + 2), 1),
    (load(RAM_BASE + 3, 1), 1),
    (load(RAM_BASE + 5), 2),
    (load(RAM_BASE + 61), 2),
    (store(RAM_BASE + 1, size_log2=1), 1),
    (store(RAM_BASE + 2), 3),
    (store(RAM_BASE + 63, size_log2=1), 3),
    (Op(MemoryOp.AMO_ADD, RAM_BASE + 8, 2, 0, 5), 2),
    (Op(MemoryOp.LOAD_RESERVED, RAM_BASE + 8), 1),
    (Op(MemoryOp.STORE_CONDITIONAL, RAM_BASE + 8), 1),
    (Op(MemoryOp.STORE_CONDITIONAL, RAM_BASE + 8), 2),
    (load(UART.base, 0), 3),
    (load(MASK_ROM.base + 2), 11),
    (load(0x4000_0000), 2),
)


def test_cycles_of_each_kind_with_its_lines_present():
    """What each kind of access takes; the value is checked by the bench."""

    async def body(bench):
        await bench.pipeline([load(RAM_BASE), load(RAM_BASE + 64)])
        for op, cycles in CYCLES:
            assert await bench.do(op) == cycles, op

    simulate(body)


def test_every_size_offset_and_sign_over_a_line_boundary():
    """Loads and stores of all sizes at all offsets around the boundary of two lines."""

    async def body(bench):
        ops = []
        for offset in range(54, 67):
            for size in range(3):
                ops += [store(RAM_BASE + offset, 0x8F9E_ADBC ^ offset * 0x0101_0101, size)]
                ops += [load(RAM_BASE + offset, size, 0), load(RAM_BASE + offset, size, 1 if size < 2 else 0)]
        await bench.pipeline(ops)
        await bench.clean()
        bench.compare()

    simulate(body)


def test_amo_arithmetic():
    """Every operation on values around the limits."""
    rng = seeded()
    values = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] + [rng.getrandbits(32) for _ in range(3)]
    unit = AtomicUnit()

    async def bench(ctx):
        for op in [op for op in MemoryOp if op.name.startswith("AMO")]:
            for old in values:
                for new in values:
                    ctx.set(unit.op, op)
                    ctx.set(unit.memory, old)
                    ctx.set(unit.operand, new)
                    assert ctx.get(unit.result) == amo(op, old, new), (op, hex(old), hex(new))

    run_comb(unit, bench)


def test_reservation_ends_with_conditional_store_switch_and_overwrite():
    """The store-conditional succeeds once, at the reserved word only, and never writes without a reservation."""
    a = RAM_BASE + 0x80
    reserve = Op(MemoryOp.LOAD_RESERVED, a)

    def conditional(addr, value):
        return Op(MemoryOp.STORE_CONDITIONAL, addr, wdata=value)

    async def body(bench):
        async def status(*ops):
            await bench.pipeline(ops)
            return bench.answer[0]

        assert await status(conditional(a, 1)) == 1
        assert await status(reserve, conditional(a, 2)) == 0
        assert await status(conditional(a, 3)) == 1
        assert await status(reserve, conditional(a + 4, 4)) == 1
        assert await status(conditional(a, 5)) == 1
        await bench.pipeline([reserve])
        await bench.end_reservation()
        assert await status(conditional(a, 6)) == 1
        assert await status(reserve, store(a + 1, 7, 0), conditional(a, 8)) == 1
        assert await status(reserve, store(a + 8, 9), conditional(a, 10)) == 0
        assert await status(load(a)) == 10

    simulate(body)


def test_conditional_store_without_reservation_fetches_nothing():
    """It answers 1 without asking for the line."""

    async def body(bench):
        await bench.do(Op(MemoryOp.STORE_CONDITIONAL, RAM_BASE + 0x1000))
        assert bench.answer[0] == 1 and not bench.lines.read_log

    simulate(body)


ENTRIES = (
    Entry(1, BASE, BASE, R | W, 3, XTS, key_slot=1, owner=1),
    Entry(1, BASE + 1, BASE + 1, R, 3, XTS, key_slot=1, owner=1),
    Entry(1, BASE + 2, BASE + 2, W, 3, XTS, key_slot=1, owner=1),
    Entry(1, BASE + 3, BASE + 3, R | W, 4, XTS, key_slot=2, owner=2),
    Entry(1, BASE + 4, BASE + 4, R | W | ANY, 4, XTS, key_slot=2, owner=2),
    Entry(1, BASE + 5, BASE + 5, R | X, 5, XTS, key_slot=2, owner=1),
    Entry(1, BASE + 6, BASE + 6, R, 0),
    Entry(1, BASE + 7, BASE + 7, R | W | PLAIN, 6, XTS, key_slot=2, owner=2),
    Entry(1, BASE + 8, BASE + 8, R | PLAIN, 6, XTS, key_slot=2, owner=2),
    Entry(1, BASE + 9, BASE + 9, R | W | X | PLAIN, 6, XTS, key_slot=2, owner=2),
    Entry(1, BASE + 10, BASE + 10, R | X, 7, XTS, key_slot=1, owner=1),
    Entry(1, BASE + 12, BASE + 12, R | W, 0, owner=1),
    Entry(1, BASE + 13, BASE + 13, R | W, 0, owner=2),
)
ENCRYPTED, IN_PLAIN = State(1, 1, 1, 1), State(1)
LOAD, STORE, AMO = MemoryOp.LOAD, MemoryOp.STORE, MemoryOp.AMO_SWAP


RULES = (
    (ENCRYPTED, LOAD, 0, None),
    (ENCRYPTED, STORE, 0, None),
    (ENCRYPTED, LOAD, 11, Sub.REGION_NO_ENTRY),
    (ENCRYPTED, STORE, 11, Sub.REGION_NO_ENTRY),
    (ENCRYPTED, STORE, 1, Sub.REGION_RIGHT),
    (ENCRYPTED, AMO, 1, Sub.REGION_RIGHT),
    (ENCRYPTED, LOAD, 2, Sub.REGION_RIGHT),
    (ENCRYPTED, AMO, 2, Sub.REGION_RIGHT),
    (ENCRYPTED, STORE, 2, None),
    (ENCRYPTED, LOAD, 3, Sub.REGION_OWNER),
    (ENCRYPTED, LOAD, 4, None),
    (ENCRYPTED, LOAD, 5, Sub.REGION_CODE_AS_DATA),
    (ENCRYPTED, LOAD, 6, None),
    (ENCRYPTED, STORE, 6, Sub.REGION_RIGHT),
    (ENCRYPTED, LOAD, 10, None),
    (ENCRYPTED, STORE, 12, None),
    (ENCRYPTED, STORE, 13, Sub.REGION_OWNER),
    (IN_PLAIN, STORE, 13, None),
    (IN_PLAIN, LOAD, 0, Sub.REGION_PLAIN_ACCESS),
    (IN_PLAIN, STORE, 4, Sub.REGION_PLAIN_ACCESS),
    (IN_PLAIN, STORE, 6, None),
    (IN_PLAIN, LOAD, 7, None),
    (IN_PLAIN, STORE, 7, None),
    (IN_PLAIN, STORE, 8, Sub.REGION_RIGHT),
    (IN_PLAIN, LOAD, 9, Sub.REGION_CODE_AS_DATA),
    (IN_PLAIN, LOAD, 11, None),
    (State(0), LOAD, 0, None),
)


@pytest.mark.requirement("AR-12")
def test_region_rules():
    """Each rule by itself, and what it must let through; what is refused asks nobody for anything."""

    got = []

    async def body(bench):
        for state, kind, line, rule in RULES:
            bench.set_state(state)
            reads, stores = len(bench.lines.read_log), len(bench.stores)
            await bench.do(Op(kind, RAM_BASE + 64 * line + 4, 2, 0, 0x1234))
            fault = bench.answer[1]
            assert (fault and fault[:2]) == (rule and (Cause.REGION, rule)), (state, kind, line)
            assert not rule or (len(bench.lines.read_log), len(bench.stores)) == (reads, stores)
            got.append(fault and fault[1].name)

    simulate(body, *ENTRIES)
    evidence("AR-12", [rule and rule.name for *_, rule in RULES], got)


@pytest.mark.parametrize("cached", [False, True])
def test_refused_access_leaves_no_trace_even_for_a_cached_line(cached):
    """Neither a fill nor a change of the replacement order: the next miss takes the same way as without it."""
    lines = [RAM_BASE + 0x200 * k for k in range(3)]

    def victims(refused):
        async def body(bench):
            bench.set_state(State())
            await bench.pipeline([store(lines[0]), store(lines[1])] if cached else [store(lines[1])])
            if refused:
                bench.set_state(ENCRYPTED)
                await bench.pipeline([load(lines[0], 2), store(lines[0] + 2)])
                assert bench.answer[1][1] == Sub.REGION_NO_ENTRY
                bench.set_state(State())
            await bench.pipeline([store(lines[2]), store(lines[2] + 0x200)])
            await bench.settle()

        bench = simulate(body)
        return [entry[1:] for entry in bench.lines.write_log], [entry[1:] for entry in bench.lines.read_log]

    assert victims(True) == victims(False)


SPLIT_REFUSED = (
    (RAM_BASE + 62, 2, (Sub.REGION_RIGHT, RAM_BASE + 64)),
    (RAM_BASE + 63, 1, (Sub.REGION_RIGHT, RAM_BASE + 64)),
    (RAM_BASE + 2 * 64 - 1, 2, (Sub.REGION_RIGHT, RAM_BASE + 2 * 64 - 1)),
    (RAM_BASE + 3 * 64 - 2, 2, (Sub.REGION_OWNER, RAM_BASE + 3 * 64)),
    (RAM_BASE + 11 * 64 - 3, 2, (Sub.REGION_RIGHT, RAM_BASE + 11 * 64 - 3)),
    (RAM_BASE + 12 * 64 - 3, 2, (Sub.REGION_NO_ENTRY, RAM_BASE + 12 * 64 - 3)),
)


@pytest.mark.parametrize("warm", [False, True])
def test_split_store_with_a_refused_part_changes_nothing(warm):
    """The address is that of the lower part at fault; memory and cache stay as they were."""

    async def body(bench):
        bench.set_state(ENCRYPTED)
        if warm:
            await bench.pipeline([load(RAM_BASE), load(RAM_BASE + 64)])
        reads = len(bench.lines.read_log)
        for addr, size, (rule, place) in SPLIT_REFUSED:
            await bench.do(store(addr, 0xFFFF_FFFF, size))
            assert bench.answer[1] == (Cause.REGION, rule, place) and not bench.stores
            assert len(bench.lines.read_log) == reads, "a line was fetched for an access that is not allowed"
        await bench.clean()
        assert not bench.lines.write_log
        bench.compare()

    simulate(body, *ENTRIES)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("bad", [0, 1])
def test_split_store_with_a_bad_line_changes_nothing(bad, warm):
    """Both lines are there and sound before a byte of the store takes effect."""
    bad_line = BASE + bad

    async def body(bench):
        if warm:
            await bench.do(load(RAM_BASE + 64 * (1 - bad)))
        await bench.do(store(RAM_BASE + 62, 0xFFFF_FFFF))
        assert bench.answer[1] == (Cause.STORE_FAULT, Sub.NONE, RAM_BASE + (64 if bad else 62))
        assert not bench.stores
        await bench.do(load(RAM_BASE + 62))
        assert bench.answer[1][0] == Cause.LOAD_FAULT
        await bench.clean()
        assert not bench.lines.write_log
        bench.compare()

    simulate(body, bad_lines=(bad_line,))


UNREACHABLE = (
    (load(0), Cause.LOAD_FAULT, None),
    (store(0x4000_0000), Cause.STORE_FAULT, None),
    (load(RAM_BASE + (1 << 20)), Cause.LOAD_FAULT, None),
    (load(RAM_BASE + (1 << 20) - 2), Cause.LOAD_FAULT, RAM_BASE + (1 << 20)),
    (store(RAM_BASE - 2), Cause.STORE_FAULT, None),
    (load(0xFFFF_FFFE), Cause.LOAD_FAULT, None),
    (store(MASK_ROM.base), Cause.STORE_FAULT, None),
    (load(MASK_ROM.end - 2), Cause.LOAD_FAULT, MASK_ROM.end),
    (load(UART.base + 1, 1), Cause.LOAD_FAULT, None),
    (store(UART.base + 2), Cause.STORE_FAULT, None),
    (Op(MemoryOp.LOAD_RESERVED, UART.base), Cause.LOAD_FAULT, None),
    (Op(MemoryOp.STORE_CONDITIONAL, UART.base), Cause.STORE_FAULT, None),
    (Op(MemoryOp.AMO_ADD, MASK_ROM.base), Cause.STORE_FAULT, None),
    (Op(MemoryOp.LOAD_RESERVED, RAM_BASE + 2), Cause.LOAD_MISALIGNED, None),
    (Op(MemoryOp.STORE_CONDITIONAL, RAM_BASE + 1), Cause.STORE_MISALIGNED, None),
    (Op(MemoryOp.AMO_OR, UART.base + 3), Cause.STORE_MISALIGNED, None),
)


def test_physical_map_refuses_before_any_bus_cycle():
    """Unmapped, read-only, misaligned on devices, atomics elsewhere than in RAM."""

    async def body(bench):
        for op, cause, addr in UNREACHABLE:
            await bench.do(op)
            assert bench.answer[1] == (cause, Sub.NONE, op.addr if addr is None else addr), op
        assert not bench.lines.read_log and not bench.devices.log and not bench.stores

    simulate(body)


def test_device_access_happens_once_with_its_lanes_and_nothing_else_of_the_register():
    """Every aligned lane, with wait states; a bus error is an access fault and no store."""
    rng = seeded()

    async def body(bench):
        for size in range(3):
            for lane in range(0, 4, 1 << size):
                await bench.pipeline([store(UART.base + lane, 0xA1B2_C3D4, size), load(UART.base + lane, size)])
        await bench.pipeline([store(UART.base + 8), load(UART.base + 8)])
        assert bench.answer[1] == (Cause.LOAD_FAULT, Sub.NONE, UART.base + 8)
        for _, write, strobe, data in bench.devices.log:
            lanes = sum(0xFF << 8 * k for k in range(4) if strobe >> k & 1)
            assert not write or data & ~lanes == 0

    simulate(body, bad_devices=(UART.base + 8,), rng=rng, waits=0.6)
