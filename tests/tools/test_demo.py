"""The parts of the demonstration that need no simulator: inputs, the owner's view, the naive view, the pictures."""

import struct
from types import SimpleNamespace

import pytest
from conftest import load_segments, run_plain
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from PIL import Image

from hakone_sim.errors import InputError
from hakone_tools.demo import __main__ as demo
from hakone_tools.demo import inputs, pictures, runs, show

RAM = 0x8000_0000


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The three programs with our own picture and text."""
    folder = tmp_path_factory.mktemp("demo")
    picture, text = inputs.load_picture(None), inputs.load_text(None)
    source = inputs.write_inputs(folder, picture, text)
    return SimpleNamespace(folder=folder, picture=picture, text=text, programs=runs.build(folder, source))


@pytest.fixture(scope="module")
def loaded(built) -> runs.Run:
    """The encrypted program as it lies in memory before it runs."""
    program = built.programs[0]
    segments = load_segments(program.elf)
    memory = bytearray(max(address - RAM + len(content) for address, content in segments))
    for address, content in segments:
        memory[address - RAM : address - RAM + len(content)] = content
    start = program.symbols()["owner_text"]
    lines = {start: bytes(memory[start - RAM : start - RAM + 64])}
    return runs.Run(program, SimpleNamespace(uart=b""), bytes(memory), lines)


def test_plain_program_summarises_picture_and_text(built):
    code, said = run_plain(built.programs[1].elf)
    assert code == 0
    assert "128 x 80 pixels" in said and said.endswith("album: done\n")
    words = "".join(c.lower() if c.isalnum() else " " for c in built.text.decode()).split()
    lines = built.text.count(b"\n")
    counts = {w: words.count(w) for w in words}
    most = sorted(counts, key=lambda w: (-counts[w], w))[:6]
    assert f"{lines} lines, {len(words)} words, {len(counts)} of them different" in said
    assert [line.split() for line in said.split("different\n")[1].splitlines()[:6]] == [
        [w, str(counts[w])] for w in most
    ]


def test_owner_reads_what_the_program_was_given(built, loaded):
    owner, symbols = runs.Owner(loaded), loaded.program.symbols()
    assert owner.read(symbols["owner_text"] + 5, 700) == built.text[5:705]
    place = runs.picture_at(symbols["owner_picture"], owner.read)
    assert (place.width, place.height) == built.picture.size
    seen = pictures.from_pixels(owner.read(place.address, place.bytes), place.width, place.height)
    assert seen.tobytes() == built.picture.tobytes()


def test_chip_holds_none_of_it(built, loaded):
    place = runs.picture_at(loaded.program.symbols()["owner_picture"], runs.Owner(loaded).read)
    chip = loaded.chip(place.address, place.bytes)
    blocks = [chip[n : n + 16] for n in range(0, len(chip), 16)]
    assert len(set(blocks)) == len(blocks)
    assert built.text[:16] not in loaded.memory


def test_naive_view_is_block_encryption_and_shows_the_shapes(loaded):
    owner = runs.Owner(loaded)
    place = runs.picture_at(loaded.program.symbols()["owner_picture"], owner.read)
    plain = owner.read(place.address, place.bytes)
    naive = owner.naive(place.address, plain)
    key = bytes.fromhex(owner.region(place.address)["key"])[:16]
    unit = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    assert unit.update(naive) + unit.finalize() == plain
    blocks = [naive[n : n + 16] for n in range(0, len(naive), 16)]
    assert len(set(blocks)) < len(blocks) / 10


def test_bus_view_is_what_crossed_and_nothing_else(built, loaded):
    start = loaded.program.symbols()["owner_text"]
    assert loaded.seen(start + 3, 20) == loaded.chip(start + 3, 20)
    assert loaded.seen(start + 60, 8) is None and loaded.seen(start + 64, 4) is None


def test_users_picture_becomes_small_with_few_colours(tmp_path):
    noisy = Image.effect_noise((501, 301), 80).convert("RGB")
    noisy.save(tmp_path / "p.jpg")
    picture = inputs.load_picture(str(tmp_path / "p.jpg"))
    assert picture.width == 128 and picture.width % 4 == 0 and 70 <= picture.height <= 80
    assert len(picture.getcolors(1 << 16)) <= 32


def test_odd_pictures_are_taken(tmp_path):
    for name, mode, size in (("a.png", "RGBA", (3, 500)), ("b.png", "L", (1, 1)), ("c.png", "1", (17, 3))):
        Image.new(mode, size).save(tmp_path / name)
        picture = inputs.load_picture(str(tmp_path / name))
        assert picture.width % 4 == 0 and picture.width and picture.height
        assert len(inputs.pixel_bytes(picture)) == 4 * picture.width * picture.height


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("missing.png", None, "cannot be read"),
        ("text.png", b"no picture", "not a picture"),
        ("cut.png", "cut", "picture"),
    ],
)
def test_bad_picture_is_named(tmp_path, monkeypatch, capsys, name, content, part):
    path = tmp_path / name
    if content == "cut":
        inputs.scenery().save(path)
        content = path.read_bytes()[:200]
    if content:
        path.write_bytes(content)
    monkeypatch.setenv("PICTURE", str(path))
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")
    monkeypatch.setattr(demo, "BUILD", tmp_path)
    assert demo.main() == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"demo: PICTURE={path}: ") and part in lines[0]


@pytest.mark.parametrize(("content", "part"), [(None, "cannot be read"), (b" \n", "is empty"), (b"a\0b", "zero bytes")])
def test_bad_text_is_named(tmp_path, content, part):
    if content:
        (tmp_path / "t").write_bytes(content)
    with pytest.raises(InputError, match=part):
        inputs.load_text(str(tmp_path / "t"))


def test_long_text_is_cut(tmp_path):
    (tmp_path / "t").write_bytes(b"word " * 10000)
    assert len(inputs.load_text(str(tmp_path / "t"))) == inputs.TEXT_BYTES_MAX


def test_header_that_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="no picture at 0x10"):
        runs.picture_at(0x10, lambda address, count: struct.pack("<2I", 0, 5))


def test_pictures_are_written_side_by_side(built, tmp_path):
    row = [(str(n), built.picture) for n in range(3)]
    pictures.side_by_side(tmp_path / "p.png", [row, row], scale=2)
    sheet = Image.open(tmp_path / "p.png")
    assert sheet.width > 3 * 2 * 128 and sheet.height > 2 * 2 * 80
    assert sheet.getpixel((16 + 10, 16 + 26 + 10)) == built.picture.getpixel((5, 5))


def test_places_show_text_code_and_a_part_of_the_drawing(built, loaded, monkeypatch):
    owner = runs.Owner(loaded)
    place = runs.picture_at(loaded.program.symbols()["owner_picture"], owner.read)
    text, code, drawing = show.places(owner, loaded, built.text, place.address)
    assert built.text.startswith(text.plaintext) and text.address == loaded.program.symbols()["owner_text"]
    assert code.plaintext == owner.read(loaded.program.symbols()["main"], 32)
    assert len(drawing.plaintext) == 32
