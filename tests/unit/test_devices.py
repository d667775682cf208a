"""All devices behind the decoder, against what QEMU's ``virt`` board answered to the same accesses."""

from pathlib import Path

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, access, gap, read, write

from hakone.isa import board_io, platform
from hakone.soc.config import SocConfig
from hakone.soc.devices import Devices

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "qemu"
REPLAYED = sorted(p.name for p in VECTORS.glob("*.txt") if p.name not in ("differences.txt", "finisher.txt"))
SETTLE_CYCLES = 40  # for the interrupt controller's search and the time base
WAIT_CYCLES = 600  # longer than the UART's character timeout


def _lines(name):
    """(line number, operation, numbers, answer) of a recording."""
    out = []
    for number, line in enumerate((VECTORS / name).read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        mark = next((n for n, w in enumerate(words) if w in ("=", "!", "exit", "goes")), len(words))
        out.append((number, words[0], words[1:mark], " ".join(words[mark:])))
    return out


def _differences():
    """Where Hakone answers otherwise, by (file, line): the answer, or ``any``."""
    out = {}
    for line in (VECTORS / "differences.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            place, answer, reason = (part.strip() for part in line.split("|"))
            name, number = place.split(":")
            assert reason
            out[name, int(number)] = answer
    return out


def _mip(ctx, dut):
    """The interrupt outputs where a hart shows them in ``mip``."""
    bits = {3: "software", 7: "timer", 9: "supervisor", 11: "external"}
    return sum(ctx.get(getattr(dut, f"interrupt_{name}")) << bit for bit, name in bits.items())


async def _replay(ctx, dut, source, lines):
    """Our answers to the accesses of a recording, in its own words."""
    answers = {}
    for number, operation, words, _ in lines:
        if operation == "mip":
            await ctx.tick().repeat(SETTLE_CYCLES)
            answers[number] = f"= {_mip(ctx, dut):08x}"
        elif operation == "wait":
            await ctx.tick().repeat(WAIT_CYCLES)
            answers[number] = ""
        else:
            await gap(ctx, source, 40)
            value = int(words[1], 16) if operation[0] == "w" else None
            size = int(operation[1])
            got = await access(ctx, dut.bus, int(words[0], 16), size, value and value & (1 << 8 * size) - 1)
            if got == ERROR:
                answers[number] = "! 7" if operation[0] == "w" else "! 5"
            else:
                answers[number] = "" if got is None else f"= {got:08x}"
    return answers


@pytest.mark.long
@pytest.mark.parametrize("name", REPLAYED)
def test_answers_are_those_of_qemu(name):
    dut, source, lines, ours = Devices(SocConfig()), seeded(), _lines(name), {}

    async def bench(ctx):
        ctx.set(dut.uart_tx.ready, 1)
        await ctx.tick()
        ours.update(await _replay(ctx, dut, source, lines))

    run(dut, bench)
    assert len(lines) > 8
    differences = {number: answer for (file, number), answer in _differences().items() if file == name}
    for number, _, _, theirs in lines:
        listed = differences.pop(number, None)
        if listed == "any":
            continue
        assert listed != theirs, f"{name}:{number}: listed as different, but it is not"
        assert ours[number] == (theirs if listed is None else listed), f"{name}:{number}"
    assert not differences, f"{name}: differences listed for lines that do not exist"


@pytest.mark.parametrize("number,operation,words,answer", _lines("finisher.txt"))
def test_finisher_ends_the_machine_as_qemu_does(number, operation, words, answer):
    dut, ends = Devices(SocConfig()), []

    async def bench(ctx):
        await access(ctx, dut.bus, int(words[0], 16), int(operation[1]), int(words[1], 16))
        await ctx.tick()
        ends.extend(ctx.get(s) for s in (dut.finish_valid, dut.finish_code, dut.finish_reset))

    run(dut, bench)
    valid, code, reset = ends
    status = "exit 0" if reset else f"exit {code & 0xFF}" if valid else "goes on"
    assert status == answer
    assert not (valid and reset)
    assert reset == (words[1] == "00007777")


def test_every_address_without_a_device_answers_with_an_error():
    dut, source = Devices(SocConfig()), seeded()
    windows = [platform.RESET_PAGE, *platform.DEVICES]
    edges = {w.base - 4 for w in windows} | {w.end for w in windows} | {0, platform.RAM_BASE, 0xFFFF_FFFC}
    edges |= {platform.BOOT_PROGRAM.end - 4, *(w.base for w in platform.BOARD_DEVICES)}
    free = [a for a in sorted(edges) if not any(w.base <= a < w.end for w in windows)]
    assert len(free) > 8

    async def bench(ctx):
        for addr in free:
            await gap(ctx, source)
            assert await read(ctx, dut.bus, addr) == ERROR, hex(addr)
            assert await write(ctx, dut.bus, addr, 0xFFFF_FFFF) == ERROR, hex(addr)

    run(dut, bench)


def test_rtc_and_uart_interrupts_reach_their_sources():
    dut = Devices(SocConfig())
    base = platform.PLIC.base

    async def bench(ctx):
        await write(ctx, dut.bus, platform.RTC.base + 0x10, 1)
        await write(ctx, dut.bus, platform.RTC.base + 0x08, 0)
        await ctx.tick().repeat(SETTLE_CYCLES)
        assert await read(ctx, dut.bus, base + 0x1000) == 1 << 11
        await write(ctx, dut.bus, platform.UART.base + 1, 2, 1)
        assert await read(ctx, dut.bus, base + 0x1000) == 1 << 11 | 1 << 10

    run(dut, bench)


def test_boot_program_answers_where_it_stands():
    dut = Devices(SocConfig(), b"abcd" * 2048)

    async def bench(ctx):
        for addr in (platform.BOOT_PROGRAM.base, platform.BOOT_PROGRAM.end - 4):
            assert await read(ctx, dut.bus, addr) == int.from_bytes(b"abcd", "little")
        for addr in (0, platform.MASK_ROM.base - 4, platform.MASK_ROM.end):
            assert await read(ctx, dut.bus, addr) == ERROR, hex(addr)

    run(dut, bench)


def test_board_devices_reach_their_pads_and_interrupt_sources():
    dut = Devices(SocConfig(board_io=True))
    pending = platform.PLIC.base + 0x1000

    async def bench(ctx):
        await write(ctx, dut.bus, platform.GPIO.base + board_io.Gpio.OUTPUT_VAL, 0xA5)
        assert ctx.get(dut.leds) == 0xA5
        await write(ctx, dut.bus, platform.GPIO.base + board_io.Gpio.RISE_IE, 0x80)
        ctx.set(dut.buttons, 0x80)
        await ctx.tick().repeat(SETTLE_CYCLES)
        assert await read(ctx, dut.bus, pending) == 1 << platform.GPIO.interrupt
        assert ctx.get(dut.spi.cs_n) == 1
        await write(ctx, dut.bus, platform.SPI.base + board_io.Spi.CSDEF, 0)
        await ctx.tick()
        assert ctx.get(dut.spi.cs_n) == 0
        await write(ctx, dut.bus, platform.SPI.base + board_io.Spi.TXMARK, 1)
        await write(ctx, dut.bus, platform.SPI.base + board_io.Spi.IE, 1)
        await ctx.tick().repeat(SETTLE_CYCLES)
        assert await read(ctx, dut.bus, pending) == 1 << platform.GPIO.interrupt | 1 << platform.SPI.interrupt

    run(dut, bench)


def test_access_takes_three_cycles():
    dut = Devices(SocConfig())

    async def bench(ctx):
        for addr, cycles in ((platform.CLINT.base, 3), (platform.UART.base, 3), (platform.MASK_ROM.base, 4), (0, 3)):
            ctx.set(dut.bus.addr, addr)
            ctx.set(dut.bus.strobe, 0xF)
            ctx.set(dut.bus.valid, 1)
            taken = 1
            while not (await ctx.tick().sample(dut.bus.ready))[2]:
                taken += 1
            ctx.set(dut.bus.valid, 0)
            assert taken == cycles, hex(addr)

    run(dut, bench)
