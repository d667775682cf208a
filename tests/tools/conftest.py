"""What the tests of the tools share: the command in this process, and a machine to run plain programs on."""

import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from hakone_tools import cli

RAM = 0x8000_0000


@dataclass
class Outcome:
    """What one call of ``hakone`` did."""

    status: int
    out: str
    err: str

    def is_one_line(self, *parts: str) -> bool:
        """True when it failed as every verb must: status 2, one line with all of ``parts`` and a remedy."""
        lines = self.err.splitlines()
        return self.status == 2 and len(lines) == 1 and "; " in lines[0] and all(p in lines[0] for p in parts)


@pytest.fixture
def hakone(capfd):
    """Call ``hakone`` with arguments; gives an ``Outcome``."""

    def call(*arguments) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return Outcome(end.value.code or 0, out, err)

    return call


def load_segments(path: Path) -> list[tuple[int, bytes]]:
    """Address and memory content of every loadable segment, read without any code of ours."""
    data = path.read_bytes()
    (offset,) = struct.unpack_from("<I", data, 28)
    size, count = struct.unpack_from("<HH", data, 42)
    out = []
    for n in range(count):
        kind, place, _, address, file_bytes, memory_bytes = struct.unpack_from("<6I", data, offset + n * size)
        if kind == 1 and memory_bytes:
            out.append((address, data[place : place + file_bytes].ljust(memory_bytes, b"\0")))
    return sorted(out)


def run_plain(path: Path, limit: int = 50_000_000) -> tuple[int, str]:
    """Run a plain program in Unicorn with a serial port and a finisher; its exit code and what it printed."""
    from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, Uc

    machine = Uc(UC_ARCH_RISCV, UC_MODE_RISCV32)
    machine.mem_map(RAM, 4 << 20)
    for address, content in load_segments(path):
        machine.mem_write(address, content)
    printed, ended = bytearray(), []

    def uart_write(uc, offset, size, value, _):
        if offset == 0:
            printed.append(value & 0xFF)

    def finish(uc, offset, size, value, _):
        ended.append(value)
        uc.emu_stop()

    machine.mmio_map(
        0x1000_0000, 0x1000, lambda uc, offset, size, _: 0x60 if offset == 5 else 0, None, uart_write, None
    )
    machine.mmio_map(0x10_0000, 0x1000, None, None, finish, None)
    machine.emu_start(RAM, 0, count=limit)
    assert ended, f"no end within {limit} instructions; printed {printed.decode(errors='replace')!r}"
    assert ended[0] & 0xFFFF in (0x5555, 0x3333)
    return ended[0] >> 16, printed.decode()
