"""The line engine on published vectors, on random lines against ``cryptography``, and its cycles."""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import numpy as np
import pytest
from amaranth_bench import run as run_small
from amaranth_bench import seeded
from xts_bench import LINE_BYTES, Key, Line, Pauses, XtsBench, run

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
    count = int(os.environ.get("HAKONE_XTS_LINES", 10_000))
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


@pytest.mark.parametrize("alone", [False, True], ids=["in a row", "one by one"])
@pytest.mark.parametrize("pauses", [Pauses(data=225), Pauses(data=100, prepare=100, start=60), Pauses()])
def test_every_word_leaves_in_the_cycle_that_tweak_data_and_lane_allow(tmp_path, pauses, alone):
    source = seeded()
    keys = _random_keys(source)
    lines = _random_lines(source, keys, 400)
    records = [*keys, *lines]
    if alone:  # a key that is installed again waits until the engine is empty
        records = [*keys, *(record for line in lines for record in (line.key, line))]
    outcomes = run(tmp_path, records, pauses, seed=source.randrange(1, 1 << 32))
    eleven, before = 0, None
    for line, outcome in zip(lines, outcomes, strict=True):
        cycles = BLOCK_CYCLES[len(line.key.key)]
        prepared, started, given = int(outcome["prepared"]), int(outcome["started"]), outcome["in"].tolist()
        free = 0 if before is None else before[7] + 1
        expected: list[int] = []
        for block in range(4):
            lane_free = 0 if before is None else before[2 * block + 1] + 1
            begin = max(given[2 * block + 1], prepared + cycles + 1, started + 2, lane_free)
            free = max(begin + cycles, free) + 2
            expected += [free - 2, free - 1]
        assert outcome["out"].tolist() == expected
        eleven += expected[7] == given[7] + cycles + 1
        before = expected
    if pauses.data > 200 and not alone:  # data come slowly enough that nothing else matters
        assert eleven > 200


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


class Driver:
    """Drives ``XtsBench`` in Amaranth's simulator, with one key in slot 1."""

    def __init__(self, ctx, bench: XtsBench, key: Key):
        self.ctx, self.bench, self.key = ctx, bench, key
        self.settings = {"algorithm": key.algorithm, "key_slot": key.slot}
        self.out: list[bytes] = []

    async def tick(self) -> None:
        """One cycle; takes a result word."""
        ctx = self.ctx
        ctx.set(self.bench.result_ready, 1)
        if ctx.get(self.bench.result_valid):
            self.out.append(ctx.get(self.bench.result_payload).to_bytes(8, "little"))
        await ctx.tick()
        ctx.set(self.bench.recall_valid, 0)

    async def give(self, stream: str, **fields) -> None:
        """A transfer on one of the streams."""
        for name, value in fields.items():
            self.ctx.set(getattr(self.bench, f"{stream}_{name}"), value)
        self.ctx.set(getattr(self.bench, f"{stream}_valid"), 1)
        for _ in range(1000):
            taken = self.ctx.get(getattr(self.bench, f"{stream}_ready"))
            await self.tick()
            if taken:
                break
        else:
            pytest.fail(f"{stream} is not taken")
        self.ctx.set(getattr(self.bench, f"{stream}_valid"), 0)

    async def install(self) -> None:
        """The key."""
        count = len(self.key.key) // 4
        for n in range(count):
            word = int.from_bytes(self.key.key[4 * n : 4 * n + 4], "little")
            last = {"last": n == count - 1}
            await self.give("install", slot=self.key.slot, algorithm=self.key.algorithm, index=n, word=word, **last)

    async def prepare(self, tweak: bytes, place: int) -> None:
        """Have a tweak encrypted."""
        await self.give("prepare", **self.settings, tweak=int.from_bytes(tweak, "little"), place=place)

    def recall(self, slot: int, place: int) -> None:
        """In the cycle that is up."""
        self.ctx.set(self.bench.recall_slot, slot)
        self.ctx.set(self.bench.recall_place, place)
        self.ctx.set(self.bench.recall_valid, 1)

    async def words(self, data: bytes) -> bytes:
        """The words of a line that was started; its result."""
        self.out.clear()
        for n in range(8):
            await self.give("data", payload=int.from_bytes(data[8 * n : 8 * n + 8], "little"))
        for _ in range(100):
            if len(self.out) == 8:
                break
            await self.tick()
        return b"".join(self.out)

    async def line(self, line: Line, place: int, **keep) -> bytes:
        """A whole line whose tweak is in, or on its way to, ``place``."""
        await self.give("start", **self.settings, encrypt=line.encrypt, place=place, **({"keep": 0} | keep))
        return await self.words(line.data)


