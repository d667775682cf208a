"""The history takes figures only when asked, only from a clean tree or marked, and says with what they were made."""

import json
import subprocess

import pytest

from hakone_tools import history
from hakone_tools.errors import ToolError

FIGURE = {"name": "core.x", "value": 3, "unit": "1", "plain": None, "command": "make bench ONLY=x"}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout of one commit that stands in for this one."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "source").write_text("as committed\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(history, "ROOT", tmp_path)
    monkeypatch.setattr(history, "FILE", tmp_path / "docs" / "figures.jsonl")
    for name in (history.RECORD, *history.FLAGS):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def recorded(checkout) -> list[dict]:
    path = checkout / "docs" / "figures.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_nothing_is_recorded_unless_asked(checkout):
    assert history.record("bench", [FIGURE]) is False
    assert recorded(checkout) == []


def test_a_line_tells_commit_flags_tools_and_date(checkout, monkeypatch):
    monkeypatch.setenv("RECORD", "1")
    monkeypatch.setenv("ONLY", "x")
    monkeypatch.setenv("COREMARK", "/a/place/of/the/user")
    assert history.record("bench", [FIGURE])
    assert history.record("area", [FIGURE])  # what the first one wrote does not make the tree dirty
    first, second = recorded(checkout)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()
    assert (first["kind"], second["kind"]) == ("bench", "area")
    assert first["commit"] == head and first["dirty"] is False
    assert first["flags"] == {"ONLY": "x", "COREMARK": "DIR"}
    assert first["records"] == [FIGURE]
    assert {"python", "amaranth", "ziglang"} <= set(first["tools"])
    assert len(first["date"].split("-")) == 3


@pytest.mark.parametrize("change", ["source", "new"])
def test_a_dirty_tree_is_refused_unless_marked(checkout, monkeypatch, change):
    (checkout / change).write_text("changed\n")
    monkeypatch.setenv("RECORD", "1")
    with pytest.raises(ToolError, match=f"uncommitted changes: {change}"):
        history.record("bench", [FIGURE])
    assert recorded(checkout) == []
    monkeypatch.setenv("RECORD", "dirty")
    history.record("bench", [FIGURE])
    assert recorded(checkout)[0]["dirty"] is True


def test_no_checkout_and_wrong_wishes_are_refused(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("RECORD", "yes")
    with pytest.raises(ToolError, match="neither 1 nor dirty"):
        history.record("bench", [FIGURE])
    monkeypatch.setenv("RECORD", "1")
    monkeypatch.setattr(history, "_git", lambda *_: "")
    with pytest.raises(ToolError, match="no git checkout"):
        history.record("bench", [FIGURE])


def test_table_has_the_figures_asked_for(checkout, monkeypatch, capsys):
    monkeypatch.setenv("RECORD", "dirty")
    history.record("bench", [FIGURE, {**FIGURE, "name": "other"}])
    capsys.readouterr()
    assert history.main(["core."]) == 0
    out = capsys.readouterr().out
    assert "core.x" in out and "other" not in out
    (checkout / "docs" / "figures.jsonl").write_text("no json\n")
    assert history.main([]) == 2
    assert "figures.jsonl:1: is not JSON" in capsys.readouterr().err
