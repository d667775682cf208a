"""``hakone seal``: decrypted here by independent means, and every kind of bad input refused with nothing written."""

import json
import os
import stat
import struct
from pathlib import Path

import pytest
from conftest import load_segments
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ROOT = Path(__file__).resolve().parents[2]
LIBRARY_TEST = Path(__file__).parent / "programs" / "library.c"
MAGIC, RECORD_MAGIC = 0x4E4B4148, 0x4B42


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    """A program linked for sealing."""
    from hakone_tools.compiler import Options, compile_program

    path = tmp_path_factory.mktemp("sealed") / "program.elf"
    compile_program([str(LIBRARY_TEST)], str(path), Options(sealed=True))
    return path


def _memory(path: Path) -> dict[int, int]:
    """Every loaded byte by address."""
    return {start + n: byte for start, content in load_segments(path) for n, byte in enumerate(content)}


def _bytes(memory: dict[int, int], start: int, count: int) -> bytes:
    return bytes(memory.get(start + n, 0) for n in range(count))


def _records(path: Path) -> list[dict]:
    """The boot records, taken apart by their places as the reference tells them."""
    words = struct.unpack("<132I", path.read_bytes())
    assert words[0] == MAGIC and words[1] >> 16 == 1 and words[3] == 0
    out = []
    for n in range(words[2]):
        w = words[4 + 32 * n : 36 + 32 * n]
        raw = struct.pack("<32I", *w)
        assert w[0] & 0xFFFF == RECORD_MAGIC and not any(w[5:8]) and not any(w[12:16])
        size = w[1] >> 24
        out.append(
            {
                "algorithm": w[0] >> 16,
                "contexts": w[1] & 0xFFFF,
                "flags": w[1] >> 16 & 0xFF,
                "start": w[2],
                "bytes": w[3],
                "tag": w[4],
                "owner": raw[32:48],
                "key": raw[64 : 64 + size],
            }
        )
        assert not any(raw[64 + size :])
    assert not any(words[4 + 32 * words[2] :])
    return out


