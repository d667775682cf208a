"""Boot loader with its real registers and domain table: what is loaded, and every reason to refuse."""

import struct

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth_bench import run, seeded

from hakone.crypto.attributes import AttributeRegisters
from hakone.crypto.boot_loader import BootLoader
from hakone.crypto.domains import DOMAINS, DomainTable
from hakone.isa import VERSION, formats
from hakone.isa.formats import Algorithm, BootRecord, BootStatus, RegionFlag, pack_fuses
from hakone.isa.platform import RAM_BASE
from hakone_sim.evidence import evidence

RAM_BYTES = 1 << 20
RW = RegionFlag.READ | RegionFlag.WRITE
RX = RegionFlag.READ | RegionFlag.EXECUTE
CYCLES_MAX = 2500
EMPTY = BootStatus.EMPTY
LOADED = BootStatus.LOADED


class _System(wiring.Component):
    """The loader with the parts that it fills, and a stream for the keys."""

    def __init__(self, entries=16):
        super().__init__({})
        self.loader = BootLoader(RAM_BYTES, entries)
        self.registers = AttributeRegisters(entries)
        self.domains = DomainTable(1)

    def elaborate(self, _platform):
        """Connect; the key stream and the fuses stay with the test."""
        m = Module()
        m.submodules.loader = self.loader
        m.submodules.registers = self.registers
        m.submodules.domains = self.domains
        wiring.connect(m, self.loader.attribute_install, self.registers.install)
        m.d.comb += [
            self.loader.attribute_free.eq(self.registers.free),
            self.domains.install.eq(self.loader.domain_install),
            self.domains.install_domain.eq(self.loader.domain_number),
            self.domains.install_row.eq(self.loader.domain_row),
        ]
        return m


class _Outcome:
    """What a load left behind: statuses, contexts, entries, rows, keys by (slot, algorithm), cycles, installs."""

    def __init__(self):
        self.status, self.contexts, self.cycles = [], 0, 0
        self.entries, self.rows, self.keys = [], {}, {}
        self.idle_word = None
        self.key_installs, self.domain_installs = [], []


def load(words, entries=16, seed=1):
    """Run the loader over ``words`` with a key store that makes it wait at random."""
    system, source, outcome = _System(entries), seeded(seed), _Outcome()
    loader = system.loader
    key = loader.key_install

    async def fuses(ctx):
        addr = ctx.get(loader.fuses.addr)
        async for _, reset, _ready in ctx.tick().sample(loader.start):
            assert not reset
            ctx.set(loader.fuses.data, words[addr])
            addr = ctx.get(loader.fuses.addr)

    async def keys(ctx):
        parts = {}
        while True:
            ctx.set(key.ready, source.random() < 0.5)
            _, _, valid, ready, word = await ctx.tick().sample(key.valid, key.ready, key.payload)
            if not (valid and ready):
                continue
            name = (word.slot, word.algorithm)
            assert word.index == len(parts.setdefault(name, []))
            parts[name].append(word.word)
            if word.last:
                outcome.key_installs.append(word.slot)
                outcome.keys[name] = struct.pack(f"<{len(parts[name])}I", *parts.pop(name))

    async def bench(ctx):
        while not ctx.get(loader.start):
            _, _, install, number = await ctx.tick().sample(loader.domain_install, loader.domain_number)
            outcome.domain_installs += [number] * install
            outcome.cycles += 1
            assert outcome.cycles < CYCLES_MAX
        outcome.status = [BootStatus(ctx.get(loader.boot_status[n])) for n in range(4)]
        outcome.contexts = ctx.get(loader.boot_contexts)
        port = system.registers.read
        for n in range(entries):
            ctx.set(port.index, n)
            if ctx.get(port.used):
                entry = ctx.get(port.range), ctx.get(port.content)
                outcome.entries.append(entry)
        read = system.domains.read[0]
        for n in range(1, DOMAINS):
            ctx.set(read.domain, n)
            if ctx.get(read.row.valid):
                outcome.rows[n] = ctx.get(read.row)
        await ctx.tick().repeat(5)
        outcome.idle_word = ctx.get(loader.fuses.addr)
        assert ctx.get(loader.start) == 1
        assert ctx.get(loader._held) == 0
        assert ctx.get(loader.key_install.payload.word) == 0

    run(system, bench, background=(fuses, keys))
    return outcome


