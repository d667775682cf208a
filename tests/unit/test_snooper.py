"""The bus snooper equals its model on random traffic, and finds planted plaintext wherever it stands."""

import random
import struct

import pytest

from hakone_sim.models.snooper import SnooperModel
from hakone_sim.snooper_library import COUNTERS, Snooper

BASE, SIZE = 0x8000_0000, 1 << 16
INCR, WRAP = 1, 2
SECRET = bytes.fromhex("d01e5c9a37f4826b11c8e3704fa95d26")


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def line(snooper, addr: int, data: bytes, write: bool = False, cycle: int = 100) -> None:
    """A whole line in one burst of eight beats."""
    snooper.burst(write, addr, 7, 3, INCR, words(data), [255] * 8, cycle)


def noise(rng: random.Random, count: int) -> bytes:
    return rng.randbytes(count)


@pytest.fixture
def snooper() -> Snooper:
    s = Snooper(BASE, SIZE)
    s.declare_plain(b"plain text that everybody may read, 0123456789")
    s.declare_protected(BASE + 0x4000, SECRET)
    return s


@pytest.mark.parametrize("write", [False, True])
def test_needle_is_found_at_every_alignment_inside_a_line(snooper, write):
    rng = random.Random(1)
    for offset in range(57):
        before = snooper.counters["bus_hits"]
        data = bytearray(noise(rng, 64))
        data[offset : offset + 8] = SECRET[3:11]
        line(snooper, BASE + 64 * offset, bytes(data), write)
        assert snooper.counters["bus_hits"] - before == 1, f"offset {offset}"


@pytest.mark.parametrize("order", ["beat", "address", "reversed"])
def test_needle_is_found_across_bursts(order):
    """Eight bytes cut by the border of two bursts, one behind the other in time (far apart in memory), in memory (with
    other traffic between), or in memory with the second half first."""
    for cut in range(1, 8):
        s = Snooper(BASE, SIZE)
        s.declare_protected(BASE + 0x4000, SECRET)
        rng = random.Random(cut)
        first = noise(rng, 64 - cut) + SECRET[:cut]
        second = SECRET[cut:8] + noise(rng, 64 - 8 + cut)
        if order == "beat":
            line(s, BASE + 0x100, first)
            line(s, BASE + 0x1000, second)
        else:
            bursts = [(BASE + 0x100, first), (BASE + 0x800, noise(rng, 64)), (BASE + 0x140, second)]
            for addr, data in bursts if order == "address" else bursts[::-1]:
                line(s, addr, data)
        assert s.counters["bus_hits"] == 1, f"cut {cut}"


