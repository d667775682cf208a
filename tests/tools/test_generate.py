"""``hakone generate``: what it refuses, in one line and without writing anything."""

import dataclasses
import re

import pytest
from click.testing import CliRunner

from hakone.gen import verilog
from hakone.soc.config import PRESETS
from hakone_tools.cmd_generate import command


def run(*arguments: str):
    """One call; ``stderr`` apart."""
    return CliRunner().invoke(command, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "icache_byte=4096"), ["icache_byte", "did you mean icache_bytes"]),
        (("--set", "icache_bytes=5000"), ["icache_bytes = 5000", "power of two"]),
        (("--set", "icache_bytes=many"), ["icache_bytes = many", "whole number"]),
        (("--set", "cipher"), ["cipher", "key=value"]),
        (("--set", "cipher=perhaps"), ["cipher = perhaps", "true or false"]),
        (("--set", "cipher=false"), ["--simulation"]),
        (("--preset", "sim_open_cipher"), ["--simulation"]),
        (("--preset", "defualt"), ["defualt", "did you mean default"]),
        (("--unit", "hakon"), ["hakon", "--list"]),
        (("--config", "nowhere.toml"), ["nowhere.toml"]),
        (("--lint",), ["--lint", "-o"]),
        (("--pins", "x.lpf"), ["--pins", "hakone has no pins"]),
        (("--unit", "board_ulx3s_85f", "--preset", "default"), ["memory = axi", "choose bram or sdram"]),
        (("--unit", "board_ulx3s_85f", "--set", "probe=1"), ["--simulation"]),
        (("--unit", "board_ulx3s_85f", "--set", "probe=1", "--simulation"), ["no board gets such"]),
        (("--unit", "board_ulx3s_85f", "--lint", "-o", "x.v"), ["--lint", "primitives"]),
        (("-o", "/proc/version/x.v"), ["/proc/version/x.v"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("hakone generate: "), result.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert list(tmp_path.iterdir()) == []


def test_list_names_units_presets_and_keys():
    result = run("--list")
    assert result.exit_code == 0
    assert "unit    hakone" in result.stdout and "preset  sim_open_cipher" in result.stdout
    assert "key     icache_bytes" in result.stdout


def test_config_file_is_checked(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text("dcache_bytes = 4097\n")
    assert "dcache_bytes = 4097" in run("--config", str(file)).stderr
    file.write_text("this is not TOML")
    assert "not TOML" in run("--config", str(file)).stderr


@pytest.mark.parametrize("unit", [name for name, u in verilog.UNITS.items() if u.document], ids=str)
def test_unit_is_documented_the_same_each_time_and_clean(unit, tmp_path):
    """Every port stands in the head of the file, with its width; nothing of the place or time does."""
    file = tmp_path / f"{unit}.v"
    assert run("--unit", unit, "-o", str(file), "--lint").exit_code == 0
    text = file.read_text()
    head, body = text.split("\n\n", 1)
    assert all(line.startswith("//") for line in head.splitlines())
    for title in ("Ports (", "Cycles:", "Protects:", "Does not protect:", "Licence:"):
        assert f"\n// {title}" in head, title
    ports = re.search(rf"^module {unit}\(([^)]*)\);", body, re.MULTILINE)[1].replace("\n", "").split(",")
    assert ports and all(re.search(rf"\b(in|out) {port.strip()}(\[|,|\s|$)", head) for port in ports), head
    assert verilog.generate(PRESETS["small"], unit) == text


def test_port_without_a_description_is_an_error():
    part = verilog.UNITS["aes128_enc"].build(PRESETS["default"])
    document = verilog.UNITS["aes128_enc"].document
    ports = dict(document.ports)
    del ports["m_axis_*"]
    with pytest.raises(ValueError, match="m_axis_tdata.*not documented"):
        dataclasses.replace(document, ports=ports).text(part)
    with pytest.raises(ValueError, match="tlast: Aes128Enc has no such port"):
        dataclasses.replace(document, ports={**document.ports, "tlast": "end"}).text(part)
