"""LiteX: the line cipher between a LiteX AXI bus and its memory.

    from hakone_litex import HakoneLineCipher
    self.line_cipher = HakoneLineCipher(platform, "build/line_cipher.v")
    # s_axi: plaintext, from a processor or a DMA engine; m_axi: ciphertext, to the memory; s_axil: its registers.

The Verilog file is that of ``hakone generate --unit line_cipher``, whose head tells what the ports mean. Needs LiteX
and Migen; nothing else of this project.
"""

from litex.gen import LiteXModule
from litex.soc.interconnect import axi
from migen import ClockSignal, Instance, ResetSignal

CHANNELS = {
    "aw": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot"),
    "w": ("data", "strb", "last"),
    "b": ("id", "resp"),
    "ar": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot"),
    "r": ("id", "data", "resp", "last"),
}
LITE_CHANNELS = {
    "aw": ("addr", "prot"),
    "w": ("data", "strb"),
    "b": ("resp",),
    "ar": ("addr", "prot"),
    "r": ("data", "resp"),
}


def connections(prefix: str, bus, channels: dict[str, tuple[str, ...]], manager: bool) -> dict:
    """Arguments of ``Instance`` for one port of the unit; ``manager``: the unit drives the requests."""
    out = {}
    for channel, fields in channels.items():
        endpoint = getattr(bus, channel)
        request = channel in ("aw", "w", "ar")
        forward, back = ("o", "i") if request == manager else ("i", "o")
        out[f"{forward}_{prefix}_{channel}valid"] = endpoint.valid
        out[f"{back}_{prefix}_{channel}ready"] = endpoint.ready
        for field in fields:
            if hasattr(endpoint, field):
                out[f"{forward}_{prefix}_{channel}{field}"] = getattr(endpoint, field)
            elif forward == "i":
                out[f"i_{prefix}_{channel}{field}"] = 0
    return out


class HakoneLineCipher(LiteXModule):
    """The unit with LiteX interfaces ``s_axi``, ``m_axi`` (``AXIInterface``, 64 bits) and ``s_axil`` (32 bits).

    ``platform`` gets ``source``, the unit's Verilog file; both may be None where the file is added otherwise.
    """

    def __init__(self, platform=None, source=None):
        self.s_axi = axi.AXIInterface(data_width=64, address_width=32, id_width=8)
        self.m_axi = axi.AXIInterface(data_width=64, address_width=32, id_width=2)
        self.s_axil = axi.AXILiteInterface(data_width=32, address_width=32)
        ports = connections("s_axi", self.s_axi, CHANNELS, manager=False)
        ports |= connections("m_axi", self.m_axi, CHANNELS, manager=True)
        ports |= connections("s_axil", self.s_axil, LITE_CHANNELS, manager=False)
        for channel in ("aw", "ar"):
            ports[f"i_s_axil_{channel}addr"] = getattr(self.s_axil, channel).addr[:8]
        self.specials += Instance("line_cipher", i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        if platform is not None and source is not None:
            platform.add_source(source)
