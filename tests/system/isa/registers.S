# CSR instructions, the registers of machine level, and the rights of user level.
#include "isa.h"
    program
    li t0, 0x0bad1dea
    csrw mscratch, t0
    csrrwi t1, mscratch, 21
    check t1, 0x0bad1dea
    csrrsi t1, mscratch, 10
    check t1, 21
    csrrci t1, mscratch, 17
    check t1, 31
    li t0, 0xffff0000
    csrrs t1, mscratch, t0
    check t1, 14
    li t0, 0xff00ff02
    csrrc t1, mscratch, t0
    check t1, 0xffff000e
    csrr t1, mscratch
    check t1, 0x00ff000c
    # the operand is read before rd is written
    li t0, 3
    csrrw t0, mscratch, t0
    check t0, 0x00ff000c
    csrr t0, mscratch
    check t0, 3
    # fields that do not exist stay as they are
    csrr t0, mhartid
    check t0, 0
    li t0, -1
    csrw misa, t0
    csrr t0, misa
    li t1, 0xc0101105
    and t0, t0, t1
    check t0, 0x40101105
    csrr s0, mtvec
    li t0, 0x80000101
    csrw mtvec, t0
    csrr t1, mtvec
    check t1, 0x80000101
    csrw mtvec, s0
    li t0, 0x1888
    csrw mstatus, x0
    csrs mstatus, t0
    csrr t1, mstatus
    and t1, t1, t0
    check t1, 0x1888
    csrc mstatus, t0
    csrr t1, mstatus
    and t1, t1, t0
    check t1, 0
    # counters: run, stand still when inhibited, and keep what is written
    csrr t0, cycle
    csrr t1, cycle
    sltu t0, t0, t1
    check t0, 1
    csrr t0, instret
    csrr t1, instret
    sub t0, t1, t0
    check t0, 1
    csrwi minstret, 0
    csrr t0, minstret
    check t0, 0
    li t0, 5
    csrw mcountinhibit, t0
    csrr t0, mcycle
    csrr t1, mcycle
    sub t0, t1, t0
    check t0, 0
    csrr t0, minstret
    csrr t1, minstret
    sub t0, t1, t0
    check t0, 0
    csrw mcountinhibit, x0
    li t0, 0x12345
    csrw mcycleh, t0
    csrr t0, cycleh
    check t0, 0x12345
    # user level: registers of machine level trap, counters as mcounteren says
    la t0, refused
    csrw mtvec, t0
    li s1, 0
    csrwi mcounteren, 5
    la t0, user
    csrw mepc, t0
    li t0, 0x1800
    csrc mstatus, t0
    mret
user:
    csrr t0, mscratch
    csrw mepc, t0
    csrr t0, mhartid
    csrw cycle, t0
    csrr t0, time
    mret
    check s1, 6
    csrr t0, cycle
    csrr t0, instreth
    check s1, 6
    j pass
    .align 2
refused:
    csrr t5, mcause
    li t6, 2
    bne t5, t6, 1f
    csrr t5, mstatus
    srli t5, t5, 11
    andi t5, t5, 3
    bnez t5, 1f
    csrr t5, mepc
    lw t6, 0(t5)
    csrr t3, mtval
    bne t3, t6, 1f
    addi t5, t5, 4
    csrw mepc, t5
    addi s1, s1, 1
    mret
1:  never
