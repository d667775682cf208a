"""The three runs of the demonstration: encrypted, plain, and the control run with the cipher off.

The control run is the encrypted one in everything (sources, keys, fuses, seed) but one parameter: its chip has no
cipher, so the loader places the regions in plain. The same search must find the plaintext then, or it proves nothing.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hakone.isa.platform import LINE_BYTES, RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim.run import Result, Watch, simulate

from ..errors import ToolError
from ..paths import FIRMWARE
from ..programs import Program, build_plain, build_sealed
from ..sealing import xts_lines

SEED = 1
LATENCY_CYCLES = 10
HEAP_BYTES = 128 << 10
MAX_CYCLES = 200_000_000


@dataclass(frozen=True)
class Run:
    """A run that ended: the program, what the simulator says, the memory chip's content, and lines seen on the bus."""

    program: Program
    result: Result
    memory: bytes
    bus: dict[int, bytes]

    def chip(self, address: int, count: int) -> bytes:
        """What someone reads who takes the memory chip out."""
        return self.memory[address - RAM_BASE : address - RAM_BASE + count].ljust(count, b"\0")

    def seen(self, address: int, count: int) -> bytes | None:
        """What an observer of the bus has of these bytes, or None when they never crossed it."""
        lines = [self.bus.get(a) for a in range(address & -LINE_BYTES, address + count, LINE_BYTES)]
        known = [line for line in lines if line is not None]
        return b"".join(known)[address % LINE_BYTES :][:count] if len(known) == len(lines) else None


class Owner:
    """Reads an encrypted run's memory with the owner's keys, which never left the owner's machine but in the fuses."""

    def __init__(self, run: Run):
        assert run.program.keys is not None
        self._regions = json.loads(run.program.keys.read_text())["regions"]
        self._run = run

    def region(self, address: int) -> dict:
        """The region that an address lies in. Raises ``ValueError`` when it is not protected."""
        for r in self._regions:
            if r["start"] <= address < r["start"] + r["bytes"]:
                return r
        raise ValueError(f"{address:#x} lies in no protected region")

    def read(self, address: int, count: int) -> bytes:
        """Plaintext of ``count`` bytes of one region."""
        r = self.region(address)
        first = (address - r["start"]) // LINE_BYTES
        start = r["start"] + first * LINE_BYTES
        size = -(-(address + count - start) // LINE_BYTES) * LINE_BYTES
        lines = xts_lines(bytes.fromhex(r["key"]), r["tag"], self._run.chip(start, size), first, decrypt=True)
        return lines[address - start :][:count]

    def naive(self, address: int, data: bytes) -> bytes:
        """The same bytes under the same key by naive block encryption: every block by itself (ECB)."""
        key = bytes.fromhex(self.region(address)["key"])
        unit = Cipher(algorithms.AES(key[: len(key) // 2]), modes.ECB()).encryptor()
        return unit.update(data + bytes(-len(data) % 16))[: len(data)]


@dataclass(frozen=True)
class Picture:
    """A picture in the program's memory: where its pixels are, and how large it is."""

    address: int
    width: int
    height: int

    @property
    def bytes(self) -> int:
        """Bytes of its pixels."""
        return 4 * self.width * self.height


def picture_at(address: int, read: Callable[[int, int], bytes]) -> Picture:
    """The picture whose header is at ``address``. Raises ``ValueError`` for a header that cannot be one."""
    width, height = struct.unpack("<2I", read(address, 8))
    if not (0 < width <= 4096 and 0 < height <= 4096):
        raise ValueError(f"no picture at {address:#x}: {width} x {height}")
    return Picture(address + 16, width, height)


def drawing_of(program: Program, read: Callable[[int, int], bytes]) -> Picture:
    """The drawing that the program made: its pointer is a variable of the program's."""
    (address,) = struct.unpack("<I", read(program.symbols()["drawing"], 4))
    return picture_at(address, read)


def build(folder: Path, inputs: Path) -> tuple[Program, Program, Program]:
    """Build the encrypted, the plain and the control program. Raises ``ToolError``."""
    sources = [*sorted((FIRMWARE / "apps" / "album").glob("*.c")), inputs]
    return (
        build_sealed("album", sources, folder, SEED, HEAP_BYTES),
        build_plain("album", sources, folder, HEAP_BYTES),
        build_sealed("album", sources, folder, SEED, HEAP_BYTES, in_the_open=True),
    )


def run(program: Program, preset: str, folder: Path, name: str) -> Run:
    """Run one program to its end. Raises ``ToolError`` when it does not end by itself with success."""
    memory, bus = folder / f"{name}.memory", folder / f"{name}.bus"
    watch = Watch(
        fuses=program.fuses,
        plaintexts=program.plaintexts,
        latency=LATENCY_CYCLES,
        max_cycles=MAX_CYCLES,
        count_only=True,
        ram_out=memory,
        bus_out=bus if program.plaintexts else None,
    )
    result = simulate(PRESETS[preset], program.elf, watch)
    if result.status:
        said = result.uart.decode(errors="replace").strip().splitlines()
        problem = f"ended with status {result.status} ({result.reason} {result.detail})".replace(" )", ")")
        raise ToolError(f"the {name} run", problem, f"its last words: {said[-1] if said else 'none'}")
    rows = bus.read_bytes() if program.plaintexts else b""
    lines = {
        int.from_bytes(rows[n : n + 4], "little"): rows[n + 4 : n + 68] for n in range(0, len(rows), 4 + LINE_BYTES)
    }
    return Run(program, result, memory.read_bytes(), lines)
