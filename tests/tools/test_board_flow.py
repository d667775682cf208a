"""A board's top module around a small stand-in for the system, all the way to a bitstream."""

import json
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring

from hakone.boards import board as boards
from hakone.boards import top
from hakone.gen.boards import generate_board
from hakone.memory.sdram import SdramController
from hakone.memory.sdram_timing import any_part
from hakone.soc.config import PRESETS
from hakone.soc.top import Hakone
from hakone_tools import cmd_build
from hakone_tools.cmd_build import device_of
from hakone_tools.fpga import synthesis
from hakone_tools.fpga.flow import Design, build

ROOT = Path(__file__).resolve().parents[2]
FUSES = bytes(n * 5 % 256 for n in range(528))
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable"),
]


class Small(wiring.Component):
    """The ports of a system, its SDRAM controller if it has one, and counters instead of the rest."""

    def __init__(self, config, boot_program=None):
        self._config = config
        super().__init__(Hakone(config, boot_program).signature)

    def elaborate(self, _platform):
        """Traffic without sense, so that nothing is optimised away."""
        m = Module()
        noise, seen = Signal(32), Signal(64)
        m.d.sync += noise.eq(noise * 5 + 1)
        m.d.sync += seen.eq(seen ^ self.fuse_data)
        m.d.comb += [self.leds.eq(seen), self.fuse_addr.eq(noise[20:])]
        if self._config.memory == "sdram":
            m.submodules.sdram = sdram = SdramController(any_part(self._config.ram_bytes), self._config.clock_hz)
            wiring.connect(m, wiring.flipped(self.sdram), sdram.pads)
            axi = sdram.axi
            m.d.sync += seen.eq(seen ^ axi.rdata)
            m.d.comb += [
                *(getattr(axi, f"{c}addr").eq(0x8000_0000 + noise[:20] * 64) for c in ("ar", "aw")),
                *(getattr(axi, f"{c}len").eq(7) for c in ("ar", "aw")),
                *(getattr(axi, f"{c}size").eq(3) for c in ("ar", "aw")),
                *(getattr(axi, f"{c}burst").eq(1) for c in ("ar", "aw")),
                *(getattr(axi, name).eq(1) for name in ("arvalid", "awvalid", "wvalid", "rready", "bready")),
                *(axi.wdata.eq(seen), axi.wstrb.eq(0xFF)),
            ]
        return m


#: Modules by the names that the report counts, instead of the whole system.
SYSTEM = """
module \\hakone.inside.boot_loader (input clk, output reg [7:0] x);
  always @(posedge clk) x <= x * 3 + 1;
endmodule
module \\hakone.inside (input clk, output [7:0] x, output reg y);
  \\hakone.inside.boot_loader boot_loader (.clk(clk), .x(x));
  always @(posedge clk) y <= ^x;
endmodule
module hakone (input clk, output [7:0] x, output y);
  \\hakone.inside inside (.clk(clk), .x(x), .y(y));
endmodule
"""


@pytest.fixture
def small(monkeypatch):
    """Boards get the small system."""
    monkeypatch.setattr(top, "Hakone", Small)


def place_small(board, tmp_path, fuses=FUSES):
    """Build one seed; what became of it."""
    config = PRESETS[board.name]
    sources = generate_board(board, config, fuses)
    design = Design(board.name, sources.verilog, board.top, device_of(board), sources.pins)
    return build(design, [1], tmp_path, goal_mhz=config.clock_hz / 1e6)


@pytest.mark.parametrize("board", [boards.ECPIX5_85F, boards.ECP5_EVN], ids=lambda b: b.name)
def test_clock_of_a_block_ram_board_is_that_of_its_preset(small, board, tmp_path):
    built = place_small(board, tmp_path)
    # nextpnr derives it from the oscillator and the dividers by itself.
    assert built.best.constraint_mhz == PRESETS[board.name].clock_hz / 1e6
    assert built.best.used["EHXPLLL"][0] == 1
    assert built.bitstream is not None and built.bitstream.stat().st_size > 10_000


def test_flops_of_the_sdram_stand_in_the_pads(small, tmp_path):
    built = place_small(boards.ULX3S_85F, tmp_path)
    assert built.best.constraint_mhz == 50
    # Commands 4, bank 2, address 13, masks 2, data captured 16, and the chip's clock; its enable is constant.
    assert built.best.used["IOLOGIC"][0] + built.best.used["SIOLOGIC"][0] == 4 + 2 + 13 + 2 + 16 + 1


def test_command_leaves_bitstream_report_and_nothing_for_others_to_read(small, hakone, monkeypatch, tmp_path):
    system, fuses = tmp_path / "system.v", tmp_path / "x.fuses"
    system.write_text(SYSTEM)
    fuses.write_bytes(FUSES)
    monkeypatch.setattr(cmd_build, "BUILD", tmp_path)
    monkeypatch.setattr(cmd_build, "UNITS_TOLD", ())
    monkeypatch.setattr(cmd_build.verilog, "generate_cached", lambda *_: system)
    arguments = ("build", "--board", "ecpix5-85f", "--seeds", "2", "--fuses", fuses)
    outcome = hakone(*arguments)
    assert outcome.status == 0, outcome.err
    folder = tmp_path / "fpga" / "ecpix5-85f-fused"
    report = json.loads((folder / "report.json").read_text())
    values = {r["name"]: r["value"] for r in report["records"]}
    assert values["fpga.soc.fmax_mhz"] == values["fpga.soc.fmax_mhz.seed2"] > 50
    inside, loader = (Counter(report["cells"][name]) for name in ("hakone.inside", "hakone.inside.boot_loader"))
    assert 0 < values["fpga.core_caches_cipher.lut4"] <= synthesis.luts(inside) - synthesis.luts(loader)
    assert len(report["paths"]) == 5 and report["best_seed"] == 2
    assert [p.stat().st_mode & 0o077 for p in folder.rglob("*")] == [0] * len(list(folder.rglob("*")))
    bitstream = folder / "ecpix5-85f.bit"
    before = bitstream.read_bytes()
    started = time.monotonic()
    assert hakone(*arguments).status == 0
    assert bitstream.read_bytes() == before and time.monotonic() - started < 20


def test_lines_of_the_guide_make_a_bitstream(small, tmp_path):
    guide = (ROOT / "docs" / "guide" / "fpga.md").read_text()
    blocks = [b for b in re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL) if "yowasp" in b]
    assert len(blocks) == 1
    generate, *lines = blocks[0].splitlines()
    assert generate == "hakone generate --unit board_ulx3s_85f -o top.v"
    (tmp_path / "top.v").write_text(generate_board(boards.ULX3S_85F, PRESETS["ulx3s-85f"]).verilog)
    (tmp_path / "constraints").symlink_to(ROOT / "constraints")
    path = f"{ROOT / 'build' / 'venv' / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "top.bit").stat().st_size > 10_000
