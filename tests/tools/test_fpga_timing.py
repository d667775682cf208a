"""The longest paths: a small delay file with known answers, and the comparison with nextpnr's own."""

import pytest

from hakone_tools.fpga import timing

SDF = r"""(DELAYFILE
  (SDFVERSION "3.0")
  (CELL
    (CELLTYPE "top")
    (INSTANCE )
    (DELAY
      (ABSOLUTE
        (INTERCONNECT a.from_TRELLIS_FF_Q/Q a.x_LUT4_Z/A (1:2:1000) (1:2:900))
        (INTERCONNECT a.x_LUT4_Z/F a.b.y_LUT4_Z_1/B (1:2:500) (1:2:500))
        (INTERCONNECT a.b.y_LUT4_Z_1/F a.b.end_TRELLIS_FF_Q/DI (1:2:100) (1:2:100))
        (INTERCONNECT a.x_LUT4_Z/F a.\$odd_TRELLIS_FF_Q/DI (1:2:200) (1:2:200))
        (INTERCONNECT clk/O a.from_TRELLIS_FF_Q/CLK (1:2:9000) (1:2:9000))
      )
    )
  )
  (CELL
    (CELLTYPE "TRELLIS_COMB")
    (INSTANCE a.x_LUT4_Z)
    (DELAY (ABSOLUTE
        (IOPATH A F (1:2:236) (1:2:200))
    ))
  )
  (CELL
    (CELLTYPE "TRELLIS_COMB")
    (INSTANCE a.b.y_LUT4_Z_1)
    (DELAY (ABSOLUTE
        (IOPATH B F (1:2:236) (1:2:236))
    ))
  )
"""
FLOP = r"""
  (CELL
    (CELLTYPE "TRELLIS_FF")
    (INSTANCE {})
    (DELAY (ABSOLUTE
        (IOPATH CLK Q (1:2:500) (1:2:500))
    ))
    (TIMINGCHECK
      (SETUPHOLD (posedge DI) (posedge CLK) (1:2:{}) (1:2:3))
      (SETUPHOLD (negedge DI) (posedge CLK) (1:2:0) (1:2:3))
    )
  )
"""
FLOPS = (("a.from_TRELLIS_FF_Q", 0), ("a.b.end_TRELLIS_FF_Q", 50), (r"a.\$odd_TRELLIS_FF_Q", 0))


@pytest.fixture
def paths(tmp_path):
    file = tmp_path / "d.sdf"
    file.write_text(SDF + "".join(FLOP.format(*f) for f in FLOPS))
    return timing.longest_paths(file, ["a", "a.b"])


def test_longest_path_is_the_sum_of_its_steps(paths):
    first = paths[0]
    # Clock to output, wire, LUT, wire, LUT, wire, set-up.
    assert first.total_ns == pytest.approx(0.5 + 1.0 + 0.236 + 0.5 + 0.236 + 0.1 + 0.05)
    assert (first.start, first.end, first.levels) == ("a.from", "a.b.end", 2)
    assert first.logic_ns + first.routing_ns == pytest.approx(first.total_ns)


def test_parts_name_modules_in_order_with_what_is_spent_in_each(paths):
    parts = [(p.module, p.levels, p.logic_ns, p.routing_ns) for p in paths[0].parts]
    assert parts == [("a", 1, 0.736, 1.0), ("a.b", 1, 0.286, 0.6)]
    assert "a.b: 1 levels, logic 0.3 ns, routing 0.6 ns" in paths[0].words()


def test_paths_differ_in_start_or_end(paths):
    assert [(p.start, p.end) for p in paths] == [("a.from", "a.b.end"), ("a.from", "a.$odd")]


def test_paths_survive_json(paths):
    assert [timing.Path.from_dict(p.as_dict()) for p in paths] == paths


def critical(total: float) -> list[dict]:
    return [{"from": "posedge clk", "to": "posedge clk", "path": [{"delay": total}]}]


def test_agreement_with_nextpnr_is_demanded(paths):
    timing.check_against(paths, critical(paths[0].total_ns), "clk")
    with pytest.raises(ValueError, match="in nextpnr's report"):
        timing.check_against(paths, critical(paths[0].total_ns + 0.2), "clk")


def test_loop_of_logic_ends_and_takes_no_part(tmp_path, paths):
    loop = "(INTERCONNECT a.b.y_LUT4_Z_1/F a.x_LUT4_Z/A (1:2:10) (1:2:10))\n"
    file = tmp_path / "loop.sdf"
    file.write_text(
        (SDF + "".join(FLOP.format(*f) for f in FLOPS)).replace("(INTERCONNECT clk", loop + "(INTERCONNECT clk")
    )
    assert timing.longest_paths(file, ["a", "a.b"]) == []
