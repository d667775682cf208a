"""Key store: expansion on the examples of FIPS 197, what is refused, and what is left after an erasure."""

import pytest
from amaranth import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth_bench import run, seeded
from test_aes_lane import install, until

from hakone.crypto.aes_tables import multiply
from hakone.crypto.key_store import KeyStore
from hakone.isa.formats import Algorithm

#: Key and the words that follow it: FIPS 197, A.1 and A.3.
SCHEDULES = {
    "A.1": (
        "2b7e151628aed2a6abf7158809cf4f3c",
        """a0fafe17 88542cb1 23a33939 2a6c7605 f2c295f2 7a96b943 5935807a 7359f67f 3d80477d 4716fe3e 1e237e44 6d7a883b
        ef44a541 a8525b7f b671253b db0bad00 d4d1c6f8 7c839d87 caf2b8bc 11f915bc 6d88a37a 110b3efd dbf98641 ca0093fd
        4e54f70e 5f5fc9f3 84a64fb2 4ea6dc4f ead27321 b58dbad2 312bf560 7f8d292f ac7766f3 19fadc21 28d12941 575c006e
        d014f9a8 c9ee2589 e13f0cc8 b6630ca6""",
    ),
    "A.3": (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        """9ba35411 8e6925af a51a8b5f 2067fcde a8b09c1a 93d194cd be49846e b75d5b9a d59aecb8 5bf3c917 fee94248 de8ebe96
        b5a9328a 2678a647 98312229 2f6c79b3 812c81ad dadf48ba 24360af2 fab8b464 98c5bfc9 bebd198e 268c3ba7 09e04214
        68007bac b2df3316 96e939e4 6c518d80 c814e204 76a9fb8a 5025c02d 59c58239 de136967 6ccc5a71 fa256395 9674ee15
        5886ca5d 2e2f31d7 7e0af1fa 27cf73c3 749c47ab 18501dda e2757e4f 7401905a cafaaae3 e4d59b34 9adf6ace bd10190d
        fe4890d1 e6188d0b 046df344 706c631e""",
    ),
}
DATA, TWEAK = 0, 4  # names of ports


def _round_keys(example):
    """Key bytes and the list of round keys, 16 bytes each."""
    key, words = SCHEDULES[example]
    text = bytes.fromhex(key) + bytes.fromhex("".join(words.split()))
    return bytes.fromhex(key), [text[n : n + 16] for n in range(0, len(text), 16)]


def _inverse_mix(block):
    """InvMixColumns as FIPS 197, 5.3.3 writes it."""
    rows = ((14, 11, 13, 9), (9, 14, 11, 13), (13, 9, 14, 11), (11, 13, 9, 14))
    out = []
    for column in range(4):
        for row in rows:
            products = [multiply(factor, block[4 * column + n]) for n, factor in enumerate(row)]
            out.append(products[0] ^ products[1] ^ products[2] ^ products[3])
    return bytes(out)


async def _read(ctx, store, port, slot, index, inverse=0):
    """One round key through a port: 0 to 3, or ``TWEAK``."""
    reader = store.tweak_keys if port == TWEAK else store.data_keys[port]
    ctx.set(reader.addr, {"slot": slot, "index": index, "inverse": inverse})
    ctx.set(reader.en, 1)
    await ctx.tick()
    ctx.set(reader.en, 0)
    return ctx.get(reader.key).to_bytes(16, "little")


