"""cocotb tests of ``line_cipher``: a manager, a memory and a register manager of ``cocotbext-axi``; XTS as the package
``cryptography`` computes it, and published vectors.
"""

import os
import random

import cocotb
import vectors
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiBurstType,
    AxiBus,
    AxiLiteBus,
    AxiLiteMaster,
    AxiMaster,
    AxiResp,
    AxiSlave,
)
from cocotbext.axi.sparse_memory import SparseMemory
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CONTROL, STATUS, COMMAND, START, BYTES, TAG, KIND, KEY = 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x40
INSTALL, REMOVE = 1, 2
NONE, XTS_128, XTS_256 = 0, 1, 2
READ, WRITE = 1 << 8, 1 << 9
DONE, ALGORITHM, RIGHTS, RANGE, OVERLAP, ROOM, BAD_KEY, REUSED, ABSENT, BAD_COMMAND = range(10)
LINE = 64
FIRST, SECOND, PLAIN = 0x8000_0000, 0x8000_4000, 0x9000_0000
REFUSE, LOCK = 1, 2


def xts(key: bytes, tag: int, number: int, line: bytes, decrypt: bool = False) -> bytes:
    """One line of a range."""
    tweak = number.to_bytes(8, "little") + tag.to_bytes(4, "little") + bytes(4)
    cipher = Cipher(algorithms.AES(key), modes.XTS(tweak))
    unit = cipher.decryptor() if decrypt else cipher.encryptor()
    return unit.update(line)


def sealed(key: bytes, tag: int, data: bytes, first: int = 0) -> bytes:
    """Whole lines of a range from number ``first`` on."""
    return b"".join(xts(key, tag, first + n // LINE, data[n : n + LINE]) for n in range(0, len(data), LINE))


def shift_tweak(dut) -> None:
    """The first entry's range seems to begin a line earlier: every tweak is off by one."""
    row = dut.domains.rows[1]
    row.value = int(row.value) - (1 << 40)  # base_line, in the upper bits


def lose_entry(dut) -> None:
    """The first entry belongs to nobody: no line is found in it."""
    dut.entries.ranges[0].value = 0


#: Faults that a run may ask for with the variable ``FAULT``, put into the flops after every installation. Nothing else
#: looks behind the ports.
FAULTS = {"tweak": shift_tweak, "entry": lose_entry}


class Memory:
    """Words of 64 bits, of which some can answer SLVERR; the first word of a line can take ``latency`` cycles."""

    def __init__(self, clk):
        self.clk, self.latency = clk, 0
        self.bytes = SparseMemory(1 << 32)
        self.bad_reads, self.bad_writes = set(), set()

    async def read(self, address: int, count: int) -> bytes:
        if self.latency and address % LINE == 0:
            await ClockCycles(self.clk, self.latency)
        if address & ~7 in self.bad_reads:
            raise OSError(f"{address:#x} cannot be read")
        return bytes(self.bytes[address : address + count])

    async def write(self, address: int, data: bytes) -> None:
        if address & ~7 in self.bad_writes:
            raise OSError(f"{address:#x} cannot be written")
        self.bytes[address : address + len(data)] = data


class Bench:
    """The unit between a manager and a sparse memory."""

    def __init__(self, dut):
        self.dut = dut
        self.behind = Memory(dut.clk)
        self.memory = self.behind.bytes
        self.manager = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.ram = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, target=self.behind)
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.rng = random.Random(random.random())

    async def start(self, percent: int = 0) -> None:
        self.dut.rst.value = 1
        cocotb.start_soon(Clock(self.dut.clk, 10, unit="ns").start())
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)
        if percent:
            ends = (self.manager, self.ram)
            for end in ends:
                for channel in (
                    end.write_if.aw_channel,
                    end.write_if.w_channel,
                    end.write_if.b_channel,
                    end.read_if.ar_channel,
                    end.read_if.r_channel,
                ):
                    channel.set_pause_generator(self._pauses(percent))

    def _pauses(self, percent: int):
        rng = random.Random(self.rng.random())
        while True:
            yield rng.randrange(100) < percent

    async def register(self, address: int) -> int:
        got = await self.registers.read(address, 4)
        assert got.resp == AxiResp.OKAY
        return int.from_bytes(got.data, "little")

    async def put(self, address: int, value: int) -> None:
        assert (await self.registers.write(address, value.to_bytes(4, "little"))).resp == AxiResp.OKAY

    async def ready(self) -> int:
        """Wait for the end of a command; its result."""
        while True:
            status = await self.register(STATUS)
            if not status & 1:
                return status >> 4 & 15

    async def command(self, command: int) -> int:
        await self.put(COMMAND, command)
        return await self.ready()

    async def install(self, start, size, kind, key=b"", tag=0) -> int:
        await self.ready()
        fault = FAULTS.get(os.environ.get("FAULT", ""))
        for n in range(0, len(key), 4):
            await self.put(KEY + n, int.from_bytes(key[n : n + 4], "little"))
        for address, value in ((START, start), (BYTES, size), (TAG, tag), (KIND, kind)):
            await self.put(address, value)
        result = await self.command(INSTALL)
        if fault:
            fault(self.dut)
            await RisingEdge(self.dut.clk)
        return result

    async def remove(self, start) -> int:
        await self.ready()
        await self.put(START, start)
        return await self.command(REMOVE)

    async def write(self, address: int, data: bytes, **options) -> bool:
        return (await self.manager.write(address, data, **options)).resp == AxiResp.OKAY

    async def read(self, address: int, count: int, **options) -> bytes | None:
        got = await self.manager.read(address, count, **options)
        return bytes(got.data) if got.resp == AxiResp.OKAY else None

    def held(self, address: int, size: int) -> bytes:
        """What stands in memory."""
        return bytes(self.memory[address : address + size])


TIME = {"timeout_time": 3000, "timeout_unit": "us"}


async def random_traffic(bench: Bench, count: int) -> None:
    """Bursts of every size and place over two encrypted ranges and plain memory, against three byte arrays."""
    rng = bench.rng
    keys = {FIRST: rng.randbytes(32), SECOND: rng.randbytes(64)}
    tags = {FIRST: rng.getrandbits(32), SECOND: rng.getrandbits(32)}
    size = 16 * LINE
    assert await bench.install(FIRST, size, XTS_128 | READ | WRITE, keys[FIRST], tags[FIRST]) == DONE
    assert await bench.install(SECOND, size, XTS_256 | READ | WRITE, keys[SECOND], tags[SECOND]) == DONE
    model = {base: bytearray(rng.randbytes(size)) for base in (FIRST, SECOND, PLAIN)}
    for base, data in model.items():
        assert await bench.write(base, bytes(data))

    def expected(base: int) -> bytes:
        return sealed(keys[base], tags[base], bytes(model[base])) if base in keys else bytes(model[base])

    for _ in range(count):
        base = rng.choice(list(model))
        offset = rng.randrange(size)
        length = min(rng.choice((1, 2, 3, 4, 8, 8, 20, 64, 64, 200)), size - offset)
        if rng.random() < 0.3:
            offset &= -LINE
        options = {"size": rng.randrange(4), "burst": AxiBurstType.INCR}
        data = rng.randbytes(length)
        if rng.random() < 0.6:
            writing = cocotb.start_soon(bench.write(base + offset, data, **options))
            if rng.random() < 0.5:  # something else at the same time, in another range
                other = rng.choice([b for b in model if b != base])
                at = rng.randrange(size - 100)
                assert await bench.read(other + at, 100) == model[other][at : at + 100]
            assert await writing
            model[base][offset : offset + length] = data
            # The memory is the golden ciphertext in every byte, and only there where it ought to be.
            assert bench.held(base, size) == expected(base)
        else:
            assert await bench.read(base + offset, length, **options) == model[base][offset : offset + length]
    for base in keys:
        assert all(bytes(model[base][n : n + 16]) not in bench.held(base, size) for n in range(0, size, 16))


@cocotb.test(**TIME)
async def random_traffic_without_wait_states(dut):
    bench = Bench(dut)
    await bench.start()
    await random_traffic(bench, 60)


