"""LEDs and buttons: levels, changes, interrupts; a random run against a model that is told what the pins did."""

from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write

from hakone.isa.board_io import GPIO_END
from hakone.isa.board_io import Gpio as Register
from hakone.periph.gpio import Gpio

SYNCHRONISER_CYCLES = 3


def test_leds_show_what_is_written_and_are_dark_after_reset():
    dut = Gpio()

    async def bench(ctx):
        assert ctx.get(dut.leds) == 0
        for value in (0xFF, 0x5A, 0x1_00):
            await write(ctx, dut.bus, Register.OUTPUT_VAL, value)
            assert ctx.get(dut.leds) == value & 0xFF
            assert await read(ctx, dut.bus, Register.OUTPUT_VAL) == value & 0xFF

    run(dut, bench)


def test_change_interrupts_until_one_is_written():
    dut = Gpio()

    async def bench(ctx):
        await write(ctx, dut.bus, Register.RISE_IE, 0b01)
        await write(ctx, dut.bus, Register.FALL_IE, 0b10)
        for level, register in ((0b11, Register.RISE_IP), (0b00, Register.FALL_IP)):
            ctx.set(dut.buttons, level)
            await ctx.tick().repeat(SYNCHRONISER_CYCLES + 1)
            assert ctx.get(dut.interrupt) == 1
            assert await read(ctx, dut.bus, register) == 0b11  # pending also where it is not enabled
            await write(ctx, dut.bus, register, 0b01 if level == 0 else 0b10)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.interrupt) == 1
            await write(ctx, dut.bus, register, 0b11)
            await ctx.tick().repeat(2)
            assert ctx.get(dut.interrupt) == 0
            assert await read(ctx, dut.bus, register) == 0

    run(dut, bench)


def test_change_in_the_cycle_of_the_clearing_write_stays():
    dut = Gpio()

    async def bench(ctx):
        for wait in range(6):  # one of these puts the write into the cycle of the edge
            await write(ctx, dut.bus, Register.RISE_IP, 1)
            ctx.set(dut.buttons, 1)
            if wait:
                await ctx.tick().repeat(wait)
            await write(ctx, dut.bus, Register.RISE_IP, 1)
            await ctx.tick().repeat(8)
            # Written before the edge is seen, or in its cycle: it stays. Written after: gone.
            assert await read(ctx, dut.bus, Register.RISE_IP) == (wait < SYNCHRONISER_CYCLES), wait
            ctx.set(dut.buttons, 0)
            await ctx.tick().repeat(8)

    run(dut, bench)


def test_random_changes_are_all_pending():
    dut, source = Gpio(), seeded()

    async def bench(ctx):
        level, rises, falls = 0, 0, 0
        for _ in range(100):
            new = source.randrange(256)
            rises, falls = rises | (new & ~level), falls | (level & ~new)
            level = new
            ctx.set(dut.buttons, level)
            await ctx.tick().repeat(SYNCHRONISER_CYCLES + 1)
            await gap(ctx, source)
            assert await read(ctx, dut.bus, Register.INPUT_VAL) == level
            assert await read(ctx, dut.bus, Register.RISE_IP) == rises
            assert await read(ctx, dut.bus, Register.FALL_IP) == falls
            gone = source.randrange(256)
            await write(ctx, dut.bus, Register.RISE_IP, gone)
            await write(ctx, dut.bus, Register.FALL_IP, gone)
            rises, falls = rises & ~gone, falls & ~gone

    run(dut, bench)


def test_narrow_accesses_and_offsets_beyond_the_end_are_refused():
    dut = Gpio()

    async def bench(ctx):
        assert await write(ctx, dut.bus, Register.OUTPUT_VAL, 0xFF, 1) == ERROR
        assert await read(ctx, dut.bus, Register.INPUT_VAL, 2) == ERROR
        assert await write(ctx, dut.bus, GPIO_END, 0xFF) == ERROR
        assert await read(ctx, dut.bus, 0xFFC) == ERROR
        assert ctx.get(dut.leds) == 0
        assert await write(ctx, dut.bus, Register.INPUT_VAL, 0xFF) is None
        assert await read(ctx, dut.bus, Register.INPUT_VAL) == 0

    run(dut, bench)
