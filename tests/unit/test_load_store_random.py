"""Random mixes of accesses through the data side, against a reference memory: sizes, alignments, domains, aliases,
faults.
"""

import pytest
from amaranth_bench import seeded
from data_side_bench import Bench, Entry, Op, State

from hakone.bus.core_ports import MemoryOp
from hakone.isa.formats import Algorithm, RegionFlag
from hakone.isa.platform import CLINT, MASK_ROM, RAM_BASE, UART

RAM_BYTES = 1 << 20
BASE = RAM_BASE >> 6
R, W, X = RegionFlag.READ, RegionFlag.WRITE, RegionFlag.EXECUTE
PLAIN, ANY = RegionFlag.PLAIN_ACCESS, RegionFlag.ANY_OWNER
XTS = Algorithm.AES128_XTS


def _tables(set_lines):
    """Entries of three contexts over the same few lines, so that every set sees aliases and neighbours of all kinds."""
    far = BASE + 4 * set_lines
    return (
        Entry(1, BASE, BASE + 3, R | W, 3, XTS, key_slot=1, owner=1),
        Entry(1, BASE + 4, BASE + 4, R, 3, XTS, key_slot=1, owner=1),
        Entry(1, BASE + 5, BASE + 5, R | X, 4, XTS, key_slot=2, owner=1),
        Entry(1, BASE + 6, BASE + 6, R | W, 0),
        Entry(1, BASE + 7, BASE + 7, R, 0),
        Entry(1, far, far + 7, R | W | PLAIN | ANY, 5, XTS, key_slot=2, owner=2),
        Entry(1, UART.base >> 6, UART.base >> 6, R | W, 0),
        Entry(1, MASK_ROM.base >> 6, (MASK_ROM.end >> 6) - 1, R | W, 0),
        Entry(2, BASE, BASE + 3, R | W, 6, XTS, key_slot=3, owner=2),
        Entry(2, far, far + 3, R | W | X, 5, XTS, key_slot=3, owner=2),
        Entry(2, far + 4, far + 7, R | W | X | PLAIN, 5, XTS, key_slot=4, owner=2),
    )


STATES = (State(0), State(1), State(1, 1, 1, 1), State(2, 1, 3, 2), State(2))


def _op(rng, set_lines):
    """An instruction at an address where something can go wrong."""
    place = rng.random()
    if place < 0.85:
        line = BASE + rng.choice((0, 1, 2)) * 2 * set_lines + rng.randrange(8)
        addr = (line << 6) + rng.randrange(64)
        if rng.random() < 0.25:
            addr = (line << 6) + 64 - rng.randrange(4)
    elif place < 0.93:
        window = rng.choice((UART, CLINT, MASK_ROM))
        addr = window.base + rng.choice((0, 4, 8, window.bytes - 4)) + rng.choice((0, 0, 0, 1, 2, 3))
    else:
        addr = rng.choice((RAM_BASE + RAM_BYTES, RAM_BASE, 0x4000_0000, 0, 1 << 32)) - rng.randrange(4) & 0xFFFF_FFFF
    kind = rng.random()
    op = MemoryOp.LOAD if kind < 0.4 else MemoryOp.STORE if kind < 0.8 else rng.choice(list(MemoryOp))
    if op not in (MemoryOp.LOAD, MemoryOp.STORE):
        return Op(op, addr & ~(3 if rng.random() < 0.9 else 0), 2, 0, rng.getrandbits(32))
    size = rng.randrange(3)
    if rng.random() < 0.5:
        addr &= ~((1 << size) - 1)
    return Op(op, addr, size, rng.getrandbits(1) if size < 2 else 0, rng.getrandbits(32))


def _fetches(set_lines):
    """Lines that the instruction cache asks for: the same as the data, under every domain that touches them."""

    def choose(rng):
        if rng.random() < 0.1:
            return MASK_ROM.base >> 6, 0
        line = BASE + rng.choice((0, 1, 2)) * 2 * set_lines + rng.randrange(8)
        return line, rng.choice((0, 3, 4, 5, 6))

    return choose


@pytest.mark.long
@pytest.mark.parametrize(("cache_bytes", "ways"), [(1024, 2), (8192, 2), (1024, 1), (1024, 4)])
def test_random_accesses_with_aliases_and_fetches(cache_bytes, ways):
    """Values, faults, store records, device accesses and the final memory are those of the reference."""
    rng = seeded(cache_bytes + ways)
    set_lines = cache_bytes // ways // 64
    bench = Bench(
        _tables(set_lines),
        cache_bytes,
        ways,
        RAM_BYTES,
        bad_lines=(BASE + 2 * set_lines + 5,),
        bad_devices=(CLINT.base,),
        rng=rng,
        latency=rng.choice((1, 5, 12)),
        write_latency=rng.choice((2, 6, 25)),
        one_write=rng.choice((False, True)),
        gaps=rng.choice((0, 0.2, 0.6)),
        waits=0.3,
        rate=rng.choice((0.002, 0.02, 0.1)),
        choose=_fetches(set_lines),
        patience=12,
    )

    async def body(bench):
        for _ in range(rng.randrange(70)):  # the first accesses may come while the tags are still being cleared
            bench.set_state(State())
            await bench.tick()
        for _ in range(24):
            bench.set_state(rng.choice(STATES))
            # Cleaning begins or stops at any moment, also while it runs; at the end it must still be complete.
            for control in (bench.unit.port.clean_start, bench.unit.port.clean_abort):
                bench.ctx.set(control, rng.random() < 0.15)
            await bench.end_reservation()
            for control in (bench.unit.port.clean_start, bench.unit.port.clean_abort):
                bench.ctx.set(control, 0)
            ops = []
            for _ in range(rng.randrange(1, 16)):
                op = _op(rng, set_lines)
                ops.append(op)
                if op.op == MemoryOp.LOAD_RESERVED:
                    ops.append(
                        Op(MemoryOp.STORE_CONDITIONAL, op.addr ^ rng.choice((0, 0, 0, 4)), wdata=rng.getrandbits(32))
                    )
            await bench.pipeline(ops)
        await bench.settle()
        await bench.clean()
        bench.compare()
        assert bench.lines.write_log

    bench.run(body)
