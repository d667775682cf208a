"""The generated C header and linker constants: up to date, true to the facts, and usable by an assembler."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import load_segments

from hakone.gen import headers
from hakone.isa import encoding, formats, platform
from hakone.isa.cause import Cause, Sub
from hakone.isa.csr import Csr

GENERATED = Path(__file__).resolve().parents[2] / "firmware" / "include" / "gen"


def test_kept_files_are_what_would_be_generated():
    assert headers.stale(GENERATED) == []


@pytest.mark.parametrize("name", list(headers.FILES))
def test_changed_and_missing_files_are_found(hakone, tmp_path, name):
    assert hakone("headers", "-o", tmp_path).status == 0
    assert hakone("headers", "--check", "-o", tmp_path).status == 0
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("0x", "0x1", 1))
    assert hakone("headers", "--check", "-o", tmp_path).status == 1
    (tmp_path / name).unlink()
    assert hakone("headers", "--check", "-o", tmp_path).status == 1


def test_header_holds_every_fact():
    found = {m[1]: int(m[2], 0) for m in re.finditer(r"^#define (\w+) +(\w+)$", headers.c_header(), re.M) if m[2] != ""}
    expected = {f"CSR_{c.name}": c.value for c in Csr}
    expected |= {f"CAUSE_{c.name}": c.value for c in Cause} | {f"SUB_{s.name}": s.value for s in Sub}
    expected |= {f"REGION_{n}": int(f) for n, f in formats.RegionFlag.__members__.items()}
    expected |= {f"HAKONE_{d.name.upper()}_BASE": d.base for d in platform.DEVICES}
    expected |= {"FUSE_MAGIC": formats.FUSE_MAGIC, "BOOT_WORD_KEY": formats.BOOT_WORD_KEY, "HAKONE_LINE_BYTES": 64}
    assert len(expected) > 100
    assert {name: found.get(name) for name in expected} == expected


def test_assembler_makes_the_encodings_of_the_table(hakone, tmp_path):
    """Each macro with odd registers, assembled by clang, against the table's own words."""
    lines, expected = ['#include "gen/hakone.h"', ".globl _start", '.section .text.start, "ax"', "_start:"], []
    for i in encoding.CUSTOM_INSTRUCTIONS:
        used = {n: r for n, r, has in (("rd", 31, i.rd), ("rs1", 17, i.rs1), ("rs2", 9, i.rs2)) if has}
        lines.append(f"{i.name} {', '.join(f'x{r}' for r in used.values())}")
        expected.append(i.encode(**used))
    lines.append("ret")  # clang 22 with -g fails on a section whose instructions all come from macros
    (tmp_path / "a.S").write_text("\n".join(lines) + "\n")
    assert hakone("cc", tmp_path / "a.S", "--no-startup", "-o", tmp_path / "a.elf").status == 0
    code = load_segments(tmp_path / "a.elf")[0][1]
    assert [int.from_bytes(code[n : n + 4], "little") for n in range(0, 4 * len(expected), 4)] == expected


def test_unwritable_folder_is_one_line(hakone, tmp_path):
    (tmp_path / "file").write_text("")
    assert hakone("headers", "-o", tmp_path / "file").is_one_line("hakone headers", str(tmp_path / "file"))
    shutil.rmtree(tmp_path)