def test_line_waits_for_the_tweak_of_its_own_place():
    source = seeded()
    line = Line(Key(1, source.randbytes(32)), True, source.randbytes(16), source.randbytes(LINE_BYTES))
    bench = XtsBench()

    async def drive(ctx):
        driver = Driver(ctx, bench, line.key)
        await driver.install()
        await driver.give("start", **driver.settings, encrypt=1, place=2)
        for n in range(8):
            await driver.give("data", payload=int.from_bytes(line.data[8 * n : 8 * n + 8], "little"))
        await driver.prepare(source.randbytes(16), 3)
        await driver.prepare(line.tweak, 2)
        for _ in range(60):
            await driver.tick()
        assert b"".join(driver.out) == _expected(line)

    run_small(bench, drive)


@pytest.mark.long
@pytest.mark.parametrize("size", KEY_BYTES)
def test_tweak_of_a_line_that_was_read_is_recalled_whatever_is_encrypted_meanwhile(size):
    """At every distance from the encryption of another tweak, and whatever rows were kept before and after."""
    source = seeded()
    key = Key(1, source.randbytes(size))
    tweaks = {slot: source.randbytes(16) for slot in (0, 5, 133, 255)}
    bench = XtsBench()

    async def drive(ctx):
        driver = Driver(ctx, bench, key)
        await driver.install()
        for slot, tweak in tweaks.items():
            line = Line(key, False, tweak, source.randbytes(LINE_BYTES))
            await driver.prepare(tweak, 0)
            assert await driver.line(line, 0, keep=1, slot=slot) == _expected(line)
        for delay in range(BLOCK_CYCLES[size] + 4):
            slot, place = source.choice(list(tweaks)), 4 + delay % 2
            line = Line(key, True, tweaks[slot], source.randbytes(LINE_BYTES))
            other = Line(key, True, source.randbytes(16), source.randbytes(LINE_BYTES))
            await driver.prepare(other.tweak, delay % 3)
            for _ in range(delay):
                await driver.tick()
            driver.recall(slot, place)
            await driver.tick()
            assert await driver.line(line, place) == _expected(line), f"slot {slot}, after {delay} cycles"
            assert await driver.line(other, delay % 3) == _expected(other), f"beside it, after {delay} cycles"

    run_small(bench, drive)


def test_row_recalled_before_its_next_line_begins_has_the_tweak_of_the_last():
    """A recall before the line that overwrites the row is started gets the old tweak, one after its end the new."""
    source = seeded()
    key = Key(1, source.randbytes(32))
    bench = XtsBench()

    async def drive(ctx):
        driver = Driver(ctx, bench, key)
        await driver.install()
        before = None
        for turn in range(6):
            new = Line(key, False, source.randbytes(16), source.randbytes(LINE_BYTES))
            await driver.prepare(new.tweak, turn % 3)
            for _ in range(14 if turn % 2 else 0):
                await driver.tick()
            driver.recall(9, 4)  # in the cycle of the start
            assert await driver.line(new, turn % 3, keep=1, slot=9) == _expected(new)
            if before:
                old = Line(key, True, before.tweak, source.randbytes(LINE_BYTES))
                assert await driver.line(old, 4) == _expected(old)
            driver.recall(9, 5)
            again = Line(key, True, new.tweak, source.randbytes(LINE_BYTES))
            await driver.tick()
            assert await driver.line(again, 5) == _expected(again)
            before = new

    run_small(bench, drive)