async def _search(ctx, store, key, algorithm):
    """Slots that hold ``key``, and the cycles of each word."""
    search, cycles = store.search, []
    ctx.set(search.algorithm, algorithm)
    ctx.set(search.begin, 1)
    await ctx.tick()
    ctx.set(search.begin, 0)
    for n in range(0, len(key), 4):
        ctx.set(search.index, n // 4)
        ctx.set(search.word, int.from_bytes(key[n : n + 4], "little"))
        ctx.set(search.compare, 1)
        await ctx.tick()
        ctx.set(search.compare, 0)
        cycles.append(0)
        while ctx.get(search.busy):
            await ctx.tick()
            cycles[-1] += 1
    return ctx.get(search.equal), set(cycles)


def _raw(ctx, store, slot):
    """The raw key of a slot with whatever follows it."""
    return b"".join(ctx.get(store._raw._rows.data[slot * 16 + n]).to_bytes(4, "little") for n in range(16))


async def _all_zero(ctx, store, slot):
    """Whether no row of the slot holds anything, raw or expanded."""
    if any(_raw(ctx, store, slot)):
        return False
    rows = [await _read(ctx, store, DATA, slot, n % 16, n // 16) for n in range(32)]
    rows += [await _read(ctx, store, TWEAK, slot, n) for n in range(16)]
    return not any(map(any, rows))


async def _offer(ctx, store, words):
    """Words of (slot, algorithm, index, last), each held until it is taken."""
    for slot, algorithm, index, last in words:
        word = {"slot": slot, "algorithm": algorithm, "index": index, "last": last, "word": 0x1234_5678 + index}
        ctx.set(store.install.payload, word)
        ctx.set(store.install.valid, 1)
        await until(ctx, store.install.ready)
    ctx.set(store.install.valid, 0)


async def _idle(ctx, store):
    """Until nothing is under way."""
    if ctx.get(store.busy):
        await until(ctx, ~store.busy)


@pytest.mark.parametrize("example", SCHEDULES)
def test_schedules_of_fips_197_for_both_directions_at_every_port(example):
    key, expected = _round_keys(example)
    other = bytes(b ^ 0x55 for b in key)
    backwards = [expected[-1], *map(_inverse_mix, expected[-2:0:-1]), expected[0]]
    backwards = [key[:4] + key[12:] + key[8:12] + key[4:8] for key in backwards]  # columns in the lanes' order
    store = KeyStore()

    async def drive(ctx):
        await install(ctx, store, 3, key + other)  # the example as data key
        await install(ctx, store, 12, other + key)  # and as tweak key
        assert ctx.get(store.valid) == 1 << 3 | 1 << 12
        for index in range(len(expected)):
            for port in range(4):
                assert await _read(ctx, store, port, 3, index) == expected[index]
                assert await _read(ctx, store, port, 3, index, inverse=1) == backwards[index]
            assert await _read(ctx, store, TWEAK, 12, index) == expected[index]
            assert await _read(ctx, store, DATA, 12, index) != expected[index]

    run(store, drive)


def test_last_word_is_taken_when_the_key_is_ready_whatever_the_key_is():
    source = seeded()
    store = KeyStore()
    keys = [source.randbytes(32), bytes(32), b"\xff" * 32, source.randbytes(64), bytes(64)]
    cycle = 0
    seen = []

    async def count(ctx):
        nonlocal cycle
        async for _ in ctx.tick():
            cycle += 1

    async def drive(ctx):
        await _idle(ctx, store)
        for slot, key in enumerate(keys):
            before = cycle
            await install(ctx, store, slot, key)
            seen.append(cycle - before)
            assert ctx.get(store.valid) == (2 << slot) - 1
            assert not ctx.get(store.busy)
            assert not any(ctx.get(word) for word in store._expansion._words)

    run(store, drive, background=[count])
    assert seen == [194] * 3 + [266] * 2


def test_erase_leaves_nothing_of_the_slot_and_everything_of_the_others():
    key, expected = _round_keys("A.1")
    store = KeyStore()

    async def drive(ctx):
        for slot in (4, 5, 6):
            await install(ctx, store, slot, key + key)
        ctx.set(store.erase.payload, 5)
        ctx.set(store.erase.valid, 1)
        await until(ctx, store.erase.ready)
        ctx.set(store.erase.valid, 0)
        assert ctx.get(store.valid) == 0b1010000
        cycles = 0
        while ctx.get(store.busy):
            await ctx.tick()
            cycles += 1
        assert cycles == 32
        assert await _all_zero(ctx, store, 5)
        for slot in (4, 6):
            for index, round_key in enumerate(expected):
                assert await _read(ctx, store, DATA, slot, index) == round_key
                assert await _read(ctx, store, TWEAK, slot, index) == round_key

    run(store, drive)


def test_reset_invalidates_at_once_and_overwrites_every_slot():
    class Bench(wiring.Component):
        """The store with a reset of its own."""

        def __init__(self):
            super().__init__({})
            self.store, self.reset = KeyStore(), Signal()

        def elaborate(self, _platform):
            """Connect."""
            m = Module()
            m.submodules.store = ResetInserter(self.reset)(self.store)
            return m

    bench = Bench()
    store = bench.store
    key, expected = _round_keys("A.1")

    async def drive(ctx):
        for slot in (0, 15):
            await install(ctx, store, slot, key + key)
        ctx.set(bench.reset, 1)
        await ctx.tick()
        ctx.set(bench.reset, 0)
        assert ctx.get(store.valid) == 0 and ctx.get(store.busy)
        assert await _read(ctx, store, DATA, 15, 3) == expected[3]  # what the overwriting is for
        ctx.set(store.install.valid, 1)
        cycles = 1
        while ctx.get(store.busy):
            assert not ctx.get(store.install.ready) and not ctx.get(store.erase.ready)
            await ctx.tick()
            cycles += 1
        ctx.set(store.install.valid, 0)
        assert cycles == 512
        for slot in (0, 15):
            assert await _all_zero(ctx, store, slot)

    run(bench, drive)


def _key(slot=2, algorithm=Algorithm.AES128_XTS, words=8, **changed):
    """Words of a good key, but for those named in ``changed`` (``w3={"slot": 1}``)."""
    out = []
    for n in range(words):
        word = {"slot": slot, "algorithm": algorithm, "index": n, "last": n + 1 == words}
        word |= changed.get(f"w{n}", {})
        out.append(tuple(word.values()))
    return out


REFUSED = {
    "no algorithm": _key(algorithm=Algorithm.NONE),
    "an algorithm without raw keys": _key(algorithm=Algorithm.AES128_TREE),
    "first word missing": _key()[1:],
    "word missing": _key()[:3] + _key()[4:],
    "words exchanged": [*_key()[:4], _key()[5], _key()[4], *_key()[6:]],
    "word twice": _key()[:3] + _key()[2:],
    "other slot in the middle": _key(w5={"slot": 3}),
    "other slot in the last word": _key(w7={"slot": 3}),
    "algorithm changes": _key(w4={"algorithm": Algorithm.AES256_XTS}),
    "ends early": _key(words=4),
    "one word short": _key(words=7),
    "one word more": _key(words=9),
    "AES-256 with the size of AES-128": _key(algorithm=Algorithm.AES256_XTS),
    "AES-128 with the size of AES-256": _key(words=16),
}


@pytest.mark.long
@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_key_that_is_not_as_announced_is_refused_and_wiped(words):
    store = KeyStore()
    key, expected = _round_keys("A.3")

    async def drive(ctx):
        await install(ctx, store, 2, key + key)  # what was there is lost with the attempt
        await install(ctx, store, 3, key + key)
        assert ctx.get(store.valid) == 0b1100
        await _offer(ctx, store, words)
        await _idle(ctx, store)
        assert ctx.get(store.valid) == 0b1000
        assert await _all_zero(ctx, store, 2)
        assert await _read(ctx, store, TWEAK, 3, 14) == expected[14]
        await install(ctx, store, 2, key + key)
        assert ctx.get(store.valid) == 0b1100
        assert await _read(ctx, store, DATA, 2, 14) == expected[14]

    run(store, drive)


def test_slot_is_invalid_and_cannot_be_read_while_it_is_installed():
    store = KeyStore()
    key, expected = _round_keys("A.1")

    async def watch(ctx):
        async for _, _, valid, busy in ctx.tick().sample(store.valid, store.busy):
            assert not (busy and valid & 1 << 7)

    async def drive(ctx):
        await install(ctx, store, 7, key + key)
        await install(ctx, store, 8, key + key)
        reader = store.data_keys[1]
        assert await _read(ctx, store, 1, 8, 9) == expected[9]
        # The next slot 7 is all zero, so anything but what the port had would show.
        ctx.set(reader.addr, {"slot": 7, "index": 0, "inverse": 0})
        word = {"slot": 7, "algorithm": Algorithm.AES128_XTS, "index": 0, "last": 0, "word": 0}
        ctx.set(store.install.payload, word)
        ctx.set(store.install.valid, 1)
        await ctx.tick()
        await ctx.tick()
        ctx.set(reader.en, 1)  # in the cycle in which the first word is written
        await ctx.tick()
        assert ctx.get(reader.key).to_bytes(16, "little") == expected[9]
        assert not ctx.get(store.valid) & 1 << 7

    run(store, drive)


def test_search_finds_the_slots_with_an_equal_key_in_a_fixed_time():
    store, source = KeyStore(), seeded()
    short, long = source.randbytes(32), source.randbytes(64)

    async def drive(ctx):
        await install(ctx, store, 0, short)
        await install(ctx, store, 7, long)
        await install(ctx, store, 15, short)
        await install(ctx, store, 9, short + bytes(32))  # the words of the short key, for the other algorithm
        assert await _search(ctx, store, short, Algorithm.AES128_XTS) == (1 << 0 | 1 << 15, {17})
        assert await _search(ctx, store, long, Algorithm.AES256_XTS) == (1 << 7, {17})
        assert await _search(ctx, store, short + bytes(32), Algorithm.AES256_XTS) == (1 << 9, {17})
        for bit in (*range(96, 128), *range(0, 256, 13)):
            other = bytearray(short)
            other[bit // 8] ^= 1 << bit % 8
            assert await _search(ctx, store, bytes(other), Algorithm.AES128_XTS) == (0, {17})
        ctx.set(store.erase.payload, 15)
        ctx.set(store.erase.valid, 1)
        await until(ctx, store.erase.ready)
        ctx.set(store.erase.valid, 0)
        await _idle(ctx, store)
        assert await _search(ctx, store, short, Algorithm.AES128_XTS) == (1 << 0, {17})
        assert await _search(ctx, store, bytes(32), Algorithm.AES128_XTS) == (0, {17})  # empty slots hold no key

    run(store, drive)


@pytest.mark.long
@pytest.mark.parametrize("size", [32, 64])
def test_cancelled_key_leaves_nothing_whenever_it_comes(size):
    store, source = KeyStore(), seeded()
    key, kept = source.randbytes(size), source.randbytes(32)
    algorithm = Algorithm.AES128_XTS if size == 32 else Algorithm.AES256_XTS
    words = [int.from_bytes(key[n : n + 4], "little") for n in range(0, size, 4)]
    finished = 0

    async def attempt(ctx, cycle):
        """Offer the key, cancel in that cycle; whether the last word was taken before."""
        index = 0
        for now in range(cycle + 1):
            word = {"slot": 4, "algorithm": algorithm, "index": index, "last": index + 1 == len(words)}
            ctx.set(store.install.payload, word | {"word": words[index]})
            ctx.set(store.install.valid, 1)
            ctx.set(store.cancel, now == cycle)
            taken = ctx.get(store.install.ready) and now != cycle
            await ctx.tick()
            if taken and index + 1 == len(words):
                break
            index += taken
        ctx.set(store.install.valid, 0)
        ctx.set(store.cancel, 0)
        return taken and index + 1 == len(words)

    async def drive(ctx):
        nonlocal finished
        await _idle(ctx, store)
        await install(ctx, store, 3, kept)
        for cycle in [*range(0, 266, 7), *range(191, 196), *range(263, 268)]:
            if await attempt(ctx, cycle):
                finished += 1
                ctx.set(store.erase.payload, 4)
                ctx.set(store.erase.valid, 1)
                await until(ctx, store.erase.ready)
                ctx.set(store.erase.valid, 0)
            await _idle(ctx, store)
            assert ctx.get(store.valid) == 1 << 3
            assert not any(ctx.get(word) for word in store._expansion._words)
            assert not any(_raw(ctx, store, 4))
            assert not any(await _read(ctx, store, DATA, 4, cycle % 16, cycle % 2))
        assert await _all_zero(ctx, store, 4)
        assert _raw(ctx, store, 3) == kept + bytes(32)

    run(store, drive)
    assert finished