def _decrypt(record: dict, data: bytes) -> bytes:
    out = b""
    for line in range(len(data) // 64):
        tweak = line.to_bytes(8, "little") + record["tag"].to_bytes(4, "little") + bytes(4)
        unit = Cipher(algorithms.AES(record["key"]), modes.XTS(tweak)).decryptor()
        out += unit.update(data[64 * line : 64 * line + 64]) + unit.finalize()
    return out


def _policy(path: Path, *changes: tuple[str, str]) -> Path:
    text = (ROOT / "firmware" / "lib" / "sealed.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


def _check_image(program: Path, sealed: Path, fuses: Path) -> list[dict]:
    """Regions decrypt to the program, windows and plain parts are as they were, and nothing else is loaded."""
    before, after, records = _memory(program), _memory(sealed), _records(fuses)
    regions = [r for r in records if r["algorithm"]]
    covered = set()
    for r in regions:
        place = range(r["start"], r["start"] + r["bytes"])
        covered |= set(place)
        plain = _bytes(before, place.start, r["bytes"])
        cipher = bytes(after[a] for a in place)
        assert _decrypt(r, cipher) == plain
        lines = [cipher[n : n + 64] for n in range(0, len(cipher), 64)]
        assert len(set(lines)) == len(lines), "equal lines under one tweak"
    assert {a: b for a, b in after.items() if a not in covered} == {a: b for a, b in before.items() if a not in covered}
    return records


def test_regions_decrypt_to_the_program(hakone, program, tmp_path):
    done = hakone("seal", program, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f")
    assert (done.status, done.err) == (0, "")
    records = _check_image(program, tmp_path / "s.elf", tmp_path / "f")
    assert [(r["algorithm"], r["contexts"], r["flags"]) for r in records] == [
        (1, 2, 5),
        (1, 2, 3),
        (0, 2, 3),
        (0, 2, 3),
    ]
    assert records[0]["key"] != records[1]["key"] and records[0]["owner"] == records[1]["owner"] != bytes(16)
    assert records[3]["start"] == 0x1000_0000


def test_no_protected_plaintext_names_or_debugging_remain(hakone, program, tmp_path):
    assert hakone("seal", program, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f").status == 0
    before, after = program.read_bytes(), (tmp_path / "s.elf").read_bytes()
    for word in (b"heap_is_sound", b"kana", b"longer than that", b".symtab", b"library.c"):
        assert word in before
        assert word not in after


def test_two_ciphers_in_one_program(hakone, program, tmp_path):
    cipher = ('algorithm = "aes128-xts"', 'algorithm = "aes256-xts"')
    policy = _policy(tmp_path / "p.toml", cipher, ("tag = 1", "tag = 0xFFFFFFFF"))
    out, fuses = tmp_path / "s.elf", tmp_path / "f"
    assert hakone("seal", program, "-o", out, "--fuses", fuses, "--policy", policy).status == 0
    records = _check_image(program, out, fuses)
    assert [(r["algorithm"], len(r["key"])) for r in records[:2]] == [(2, 64), (1, 32)]
    assert records[0]["tag"] == 0xFFFF_FFFF


def test_keys_are_fresh_each_time_and_repeatable_with_a_seed(hakone, program, tmp_path):
    images = []
    for name, seed in (("a", []), ("b", []), ("c", ["--seed", 5]), ("d", ["--seed", 5]), ("e", ["--seed", 6])):
        out, fuses = tmp_path / f"{name}.elf", tmp_path / f"{name}.f"
        assert hakone("seal", program, "-o", out, "--fuses", fuses, *seed).status == 0
        images.append((out.read_bytes(), fuses.read_bytes()))
    a, b, c, d, e = images
    assert c == d
    assert len({image[0] for image in images}) == len({image[1] for image in images}) == 4


def test_open_image_differs_in_nothing_but_the_cipher(hakone, program, tmp_path):
    common = ["--seed", 9]
    assert hakone("seal", program, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "s.f", *common).status == 0
    done = hakone("seal", program, "-o", tmp_path / "o.elf", "--fuses", tmp_path / "o.f", "--open", *common)
    assert done.status == 0
    assert (tmp_path / "s.f").read_bytes() == (tmp_path / "o.f").read_bytes()
    sealed, opened, before = (_memory(p) for p in (tmp_path / "s.elf", tmp_path / "o.elf", program))
    assert sealed.keys() == opened.keys() and sealed != opened
    assert all(opened[a] == before.get(a, 0) for a in opened)


def test_key_and_plaintext_files_tell_what_was_done(hakone, program, tmp_path):
    out, fuses, keys, texts = (tmp_path / n for n in ("s.elf", "f", "k", "t"))
    call = ["seal", program, "-o", out, "--fuses", fuses, "--key-out", keys, "--plaintext-out", texts]
    assert hakone(*call).status == 0
    records, before = _records(fuses), _memory(program)
    document = json.loads(keys.read_text())
    assert [(r["start"], r["bytes"], r["tag"], bytes.fromhex(r["key"])) for r in document["regions"]] == [
        (r["start"], r["bytes"], r["tag"], r["key"]) for r in records if r["algorithm"]
    ]
    assert bytes.fromhex(document["owner"]) == records[0]["owner"]
    plaintexts = json.loads(texts.read_text())
    assert [r["start"] for r in plaintexts["protected"]] == [r["start"] for r in records if r["algorithm"]]
    assert {r["name"] for r in plaintexts["plain"]} == {".monitor", ".window"}
    for row in plaintexts["protected"] + plaintexts["plain"]:
        assert bytes.fromhex(row["data"]) == _bytes(before, row["start"], row["bytes"])
    for secret in (fuses, keys, texts):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def _patched(program: Path, path: Path, offset: int, value: bytes) -> Path:
    data = bytearray(program.read_bytes())
    data[offset : offset + len(value)] = value
    path.write_bytes(data)
    return path


def _last_load(program: Path) -> int:
    """File offset of the program header of the last loadable segment."""
    data = program.read_bytes()
    (table,) = struct.unpack_from("<I", data, 28)
    (count,) = struct.unpack_from("<H", data, 44)
    return max(table + 32 * n for n in range(count) if struct.unpack_from("<I", data, table + 32 * n)[0] == 1)


BAD_PROGRAMS = {
    "missing": (lambda p, d: d / "missing.elf", ["cannot be read"]),
    "a folder": (lambda p, d: d, ["cannot be read"]),
    "not ELF": (lambda p, d: _patched(p, d / "x.elf", 0, b"\x7fELG"), ["not an ELF file"]),
    "empty": (lambda p, d: (d / "x.elf", (d / "x.elf").write_bytes(b""))[0], ["not an ELF file"]),
    "30 bytes": (lambda p, d: (d / "x.elf", (d / "x.elf").write_bytes(p.read_bytes()[:30]))[0], ["truncated"]),
    "half": (lambda p, d: (d / "x.elf", (d / "x.elf").write_bytes(p.read_bytes()[:6000]))[0], ["truncated"]),
    "no end": (lambda p, d: (d / "x.elf", (d / "x.elf").write_bytes(p.read_bytes()[:-700]))[0], ["truncated"]),
    "64-bit": (lambda p, d: _patched(p, d / "x.elf", 4, b"\x02"), ["another machine", "64-bit"]),
    "x86": (lambda p, d: _patched(p, d / "x.elf", 18, b"\x03\x00"), ["another machine", "machine 3"]),
    "not linked": (lambda p, d: _patched(p, d / "x.elf", 16, b"\x01\x00"), ["not an executable"]),
    "below memory": (
        lambda p, d: _patched(p, d / "x.elf", _last_load(p) + 8, struct.pack("<2I", 0x7000_0000, 0x7000_0000)),
        ["0x70000000", "outside memory"],
    ),
    "past memory": (
        lambda p, d: _patched(p, d / "x.elf", _last_load(p) + 20, struct.pack("<I", 0x0800_0000)),
        ["outside memory"],
    ),
    "overlap": (
        lambda p, d: _patched(p, d / "x.elf", _last_load(p) + 8, struct.pack("<2I", 0x8000_0000, 0x8000_0000)),
        ["overlap at 0x8000"],
    ),
}


@pytest.mark.parametrize("kind", BAD_PROGRAMS)
def test_bad_program_is_one_line_and_nothing_is_written(hakone, program, tmp_path, kind):
    make, parts = BAD_PROGRAMS[kind]
    source = make(program, tmp_path)
    done = hakone("seal", source, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f")
    assert done.is_one_line("hakone seal: ", source.name, *parts), done.err
    assert not (tmp_path / "s.elf").exists() and not (tmp_path / "f").exists()


CODE = 'sections = [".code"]'
BAD_POLICIES = {
    "unknown algorithm": (('algorithm = "aes128-xts"', 'algorithm = "aes182-xts"'), ["aes182-xts", "aes128-xts?"]),
    "later algorithm": (('algorithm = "aes128-xts"', 'algorithm = "aes128-tree"'), ["region code", "aes128-tree"]),
    "unknown flag": (('"execute"', '"exekute"'), ["exekute", "did you mean execute?"]),
    "unknown key": (("tag = 1", "tga = 1"), ["region code: tga", "did you mean tag?"]),
    "unknown table": (("[[window]]", "[[windows]]"), ["windows", "did you mean window?"]),
    "negative tag": (("tag = 1", "tag = -1"), ["region code: tag = -1"]),
    "wide tag": (("tag = 1", "tag = 0x100000000"), ["region code: tag = 4294967296"]),
    "context 0": (("contexts = [1]", "contexts = [0]"), ["region code: contexts = [0]"]),
    "no section": ((CODE, 'sections = [".kode"]'), ["no section .kode for region code"]),
    "forgotten section": ((', ".bss", ".heap"', ', ".bss"'), ["section .heap is neither protected nor plain"]),
    "gap": (('".stack", ".data", ', '".stack", '), ["section .data", "overlaps region data"]),
    "plain and protected": (('plain = [".monitor"]', 'plain = [".monitor", ".code"]'), [".code", "plain at once"]),
    "entry protected": ((CODE, 'sections = [".monitor", ".window", ".code"]'), ["at once"]),
    "window misaligned": (("base = 0x10000000", "base = 0x10000010"), ["window uart", "0x10000010", "multiples of 64"]),
    "window empty": (("bytes = 0x100", "bytes = 0"), ["window uart", "empty"]),
    "window overlaps": (("base = 0x10000000", "base = 0x80001000"), ["overlap at"]),
    "window placed twice": (("base = 0x10000000", 'sections = [".window"]\nbase = 0'), ["window uart", "not clear"]),
    "not TOML": (("[[region]]", "[[region"), ["is not TOML"]),
}


@pytest.mark.parametrize("kind", BAD_POLICIES)
def test_bad_policy_is_one_line_and_nothing_is_written(hakone, program, tmp_path, kind):
    change, parts = BAD_POLICIES[kind]
    policy = _policy(tmp_path / "p.toml", change)
    done = hakone("seal", program, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f", "--policy", policy)
    assert done.is_one_line("hakone seal: ", *parts), done.err
    assert not (tmp_path / "s.elf").exists() and not (tmp_path / "f").exists()


def test_too_many_records_are_refused(hakone, program, tmp_path):
    policy = _policy(tmp_path / "p.toml")
    policy.write_text(policy.read_text() + '[[window]]\nname = "more"\nbase = 0\nbytes = 64\nflags = ["read"]\n')
    done = hakone("seal", program, "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f", "--policy", policy)
    assert done.is_one_line("p.toml", "5 boot records", "at most 4"), done.err


def test_policy_without_regions_is_refused(hakone, program, tmp_path):
    (tmp_path / "p.toml").write_text('plain = [".monitor"]\n')
    done = hakone("seal", program, "-o", tmp_path / "s", "--fuses", tmp_path / "f", "--policy", tmp_path / "p.toml")
    assert done.is_one_line("p.toml", "names no region"), done.err


def test_plain_program_is_refused_with_what_to_do(hakone, tmp_path):
    assert hakone("cc", LIBRARY_TEST, "-o", tmp_path / "a.elf").status == 0
    done = hakone("seal", tmp_path / "a.elf", "-o", tmp_path / "s.elf", "--fuses", tmp_path / "f")
    assert done.is_one_line("a.elf", "no section .code", "--sealed"), done.err


def test_misaligned_region_is_refused(hakone, tmp_path):
    source = '.section .monitor,"ax"\n.globl _start\n_start: j _start\n.section .code,"ax"\n.word 1\n'
    (tmp_path / "a.S").write_text(source)
    (tmp_path / "a.ld").write_text(
        "ENTRY(_start)\nSECTIONS { . = 0x80000000; .monitor : { *(.monitor) } "
        ". = 0x80000120; .code : { KEEP(*(.code)) } }\n"
    )
    (tmp_path / "p.toml").write_text(
        'plain = [".monitor"]\n[[region]]\nname = "code"\nsections = [".code"]\n'
        'algorithm = "aes128-xts"\nflags = ["read"]\n'
    )
    elf, script = tmp_path / "a.elf", tmp_path / "a.ld"
    assert hakone("cc", tmp_path / "a.S", "--no-startup", "--linker-script", script, "-o", elf).status == 0
    out, fuses, policy = tmp_path / "s", tmp_path / "f", tmp_path / "p.toml"
    done = hakone("seal", elf, "-o", out, "--fuses", fuses, "--policy", policy)
    assert done.is_one_line("region code is misaligned: 0x80000120", "multiples of 64"), done.err


@pytest.mark.parametrize("what", ["-o", "--fuses", "--key-out", "--plaintext-out"])
def test_unwritable_output_is_named_and_nothing_is_written(hakone, program, tmp_path, what):
    outputs = {"-o": tmp_path / "s.elf", "--fuses": tmp_path / "f", "--key-out": tmp_path / "k"}
    outputs |= {"--plaintext-out": tmp_path / "t"}
    outputs[what] = tmp_path / "no" / "such" / "folder"
    done = hakone("seal", program, *(word for pair in outputs.items() for word in pair))
    assert done.is_one_line(f"hakone seal: {outputs[what]}", "cannot be written"), done.err
    assert os.listdir(tmp_path) == []


def test_two_outputs_of_one_name_are_refused(hakone, program, tmp_path):
    done = hakone("seal", program, "-o", tmp_path / "s", "--fuses", tmp_path / "x" / ".." / "s")
    assert done.is_one_line("is the same file") and os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["-o", "s"], ["--fuses: missing"]),
        (["--fuses", "f"], ["-o: missing"]),
        (["-o", "s", "--fuses", "f", "--polcy", "p"], ["--polcy: no such option", "--policy?"]),
        (["-o", "s", "--fuses", "f", "--policy", "no.toml"], ["no.toml: cannot be read"]),
        (["-o", "s", "--fuses", "f", "--seed", "x"], ["--seed", "'x'"]),
    ],
)
def test_bad_call_is_one_line(hakone, program, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    done = hakone("seal", program, *arguments)
    assert done.is_one_line("hakone seal: ", *parts), done.err
    assert os.listdir(tmp_path) == []
