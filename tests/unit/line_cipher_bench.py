"""Drives the line cipher's line port before an AXI4 memory of ``cocotbext-axi``, and watches the bus between them.

Runs inside cocotb, with ``hakone_sim.line_bench.LineBench`` as the top level. ``models.xts`` says what memory
must hold.
"""

import json
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiRam

from hakone.isa.formats import Algorithm, tweak_bytes
from hakone.isa.platform import RAM_BASE
from hakone_sim.models import xts

FIRST_LINE = RAM_BASE >> 6
OPEN = os.environ.get("HAKONE_LINE_CIPHER_OPEN") == "1"
SEED = int(os.environ.get("HAKONE_SEED", "1"))
RNG = random.Random(SEED)
#: Slot 0 has a key of AES-128, slots 1 and 2 of AES-256. The other slots are empty.
KEYS = {0: RNG.randbytes(32), 1: RNG.randbytes(64), 2: RNG.randbytes(64)}
AES128, AES256 = Algorithm.AES128_XTS.value, Algorithm.AES256_XTS.value
#: Domain: (key slot, algorithm, tag, first line). 5 and 6 cannot be used: an empty slot, an algorithm without engine.
DOMAINS = {
    1: (0, AES128, 7, FIRST_LINE),
    2: (1, AES256, 0xDEADBEEF, FIRST_LINE),
    3: (0, AES128, 8, FIRST_LINE - 5),
    4: (2, AES256, RNG.getrandbits(32), FIRST_LINE),
    5: (9, AES128, 1, FIRST_LINE),
    6: (0, 3, 1, FIRST_LINE),
}
USABLE = (0, 1, 2, 3, 4)
PROTECTED = (1, 2, 3, 4)
#: What must not change while a channel's ``valid`` waits for ``ready`` (IHI 0022H, A3.2.1).
OFFERED = {"aw": ("awaddr", "awlen"), "w": ("wdata", "wstrb", "wlast"), "ar": ("araddr", "arlen")}
TIMEOUT_CYCLES = 5000
SLOTS = 6  #: few, so that a slot is filled anew while the line that stood there is still to be written


def words(data: bytes) -> list[int]:
    """The 64-bit words of ``data``."""
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def pauses(rng: random.Random, percent: int) -> Iterator[bool]:
    """An endless pattern of wait states."""
    while True:
        yield rng.randrange(100) < percent


