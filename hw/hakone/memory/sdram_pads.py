"""The pads of a 16-bit SDR SDRAM, seen from the controller."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class SdramPads(wiring.Signature):
    """Signature from the controller's side. The board makes the chip's clock and joins ``dq``.

    All outputs come from flops of ``sync`` and change after its rising edge; the chip's clock rises later by the part
    of a cycle that ``SdramCycles.clock_shift`` says (a half: the inverted system clock). ``dq_o`` is driven onto the
    data pads while ``dq_oe``; ``dq_i`` is captured by a flop at every rising edge.
    """

    def __init__(self):
        super().__init__(
            {
                "cke": Out(1, init=1),
                "cs_n": Out(1, init=1),
                "ras_n": Out(1, init=1),
                "cas_n": Out(1, init=1),
                "we_n": Out(1, init=1),
                "ba": Out(2),
                "a": Out(13),
                "dqm": Out(2, init=3),
                "dq_o": Out(16),
                "dq_oe": Out(1),
                "dq_i": In(16),
            }
        )
