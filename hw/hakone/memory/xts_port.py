"""The door between the line cipher (AXI side) and the XTS engine, named once from the line cipher's side."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import SLOT_BITS
from ..isa.formats import Algorithm

TWEAK_PLACES = 6  #: encrypted tweaks that the engine holds ready for use, beside one for each slot
PLACE_BITS = 3


class XtsPrepare(data.Struct):
    """Encrypt ``tweak`` (as given, byte 0 lowest) under the tweak key of ``key_slot`` and keep it in ``place``."""

    algorithm: Algorithm
    key_slot: 4
    tweak: 128
    place: PLACE_BITS


class XtsStart(data.Struct):
    """Begin a line of four blocks under the data key of ``key_slot`` and the tweak in ``place``.

    ``keep``: write the tweak to row ``slot`` as well.
    """

    encrypt: 1
    algorithm: Algorithm
    key_slot: 4
    place: PLACE_BITS
    keep: 1
    slot: SLOT_BITS


class XtsRecall(data.Struct):
    """Copy the tweak in row ``slot`` to ``place``."""

    slot: SLOT_BITS
    place: PLACE_BITS


class XtsPort(wiring.Signature):
    """Line cipher to XTS engine.

    ``prepare``: stream; the tweak is in its place 11 cycles after its request was taken (AES-128; 15 for AES-256), and
    a line that is started before waits for it. ``start``: stream, taken when the engine can begin a line, as it is
    offered in that cycle. ``recall`` (valid for one cycle with ``recall_valid``, at least three cycles apart) is
    always taken; the tweak is in its place two or three cycles later. The row of a line started with ``keep`` is
    written before its first result word is there; until then a recall gives the tweak of before. ``data`` and
    ``result``: streams of eight 64-bit words a line, in address order; a result waits until it is taken.
    """

    def __init__(self):
        super().__init__(
            {
                "prepare": Out(stream.Signature(XtsPrepare)),
                "start": Out(stream.Signature(XtsStart)),
                "recall_valid": Out(1),
                "recall": Out(XtsRecall),
                "data": Out(stream.Signature(64)),
                "result": In(stream.Signature(64)),
            }
        )
