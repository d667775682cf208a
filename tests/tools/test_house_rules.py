"""The house rules hold, and each rule can fail."""

from pathlib import Path

from hakone_tools import house_rules

ROOT = Path(__file__).resolve().parents[2]


def test_house_rules_hold_everywhere():
    assert house_rules.check_all(ROOT) == []


def test_import_direction_finds_a_wrong_import(tmp_path):
    room = tmp_path / "hw" / "hakone" / "isa"
    room.mkdir(parents=True)
    (room / "bad.py").write_text("from ..core import fetch\nfrom amaranth import Signal\n")
    found = house_rules.import_direction(tmp_path)
    assert any("isa imports core" in f for f in found)
    assert any("amaranth.Signal" in f for f in found)


def test_models_may_import_isa_only(tmp_path):
    room = tmp_path / "sim" / "hakone_sim" / "models"
    room.mkdir(parents=True)
    (room / "bad.py").write_text("from hakone.isa import VERSION\nimport hakone.crypto.aes\n")
    assert [f for f in house_rules.import_direction(tmp_path) if "golden model" in f and ":2:" in f]
    assert len(house_rules.import_direction(tmp_path)) == 1


def test_loose_comparison_is_found_and_parentheses_are_accepted():
    assert house_rules.loose_comparisons("x = a != b | c\n", "f.py")
    assert not house_rules.loose_comparisons("x = (a != b) | c\n", "f.py")
    assert not house_rules.loose_comparisons("x = a == (b | c)\n", "f.py")


def test_missing_docstring_is_found():
    assert len(house_rules.missing_docstrings("class A:\n    pass\n", "f.py")) == 2


def test_unnamed_submodule_is_found():
    assert house_rules.unnamed_submodules("m.submodules += x\n", "f.py")
    assert not house_rules.unnamed_submodules("m.submodules.x = x\n", "f.py")


def test_forbidden_text_is_found(tmp_path):
    (tmp_path / "a.md").write_text("see /ro" + "ot/x\n")
    assert house_rules.forbidden_text(tmp_path)
