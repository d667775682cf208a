"""The door between the line cipher (AXI side) and the XTS engine, named once from the line cipher's side."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..isa.formats import Algorithm

TWEAK_PLACES = 4  #: encrypted tweaks that the engine can hold


class XtsPrepare(data.Struct):
    """Encrypt ``tweak`` (as given, byte 0 lowest) under the tweak key of ``key_slot`` and keep it in ``place``."""

    algorithm: Algorithm
    key_slot: 4
    tweak: 128
    place: 2


class XtsStart(data.Struct):
    """Begin a line of four blocks under the data key of ``key_slot`` and the tweak in ``place``."""

    encrypt: 1
    algorithm: Algorithm
    key_slot: 4
    place: 2


class XtsPort(wiring.Signature):
    """Line cipher to XTS engine.

    ``prepare``: stream; bit ``place`` of ``prepared`` falls when a request is taken and rises when that tweak is
    ready (11 cycles later for AES-128, 15 for AES-256). ``start``: stream, taken when the engine can begin a line.
    ``data`` and ``result``: streams of eight 64-bit words a line, in address order; a result waits until it is taken.
    """

    def __init__(self):
        super().__init__(
            {
                "prepare": Out(stream.Signature(XtsPrepare)),
                "prepared": In(TWEAK_PLACES),
                "start": Out(stream.Signature(XtsStart)),
                "data": Out(stream.Signature(64)),
                "result": In(stream.Signature(64)),
            }
        )
