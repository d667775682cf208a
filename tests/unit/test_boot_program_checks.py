"""What the boot program thinks of a header: its code as it stands in the mask ROM, run by an independent model of the
instruction set, against the rules said in numbers that cannot wrap. And the same with each rule taken out.
"""

import binascii
import random
import re
import shutil
import struct
import zlib

import pytest
from amaranth_bench import seeded
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, Uc, UcError, riscv_const

from hakone.isa import VERSION
from hakone.isa.boot_image import IMAGE_MAGIC, LOADER_BYTES, BootImage, BootProblem
from hakone.isa.platform import BOOT_PROGRAM, RAM_BASE
from hakone_tools.boot_program import SOURCES, _flat, boot_program, build_elf

_SP, _RA, _A0 = riscv_const.UC_RISCV_REG_X2, riscv_const.UC_RISCV_REG_X1, riscv_const.UC_RISCV_REG_X10
_DATA, _RETURN = 0x1_0000, 0x3F00
RAM_SIZES = (1 << 16, 1 << 20, 32 << 20, 1 << 30)


class Code:
    """Functions of a boot program by name."""

    def __init__(self, elf):
        with elf.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            self._places = {s.name: s["st_value"] for s in table.iter_symbols()}
        self._machine = machine = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
        machine.mem_map(BOOT_PROGRAM.base, BOOT_PROGRAM.bytes)
        machine.mem_write(BOOT_PROGRAM.base, _flat(elf))
        machine.mem_map(_DATA, 0x2000)

    def call(self, name, *arguments, data=b""):
        """a0 of a call; ``data`` is at ``_DATA``."""
        machine = self._machine
        machine.mem_write(_DATA, data)
        machine.reg_write(_SP, _DATA + 0x2000)
        machine.reg_write(_RA, _RETURN)
        for number, value in enumerate(arguments):
            machine.reg_write(_A0 + number, value)
        machine.emu_start(self._places[name], _RETURN, count=1_000_000)
        return machine.reg_read(_A0)


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    return Code(build_elf(tmp_path_factory.mktemp("boot")))


def verdict(header: bytes, ram_bytes: int) -> BootProblem:
    """The rules, in the order in which they are told."""
    magic, version, load, length, entry, _, reserved, crc = struct.unpack("<8I", header)
    end, ram_end = load + length, RAM_BASE + ram_bytes
    rules = [
        (magic == IMAGE_MAGIC, BootProblem.MAGIC),
        (crc == zlib.crc32(header[:28]), BootProblem.HEADER_CRC),
        (VERSION & 0xFFFF_0000 <= version <= VERSION, BootProblem.VERSION),
        (reserved == 0, BootProblem.RESERVED),
        (length > 0 and length % 512 == 0, BootProblem.LENGTH),
        (load % 64 == 0 and load >= RAM_BASE and end <= ram_end, BootProblem.ADDRESS),
        (end <= ram_end - LOADER_BYTES, BootProblem.LOADER),
        (entry % 2 == 0 and load <= entry < end, BootProblem.ENTRY),
    ]
    return next((problem for good, problem in rules if not good), BootProblem.NONE)


def _near(source: random.Random, *places: int) -> int:
    """A number at or beside one of these, or any."""
    if not source.randrange(8):
        return source.getrandbits(32)
    step = source.choice((0, 0, 1, 2, 4, 63, 64, 512, 4096))
    return source.choice(places) + source.choice((-1, 1)) * step & 0xFFFF_FFFF


def headers(source: random.Random, count: int):
    """Headers at the edges of the rules, with the RAM that they are for."""
    for _ in range(count):
        ram_bytes = source.choice(RAM_SIZES)
        limit = ram_bytes - LOADER_BYTES
        length = _near(source, 512, 1024, limit, ram_bytes, 0, 0xFFFF_FE00, 0x8000_0000, -RAM_BASE)
        length &= -512 if source.randrange(4) else -1
        end = source.choice((RAM_BASE + limit, RAM_BASE + ram_bytes, 0))
        load = _near(source, RAM_BASE, RAM_BASE + limit, end - length, end - length + 64, 0, 0x1000, 0xFFFF_FFC0)
        load &= -64 if source.randrange(4) else -1
        entry = _near(source, load, load + length, load + length - 2, load + 4, 0)
        version = source.choice((VERSION, VERSION, VERSION, VERSION + 1, VERSION + 0x1_0000, VERSION - 0x1_0000, 0))
        magic = IMAGE_MAGIC ^ (not source.randrange(40))
        reserved = int(not source.randrange(40))
        head = struct.pack("<7I", magic, version, load, length, entry, source.getrandbits(32), reserved)
        yield head + struct.pack("<I", zlib.crc32(head) ^ (not source.randrange(40))), ram_bytes


def mismatches(code: Code, count: int) -> list[tuple[BootProblem, int]]:
    """Where the code and the rules differ."""
    found = []
    for header, ram_bytes in headers(seeded(), count):
        got, expected = code.call("image_check", _DATA, ram_bytes, data=header), verdict(header, ram_bytes)
        if got != expected:
            found.append((expected, got))
    return found


