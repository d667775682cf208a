# Two contexts share one region by boot records: 1 writes the first half, 2 checks it and writes the second half, 1
# checks that. Between their turns the monitor evicts every line by reading plain memory, and tells the turn in `phase`.

#include "gen/hakone.h"

    .option norvc
    .equ    WORDS, 256              # of each half
    .equ    FIRST_FACTOR, 0x9E3779B1
    .equ    SECOND_FACTOR, 0x85EBCA6B
    .equ    OTHER, 240              # from this word on the first half may be someone else's

    .macro  turn context, number
    li      a0, \context
    jal     ra, run
    jal     ra, evict
    la      t0, phase
    li      t1, \number
    sw      t1, 0(t0)
    .endm

    .section .monitor.start, "ax"
    .globl _start
_start:
    la      t0, failed
    csrw    mtvec, t0
    li      t0, HXCTL_ENABLE
    csrw    CSR_HXCTL, t0
    .irp    n, 1, 2
    li      s1, \n
    la      t0, stub
    ctxput  s1, t0
    li      s1, \n | 10 << 8        # a0: which of the two it is
    li      t0, \n
    ctxput  s1, t0
    .endr
    turn    1, 1
    turn    2, 2
    turn    1, 3
finish:
    fence.i
    li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    sw      t1, 0(t0)
1:  j       1b

run:                                # a0: context; back when it has called
    la      t0, 1f
    csrw    CSR_HXTVEC, t0
    ctxrun  a0
    .balign 4
1:  csrr    t0, mcause
    li      t1, CAUSE_ECALL_U
    bne     t0, t1, failed
    ret

evict:                              # plain reads push everything else out of the data cache; then the bus falls quiet
    la      t0, __spare_start
    la      t1, __spare_end
1:  lw      t2, 0(t0)
    addi    t0, t0, 64
    bltu    t0, t1, 1b
    li      t0, 200
2:  addi    t0, t0, -1
    bnez    t0, 2b
    ret

    .balign 4
failed:
    la      t0, failure
    csrr    t1, mcause
    addi    t1, t1, 1
    sw      t1, 0(t0)
    csrr    t1, CSR_HXSUB
    sw      t1, 4(t0)
    j       finish

stub:
    la      t0, landing
    cryptomode t0

    .section .monitor.data, "aw"
    .globl phase, failure
phase:   .word 0
failure: .fill 2, 4, 0

    .section .code, "ax"
landing:
    cryptoland
    la      s0, shared
    addi    s1, s0, 4*WORDS/2
    addi    s1, s1, 4*WORDS/2       # the second half
    la      s2, result
    li      t0, 2
    beq     a0, t0, second
first:
    mv      a1, s0
    li      a2, FIRST_FACTOR
    jal     ra, fill
    ecall
    mv      a1, s1
    li      a2, SECOND_FACTOR
    li      a4, WORDS
    jal     ra, count
    sw      a3, 4(s2)
    ecall
second:
    mv      a1, s0
    li      a2, FIRST_FACTOR
    li      a4, OTHER
    jal     ra, count
    sw      a3, 0(s2)
    lw      a3, 4*OTHER(s0)
    sw      a3, 8(s2)
    mv      a1, s1
    li      a2, SECOND_FACTOR
    jal     ra, fill
    ecall

fill:                               # a1: where, a2: factor; word i becomes (i + 1) * factor
    li      t0, WORDS
    mv      t1, a2
1:  sw      t1, 0(a1)
    add     t1, t1, a2
    addi    a1, a1, 4
    addi    t0, t0, -1
    bnez    t0, 1b
    ret

count:                              # a3: how many of a4 words are right
    mv      t1, a2
    li      a3, 0
1:  lw      t2, 0(a1)
    bne     t2, t1, 2f
    addi    a3, a3, 1
2:  add     t1, t1, a2
    addi    a1, a1, 4
    addi    a4, a4, -1
    bnez    a4, 1b
    ret
    .balign 64

    .section .data2, "aw", @nobits
    .globl shared
    .balign 64
shared: .space 8*WORDS

    .section .window, "aw"
    .globl result
    .balign 64
result: .fill 16, 4, 0
