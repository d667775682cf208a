"""AES lanes on the examples of FIPS 197 and on random blocks, with round keys from the key store."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth_bench import run, seeded
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hakone.crypto.aes_lane import BLOCK_BYTES, COLUMNS, AesLane
from hakone.crypto.aes_tables import INVERSE_SBOX, SBOX, multiply
from hakone.crypto.key_store import KeyStore
from hakone.isa.formats import Algorithm

SLOT = 6
#: Key, plaintext, ciphertext: FIPS 197, appendix B, C.1 and C.3.
EXAMPLES = {
    "B": ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
    "C.1": ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    "C.3": (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
}


class _Bench(wiring.Component):
    """A key store with one lane of each kind: ``both`` on the data keys, ``encrypt`` on the tweak keys."""

    def __init__(self):
        super().__init__({})
        self.store = KeyStore()
        self.both = AesLane()
        self.encrypt = AesLane(decrypt=False)

    def elaborate(self, _platform):
        """Connect."""
        m = Module()
        m.submodules.store = self.store
        m.submodules.both = self.both
        m.submodules.encrypt = self.encrypt
        wiring.connect(m, self.both.keys, self.store.data_keys[0])
        wiring.connect(m, self.encrypt.keys, self.store.tweak_keys)
        return m


async def until(ctx, condition, limit=1200):
    """Ticks up to and with the cycle in which ``condition`` holds."""
    for _ in range(limit):
        held = ctx.get(condition)
        await ctx.tick()
        if held:
            return
    pytest.fail(f"nothing happens in {limit} cycles")


async def install(ctx, store, slot, key):
    """Put a key (data key, then tweak key) into the store."""
    algorithm = Algorithm.AES128_XTS if len(key) == 32 else Algorithm.AES256_XTS
    for n in range(0, len(key), 4):
        word = {"slot": slot, "algorithm": algorithm, "index": n // 4, "last": n + 4 == len(key)}
        ctx.set(store.install.payload, word | {"word": int.from_bytes(key[n : n + 4], "little")})
        ctx.set(store.install.valid, 1)
        await until(ctx, store.install.ready)
    ctx.set(store.install.valid, 0)


async def _load(ctx, lane, key_bytes, inverse):
    """Settings, one cycle; the lane is armed afterwards."""
    ctx.set(lane.key_slot, SLOT)
    ctx.set(lane.long, key_bytes == 32)
    ctx.set(lane.inverse, inverse)
    ctx.set(lane.load, 1)
    await ctx.tick()
    ctx.set(lane.load, 0)
    assert ctx.get(lane.armed)


async def _start(ctx, lane, block, inverse):
    """A block, one cycle. Its columns stand in the lane's order, which is another one for decryption."""
    for n in range(COLUMNS):
        at = 4 * (-n % COLUMNS if inverse else n)
        ctx.set(lane.block[n], int.from_bytes(block[at : at + 4], "little"))
    ctx.set(lane.start, 1)
    await ctx.tick()
    ctx.set(lane.start, 0)
    for n in range(COLUMNS):
        ctx.set(lane.block[n], 0xA5A5_A5A5)  # only looked at in that cycle


def _result(ctx, lane, inverse):
    """The block as FIPS 197 writes it."""
    columns = [ctx.get(lane.result[-n % COLUMNS if inverse else n]) for n in range(COLUMNS)]
    return b"".join(column.to_bytes(4, "little") for column in columns)


async def _crypt(ctx, lane, key_bytes, inverse, block):
    """Load, start, count the cycles until ``done``, release. Returns result and cycles since the start."""
    await _load(ctx, lane, key_bytes, inverse)
    await _start(ctx, lane, block, inverse)
    cycles = 1
    while not ctx.get(lane.done):
        await ctx.tick()
        cycles += 1
        assert cycles < 20
    result = _result(ctx, lane, inverse)
    ctx.set(lane.release, 1)
    await ctx.tick()
    ctx.set(lane.release, 0)
    assert ctx.get(lane.idle)
    return result, cycles


