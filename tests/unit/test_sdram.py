"""The SDRAM controller before the chip model, and the chip model by itself: every rule holds, and every rule fires."""

import os

import pytest

from hakone.memory.sdram_timing import PARTS, any_part
from hakone_sim import sdram_bench
from hakone_sim.sdram_library import Chip, Pads

SEED = int(os.environ.get("HAKONE_SEED", "1"))
MIB = 1 << 20
TESTS = 10


@pytest.mark.long
@pytest.mark.parametrize("size_mib, clock_mhz", [(32, 80), (64, 50), (32, 100), (32, 130)])
def test_traffic_of_every_kind_keeps_every_rule(size_mib, clock_mhz, tmp_path):
    """Both sizes; the clock inverted, a quarter early and a quarter late; both CAS latencies."""
    print(f"HAKONE_SEED={SEED}")
    passed, notes = sdram_bench.judge(tmp_path, SEED, size_mib * MIB, clock_mhz * 10**6)
    assert len(passed) == TESTS
    counts = {row["test"]: row for row in notes}
    assert counts["bursts"]["row_hits"] > 500 and counts["bursts"]["activates"] > 100
    assert counts["refresh"]["refreshes"] > 20
    assert counts["stream"]["read"] > 0.93 and counts["stream"]["write"] > 0.93


