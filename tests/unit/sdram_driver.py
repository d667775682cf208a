"""Drives the SDRAM controller through the channels of ``cocotbext-axi`` and clocks the chip model at its pads.

Runs inside cocotb, with ``hakone_sim.sdram_bench.SdramBench`` as the top level. What a burst means for memory is worked
out here from the specification (ARM IHI 0022H, A3.4.1), byte by byte.
"""

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiMaster
from cocotbext.axi.axi_channels import AxiARSource, AxiAWSource, AxiBSink, AxiRSink, AxiWSource

from hakone.isa.platform import RAM_BASE
from hakone_sim import sdram_bench

SEED = int(os.environ.get("HAKONE_SEED", "1"))
FIXED, INCR, WRAP = 0, 1, 2
OKAY, DECERR = 0, 3
TIMEOUT_CYCLES = 20_000


@dataclass(frozen=True)
class Burst:
    """A burst: address, beats, log2 of the bytes of a beat, type, identifier."""

    addr: int
    beats: int = 8
    size: int = 3
    kind: int = INCR
    ident: int = 0

    def addresses(self) -> list[int]:
        """Address of each beat."""
        step = 1 << self.size
        span = step * self.beats
        low = self.addr & ~(span - 1)
        if self.kind == FIXED:
            return [self.addr] * self.beats
        if self.kind == WRAP:
            return [low + (self.addr - low + n * step) % span for n in range(self.beats)]
        return [self.addr, *((self.addr & ~(step - 1)) + n * step for n in range(1, self.beats))]

    def lanes(self, addr: int) -> range:
        """Byte lanes that a beat at ``addr`` carries."""
        step = 1 << self.size
        return range(addr % 8, (addr & ~(step - 1)) % 8 + step)


def random_burst(rng: random.Random, low: int, size: int, ident: int) -> Burst:
    """A legal burst inside ``size`` bytes from ``low`` on, a multiple of 4 KiB."""
    kind = rng.choice((INCR, INCR, INCR, WRAP, FIXED))
    log2 = rng.choice((3, 3, 3, 3, 0, 1, 2))
    if kind == WRAP:
        beats = rng.choice((2, 4, 8, 16))
        return Burst(low + (rng.randrange(size) & -(1 << log2)), beats, log2, kind, ident)
    beats = rng.choice((1, 2, 8, 8, 16, rng.randrange(1, 17)))
    addr = rng.randrange(size)
    beats = min(beats, ((0x1000 - addr % 0x1000) >> log2) or 1) if kind == INCR else min(beats, 16)
    return Burst(low + addr, beats, log2, kind, ident)


def pauses(rng: random.Random, percent: int):
    """An endless pattern of wait states."""
    while True:
        yield rng.randrange(100) < percent


