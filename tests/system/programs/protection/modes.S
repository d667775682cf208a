# Into encrypted execution and out of it, with targets given or omitted, built in variants:
#   TARGET  0: cryptomode and retmode name the instruction that follows them anyway; 1: both omit the target;
#           2: both name other places, `landing_far` and `after_far`
# The plain side counts on in a2, the encrypted side too; each place adds a digit of its own, so that a2 tells the way.

#include "gen/hakone.h"

    .option norvc

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
    csrr    t1, CSR_HXSUB
    la      t2, trap_log
    sw      t0, 0(t2)
    sw      t1, 4(t2)
failed:
    fence.i
    li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    sw      t1, 0(t0)
1:  j       1b

    .globl stub
stub:                               # context 1, plain
    li      a2, 1
    la      a3, return_place
    la      t0, landing
#if TARGET == 2
    la      t0, landing_far
    la      a3, after_far
#endif
    j       enter

    .section .monitor.data, "aw"
    .globl trap_log
trap_log: .fill 4, 4, 0

    .section .before, "ax"
    .globl enter, landing, landing_far, last, return_place, after_far
before:
    .rept   15
    nop
    .endr
enter:                              # the last word before the region
#if TARGET == 1
    cryptomode x0
#else
    cryptomode t0
#endif

    .section .code, "ax"
code:
landing:
    cryptoland
    slli    a2, a2, 4
    addi    a2, a2, 2
    j       leave
landing_far:
    cryptoland
    slli    a2, a2, 4
    addi    a2, a2, 3
leave:
    li      a4, 0x0EC12345
    mv      t1, a3
    j       last
    .balign 64
    .rept   15
    nop
    .endr
last:                               # the last word of the region
#if TARGET == 1
    retmode x0, x0, x0
#else
    retmode x0, t1, x0
#endif

    .section .after, "ax"
return_place:
    slli    a2, a2, 4
    addi    a2, a2, 4
    j       report
after_far:
    slli    a2, a2, 4
    addi    a2, a2, 5
report:
    la      t0, result
    sw      a2, 0(t0)
    sw      a4, 4(t0)
    ecall
    .balign 64

    .section .window, "aw"
    .globl result
    .balign 64
result: .fill 16, 4, 0
