# jal, jalr, calls and returns, deep and uneven, to whole and to odd halfwords.
#include "isa.h"
    program
    la t1, 1f
    jal t0, 2f
1:  never
2:  sub t0, t0, t1
    check t0, 0
    # jalr drops bit 0 of the target, and its link may be its base
    la t0, 3f + 1
    jalr t0, 0(t0)
    never
3:  la t1, 3b
    sub t1, t1, t0
    bgtz t1, 4f
    never
4:  la t0, 5f - 16
    jalr x0, 16(t0)
    never
5:  # a target in the middle of a word
    la t0, odd
    jalr t1, 0(t0)
back:
    check a0, 77
    # recursion deeper than a predictor's stack
    la sp, stack_top
    li a0, 40
    call depth
    check a0, 820
    # a jump whose target changes each time
    li s0, 0
    li s1, 12
6:  andi t0, s1, 3
    slli t0, t0, 2
    la t1, table
    add t1, t1, t0
    lw t1, 0(t1)
    jr t1
case0: addi s0, s0, 1
    j 7f
case1: addi s0, s0, 10
    j 7f
case2: addi s0, s0, 100
    j 7f
case3: addi s0, s0, 1000
7:  addi s1, s1, -1
    bnez s1, 6b
    check s0, 3333
    # two links: t0 is one as well
    jal t0, linked
    check a1, 9
    j pass
linked:
    li a1, 9
    jr t0
depth:  # a0 + (a0 - 1) + ... + 1
    bnez a0, 1f
    ret
1:  addi sp, sp, -16
    sw ra, 0(sp)
    sw a0, 4(sp)
    addi a0, a0, -1
    call depth
    lw t0, 4(sp)
    add a0, a0, t0
    lw ra, 0(sp)
    addi sp, sp, 16
    ret
    .align 2
    c.nop
odd:
    li a0, 77
    jr t1
    .data
    .align 2
table: .word case0, case1, case2, case3
    .bss
    .align 4
    .space 1024
stack_top:
