# Code that changes: fence.i makes every earlier store visible to fetches.
#include "isa.h"
    program
    .option norvc
    # the instruction right behind, which may be in the pipeline already
    la t0, 1f
    lw t1, new
    sw t1, 0(t0)
    fence.i
1:  li a0, 1
    check a0, 2
    # a routine that has run before, changed many times
    li s0, 0
    li s1, 20
    la s2, routine
2:  jalr s2
    add s0, s0, a0
    lw t0, 0(s2)
    lui t1, 0x100  # the immediate's lowest bit
    add t0, t0, t1
    sw t0, 0(s2)
    fence.i
    addi s1, s1, -1
    bnez s1, 2b
    check s0, 210
    # a routine copied to a line that was never fetched, and to one that was data
    la t0, routine
    la t1, space
    lw t2, 0(t0)
    sw t2, 0(t1)
    lw t2, 4(t0)
    sw t2, 4(t1)
    fence
    fence.i
    jalr t1
    check a0, 21
    j pass
new: li a0, 2
    .align 6
routine:
    li a0, 1
    ret
    .data
    .align 6
space: .space 64