@cocotb.test(**TIME)
async def random_traffic_with_wait_states(dut):
    bench = Bench(dut)
    await bench.start(40)
    await random_traffic(bench, 60)


@cocotb.test(**TIME)
async def published_vectors(dut):
    """IEEE 1619 annex B, and the XTS validation suite where the data unit is given by its number."""
    bench = Bench(dut)
    await bench.start()
    rng, size = bench.rng, 256 * LINE
    cases = [*vectors.IEEE_1619]
    cases += [case for bits in (128, 256) for case in rng.sample(list(vectors.xts_by_number(bits)), 12)]
    for key, number, plain, cipher in cases:
        kind = XTS_128 if len(key) == 32 else XTS_256
        assert await bench.install(FIRST, size, kind | READ | WRITE, key) == DONE
        assert await bench.write(FIRST + LINE * number, plain.ljust(LINE, b"\0"))
        held = bench.held(FIRST + LINE * number, len(cipher))
        assert held == cipher
        assert await bench.read(FIRST + LINE * number, len(plain)) == plain
        assert await bench.remove(FIRST) == DONE


@cocotb.test(**TIME)
async def without_entry_or_cipher_the_plaintext_stands_in_memory(dut):
    """The control: the same traffic with the entry removed, and with an entry whose algorithm is none."""
    bench = Bench(dut)
    await bench.start()
    key, data = bench.rng.randbytes(32), bench.rng.randbytes(4 * LINE)
    for installed in (XTS_128, NONE, None):
        if installed is not None:
            given = key if installed == XTS_128 else b""
            assert await bench.install(FIRST, len(data), installed | READ | WRITE, given) == DONE
        assert await bench.write(FIRST, data)
        assert await bench.read(FIRST, len(data)) == data
        assert bench.held(FIRST, len(data)) == (sealed(key, 0, data) if installed == XTS_128 else data)
        if installed is not None:
            assert await bench.remove(FIRST) == DONE
            if installed == XTS_128:  # the key is gone: what is left is ciphertext
                assert await bench.read(FIRST, len(data)) == sealed(key, 0, data)


@cocotb.test(**TIME)
async def keys_cannot_be_read_and_the_lock_holds(dut):
    """No register shows a word of a key, before and after a command; a locked unit takes no write."""
    bench = Bench(dut)
    await bench.start()
    await bench.ready()
    key = bytes(range(1, 33))
    for n in range(0, 32, 4):
        await bench.put(KEY + n, int.from_bytes(key[n : n + 4], "little"))
    for _ in range(2):
        for address in range(0, 0x100, 4):
            got = await bench.registers.read(address, 4)
            if address not in (0, CONTROL, STATUS, START, BYTES, TAG, KIND):
                assert got.resp == AxiResp.SLVERR and bytes(got.data) == bytes(4), hex(address)
            assert bytes(got.data) not in [key[n : n + 4] for n in range(0, 32, 4)]
        await bench.put(START, FIRST), await bench.put(BYTES, LINE), await bench.put(KIND, XTS_128 | READ | WRITE)
        await bench.command(INSTALL)
    # The second command found no key: the first one had wiped it. (It would have overlapped as well.)
    assert await bench.remove(FIRST) == DONE
    assert await bench.install(FIRST, LINE, XTS_128 | READ | WRITE) == BAD_KEY
    assert await bench.install(FIRST, LINE, XTS_128 | READ | WRITE, key) == DONE
    assert (await bench.registers.write(START, b"\0\0")).resp == AxiResp.SLVERR  # not the whole word
    await bench.put(CONTROL, LOCK | REFUSE)
    for address in (CONTROL, START, COMMAND, KEY):
        assert (await bench.registers.write(address, bytes(4))).resp == AxiResp.SLVERR
    assert await bench.register(CONTROL) == LOCK | REFUSE
    assert await bench.write(FIRST, bytes(LINE)) and bench.held(FIRST, LINE) == xts(key, 0, 0, bytes(LINE))


