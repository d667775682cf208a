"""cocotb side of ``test_line_cipher.py``: lines through the cipher to an AXI4 memory of ``cocotbext-axi``."""

import cocotb
from cocotb.triggers import with_timeout
from line_cipher_bench import FIRST_LINE, OPEN, PROTECTED, SLOTS, USABLE, Bench

PLAIN_CYCLES = 300  #: more than a read and a write together take without wait states


async def soon(task, cycles: int = PLAIN_CYCLES):
    """The task's result, within ``cycles`` of 10 ns."""
    return await with_timeout(task, 10 * cycles, "ns")


async def exercise(bench: Bench, count: int) -> None:
    """Random reads and writes, some at the same time, against a dictionary; the memory is checked each time."""
    rng, known = bench.rng, {}
    for _ in range(count):
        line, domain = FIRST_LINE + rng.randrange(24), rng.choice(USABLE)
        data = rng.randbytes(64)
        beside = None
        others = [n for n in known if n != line]
        slot = await bench.fill(line, domain)
        announced = await bench.announce(slot)
        await bench.cycles(rng.choice((0, 0, 1, 5)))
        if others and rng.random() < 0.7:
            other = rng.choice(others)  # half of them take the slot of the line that is to be written
            to = rng.choice((slot, slot, None, rng.randrange(SLOTS)))
            beside = cocotb.start_soon(bench.read(other, known[other][0], to))
        await bench.request(line, domain, announced)
        await bench.cycles(rng.choice((0, 0, 3, 30)))
        assert await bench.send(data, domain)
        known[line] = (domain, data)
        assert bench.held(line) == bench.sealed(line, domain, data)
        if beside:
            assert await beside == (known[other][1], False)
        assert await bench.read(line, domain) == (data, False)
        if domain and not OPEN:
            wrong = rng.choice([d for d in PROTECTED if d != domain])
            got = await bench.read(line, wrong)
            assert got == (bench.opened(line, wrong), False) and got[0] != data
    bench.close()


@cocotb.test()
async def lines_round_trip_without_wait_states(dut):
    bench = Bench(dut)
    await bench.start()
    await exercise(bench, 50)


@cocotb.test()
async def lines_round_trip_with_wait_states(dut):
    bench = Bench(dut, 40)
    await bench.start()
    await exercise(bench, 50)


@cocotb.test()
async def streams_of_lines_use_their_own_tweaks(dut):
    """Three streams in turn, some lines in order and some not, all sealed by the model."""
    bench = Bench(dut, 10)
    await bench.start()
    streams = {1: FIRST_LINE, 2: FIRST_LINE + 0x100, 4: FIRST_LINE + 0x200}
    known = {(d, first + n): bench.preload(first + n, d) for d, first in streams.items() for n in range(12)}
    at = dict(streams)
    for _ in range(120):
        domain = bench.rng.choice(list(streams))
        line = at[domain]
        assert await bench.read(line, domain) == (known[domain, line], False)
        step = bench.rng.choice((1, 1, 1, 1, 0, -1, 5))
        at[domain] = streams[domain] + (line - streams[domain] + step) % 12
    for domain in (1, 3):  # one physical line, one key, two tags: only the domain tells the tweaks apart
        assert await bench.read(FIRST_LINE + 3, domain) == (bench.opened(FIRST_LINE + 3, domain), False)
    bench.close()


@cocotb.test(skip=OPEN)
async def unusable_domains_never_reach_the_bus(dut):
    """Domains without row, with an empty slot, or with an algorithm the engine lacks are refused."""
    bench = Bench(dut, 20)
    await bench.start()
    bench.preload(FIRST_LINE, 1)
    before, data = bench.held(FIRST_LINE), bytes(range(64))
    for domain in (5, 6, 7, 15):
        assert await bench.read(FIRST_LINE, domain) == (bytes(64), True)
        assert not await bench.write(FIRST_LINE, domain, data)
        assert bench.held(FIRST_LINE) == before
    assert bench.words == 0
    assert await bench.write(FIRST_LINE, 1, data)
    assert await bench.read(FIRST_LINE, 1) == (data, False)
    # A row of before a reset is void, even when its slot has its key again.
    await bench.start(domains=(2,))
    seen = bench.words
    assert await bench.read(FIRST_LINE, 1) == (bytes(64), True)
    assert not await bench.write(FIRST_LINE, 1, data)
    assert bench.words == seen
    assert await bench.read(FIRST_LINE, 2) == (bench.opened(FIRST_LINE, 2), False)
    bench.close()


