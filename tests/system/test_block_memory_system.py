"""The system with its memory in block RAM: no memory port, the program inside from reset on."""

from dataclasses import replace

import pytest

from hakone.gen import verilog
from hakone.soc.config import PRESETS
from hakone.soc.top import Hakone
from hakone_sim import builder, unit_model
from hakone_sim.errors import InputError
from hakone_sim.run import simulate
from hakone_tools.paths import BUILD, FIRMWARE
from hakone_tools.programs import build_plain, kernel_sources

INSIDE = replace(PRESETS["default"], memory="bram", ram_bytes=256 << 10)


@pytest.fixture(scope="module", autouse=True)
def model():
    """Build the simulation once."""
    builder.model(INSIDE)


def test_hello_runs_from_inside(tmp_path):
    program = build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], tmp_path)
    result = simulate(INSIDE, program.elf, max_cycles=200_000)
    assert (result.status, result.uart) == (0, b"Hello from Hakone.\n")
    assert result.bus["reads"] == result.bus["writes"] == 0


def test_kernel_that_exceeds_the_caches_gives_its_result(tmp_path):
    program = build_plain("quicksort", kernel_sources("quicksort"), tmp_path)
    inside = simulate(INSIDE, program.elf, max_cycles=8_000_000)
    ideal = simulate(PRESETS["default"], program.elf, max_cycles=8_000_000)
    assert inside.status == ideal.status == 0
    assert inside.uart.split()[-1] == ideal.uart.split()[-1]


def test_there_is_no_memory_port_and_no_way_to_load_it_outside_of_simulation():
    text = verilog.generate_cached(INSIDE, BUILD / "verilog" / "cache").read_text()
    assert not [p for p in unit_model.ports(text, "hakone") if p.startswith(("axi", "sdram", "load"))]


def test_what_cannot_be_is_refused(tmp_path):
    program = build_plain("hello", [FIRMWARE / "apps" / "hello" / "hello.c"], tmp_path)
    with pytest.raises(InputError, match="block RAM cannot be looked into"):
        simulate(INSIDE, program.elf, ram_out=tmp_path / "memory")
    with pytest.raises(ValueError, match="ram_image with memory = axi"):
        Hakone(PRESETS["default"], ram_image=b"1")
