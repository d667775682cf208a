"""cocotb side of ``test_sdram.py``: AXI4 traffic of every kind through the controller to the chip model."""

import random

import cocotb
from cocotb.triggers import with_timeout
from sdram_driver import FIXED, INCR, RAM_BASE, SEED, TIMEOUT_CYCLES, WRAP, Bench, Burst, random_burst

ROW_BYTES = {32 << 20: 1024, 64 << 20: 2048}


async def soon(awaited, cycles: int = TIMEOUT_CYCLES):
    """What is awaited, within ``cycles`` of 10 ns."""
    return await with_timeout(awaited, 10 * cycles, "ns")


def regions(bench: Bench) -> list[int]:
    """Places that meet in banks and rows: the lowest ones, the highest, and some 64 KiB apart."""
    places = (0, 0x1_0000, 0x2_1000, 0x10_0000, bench.size_bytes - 0x1000)
    return list(dict.fromkeys(RAM_BASE + n % bench.size_bytes for n in places))


async def traffic(bench: Bench, count: int) -> None:
    """Random bursts of both directions at the same time: each reads or writes a page of its own at that moment."""
    rng, pages = bench.rng, regions(bench)
    for _ in range(count):
        here, there, third = rng.sample(pages, 3)
        reads = [random_burst(rng, here, 0x1000, rng.randrange(4)) for _ in range(rng.randrange(4))]
        writes = [random_burst(rng, page, 0x1000, rng.randrange(4)) for page in (there, third)[: rng.randrange(3)]]
        for burst in reads:
            bench.ask(burst)
        for burst in writes:
            if rng.random() < 0.3:  # data before the address
                bench.put(burst, address=False)
                await bench.wait(rng.randrange(12))
                bench.put(burst, data=False)
            else:
                bench.put(burst)
        for burst in reads:
            await soon(bench.beats(burst))
        for burst in writes:
            await soon(bench.answer(burst))
        await bench.wait(rng.choice((0, 0, 0, 7)))
    for page in pages:
        await soon(bench.read(Burst(page + 0x3C0, 8)))


@cocotb.test()
async def every_kind_of_burst_without_wait_states(dut):
    bench = Bench(dut)
    await bench.start()
    for page in regions(bench):
        bench.fill(page, bench.rng.randbytes(0x1000))
    await traffic(bench, 150)
    await bench.close("bursts")


@cocotb.test()
async def every_kind_of_burst_with_wait_states(dut):
    bench = Bench(dut, 40)
    await bench.start()
    for page in regions(bench):
        bench.fill(page, bench.rng.randbytes(0x1000))
    await traffic(bench, 150)
    await bench.close("waits")


@cocotb.test()
async def a_master_of_other_peoples_making(dut):
    """``AxiMaster`` cuts transfers of any length and alignment into bursts of its own; four work side by side."""
    bench = Bench(dut, 20, master=True)
    await bench.start()

    async def worker(number: int) -> None:
        rng = random.Random(SEED * 10 + number)
        low, image = RAM_BASE + 0x4000 * number, bytearray(0x2000)
        await bench.master.write(low, bytes(0x2000))
        for _ in range(25):
            at = rng.randrange(0x1F00)
            size = rng.choice((rng.randrange(1, 9), 64, rng.randrange(1, 0x100)))
            narrow = rng.choice((None, None, 0, 1, 2))
            if rng.random() < 0.5:
                data = rng.randbytes(size)
                await bench.master.write(low + at, data, size=narrow)
                image[at : at + size] = data
            else:
                got = await bench.master.read(low + at, size, size=narrow)
                assert got.data == bytes(image[at : at + size]), f"worker {number}, {at:#x}, {size} bytes"

    workers = [cocotb.start_soon(worker(n)) for n in range(4)]
    for task in workers:
        await soon(task, 200_000)
    await bench.close("master")


