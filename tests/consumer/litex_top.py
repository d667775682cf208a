"""Verilog of a LiteX module with the line cipher in it, the ports of its three buses outside. Argument: the file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from hakone_litex import CHANNELS, LITE_CHANNELS, HakoneLineCipher  # noqa: E402
from litex.gen import LiteXModule  # noqa: E402
from litex.gen.fhdl.verilog import convert  # noqa: E402
from migen import ClockDomain, Signal  # noqa: E402


class Top(LiteXModule):
    """Every signal of the three buses as a port of the same name as in the unit itself."""

    def __init__(self):
        self.cd_sys = ClockDomain()
        self.line_cipher = unit = HakoneLineCipher()
        self.ios = {self.cd_sys.clk, self.cd_sys.rst}
        self.cd_sys.clk.name_override, self.cd_sys.rst.name_override = "clk", "rst"
        for prefix, channels, manager in (
            ("s_axi", CHANNELS, False),
            ("m_axi", CHANNELS, True),
            ("s_axil", LITE_CHANNELS, False),
        ):
            for channel, fields in channels.items():
                endpoint = getattr(getattr(unit, prefix), channel)
                forward = (channel in ("aw", "w", "ar")) == manager  # out of the unit
                for field in ("valid", "ready", *fields):
                    inside = getattr(endpoint, field, None)
                    if inside is None:
                        continue
                    port = Signal(len(inside), name=f"{prefix}_{channel}{field}")
                    outward = forward != (field == "ready")
                    self.comb += port.eq(inside) if outward else inside.eq(port)
                    self.ios.add(port)


def main(target: str) -> None:
    """Write the Verilog."""
    top = Top()
    Path(target).write_text(str(convert(top, ios=top.ios, name="litex_top")))


if __name__ == "__main__":
    main(sys.argv[1])
