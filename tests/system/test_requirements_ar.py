"""Requirements AR: what attribute entries hold and do, observed on the whole system. Entries come from boot records."""

import hashlib
import os
import subprocess
import sys

import pytest
from observation import CLOSED, OPEN, PROGRAMS, Job, compile_sealed, control, found_in, observe, region, xts
from protected_runs import INSIDE, probe, trapped, with_field

from hakone.isa.cause import Cause, Sub
from hakone.isa.events import Event
from hakone.isa.formats import (
    BOOT_WORD_ACCESS,
    BOOT_WORD_BYTES,
    BOOT_WORD_KIND,
    BOOT_WORD_START,
    Algorithm,
    BootStatus,
)
from hakone.isa.platform import LINE_BYTES
from hakone_sim.evidence import evidence
from hakone_tools.paths import ROOT
from hakone_tools.sealing import SeededKeys

NO_ENTRY = (Cause.REGION.value, Sub.REGION_NO_ENTRY.value)
CALL = (Cause.ECALL_U.value, 0)
PATTERN = b"one pattern, two regions, and every cipher makes its own of it.."


class OneKey:
    """A source of keys that gives the same one to every region."""

    def __init__(self):
        self._source = SeededKeys(7)
        self._drawn: dict[int, bytes] = {}

    def bytes(self, count: int) -> bytes:
        """The one value of this length."""
        return self._drawn.setdefault(count, self._source.bytes(count))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs and runs of this module lie."""
    return tmp_path_factory.mktemp("ar")


@pytest.mark.requirement("AR-02")
def test_start_and_end_of_an_entry_are_where_its_record_says(folder):
    """The last word inside is readable and the first line outside faults, on either side; a record with another start
    or end moves that border. Each of these runs is the control of its opposite."""
    program = compile_sealed("probes", ["probes.S"], folder, "probes.toml")
    fuses = program.fuses.read_bytes()
    data = region(program, "data")
    start, size = data["start"], data["bytes"]
    shorter = with_field(fuses, 1, BOOT_WORD_BYTES, size - LINE_BYTES)
    longer = with_field(fuses, 1, BOOT_WORD_BYTES, size + LINE_BYTES)
    later = with_field(with_field(fuses, 1, BOOT_WORD_START, start + LINE_BYTES), 1, BOOT_WORD_BYTES, size - LINE_BYTES)
    load, last = INSIDE["load"], start + size - 4
    jobs = [
        probe("first", program, load, start),
        probe("last", program, load, last),
        probe("before", program, load, start - 4),
        probe("behind", program, load, last + 4),
        probe("behind_longer", program, load, last + 4, fuses=longer),
        probe("last_shorter", program, load, last, fuses=shorter),
        probe("first_later", program, load, start, fuses=later),
        probe("second_later", program, load, start + LINE_BYTES, fuses=later),
        probe("stored", program, INSIDE["store"], last, 0x13572468),
        probe("store_behind", program, INSIDE["store"], last + 4, 0x13572468),
        probe("straddling", program, load, last + 2),
    ]
    runs = observe(CLOSED, jobs, folder)
    why = {name: trapped(seen, program) for name, seen in runs.items()}
    assert all(seen.hits == 0 for seen in runs.values())
    assert why["last"].result[0] == 0x11112222 and why["stored"].result[0] == 0x13572468
    works = [n for n, t in why.items() if t.why == CALL]
    faults = [n for n, t in why.items() if t.why == NO_ENTRY and t.value == 0]
    expected = ["first", "last", "behind_longer", "second_later", "stored"]
    assert sorted(works + faults) == sorted(why)
    # A refused store has changed nothing.
    assert runs["store_behind"].chip(last + 4, 4) == b"plai"
    evidence("AR-02", {"works": expected}, {"works": works}, control("behind" in faults and "behind_longer" in works))
    assert works == expected


@pytest.mark.requirement("AR-02")
def test_key_of_an_entry_may_be_that_of_another(folder):
    """The key's place in the store: two code regions with one key are one program, and control passes between them;
    with a key each, the second is foreign code. Only the keys differ between the runs."""
    got = {}
    for name, keys in (("shared", OneKey()), ("separate", SeededKeys(7))):
        program = compile_sealed("probes", ["probes.S"], folder / name, "two_codes.toml", keys=keys)
        job = probe(name, program, INSIDE["jump"], program.symbols()["second_code"])
        got[name] = trapped(observe(CLOSED, [job], folder / name)[name], program)
    assert (got["shared"].why, got["shared"].result[0]) == (CALL, 0x2C0DE002)
    assert (got["separate"].why, got["separate"].result[0]) == ((Cause.MODE.value, Sub.MODE_FETCH_OUTSIDE.value), 0)
    refused = control(got["separate"].cause == Cause.MODE.value)
    evidence(
        "AR-02",
        {"ran under the shared key": 0x2C0DE002},
        {"ran under the shared key": got["shared"].result[0]},
        refused,
    )


@pytest.mark.requirement("AR-02")
@pytest.mark.requirement("AR-04")
def test_every_cipher_makes_its_own_of_the_same_lines(folder):
    """The same pattern, stored at the same lines of two regions with equal tags, AES-128-XTS and AES-256-XTS: both
    ciphertexts are those of ``cryptography``, and they differ. Control: the cipher off, both are the pattern."""
    chips = {}
    for preset in (CLOSED, OPEN):
        program = compile_sealed("probes", ["probes.S"], folder, "two_ciphers.toml", in_the_open=preset == OPEN)
        seen = observe(preset, [probe("fill", program, INSIDE["fill"])], folder)["fill"]
        log, at = trapped(seen, program), program.symbols()
        assert (
            log.why == CALL and log.result[0] == log.result[1] == int.from_bytes(PATTERN[36:40], "little") ^ 0xFFFF_FFFF
        )
        chips[preset] = [seen.chip(at[n], 4 * LINE_BYTES) for n in ("first_data", "second_data")]
        if preset == CLOSED:
            places = [region(program, n) for n in ("first", "second")]
            assert [len(p["key"]) for p in places] == [32, 64]
            expected = [xts(p, at[n], 4 * PATTERN) for p, n in zip(places, ("first_data", "second_data"), strict=True)]
            assert seen.hits == 0
    first, second = chips[CLOSED]
    assert first != second and found_in(first + second, PATTERN) == 0
    succeeded = control(chips[OPEN] == [4 * PATTERN] * 2)
    for identifier in ("AR-02", "AR-04"):
        evidence(identifier, [c.hex() for c in expected], [c.hex() for c in chips[CLOSED]], succeeded)
    assert chips[CLOSED] == expected


@pytest.mark.requirement("AR-04")
def test_unknown_ciphers_are_refused_by_the_chip_and_by_the_tool(folder):
    """Every code that is not a cipher of this version: the boot loader refuses that record and says why, an access to
    its region faults; the sealing tool refuses it in one line. Control: the code as it was is taken."""
    program = compile_sealed("probes", ["probes.S"], folder, "two_ciphers.toml")
    fuses, address = program.fuses.read_bytes(), program.symbols()["second_data"]
    kind = int.from_bytes(fuses[16 + 2 * 128 :][:4], "little")
    codes = [
        c for c in range(8) if c not in (a.value for a in (Algorithm.NONE, Algorithm.AES128_XTS, Algorithm.AES256_XTS))
    ]
    assert len(codes) == 5
    jobs = [probe("known", program, INSIDE["load"], address)]
    for code in codes:
        changed = with_field(fuses, 2, BOOT_WORD_KIND, kind & ~(7 << 16) | code << 16)
        jobs.append(probe(f"code{code}", program, INSIDE["load"], address, fuses=changed))
    mismatched = with_field(
        fuses, 2, BOOT_WORD_ACCESS, int.from_bytes(fuses[16 + 2 * 128 + 4 :][:4], "little") ^ 96 << 24
    )
    jobs.append(probe("key_size", program, INSIDE["load"], address, fuses=mismatched))
    logs = {name: trapped(seen, program) for name, seen in observe(CLOSED, jobs, folder).items()}
    known = logs.pop("known")
    loaded = BootStatus.LOADED.value * 0x1111
    assert (known.boot, known.why) == (loaded, CALL)
    wrong_size = logs.pop("key_size")
    assert wrong_size.boot == loaded + (BootStatus.BAD_KEY_SIZE.value - BootStatus.LOADED.value << 8)
    assert wrong_size.why == NO_ENTRY
    refused = loaded + (BootStatus.BAD_ALGORITHM.value - BootStatus.LOADED.value << 8)
    by_chip = [n for n, log in logs.items() if (log.boot, log.why) == (refused, NO_ENTRY)]
    policy = folder / "unknown.toml"
    policy.write_text((PROGRAMS / "two_ciphers.toml").read_text().replace("aes256-xts", "aes512-xts"))
    command = [sys.executable, "-m", "hakone_tools.cli", "seal", str(program.linked), "-o", str(folder / "no.elf")]
    command += ["--fuses", str(folder / "no.fuses"), "--policy", str(policy)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=tool_environment())
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "aes512-xts" in done.stderr, done.stderr
    assert not (folder / "no.elf").exists() and not (folder / "no.fuses").exists()
    names = [f"code{c}" for c in codes]
    evidence(
        "AR-04",
        {"refused": names, "tool": 2},
        {"refused": by_chip, "tool": done.returncode},
        control(known.why == CALL),
    )
    assert by_chip == names


def tool_environment() -> dict[str, str]:
    """This process's environment with the modules' folders, for a command in a process of its own."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


