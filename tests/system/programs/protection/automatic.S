# Encrypted functions called like any other: plain code calls `first` under one key, this calls `second` under another,
# this calls `leaf`, which is plain; all return with `ret`. No instruction enters or leaves encrypted mode.
# Each place adds a digit of its own to a0, which tells the way. Two words in plain memory, which the test may change,
# tell where the plain code jumps to, and what `leaf` adds to its return address.

#include "gen/hakone.h"

    .option norvc

    .macro  digit n
    slli    a0, a0, 4
    addi    a0, a0, \n
    .endm

    .section .monitor.start, "ax"
    .globl _start
_start:
    la      t0, failed
    csrw    mtvec, t0
    la      t0, trapped
    csrw    CSR_HXTVEC, t0
    li      t0, HXCTL_ENABLE
    csrw    CSR_HXCTL, t0
    li      s1, 1
    la      t0, stub
    ctxput  s1, t0
    li      t0, 1
    ctxrun  t0
    .balign 4
trapped:
    csrr    t0, mcause
    la      t2, trap_log
    sw      t0, 0(t2)
    csrr    t0, CSR_HXSUB
    sw      t0, 4(t2)
    csrr    t0, CSR_HXCTX
    sw      t0, 8(t2)
failed:
    fence.i
    li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    sw      t1, 0(t0)
1:  j       1b

    .globl stub
stub:                               # context 1, plain
    li      sp, 0x1234
    li      a0, 1
    lw      t0, entry
    jalr    ra, t0
    .globl returned
returned:
    digit   5
    la      t0, result
    sw      a0, 0(t0)
    sw      sp, 4(t0)
    sw      s0, 8(t0)               # cleared on the way
    la      t0, secret
    lw      t1, 0(t0)               # the key is gone with the mode

    .section .monitor.data, "aw"
    .globl trap_log, entry, forged
trap_log:   .fill 4, 4, 0
entry:      .word first
forged:     .word 0

    .section .code, "ax"
    .balign 64
    .globl first, after_landing
first:
    cryptoland
after_landing:
    digit   2
    la      sp, __stack_top
    sw      ra, -4(sp)
    li      s0, 0x0EC12345
    call    second
    digit   4
    lw      ra, -4(sp)
    ret
    .balign 64

    .section .code2, "ax"
    .balign 64
    .globl second
second:
    cryptoland
    digit   3
    la      sp, __stack_bottom + 0x400
    sw      ra, -4(sp)
    la      t0, leaf
    jalr    ra, t0
    .globl second_goes_on
second_goes_on:
    digit   8
    lw      ra, -4(sp)
    ret
    .balign 64

    .section .after, "ax"
    .globl leaf
leaf:                               # plain
    digit   6
    lw      t0, forged
    add     ra, ra, t0
    ret
    .balign 64

    .section .data, "aw"
    .balign 64
    .globl secret
secret: .fill 16, 4, 0x0BADF00D

    .section .window, "aw"
    .globl result
    .balign 64
result: .fill 16, 4, 0
