"""Mask ROM: an independent instruction model runs its reset code; the bus reads what was put in."""

import pytest
from amaranth_bench import run, seeded
from bus_bench import ERROR, gap, read, write
from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, Uc, riscv_const

from hakone.isa.platform import MASK_ROM, RAM_BASE
from hakone.periph.mask_rom import TREE_OFFSET, MaskRom, rom_image


def test_reset_code_passes_hart_and_device_tree_and_jumps_to_ram():
    machine = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
    machine.mem_map(MASK_ROM.base, MASK_ROM.bytes)
    machine.mem_map(RAM_BASE, 0x1000)
    machine.mem_write(MASK_ROM.base, rom_image(b"tree"))
    for register in range(riscv_const.UC_RISCV_REG_X1, riscv_const.UC_RISCV_REG_X31 + 1):
        machine.reg_write(register, 0xDEAD_BEEF)
    machine.emu_start(MASK_ROM.base, RAM_BASE, count=20)
    assert machine.reg_read(riscv_const.UC_RISCV_REG_PC) == RAM_BASE
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A0) == 0
    assert machine.reg_read(riscv_const.UC_RISCV_REG_A2) == 0
    tree = machine.reg_read(riscv_const.UC_RISCV_REG_A1)
    assert tree == MASK_ROM.base + TREE_OFFSET
    assert tree % 8 == 0
    assert bytes(machine.mem_read(tree, 4)) == b"tree"


def test_every_word_reads_back_and_writes_are_refused():
    source = seeded()
    image = source.randbytes(MASK_ROM.bytes)
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
    rom_image(bytes(MASK_ROM.bytes - TREE_OFFSET))
    with pytest.raises(ValueError, match="device tree of 4065 bytes: the mask ROM has 4064"):
        rom_image(bytes(MASK_ROM.bytes - TREE_OFFSET + 1))
    with pytest.raises(ValueError, match="image of 3 bytes: 4096 are needed"):
        MaskRom(b"abc")