# -- AR-12 -----------------------------------------------------------------------------------------------------------

WORDS = 256
FACTORS = (0x9E3779B1, 0x85EBCA6B)


def half(factor: int) -> bytes:
    """What a context writes into its half."""
    return b"".join(((n + 1) * factor & 0xFFFF_FFFF).to_bytes(4, "little") for n in range(WORDS))


@pytest.mark.requirement("AR-12")
def test_contexts_share_a_region_and_the_bus_shows_its_ciphertext(folder):
    """Context 1 writes one half, context 2 reads it and writes the other, context 1 reads that; everything is evicted
    in between, so that each access crosses the bus. What crossed is the ciphertext under the common key; a line put
    into memory here, encrypted by ``cryptography`` under that key, is what context 2 reads.
    """
    runs = {}
    for preset in (CLOSED, OPEN):
        program = compile_sealed("share", ["share.S"], folder, "share.toml", in_the_open=preset == OPEN)
        at, place = program.symbols(), region(program, "shared")
        shared, last = at["shared"], at["shared"] + 15 * LINE_BYTES
        foreign = b"put here by someone who has the key of the region and no process"
        there = foreign if preset == OPEN else xts(place, last, foreign)
        both = [shared, 8 * WORDS]
        steps = [
            {"store": at["phase"], "read": [both], "write": [[last, there.hex()]]},
            {"store": at["phase"], "read": [both]},
            {"store": at["phase"], "read": [both]},
        ]
        seen = observe(preset, [Job("share", program, steps=steps, wait_seed=3)], folder)["share"]
        assert seen.status == 0 and seen.words(at["failure"], 2) == [0, 0], seen.reason
        # 2 found 1's words and the foreign one, 1 found 2's.
        assert seen.words(at["result"], 3) == [WORDS - 16, WORDS, int.from_bytes(foreign[:4], "little")]
        runs[preset] = seen, program
    seen, program = runs[CLOSED]
    first, second = half(FACTORS[0]), half(FACTORS[1])
    phases = [step[0] for step in seen.reads]
    size = len(first)
    assert phases[0][:size] == xts(place_of(program), shared, first)
    mixed = first[:-LINE_BYTES] + foreign
    plain = mixed + second
    cipher = xts(place_of(program), shared, plain)
    assert phases[1] == phases[2] == cipher
    on_bus = b"".join(seen.bus[shared + n] for n in range(0, 2 * size, LINE_BYTES))
    assert on_bus == cipher and xts(place_of(program), shared, on_bus, decrypt=True) == plain
    # Both contexts read and wrote through the bus: at least a miss for each line that each of them reads.
    for context in (1, 2):
        assert misses(seen, context) >= size // LINE_BYTES
    assert seen.hits == 0
    opened = runs[OPEN][0]
    bare = b"".join(opened.bus[shared + n] for n in range(0, 2 * size, LINE_BYTES))
    evidence(
        "AR-12",
        {"on the bus": digest(cipher), "words of the other read": [WORDS - 16, WORDS], "plaintext found": 0},
        {
            "on the bus": digest(on_bus),
            "words of the other read": seen.words(at["result"], 2),
            "plaintext found": seen.hits,
        },
        control(bare == plain and opened.hits > 0),
    )


def place_of(program) -> dict:
    """The shared region."""
    return region(program, "shared")


def digest(data: bytes) -> str:
    """A short name for a long string of bytes."""
    return hashlib.sha256(data).hexdigest()


def misses(seen, context: int) -> int:
    """Data lines that a context's encrypted code asked for."""
    records = seen.executed(context, encrypted=True)
    return int((records["events"] >> Event.DCACHE_MISS.value & 1).sum())
