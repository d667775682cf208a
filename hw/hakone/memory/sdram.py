"""SDRAM controller: AXI4 to a 16-bit SDR SDRAM. Clock domain ``sync``.

Sources: data sheets named in ``sdram_timing``; AXI4, ARM IHI 0022H.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import Axi4
from ..isa.platform import RAM_BASE
from .sdram_banks import BankState, BankTable, Place
from .sdram_pads import SdramPads
from .sdram_reads import SdramReads
from .sdram_timing import BURST_WORDS, SdramCycles, SdramTiming
from .sdram_upkeep import ALL_BANKS, SdramUpkeep, mode_register
from .sdram_writes import SdramWrites

READ, BEHIND, WRITE = range(3)  #: who looks up a bank: the read, the read behind it, the write
#: Between the last word of a read and the first of a write the data pads are idle for one cycle.
TURN_CYCLES = 1


class SdramController(wiring.Component):
    """Serves reads and writes of any legal burst, length and width; each beat is one column command of four words.

    Order: beats of one direction in the order of their bursts. A read burst is followed by a waiting write burst and
    the other way round; a direction that cannot go on (no data to write, no room for what was read) lets the other
    one pass, so neither channel can stop the other. A read that is accepted after a write was acknowledged sees it.

    Rows stay open until another row of their bank is needed or a refresh is due. While beats of one burst go, the rows
    of the next read, or of the other direction, are opened in other banks. Banks lie between row and column of an
    address and are exchanged by its two bits above (exclusive or), so that a line and the one that it displaces from a
    cache, whose lower bits are equal, mostly meet different banks.

    Cycles, with an idle bus: a read that hits an open row has its first beat ``cycles.capture + 5`` cycles after its
    acceptance (7 with CAS latency 2); if its bank is closed ``rcd`` more, if another row is open ``rp + rcd`` more. A
    beat follows every four cycles, those of the next burst without a gap. After reset nothing is served for
    ``cycles.power_up`` cycles and the set-up.

    Parameters: ``timing``, ``clock_hz``; ``base``, the first address. Members: ``axi`` (subordinate; DECERR beyond the
    chip's size), ``pads``, ``cycles`` (attribute). Raises ``ValueError`` for a clock that the chip cannot have.
    Protects nothing: what crosses the pads is what ``axi`` brings.
    """

    def __init__(self, timing: SdramTiming, clock_hz: int, base: int = RAM_BASE, cycles: SdramCycles | None = None):
        self.timing = timing
        self.cycles = cycles or timing.cycles(clock_hz)
        self._base = base
        self._column_bits = timing.columns.bit_length() - 1
        super().__init__({"axi": In(Axi4()), "pads": Out(SdramPads())})

    def _place(self, m: Module, address, place):
        """Bank and row of the beat at ``address`` go to ``place``; its first column is returned."""
        low = 1 + self._column_bits
        row = address[low + 2 : low + 15]
        m.d.comb += [place.row.eq(row), place.bank.eq(address[low : low + 2] ^ row[:2])]
        return Cat(Const(0, 2), address[3:low])

    def elaborate(self, _platform) -> Module:
        """Parts, the choice of a command, the pads."""
        m = Module()
        m.submodules.reads = reads = SdramReads(self._base, self.timing.bytes)
        m.submodules.writes = writes = SdramWrites(self._base, self.timing.bytes)
        m.submodules.banks = banks = BankTable(self.cycles, lookups=3)
        m.submodules.upkeep = upkeep = SdramUpkeep(self.cycles)
        for name, member in self.axi.signature.members.items():
            part = reads if name.startswith(("ar", "r")) else writes
            inside, outside = getattr(part.axi, name), getattr(self.axi, name)
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        columns = []
        for number, address in ((READ, reads.address), (BEHIND, reads.next_address), (WRITE, writes.address)):
            columns.append(self._place(m, address, banks.place[number]))
        writing = self._choose_direction(m, reads, writes)
        self._command(m, reads, writes, banks, upkeep, writing, columns)
        self._data(m, reads, writes, upkeep)
        return m

    def _choose_direction(self, m: Module, reads: SdramReads, writes: SdramWrites) -> Signal:
        """Whose beats may go: the reads' unless none can and a write can, or one write burst after a read burst."""
        writing = Signal()
        can_read = reads.pending & reads.ready
        can_write = writes.pending & writes.lively
        m.d.sync += writing.eq(can_write & (writing | ~can_read | (reads.take & reads.final)))
        return writing

    def _command(self, m: Module, reads, writes, banks: BankTable, upkeep: SdramUpkeep, writing, columns) -> None:
        """At most one command a cycle: upkeep, or a column of the direction that has its turn, or a row for it, or a
        row for who comes next, in another bank.
        """
        t, pads = self.cycles, self.pads
        after_read = t.cas + BURST_WORDS + TURN_CYCLES  # from a read to a write
        column_wait, write_wait = Signal(range(BURST_WORDS)), Signal(range(after_read))
        row_wait = Signal(range(max(t.rrd, 2)))
        for wait in (column_wait, write_wait, row_wait):
            with m.If(wait != 0):
                m.d.sync += wait.eq(wait - 1)

        # Who has its turn, and who comes next.
        first, second = Signal(Place), Signal(Place)
        first_state, second_state = Signal(BankState), Signal(BankState)
        first_pending, second_pending = Signal(), Signal()
        for pending, place, state, choice in (
            (first_pending, first, first_state, {WRITE: writing, READ: 1}),
            (second_pending, second, second_state, {READ: writing, BEHIND: reads.next_pending, WRITE: 1}),
        ):
            wanted = {READ: reads.pending, BEHIND: reads.next_pending, WRITE: writes.pending}
            for number, chosen in reversed(choice.items()):
                with m.If(chosen):
                    m.d.comb += [pending.eq(wanted[number]), place.eq(banks.place[number])]
                    m.d.comb += state.eq(banks.state[number])
        # While the words of a column command cross the pads, the command bus is for who comes next.
        for_second = second_pending & (~first_pending | ((column_wait != 0) & (first.bank != second.bank)))
        chosen = Signal(BankState)
        m.d.comb += chosen.eq(Mux(for_second, second_state, first_state))
        bank, row = Mux(for_second, second.bank, first.bank), Mux(for_second, second.row, first.row)
        column, activate, precharge = Signal(), Signal(), Signal()
        with m.If(upkeep.work):
            hit = first_state.hit & (column_wait == 0)
            m.d.comb += [
                reads.take.eq(~writing & reads.pending & reads.ready & hit),
                writes.take.eq(writing & writes.pending & writes.ready & hit & (write_wait == 0)),
                column.eq(reads.take | writes.take),
            ]
            with m.If(first_pending | second_pending):
                m.d.comb += [activate.eq(chosen.closed & (row_wait == 0)), precharge.eq(chosen.conflict)]
        m.d.comb += [
            banks.bank.eq(bank),
            banks.row.eq(row),
            banks.activate.eq(activate),
            banks.precharge.eq(precharge),
            banks.column.eq(column),
            banks.write.eq(writing),
            banks.precharge_all.eq(upkeep.precharge_all),
            upkeep.all_quiet.eq(banks.all_quiet),
        ]
        with m.If(column):
            m.d.sync += [column_wait.eq(BURST_WORDS - 1)]
            m.d.sync += write_wait.eq(Mux(writing, BURST_WORDS - 1, after_read - 1))
        with m.If(activate):
            m.d.sync += row_wait.eq(t.rrd - 1)
        m.d.sync += [
            pads.cs_n.eq(
                ~Cat(column, activate, precharge, upkeep.precharge_all, upkeep.refresh, upkeep.load_mode).any()
            ),
            pads.ras_n.eq(column),
            pads.cas_n.eq(~(column | upkeep.refresh | upkeep.load_mode)),
            pads.we_n.eq(~(writes.take | precharge | upkeep.precharge_all | upkeep.load_mode)),
            pads.ba.eq(Mux(upkeep.load_mode, 0, bank)),
        ]
        with m.If(upkeep.load_mode):
            m.d.sync += pads.a.eq(mode_register(t.cas))
        with m.Elif(upkeep.precharge_all):
            m.d.sync += pads.a.eq(ALL_BANKS)
        with m.Elif(chosen.empty):  # if anything, it is opened
            m.d.sync += pads.a.eq(row)
        with m.Else():  # a column, or one bank to precharge: bit 10 is zero in both
            m.d.sync += pads.a.eq(Mux(writing, columns[WRITE], columns[READ]))

    def _data(self, m: Module, reads: SdramReads, writes: SdramWrites, upkeep: SdramUpkeep) -> None:
        """Data pads in both directions, and when the last word of a beat is here."""
        pads = self.pads
        on_the_way = Signal(self.cycles.capture + BURST_WORDS)
        captured = Signal(16, reset_less=True)
        m.d.sync += [
            pads.dq_o.eq(writes.word),
            pads.dq_oe.eq(writes.sending),
            pads.dqm.eq(Mux(writes.sending, writes.mask, Mux(upkeep.started, 0, 0b11))),
            captured.eq(pads.dq_i),
            on_the_way.eq(Cat(reads.take, on_the_way)),
        ]
        m.d.comb += [reads.word.eq(captured), reads.arriving.eq(on_the_way[-1])]
