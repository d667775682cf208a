"""The second part of the demonstration: owner and partner share the picture and the text, and four others look on.

The outsider is a plain program with the same memory, the stranger a protected one with a key of its own; the operating
system is the hostile build; bus and memory chip are watched by the simulator. Control: the same without the cipher.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hakone.soc.config import PRESETS
from hakone_sim import plaintext

from ..errors import ToolError
from ..os_record import HEAD_BYTES, MEMORY_DOORS, Door, OsRecord, windows
from ..paths import FIRMWARE
from ..sealing import SeededKeys, xts_lines
from ..system_image import Plan, System, build_system
from ..system_programs import ClosedProgram, PlainProgram, draw_shared
from .runs import Run, run

OWNER, PARTNER, OUTSIDER, STRANGER = 1, 2, 3, 4  #: contexts
AREA_NAME = "album"
LOOKS = 200  #: how often the stranger tries before it shows what it reads
CONTENT = HEAD_BYTES + 16 + 192  #: of struct exchange in firmware/apps/closed/exchange.h, after the library's line
_SEED, _OTHER_SEED = 11, 12
#: Doors of the hostile operating system through which it reads the area, in words.
READING = {
    Door.PHYSICAL: "loads from the frames",
    Door.OWN_SEGMENT: "the frames in a segment of its own",
    Door.SAME_ADDRESS: "the frames at the processes' own addresses",
}
#: Doors that must not open at all.
FORCING = (Door.REGISTERS, Door.SET_COUNTER, Door.SET_REGISTER, Door.SETIK, Door.CLRK, Door.CLRK_CONTEXT)


def plan(inputs: Path, content_bytes: int) -> Plan:
    """The four programs. ``content_bytes``: size of picture and text."""
    folder = FIRMWARE / "apps" / "closed"
    size = -(-(content_bytes + CONTENT) // 4096) * 4096
    defines = (f"EXCHANGE_BYTES={size}", "HAULS=3")
    common = [folder / "main.c", folder / "exchange.c"]
    keys, other = (draw_shared(SeededKeys(seed)) for seed in (_SEED, _OTHER_SEED))

    def closed(name: str, sources: list[Path], context: int, shared: tuple[bytes, bytes], *more: str) -> ClosedProgram:
        return ClosedProgram(name, sources, frozenset([context]), SeededKeys(20 + context), shared, (*defines, *more))

    programs: list[ClosedProgram | PlainProgram] = [
        closed("owner", [*common, folder / "owner.c", inputs], OWNER, keys, "ROLE=1"),
        closed("partner", [*common, folder / "partner.c"], PARTNER, keys, "ROLE=2"),
        closed("stranger", [folder / "exchange.c", folder / "stranger.c"], STRANGER, other),
        PlainProgram("outsider", [folder / "outsider.c"], defines),
    ]
    return Plan(programs, [("owner", 0), ("partner", 0), ("outsider", 0), ("stranger", LOOKS)], hostile=True)


@dataclass(frozen=True)
class Sharing:
    """A run of the four under the hostile operating system. ``encrypted``: the chip's cipher worked."""

    system: System
    run: Run
    picture: bytes
    text: bytes
    encrypted: bool

    @cached_property
    def record(self) -> OsRecord:
        """What the operating system wrote down."""
        return OsRecord(self.system.program.symbols(), self.run.chip)

    @property
    def area_bytes(self) -> int:
        """Size of the area with the library's line, as ``plan`` chooses it."""
        return -(-(CONTENT - HEAD_BYTES + len(self.text) + len(self.picture)) // 4096) * 4096 + HEAD_BYTES

    def ciphertext(self) -> bytes:
        """The area as it lies in the memory chip."""
        return self.run.chip(self.record.area(), self.area_bytes)

    def opened(self) -> bytes:
        """The area, read with the sharers' key where it was encrypted."""
        if not self.encrypted:
            return self.ciphertext()
        name = f"hakone closed area {AREA_NAME}".encode()
        tag = int.from_bytes(hashlib.sha256(name).digest()[:4], "little")
        return xts_lines(draw_shared(SeededKeys(_SEED))[0], tag, self.ciphertext(), decrypt=True)

    def haul(self) -> bytes:
        """What the outsider copied."""
        return self.run.chip(self.record.area(1), 3 * self.area_bytes)

    def loot(self, *doors: Door) -> list[bytes]:
        """What the operating system read of the area, through some doors or through all."""
        found = self.record.attempts(*(doors or MEMORY_DOORS))
        return [self.record.loot(a) for a in found if a.source == self.record.area() and not a.result]

    def exchanged(self) -> bool:
        """Owner and partner both ended well, the owner found the answer right, and the area holds what it put there."""
        area = self.opened()
        said = b"owner: the answer is right" in self.run.result.uart
        ended = {context: self.record.exits().get(context) for context in (OWNER, PARTNER)}
        return said and ended == {OWNER: 0, PARTNER: 0} and self.text in area and self.picture in area

    def stranger_got_in(self) -> bool:
        """The stranger, with another key, found an area that it can use."""
        return b"stranger: done" in self.run.result.uart

    @cached_property
    def _secret(self) -> set[bytes]:
        """Windows of the owner's picture and text, as the bus snooper searches them, that stand in no plain section."""
        assert self.system.program.plaintexts is not None
        rows = plaintext.read(self.system.program.plaintexts)
        plain = {w for row in rows if not row.protected for w in windows(row.data)}
        return {w for data in (self.picture, self.text) for w in windows(data)} - plain

    def _secret_bytes(self, *places: bytes) -> int:
        """How many bytes of ``places`` belong to such a window."""
        count = 0
        for place in places:
            hit = bytearray(len(place))
            for n in range(len(place) - 7):
                if place[n : n + 8] in self._secret:
                    hit[n : n + 8] = b"\1" * 8
            count += sum(hit)
        return count

    def tries(self) -> dict[str, tuple[int, int]]:
        """Who tried to read the area and how: bytes that he got, and how many of them are the owner's picture or
        text; on the bus and in memory, windows instead of bytes."""
        snooper, haul, shown = self.run.result.snooper, self.haul(), self.record.output(STRANGER)
        found = {
            "outsider: a plain program with the same memory": (len(haul), self._secret_bytes(haul)),
            "stranger: a protected program with another key": (len(shown), self._secret_bytes(shown)),
        }
        for door, way in READING.items():
            loot = self.loot(door)
            found[f"operating system: {way}"] = sum(map(len, loot)), self._secret_bytes(*loot)
        found["bus: every burst"] = snooper["windows_searched"], snooper["bus_plaintext_hits"]
        found["memory chip: taken out at the end"] = snooper["ram_windows_searched"], snooper["ram_plaintext_hits"]
        return found

    def refused(self) -> tuple[int, int]:
        """How often the operating system tried to reach registers, entries and traps of protected processes, and how
        often that was refused."""
        found = self.record.attempts(*FORCING)
        return len(found), sum(bool(a.result) for a in found)

    def leaked(self) -> int:
        """Bytes of the owner's picture and text that outsider, stranger and operating system got, and windows that
        stood on the bus or in the memory chip."""
        return sum(secret for _, secret in self.tries().values())


def build(folder: Path, inputs: Path, content_bytes: int) -> tuple[System, System]:
    """The system, and the same with readable code for the control run. Raises ``ToolError``."""
    rules = plan(inputs, content_bytes)
    return (
        build_system("shared", rules, folder / "shared"),
        build_system("shared", rules, folder / "shared-open", in_the_open=True),
    )


def share(system: System, preset: str, folder: Path, name: str, picture: bytes, text: bytes) -> Sharing:
    """Run a system to its end. Raises ``ToolError`` when it does not end by itself."""
    done = Sharing(system, run(system.program, preset, folder, name), picture, text, PRESETS[preset].cipher)
    if not done.record.attempts(Door.PHYSICAL):
        raise ToolError(f"the {name} run", "the operating system tried nothing", "see firmware/os/hostile.c")
    return done


def claims(shared: Sharing, control: Sharing) -> dict[str, bool]:
    """What this part says, each with whether these runs bear it out."""
    return {
        "owner and partner exchange picture and text in memory that they share": shared.exchanged(),
        "outsider, stranger, operating system, bus and memory have no byte of it": shared.leaked() == 0,
        "the stranger's key opens nothing": not shared.stranger_got_in(),
        "registers, entries and traps of the processes stay closed": shared.refused()[0] == shared.refused()[1] > 0,
        "with the cipher off they have it": control.leaked() > 0,
    }


def report(shared: Sharing, control: Sharing) -> dict:
    """The figures that machines read. ``control``: the same question where it must be answered the other way: what
    the stranger, who lacks the key, made of the sharing, and what leaks with the cipher off."""
    return {
        "shared_ok": shared.exchanged(),
        "outsider_plaintext_bytes": shared.leaked(),
        "control": {"shared_ok": shared.stranger_got_in(), "outsider_plaintext_bytes": control.leaked()},
        "cycles_shared": shared.run.result.cycles,
    }
