"""Mask ROM: an independent instruction model runs its reset code; the bus reads what was put in."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write
from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, Uc, riscv_const

from hakone.isa.platform import BOOT_PROGRAM, MASK_ROM, RAM_BASE, RESET_PAGE
from hakone.periph.mask_rom import TREE_OFFSET, MaskRom, rom_image


def _after_reset_code(image: bytes, target: int) -> Uc:
    """A machine that has run the reset code up to ``target``."""
    machine = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
    machine.mem_map(MASK_ROM.base, MASK_ROM.bytes)
    machine.mem_map(RAM_BASE, 0x1000)
    machine.mem_write(MASK_ROM.base, image)
    for register in range(riscv_const.UC_RISCV_REG_X1, riscv_const.UC_RISCV_REG_X31 + 1):
        machine.reg_write(register, 0xDEAD_BEEF)
    machine.emu_start(MASK_ROM.base, target, count=20)
    assert machine.reg_read(riscv_const.UC_RISCV_REG_PC) == target
    return machine


@pytest.mark.parametrize("ram_bytes,clock_hz", [(1 << 16, 10_000_000), (32 << 20, 50_000_000), (1 << 30, 75_000_000)])
def test_reset_code_tells_the_boot_program_memory_and_clock(ram_bytes, clock_hz):
    machine = _after_reset_code(rom_image(b"tree", b"program", ram_bytes, clock_hz), BOOT_PROGRAM.base)
    names = (riscv_const.UC_RISCV_REG_A0, riscv_const.UC_RISCV_REG_A1)
    assert [machine.reg_read(name) for name in names] == [0, MASK_ROM.base + TREE_OFFSET]
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A2) == ram_bytes
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A3) == clock_hz
    assert bytes(machine.mem_read(BOOT_PROGRAM.base, 7)) == b"program"


def test_reset_code_passes_hart_and_device_tree_and_jumps_to_ram():
    machine = _after_reset_code(rom_image(b"tree"), RAM_BASE)
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A0) == 0
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A2) == 0
    tree = machine.reg_read(riscv_const.UC_RISCV_REG_A1)
    assert tree == MASK_ROM.base + TREE_OFFSET
    assert tree % 8 == 0
    assert bytes(machine.mem_read(tree, 4)) == b"tree"


def test_every_word_reads_back_and_writes_are_refused():
    source = seeded()
    image = source.randbytes(RESET_PAGE.bytes)
    dut = MaskRom(image)

    async def bench(ctx):
        for addr in (0, 4, 0xFFC, *(source.randrange(0, 0x1000, 4) for _ in range(60))):
            await gap(ctx, source)
            assert await read(ctx, dut.bus, addr) == int.from_bytes(image[addr : addr + 4], "little")
            lane = addr + source.randrange(4)
            assert await read(ctx, dut.bus, lane, 1) == image[lane]
            assert await write(ctx, dut.bus, addr, 0) == ERROR
            assert await read(ctx, dut.bus, addr) == int.from_bytes(image[addr : addr + 4], "little")

    run(dut, bench)


def test_tree_that_does_not_fit_is_refused():
    rom_image(bytes(RESET_PAGE.bytes - TREE_OFFSET))
    with pytest.raises(ValueError, match="device tree of 4065 bytes: the mask ROM has 4064"):
        rom_image(bytes(RESET_PAGE.bytes - TREE_OFFSET + 1))
    with pytest.raises(ValueError, match="image of 3 bytes: 4096 or 12288 are needed"):
        MaskRom(b"abc")


def test_boot_program_that_does_not_fit_is_refused():
    rom_image(b"", bytes(BOOT_PROGRAM.bytes), 1 << 16, 10_000_000)
    for length in (0, BOOT_PROGRAM.bytes + 1):
        with pytest.raises(ValueError, match=f"boot program of {length} bytes: the mask ROM has 8192"):
            rom_image(b"", bytes(length), 1 << 16, 10_000_000)


def test_three_pages_read_back_and_the_page_before_them_is_refused():
    source = seeded()
    image = source.randbytes(MASK_ROM.bytes)
    dut = MaskRom(image)
    assert (dut.window.base, dut.window.end) == (0, MASK_ROM.end)

    async def bench(ctx):
        edges = [page + offset for page in (0x1000, 0x2000, 0x3000) for offset in (0, 0xFFC)]
        for addr in (*edges, *(source.randrange(0x1000, 0x4000, 4) for _ in range(60))):
            await gap(ctx, source)
            word = int.from_bytes(image[addr - 0x1000 : addr - 0xFFC], "little")
            assert await read(ctx, dut.bus, addr) == word, hex(addr)
            assert await write(ctx, dut.bus, addr, 0) == ERROR
            assert await read(ctx, dut.bus, source.randrange(0, 0x1000, 4)) == ERROR

    run(dut, bench)