#: A chip that asks for one clock (12.5 ns) more than the controller at 80 MHz gives, by data sheet name, and the rule
#: that must be told. tRC is kept by tRAS and tRP, tRRD by the row in between, unless the chip asks for more.
TIGHTER = {
    "trcd": (25_001, "tRCD"),
    "trp": (25_001, "tRP"),
    "tras": (75_001, "tRAS"),
    "trc": (75_001, "tRC"),
    "trfc": (75_001, "tRFC"),
    "trrd": (37_501, "tRRD"),
    "twr": (25_001, "tWR"),
    "tmrd": (25_001, "tMRD"),
    "power_up": (12_500 * (sdram_bench.POWER_UP_CYCLES + 2), "power-up pause"),
    "power_up_refreshes": (9, "power-up order"),
    "refresh_period": (60 * 10**9, "tREFI"),
    "tck2": (12_501, "tCK"),
    "thz2": (25_000, "data bus"),
    "tis": (3_200, "tIS"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", TIGHTER)
def test_one_clock_less_than_the_chip_asks_for_is_told(name, tmp_path):
    value, rule = TIGHTER[name]
    with pytest.raises(AssertionError, match=f"SDRAM {rule}: "):
        sdram_bench.judge(tmp_path, SEED, tests="every_kind_of_burst_without|refresh", **{name: value})


@pytest.mark.long
@pytest.mark.parametrize("name, value", [("tac2", 9_400), ("toh", 0)])
def test_data_at_the_wrong_time_are_garbage(name, value, tmp_path):
    """Data that come after the capturing edge, or leave before it, are not what was asked for."""
    clock_mhz = 100 if name == "toh" else 80  # there the capturing edge lies behind the chip's
    with pytest.raises(AssertionError, match="instead of"):
        sdram_bench.judge(tmp_path, SEED, 32 * MIB, clock_mhz * 10**6, "every_kind_of_burst_without", **{name: value})


PERIOD, SHIFT = 10_000, 2_000
NOP = Pads()
#: Data sheet, "Truth Table 1": RAS, CAS, WE.
CODES = {"LMR": 0, "REF": 1, "PRE": 2, "ACT": 3, "WR": 4, "RD": 5, "BST": 6}
MODE = 0x22  # bursts of four, CAS latency 2


def command(name: str, **pads: int) -> Pads:
    code = CODES[name]
    return Pads(cs_n=0, ras_n=code >> 2, cas_n=code >> 1 & 1, we_n=code & 1, **pads)


class Steps:
    """A chip (-75 at 100 MHz, power-up of ten cycles) that gets commands by hand; ``quiet`` cycles between them."""

    def __init__(self, set_up: bool = True, **changes: int):
        self.chip = Chip("mt48lc16m16a2-75", PERIOD, SHIFT, **{"power_up": 10 * PERIOD, **changes})
        if set_up:
            self.quiet(10)
            for step in (command("PRE", a=0x400), command("REF"), command("REF"), command("LMR", a=MODE)):
                self.give(step, 7)

    def give(self, pads: Pads, quiet: int = 0) -> "Steps":
        self.chip.edge(pads.word())
        return self.quiet(quiet)

    def quiet(self, cycles: int) -> "Steps":
        for _ in range(cycles):
            self.chip.edge(NOP.word())
        return self

    def write(self, bank: int = 0, column: int = 0, data=(1, 2, 3, 4), a10: int = 0, dqm: int = 0) -> "Steps":
        """A whole write burst."""
        self.give(command("WR", ba=bank, a=column | a10 << 10, dq_oe=1, dq=data[0], dqm=dqm))
        for word in data[1:]:
            self.give(Pads(dq_oe=1, dq=word, dqm=dqm))
        return self

    def read(self, bank: int = 0, column: int = 0, cas: int = 2) -> list[int]:
        """A read burst; what the controller's edges capture."""
        found = []
        for n in range(cas + 4):
            self.give(command("RD", ba=bank, a=column) if n == 0 else NOP)
            found.append(self.chip.seen(2))
        return found[cas - 2 : cas + 2]

    def told(self) -> str:
        self.chip.finish()
        return self.chip.violation


def active(bank: int = 0, row: int = 5, quiet: int = 7) -> Steps:
    return Steps().give(command("ACT", ba=bank, a=row), quiet)


def test_words_written_are_read_back_masks_keep_bytes():
    steps = active().write(column=8, data=(0x1111, 0x2222, 0x3333, 0x4444)).quiet(3)
    assert steps.read(column=8) == [0x1111, 0x2222, 0x3333, 0x4444]
    steps.write(column=8, data=(0xAAAA, 0xBBBB, 0xCCCC, 0xDDDD), dqm=1).quiet(2)
    assert steps.read(column=10) == [0xCC33, 0xDD44, 0xAA11, 0xBB22]  # a burst wraps inside its four words
    assert steps.chip.counters["row_hits"] == 3
    assert steps.told() == ""


def test_row_closes_by_itself_with_a10():
    steps = active().write(a10=1)
    assert "bank closed" in steps.quiet(6).give(command("RD")).told()
    steps = active().write(a10=1).quiet(4).give(command("ACT", a=9), 4)
    assert steps.read()[0] == 0 and steps.told() == ""


#: Rule, and for each what is one cycle too early beside what is just in time. A cycle is 10 ns.
BOUNDARIES = {
    "tRCD": lambda d: Steps().give(command("ACT"), 1 - d).give(command("RD")),
    "tRP": lambda d: active().give(command("PRE"), 1 - d).give(command("ACT")),
    "tRAS": lambda d: Steps().give(command("ACT"), 4 - d).give(command("PRE")),
    "tRC": lambda d: Steps(tras=20_000).give(command("ACT"), 3).give(command("PRE"), 2 - d).give(command("ACT")),
    "tRRD": lambda d: Steps().give(command("ACT"), 1 - d).give(command("ACT", ba=1)),
    "tRFC": lambda d: Steps().give(command("REF"), 6 - d).give(command("ACT")),
    "tWR": lambda d: active().write().quiet(1 - d).give(command("PRE")),
    "tMRD": lambda d: Steps().give(command("LMR", a=MODE), 1 - d).give(command("ACT")),
    "auto precharge": lambda d: active().write(a10=1).give(command("WR", dq_oe=1) if d else NOP),
    "tRAS max": lambda d: Steps(refresh_period=2**40).give(command("ACT"), 11_999 + d).give(command("PRE")),
    "power-up pause": lambda d: Steps(set_up=False).quiet(10 - d).give(command("PRE", a=0x400)),
    "tREFI": lambda d: Steps().quiet(1555 + d),
    "refresh": lambda d: Steps(rows=2, refresh_period=400_000).give(command("REF"), 32 + d),
    "data bus": lambda d: active().give(command("RD"), 5 - d).write(),
}


@pytest.mark.parametrize("rule", BOUNDARIES)
def test_rule_fires_one_cycle_early_and_not_in_time(rule):
    assert BOUNDARIES[rule](0).told() == ""
    said = BOUNDARIES[rule](1).told()
    assert said.startswith(f"SDRAM {rule}: ") and "cycle" in said


BROKEN = {
    "bank closed": lambda: Steps().give(command("RD")),
    "bank open": lambda: active().give(command("ACT", a=6)),
    "idle": lambda: active().give(command("REF")),
    "row": lambda: Steps(rows=4096).give(command("ACT", a=4096)),
    "column": lambda: active().give(command("RD", a=512)),
    "CKE": lambda: Steps().give(Pads(cke=0)),
    "write data": lambda: active().give(command("WR")),
    "mode register": lambda: Steps().give(command("LMR", a=0x12)),
    "tCK": lambda: Steps(tck2=10_001),
    "tIS": lambda: Steps(tis=SHIFT + 1),
    "BURST TERMINATE": lambda: active().give(command("RD", a=1 << 10)).give(command("BST")),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_forbidden_command_is_told(rule):
    assert BROKEN[rule]().told().startswith(f"SDRAM {rule}: ")


@pytest.mark.parametrize(
    "steps, words",
    [
        ([command("REF")], "AUTO REFRESH comes before PRECHARGE of all banks"),
        ([command("PRE", a=0x400), command("ACT")], "ACTIVE comes before LOAD MODE REGISTER"),
        ([command("PRE", a=0x400), command("LMR", a=MODE), command("REF"), command("ACT")], "before the refreshes"),
        ([command("PRE", a=0), command("REF")], "before PRECHARGE of all banks"),
    ],
)
def test_power_up_out_of_order_is_told(steps, words):
    chip = Steps(set_up=False).quiet(10)
    for step in steps:
        chip.give(step, 8)
    assert words in chip.told()


@pytest.mark.parametrize("mode", [0x24, 0x2F, 0x02, 0x42, 0x122, 0x400 | MODE])
def test_illegal_mode_is_told(mode):
    assert "mode register" in Steps().give(command("LMR", a=mode)).told()


def test_driving_without_a_write_and_together_with_the_chip_is_told():
    assert "drives without a write" in Steps().give(Pads(dq_oe=1)).told()
    assert "while the chip does" in active().give(command("RD"), 2).give(Pads(dq_oe=1)).told()


def test_message_names_what_is_required_and_what_was_done():
    said = BOUNDARIES["tRCD"](1).told()
    assert said == "SDRAM tRCD: bank 0, cycle 43: READ follows ACTIVE after 10.0 ns (1 cycles), 20.0 ns are required"


def test_timing_follows_the_clock():
    slow, fast = (any_part(32 * MIB).cycles(mhz * 10**6) for mhz in (50, 130))
    assert (slow.cas, slow.rcd, slow.rp, slow.rfc, slow.capture, slow.clock_shift) == (2, 2, 2, 4, 2, 0.5)
    assert (fast.cas, fast.rcd, fast.rp, fast.rfc, fast.capture, fast.clock_shift) == (3, 3, 3, 9, 4, 0.75)
    for mhz in range(20, 140, 10):
        cycles = any_part(64 * MIB).cycles(mhz * 10**6)
        for part in PARTS.values():
            own = part.cycles(mhz * 10**6)
            assert all(getattr(cycles, n) >= getattr(own, n) for n in ("rcd", "rp", "ras", "rfc", "rrd", "wr", "mrd"))
            assert cycles.refresh <= own.refresh and cycles.power_up >= own.power_up


@pytest.mark.parametrize(
    "size, clock_hz, words", [(32, 134, "takes at most"), (32, 5, "cannot be kept"), (16, 50, "is possible")]
)
def test_impossible_choice_is_refused(size, clock_hz, words):
    with pytest.raises(ValueError, match=words):
        any_part(size * MIB).cycles(clock_hz * 10**6)
