"""AXI4, the memory bus: 32-bit addresses, 64-bit data by default, incrementing bursts.

Source: AMBA AXI and ACE Protocol Specification, issue H (ARM IHI 0022H), chapters A2 and A3. Signals without use
here (region, QoS, user) are left out; lock, cache and prot are driven constant.
"""

from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out


class Response(enum.Enum, shape=2):
    """RRESP and BRESP."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class Axi4(wiring.Signature):
    """Signature from the manager's side. ``data_bits``: 32, 64 or 128; ``id_bits``: 1 to 8."""

    def __init__(self, data_bits: int = 64, id_bits: int = 2):
        if data_bits not in (32, 64, 128):
            raise ValueError(f"data_bits {data_bits}: 32, 64 or 128 are possible")
        if not 1 <= id_bits <= 8:
            raise ValueError(f"id_bits {id_bits}: 1 to 8 are possible")
        self.data_bits = data_bits
        self.id_bits = id_bits
        address = {"id": id_bits, "addr": 32, "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4, "prot": 3}
        members = {}
        for channel in ("aw", "ar"):
            members |= {f"{channel}valid": Out(1), f"{channel}ready": In(1)}
            members |= {f"{channel}{name}": Out(width) for name, width in address.items()}
        members |= {
            "wvalid": Out(1),
            "wready": In(1),
            "wdata": Out(data_bits),
            "wstrb": Out(data_bits // 8),
            "wlast": Out(1),
        }
        members |= {"bvalid": In(1), "bready": Out(1), "bid": In(id_bits), "bresp": In(Response)}
        members |= {"rvalid": In(1), "rready": Out(1), "rid": In(id_bits), "rdata": In(data_bits)}
        members |= {"rresp": In(Response), "rlast": In(1)}
        super().__init__(members)