@cocotb.test(**TIME)
async def wrong_entries_are_refused_with_their_reason(dut):
    bench = Bench(dut)
    await bench.start()
    rw, key = READ | WRITE, bench.rng.randbytes(32)
    for arguments, result in (
        ((FIRST, LINE, 3 | rw, key), ALGORITHM),
        ((FIRST, LINE, 0x11 | rw, key), ALGORITHM),
        ((FIRST, LINE, XTS_128, key), RIGHTS),
        ((FIRST + 8, LINE, XTS_128 | rw, key), RANGE),
        ((FIRST, 8, XTS_128 | rw, key), RANGE),
        ((FIRST, 0, XTS_128 | rw, key), RANGE),
        ((0xFFFF_FFC0, 2 * LINE, XTS_128 | rw, key), RANGE),
        ((FIRST, LINE, XTS_128 | rw, key[:28]), BAD_KEY),
        ((FIRST, LINE, XTS_128 | rw, key[:16] * 2), BAD_KEY),
        ((FIRST, LINE, XTS_256 | rw, key), BAD_KEY),
        ((FIRST, LINE, XTS_256 | rw, key * 2), BAD_KEY),
    ):
        assert await bench.install(*arguments) == result
        assert await bench.register(STATUS) >> 8 == 8
    assert await bench.command(3) == BAD_COMMAND
    assert await bench.remove(FIRST) == ABSENT
    assert await bench.install(FIRST, 4 * LINE, XTS_128 | rw, key, 7) == DONE
    assert await bench.install(FIRST + 3 * LINE, LINE, NONE | rw) == OVERLAP
    assert await bench.install(SECOND, LINE, XTS_128 | rw, key, 7) == REUSED
    assert await bench.install(SECOND, LINE, XTS_128 | rw, key, 8) == DONE
    assert await bench.install(0xFFFF_FFC0, LINE, NONE | rw) == DONE  # the last line there is
    for n in range(5):
        assert await bench.install(PLAIN + n * LINE, LINE, NONE | rw) == DONE
    assert await bench.install(PLAIN + 5 * LINE, LINE, NONE | rw) == ROOM
    assert await bench.register(STATUS) >> 8 == 0
    assert await bench.remove(FIRST) == DONE
    assert await bench.install(FIRST + 64 * LINE, LINE, XTS_128 | rw, key, 7) == DONE  # key and tag are free again


@cocotb.test(**TIME)
async def missing_rights_and_refusals_are_slverr(dut):
    bench = Bench(dut)
    await bench.start()
    key, data = bench.rng.randbytes(32), bench.rng.randbytes(LINE)
    assert await bench.install(FIRST, LINE, XTS_128 | READ, key, 1) == DONE
    assert await bench.install(FIRST + LINE, LINE, XTS_128 | WRITE, key, 2) == DONE
    bench.memory[FIRST : FIRST + LINE] = xts(key, 1, 0, data)
    assert await bench.read(FIRST, LINE) == data
    assert not await bench.write(FIRST, bytes(8))
    assert await bench.write(FIRST + LINE, data) and await bench.write(FIRST + LINE + 5, b"abc")
    data2 = data[:5] + b"abc" + data[8:]
    assert bench.held(FIRST + LINE, LINE) == xts(key, 2, 0, data2)
    got = await bench.manager.read(FIRST + LINE, LINE)
    assert got.resp == AxiResp.SLVERR and bytes(got.data) == bytes(LINE)
    assert not await bench.write(FIRST + LINE - 8, bytes(16))  # half of it may be written
    assert bench.held(FIRST, LINE) == xts(key, 1, 0, data)
    assert bench.held(FIRST + LINE, LINE) == xts(key, 2, 0, bytes(8) + data2[8:])
    # No entry: passed, then refused.
    assert await bench.write(PLAIN, data) and await bench.read(PLAIN, LINE) == data
    await bench.put(CONTROL, REFUSE)
    assert not await bench.write(PLAIN, bytes(LINE)) and await bench.read(PLAIN, LINE) is None
    assert bench.held(PLAIN, LINE) == data


