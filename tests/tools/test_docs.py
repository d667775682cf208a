"""The printed reference pages are what the live description says."""

from pathlib import Path

import pytest

from hakone_tools import docs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", docs.PAGES)
def test_reference_page_is_up_to_date(name):
    assert (ROOT / name).read_text() == docs.PAGES[name](), f"{name} is stale: run `make docs`"


def test_every_sub_rule_is_explained():
    from hakone.isa.cause import Sub

    comments = docs.member_comments(Sub)
    assert {s.name for s in Sub} - set(comments) == {"NONE"}


def test_member_without_a_comment_gets_none_of_its_neighbours():
    from hakone.isa.formats import BootStatus, RegionFlag

    assert "READ" not in docs.member_comments(RegionFlag)
    assert docs.member_comments(BootStatus)["EMPTY_RANGE"].startswith("no bytes")
