"""AES-128 encryption with AXI4-Stream ports, to take away. Clock domain ``sync``.

The engine is ``crypto.aes128_encryptor``; here stand names and their meaning. Streams as in the AMBA AXI-Stream
Protocol Specification, issue B (ARM IHI 0051B), section 2.2.
"""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..crypto.aes128_encryptor import BLOCK_BITS, BLOCK_CYCLES, BLOCKS, KEY_CYCLES, Aes128Encryptor
from ..crypto.aes_lane import KEY_BITS
from .document import PartDocument

DOCUMENT = PartDocument(
    purpose="""AES-128 encryption of blocks (FIPS 197), for counter mode, CMAC, GCM and whatever else needs the forward
        cipher only. Two blocks take turns in a round of two cycles; S-boxes are block RAM, round keys are stored.""",
    ports={
        "clk": "clock",
        "rst": "reset: for two cycles at least. It forgets the key.",
        "s_axis_key_*": """AXI4-Stream, a new key in each transfer. Byte 0 of FIPS 197, the leftmost of its figures, is
            in bits 7..0.""",
        "s_axis_*": "AXI4-Stream, a block to encrypt in each transfer; not ready before there is a key.",
        "m_axis_*": f"""AXI4-Stream, the encrypted blocks, in order. Up to {BLOCKS} wait in here when nobody takes them;
            then s_axis is not ready.""",
    },
    cycles=f"""A result is valid {BLOCK_CYCLES} cycles after its block was taken, when nothing is at work; sustained,
        two blocks take 20 cycles. A key is taken when no block is at work, for which no further block is taken; blocks
        taken before a key are encrypted under the old one, later ones under the new. From {KEY_CYCLES} cycles after a
        key was taken on blocks are taken again. The number of cycles never depends on a key or on data, and no output
        depends on an input in the same cycle.""",
    protects="the key: no port shows it or anything derived from it but the result.",
    leaves="""against who measures power or radiation or makes faults (nothing is masked or doubled), and against who
        reads the flops and memories of the chip: reset leaves the words of the old key there until a new key overwrites
        them.""",
)


class Aes128Enc(wiring.Component):
    """``Aes128Encryptor`` with the names of ``DOCUMENT``."""

    def __init__(self):
        members = {}
        for name, flow, width in (
            ("s_axis_key", In, KEY_BITS),
            ("s_axis", In, BLOCK_BITS),
            ("m_axis", Out, BLOCK_BITS),
        ):
            members |= {
                f"{name}_tdata": flow(width),
                f"{name}_tvalid": flow(1),
                f"{name}_tready": (Out if flow == In else In)(1),
            }
        super().__init__(members)

    def elaborate(self, _platform) -> Module:
        """Wires."""
        m = Module()
        m.submodules.engine = engine = Aes128Encryptor()
        for inside, name in ((engine.key, "s_axis_key"), (engine.block, "s_axis")):
            m.d.comb += [
                inside.payload.eq(getattr(self, f"{name}_tdata")),
                inside.valid.eq(getattr(self, f"{name}_tvalid")),
                getattr(self, f"{name}_tready").eq(inside.ready),
            ]
        m.d.comb += [
            self.m_axis_tdata.eq(engine.result.payload),
            self.m_axis_tvalid.eq(engine.result.valid),
            engine.result.ready.eq(self.m_axis_tready),
        ]
        return m