@cocotb.test()
async def bus_errors_are_reported(dut):
    """One bad word among the eight marks the line's last beat, and a write's acknowledgement; the next line is good."""
    bench = Bench(dut, 10)
    await bench.start()
    for domain in USABLE:
        data = bench.preload(FIRST_LINE, domain)
        slot = await bench.fill(FIRST_LINE, domain)
        for bad in range(8):
            bench.failing = {(FIRST_LINE << 6) + 8 * bad}
            assert (await bench.read(FIRST_LINE, domain))[1], f"domain {domain}, word {bad}: the error is lost"
            if bad in (0, 3, 7):
                assert not await bench.write(FIRST_LINE, domain, data, slot), f"domain {domain}, word {bad}: error lost"
            bench.failing = set()
            assert await bench.read(FIRST_LINE, domain) == (data, False)
        assert await bench.write(FIRST_LINE, domain, data)
    bench.close()


@cocotb.test(skip=OPEN)
async def a_domain_installed_anew_forgets_its_tweaks(dut):
    """At every cycle from a read's request on: neither its tweak nor the foreseen one outlives the row."""
    bench = Bench(dut)
    await bench.start()
    for domain in (1, 2):
        for delay in range(50):
            line = FIRST_LINE + 2 * delay
            old = bench.preload(line, domain)
            reading = cocotb.start_soon(bench.read(line, domain))
            await bench.cycles(delay)
            await bench.install(domain, bench.rng.getrandbits(32))
            assert await reading == (old, False)  # it was taken under the old row
            for n in bench.rng.sample((line, line + 1), 2):
                new = bench.preload(n, domain)
                assert await bench.read(n, domain) == (new, False), f"domain {domain}, installed after {delay} cycles"
    bench.close()


@cocotb.test()
async def a_write_waits_for_its_words_while_lines_are_read(dut):
    """Announced long before: until its words come, memory keeps the old line, and reads go on."""
    bench = Bench(dut, 20)
    await bench.start()
    known = {FIRST_LINE + n: (d, bench.preload(FIRST_LINE + n, d)) for n, d in enumerate(USABLE * 2)}
    for domain in USABLE:
        for line in list(known)[::3]:
            await bench.begin(line, domain, await bench.fill(line, domain))
            for n in [line, *bench.rng.sample(list(known), 3), line]:
                assert await bench.read(n, known[n][0]) == (known[n][1], False)
            data = bench.rng.randbytes(64)
            other = bench.rng.choice([n for n in known if n != line])
            beside = cocotb.start_soon(bench.read(other, known[other][0]))
            await bench.cycles(bench.rng.randrange(30))
            assert await bench.send(data, domain)
            assert await beside == (known[other][1], False)
            assert bench.held(line) == bench.sealed(line, domain, data)
            known[line] = domain, data
            assert await bench.read(line, domain) == (data, False)
    bench.close()


@cocotb.test()
async def a_stalled_channel_does_not_stop_the_other_direction(dut):
    """A stall on R before the write holds the engine, on AW, W or B after it: the other line goes through."""
    bench = Bench(dut)
    await bench.start()
    here, there = FIRST_LINE, FIRST_LINE + 9
    for writing in USABLE:
        for reading in USABLE:
            expected, data = bench.preload(there, reading), bench.rng.randbytes(64)
            # A read whose data does not come leaves the engine to a write that was announced before.
            slot = await bench.fill(here, writing)
            bench.channels["r"].pause = True
            await bench.begin(here, writing, slot)
            read = cocotb.start_soon(bench.read(there, reading))
            await bench.cycles(bench.rng.randrange(40))
            assert await soon(cocotb.start_soon(bench.send(data, writing)))
            assert bench.held(here) == bench.sealed(here, writing, data)
            bench.channels["r"].pause = False
            assert await soon(read) == (expected, False)
            # A write that the memory does not take, or not acknowledge, leaves the engine to a read.
            for name in ("aw", "w", "b"):
                data = bench.rng.randbytes(64)
                slot = await bench.fill(here, writing)
                bench.channels[name].pause = True
                await bench.begin(here, writing, slot)
                write = cocotb.start_soon(bench.send(data, writing))
                await bench.cycles(bench.rng.randrange(40))
                assert await soon(cocotb.start_soon(bench.read(there, reading))) == (expected, False)
                assert not write.done()
                bench.channels[name].pause = False
                assert await soon(write)
                assert bench.held(here) == bench.sealed(here, writing, data)
    bench.close()