def _ecb(key, block, inverse):
    cipher = Cipher(algorithms.AES(key), modes.ECB())
    return (cipher.decryptor() if inverse else cipher.encryptor()).update(block)


def test_tables_are_inverse_and_have_the_published_corners():
    assert [INVERSE_SBOX[SBOX[n]] for n in range(256)] == list(range(256))
    assert (SBOX[0x00], SBOX[0x53], SBOX[0xFF]) == (0x63, 0xED, 0x16)  # FIPS 197, figure 7
    assert multiply(0x57, 0x83) == 0xC1  # FIPS 197, 4.2


@pytest.mark.parametrize("example", EXAMPLES)
def test_fips_197_examples_both_ways_in_ten_or_fourteen_cycles(example):
    key, plain, secret = map(bytes.fromhex, EXAMPLES[example])
    bench = _Bench()

    async def drive(ctx):
        await install(ctx, bench.store, SLOT, key + key)
        cycles = 10 if len(key) == 16 else 14
        for _ in range(2):
            assert await _crypt(ctx, bench.both, len(key), 0, plain) == (secret, cycles)
            assert await _crypt(ctx, bench.both, len(key), 1, secret) == (plain, cycles)
            assert await _crypt(ctx, bench.encrypt, len(key), 0, plain) == (secret, cycles)

    run(bench, drive)


@pytest.mark.parametrize("key_bytes", [16, 32])
def test_random_blocks_equal_cryptography(key_bytes):
    source = seeded()
    data_key, tweak_key = source.randbytes(key_bytes), source.randbytes(key_bytes)
    bench = _Bench()

    async def drive(ctx):
        await install(ctx, bench.store, SLOT, data_key + tweak_key)
        for _ in range(15):
            block, inverse = source.randbytes(BLOCK_BYTES), source.randrange(2)
            assert (await _crypt(ctx, bench.both, key_bytes, inverse, block))[0] == _ecb(data_key, block, inverse)
            assert (await _crypt(ctx, bench.encrypt, key_bytes, 0, block))[0] == _ecb(tweak_key, block, 0)

    run(bench, drive)


def test_result_stays_until_release_which_may_load_the_next_block():
    source = seeded()
    key = source.randbytes(16)
    blocks = [source.randbytes(BLOCK_BYTES) for _ in range(4)]
    bench = _Bench()
    lane = bench.both

    async def drive(ctx):
        await install(ctx, bench.store, SLOT, key + key)
        await _load(ctx, lane, 16, 0)
        for n, block in enumerate(blocks):
            inverse = n % 2
            for _ in range(n):
                await ctx.tick()  # armed, waiting for its block
            await _start(ctx, lane, block, inverse)
            await until(ctx, lane.done)
            for _ in range(3):
                assert ctx.get(lane.done) and _result(ctx, lane, inverse) == _ecb(key, block, inverse)
                await ctx.tick()
            ctx.set(lane.release, 1)
            ctx.set(lane.load, 1)
            ctx.set(lane.inverse, 1 - inverse)
            assert _result(ctx, lane, inverse) == _ecb(key, block, inverse)
            await ctx.tick()
            ctx.set(lane.release, 0)
            ctx.set(lane.load, 0)
            assert ctx.get(lane.armed) and not ctx.get(lane.done)

    run(bench, drive)


def test_key_port_is_enabled_only_while_a_block_needs_keys():
    bench = _Bench()
    lane = bench.both
    enabled = []

    async def watch(ctx):
        async for _, _, on in ctx.tick().sample(lane.keys.en):
            enabled.append(on)

    async def drive(ctx):
        await install(ctx, bench.store, SLOT, bytes(range(32)))
        await _crypt(ctx, lane, 16, 0, bytes(16))
        for _ in range(20):
            await ctx.tick()

    run(bench, drive, background=[watch])
    assert sum(enabled) == 11  # one cycle for each round key
