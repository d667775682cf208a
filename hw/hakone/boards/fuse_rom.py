"""The fuses of a board: a block RAM that the bitstream fills. Clock domain ``sync``.

**These fuses keep no secret from whoever holds the bitstream or the board.** A bitstream is read with public tools, and
block RAM is read back over JTAG. They stand in for the fuses of a chip so that a board can run sealed programs.
"""

import struct

from amaranth import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..isa.formats import FUSE_WORDS

FUSE_BYTES = 4 * FUSE_WORDS


class FuseRom(wiring.Component):
    """Words of a fuse image: ``data`` is the word that ``addr`` named in the cycle before, 0 beyond the image.

    Parameters: ``image``, ``FUSE_BYTES`` bytes as ``hakone seal --fuses`` writes them, or None for fuses never
    programmed (all 0: no record, an ordinary RISC-V machine). Raises ``ValueError`` for another length.
    """

    addr: In(8)
    data: Out(32)

    def __init__(self, image: bytes | None = None):
        content = bytes(FUSE_BYTES) if image is None else image
        if len(content) != FUSE_BYTES:
            raise ValueError(f"fuse image of {len(content)} bytes: {FUSE_BYTES} are needed")
        self._words = struct.unpack(f"<{FUSE_WORDS}I", content)
        super().__init__()

    def elaborate(self, _platform) -> Module:
        """One synchronous read port."""
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=32, depth=1 << len(self.addr), init=self._words, attrs={"rom_style": "block"}
        )
        port = words.read_port()
        m.d.comb += [port.addr.eq(self.addr), self.data.eq(port.data)]
        return m
