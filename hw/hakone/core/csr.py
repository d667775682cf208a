"""Control and status registers of ring 0, with their changes by traps and returns, and the pending interrupt.

Clock domain ``sync``. Source: RISC-V Privileged Architecture (20240411), chapter 3.1; ``isa.csr`` for Hakone's own.
Rights are checked before (``csr_rights``); where a trap goes is decided in ``trap``.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..isa.cause import Cause, Interrupt, Sub
from ..isa.csr import MISA_VALUE, Csr
from .control import LEVEL_M
from .counters import Counter

_INTERRUPTS = (Interrupt.EXTERNAL, Interrupt.SOFTWARE, Interrupt.TIMER)  # highest priority first


class TrapRecord(data.Struct):
    """What a trap leaves behind. ``ordinary``: the RISC-V way, with ``mepc`` and the previous level; else into the
    trap context.
    """

    ordinary: 1
    interrupt: 1
    cause: Cause
    sub: Sub
    value: 32
    pc: 32
    level: 2
    left: 6  # for hxctx: context, sealed, encrypted


class CsrFile(wiring.Component):
    """Registers, read and written in the memory stage.

    - ``address``, ``rdata``: combinational read; registers that are not listed read zero.
    - ``write``, ``funct3``, ``operand``: at the end of the cycle the register becomes operand (funct3 low bits 1), is
      or-ed with it (2), or its bits are cleared (3). Fields that exist but refuse the value keep the old one.
    - ``trap`` with ``record``, ``mret``: at the end of the cycle, never together with ``write``.
    - ``count_cycle``, ``count_instruction``: increments of ``mcycle`` and ``minstret`` unless ``mcountinhibit`` stops
      them.
    - ``software``, ``timer``, ``external``: interrupt lines, ``time``: the platform's timer. ``contexts_allowed``:
      numbers that ``hxtctx`` may take.
    - ``wake``: an enabled interrupt is pending (ends ``wfi``); ``wakeable``: some is enabled. ``interrupt``,
      ``interrupt_code``: it must be taken by code at ``level``. All three are registered: one cycle after the lines
      and the enables.

    ``mcause`` keeps bit 31 and bits 4 to 0. ``mtvec`` ignores writes with a reserved mode. ``mvendorid``,
    ``marchid``, ``mimpid``, ``mhartid`` and ``mconfigptr`` are 0: no number was assigned. ``hxctx`` and ``hxsub``
    ignore writes. ``config_word`` is what ``hxconfig`` reads.
    """

    def __init__(self, config_word: int = 0):
        self._config_word = config_word
        super().__init__(
            {
                "address": In(12),
                "rdata": Out(32),
                "write": In(1),
                "funct3": In(3),
                "operand": In(32),
                "trap": In(1),
                "record": In(TrapRecord),
                "mret": In(1),
                "level": In(2),
                "count_cycle": In(1),
                "count_instruction": In(1),
                "software": In(1),
                "timer": In(1),
                "external": In(1),
                "time": In(64),
                "boot_status": In(16),
                "contexts_allowed": In(16),
                "wake": Out(1),
                "wakeable": Out(1),
                "interrupt": Out(1),
                "interrupt_code": Out(Cause),
                "mepc": Out(32),
                "mtvec": Out(32),
                "hxtvec": Out(32),
                "custom_enabled": Out(1),
                "segments_enabled": Out(1),
                "trap_context": Out(4),
                "previous_level": Out(2),
                "modify_privilege": Out(1),
                "timeout_wait": Out(1),
                "counter_enable": Out(3),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._mie_bit, self._mpie_bit = Signal(), Signal()
        self._inhibit_cycle, self._inhibit_instret = Signal(), Signal()
        self._enables = {code: Signal(name=f"enable_{code.name.lower()}") for code in _INTERRUPTS}
        self._mscratch, self._mtval = Signal(32), Signal(32)
        self._cause, self._cause_interrupt = Signal(5), Signal()
        self._hxctx, self._hxsub = Signal(6), Signal(Sub)
        m.submodules.cycle = self._cycle = Counter()
        m.submodules.instret = self._instret = Counter()
        wdata = Signal(32)
        with m.Switch(self.funct3[:2]):
            with m.Case(2):
                m.d.comb += wdata.eq(self.rdata | self.operand)
            with m.Case(3):
                m.d.comb += wdata.eq(self.rdata & ~self.operand)
            with m.Default():
                m.d.comb += wdata.eq(self.operand)
        m.d.comb += [
            self._cycle.count.eq(self.count_cycle & ~self._inhibit_cycle),
            self._instret.count.eq(self.count_instruction & ~self._inhibit_instret),
        ]
        self._read(m)
        self._write(m, wdata)
        self._trap(m)
        self._pending(m)
        return m

    def _lines(self):
        lines = {
            Interrupt.SOFTWARE: self.software,
            Interrupt.TIMER: self.timer,
            Interrupt.EXTERNAL: self.external,
        }
        return lines.items()

    def _read(self, m):
        """Bits are placed as the manual's figures show; the counters' user and machine numbers share a branch."""
        out = self.rdata
        cycle, instret = self._cycle.value, self._instret.value
        with m.Switch(self.address):
            with m.Case(Csr.MSTATUS):
                m.d.comb += [
                    out[3].eq(self._mie_bit),
                    out[7].eq(self._mpie_bit),
                    out[11:13].eq(self.previous_level),
                    out[17].eq(self.modify_privilege),
                    out[21].eq(self.timeout_wait),
                ]
            with m.Case(Csr.MISA):
                m.d.comb += out.eq(MISA_VALUE)
            with m.Case(Csr.MIE):
                m.d.comb += [out[code.value].eq(enable) for code, enable in self._enables.items()]
            with m.Case(Csr.MIP):
                m.d.comb += [out[code.value].eq(line) for code, line in self._lines()]
            with m.Case(Csr.MCAUSE):
                m.d.comb += [out[:5].eq(self._cause), out[31].eq(self._cause_interrupt)]
            with m.Case(Csr.MCOUNTINHIBIT):
                m.d.comb += [out[0].eq(self._inhibit_cycle), out[2].eq(self._inhibit_instret)]
            words = {
                (Csr.CYCLE, Csr.MCYCLE): cycle[:32],
                (Csr.CYCLEH, Csr.MCYCLEH): cycle[32:],
                (Csr.INSTRET, Csr.MINSTRET): instret[:32],
                (Csr.INSTRETH, Csr.MINSTRETH): instret[32:],
                (Csr.TIME,): self.time[:32],
                (Csr.TIMEH,): self.time[32:],
                (Csr.MTVEC,): self.mtvec,
                (Csr.MSCRATCH,): self._mscratch,
                (Csr.MEPC,): self.mepc,
                (Csr.MTVAL,): self._mtval,
                (Csr.MCOUNTEREN,): self.counter_enable,
                (Csr.HXCTL,): Cat(self.custom_enabled, self.segments_enabled),
                (Csr.HXTVEC,): self.hxtvec,
                (Csr.HXTCTX,): self.trap_context,
                (Csr.HXCTX,): self._hxctx,
                (Csr.HXSUB,): self._hxsub.as_value(),
                (Csr.HXVERSION,): Const(isa.VERSION, 32),
                (Csr.HXCONFIG,): Const(self._config_word, 32),
                (Csr.HXBOOT,): self.boot_status,
            }
            for numbers, value in words.items():
                with m.Case(*numbers):
                    m.d.comb += out.eq(value)

    def _write(self, m, wdata):
        m.d.comb += [self._cycle.wdata.eq(wdata), self._instret.wdata.eq(wdata)]
        with m.If(self.write):
            with m.Switch(self.address):
                with m.Case(Csr.MSTATUS):
                    m.d.sync += [
                        self._mie_bit.eq(wdata[3]),
                        self._mpie_bit.eq(wdata[7]),
                        self.modify_privilege.eq(wdata[17]),
                        self.timeout_wait.eq(wdata[21]),
                    ]
                    with m.If(wdata[11] == wdata[12]):  # levels 0 and 3 exist
                        m.d.sync += self.previous_level.eq(wdata[11:13])
                with m.Case(Csr.MIE):
                    m.d.sync += [enable.eq(wdata[code.value]) for code, enable in self._enables.items()]
                with m.Case(Csr.MTVEC):
                    with m.If(~wdata[1]):
                        m.d.sync += self.mtvec.eq(wdata)
                with m.Case(Csr.MCAUSE):
                    m.d.sync += [self._cause.eq(wdata), self._cause_interrupt.eq(wdata[31])]
                with m.Case(Csr.MCOUNTINHIBIT):
                    m.d.sync += [self._inhibit_cycle.eq(wdata[0]), self._inhibit_instret.eq(wdata[2])]
                with m.Case(Csr.MEPC):
                    m.d.sync += self.mepc[1:].eq(wdata[1:])
                with m.Case(Csr.HXTVEC):
                    m.d.sync += self.hxtvec[2:].eq(wdata[2:])
                with m.Case(Csr.HXTCTX):
                    allowed = self.contexts_allowed.bit_select(wdata[:4], 1)
                    with m.If((wdata[4:] == 0) & allowed):
                        m.d.sync += self.trap_context.eq(wdata)
                for number, register in (
                    (Csr.MSCRATCH, self._mscratch),
                    (Csr.MTVAL, self._mtval),
                    (Csr.MCOUNTEREN, self.counter_enable),
                ):
                    with m.Case(number):
                        m.d.sync += register.eq(wdata)
                with m.Case(Csr.HXCTL):
                    m.d.sync += [self.custom_enabled.eq(wdata[0]), self.segments_enabled.eq(wdata[1])]
                for number, strobe in (
                    (Csr.MCYCLE, self._cycle.write_low),
                    (Csr.MCYCLEH, self._cycle.write_high),
                    (Csr.MINSTRET, self._instret.write_low),
                    (Csr.MINSTRETH, self._instret.write_high),
                ):
                    with m.Case(number):
                        m.d.comb += strobe.eq(1)

    def _trap(self, m):
        record = self.record
        with m.If(self.trap):
            m.d.sync += [
                self._cause.eq(record.cause.as_value()),
                self._cause_interrupt.eq(record.interrupt),
                self._mtval.eq(record.value),
                self._hxsub.eq(record.sub),
                self._mie_bit.eq(0),
            ]
            with m.If(record.ordinary):
                m.d.sync += [
                    self._mpie_bit.eq(self._mie_bit),
                    self.previous_level.eq(record.level),
                    self.mepc[1:].eq(record.pc[1:]),
                ]
            with m.Else():
                m.d.sync += self._hxctx.eq(record.left)
        with m.If(self.mret):
            m.d.sync += [self._mie_bit.eq(self._mpie_bit), self._mpie_bit.eq(1), self.previous_level.eq(0)]
            with m.If(self.previous_level != LEVEL_M):
                m.d.sync += self.modify_privilege.eq(0)

    def _pending(self, m):
        active = Signal(len(_INTERRUPTS))
        lines = dict(self._lines())
        m.d.comb += [
            active.eq(Cat(lines[code] & self._enables[code] for code in _INTERRUPTS)),
            self.wakeable.eq(Cat(self._enables[code] for code in _INTERRUPTS).any()),
        ]
        m.d.sync += [
            self.wake.eq(active.any()),
            # Below level 3, interrupts to ring 0 are enabled whatever mstatus.MIE says.
            self.interrupt.eq(active.any() & ((self.level != LEVEL_M) | self._mie_bit)),
            self.interrupt_code.eq(
                Mux(active[0], _INTERRUPTS[0].value, Mux(active[1], _INTERRUPTS[1].value, _INTERRUPTS[2].value))
            ),
        ]