class Bench:
    """One test's bench. ``percent``: how often each of the five channels pauses in a cycle.

    A word of a protected line's plaintext on either data channel is counted; ``close`` judges the count.
    """

    def __init__(self, dut, percent: int = 0):
        self.dut = dut
        self.rng = random.Random(SEED * 1000 + percent)
        self.domains = dict(DOMAINS)
        self.secret: set[int] = set()
        self.lines = self.words = self.plaintext = 0
        self.watching = None
        self.failing: set[int] = set()  # addresses of words that the memory answers with SLVERR
        self.slots: dict[int, tuple[int, int]] = {}  # line and domain that were read last to a slot, if usable
        self.place = 0
        dut._log.info(f"seed {SEED}, wait states {percent} %")
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        self.ram = AxiRam(AxiBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, size=1 << 32)
        write, read = self.ram.write_if, self.ram.read_if
        self.channels = {"aw": write.aw_channel, "w": write.w_channel, "b": write.b_channel}
        self.channels |= {"ar": read.ar_channel, "r": read.r_channel}
        for channel in self.channels.values():
            channel.log.setLevel("WARNING")
            if percent:
                channel.set_pause_generator(pauses(random.Random(self.rng.random()), percent))
        for side, name in ((write, "_write"), (read, "_read")):
            side.log.setLevel("ERROR")
            setattr(side, name, self._faulty(getattr(side, name)))

    def _faulty(self, access):
        async def checked(address, what):
            if address in self.failing:
                raise ValueError(f"{address:#x} fails")
            return await access(address, what)

        return checked

    async def cycles(self, count: int) -> None:
        """Let ``count`` cycles pass."""
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    def now(self) -> int:
        """Number of the cycle that has just begun."""
        return int(get_sim_time("ns")) // 10

    async def last_word_sent(self) -> int:
        """Wait for the last word of a line on the bus; the number of its cycle."""
        for _ in range(TIMEOUT_CYCLES):
            await ReadOnly()
            last = (
                int(self.dut.axi__wvalid.value) and int(self.dut.axi__wlast.value) and int(self.dut.axi__wready.value)
            )
            cycle = self.now()
            await RisingEdge(self.dut.clk)
            if last:
                return cycle
        raise AssertionError("no line is written")

    async def start(self, domains: Iterable[int] = DOMAINS) -> None:
        """Reset, then install keys and domains."""
        dut = self.dut
        ports = ("announce_valid", "read__valid", "write__valid", "wdata__valid")
        for name in ("key_valid", "domain_install", *(f"lines__{port}" for port in ports)):
            getattr(dut, name).value = 0
        self.slots.clear()
        self.installed = set(domains)
        dut.rst.value = 1
        await self.cycles(4)
        dut.rst.value = 0
        for slot, key in KEYS.items():
            algorithm = AES128 if len(key) == 32 else AES256
            parts = [int.from_bytes(key[i : i + 4], "little") for i in range(0, len(key), 4)]
            for i, part in enumerate(parts):
                dut.key.value = slot | algorithm << 4 | i << 7 | part << 11 | (i == len(parts) - 1) << 43
                await self.handshake(dut.key_valid, dut.key_ready)
        for number in domains:
            await self.install(number)
        await self.cycles(100)
        if not self.watching:
            self.watching = cocotb.start_soon(self._watch())

    async def install(self, number: int, tag: int | None = None) -> None:
        """Install a domain, with another tag if ``tag`` is given. Takes one cycle."""
        slot, algorithm, old, first = self.domains[number]
        self.domains[number] = slot, algorithm, tag if tag is not None else old, first
        self.dut.domain_number.value = number
        self.dut.domain_row.value = 1 | algorithm << 1 | slot << 4 | self.domains[number][2] << 8 | first << 40
        self.dut.domain_install.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.domain_install.value = 0

    async def handshake(self, valid, ready) -> None:
        """Hold ``valid`` until ``ready``."""
        valid.value = 1
        for _ in range(TIMEOUT_CYCLES):
            await ReadOnly()
            taken = int(ready.value)
            await RisingEdge(self.dut.clk)
            if taken:
                valid.value = 0
                return
        raise AssertionError(f"{ready._name} stays low")

    async def _watch(self) -> None:
        """Every word on a data channel, and that nothing changes while it is offered."""
        dut, waiting = self.dut, {}
        ports = {
            name: [getattr(dut, f"axi__{port}") for port in (f"{name}valid", f"{name}ready", *payload)]
            for name, payload in OFFERED.items()
        }
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            for name, (valid, ready, *payload) in ports.items():
                now = tuple(int(p.value) for p in payload) if int(valid.value) else None
                before = waiting.get(name)
                assert before is None or now == before, f"channel {name}: {before} offered, then {now}"
                waiting[name] = None if now and int(ready.value) else now
                if name == "w" and now and int(ready.value):
                    self._see(now[0])
            if int(dut.axi__rvalid.value) and int(dut.axi__rready.value):
                self._see(int(dut.axi__rdata.value))

    def _see(self, word: int) -> None:
        self.words += 1
        self.plaintext += word in self.secret

    async def read(self, line: int, domain: int, slot: int | None = None) -> tuple[bytes, bool]:
        """The line's plaintext, and whether its last beat has an error. Without ``slot``, it is not kept."""
        dut = self.dut
        dut.lines__read__payload.value = line | domain << 26 | (slot is not None) << 30 | (slot or 0) << 31
        collect = cocotb.start_soon(self._beats())
        if slot is not None:
            self.slots.pop(slot, None)
        await self.handshake(dut.lines__read__valid, dut.lines__read__ready)
        self.lines += 1
        data, error = await collect
        if slot is not None and not error:
            self.slots[slot] = line, domain
        return data, error

    async def fill(self, line: int, domain: int) -> int:
        """A slot that holds the line: one that does, or one to which it is read now. Plain or unusable: any slot."""
        kept = [slot for slot, held in self.slots.items() if held == (line, domain)]
        slot = self.rng.choice(kept) if kept else self.rng.randrange(SLOTS)
        if domain in PROTECTED and domain in self.installed and not kept:
            assert await self.read(line, domain, slot) == (self.opened(line, domain), False)
        return slot

    async def _beats(self) -> tuple[bytes, bool]:
        dut, out = self.dut, b""
        for _ in range(TIMEOUT_CYCLES):
            await ReadOnly()
            if int(dut.lines__beat_valid.value):
                beat = int(dut.lines__beat.value)
                out += (beat & (1 << 64) - 1).to_bytes(8, "little")
                last, error = beat >> 64 & 1, beat >> 65 & 1
                assert last == (len(out) == 64)
                if last:
                    await RisingEdge(dut.clk)
                    return out, bool(error)
            await RisingEdge(dut.clk)
        raise AssertionError("a line does not arrive")

    async def announce(self, slot: int) -> int:
        """Announce the line in ``slot``. Takes one cycle. Returns the place that its write shall name."""
        place, self.place = self.place, 1 - self.place
        self.dut.lines__announce.value = slot | place << 8
        self.dut.lines__announce_valid.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.lines__announce_valid.value = 0
        return place

    async def request(self, line: int, domain: int, place: int) -> None:
        """The request of a write that was announced."""
        self.dut.lines__write__payload.value = line | domain << 26 | place << 30
        await self.handshake(self.dut.lines__write__valid, self.dut.lines__write__ready)

    async def begin(self, line: int, domain: int, slot: int) -> None:
        """Announce a line and request its write in the same cycle, as the victim buffer does when it is empty."""
        announced = cocotb.start_soon(self.announce(slot))
        await self.request(line, domain, self.place)
        await announced

    async def send(self, data: bytes, domain: int) -> bool:
        """The words of the write requested last, under its ``domain``; whether it is acknowledged without error."""
        if domain:
            self.secret.update(words(data))
        done = cocotb.start_soon(self._done())
        for word in words(data):
            self.dut.lines__wdata__payload.value = word
            await self.handshake(self.dut.lines__wdata__valid, self.dut.lines__wdata__ready)
        self.lines += 1
        return await done

    async def write(self, line: int, domain: int, data: bytes, slot: int | None = None) -> bool:
        """Out of ``slot``, or filled if need be: announce and, at once or later, send; whether the write is
        acknowledged without error.
        """
        await self.begin(line, domain, await self.fill(line, domain) if slot is None else slot)
        await self.cycles(self.rng.choice((0, 0, 3, 30)))
        return await self.send(data, domain)

    async def _done(self) -> bool:
        for _ in range(TIMEOUT_CYCLES):
            await ReadOnly()
            if int(self.dut.lines__write_done.value):
                good = not int(self.dut.lines__write_error.value)
                await RisingEdge(self.dut.clk)
                return good
            await RisingEdge(self.dut.clk)
        raise AssertionError("a write is not acknowledged")

    def held(self, line: int) -> bytes:
        """What the memory holds for a line."""
        return bytes(self.ram.read(line << 6, 64))

    def sealed(self, line: int, domain: int, data: bytes) -> bytes:
        """What memory must hold for a line, by the independent model."""
        return data if domain == 0 or OPEN else xts.encrypt(*self._key_and_tweak(line, domain), data)

    def opened(self, line: int, domain: int) -> bytes:
        """What a read of a line must give under ``domain``, whoever wrote it, by the independent model."""
        held = self.held(line)
        return held if domain == 0 or OPEN else xts.decrypt(*self._key_and_tweak(line, domain), held)

    def _key_and_tweak(self, line: int, domain: int) -> tuple[bytes, bytes]:
        slot, _, tag, first = self.domains[domain]
        return KEYS[slot], tweak_bytes(tag, line - first)

    def preload(self, line: int, domain: int) -> bytes:
        """Put a random line into memory, sealed by the independent model; its plaintext."""
        data = self.rng.randbytes(64)
        if domain:
            self.secret.update(words(data))
        self.ram.write(line << 6, self.sealed(line, domain, data))
        return data

    def close(self) -> None:
        """Judge what was seen on the bus, and add the counts of this test to the file ``counts.jsonl``."""
        assert bool(self.plaintext) == OPEN, f"{self.plaintext} of {self.words} words on the bus are plaintext"
        counts = {"lines": self.lines, "words": self.words, "plaintext": self.plaintext}
        with Path("counts.jsonl").open("a") as file:
            file.write(json.dumps(counts) + "\n")