@cocotb.test()
async def a_write_behind_a_stalled_read_goes_on_with_it(dut):
    """A read that has the engine and gets no data holds a write up, but for no longer than its data."""
    bench = Bench(dut)
    await bench.start()
    for writing in USABLE:
        for reading in USABLE:
            expected, data = bench.preload(FIRST_LINE + 9, reading), bench.rng.randbytes(64)
            slot = await bench.fill(FIRST_LINE, writing)
            bench.channels["r"].pause = True
            read = cocotb.start_soon(bench.read(FIRST_LINE + 9, reading))
            await bench.cycles(bench.rng.randrange(30))
            await bench.begin(FIRST_LINE, writing, slot)
            write = cocotb.start_soon(bench.send(data, writing))
            await bench.cycles(100)
            bench.channels["r"].pause = False
            assert await soon(read) == (expected, False)
            assert await soon(write)
            assert bench.held(FIRST_LINE) == bench.sealed(FIRST_LINE, writing, data)
    bench.close()


async def send_in_turn(bench: Bench, lines: list[tuple[int, int, int, bytes]]) -> None:
    """Request and send lines that were announced, given as line, domain, place, contents."""
    for line, domain, place, data in lines:
        await bench.request(line, domain, place)
        assert await bench.send(data, domain)
        assert bench.held(line) == bench.sealed(line, domain, data), f"line {line:#x} of domain {domain}"


@cocotb.test()
async def slots_filled_anew_before_their_lines_are_written(dut):
    """Two lines announced, then both slots filled with others: each leaves with its own tweak, alias or not.

    The fill begins from one cycle before the announcement, as in the data side, to later.
    """
    bench = Bench(dut, 10)
    await bench.start()
    for n in range(60):
        lines = bench.rng.sample(range(FIRST_LINE, FIRST_LINE + 16), 4)
        domains = [bench.rng.choice(USABLE) for _ in lines]
        if n % 3 == 0:  # the second slot's new line is the old one itself, under another domain
            lines[3], domains[3] = lines[1], (domains[1] + 1) % len(USABLE)
        contents = [bench.preload(line, domain) for line, domain in zip(lines[:3], domains, strict=False)]
        for slot in range(2):
            assert await bench.read(lines[slot], domains[slot], slot) == (contents[slot], False)
        leaving = []
        for slot in range(2):
            new = lines[slot + 2], domains[slot + 2]
            expected = bench.opened(*new)
            reading = cocotb.start_soon(bench.read(*new, slot))
            await bench.cycles(bench.rng.choice((0, 0, 1))) if n % 2 else None
            place = await bench.announce(slot)
            leaving.append((lines[slot], domains[slot], place, bench.rng.randbytes(64)))
            assert await reading == (expected, False)
        await send_in_turn(bench, leaving)
    bench.close()


@cocotb.test()
async def a_line_stays_in_its_slot_when_it_was_cleaned(dut):
    """Written back, again and again, while others come and go in other slots, a reset between: right each time."""
    bench = Bench(dut, 10)
    await bench.start()
    for turn in range(3):
        for slot, domain in enumerate(USABLE):
            line = FIRST_LINE + slot + turn
            expected = bench.preload(line, domain)
            assert await bench.read(line, domain, slot) == (expected, False)
        for _ in range(20):
            slot = bench.rng.randrange(len(USABLE))
            line, domain = bench.slots[slot]
            place = await bench.announce(slot)
            await bench.cycles(2)
            await send_in_turn(bench, [(line, domain, place, bench.rng.randbytes(64))])
            other = bench.rng.randrange(3)
            expected = bench.opened(FIRST_LINE + 30, PROTECTED[other])
            assert await bench.read(FIRST_LINE + 30, PROTECTED[other], SLOTS + other) == (expected, False)
        await bench.start()
    bench.close()


@cocotb.test(skip=OPEN)
async def a_read_follows_a_write_through_the_engine(dut):
    """Its lanes start as those of the write become free: 12 cycles (16) from the last word of one to that of the
    other.
    """
    bench = Bench(dut)
    await bench.start()
    for writing, reading, apart in ((1, 3, 12), (3, 1, 12), (2, 4, 16)):
        expected, data = bench.preload(FIRST_LINE + 9, reading), bench.rng.randbytes(64)
        await bench.begin(FIRST_LINE, writing, await bench.fill(FIRST_LINE, writing))
        write = cocotb.start_soon(bench.send(data, writing))
        read = cocotb.start_soon(bench.read(FIRST_LINE + 9, reading))
        last = await bench.last_word_sent() - 1  # it stood in the buffer for one cycle
        assert await read == (expected, False)
        assert bench.now() - 1 - last == apart, f"{writing}, {reading}: {bench.now() - 1 - last} cycles"
        assert await write
        assert bench.held(FIRST_LINE) == bench.sealed(FIRST_LINE, writing, data)
    bench.close()