class Bench:
    """One test's bench. ``percent``: how often each of the five channels pauses in a cycle; ``master``: drive with
    ``AxiMaster`` instead of by channel. ``image`` is what memory must hold, by offset.
    """

    def __init__(self, dut, percent: int = 0, master: bool = False):
        self.dut = dut
        self.rng = random.Random(SEED * 1000 + percent)
        self.image: dict[int, int] = {}
        self._set_up()
        dut._log.info(f"seed {SEED}, wait states {percent} %")
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        dut.rst.value = 1
        bus = AxiBus.from_prefix(dut, "axi_")
        if master:
            self.master = AxiMaster(bus, dut.clk, dut.rst, max_burst_len=16)
            write, read = self.master.write_if, self.master.read_if
            self.aw, self.w, self.b = write.aw_channel, write.w_channel, write.b_channel
            self.ar, self.r = read.ar_channel, read.r_channel
        else:
            self.aw, self.w = AxiAWSource(bus.write.aw, dut.clk, dut.rst), AxiWSource(bus.write.w, dut.clk, dut.rst)
            self.b = AxiBSink(bus.write.b, dut.clk, dut.rst)
            self.ar, self.r = AxiARSource(bus.read.ar, dut.clk, dut.rst), AxiRSink(bus.read.r, dut.clk, dut.rst)
        for channel in (self.aw, self.w, self.b, self.ar, self.r):
            channel.log.setLevel("WARNING")
            if percent:
                channel.set_pause_generator(pauses(random.Random(self.rng.random()), percent))

    def _set_up(self) -> None:
        """What stands behind the controller."""
        given = sdram_bench.setting()
        self.size_bytes, self.clock_hz = given["size_bytes"], given["clock_hz"]
        self.cycles = sdram_bench.timed(self.size_bytes, self.clock_hz)
        self.chip = sdram_bench.chip(self.size_bytes, self.clock_hz, **given["changes"])

    async def start(self) -> None:
        """Reset; the chip is clocked from here on."""
        self.dut.dq_i.value = 0
        await self.wait(4)
        self.dut.rst.value = 0
        cocotb.start_soon(self._clock_chip())

    async def _clock_chip(self) -> None:
        """Halfway through each cycle the chip takes the pads, and its answer is what the next edge captures."""
        dut, chip = self.dut, self.chip
        await RisingEdge(dut.clk)
        while True:
            await FallingEdge(dut.clk)
            chip.edge(int(dut.pads.value))
            dut.dq_i.value = chip.seen()
            assert not chip.violation, chip.violation

    async def wait(self, cycles: int) -> None:
        """Let cycles pass."""
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)

    def now(self) -> int:
        """Number of the cycle."""
        return int(get_sim_time("ns")) // 10

    def fill(self, addr: int, data: bytes) -> None:
        """Put bytes into the chip."""
        self.chip.load(addr - RAM_BASE, data)
        self.image |= {addr - RAM_BASE + n: byte for n, byte in enumerate(data)}

    def ask(self, burst: Burst) -> None:
        """Send the address of a read."""
        item = self.ar._transaction_obj()
        item.araddr, item.arlen, item.arsize = burst.addr, burst.beats - 1, burst.size
        item.arburst, item.arid = burst.kind, burst.ident
        self.ar.send_nowait(item)

    async def beats(self, burst: Burst) -> list[int]:
        """The beats of the oldest read, which was ``burst``, checked against the image. Outside: DECERR."""
        got = []
        for n, addr in enumerate(burst.addresses()):
            beat = await self.r.recv()
            inside = RAM_BASE <= addr < RAM_BASE + self.size_bytes
            assert int(beat.rid) == burst.ident and int(beat.rlast) == (n == burst.beats - 1), f"{burst}, beat {n}"
            assert int(beat.rresp) == (OKAY if inside else DECERR), f"{burst}, beat {n}: response {int(beat.rresp)}"
            got.append(int(beat.rdata))
            for lane in burst.lanes(addr) if inside else ():
                offset = (addr & ~7) + lane - RAM_BASE
                expected = self.image.get(offset, 0)
                found = int(beat.rdata) >> 8 * lane & 0xFF
                assert found == expected, f"{burst}, beat {n}, lane {lane}: {found:#x} instead of {expected:#x}"
        return got

    async def read(self, burst: Burst) -> list[int]:
        """A read by itself."""
        self.ask(burst)
        return await self.beats(burst)

    def put(self, burst: Burst, address: bool = True, data: bool = True) -> None:
        """Send a write with random data and strobes; it is in the image at once."""
        item = self.aw._transaction_obj()
        item.awaddr, item.awlen, item.awsize = burst.addr, burst.beats - 1, burst.size
        item.awburst, item.awid = burst.kind, burst.ident
        if address:
            self.aw.send_nowait(item)
        if data:
            self.put_data(burst)

    def put_data(self, burst: Burst, count: int | None = None, skip: int = 0) -> None:
        """Beats of a write: ``count`` of them, behind the first ``skip``."""
        for n, addr in list(enumerate(burst.addresses()))[skip : None if count is None else skip + count]:
            item = self.w._transaction_obj()
            item.wdata = word = self.rng.getrandbits(64)
            allowed = sum(1 << lane for lane in burst.lanes(addr))
            item.wstrb = strobe = allowed & self.rng.choice((0xFF, 0xFF, self.rng.randrange(256)))
            item.wlast = n == burst.beats - 1
            self.w.send_nowait(item)
            if RAM_BASE <= addr < RAM_BASE + self.size_bytes:
                for lane in range(8):
                    if strobe >> lane & 1:
                        self.image[(addr & ~7) + lane - RAM_BASE] = word >> 8 * lane & 0xFF

    async def answer(self, burst: Burst) -> None:
        """The oldest write, which was ``burst``, is acknowledged as it must be."""
        item = await self.b.recv()
        inside = RAM_BASE <= burst.addr < RAM_BASE + self.size_bytes
        assert (int(item.bid), int(item.bresp)) == (burst.ident, OKAY if inside else DECERR), f"{burst}"

    async def write(self, burst: Burst) -> None:
        """A write by itself, to its acknowledgement."""
        self.put(burst)
        await self.answer(burst)

    def check_cells(self) -> None:
        """The chip holds what the image says."""
        for offset, byte in self.image.items():
            found = self.chip.read(offset, 1)[0]
            assert found == byte, f"offset {offset:#x}: {found:#x} instead of {byte:#x}"

    async def close(self, name: str, **numbers: float) -> None:
        """Let everything come to rest, judge the cells, and note what was counted."""
        await self.wait(20)
        self.check_cells()
        self.chip.finish()
        assert not self.chip.violation, self.chip.violation
        with Path("notes.jsonl").open("a") as file:
            file.write(json.dumps({"test": name, **numbers, **self.chip.counters}) + "\n")