@cocotb.test(**TIME)
async def wrapping_and_fixed_bursts(dut):
    """As a cache asks for its critical word first, and as nobody asks of memory."""
    bench = Bench(dut)
    await bench.start(20)
    key, data = bench.rng.randbytes(32), bytearray(bench.rng.randbytes(4 * LINE))
    assert await bench.install(FIRST, 4 * LINE, XTS_128 | READ | WRITE, key) == DONE
    assert await bench.write(FIRST, bytes(data))
    for words in (2, 4, 8, 16):
        size = 8 * words
        for _ in range(4):
            at = bench.rng.randrange(4 * LINE) & ~7
            base = at & -size
            got = await bench.read(FIRST + at, size, burst=AxiBurstType.WRAP)
            assert got == data[at : base + size] + data[base:at]
            new = bench.rng.randbytes(size)
            assert await bench.write(FIRST + at, new, burst=AxiBurstType.WRAP)
            data[at : base + size], data[base:at] = new[: base + size - at], new[base + size - at :]
            assert bench.held(FIRST, 4 * LINE) == sealed(key, 0, bytes(data))
    assert await bench.read(FIRST + 8, 24, burst=AxiBurstType.FIXED) == data[8:16] * 3
    assert await bench.read(FIRST + 8, 24, burst=AxiBurstType.WRAP, size=3) is None  # three beats cannot wrap


@cocotb.test(**TIME)
async def entries_change_between_bursts_only(dut):
    """Under traffic without pause, every burst sees one state of the entries: plaintext or ciphertext, no mixture."""
    bench = Bench(dut)
    await bench.start(10)
    key, data = bench.rng.randbytes(32), bench.rng.randbytes(4 * LINE)
    encrypted = sealed(key, 0, data)
    bench.memory[FIRST : FIRST + 4 * LINE] = encrypted
    seen, stop = set(), False

    async def reader():
        while not stop:
            seen.add(await bench.read(FIRST, 4 * LINE))

    task = cocotb.start_soon(reader())
    for _ in range(4):
        assert await bench.install(FIRST, 4 * LINE, XTS_128 | READ | WRITE, key) == DONE
        assert await bench.read(FIRST, 4 * LINE) == data
        assert await bench.remove(FIRST) == DONE
        assert await bench.read(FIRST, 4 * LINE) == encrypted
    stop = True
    await task
    assert seen == {data, encrypted}