@cocotb.test()
async def lines_take_their_cycles(dut):
    """A line of eight beats: to its first beat, and from beat to beat, for each state of its row."""
    bench = Bench(dut)
    await bench.start()
    t, row = bench.cycles, ROW_BYTES[bench.size_bytes]
    far = RAM_BASE + 16 * row  # the same bank, another row
    for base in (RAM_BASE, far):
        bench.fill(base, bench.rng.randbytes(512))
    await bench.read(Burst(RAM_BASE))  # waits for the power-up too

    async def measure(burst: Burst) -> tuple[int, int]:
        """Cycles from the acceptance of the address to the first beat, and from there to the last."""
        bench.ask(burst)
        at = {}
        for _ in range(200):
            await bench.wait(1)
            # Values before this edge: those of the cycle that it ends.
            if int(dut.axi__arvalid.value) and int(dut.axi__arready.value):
                at["ask"] = bench.now()
            if int(dut.axi__rvalid.value) and int(dut.axi__rready.value):
                at.setdefault("first", bench.now())
                at["last"] = bench.now()
                if int(dut.axi__rlast.value):
                    break
        await bench.beats(burst)
        return at["first"] - at["ask"], at["last"] - at["first"]

    async def best(make) -> tuple[int, int]:
        """The least of some, since a refresh may come between."""
        found = []
        for _ in range(6):
            await make()
            found.append(await measure(Burst(RAM_BASE + 64)))
        return min(found)

    async def hit():
        await bench.read(Burst(RAM_BASE))

    async def conflict():
        await bench.read(Burst(far))
        await bench.wait(10)

    async def after_refresh():
        before = bench.chip.counters["refreshes"]
        while bench.chip.counters["refreshes"] == before:
            await bench.wait(1)
        await bench.wait(t.rfc + 4)

    first_hit, rest = await best(hit)
    first_closed, _ = await best(after_refresh)
    first_conflict, _ = await best(conflict)
    assert (first_hit, rest) == (t.capture + 5, 28)
    assert first_closed == first_hit + t.rcd
    assert first_conflict == first_hit + t.rp + t.rcd
    await bench.close("lines", hit=first_hit, closed=first_closed, conflict=first_conflict, beats=rest)


async def stream(bench: Bench, bursts: list[Burst], write: bool = False) -> int:
    """Cycles from the first address to the last answer, all asked for at once."""
    begin = bench.now()
    for burst in bursts:
        (bench.put if write else bench.ask)(burst)
    for burst in bursts:
        await soon(bench.answer(burst) if write else bench.beats(burst))
    cycles = bench.now() - begin
    await bench.wait(6)  # the last words of a write are still to cross the pads
    return cycles


@cocotb.test()
async def lines_follow_each_other_without_a_gap(dut):
    """Sequential lines use every cycle of the data pads, rows change meanwhile; only refreshes and turns cost."""
    bench = Bench(dut)
    await bench.start()
    bench.fill(RAM_BASE, bench.rng.randbytes(0x8000))
    await bench.read(Burst(RAM_BASE))
    lines = [Burst(RAM_BASE + 64 * n, ident=n % 4) for n in range(256)]
    before = bench.chip.counters
    reading = await stream(bench, lines)
    between = bench.chip.counters
    writing = await stream(bench, lines, write=True)
    after = bench.chip.counters
    used = {}
    for name, cycles, old, new in (("read", reading, before, between), ("write", writing, between, after)):
        t = bench.cycles
        data = new["data_cycles"] - old["data_cycles"]
        refreshes = new["refreshes"] - old["refreshes"]
        assert data == 256 * 32
        # A refresh: what is under way ends, all banks close, and the row of the next line opens.
        assert cycles <= data + refreshes * (4 + t.wr + t.rp + t.rfc + t.rcd + 4) + 24, f"{name}: {cycles} cycles"
        used[name] = data / cycles
    await bench.close("stream", **used)


@cocotb.test()
async def refresh_is_never_late_under_full_load(dut):
    """Long bursts of both directions, never a free cycle; the chip checks the pace of the refreshes."""
    bench = Bench(dut)
    await bench.start()
    rows = [RAM_BASE + 0x1000 * n for n in range(4)]
    bench.fill(RAM_BASE, bench.rng.randbytes(0x4000))
    before = bench.now()
    for _ in range(6):
        page = bench.rng.choice(rows)
        others = [bench.rng.choice([r for r in rows if r != page]) for _ in range(2)]
        bench.put(Burst(page, 256, ident=1))
        for other in others:
            bench.ask(Burst(other, 256, ident=2))
        for other in others:
            await soon(bench.beats(Burst(other, 256, ident=2)))
        await soon(bench.answer(Burst(page, 256, ident=1)))
    passed = bench.now() - before
    count = bench.chip.counters["refreshes"] - bench.cycles.power_up_refreshes
    assert passed > 15_000 and count >= passed // bench.cycles.refresh - 2
    await bench.close("refresh", cycles=passed)


