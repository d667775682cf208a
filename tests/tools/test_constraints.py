"""Pin tables in ``constraints/``: of the generator's boards, complete, without contradiction, and true to the vendors.

Ports come from the text of the Verilog, pins from the text of the table; neither asks the code that wrote them.
"""

import re
from collections import Counter
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring

from hakone.boards import top
from hakone.boards.board import BOARDS
from hakone.gen.boards import generate_board, pin_table
from hakone.soc.config import PRESETS
from hakone.soc.top import Hakone

#: The pin tables alone leave most of a board unbuilt.
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
FOLDER = Path(__file__).resolve().parents[2] / "constraints"


def port_bits(verilog: str, top: str) -> Counter:
    """Every bit of every port of module ``top``."""
    body = re.search(rf"^module {top}\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    assert body, f"no module {top}"
    bits: Counter = Counter()
    for high, name in re.findall(r"^ +(?:input|output|inout) (?:\[(\d+):0\] )?(\w+);", body[0], re.MULTILINE):
        bits.update([f"{name}[{n}]" for n in range(int(high) + 1)] if high else [name])
    return bits


def pin_lines(text: str) -> list[tuple[str, str]]:
    """Port bit and pin of each line that places one."""
    lpf = re.findall(r'^LOCATE COMP "([^"]+)" SITE "(\w+)";', text, re.MULTILINE)
    xdc = re.findall(r"^set_property -dict \{PACKAGE_PIN (\w+)[^}]*\} \[get_ports \{([^}]+)\}\]", text, re.MULTILINE)
    return lpf + [(port, pin) for pin, port in xdc]


def findings(verilog: str, top: str, text: str) -> list[str]:
    """What is wrong between ports and pins."""
    bits, lines = port_bits(verilog, top), pin_lines(text)
    ports, pins = Counter(p for p, _ in lines), Counter(p for _, p in lines)
    out = [f"{bit}: no pin" for bit in bits if not ports[bit]]
    out += [f"{port}: {n} pins" for port, n in ports.items() if n > 1]
    out += [f"{port}: no such port" for port in ports if port not in bits]
    return out + [f"{pin}: {n} ports" for pin, n in pins.items() if n > 1]


def test_every_board_has_its_table_and_no_other_is_there():
    assert sorted(p.stem for p in FOLDER.iterdir()) == sorted(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_table_is_up_to_date(name):
    file, text = pin_table(BOARDS[name], PRESETS[name])
    assert (FOLDER / file).read_text() == text, f"constraints/{file} is stale: run `make docs`"


class Shell(wiring.Component):
    """The ports of a system without the system: what reaches the pads does not depend on what is inside."""

    def __init__(self, config, boot_program=None):
        super().__init__(Hakone(config, boot_program).signature)

    def elaborate(self, _platform):
        """Nothing."""
        return Module()


@pytest.mark.parametrize("name", BOARDS)
def test_each_bit_of_each_port_has_exactly_one_pin(name, monkeypatch):
    monkeypatch.setattr(top, "Hakone", Shell)
    board = BOARDS[name]
    sources = generate_board(board, PRESETS[name])
    text = (FOLDER / sources.pins_name).read_text()
    assert findings(sources.verilog, board.top, text) == []
    # The check finds each fault, in the very same files.
    lines = [line for line in text.splitlines() if pin_lines(line)]
    (port, pin), (_, other) = pin_lines(lines[0])[0], pin_lines(lines[1])[0]
    assert findings(sources.verilog, board.top, text.replace(lines[0], "")) == [f"{port}: no pin"]
    assert f"{port}: 2 pins" in findings(sources.verilog, board.top, text + lines[0].replace(pin, "ZZ1") + "\n")
    assert f"{other}: 2 ports" in findings(
        sources.verilog, board.top, text.replace(lines[0], lines[0].replace(pin, other))
    )
    extra = lines[0].replace(port, "nowhere").replace(pin, "ZZ2")
    assert findings(sources.verilog, board.top, text + extra + "\n") == ["nowhere: no such port"]


@pytest.mark.parametrize("name", BOARDS)
def test_clock_is_constrained_at_the_rate_of_the_oscillator(name):
    hz = {"ulx3s-85f": 25e6, "ecpix5-85f": 100e6, "ecp5-evn": 12e6, "arty-a7-100t": 100e6}[name]
    file, text = pin_table(BOARDS[name], PRESETS[name])
    if file.endswith(".lpf"):
        rates = [float(r) * 1e6 for r in re.findall(r'FREQUENCY PORT "clk\w+" ([\d.]+) MHZ;', text)]
    else:
        rates = [1e9 / float(p) for p in re.findall(r"create_clock .*-period ([\d.]+) ", text)]
    assert rates == [hz]


def numbered(form: str, pins: str) -> dict[str, str]:
    """Ports with numbers from 0 on, and their pins."""
    return {form.format(n): pin for n, pin in enumerate(pins.split())}


#: Facts of the makers' own files. Digilent/digilent-xdc, Arty-A7-100-Master.xdc; emard/ulx3s,
#: doc/constraints/ulx3s_v20.lpf (boards 2.x and 3.x).
MAKERS = {
    "arty-a7-100t": {
        "clk100_0__io": "E3",
        "rst_0__io": "C2",
        "uart_0__tx__io": "D10",  # uart_rxd_out
        "uart_0__rx__io": "A9",  # uart_txd_in
        **numbered("switch_{}__io", "A8 C11 C10 A10"),
        **numbered("button_{}__io", "D9 C9 B9 B8"),
        **numbered("led_{}__io", "H5 J5 T9 T10"),
        **numbered("rgb_led_{}__g__io", "F6 J4 J2 H6"),
    },
    "ulx3s-85f": {
        "clk25_0__io": "G2",
        "uart_0__tx__io": "L4",  # ftdi_rxd
        "uart_0__rx__io": "M1",  # ftdi_txd
        "button_pwr_0__io": "D6",
        "card_0__clk__io": "H2",
        "card_0__copi__io": "J1",
        "card_0__cipo__io": "J3",
        "card_0__cs__io": "K2",
        "esp32_0__en__io": "F1",
        "sdram_0__clk__io": "F19",
        "sdram_0__clk_en__io": "F20",
        "sdram_0__cs__io": "P20",
        "sdram_0__we__io": "T20",
        "sdram_0__ras__io": "R20",
        "sdram_0__cas__io": "T19",
        **numbered("led_{}__io", "B2 C2 C1 D2 D1 E2 E1 H3"),
        **numbered("button_{}__io", "R1 T1 R18 V1 U1 H16"),
        **numbered("sdram_0__ba__io[{}]", "P19 N20"),
        **numbered("sdram_0__dqm__io[{}]", "U19 E20"),
        **numbered("sdram_0__a__io[{}]", "M20 M19 L20 L19 K20 K19 K18 J20 J19 H20 N19 G20 G19"),
        **numbered("sdram_0__dq__io[{}]", "J16 L18 M18 N18 P18 T18 T17 U20 E19 D20 D19 C20 E18 F18 J18 J17"),
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_pins_are_those_of_the_makers_table(name):
    _, text = pin_table(BOARDS[name], PRESETS[name])
    assert dict(pin_lines(text)) == MAKERS[name]
