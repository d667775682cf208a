"""Domain table: for each domain its cipher, key slot, region tag and the physical line where it begins.

Clock domain ``sync``. A domain is one key with one region tag. All who share it share its row, so that the
line number inside the region (the tweak) is the same for all: physical line minus ``base_line``.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus.core_ports import DomainPort, DomainRow, PoisonPort

DOMAINS = 16  #: rows of the table, row 0 (plain memory) included


class DomainWalkPort(wiring.Signature):
    """From the region unit to the table: ``row`` of number ``index`` in the same cycle, its ``valid`` telling that the
    row is in use, poisoned or not; and ``remove``, which takes that row out at the end of the cycle.
    """

    def __init__(self):
        super().__init__({"index": Out(range(DOMAINS)), "row": In(DomainRow), "remove": Out(1)})


class DomainTable(wiring.Component):
    """Sixteen rows; row 0 is plain memory, always valid and fixed.

    A read is combinational. ``install`` writes ``install_row`` to row ``install_domain`` at the end of the cycle and
    ends a poisoning; row 0 cannot be installed. ``poison`` marks its domain from the next cycle on: its row then reads
    with ``valid`` low, so that no key serves it any more, and ``poisoned`` tells why. Row 0 cannot be poisoned: what
    fails in plain memory is a bus error of whoever uses it. Poison and install of one row in one cycle: poison wins. A
    row that is not installed reads with ``valid`` low. ``walk`` shows rows one by one and removes them, which ends a
    poisoning as well; not in a cycle in which a row is installed. Synchronous reset empties all rows.

    Parameters: ``ports``, 1 to 3 read ports. Members: ``install``, ``install_domain``, ``install_row`` (its ``valid``
    is not looked at), ``read`` (array of ``DomainPort``), ``poison`` (``PoisonPort``) and ``walk``
    (``DomainWalkPort``), all seen from this side, ``poisoned`` (bit per domain). Holds no key. Errors: ``ValueError``
    for an impossible number of ports.
    """

    def __init__(self, ports: int = 3):
        if not 1 <= ports <= 3:
            raise ValueError(f"ports = {ports}: 1 to 3 are possible")
        super().__init__(
            {
                "install": In(1),
                "install_domain": In(range(DOMAINS)),
                "install_row": In(DomainRow),
                "read": In(DomainPort()).array(ports),
                "poison": In(PoisonPort()),
                "walk": In(DomainWalkPort()),
                "poisoned": Out(DOMAINS),
            }
        )

    def elaborate(self, _platform) -> Module:
        """A memory for the rows; flops for used and usable, which reset must clear."""
        m = Module()
        m.submodules.rows = rows = memory.Memory(shape=DomainRow, depth=DOMAINS, init=[])
        write, walked = rows.write_port(), rows.read_port(domain="comb")
        used, usable, number = Signal(DOMAINS), Signal(DOMAINS), Signal(range(DOMAINS))
        m.d.comb += [
            write.addr.eq(self.install_domain),
            write.data.eq(self.install_row),
            write.en.eq(self.install & (self.install_domain != 0)),
            walked.addr.eq(self.walk.index),
            self.walk.row.eq(walked.data),
            # A poisoned row counts as used: its key and tag may not be bound elsewhere while anyone has an entry.
            self.walk.row.valid.eq(used.bit_select(self.walk.index, 1)),
            number.eq(Mux(write.en, self.install_domain, self.walk.index)),
            self.poisoned.eq(used & ~usable),
        ]
        with m.If(write.en | self.walk.remove):
            m.d.sync += [used.bit_select(number, 1).eq(write.en), usable.bit_select(number, 1).eq(write.en)]
        with m.If(self.poison.valid):
            m.d.sync += usable.bit_select(self.poison.domain, 1).eq(0)
        for port in self.read:
            row = rows.read_port(domain="comb")
            # Row 0 is never written and the memory begins as zero, which is what plain memory needs but for ``valid``.
            m.d.comb += [
                row.addr.eq(port.domain),
                port.row.eq(row.data),
                port.row.valid.eq(usable.bit_select(port.domain, 1) | (port.domain == 0)),
            ]
        return m
