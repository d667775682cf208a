"""Which rows of the SDRAM are open, and which commands its banks may get. Clock domain ``sync``.

Source: data sheets named in ``sdram_timing``; Micron's chapter "Commands" for what each command needs.
"""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .sdram_timing import BANKS, BURST_WORDS, SdramCycles


class Place(data.Struct):
    """A row of a bank."""

    bank: unsigned(2)
    row: unsigned(13)


class BankState(data.Struct):
    """What a place can have now: ``hit`` (its row is open and takes a column command), ``closed`` (its bank takes
    ACTIVE as far as the bank itself goes), ``conflict`` (another row is open and may be closed). ``empty``: no row of
    its bank is open.
    """

    empty: unsigned(1)
    hit: unsigned(1)
    closed: unsigned(1)
    conflict: unsigned(1)


class BankTable(wiring.Component):
    """Open row and two waits for each bank.

    Parameters: ``cycles``; ``lookups``, how many places are looked up at a time. Members: ``place`` and ``state`` of
    each look-up (combinational); ``activate``, ``column``, ``precharge`` (one cycle each, with ``bank`` and ``row``)
    and ``write`` beside ``column``; ``precharge_all``; ``all_quiet`` (every bank may be precharged). A command counts
    from the next cycle on.
    """

    def __init__(self, cycles: SdramCycles, lookups: int):
        self._cycles = cycles
        super().__init__(
            {
                "place": In(Place).array(lookups),
                "state": Out(BankState).array(lookups),
                "bank": In(2),
                "row": In(13),
                "activate": In(1),
                "column": In(1),
                "write": In(1),
                "precharge": In(1),
                "precharge_all": In(1),
                "all_quiet": Out(1),
            }
        )
        self._lookups = lookups

    def elaborate(self, _platform) -> Module:
        """Waits count down to zero; a command sets those of its bank."""
        m, t = Module(), self._cycles
        # From a command to the one that it holds up, less the cycle in which the wait is loaded.
        after_write = BURST_WORDS - 1 + t.wr
        held, settled = [], []
        opened = Signal(BANKS)
        rows = [Signal(13, name=f"row{n}") for n in range(BANKS)]
        for n in range(BANKS):
            mine = self.bank == n
            # Until the bank may be precharged, and until it takes the command that follows ACTIVE or PRECHARGE.
            hold = Signal(range(max(t.ras, after_write, BURST_WORDS)), name=f"hold{n}")
            settle = Signal(range(max(t.rcd, t.rp)), name=f"settle{n}")
            held.append(hold)
            settled.append(settle == 0)
            m.d.sync += [hold.eq(Mux(hold == 0, 0, hold - 1)), settle.eq(Mux(settle == 0, 0, settle - 1))]
            with m.If(self.activate & mine):
                m.d.sync += [opened[n].eq(1), rows[n].eq(self.row), settle.eq(t.rcd - 1), hold.eq(t.ras - 1)]
            with m.If(self.column & mine):
                m.d.sync += hold.eq(Mux(self.write, after_write - 1, BURST_WORDS - 1))
            with m.If(self.precharge & mine):
                m.d.sync += [opened[n].eq(0), settle.eq(t.rp - 1)]
        with m.If(self.precharge_all):
            m.d.sync += opened.eq(0)
        quiet = Signal(BANKS)
        m.d.comb += [quiet[n].eq(held[n] == 0) for n in range(BANKS)]
        m.d.comb += self.all_quiet.eq(quiet.all())
        for number in range(self._lookups):
            place, state = self.place[number], self.state[number]
            # Each bank compares while the place's bank is worked out. Rows in LUT RAM: 75 LUT4 less (of 976
            # with carry and LUT RAM), but the controller alone then does 62 MHz instead of 90 (Yosys 0.70 joins the
            # look-ups behind a multiplexer; nextpnr-ecp5 0.11.1).
            with m.Switch(place.bank):
                for n in range(BANKS):
                    with m.Case(n):
                        same = rows[n] == place.row
                        m.d.comb += [
                            state.empty.eq(~opened[n]),
                            state.closed.eq(~opened[n] & settled[n]),
                            state.hit.eq(opened[n] & settled[n] & same),
                            state.conflict.eq(opened[n] & quiet[n] & ~same),
                        ]
        return m