@cocotb.test()
async def a_stalled_channel_does_not_stop_the_other_direction(dut):
    """Reads that nobody takes, writes without data, and answers that nobody takes."""
    bench = Bench(dut)
    await bench.start()
    here, there = RAM_BASE, RAM_BASE + 0x3000
    bench.fill(here, bench.rng.randbytes(0x1000))
    bench.fill(there, bench.rng.randbytes(0x1000))
    await bench.read(Burst(here))
    bench.r.pause = True
    reads = [Burst(here + 64 * n, ident=n % 4) for n in range(6)]
    for burst in reads:
        bench.ask(burst)
    await bench.wait(200)
    for n in range(4):
        await soon(bench.write(Burst(there + 64 * n)), 500)
    bench.r.pause = False
    for burst in reads:
        await soon(bench.beats(burst), 500)
    for given in (0, 1, 5):  # a write with some of its beats
        burst = Burst(there + 0x400 + 64 * given)
        bench.put(burst, data=False)
        bench.put_data(burst, given)
        await bench.wait(50)
        for n in range(3):
            await soon(bench.read(Burst(here + 64 * n)), 500)
        bench.put_data(burst, skip=given)
        await soon(bench.answer(burst), 500)
    bench.b.pause = True
    writes = [Burst(there + 64 * n, ident=n) for n in range(4)]
    for burst in writes:
        bench.put(burst)
    await bench.wait(300)
    for n in range(3):
        await soon(bench.read(Burst(here + 64 * n)), 500)
    bench.b.pause = False
    for burst in writes:
        await soon(bench.answer(burst), 500)
    await bench.close("stalls")


@cocotb.test()
async def an_acknowledged_write_is_seen_by_the_next_read(dut):
    """Also when the read is asked for in the cycle of the acknowledgement, in the same row or another."""
    bench = Bench(dut, 10)
    await bench.start()
    for n in range(60):
        addr = RAM_BASE + bench.rng.choice((0, 0x40, 0x400, 0x4000)) + 8 * n
        burst = random_burst(bench.rng, RAM_BASE + 0x1000 * (n % 7), 0x1000, n % 4)
        await soon(bench.write(burst))
        await soon(bench.read(burst))
        await soon(bench.write(Burst(addr, 1)))
        await soon(bench.read(Burst(addr, 1)))
    await bench.close("order")


@cocotb.test()
async def beyond_the_chip_is_a_decode_error(dut):
    """Below, above, and between good ones; nothing of it reaches the chip."""
    bench = Bench(dut, 20)
    await bench.start()
    end = RAM_BASE + bench.size_bytes
    bench.fill(RAM_BASE, bench.rng.randbytes(0x1000))
    bench.fill(end - 0x1000, bench.rng.randbytes(0x1000))
    good = [Burst(RAM_BASE, ident=1), Burst(end - 64, ident=2), Burst(end - 8, 1, ident=3)]
    bad = [
        Burst(RAM_BASE - 64),
        Burst(end, 8, ident=2),
        Burst(0, 2),
        Burst(end, 3, 0, FIXED),
        Burst(0xFFFF_FF80, 16, 3, WRAP),
    ]
    for _ in range(20):
        reads = [bench.rng.choice(good + bad) for _ in range(4)]
        for burst in reads:
            bench.ask(burst)
        for burst in reads:
            await soon(bench.beats(burst))
        commands = bench.chip.counters["writes"]
        wrong = bench.rng.choice(bad)
        await soon(bench.write(wrong))
        assert bench.chip.counters["writes"] == commands
        await soon(bench.write(bench.rng.choice(good)))
    await bench.close("outside")


@cocotb.test()
async def a_reset_in_the_middle_of_it_starts_anew(dut):
    """Rows are open and words on their way; the chip is set up again by the book and keeps its contents."""
    bench = Bench(dut)
    await bench.start()
    bench.fill(RAM_BASE, bench.rng.randbytes(0x1000))
    for cycles in (150, 233, 301):
        await bench.wait(cycles)
        bench.ask(Burst(RAM_BASE + 64, 64, kind=INCR))
        await bench.wait(40)
        dut.rst.value = 1
        await bench.wait(bench.rng.randrange(1, 9))
        for channel in (bench.ar, bench.r):
            channel.clear()
        dut.rst.value = 0
        await bench.wait(2)
        await soon(bench.read(Burst(RAM_BASE + 0x80)))
    await bench.close("reset")