def test_headers_at_the_edges_are_judged_by_the_rules(code):
    assert not mismatches(code, 2000)
    seen = {verdict(*case) for case in headers(seeded(), 2000)}
    assert seen == set(BootProblem) - {BootProblem.PAYLOAD_CRC, BootProblem.ORDER, BootProblem.AGAIN}


#: A condition in ``image.c`` and what it becomes: the rule is gone, or wraps.
MUTATIONS = {
    "stack": ("if (bytes > ram_bytes - LOADER_BYTES || load", "if (false && load"),
    "stack by a sum": (
        "bytes > ram_bytes - LOADER_BYTES || load - HAKONE_RAM_BASE > ram_bytes - LOADER_BYTES - bytes",
        "load + bytes > HAKONE_RAM_BASE + ram_bytes - LOADER_BYTES + 64",
    ),
    "range by a sum": (
        "bytes > ram_bytes || load - HAKONE_RAM_BASE > ram_bytes - bytes",
        "load + bytes > HAKONE_RAM_BASE + ram_bytes",
    ),
    "line": ("load % HAKONE_LINE_BYTES ||", ""),
    "length": ("if (!bytes || bytes % IMAGE_BLOCK_BYTES)", "if (!bytes)"),
    "entry behind": ("entry - load >= bytes", "false"),
    "odd entry": ("entry % 2 ||", ""),
    "version": ("if (!version_fits(word[IMAGE_WORD_VERSION]))", "if (false)"),
    "header CRC": ("word[IMAGE_WORD_HEADER_CRC] !=", "false && word[IMAGE_WORD_HEADER_CRC] !="),
}


@pytest.mark.long
@pytest.mark.parametrize("name", MUTATIONS)
def test_rule_that_is_gone_is_seen(name, tmp_path):
    """The control: headers that the rule is for are among those that are tried."""
    sources = tmp_path / "boot"
    shutil.copytree(SOURCES, sources)
    text = (sources / "image.c").read_text()
    old, new = MUTATIONS[name]
    assert text.count(old) == 1
    (sources / "image.c").write_text(text.replace(old, new))
    header = sources / "boot.h"
    header.write_text('#pragma clang diagnostic ignored "-Wunused-function"\n' + header.read_text())
    (tmp_path / "build").mkdir()
    try:
        found = mismatches(Code(build_elf(tmp_path / "build", sources)), 2000)
    except UcError as error:  # it went where nothing is
        found = [error]
    assert found


def test_checks_of_data_are_those_of_others(code):
    source = seeded()
    for length in (0, 1, 5, 16, 512, 777):
        data = source.randbytes(length)
        assert code.call("crc32", 0, _DATA, length, data=data) == zlib.crc32(data)
        assert code.call("crc16", 0, _DATA, length, data=data) == binascii.crc_hqx(data, 0)
        split = length // 3
        first = code.call("crc32", 0, _DATA, split, data=data)
        assert code.call("crc32", first, _DATA + split, length - split, data=data) == zlib.crc32(data)
    # SD Physical Layer Simplified Specification, section 4.5: examples of CMD0, CMD17 and its answer.
    for frame, crc in ((b"\x40\0\0\0\0", 0x4A), (b"\x51\0\0\0\0", 0x2A), (b"\x11\0\0\x09\0", 0x33)):
        assert code.call("crc7", 0, _DATA, 5, data=frame) == crc
    assert binascii.crc_hqx(b"\xff" * 512, 0) == 0x7FA1  # the same section: 512 bytes of 0xFF


def test_boot_program_fits_and_begins_at_its_place():
    program = boot_program()
    assert 0 < len(program) <= BOOT_PROGRAM.bytes
    assert program == boot_program()


def test_image_comes_back_as_it_went():
    image = BootImage(RAM_BASE, RAM_BASE + 4, bytes(1024))
    assert BootImage.unpack(image.pack()) == image
    assert len(image.pack()) == 512 + 1024
    assert verdict(image.header(), 1 << 16) == BootProblem.NONE


@pytest.mark.parametrize(
    "position,text",
    [(0, "not an image"), (9, "wrong CRC of the header"), (600, "wrong CRC of the payload")],
)
def test_damaged_file_is_refused(position, text):
    data = bytearray(BootImage(RAM_BASE, RAM_BASE, bytes(1024)).pack())
    data[position] ^= 1
    with pytest.raises(ValueError, match=re.escape(text)):
        BootImage.unpack(bytes(data))


def test_truncated_file_is_refused():
    data = BootImage(RAM_BASE, RAM_BASE, bytes(1024)).pack()
    with pytest.raises(ValueError, match="truncated: 1023 bytes of 1024"):
        BootImage.unpack(data[:-1])
    with pytest.raises(ValueError, match="not an image"):
        BootImage.unpack(data[:100])
