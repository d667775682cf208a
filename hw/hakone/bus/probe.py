"""White-box ports for simulation: the record of every retired instruction, committed store and event.

Present only in configurations with ``probe``; those are refused for a board. Plaintext passes here by intention, so the
bus snooper does not watch these ports.
"""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from ..isa.events import Event


class RetireRecord(data.Struct):
    """What left the pipeline in this cycle: ``retire`` for a completed instruction, else ``trap`` for a trap taken.

    ``raw`` is as in memory (zero-extended when compressed). ``value`` is what was written to ``rd`` when
    ``rd_write``. ``cause`` has bit 5 set for interrupts. For a trap, ``pc`` is the address that is saved (the
    instruction that did not complete). The last four fields tell who ran.
    """

    retire: 1
    trap: 1
    pc: 32
    raw: 32
    rd: 5
    rd_write: 1
    value: 32
    cause: 6
    tval: 32
    context: 4
    encrypted: 1
    level: 2


class StoreRecord(data.Struct):
    """A store that took effect: word address, byte lanes, and whether it went to a protected domain."""

    valid: 1
    addr: 32
    data: 32
    strobe: 4
    protected: 1
    encrypted: 1  # stored by encrypted code


class Probe(wiring.Signature):
    """Signature from the system's side; ``cycle`` counts since reset, ``events`` is indexed by ``isa.events.Event``."""

    def __init__(self):
        super().__init__(
            {
                "retire": Out(RetireRecord),
                "store": Out(StoreRecord),
                "events": Out(max(Event) + 1),
            }
        )
