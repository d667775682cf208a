"""Building: once for each input, whole or not at all, and failures that say why."""

import multiprocessing
import time
from pathlib import Path

import pytest

from hakone_sim import builder
from hakone_sim.build_steps import BuildError, digest, once

VERILOG = """module hakone(clk, rst, data, led);
  input clk;
  wire clk;
  input rst;
  input [7:0] data;
  wire [7:0] data;
  output led;
endmodule
"""


def _make_slowly(folder: Path, log: Path) -> None:
    def make(part: Path, tell) -> None:
        with log.open("a") as file:
            file.write("made\n")
        (part / "a").write_text("1")
        time.sleep(0.3)
        (part / "b").write_text("2")

    once(folder, "test", make)
    assert (folder / "b").read_text() == "2"


def test_two_processes_that_ask_at_once_build_once(tmp_path):
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_make_slowly, args=(tmp_path / "x", tmp_path / "log")) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_failed_build_leaves_nothing_and_is_tried_again(tmp_path):
    def fail(part: Path, tell) -> None:
        (part / "half").write_text("")
        raise BuildError("no")

    with pytest.raises(BuildError):
        once(tmp_path / "x", "test", fail)
    assert [p.name for p in tmp_path.iterdir()] == ["x.lock"]
    once(tmp_path / "x", "test", lambda part, tell: (part / "whole").touch())
    assert (tmp_path / "x" / "whole").exists()


def test_key_depends_on_where_parts_end():
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("a", b"b") == digest("a", "b")


def test_bench_registers_every_input_but_the_clock():
    bench = builder.bench(VERILOG)
    assert "module hakone_bench(input clk, input rst, input [7:0] data, output led);" in bench
    assert "data_now <= data;" in bench and "rst_now <= rst;" in bench and "clk_now" not in bench
    assert "hakone hakone(.clk(clk), .rst(rst_now), .data(data_now), .led(led));" in bench


@pytest.mark.parametrize("text", ["", "module other(clk);\n  input clk;\nendmodule\n"])
def test_verilog_without_the_system_is_refused(text):
    with pytest.raises(BuildError, match="no module `hakone`"):
        builder.bench(text)


def test_layout_names_every_field_of_the_probe():
    layout = builder.probe_layout()
    assert "constexpr Field RETIRE_RETIRE{0, 1};" in layout
    assert "constexpr Field RETIRE_PC{2, 32};" in layout
    assert "constexpr Field STORE_ADDR{1, 32};" in layout
    assert '"icache_miss", "dcache_miss"' in layout
