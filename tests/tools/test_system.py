"""``hakone system``: plans, what comes out of them, and what is refused."""

import json
import struct

import pytest
from conftest import load_segments

from hakone.isa import formats
from hakone_tools.image import read_elf
from hakone_tools.sealing import xts_lines

SOURCE = "int counter = 7;\nint main(void) { return counter; }\n"
PLAN = """
[[program]]
name = "a"
sources = ["main.c"]
contexts = [1, 2]
shares = "box"

[[program]]
name = "b"
sources = ["main.c"]
contexts = [3]
shares = "box"

[[program]]
name = "c"
sources = ["main.c"]

[[process]]
program = "a"
given = 5

[[process]]
program = "c"
"""


@pytest.fixture
def plan(tmp_path):
    """A plan of two protected programs and a plain one."""
    (tmp_path / "main.c").write_text(SOURCE)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def build(hakone, plan, *options):
    folder = plan.parent
    names = ("-o", folder / "s.elf", "--fuses", folder / "s.fuses", "--key-out", folder / "s.keys")
    return hakone("system", plan, *names, "--plaintext-out", folder / "s.texts", *options)


@pytest.mark.long
def test_programs_are_sealed_by_themselves_and_put_together(hakone, plan):
    assert build(hakone, plan, "--seed", 4).status == 0
    folder = plan.parent
    fuses = (folder / "s.fuses").read_bytes()
    assert len(fuses) == 4 * formats.FUSE_WORDS and struct.unpack_from("<4I", fuses)[2] == 2
    rows = json.loads((folder / "s.keys").read_text())["regions"]
    assert [r["name"] for r in rows] == ["a.code", "b.code"]
    assert len({r["key"] for r in rows}) == len({r["owner"] for r in rows}) == 2
    texts = {t["name"]: t for t in json.loads((folder / "s.texts").read_text())["protected"]}
    segments = dict(load_segments(folder / "s.elf"))
    for row in rows:
        text = bytes.fromhex(texts[row["name"]]["data"])
        assert xts_lines(bytes.fromhex(row["key"]), row["tag"], segments[row["start"]], decrypt=True) == text
        # What .data begins with is the end of the encrypted image.
        assert text.rstrip(b"\0").endswith(b"\7")


@pytest.mark.long
def test_sharers_have_one_key_and_others_have_not(hakone, plan):
    plan.write_text(PLAN.replace('shares = "box"', "", 1))
    assert build(hakone, plan).status == 0
    texts = json.loads((plan.parent / "s.texts").read_text())["protected"]
    plan.write_text(PLAN)
    assert build(hakone, plan).status == 0
    both = json.loads((plan.parent / "s.texts").read_text())["protected"]

    def common(rows) -> int:
        """The longest run of words, 32 bytes a piece, that both programs hold and that looks like a key."""
        a, b = (bytes.fromhex(row["data"]) for row in rows)
        pieces = {a[n : n + 32] for n in range(0, len(a) - 32, 4) if len(set(a[n : n + 32])) > 24}
        code = {b[n : n + 32] for n in range(0, len(b) - 32, 4)}
        return len(pieces & code)

    assert common(both) > common(texts)


@pytest.mark.long
def test_same_seed_gives_the_same_system(hakone, plan):
    assert build(hakone, plan, "--seed", 4).status == 0
    first = [(plan.parent / name).read_bytes() for name in ("s.elf", "s.fuses")]
    assert build(hakone, plan, "--seed", 4).status == 0
    assert first == [(plan.parent / name).read_bytes() for name in ("s.elf", "s.fuses")]
    assert read_elf(str(plan.parent / "s.elf")).entry == 0x8000_0000


@pytest.mark.parametrize(
    ("old", "new", "culprit"),
    [
        ('name = "a"', 'name = "a b"', "program 1"),
        ("contexts = [3]", "contexts = [0]", "contexts = [0]"),
        ('shares = "box"', 'shared = "box"', "shared"),
        ('sources = ["main.c"]', 'sources = ["absent.c"]', "absent.c"),
        ('name = "b"', 'name = "a"', "two have one name"),
        ('[[process]]\nprogram = "c"', '[[process]]\nprogram = "d"', "no such program"),
        ("given = 5", "given = -1", "given = -1"),
        ("[[program]]", "[program]", "is not TOML"),
    ],
)
def test_bad_plan_is_one_line(hakone, plan, old, new, culprit):
    plan.write_text(PLAN.replace(old, new, 1))
    assert build(hakone, plan).is_one_line("hakone system", culprit)


def test_context_of_two_programs_is_refused(hakone, plan):
    plan.write_text(PLAN.replace("contexts = [3]", "contexts = [2]"))
    assert build(hakone, plan).is_one_line("hakone system", "context 2 is named by a and b")


def test_missing_plan_is_one_line(hakone, tmp_path):
    assert build(hakone, tmp_path / "none.toml").is_one_line("hakone system", "none.toml")


@pytest.mark.long
def test_too_many_protected_programs_are_refused(hakone, plan):
    more = "".join(f'[[program]]\nname = "x{n}"\nsources = ["main.c"]\ncontexts = [{n}]\n' for n in (4, 5, 6))
    plan.write_text(more + PLAN)
    assert build(hakone, plan).is_one_line("hakone system", "boot records")
