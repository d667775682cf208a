"""The line engine on published vectors, on random lines against ``cryptography``, and its cycles."""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import numpy as np
import pytest
from amaranth_bench import seeded
from xts_bench import LINE_BYTES, Key, Line, Pauses, run

from hakone_sim.models import xts

SLOTS = 16
KEY_BYTES = (32, 64)
#: Cycles from the start of a block to its first result word, by key size in bytes.
BLOCK_CYCLES = {32: 10, 64: 14}
BUSY = {
    "no pauses": Pauses(),
    "data in gaps": Pauses(data=128),
    "results wait": Pauses(result=160),
    "late tweaks": Pauses(prepare=250),
    "everything pauses": Pauses(prepare=200, start=100, data=90, result=90),
}
VECTOR_FOLDER = Path(cryptography_vectors.__file__).parent / "ciphers" / "AES" / "XTS"


def _random_keys(source: random.Random) -> list[Key]:
    """A key in every slot, of either size."""
    return [Key(slot, source.randbytes(source.choice(KEY_BYTES))) for slot in range(SLOTS)]


def _random_lines(source: random.Random, keys: list[Key], count: int) -> list[Line]:
    """Lines in runs of the same key and direction, as caches make them, and mixed."""
    lines, key, encrypt = [], keys[0], False
    while len(lines) < count:
        if source.random() < 0.4:
            key = source.choice(keys)
        if source.random() < 0.4:
            encrypt = not encrypt
        lines.append(Line(key, encrypt, source.randbytes(16), source.randbytes(LINE_BYTES)))
    return lines


def _expected(line: Line) -> bytes:
    """What ``cryptography`` makes of it."""
    return (xts.encrypt if line.encrypt else xts.decrypt)(line.key.key, line.tweak, line.data)


def _compare(lines: list[Line], outcomes: np.ndarray) -> None:
    """Every byte of every line."""
    assert len(lines) == len(outcomes)
    for n, (line, outcome) in enumerate(zip(lines, outcomes, strict=True)):
        assert outcome["result"].tobytes() == _expected(line), f"line {n}: {line}"


def _vectors(path: Path) -> Iterator[dict[str, str]]:
    """The cases of one file: fields by name, in hexadecimal but for the numbers."""
    case: dict[str, str] = {}
    for text in path.read_text().splitlines():
        found = re.fullmatch(r"(\w+) = (\w+)", text.strip())
        if not found:
            continue
        if found[1] == "COUNT":
            if case:
                yield case
            case = {}
        case[found[1]] = found[2]
    yield case


@pytest.mark.parametrize("name", ["tweak-128hexstr", "tweak-dataunitseqno"])
@pytest.mark.parametrize("bits", [128, 256])
def test_published_vectors_in_both_directions(tmp_path, name, bits):
    source = seeded()
    records: list[Key | Line] = []
    expected = []
    for n, case in enumerate(_vectors(VECTOR_FOLDER / name / f"XTSGenAES{bits}.rsp")):
        if int(case["DataUnitLen"]) % 128:
            continue  # ciphertext stealing, which a line never needs
        key = Key(n % SLOTS, bytes.fromhex(case["Key"]))
        assert len(key.key) == bits // 4
        tweak = bytes.fromhex(case["i"]) if "i" in case else int(case["DataUnitSeqNumber"]).to_bytes(16, "little")
        plain, secret = bytes.fromhex(case["PT"]), bytes.fromhex(case["CT"])
        records.append(key)
        for encrypt, given, wanted in ((True, plain, secret), (False, secret, plain)):
            rest = source.randbytes(max(0, LINE_BYTES - len(given)))
            records.append(Line(key, encrypt, tweak, (given + rest)[:LINE_BYTES]))
            expected.append(wanted[:LINE_BYTES])
    outcomes = run(tmp_path, records)
    # 1000 cases in the file, 600 of them of whole blocks.
    assert len(expected) == len(outcomes) == 2 * 600
    for n, (wanted, outcome) in enumerate(zip(expected, outcomes, strict=True)):
        assert outcome["result"].tobytes()[: len(wanted)] == wanted, f"vector {n // 2}"


