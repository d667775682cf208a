"""Control and status register numbers, and the fields that the hardware keeps.

Sources: RISC-V Privileged Architecture (20240411), chapter "CSR Listing"; custom numbers are taken from the
ranges reserved there for custom use: 0x7C0 (machine, read and write), 0xFC0 (machine, read only).
"""

from amaranth.lib import enum


class Csr(enum.IntEnum, shape=12):
    """Numbers of the registers that exist by name. Ranges (hpm counters, PMP) stand in ``*_RANGE`` below."""

    CYCLE = 0xC00
    TIME = 0xC01
    INSTRET = 0xC02
    CYCLEH = 0xC80
    TIMEH = 0xC81
    INSTRETH = 0xC82
    MVENDORID = 0xF11
    MARCHID = 0xF12
    MIMPID = 0xF13
    MHARTID = 0xF14
    MCONFIGPTR = 0xF15
    MSTATUS = 0x300
    MISA = 0x301
    MIE = 0x304
    MTVEC = 0x305
    MCOUNTEREN = 0x306
    MENVCFG = 0x30A
    MSTATUSH = 0x310
    MENVCFGH = 0x31A
    MCOUNTINHIBIT = 0x320
    MSCRATCH = 0x340
    MEPC = 0x341
    MCAUSE = 0x342
    MTVAL = 0x343
    MIP = 0x344
    MCYCLE = 0xB00
    MINSTRET = 0xB02
    MCYCLEH = 0xB80
    MINSTRETH = 0xB82
    TSELECT = 0x7A0
    TDATA1 = 0x7A1
    TDATA2 = 0x7A2
    TDATA3 = 0x7A3
    TINFO = 0x7A4
    TCONTROL = 0x7A5
    MCONTEXT = 0x7A8
    # Hakone, ring 0
    HXCTL = 0x7C0
    HXTVEC = 0x7C1
    HXTCTX = 0x7C2
    HXCTX = 0x7C3
    HXSUB = 0x7C4
    HXVERSION = 0xFC0
    HXCONFIG = 0xFC1
    HXBOOT = 0xFC2


#: First and last number of ranges whose registers read 0 and ignore writes.
ZERO_RANGES = (
    (0x3A0, 0x3EF),  # pmpcfg0-15, pmpaddr0-63
    (0xB03, 0xB1F),  # mhpmcounter3-31
    (0xB83, 0xB9F),  # mhpmcounter3h-31h
    (0x323, 0x33F),  # mhpmevent3-31
    (0x7A0, 0x7A5),  # triggers
    (0x7A8, 0x7A8),  # mcontext
)
#: Unprivileged counters 3 to 31: read-only zero, subject to mcounteren.
HPM_RANGES = ((0xC03, 0xC1F), (0xC83, 0xC9F))

MISA_VALUE = 1 << 30 | 1 << 0 | 1 << 2 | 1 << 8 | 1 << 12 | 1 << 20  #: RV32 with A, C, I, M, U

#: ``hxctl`` bit 0: custom-0 instructions and contexts are enabled. Zero at reset.
HXCTL_ENABLE = 1 << 0
#: ``hxctl`` bit 1: segments are checked and translate. Zero at reset: every address is its own physical address.
HXCTL_SEGMENTS = 1 << 1
#: ``hxctx`` bit layout: 3..0 the context that was left, bit 4 set when it is sealed, bit 5 its execution mode at the
#: trap.
HXCTX_SEALED = 1 << 4
HXCTX_ENCRYPTED = 1 << 5
