# Read-modify-write instructions, and load-reserved with store-conditional.
#include "isa.h"
.macro amo name, start, operand, result
    la s0, cell
    li t0, \start
    sw t0, 0(s0)
    li t1, \operand
    \name t2, t1, (s0)
    check t2, \start
    lw t2, 0(s0)
    check t2, \result
    \name\().aqrl x0, x0, (s0)
.endm
    program
    amo amoswap.w, 0x12345678, 0x9abcdef0, 0x9abcdef0
    amo amoadd.w, 0xffffffff, 2, 1
    amo amoadd.w, 0x7fffffff, 1, 0x80000000
    amo amoxor.w, 0xff00ff00, 0x0ff00ff0, 0xf0f0f0f0
    amo amoand.w, 0xff00ff00, 0x0ff00ff0, 0x0f000f00
    amo amoor.w, 0xff00ff00, 0x0ff00ff0, 0xfff0fff0
    amo amomin.w, 0x80000000, 1, 0x80000000
    amo amomin.w, 1, -1, 0xffffffff
    amo amomax.w, 0x80000000, 1, 1
    amo amomax.w, 1, -1, 1
    amo amominu.w, 0x80000000, 1, 1
    amo amominu.w, 1, -1, 1
    amo amomaxu.w, 0x80000000, 1, 0x80000000
    amo amomaxu.w, 1, -1, 0xffffffff
    # rd, base and operand in one register
    la s0, cell
    li t0, 5
    sw t0, 0(s0)
    mv t0, s0
    amoadd.w t0, t0, (t0)
    check t0, 5
    lw t1, 0(s0)
    sub t1, t1, s0
    check t1, 5
    # a loop that must succeed
    li s1, 100
    sw x0, 0(s0)
1:  lr.w t0, (s0)
    addi t0, t0, 1
    sc.w t1, t0, (s0)
    bnez t1, 1b
    addi s1, s1, -1
    bnez s1, 1b
    lw t0, 0(s0)
    check t0, 100
    # without a reservation, a second time, and elsewhere, nothing is stored
    sc.w t1, x0, (s0)
    check t1, 1
    lr.w t0, (s0)
    sc.w t1, t0, (s0)
    check t1, 0
    sc.w t1, x0, (s0)
    check t1, 1
    addi s2, s0, 1024
    lr.w t0, (s2)
    sc.w t1, x0, (s0)
    check t1, 1
    lw t0, 0(s0)
    check t0, 100
    li s5, 0
    # misaligned: traps, and changes nothing
    la t0, misaligned
    csrw mtvec, t0
    addi s3, s0, 1
    li s4, 4
    lr.w t0, (s3)
    li s4, 6
    sc.w t0, t0, (s3)
    amoadd.w t0, s0, (s3)
    addi s3, s0, 2
    amoswap.w t0, s0, (s3)
    check s5, 4
    lw t0, 0(s0)
    check t0, 100
    j pass
    .align 2
misaligned:
    csrr t5, mcause
    bne t5, s4, 2f
    csrr t5, mtval
    bne t5, s3, 2f
    csrr t5, mepc
    addi t5, t5, 4
    csrw mepc, t5
    addi s5, s5, 1
    mret
2:  never
    .data
    .align 6
cell: .word 0
    .space 2048