@pytest.mark.parametrize("pauses", BUSY.values(), ids=BUSY)
def test_random_lines_equal_cryptography(tmp_path, pauses):
    source = seeded()
    count = int(os.environ.get("HAKONE_XTS_LINES", 1000))
    records: list[Key | Line] = []
    lines: list[Line] = []
    while len(lines) < count:
        keys = _random_keys(source)
        records += keys
        some = _random_lines(source, keys, min(500, count - len(lines)))
        records += some
        lines += some
    outcomes = run(tmp_path, records, pauses, seed=source.randrange(1, 1 << 32))
    _compare(lines, outcomes)


def test_line_whose_tweak_is_ready_leaves_eleven_cycles_after_it_came(tmp_path):
    source = seeded()
    for size, cycles in BLOCK_CYCLES.items():
        for encrypt in (True, False):
            key = Key(5, source.randbytes(size))
            lines = [Line(key, encrypt, source.randbytes(16), source.randbytes(LINE_BYTES)) for _ in range(8)]
            outcomes = run(tmp_path, [key, *lines], Pauses(data=225))
            seen = 0
            for before, outcome in zip([None, *outcomes], outcomes, strict=False):
                starts = outcome["in"][1::2].astype(int)
                if outcome["prepared"] + cycles + 1 > starts[0] or (
                    before is not None and before["out"][7] >= starts[0]
                ):
                    continue  # the tweak came late, or a lane was still busy
                seen += 1
                assert outcome["in"][7] + cycles + 1 == outcome["out"][7]
                first = np.maximum.accumulate(starts + cycles)
                assert (outcome["out"][0::2] == first).all() and (outcome["out"][1::2] == first + 1).all()
            assert seen > 3


def test_line_whose_tweak_is_late_starts_with_it(tmp_path):
    source = seeded()
    for size, cycles in BLOCK_CYCLES.items():
        key = Key(15, source.randbytes(size))
        # One line: its words are taken while its tweak is at work.
        line = Line(key, False, source.randbytes(16), source.randbytes(LINE_BYTES))
        (outcome,) = run(tmp_path, [key, line])
        assert outcome["in"][7] < outcome["prepared"] + cycles + 1
        first = int(outcome["prepared"]) + 2 * cycles + 1
        assert outcome["out"].tolist() == list(range(first, first + 8))


def test_lines_in_a_row_take_twelve_cycles_each(tmp_path):
    source = seeded()
    for size, cycles in BLOCK_CYCLES.items():
        key = Key(0, source.randbytes(size))
        lines = [Line(key, True, source.randbytes(16), source.randbytes(LINE_BYTES)) for _ in range(20)]
        outcomes = run(tmp_path, [key, *lines])
        assert set(np.diff(outcomes["out"][:, 7].astype(int))) == {cycles + 2}


def test_cycles_do_not_depend_on_keys_tweaks_or_data(tmp_path):
    source = seeded()
    sizes = [source.choice(KEY_BYTES) for _ in range(SLOTS)]
    order = [(source.randrange(SLOTS), source.random() < 0.5) for _ in range(200)]
    pauses = Pauses(prepare=100, start=100, data=100, result=100)
    times = []
    for filling in (source.randbytes, lambda count: bytes(count), lambda count: b"\xff" * count):
        keys = [Key(slot, filling(size)) for slot, size in enumerate(sizes)]
        lines = [Line(keys[slot], encrypt, filling(16), filling(LINE_BYTES)) for slot, encrypt in order]
        outcomes = run(tmp_path, [*keys, *lines], pauses, seed=7)
        times.append([outcomes[field].tolist() for field in ("prepared", "started", "in", "out")])
    assert times[0] == times[1] == times[2]
