"""Requirements PX: what protects a program, observed on the whole system from outside and from within."""

import zlib

import numpy as np
import pytest
from observation import (
    CLOSED,
    OPEN,
    Job,
    compile_sealed,
    control,
    found_in,
    observe,
    plain_sections,
    region,
    white_box_model,
    xts,
)
from protected_runs import (
    AFTER_READ,
    INSIDE,
    VAULT_BYTES,
    VAULT_MARKER,
    Markers,
    marker_lines,
    probe,
    run_marker,
    trapped,
)

from hakone.isa.encoding import CUSTOM, Opcode
from hakone.isa.platform import LINE_BYTES, RAM_BASE
from hakone.memory.doors import CacheGeometry
from hakone.soc.config import PRESETS
from hakone_sim import lockstep, trace
from hakone_sim.evidence import evidence
from hakone_sim.models.mismatch import MismatchError

FENCE_I = 0x0000_100F


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs and runs of this module lie."""
    return tmp_path_factory.mktemp("px")


@pytest.fixture(scope="module")
def closed(folder) -> Markers:
    """The marker program with the cipher."""
    return run_marker(folder)


@pytest.fixture(scope="module")
def opened(folder) -> Markers:
    """The control: the same without."""
    return run_marker(folder, in_the_open=True)


# -- PX-01 -----------------------------------------------------------------------------------------------------------


def sorted_mix() -> tuple[int, int]:
    """What the encrypted task must show."""
    state, table = 12345, []
    for _ in range(512):
        state = (state * 1103515245 + 12345) & 0xFFFF_FFFF
        table.append(state)
    mix = 0
    for value in sorted(table):
        mix = (mix * 31 + value) & 0xFFFF_FFFF
    return mix, min(table) ^ max(table)


TASKS = ["tasks_start.S", "tasks_plain.c", "tasks_secret.c"]


@pytest.mark.requirement("PX-01")
def test_plain_and_encrypted_task_finish_under_one_scheduler(folder):
    """One image, contexts 1 (encrypted) and 2 (plain), round robin by timer; both results are right."""
    checksum = zlib.crc32(bytes(n & 255 for n in range(512)))
    found = {}
    for preset in (CLOSED, OPEN):
        program = compile_sealed("tasks", TASKS, folder, "tasks.toml", in_the_open=preset == OPEN)
        seen = observe(preset, [Job("tasks", program, wait_seed=5)], folder)["tasks"]
        assert seen.status == 0, seen.reason
        at = program.symbols()
        results = (*seen.words(at["result"], 2), *seen.words(at["open_result"], 1))
        assert results == (*sorted_mix(), checksum)
        found[preset] = seen, seen.words(at["switches"], 1)[0], results
    seen, switches, results = found[CLOSED]
    # They really took turns, each in its own mode.
    records = seen.trace.retired
    contexts = trace.info(records, "context")
    tasks = contexts[(contexts == 1) | (contexts == 2)]
    turns = int(np.count_nonzero(np.diff(tasks)))
    assert turns >= 8 and switches >= 8
    assert len(seen.executed(1, encrypted=True)) > 10_000 and len(seen.executed(2, encrypted=False)) > 10_000
    assert len(seen.executed(2, encrypted=True)) == 0
    assert seen.hits == 0
    evidence(
        "PX-01",
        {"encrypted task": list(sorted_mix()), "plain task": checksum, "plaintext outside": 0},
        {"encrypted task": list(results[:2]), "plain task": results[2], "plaintext outside": seen.hits},
        control(found[OPEN][0].hits > 0),
    )


# -- PX-03, PX-04, PX-09 ---------------------------------------------------------------------------------------------


def first_level_lines(cache: dict) -> dict[int, tuple[int, bytes]]:
    """Valid lines of the data cache: domain and content, by address."""
    config = PRESETS[CLOSED]
    geometry = CacheGeometry(config.dcache_bytes, config.cache_ways, config.ram_bytes)
    lines = {}
    for row in cache["data"]:
        tag, domain = row["tag"] >> 1 & (1 << geometry.tag_bits) - 1, row["tag"] >> 1 + geometry.tag_bits
        address = RAM_BASE + ((tag << geometry.set_bits | row["set"]) * LINE_BYTES)
        lines[address] = domain, bytes.fromhex(row["data"])
    return lines


@pytest.mark.requirement("PX-03")
def test_bus_shows_ciphertext_of_lines_whose_plaintext_stands_in_the_cache(folder, opened):
    """Read through the white-box model: what the data cache holds of the vault is the marker; what the bus last showed
    of the very same lines is its encryption."""
    white = run_marker(folder, model=white_box_model())
    vault, place = white.vault, white.data
    inside = {a: d for a, d in first_level_lines(white.seen.caches[0]).items() if vault <= a < vault + VAULT_BYTES}
    assert len(inside) > 64, "the cache held too few lines of the vault for a statement"
    plain = marker_lines(LINE_BYTES)
    in_plain = [a for a, (domain, data) in inside.items() if domain and data == plain]
    on_bus = {a: white.seen.bus[a] for a in inside}
    in_cipher = [a for a, data in on_bus.items() if data == xts(place, a, plain)]
    assert in_plain == in_cipher == list(inside)
    assert sum(found_in(data, VAULT_MARKER) for data in on_bus.values()) == 0
    # The instruction cache holds the program's code as it was before it was sealed, of which the bus shows nothing.
    code = {bytes.fromhex(word) for word in white.seen.caches[0]["code"]}
    linked = white.code()
    everyone, bus = plain_sections(white.program), white.bus()
    words = {linked[n : n + 8] for n in range(0, len(linked), 8) if len(set(linked[n : n + 8])) >= 5}
    words = {w for w in words & code if w not in everyone}  # the monitor has the same few functions in plain
    assert len(words) > 16 and not any(word in bus for word in words)
    assert white.seen.hits == 0
    evidence(
        "PX-03",
        {"lines in plaintext in the cache": len(inside), "of these in ciphertext on the bus": len(inside)},
        {"lines in plaintext in the cache": len(in_plain), "of these in ciphertext on the bus": len(in_cipher)},
        control(all(opened.seen.bus[a] == plain for a in inside) and opened.seen.hits > 0),
    )


@pytest.mark.requirement("PX-04")
def test_markers_are_nowhere_outside(closed, opened):
    """16 KiB of one marker and a stack of another: none on the bus, none in memory during the run, none after it."""

    def count(run: Markers) -> dict[str, int]:
        return {
            "bus": run.search(run.bus()) + run.seen.snooper["bus_plaintext_hits"],
            "memory during the run": sum(run.search(part) for part in run.alive.values()),
            "memory at the end": run.search(run.seen.memory) + run.seen.snooper["ram_plaintext_hits"],
        }

    assert closed.seen.snooper["windows_searched"] > 50_000
    # It is there all the same, for whoever has the key.
    vault = xts(closed.data, closed.vault, closed.seen.chip(closed.vault, VAULT_BYTES), decrypt=True)
    assert vault == marker_lines(VAULT_BYTES)
    nothing = {"bus": 0, "memory during the run": 0, "memory at the end": 0}
    evidence("PX-04", nothing, count(closed), control(all(count(opened).values())))
    assert count(closed) == nothing


@pytest.mark.requirement("PX-09")
def test_evicted_lines_are_encrypted_without_any_instruction_for_it(closed, opened):
    """While the program only loads and stores, lines leave the cache: they arrive encrypted and come back right."""
    place, vault, seen = closed.data, closed.vault, closed.seen
    expected = xts(place, vault, marker_lines(VAULT_BYTES))
    cached = PRESETS[CLOSED].dcache_bytes
    out = [n for n in range(0, VAULT_BYTES, LINE_BYTES) if closed.alive["vault"][n : n + 64] == expected[n : n + 64]]
    assert len(out) >= (VAULT_BYTES - cached) // LINE_BYTES
    # The program's own instructions: the landing, and else no custom instruction and no fence.i, to the end.
    raw = seen.executed(1, encrypted=True)["raw"]
    custom = raw[(raw & 3 == 3) & (raw >> 2 & 31 == Opcode.CUSTOM_0.value)]
    assert custom.tolist() == [CUSTOM["cryptoland"].encode()]
    # Nor did the monitor's help: before the program's end it does not clean the cache.
    retired = seen.trace.retired
    cleaned = np.nonzero(retired["raw"] == FENCE_I)[0]
    assert len(cleaned) == 1 and cleaned[0] > np.nonzero(trace.info(retired, "context") == 1)[0][-1]
    assert seen.events["dcache_evict"] > 128 and seen.events["line_encrypt"] > 128
    assert "wrong words: 0" in seen.uart
    evidence(
        "PX-09",
        {"instructions for it": 0, "marker in memory": 0, "read back": "wrong words: 0"},
        {
            "instructions for it": len(custom) - 1,
            "marker in memory": found_in(closed.alive["vault"], VAULT_MARKER),
            "read back": seen.uart.splitlines()[-1],
        },
        control(opened.alive["vault"].count(VAULT_MARKER) >= len(out)),
    )


# -- PX-05 -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("PX-05")
def test_registers_hold_the_plaintext_that_the_reference_computes(folder):
    """Both tasks in lockstep: every register written by every instruction is that of a reference that runs the program
    as linked. Control: given the ciphertext, the reference disagrees with the first encrypted instruction."""
    program = compile_sealed("tasks", TASKS, folder, "tasks.toml")
    options = {"fuses": program.fuses, "plaintexts": program.plaintexts, "wait_seed": 9, "latency": 4}
    got = {}
    for name, reference in (("as linked", program.linked), ("as sealed", program.elf)):
        try:
            outcome = lockstep.run(program.elf, PRESETS[CLOSED], plain=reference, **options)
            assert outcome.result.encrypted_instructions > 10_000
            assert outcome.result.snooper["bus_plaintext_hits"] == 0
            got[name] = "equal"
        except MismatchError as problem:
            got[name] = str(problem)
    evidence("PX-05", "equal", got["as linked"], control("instruction word" in got["as sealed"]))
    assert got["as linked"] == "equal"


# -- PX-10 -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("PX-10")
def test_machine_mode_reads_ciphertext_of_what_a_program_has_just_stored(folder):
    """The owner's line is dirty in the cache when ring 0 reads it: it gets the line's encryption, never the line."""
    read = {}
    for preset in (CLOSED, OPEN):
        program = compile_sealed("probes", ["probes.S"], folder, "probes.toml", in_the_open=preset == OPEN)
        at = program.symbols()
        job = probe(
            "peek", program, INSIDE["store"], at["first_data"] + 4, 0x0BADCAFE, afterwards=AFTER_READ,
            victim=at["first_data"],
        )  # fmt: skip
        seen = observe(preset, [job], folder)["peek"]
        assert trapped(seen, program).result[0] == 0x0BADCAFE
        read[preset] = seen.chip(at["copy"], LINE_BYTES), seen.hits, program
    words = [0x11112222] * 16
    words[1] = 0x0BADCAFE
    plain = b"".join(w.to_bytes(4, "little") for w in words)
    copy, hits, program = read[CLOSED]
    cipher = xts(region(program, "data"), program.symbols()["first_data"], plain)
    evidence("PX-10", cipher.hex(), copy.hex(), control(read[OPEN][0] == plain))
    assert copy == cipher and hits == 0
