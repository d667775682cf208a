"""cocotb tests of ``aes128_enc``: AXI4-Stream partners of ``cocotbext-axi``, published vectors, two other AES."""

import itertools
import random

import cocotb
import vectors
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from Crypto.Cipher import AES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16


class Bench:
    """The unit with a source for keys, a source for blocks and a sink."""

    def __init__(self, dut):
        self.dut = dut
        self.key, self.block = (
            AxiStreamSource(AxiStreamBus.from_prefix(dut, name), dut.clk, dut.rst) for name in ("s_axis_key", "s_axis")
        )
        self.result = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)

    def wait_states(self, percent: int) -> None:
        """Every end pauses at random from now on."""
        for n, end in enumerate((self.key, self.block, self.result)):
            end.set_pause_generator(self._pauses(n, percent))

    @staticmethod
    def _pauses(number: int, percent: int):
        rng = random.Random(f"{random.random()} {number}")
        while True:
            yield rng.randrange(100) < percent

    async def start(self) -> None:
        self.dut.rst.value = 1
        cocotb.start_soon(Clock(self.dut.clk, 8, unit="ns").start())
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    async def set_key(self, key: bytes) -> None:
        """Returns when the key was taken, so that every block offered later is under it."""
        await self.key.send(AxiStreamFrame(key))
        await self.key.wait()

    async def encrypt(self, data: bytes) -> bytes:
        """Whole blocks, all on their way at once."""
        await self.block.send(AxiStreamFrame(data))
        got = bytearray()
        while len(got) < len(data):
            got += (await self.result.recv()).tdata
        assert len(got) == len(data)
        return bytes(got)


def golden(key: bytes, data: bytes) -> bytes:
    """What two other implementations agree on."""
    unit = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    expected = unit.update(data)
    assert AES.new(key, AES.MODE_ECB).encrypt(data) == expected
    return expected


@cocotb.test(timeout_time=400, timeout_unit="us")
async def published_blocks(dut):
    """FIPS 197 appendix B and C.1; SP 800-38A F.1.1; the known answers of the AES validation suite."""
    bench = Bench(dut)
    await bench.start()
    cases = [*vectors.FIPS_197, *vectors.SP_800_38A, *vectors.validation_suite()]
    assert len(cases) > 250
    for key, plain, cipher in cases:
        await bench.set_key(key)
        assert await bench.encrypt(plain) == cipher


@cocotb.test(timeout_time=400, timeout_unit="us")
async def counter_mode_of_rfc_3686(dut):
    """The counters as blocks, the result as key stream."""
    bench = Bench(dut)
    await bench.start()
    for key, first, plain, cipher in vectors.counter_mode():
        count = -(-len(plain) // BLOCK)
        start = int.from_bytes(first, "big")
        await bench.set_key(key)
        stream = await bench.encrypt(b"".join((start + n).to_bytes(BLOCK, "big") for n in range(count)))
        assert bytes(p ^ s for p, s in zip(plain, stream, strict=False)) == cipher


@cocotb.test(timeout_time=400, timeout_unit="us")
async def random_blocks_and_keys_with_wait_states(dut):
    """The key changes in the middle of the traffic; every block is under the key that was there when it was taken."""
    bench = Bench(dut)
    await bench.start()
    for percent in (10, 50, 85):
        bench.wait_states(percent)
        for _ in range(25):
            key, data = random.randbytes(BLOCK), random.randbytes(BLOCK * random.randrange(1, 9))
            await bench.set_key(key)
            if random.random() < 0.5:
                assert await bench.encrypt(data) == golden(key, data)
                continue
            # A new key is offered while blocks of the old one are at work: all were taken, and it waits for them.
            await bench.block.send(AxiStreamFrame(data))
            await bench.block.wait()
            other, more = random.randbytes(BLOCK), random.randbytes(2 * BLOCK)
            await bench.set_key(other)
            await bench.block.send(AxiStreamFrame(more))
            got = b""
            while len(got) < len(data + more):
                got += bytes((await bench.result.recv()).tdata)
            assert got == golden(key, data) + golden(other, more)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def nothing_is_taken_without_a_key(dut):
    """After reset, and again after a later one: the old key is forgotten."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(2):
        await bench.block.send(AxiStreamFrame(bytes(BLOCK)))
        for _ in range(200):
            await RisingEdge(dut.clk)
            assert not dut.s_axis_tready.value and not dut.m_axis_tvalid.value
        await bench.set_key(bytes(BLOCK))
        assert (await bench.result.recv()).tdata == golden(bytes(BLOCK), bytes(BLOCK))
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def promised_cycles_whatever_key_and_data(dut):
    """Latency, throughput and the time of a key change, as the head of the file tells, equal for all data."""
    bench = Bench(dut)
    await bench.start()
    dut.m_axis_tready.value = 1
    now = 0
    taken, given = [], []

    async def watch():
        nonlocal now
        while True:
            await ReadOnly()
            if dut.s_axis_key_tvalid.value and dut.s_axis_key_tready.value:
                taken.append(("key", now))
            if dut.s_axis_tvalid.value and dut.s_axis_tready.value:
                taken.append(("block", now))
            if dut.m_axis_tvalid.value and dut.m_axis_tready.value:
                given.append(now)
            await RisingEdge(dut.clk)
            now += 1

    cocotb.start_soon(watch())
    patterns = set()
    for key, data in itertools.product((bytes(16), b"\xff" * 16, random.randbytes(16)), (0, 255, None)):
        await bench.set_key(key)
        await bench.encrypt(random.randbytes(BLOCK) if data is None else bytes([data]) * BLOCK)
        assert taken[1][1] - taken[0][1] == 41 and given[0] - taken[1][1] == 22
        taken.clear(), given.clear()
        await bench.encrypt(random.randbytes(40 * BLOCK) if data is None else bytes([data]) * 40 * BLOCK)
        steady = [b - a for a, b in zip(given[4:], given[6:], strict=False)]
        assert set(steady) == {20}, steady
        patterns.add(tuple(t - taken[0][1] for t in given))
        taken.clear(), given.clear()
    assert len(patterns) == 1
