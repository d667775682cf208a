"""Runs that several protection tests look at: the marker program, and the probes of the rules.

The marker program fills memory with one marker and the locals of a function with another. It runs on a chip whose
cipher works and, as control, on one whose cipher is off; program, keys and seed are the same.
"""

from dataclasses import dataclass
from pathlib import Path

from observation import CLOSED, OPEN, PROGRAMS, Job, Seen, declared, found_in, observe, region

from hakone.isa.formats import BOOT_RECORD_WORDS, FUSE_HEADER_WORDS
from hakone_tools.programs import Program, build_sealed

VAULT_MARKER, LOCAL_MARKER = b"VAULT<marker>#42", b"local{Marker}:17"
VAULT_BYTES, LOCAL_BYTES = 16384, 256


@dataclass(frozen=True)
class Markers:
    """One run of the marker program. ``alive``: the memory chip while both markers are in use, by part."""

    program: Program
    seen: Seen
    alive: dict[str, bytes]

    @property
    def data(self) -> dict:
        """The region that the vault and the stack lie in."""
        return region(self.program, "data")

    @property
    def vault(self) -> int:
        """Address of the vault."""
        return self.program.symbols()["vault"]

    @property
    def stack(self) -> int:
        """First address of the stack."""
        return self.program.symbols()["__stack_bottom"]

    def code(self) -> bytes:
        """The program's code as linked."""
        return declared(self.program, "code")

    def search(self, where: bytes) -> int:
        """How many pieces of eight bytes of either marker stand there."""
        return found_in(where, VAULT_MARKER) + found_in(where, LOCAL_MARKER)

    def bus(self) -> bytes:
        """Every line as it last crossed the bus, in order of address."""
        return b"".join(data for _, data in sorted(self.seen.bus.items()))


def marker_job(program: Program, cache: bool = False) -> Job:
    """The marker program, looked at while it says that both markers are alive."""
    at = program.symbols()
    parts = [[at["vault"], VAULT_BYTES], [at["__stack_bottom"], at["__stack_top"] - at["__stack_bottom"]]]
    return Job("marker", program, steps=[{"line": "alive", "read": parts, "cache": cache}], wait_seed=11)


def build_marker(folder: Path, in_the_open: bool = False) -> Program:
    """The marker program, sealed under the keys of one seed."""
    return build_sealed("marker", [PROGRAMS / "marker.c"], folder, 3, in_the_open=in_the_open)


def run_marker(folder: Path, in_the_open: bool = False, model: Path | None = None) -> Markers:
    """Run it. It must have found all of its own data as it left them."""
    program = build_marker(folder, in_the_open)
    job = marker_job(program, cache=model is not None)
    seen = observe(OPEN if in_the_open else CLOSED, [job], folder, model)["marker"]
    assert (seen.status, seen.uart) == (0, "alive\nwrong words: 0\n"), seen.reason
    vault, stack = seen.reads[0]
    return Markers(program, seen, {"vault": vault, "stack": stack})


#: Probes that the context's stub and its encrypted code know; see programs/protection/probes.S.
STUB = {"jump": 1, "load": 2, "call": 3, "store": 4}
INSIDE = {
    "load": 10,
    "store": 11,
    "secrets": 12,
    "return": 13,
    "jump": 14,
    "stack": 15,
    "fill": 17,
    "return masked": 18,
    "call": 19,
}
AFTER_CTXPUT, AFTER_READ = 1, 2


def probe(
    name: str,
    program: Program,
    number: int,
    *values: int,
    at: str = "landing",
    resumes: int = 0,
    afterwards: int = 0,
    victim: int = 0,
    fuses: bytes | None = None,
) -> Job:
    """A run of the probe program: ``number`` says what is tried and ``values`` with what; entered at symbol ``at``."""
    symbols = program.symbols()
    words = {symbols["arguments"] + 4 * n: v for n, v in enumerate((number, symbols[at], *values))}
    words |= {symbols["resumes"]: resumes, symbols["afterwards"]: afterwards, symbols["victim"]: victim}
    return Job(name, program, patches=words, fuses=fuses, max_cycles=200_000)


@dataclass(frozen=True)
class Trapped:
    """What the trap handler saw of context 1, and what the probe left behind."""

    registers: list[int]
    cause: int
    value: int
    context: int
    sub: int
    boot: int
    result: list[int]
    monitor: list[int]  #: mcause and hxsub of a trap of the monitor, and 1 when there was one
    returned: list[int]

    @property
    def why(self) -> tuple[int, int]:
        """Cause and rule."""
        return self.cause, self.sub


def trapped(seen: Seen, program: Program) -> Trapped:
    """Read the log of a probe's run, which must have ended by itself."""
    assert seen.status == 0, seen.reason
    at = program.symbols()
    log = seen.words(at["trap_log"], 37)
    return Trapped(
        log[:32], *log[32:37], seen.words(at["result"], 16), seen.words(at["monitor_log"], 3),
        seen.words(at["returned_log"], 32),
    )  # fmt: skip


def with_field(fuses: bytes, record: int, word: int, value: int) -> bytes:
    """A fuse image with one word of one boot record changed."""
    at = 4 * (FUSE_HEADER_WORDS + record * BOOT_RECORD_WORDS + word)
    return fuses[:at] + value.to_bytes(4, "little") + fuses[at + 4 :]


def marker_lines(size: int) -> bytes:
    """What the vault holds, in plain."""
    return VAULT_MARKER * (size // len(VAULT_MARKER))
