# fence.i writes every dirty line to memory and leaves it in the cache. `places` words, each in a line of its own and
# two of them in every set that they use, are stored; then one of them is read again.

#include "gen/hakone.h"

    .globl main
main:
    la      t0, lines
    li      t1, 0xC1EA0001
    li      t2, 8
    li      t3, 4096                # the same set again
1:  add     t4, t0, t3
    sw      t1, 0(t0)
    addi    t1, t1, 1
    sw      t1, 0(t4)
    addi    t1, t1, 1
    addi    t0, t0, 64*5
    addi    t2, t2, -1
    bnez    t2, 1b
    .globl before, after
before:
    fence.i
after:
    la      t0, lines
    lw      a0, 0(t0)
    li      t1, 0xC1EA0001
    sub     a0, a0, t1              # 0: as it was stored
    li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    bnez    a0, 2f
    sw      t1, 0(t0)
2:  j       2b

    .bss
    .balign 4096
    .globl lines
lines: .space 8192
