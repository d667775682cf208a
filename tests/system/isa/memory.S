# Loads and stores of every size at every offset, inside a line, across its end and across a page's.
#include "isa.h"

# Eight bytes 0x80 + n around `place`, read in every way.
.macro around place
    la s0, \place
    li t1, 0
1:  add t2, s0, t1
    addi t3, t1, 0x80
    sb t3, 0(t2)
    addi t1, t1, 1
    li t2, 12
    bne t1, t2, 1b
    lb t0, 3(s0)
    check t0, 0xffffff83
    lbu t0, 11(s0)
    check t0, 0x8b
    lh t0, 0(s0)
    check t0, 0xffff8180
    lh t0, 1(s0)
    check t0, 0xffff8281
    lhu t0, 3(s0)
    check t0, 0x8483
    lhu t0, 7(s0)
    check t0, 0x8887
    lw t0, 0(s0)
    check t0, 0x83828180
    lw t0, 1(s0)
    check t0, 0x84838281
    lw t0, 2(s0)
    check t0, 0x85848382
    lw t0, 3(s0)
    check t0, 0x86858483
    lw t0, 5(s0)
    check t0, 0x88878685
    lw t0, 6(s0)
    check t0, 0x89888786
    lw t0, 7(s0)
    check t0, 0x8a898887
    # stores, each read back wider
    li t1, 0x11223344
    sw t1, 3(s0)
    lw t0, 0(s0)
    check t0, 0x44828180
    lw t0, 4(s0)
    check t0, 0x87112233
    sh t1, 1(s0)
    lw t0, 0(s0)
    check t0, 0x44334480
    sh t1, 7(s0)
    lw t0, 6(s0)
    check t0, 0x89334411
    sb t1, 9(s0)
    lw t0, 7(s0)
    check t0, 0x8a443344
    sw t1, 5(s0)
    sw t1, 6(s0)
    lw t0, 5(s0)
    check t0, 0x22334444
.endm

    program
    around line
    around line + 56
    around line + 61
    around line + 58
    around page_end - 6
    around page_end - 3
    # forwarding of a store to the loads right behind it, and of a load's result to a store
    la s0, line
    li t1, 0x55667788
    sw t1, 0(s0)
    lw t0, 0(s0)
    sw t0, 8(s0)
    lhu t2, 8(s0)
    check t2, 0x7788
    lb t2, 11(s0)
    check t2, 0x55
    # a load into x0, and negative offsets
    lw x0, 0(s0)
    check x0, 0
    addi s0, s0, 64
    lw t0, -64(s0)
    check t0, 0x55667788
    sw s0, -2048(s0)
    lw t0, -2048(s0)
    sub t0, t0, s0
    check t0, 0
    # a base that was just loaded
    la s0, pointer
    lw t0, 0(s0)
    lw t0, 4(t0)
    check t0, 0x600df00d
    # more lines than a cache has: every line keeps its own
    la s0, big
    li t1, 512
1:  sw s0, 0(s0)
    not t2, s0
    sw t2, 60(s0)
    addi s0, s0, 64
    addi t1, t1, -1
    bnez t1, 1b
    la s0, big
    li t1, 512
2:  lw t0, 0(s0)
    bne t0, s0, 3f
    lw t0, 60(s0)
    not t0, t0
    bne t0, s0, 3f
    addi s0, s0, 64
    addi t1, t1, -1
    bnez t1, 2b
    j pass
3:  never
    .data
    .align 12
    .space 2048
line: .space 2048
page_end: .space 64
pointer: .word pointer
    .word 0x600df00d
    .bss
    .align 6
big: .space 512 * 64
