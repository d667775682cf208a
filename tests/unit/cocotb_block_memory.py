"""cocotb side of ``test_block_memory.py``: the traffic of the SDRAM controller's tests, at memory in block RAM."""

import os

import cocotb
from cocotb_sdram import random_burst, soon, traffic
from sdram_driver import RAM_BASE, Bench, Burst

IMAGE = bytes.fromhex(os.environ.get("HAKONE_BLOCK_IMAGE", ""))


class BlockBench(Bench):
    """The same driver before a memory without pads, which holds ``IMAGE`` at the start."""

    def _set_up(self) -> None:
        self.size_bytes = int(os.environ["HAKONE_BLOCK_BYTES"])
        self.image = dict(enumerate(IMAGE))

    async def start(self) -> None:
        """Reset."""
        await self.wait(4)
        self.dut.rst.value = 0


@cocotb.test()
async def image_is_there_at_the_start(dut):
    bench = BlockBench(dut)
    await bench.start()
    for n in range(0, len(IMAGE), 64):
        await soon(bench.read(Burst(RAM_BASE + n)))
    assert (await bench.read(Burst(RAM_BASE + 64)))[0] == int.from_bytes(IMAGE[64:72], "little") != 0


async def filled(bench: BlockBench) -> None:
    """Every byte is written first: what stood there is of another test."""
    await bench.start()
    for page in range(RAM_BASE, RAM_BASE + bench.size_bytes, 0x800):
        burst = Burst(page, 256)
        for n in range(256):
            item = bench.w._transaction_obj()
            item.wdata, item.wstrb, item.wlast = bench.rng.getrandbits(64), 0xFF, n == 255
            bench.w.send_nowait(item)
            word = int(item.wdata).to_bytes(8, "little")
            bench.image |= {page - RAM_BASE + 8 * n + i: byte for i, byte in enumerate(word)}
        bench.put(burst, data=False)
        await soon(bench.answer(burst))


@cocotb.test()
async def every_kind_of_burst_without_wait_states(dut):
    bench = BlockBench(dut)
    await filled(bench)
    await traffic(bench, 200)


@cocotb.test()
async def every_kind_of_burst_with_wait_states(dut):
    bench = BlockBench(dut, 40)
    await filled(bench)
    await traffic(bench, 200)


@cocotb.test()
async def beyond_the_memory_is_a_decode_error(dut):
    bench = BlockBench(dut, 20)
    await filled(bench)
    end = RAM_BASE + bench.size_bytes
    for burst in (Burst(RAM_BASE - 64), Burst(end), Burst(0, 2), Burst(end + 0x1000, 1)):
        await soon(bench.read(burst))
        await soon(bench.write(burst))
        await soon(bench.read(random_burst(bench.rng, RAM_BASE, 0x1000, 1)))
    for page in range(RAM_BASE, end, 0x800):
        await soon(bench.read(Burst(page, 256)))


@cocotb.test()
async def a_beat_a_cycle(dut):
    bench = BlockBench(dut)
    await filled(bench)
    begin = bench.now()
    for n in range(16):
        bench.ask(Burst(RAM_BASE + 128 * n, 16))
    for n in range(16):
        await soon(bench.beats(Burst(RAM_BASE + 128 * n, 16)))
    assert bench.now() - begin <= 16 * 17 + 8
