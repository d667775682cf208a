"""Campaigns: counted, resumed after an interruption, and recorded, good or bad."""

import json
from collections import Counter

import pytest

from hakone_sim import campaign
from hakone_sim.coverage import Coverage
from hakone_sim.models.mismatch import MismatchError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Records and states in a folder of the test."""
    monkeypatch.setattr(campaign, "RECORD", tmp_path / "docs" / "campaigns.jsonl")
    monkeypatch.setattr(campaign, "STATES", tmp_path / "states")
    monkeypatch.setattr(campaign, "commit", lambda: "abc")
    return tmp_path


def records():
    """What was recorded."""
    return [json.loads(line) for line in campaign.RECORD.read_text().splitlines()]


def use(monkeypatch, run):
    """A campaign named ``test``."""
    monkeypatch.setitem(campaign.CAMPAIGNS, "test", campaign.Campaign("things", 10, run))


def test_counts_until_the_goal_and_records_it(place, monkeypatch):
    """Seeds are counted up; the record has commit, seed, count and result."""
    seeds = []
    use(monkeypatch, lambda seed, notes: seeds.append(seed) or 4)
    assert campaign.main(["--name", "test", "--count", "10", "--seed", "5"]) == 0
    assert seeds == [5, 6, 7]
    (entry,) = records()
    assert {entry[k] for k in ("campaign", "commit", "result")} == {"test", "abc", "pass"}
    assert (entry["seed"], entry["last_seed"], entry["count"]) == (5, 7, 12)


def test_goes_on_after_an_interruption(place, monkeypatch):
    """What was counted before Ctrl-C is not counted again."""
    seeds = []

    def run(seed, notes):
        if seed == 3 and seeds.count(3) == 0:
            seeds.append(3)
            raise KeyboardInterrupt
        seeds.append(seed)
        notes["sum"] = notes.get("sum", 0) + seed
        return 5

    use(monkeypatch, run)
    with pytest.raises(KeyboardInterrupt):
        campaign.run_campaign("test", 20, 1)
    assert not campaign.RECORD.exists()
    assert campaign.run_campaign("test", 20, 1)
    assert seeds == [1, 2, 3, 3, 4]
    assert (records()[0]["count"], records()[0]["sum"]) == (20, 10)


def test_a_difference_ends_it_and_is_recorded(place, monkeypatch, capsys):
    """Status 1, the seed that failed and the first line of the report."""

    def run(seed, notes):
        if seed == 2:
            raise MismatchError("lockstep: value of x5 differs\n  details")
        return 5

    use(monkeypatch, run)
    assert campaign.main(["--name", "test", "--count", "100"]) == 1
    (entry,) = records()
    assert (entry["result"], entry["last_seed"], entry["count"]) == ("fail", 2, 5)
    assert entry["problem"] == "lockstep: value of x5 differs"
    assert "details" in capsys.readouterr().out


def test_an_unknown_name_is_refused(place, capsys):
    """One line that names those that exist, status 2."""
    assert campaign.main(["--name", "nothing"]) == 2
    assert "lockstep" in capsys.readouterr().err


def test_coverage_survives_its_file():
    """What is saved between two runs of a campaign comes back."""
    coverage = Coverage(Counter(add=3), Counter(ILLEGAL=1), Counter({("split", "atomic"): 2}))
    assert Coverage.from_json(json.loads(json.dumps(coverage.to_json()))) == coverage