@cocotb.test(**TIME)
async def errors_of_the_memory_are_slverr(dut):
    """A word that cannot be read or written: the manager is told, nothing of such a line is written, and the lines
    beside it are as ever.
    """
    bench = Bench(dut)
    await bench.start(20)
    for kind, key in ((XTS_128, bench.rng.randbytes(32)), (XTS_256, bench.rng.randbytes(64)), (NONE, b"")):
        data = bytearray(bench.rng.randbytes(4 * LINE))

        def expected(key=key, data=data) -> bytes:
            return sealed(key, 9, bytes(data)) if key else bytes(data)

        assert await bench.install(FIRST, len(data), kind | READ | WRITE, key, 9) == DONE
        assert await bench.write(FIRST, bytes(data)) and bench.held(FIRST, len(data)) == expected()
        bad = bench.rng.randrange(LINE // 8)
        bench.behind.bad_reads = {FIRST + LINE + 8 * bad}
        assert await bench.read(FIRST, len(data)) is None
        for n in range(4):
            got = await bench.read(FIRST + n * LINE, LINE)
            assert got == (None if n == 1 else data[n * LINE : n * LINE + LINE])
        for word in {bad, bad | 1} if key else {bad}:  # a word of a cipher block is worth nothing without the other
            got = await bench.manager.read(FIRST + LINE + 8 * word, 8)
            assert got.resp == AxiResp.SLVERR and bytes(got.data) == bytes(8)
        if key:  # a plain line is not read
            assert not await bench.write(FIRST + LINE + 5, b"abc")
            assert bench.held(FIRST, len(data)) == expected()
            assert not await bench.write(FIRST + LINE - 8, bytes(16))  # half of it can be written
            data[LINE - 8 : LINE] = bytes(8)
            assert bench.held(FIRST, len(data)) == expected()
        bench.behind.bad_reads = set()
        bench.behind.bad_writes = {FIRST + 2 * LINE + 8 * bad}
        new = bench.rng.randbytes(len(data))
        assert not await bench.write(FIRST, new)
        bench.behind.bad_writes = set()
        for n in (0, 1, 3):
            assert await bench.read(FIRST + n * LINE, LINE) == new[n * LINE : n * LINE + LINE]
        assert await bench.write(FIRST, new) and await bench.read(FIRST, len(data)) == new
        assert await bench.remove(FIRST) == DONE


class Cycles:
    """In which cycle which handshake of a channel was offered and made."""

    CHANNELS = ("s_axi_ar", "s_axi_r", "s_axi_aw", "s_axi_w", "s_axi_b", "m_axi_ar", "m_axi_r", "m_axi_aw", "m_axi_b")
    CHANNELS += ("s_axil_aw", "s_axil_r")

    def __init__(self, dut):
        self.offered, self.made = ({name: [] for name in self.CHANNELS} for _ in range(2))
        cocotb.start_soon(self._watch(dut))

    async def _watch(self, dut):
        pairs = [(name, getattr(dut, f"{name}valid"), getattr(dut, f"{name}ready")) for name in self.CHANNELS]
        cycle = 0
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            for name, valid, ready in pairs:
                if valid.value == 1:
                    self.offered[name].append(cycle)
                    if ready.value == 1:
                        self.made[name].append(cycle)

    def clear(self) -> None:
        for cycles in (*self.offered.values(), *self.made.values()):
            cycles.clear()


@cocotb.test(**TIME)
async def promised_cycles(dut):
    """What the head of the file tells of reads, writes and commands. A command's end is seen in the status register,
    which is read every few cycles.
    """
    bench = Bench(dut)
    await bench.start()
    await bench.ready()
    at = Cycles(dut)
    for entry, (kind, size, read, tweak, write, install) in enumerate(
        ((XTS_128, 32, 12, 10, 16, 400), (XTS_256, 64, 16, 14, 23, 630), (NONE, 0, 1, 0, 2, 40))
    ):
        base = FIRST + 0x1000 * entry
        at.clear()
        assert await bench.install(base, 64 * LINE, kind | READ | WRITE, bench.rng.randbytes(size), 1) == DONE
        assert install - 20 < at.made["s_axil_r"][-1] - at.made["s_axil_aw"][-1] <= install
        known = follows = False
        for latency in (0, 6, 12, 30):
            bench.behind.latency = latency
            for line in (5, 6, 20, 21, 22):
                at.clear()
                assert await bench.read(base + line * LINE, LINE) is not None
                asked, arrived = at.offered["m_axi_ar"][0], at.made["m_axi_r"][0]
                assert asked - at.made["s_axi_ar"][0] == (4 if known else 7 + entry)
                late = 0 if follows else max(0, tweak - (at.offered["m_axi_r"][0] - asked))
                assert at.offered["s_axi_r"][0] - arrived == read + late
                assert at.made["s_axi_r"][-1] - at.offered["s_axi_r"][0] == LINE // 8 - 1
                known, follows = True, line in (5, 20, 21)
            follows = False
        bench.behind.latency = 0
        for line in (0, 1, 9):
            at.clear()
            assert await bench.write(base + line * LINE, bytes(LINE))
            assert at.offered["m_axi_aw"][0] - at.made["s_axi_w"][-1] == write
            assert at.offered["s_axi_b"][0] - at.made["m_axi_b"][-1] == 2
    for entry in range(3):
        at.clear()
        assert await bench.remove(FIRST + 0x1000 * entry) == DONE
        assert 30 < at.made["s_axil_r"][-1] - at.made["s_axil_aw"][-1] <= 50
    at.clear()
    assert await bench.read(FIRST, LINE) is not None  # without any entry there is nothing to look for
    assert at.offered["m_axi_ar"][0] - at.made["s_axi_ar"][0] == 4
