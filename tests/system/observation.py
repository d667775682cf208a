"""Runs of protected programs under cocotb, and what an outsider can see of each: the memory bus and the memory chip.

A test describes its runs as ``Job``; ``observe`` has ``cocotb_observation`` carry them out on one model, always with
the bus snooper on, and returns what was seen. The test judges. Ciphertext is computed here with ``cryptography`` and
the tweak as the requirements have it, not with the sealing tool's own function.
"""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hakone.gen import verilog
from hakone.isa.platform import LINE_BYTES, RAM_BASE
from hakone.soc.config import PRESETS
from hakone_sim import builder, trace
from hakone_sim.evidence import SUCCEEDED
from hakone_sim.runner import run_cocotb
from hakone_tools.compiler import Options, compile_program
from hakone_tools.image import read_elf
from hakone_tools.policy import load_policy
from hakone_tools.programs import Program
from hakone_tools.sealing import KeySource, SeededKeys, seal

PROGRAMS = Path(__file__).resolve().parent / "programs" / "protection"
MODULE = Path(__file__).resolve().parent / "cocotb_observation.py"
CLOSED, OPEN = "default", "sim_open_cipher"
#: Compiled without what would make the compiler call functions that plain code here does not have.
FLAGS = ("-std=c11", "-Wextra", "-Werror", "-fno-builtin")


@dataclass
class Job:
    """One run. ``patches`` are words by address, changed before the start; ``steps`` are waited for in order.

    A step is a dictionary: ``line`` (text of a UART line) or ``store`` (address of a word) says what is waited for;
    ``read`` ([[address, bytes], ...]) is then read from the memory chip, ``write`` ([[address, hexadecimal], ...])
    changed there, ``cache`` true reads the caches (white-box model only). ``fuses``: other fuses than the program's.
    """

    name: str
    program: Program
    patches: dict[int, int] = field(default_factory=dict)
    steps: list[dict] = field(default_factory=list)
    fuses: bytes | None = None
    wait_seed: int = 0
    max_cycles: int = 3_000_000


@dataclass(frozen=True)
class Seen:
    """What one run showed: ``memory``, the chip at the end; ``bus``, every line as it last crossed; ``reads``, those of
    each step; ``caches``, of each step that asked; ``trace``, the white-box records."""

    status: int
    reason: str
    uart: str
    snooper: dict
    events: dict
    memory: bytes
    bus: dict[int, bytes]
    reads: list[list[bytes]]
    caches: list[dict]
    trace: trace.Trace

    def chip(self, address: int, count: int) -> bytes:
        """What stands in the memory chip."""
        return self.memory[address - RAM_BASE : address - RAM_BASE + count].ljust(count, b"\0")

    def words(self, address: int, count: int) -> list[int]:
        """Words of the memory chip."""
        return np.frombuffer(self.chip(address, 4 * count), "<u4").tolist()

    @property
    def hits(self) -> int:
        """Windows of protected plaintext that the snooper found, on the bus and in memory."""
        return self.snooper["bus_plaintext_hits"] + self.snooper["ram_plaintext_hits"]

    def executed(self, context: int, encrypted: bool | None = None) -> np.ndarray:
        """Records of the instructions that a context completed."""
        records = self.trace.retired
        keep = trace.info(records, "context") == context
        if encrypted is not None:
            keep &= trace.info(records, "encrypted") == encrypted
        return records[keep]


def compile_sealed(
    name: str,
    sources: list[str],
    folder: Path,
    policy: str,
    *,
    defines: tuple[str, ...] = (),
    keys: KeySource | None = None,
    in_the_open: bool = False,
) -> Program:
    """Build sources of ``PROGRAMS`` with the layout ``protection.ld`` and seal them."""
    folder.mkdir(parents=True, exist_ok=True)
    linked = folder / f"{name}.linked.elf"
    if not linked.exists():
        script = str(PROGRAMS / "protection.ld")
        options = Options(flags=FLAGS, defines=defines, linker_script=script, startup=False, sealed=True)
        compile_program([str(PROGRAMS / s) for s in sources], str(linked), options)
    result = seal(read_elf(str(linked)), load_policy(str(PROGRAMS / policy)), keys or SeededKeys(7), in_the_open)
    stem = f"{name}.{Path(policy).stem}{'.open' if in_the_open else ''}"
    files = {"elf": result.elf, "fuses": result.fuses, "keys": result.keys, "plaintexts": result.plaintexts}
    paths = {}
    for kind, content in files.items():
        paths[kind] = folder / f"{stem}.{kind}"
        paths[kind].write_bytes(content if isinstance(content, bytes) else content.encode())
    return Program(paths["elf"], linked, paths["fuses"], paths["keys"], paths["plaintexts"])


