"""Which control and status registers exist, and who may read or write them.

Combinational, no clock. Source: RISC-V Privileged Architecture (20240411), chapter 2 "CSRs" (rights in the number) and
section 3.1.11 (``mcounteren``).
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.csr import HPM_RANGES, ZERO_RANGES, Csr
from .control import LEVEL_M

#: Registers whose new value changes what follows at once: younger instructions are fetched again after a write.
FLUSHING = (Csr.MSTATUS, Csr.MIE, Csr.HXCTL, Csr.HXTCTX)


class CsrRights(wiring.Component):
    """``legal``: code at ``level`` may access ``address``, and write it when ``write``; ``flushes``: a write must
    drop younger instructions.

    ``counter_enable`` is ``mcounteren`` (cycle, time, instret). All in the same cycle. PMP, trigger and
    event-counter registers exist (they read zero); the user copies of event counters have no enable bit and
    are therefore illegal below level 3.
    """

    address: In(12)
    write: In(1)
    level: In(2)
    counter_enable: In(3)
    legal: Out(1)
    flushes: Out(1)

    def elaborate(self, platform):
        m = Module()
        address = self.address
        exists = Signal()
        named = {int(number) for number in Csr}
        for first, last in (*ZERO_RANGES, *HPM_RANGES):
            named |= set(range(first, last + 1))
        with m.Switch(address):
            with m.Case(*_patterns(named)):
                m.d.comb += exists.eq(1)
        counter = Signal()  # unprivileged counters: 0xC00 to 0xC1F, 0xC80 to 0xC9F
        enabled = Signal()
        m.d.comb += [
            counter.eq((address[8:12] == 0xC) & (address[5:7] == 0)),
            enabled.eq((address[2:5] == 0) & self.counter_enable.bit_select(address[0:2], 1)),
            self.legal.eq(
                exists
                & (address[8:10] <= self.level)
                & ~(self.write & (address[10:12] == 3))
                & ((self.level == LEVEL_M) | ~counter | enabled)
            ),
        ]
        with m.Switch(address):
            with m.Case(*[int(number) for number in FLUSHING]):
                m.d.comb += self.flushes.eq(1)
        return m


def _patterns(numbers):
    """``numbers`` (12 bits) as few ``Case`` patterns with don't-care bits: neighbours are joined bit by bit."""
    terms = {format(n, "012b") for n in numbers}
    for bit in range(11, -1, -1):
        for term in sorted(terms):
            other = term[:bit] + "1" + term[bit + 1 :]
            if term[bit] == "0" and term in terms and other in terms:
                terms -= {term, other}
                terms.add(term[:bit] + "-" + term[bit + 1 :])
    return sorted(terms)
