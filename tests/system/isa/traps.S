# Exceptions: cause, mtval, mepc, the enable bits and the level, from machine and from user level.
#include "isa.h"

# The code must trap with the cause and the value; the handler skips to 1.
.macro traps cause, value, code:vararg
    li s2, \cause
    li s3, \value
    la s4, 7f
    la s5, 8f
    li s6, 0
7:  \code
    never
8:  check s6, 1
.endm

# A load that faults, with instructions behind it that must not happen.
.macro with_younger
    lw s8, 0(s1)
    li s8, 2
    sw s8, 0(s9)
    csrw mscratch, s8
    mul s8, s8, s8
.endm

    program
    la t0, handler
    csrw mtvec, t0
    li s7, 3
    csrci mstatus, 8
    .option norvc
    traps 2, 0xffffffff, .word 0xffffffff
    traps 2, 0, .half 0
    traps 2, 0x10200073, sret
    traps 2, 0x02051513, .word 0x02051513
    traps 11, 0, ecall
    traps 3, -1, ebreak
    .option rvc
    traps 3, -1, c.ebreak
    .option norvc
    li s1, 0x90000000
    traps 5, 0x90000000, lw t0, 0(s1)
    traps 5, 0x90000003, lb t0, 3(s1)
    traps 7, 0x90000004, sw t0, 4(s1)
    traps 1, 0x90000000, jalr t0, 0(s1)
    li s1, -4
    traps 5, 0xfffffffc, lw t0, 0(s1)
    traps 7, 0xfffffffc, sh t0, 0(s1)
    li s1, 0x02000002
    # devices are only read whole
    traps 5, 0x02000002, lw t0, 0(s1)
    # nothing younger than a trap has an effect
    li s1, 0x90000000
    li s8, 1
    la s9, cell
    traps 5, 0x90000000, with_younger
    check s8, 1
    lw t0, 0(s9)
    check t0, 0x5a5a5a5a
    # and everything older has
    li t0, 9
    sw t0, 0(s9)
    div t1, t0, t0
    traps 11, 0, ecall
    lw t0, 0(s9)
    check t0, 9
    check t1, 1
    # user level
    li s7, 0
    la t0, user
    csrw mepc, t0
    li t0, 0x1800
    csrc mstatus, t0
    mret
user:
    traps 8, 0, ecall
    traps 3, -1, ebreak
    traps 2, 0x30200073, mret
    li s1, 0x90000000
    traps 5, 0x90000000, lw t0, 0(s1)
    traps 1, 0x90000000, jalr t0, 0(s1)
    j pass

    .align 2
handler:
    csrr t5, mcause
    bne t5, s2, 9f
    csrr t5, mtval
    li t6, -1
    beq s3, t6, 1f  # a breakpoint's value is its address or zero
    bne t5, s3, 9f
1:  csrr t5, mepc
    li t6, 1
    beq s2, t6, 2f  # a failed fetch is at its target
    bne t5, s4, 9f
    j 3f
2:  bne t5, s3, 9f
3:  csrr t5, mstatus
    srli t6, t5, 11
    andi t6, t6, 3
    bne t6, s7, 9f
    andi t5, t5, 8
    bnez t5, 9f
    csrw mepc, s5
    addi s6, s6, 1
    mret
9:  never
    .data
    .align 2
cell: .word 0x5a5a5a5a
