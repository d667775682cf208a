# Context 0 runs a plain context, which calls, again and again: what ctxrun and a trap cost. Nothing else happens here;
# the cycles are counted from outside, by the trace.

#include "gen/hakone.h"

    .equ CHILD, 1
    .equ ROUNDS, 32

    .text
    .globl main
main:
    csrwi   CSR_HXCTL, HXCTL_ENABLE
    la      t0, trapped
    csrw    CSR_HXTVEC, t0
    li      t0, CHILD
    li      t1, 0
    ctxnew  t2, t0, t1
    la      t1, child
    ctxput  t0, t1                  # register 0 is the program counter
    li      s0, ROUNDS
round:
    ctxrun  t0
    .balign 4
trapped:
    addi    s0, s0, -1
    bnez    s0, round
    li      a0, 0
    ret

    .balign 4
child:
    ecall                           # an unsealed context is resumed at its call
    j       child