def words_of(records):
    """A fuse image as a list of words, extended to what the address can name."""
    image = pack_fuses(records)
    return [*struct.unpack(f"<{len(image) // 4}I", image), *([0xDEADBEEF] * (256 - len(image) // 4))]


def region(contexts=(1,), start=RAM_BASE, size=0x1000, algorithm=Algorithm.AES128_XTS, flags=RW, seed=7, **more):
    """A protected region with a key made from ``seed``."""
    key = bytes((seed * 37 + n * 11) & 0xFF for n in range(formats.KEY_BYTES[algorithm]))
    return BootRecord(frozenset(contexts), algorithm, flags, start, size, key=key, **more)


def window(contexts=(1,), start=0x1000_0000, size=0x1000, flags=RW):
    """A window to plain memory or to devices."""
    return BootRecord(frozenset(contexts), Algorithm.NONE, flags, start, size)


def patched(words, index, value, record=0):
    """``words`` with one word of a record changed."""
    words = list(words)
    words[4 + 32 * record + index] = value
    return words


@pytest.mark.requirement("AR-02")
def test_regions_and_windows_are_loaded_with_every_field():
    automatic = RX | RegionFlag.AUTOMATIC
    code = region((1, 3), RAM_BASE + 0x4000, 0x2000, flags=automatic, tag=0x1234_5678, owner=b"o" * 16, seed=1)
    data = region((1,), RAM_BASE + 0x8000, 0x40, Algorithm.AES256_XTS, tag=9, owner=b"p" * 16, seed=2)
    outcome = load(words_of([code, window((14, 1), 0x1000_0000, 0x40, RegionFlag.READ), data]))
    assert outcome.status == [LOADED, LOADED, LOADED, EMPTY]
    assert outcome.contexts == 1 << 1 | 1 << 3 | 1 << 14
    assert outcome.keys == {(0, Algorithm.AES128_XTS): code.key, (2, Algorithm.AES256_XTS): data.key}
    expected = [
        (1, code, 0, 1, 1),
        (3, code, 0, 1, 1),
        (1, window((1,), 0x1000_0000, 0x40, RegionFlag.READ), 0, 0, 0),
        (14, window((1,), 0x1000_0000, 0x40, RegionFlag.READ), 0, 0, 0),
        (1, data, 2, 3, 3),
    ]
    assert len(outcome.entries) == len(expected)
    for (place, content), (context, record, slot, domain, owner) in zip(outcome.entries, expected, strict=True):
        first, last = record.start // 64, (record.start + record.bytes) // 64 - 1
        bounds = [context, first, last]
        cipher = [record.algorithm.name, slot, formats.KEY_BYTES[record.algorithm]]
        got_bounds = [place.context, place.start_line, place.end_line]
        got_cipher = [Algorithm(content.algorithm).name, content.key_slot, content.key_bytes]
        evidence("AR-02", bounds + cipher, got_bounds + got_cipher)
        assert (got_bounds, got_cipher) == (bounds, cipher)
        assert (content.flags, content.domain, content.owner) == (int(record.flags), domain, owner)
        assert content.segment_base == (0x80000 if domain else 0)
    assert sorted(outcome.rows) == [1, 3]
    for domain, record, slot in ((1, code, 0), (3, data, 2)):
        row = outcome.rows[domain]
        assert (row.algorithm, row.key_slot, row.tag) == (record.algorithm, slot, record.tag)
        assert row.base_line == record.start // 64
    assert outcome.idle_word == 0
    assert (outcome.key_installs, outcome.domain_installs) == ([0, 2], [1, 3])


def test_no_records_start_the_core_with_nothing():
    outcome = load(words_of([]))
    assert outcome.status == [EMPTY] * 4
    assert (outcome.contexts, outcome.entries, outcome.rows, outcome.keys) == (0, [], {}, {})
    assert outcome.cycles < 20


GOOD_HEADER = {0: formats.FUSE_MAGIC, 1: VERSION, 2: 1, 3: 0}


@pytest.mark.parametrize(
    "index,value",
    [
        (0, formats.FUSE_MAGIC ^ 1),
        (0, formats.FUSE_MAGIC ^ 1 << 31),
        (0, 0),
        (1, VERSION + 0x1_0000),
        (1, 0),
        (2, 5),
        (2, 0x1_0001),
        (3, 1),
        (3, 1 << 31),
    ],
)
def test_bad_header_loads_nothing(index, value):
    words = words_of([region()])
    assert words[index] == GOOD_HEADER[index]
    words[index] = value
    outcome = load(words)
    assert outcome.status == [BootStatus.BAD_HEADER] * 4
    assert (outcome.contexts, outcome.entries, outcome.rows, outcome.keys) == (0, [], {}, {})


def test_another_minor_version_is_accepted():
    words = words_of([region()])
    words[1] = VERSION | 0x00FF
    assert load(words).status[0] == LOADED


ACCESS = 1 << 1 | int(RW) << 16 | 32 << 24
WINDOW_ACCESS = 1 << 1 | int(RW) << 16
KIND = formats.BOOT_RECORD_MAGIC | 1 << 16
REFUSALS = [
    ("magic", 0, KIND ^ 0x8000, BootStatus.BAD_HEADER),
    ("reserved_bit_19", 0, KIND | 1 << 19, BootStatus.BAD_HEADER),
    ("reserved_bit_31", 0, KIND | 1 << 31, BootStatus.BAD_HEADER),
    ("algorithm_3", 0, formats.BOOT_RECORD_MAGIC | 3 << 16, BootStatus.BAD_ALGORITHM),
    ("algorithm_4", 0, formats.BOOT_RECORD_MAGIC | 4 << 16, BootStatus.BAD_ALGORITHM),
    ("algorithm_5", 0, formats.BOOT_RECORD_MAGIC | 5 << 16, BootStatus.BAD_ALGORITHM),
    ("algorithm_7", 0, formats.BOOT_RECORD_MAGIC | 7 << 16, BootStatus.BAD_ALGORITHM),
    ("no_context", 1, ACCESS & ~0xFFFF, BootStatus.BAD_CONTEXTS),
    ("context_0", 1, ACCESS | 1, BootStatus.BAD_CONTEXTS),
    ("context_15", 1, ACCESS | 1 << 15, BootStatus.BAD_CONTEXTS),
    ("flag_bit_6", 1, ACCESS | 1 << 22, BootStatus.BAD_FLAGS),
    ("flag_bit_7", 1, ACCESS | 1 << 23, BootStatus.BAD_FLAGS),
    ("key_too_long", 1, ACCESS ^ (32 ^ 64) << 24, BootStatus.BAD_KEY_SIZE),
    ("no_key", 1, WINDOW_ACCESS, BootStatus.BAD_KEY_SIZE),
    ("key_33_bytes", 1, ACCESS | 1 << 24, BootStatus.BAD_KEY_SIZE),
    ("start_misaligned", 2, RAM_BASE + 32, BootStatus.MISALIGNED),
    ("start_odd", 2, RAM_BASE + 1, BootStatus.MISALIGNED),
    ("size_misaligned", 3, 0x1020, BootStatus.MISALIGNED),
    ("size_less_than_a_line", 3, 1, BootStatus.MISALIGNED),
    ("size_zero", 3, 0, BootStatus.EMPTY_RANGE),
    ("past_the_end", 3, 0x8000_0040, BootStatus.EMPTY_RANGE),
    ("size_all_ones", 3, 0xFFFF_FFC0, BootStatus.EMPTY_RANGE),
    ("below_ram", 2, RAM_BASE - 64, BootStatus.OUTSIDE_RAM),
    ("above_ram", 2, RAM_BASE + RAM_BYTES, BootStatus.OUTSIDE_RAM),
    ("ends_above_ram", 3, RAM_BYTES + 64, BootStatus.OUTSIDE_RAM),
    ("reaches_out_of_ram", 2, RAM_BASE + RAM_BYTES - 0xFC0, BootStatus.OUTSIDE_RAM),
    *((f"reserved_word_{n}", n, 1 << n, BootStatus.BAD_HEADER) for n in (5, 6, 7, 12, 13, 14, 15)),
    ("word_after_the_key", 24, 1, BootStatus.BAD_KEY_SIZE),
    ("last_word", 31, 1 << 31, BootStatus.BAD_KEY_SIZE),
]


@pytest.mark.requirement("AR-04")
@pytest.mark.parametrize("code", range(8))
def test_unknown_algorithm_is_refused_and_a_known_one_is_not(code):
    key_bytes = {0: 0, 1: 32, 2: 64}.get(code, 32)
    words = patched(words_of([region()]), 0, formats.BOOT_RECORD_MAGIC | code << 16)
    words = patched(words, 1, WINDOW_ACCESS | key_bytes << 24)
    if code == 0:
        words[4 + 16 : 4 + 24] = [0] * 8
    outcome = load(words)
    expected = (LOADED if code in (0, 1, 2) else BootStatus.BAD_ALGORITHM).name
    evidence("AR-04", [code, expected], [code, outcome.status[0].name])
    assert outcome.status[0].name == expected
    assert [content.algorithm for _, content in outcome.entries] == ([Algorithm(code)] if code in (0, 1, 2) else [])


@pytest.mark.long
@pytest.mark.parametrize("index,value,status", [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_bad_region_is_refused_whole_and_its_neighbour_loads(index, value, status):
    bad, good = region((1,), seed=3), region((2,), RAM_BASE + 0x8000, seed=4)
    words = words_of([bad, good])
    assert words[4 + index] != value
    outcome = load(patched(words, index, value))
    assert outcome.status == [status, LOADED, EMPTY, EMPTY]
    assert outcome.contexts == 1 << 2
    assert [place.context for place, _ in outcome.entries] == [2]
    assert list(outcome.rows) == [2]
    assert outcome.keys == {(1, Algorithm.AES128_XTS): good.key}


def test_region_of_all_of_ram_is_loaded():
    outcome = load(words_of([region((1,), RAM_BASE, RAM_BYTES)]))
    assert outcome.status[0] == LOADED
    assert outcome.entries[0][0].end_line == (RAM_BASE + RAM_BYTES) // 64 - 1


@pytest.mark.parametrize(
    "flag", [RegionFlag.EXECUTE, RegionFlag.PLAIN_ACCESS, RegionFlag.ANY_OWNER, RegionFlag.AUTOMATIC]
)
def test_window_takes_only_read_and_write(flag):
    words = patched(words_of([window()]), 1, WINDOW_ACCESS | int(flag) << 16)
    assert load(words).status[0] == BootStatus.BAD_FLAGS


def test_window_with_a_key_is_refused():
    assert load(patched(words_of([window()]), 1, WINDOW_ACCESS | 32 << 24)).status[0] == BootStatus.BAD_KEY_SIZE
    assert load(patched(words_of([window()]), 16, 1)).status[0] == BootStatus.BAD_KEY_SIZE


@pytest.mark.parametrize("start,size", [(0, 64), (0xFFFF_FFC0, 64), (0, 0xFFFF_FFC0), (RAM_BASE - 64, 128)])
def test_window_may_lie_anywhere(start, size):
    outcome = load(words_of([window(start=start, size=size)]))
    assert outcome.status[0] == LOADED
    place = outcome.entries[0][0]
    assert (place.start_line, place.end_line) == (start // 64, (start + size) // 64 - 1)


@pytest.mark.long
@pytest.mark.parametrize(
    "start,size,overlaps",
    [
        (0x4000, 0x1000, True),
        (0x3FC0, 64, False),
        (0x3FC0, 128, True),
        (0x4FC0, 64, True),
        (0x5000, 64, False),
        (0x4400, 64, True),
        (0x3000, 0x4000, True),
    ],
)
@pytest.mark.parametrize("second", ["region", "window"])
def test_overlap_in_a_common_context_is_refused(start, size, overlaps, second):
    first = region((1, 2), RAM_BASE + 0x4000, 0x1000, seed=1)
    make = (lambda contexts, s, n: region(contexts, s, n, seed=2)) if second == "region" else window
    other = make((5,), RAM_BASE + start, size)
    words = words_of([first, other])
    assert load(words).status == [LOADED, LOADED, EMPTY, EMPTY]
    moved = patched(words, 1, words[4 + 32 + 1] & ~0xFFFF | 1 << 2 | 1 << 5, record=1)
    outcome = load(moved)
    assert outcome.status == [LOADED, BootStatus.OVERLAP if overlaps else LOADED, EMPTY, EMPTY]
    assert outcome.contexts == (0b110 if overlaps else 0b100110)


def test_overlap_with_a_refused_record_does_not_count():
    words = words_of([region((1,), seed=1), region((2,), seed=2)])
    words = patched(patched(words, 1, words[36 + 1], record=1), 1, ACCESS, record=1)
    assert load(words).status[:2] == [LOADED, BootStatus.OVERLAP]
    assert load(patched(words, 5, 1)).status[:2] == [BootStatus.BAD_HEADER, LOADED]


def test_overlap_with_the_third_record_is_found():
    records = [region((1,), RAM_BASE + 0x1_0000 * n, seed=n) for n in range(3)]
    words = words_of([*records, region((1,), RAM_BASE + 0x4_0000, seed=9)])
    for n in range(3):
        outcome = load(patched(words, 2, RAM_BASE + 0x1_0000 * n + 0xFC0, record=3))
        assert outcome.status == [LOADED, LOADED, LOADED, BootStatus.OVERLAP]
        assert len(outcome.entries) == 3


def test_record_with_more_contexts_than_places_is_refused_whole():
    records = [region(range(1, 4), seed=1), region(range(4, 7), seed=2), region((9,), seed=3)]
    outcome = load(words_of(records), entries=5)
    assert outcome.status == [LOADED, BootStatus.NO_ROOM, LOADED, EMPTY]
    assert [place.context for place, _ in outcome.entries] == [1, 2, 3, 9]
    assert outcome.contexts == 0b10_0000_1110
    assert sorted(slot for slot, _ in outcome.keys) == [0, 2]
    assert sorted(outcome.rows) == [1, 3]


def test_every_place_can_be_filled():
    outcome = load(words_of([window(range(1, 15)), region((1, 2))]))
    assert outcome.status == [LOADED, LOADED, EMPTY, EMPTY]
    assert [place.context for place, _ in outcome.entries] == [*range(1, 15), 1, 2]


def test_equal_owner_ids_have_one_index_and_others_their_own():
    owners = [b"a" * 16, b"b" * 16, b"a" * 16, b"b" * 15 + b"c"]
    records = [region((1,), RAM_BASE + 0x1_0000 * n, owner=owner, seed=n) for n, owner in enumerate(owners)]
    outcome = load(words_of(records))
    assert [content.owner for _, content in outcome.entries] == [1, 2, 1, 4]
    for word in range(4):
        base = words_of([region((1,), owner=bytes(16), seed=1), region((2,), owner=bytes(16), seed=2)])
        outcome = load(patched(base, 8 + word, 1 << word * 9, record=1))
        assert [content.owner for _, content in outcome.entries] == [1, 2]


def test_three_equal_owners_keys_and_tags_name_the_first():
    records = [region((n,), tag=5, owner=b"a" * 16) for n in (1, 2, 3)]
    outcome = load(words_of([*records, region((4,), tag=6, seed=9, owner=b"a" * 16)]))
    assert [content.owner for _, content in outcome.entries] == [1, 1, 1, 1]
    assert [content.key_slot for _, content in outcome.entries] == [0, 0, 0, 3]
    assert [content.domain for _, content in outcome.entries] == [1, 1, 1, 4]
    assert (outcome.key_installs, outcome.domain_installs) == ([0, 3], [1, 4])


def test_window_shares_nothing_with_a_region_of_equal_words():
    for records, owners in (([window(), region((2,))], [0, 2]), ([region((2,)), window()], [1, 0])):
        outcome = load(words_of(records))
        assert [content.owner for _, content in outcome.entries] == owners
        assert [content.domain for _, content in outcome.entries] == owners


def test_owner_of_a_refused_record_gives_nothing():
    words = words_of([region((1,), owner=b"a" * 16, seed=1), region((2,), RAM_BASE + 0x8000, owner=b"a" * 16, seed=2)])
    assert [content.owner for _, content in load(patched(words, 5, 1)).entries] == [2]


def test_equal_keys_share_the_slot_and_each_key_word_counts():
    records = [region((1,), RAM_BASE + 0x1_0000 * n, tag=n, seed=seed) for n, seed in enumerate((5, 6, 5))]
    outcome = load(words_of(records))
    assert [content.key_slot for _, content in outcome.entries] == [0, 1, 0]
    assert [content.domain for _, content in outcome.entries] == [1, 2, 3]
    assert sorted(outcome.keys) == [(0, Algorithm.AES128_XTS), (1, Algorithm.AES128_XTS)]
    for word in range(8):
        words = words_of([region((1,), seed=1), region((2,), RAM_BASE + 0x8000, tag=1, seed=1)])
        outcome = load(patched(words, 16 + word, words[4 + 16 + word] ^ 1 << word * 4, record=1))
        assert [content.key_slot for _, content in outcome.entries] == [0, 1]


def test_equal_key_bytes_under_another_algorithm_are_another_key():
    short = region((1,), seed=1)
    long = region((2,), RAM_BASE + 0x8000, algorithm=Algorithm.AES256_XTS, seed=1)
    words = words_of([short, long])
    for word in range(16):
        words = patched(words, 16 + word, words[4 + 16 + word] if word < 8 else 0, record=1)
    outcome = load(words)
    assert outcome.status[:2] == [LOADED, LOADED]
    assert [content.key_slot for _, content in outcome.entries] == [0, 1]


def test_equal_key_and_tag_at_one_start_join_the_domain():
    outcome = load(words_of([region((1,), tag=5), region((2,), tag=5, flags=RegionFlag.READ, size=64)]))
    assert outcome.status[:2] == [LOADED, LOADED]
    assert [content.domain for _, content in outcome.entries] == [1, 1]
    assert [content.key_slot for _, content in outcome.entries] == [0, 0]
    assert list(outcome.rows) == [1]


def test_equal_key_and_tag_at_another_start_are_refused():
    words = words_of([region((1,), tag=5), region((2,), RAM_BASE + 0x8000, tag=6)])
    assert load(words).status[:2] == [LOADED, LOADED]
    outcome = load(patched(words, 4, 5, record=1))
    assert outcome.status == [LOADED, BootStatus.TAG_REUSED, EMPTY, EMPTY]
    assert outcome.contexts == 1 << 1


def test_records_after_the_count_are_not_read():
    words = words_of([region((1,), seed=1), region((2,), seed=2)])
    words[2] = 1
    outcome = load(words)
    assert outcome.status == [LOADED, EMPTY, EMPTY, EMPTY]
    assert outcome.contexts == 1 << 1


def test_load_takes_the_same_time_whatever_the_key_is():
    first = [load(words_of([region((1,), seed=1), region((2,), seed=2)]), seed=s).cycles for s in (1, 2)]
    second = [load(words_of([region((1,), seed=3), region((2,), seed=4)]), seed=s).cycles for s in (1, 2)]
    assert first == second


def test_format_helper_refuses_what_the_hardware_refuses():
    with pytest.raises(ValueError, match="flags 0x40"):
        pack_fuses([region(flags=RegionFlag(0x40))])
    with pytest.raises(ValueError, match="flags 0x04: not possible for a window"):
        pack_fuses([window(flags=RX)])
    with pytest.raises(ValueError, match="one key and tag 0x5"):
        pack_fuses([region((1,), tag=5), region((2,), RAM_BASE + 0x8000, tag=5)])