def region(program: Program, name: str) -> dict:
    """Place, key and tag of a region by name, as the program's owner knows them."""
    assert program.keys is not None
    found = [r for r in json.loads(program.keys.read_text())["regions"] if r["name"] == name]
    assert len(found) == 1
    return {**found[0], "key": bytes.fromhex(found[0]["key"])}


def declared(program: Program, name: str) -> bytes:
    """Plaintext of a region as linked."""
    assert program.plaintexts is not None
    rows = json.loads(program.plaintexts.read_text())["protected"]
    return next(bytes.fromhex(r["data"]) for r in rows if r["name"] == name)


def plain_sections(program: Program) -> bytes:
    """Every section of the program that anyone may read, one behind the other."""
    assert program.plaintexts is not None
    return b"".join(bytes.fromhex(r["data"]) for r in json.loads(program.plaintexts.read_text())["plain"])


def xts(place: dict, address: int, data: bytes, decrypt: bool = False) -> bytes:
    """IEEE 1619 over whole lines at ``address`` of a region: tweak is line number (64 bits), tag (32), zero (32)."""
    out = b""
    for n in range(0, len(data), LINE_BYTES):
        line = (address - place["start"] + n) // LINE_BYTES
        tweak = line.to_bytes(8, "little") + place["tag"].to_bytes(4, "little") + bytes(4)
        cipher = Cipher(algorithms.AES(place["key"]), modes.XTS(tweak))
        unit = cipher.decryptor() if decrypt else cipher.encryptor()
        out += unit.update(data[n : n + LINE_BYTES]) + unit.finalize()
    return out


def observe(preset: str, jobs: list[Job], folder: Path, model: Path | None = None) -> dict[str, Seen]:
    """Carry out the jobs on a preset, in one process, and return what each showed, by name."""
    folder = folder / f"{preset}{'-white' if model else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for job in jobs:
        row = asdict(job)
        row["program"] = {k: str(v) for k, v in row["program"].items()}
        if job.fuses is not None:
            (folder / f"{job.name}.fuses").write_bytes(job.fuses)
            row["program"]["fuses"] = str(folder / f"{job.name}.fuses")
        row["patches"] = list(job.patches.items())
        del row["fuses"]
        rows.append(row)
    (folder / "jobs.json").write_text(json.dumps(rows))
    run_cocotb(MODULE, PRESETS[preset], environment={"HAKONE_JOBS": str(folder)}, model=model)
    return {job.name: _seen(folder, job.name) for job in jobs}


def _seen(folder: Path, name: str) -> Seen:
    found = json.loads((folder / f"{name}.json").read_text())
    rows = (folder / f"{name}.bus").read_bytes()
    size = 4 + LINE_BYTES
    return Seen(
        **{k: found[k] for k in ("status", "reason", "uart", "snooper", "events", "caches")},
        memory=(folder / f"{name}.memory").read_bytes(),
        bus={int.from_bytes(rows[n : n + 4], "little"): rows[n + 4 : n + size] for n in range(0, len(rows), size)},
        reads=[[bytes.fromhex(x) for x in step] for step in found["reads"]],
        trace=trace.read(folder / f"{name}.trace"),
    )


def white_box_model() -> Path:
    """A model of its own whose first-level caches can be read; the hardware is the same text.

    Verilator is told by a comment behind the declarations of these memories that they are read from outside.
    """
    config = replace(PRESETS[CLOSED], probe=True)
    text = verilog.generate_cached(config, builder.ROOT / "build" / "verilog" / "cache").read_text()
    memories = r"^(\s*reg \[\d+:0\] (?:tags_[01]|data_[01]|data[01]) \[\d+:0\]);"
    text, count = re.subn(memories, r"\1 /*verilator public_flat_rd*/;", text, flags=re.MULTILINE)
    assert count == 6, f"{count} cache memories found; there are three kinds in two ways"
    return builder.build(text)


def pieces(pattern: bytes, size: int = 8) -> set[bytes]:
    """Every window of a repeated pattern: what a search for it looks for, at whatever offset it begins."""
    twice = pattern + pattern
    return {twice[i : i + size] for i in range(len(pattern))}


def found_in(data: bytes, pattern: bytes) -> int:
    """How many windows of a repeated pattern stand in ``data``."""
    return sum(data.count(p) for p in pieces(pattern))


def control(succeeded: bool) -> str:
    """What the evidence says of a control run; one that did not succeed fails the test here."""
    assert succeeded, "the control run did not succeed: the test is void"
    return SUCCEEDED
