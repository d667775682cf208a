# First instructions of the boot program, in the mask ROM. The reset code leaves a0 = hart, a1 = device tree,
# a2 = bytes of RAM, a3 = clock in Hz.

#include "gen/hakone.h"

    .section .text.start, "ax"
    .globl  _start
_start:
    la      t0, fault_entry
    csrw    mtvec, t0
    li      sp, HAKONE_RAM_BASE
    add     sp, sp, a2
    csrw    mscratch, sp
    call    boot
    # does not return

    .balign 4
fault_entry:                        # told, and nothing is started
    csrr    sp, mscratch
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    fault
1:  wfi
    j       1b

# void enter(hart, device tree, 0, entry): registers as the reset code of a system without boot program leaves them.
    .globl  enter
enter:
    fence.i
    csrw    mtvec, zero
    csrw    mscratch, zero
    mv      t0, a3
    .irp    r, ra, sp, gp, tp, t1, t2, s0, s1, a3, a4, a5, a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6
    li      \r, 0
    .endr
    jr      t0