def test_needle_is_found_in_a_wrapped_burst_that_tears_it():
    for start in range(0, 64, 8):
        s = Snooper(BASE, SIZE)
        s.declare_protected(BASE + 0x4000, SECRET)
        data = bytearray(noise(random.Random(start), 64))
        data[start - 4 if start else 20 : (start - 4 if start else 20) + 8] = SECRET[:8]
        beats = [words(bytes(data))[(start // 8 + n) % 8] for n in range(8)]
        s.burst(False, BASE + 0x200 + start, 7, 3, WRAP, beats, [255] * 8, 5)
        assert s.counters["bus_hits"] >= 1, f"start {start}"


def test_needle_on_unstrobed_lanes_is_found(snooper):
    snooper.burst(True, BASE, 0, 3, INCR, words(SECRET[:8]), [0], 5)
    assert snooper.counters["bus_hits"] == 1


def test_what_is_regular_or_plain_is_not_searched_for():
    s = Snooper(BASE, SIZE)
    s.declare_plain(SECRET[:12])
    s.declare_protected(BASE + 0x4000, bytes([1, 2, 3, 4] * 8) + SECRET[:12])
    line(s, BASE, bytes([1, 2, 3, 4] * 8) + SECRET[:12] + bytes(20))
    assert s.counters["bus_hits"] == 7 and s.counters["declared_windows"] == 7  # windows over the seam of the two


def test_ciphertext_without_a_needle_gives_no_hit(snooper):
    rng = random.Random(3)
    for n in range(200):
        line(snooper, BASE + 64 * (n % 64), noise(rng, 64), bool(n & 1))
    assert snooper.counters["bus_hits"] == 0
    assert snooper.counters["windows_searched"] > 200 * 64
    assert snooper.counters["bus_bytes"] == 200 * 64


def test_stored_plaintext_is_searched_for(snooper):
    """What a protected program writes becomes secret when it writes it, joined with what stood beside it."""
    snooper.store(BASE + 0x4010, 0x8D3A_61F7, 15, True, True, 10)
    needle = SECRET[12:16] + bytes.fromhex("f7613a8d")
    line(snooper, BASE + 0x100, bytes(13) + needle + bytes(43))
    assert snooper.counters["bus_hits"] == 1
    assert snooper.hits == [BASE + 0x100 + 13]


def test_output_is_counted_apart(snooper):
    """Declared plaintext that encrypted code itself wrote to plain memory, or byte by byte to a device."""
    for i in range(0, 8, 4):
        snooper.store(BASE + 0x100 + i, int.from_bytes(SECRET[i : i + 4], "little"), 15, False, True, 10)
    line(snooper, BASE + 0x100, SECRET[:8] + bytes(56), write=True)
    assert (snooper.counters["bus_hits"], snooper.counters["output_hits"]) == (0, 1)
    for b in SECRET[8:16]:
        snooper.store(0x1000_0000, b, 1, False, True, 20)
    line(snooper, BASE + 0x200, SECRET[8:16] + bytes(56), write=True)
    assert (snooper.counters["bus_hits"], snooper.counters["output_hits"]) == (0, 2)


def test_plain_input_is_counted_apart_but_not_a_later_copy():
    """Bytes that plain software stored before the protected program did are its input; the same stored later leak."""
    for plain_first, expected in ((True, "input_hits"), (False, "bus_hits")):
        s = Snooper(BASE, SIZE)
        s.arm()
        order = [(BASE + 0x100, False, False), (BASE + 0x4000, True, True)]
        for cycle, (addr, protected, encrypted) in enumerate(order if plain_first else order[::-1]):
            for i in range(0, 8, 4):
                word = int.from_bytes(SECRET[i : i + 4], "little")
                s.store(addr + i, word, 15, protected, encrypted, 10 + cycle)
        line(s, BASE + 0x100, SECRET[:8] + bytes(56), write=True)
        assert s.counters["bus_hits"] + s.counters["input_hits"] == 1
        assert s.counters[expected] == 1


def test_memory_is_searched(snooper):
    image = bytearray(SIZE)
    image[4090:4106] = SECRET  # over a border of two pages
    snooper.search_memory(bytes(image), 100)
    assert snooper.counters["ram_hits"] == 9


def test_search_of_memory_covers_the_borders_of_touched_pages(snooper):
    """Also a window that begins with the last bytes of a page that was never written."""
    for start, pages in ((8188, [0, 0, 1]), (8188, [0, 1, 0]), (8185, [0, 1, 0]), (8192, [0, 0, 1]), (8000, [0, 1, 0])):
        image = bytearray(SIZE)
        image[start : start + 8] = SECRET[:8]
        before = snooper.counters["ram_hits"]
        snooper.search_memory(bytes(image), 100, bytes(pages).ljust(16, b"\0"))
        assert snooper.counters["ram_hits"] - before == 1, (start, pages)


def test_bound_on_stored_windows_drops_the_oldest():
    s = Snooper(BASE, SIZE, stored_limit=1000)
    s.arm()
    rng = random.Random(7)
    texts = [rng.randbytes(8) for _ in range(5000)]
    for n, text in enumerate(texts):
        for i in (0, 4):
            s.store(BASE + 0x8000 + 16 * (n % 64) + i, int.from_bytes(text[i : i + 4], "little"), 15, True, True, n)
    assert s.counters["stored_windows_dropped"] > 0
    line(s, BASE, texts[0] + bytes(56))
    assert s.counters["bus_hits"] == 0
    line(s, BASE, texts[-1] + bytes(56))
    assert s.counters["bus_hits"] == 1


@pytest.mark.parametrize("seed", range(12))
def test_equals_its_model_on_random_traffic(seed):
    """Data made of few pieces, so that windows of every kind meet by chance."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    pieces = [rng.randbytes(rng.randint(3, 24)) for _ in range(12)] + [bytes(12)]
    some = lambda n: b"".join(rng.choice(pieces) for _ in range(n))[:n]  # noqa: E731
    both = (Snooper(BASE, SIZE), SnooperModel(BASE, SIZE))
    for s in both[:1]:
        s.arm()

    def each(method: str, *arguments) -> None:
        for s in both:
            getattr(s, method)(*arguments)

    each("declare_plain", some(40))
    each("declare_protected", BASE + 0x400, some(200))
    each("declare_protected", BASE + SIZE - 64, some(100))  # its end lies outside memory
    stored = [some(16)]  # texts that have been stored, with the addresses of the plain ones
    places = [BASE]
    for cycle in range(1, 400):
        if rng.random() < 0.6:
            text = rng.choice(stored[-4:]) if rng.random() < 0.5 else some(16)
            stored.append(text)
            addr = rng.choice((BASE + 4 * rng.randrange(0x200), BASE + SIZE - 16, 0x1000_0000))
            protected = addr != 0x1000_0000 and rng.random() < 0.4
            encrypted = rng.random() < 0.3
            if not protected and not encrypted:
                places.append(addr & ~7)
            for i, word in enumerate(struct.unpack("<4I", text)):
                lanes = 15 if rng.random() < 0.9 else rng.choice((3, 12, 1, 8))
                each("store", addr + 4 * i, word, lanes, protected, encrypted, cycle)
            continue
        if rng.random() < 0.4:
            i = rng.randrange(len(places))
            addr = places[i] if places[i] < BASE + SIZE else BASE
            data = rng.choice(stored[-8:]) + some(8)
            each("burst", True, addr & ~31, 3, 3, INCR, words(data[:24] + some(8)), [255] * 4, cycle)
            continue
        size = rng.choice((3, 3, 3, 2))
        kind = rng.choice((INCR, WRAP))
        length = rng.choice((1, 3, 7)) if kind == WRAP else rng.randrange(8)
        addr = BASE + rng.randrange(0x800 >> size << size)
        if kind == WRAP:
            addr = addr >> size << size
        if (addr & 0xFFF) + ((length + 1) << size) > 0x1000:
            continue
        if rng.random() < 0.05:
            addr += 0x2000_0000  # outside memory
        count = length + 1 if rng.random() < 0.95 else rng.randint(1, length + 1)  # cut off by the end of a run
        strobes = [255 if rng.random() < 0.8 else rng.randrange(256) for _ in range(count)]
        each("burst", rng.random() < 0.5, addr, length, size, kind, words(some(8 * count)), strobes, cycle)
    each("search_memory", some(SIZE), 1000)
    got = both[0].counters
    expected = {name: both[1].counters[name] for name in COUNTERS}
    assert got == expected
    kinds = ("bus_hits", "ram_hits", "output_hits", "input_hits", "stored_windows", "output_windows")
    assert min(got[n] for n in kinds) > 0, "the traffic is too tame to compare anything"
