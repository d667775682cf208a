# Probes of the rules of protection. What is tried is chosen by words in plain memory, which the test sets: `arguments`
# become a0 to a5 of context 1 (a0: which probe, a1: address to which its stub switches or jumps), `resumes` says how
# often context 1 goes on after a trap, `afterwards` what the monitor tries at the end. What the trap handler sees is
# written to `trap_log`: registers 0 to 31, mcause, mtval, hxctx, hxsub, hxboot; traps of the monitor to `monitor_log`.

#include "gen/hakone.h"

    .option norvc

    .equ    AFTER_NOTHING, 0
    .equ    AFTER_CTXPUT, 1         # put a register of context 1
    .equ    AFTER_READ, 2           # copy the 64 bytes at `victim` to `copy`

# ---- context 0 -------------------------------------------------------------------------------------------------------

    .section .monitor.start, "ax"
    .globl _start
_start:
    la      t0, monitor_trap
    csrw    mtvec, t0
    li      t0, HXCTL_ENABLE
    csrw    CSR_HXCTL, t0
    la      s0, arguments
    li      s1, 1 | 10 << 8         # a0 of context 1
    li      s2, 6
1:  lw      t0, 0(s0)
    ctxput  s1, t0
    addi    s0, s0, 4
    addi    s1, s1, 0x100
    addi    s2, s2, -1
    bnez    s2, 1b
    li      s1, 1 | 2 << 8          # sp of its plain side
    la      t0, returned_log
    ctxput  s1, t0
    li      s1, 1                   # its PC
    la      t0, stub
    ctxput  s1, t0
again:
    la      t0, trapped
    csrw    CSR_HXTVEC, t0
    .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    li      x\n, 0xA0000000 | \n
    .endr
    .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    li      x\n, 0xA0000000 | \n
    .endr
    li      x31, 1
    ctxrun  x31
    .balign 4
trapped:
    csrw    mscratch, x31
    la      x31, trap_log
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    sw      x\n, 4*\n(x31)
    .endr
    .irp    n, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    sw      x\n, 4*\n(x31)
    .endr
    csrr    t0, mscratch
    sw      t0, 4*31(x31)
    csrr    t0, mcause
    sw      t0, 4*32(x31)
    csrr    t0, mtval
    sw      t0, 4*33(x31)
    csrr    t0, CSR_HXCTX
    sw      t0, 4*34(x31)
    csrr    t0, CSR_HXSUB
    sw      t0, 4*35(x31)
    csrr    t0, CSR_HXBOOT
    sw      t0, 4*36(x31)
    la      s0, resumes
    lw      t0, 0(s0)
    beqz    t0, 1f
    addi    t0, t0, -1
    sw      t0, 0(s0)
    j       again
1:  lw      t0, afterwards
    li      t1, AFTER_CTXPUT
    beq     t0, t1, put_register
    li      t1, AFTER_READ
    beq     t0, t1, read_victim
finish:
    la      t0, 1f                  # a fault while ending, too, ends
    csrw    mtvec, t0
    fence.i                         # every dirty line to memory
    .balign 4
1:  li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    sw      t1, 0(t0)
2:  j       2b

put_register:
    li      s1, 1 | 10 << 8
    li      t0, 0x600D600D
    ctxput  s1, t0
    j       finish

read_victim:
    lw      s0, victim
    la      s1, copy
    li      s2, 16
1:  lw      t0, 0(s0)
    sw      t0, 0(s1)
    addi    s0, s0, 4
    addi    s1, s1, 4
    addi    s2, s2, -1
    bnez    s2, 1b
    j       finish

    .balign 4
monitor_trap:
    la      s0, monitor_log
    csrr    t0, mcause
    sw      t0, 0(s0)
    csrr    t0, CSR_HXSUB
    sw      t0, 4(s0)
    li      t0, 1
    sw      t0, 8(s0)
    j       finish

    .section .monitor.data, "aw"
    .balign 64
    .globl arguments, resumes, afterwards, victim, trap_log, monitor_log, returned_log, copy
arguments:    .fill 6, 4, 0
resumes:      .word 0
afterwards:   .word AFTER_NOTHING
victim:       .word 0
    .balign 64
trap_log:     .fill 40, 4, 0
monitor_log:  .fill 4, 4, 0
    .balign 64
copy:         .fill 16, 4, 0
    .balign 64
returned_log: .fill 32, 4, 0xDEADBEEF

# ---- context 1, plain side -------------------------------------------------------------------------------------------

    .section .monitor.stubs, "ax"
    .globl returned, returned_second
stub:
    li      t0, 1
    beq     a0, t0, stub_jump
    li      t0, 2
    beq     a0, t0, stub_load
    li      t0, 3
    beq     a0, t0, stub_call
    li      t0, 4
    beq     a0, t0, stub_store
    cryptomode a1
stub_jump:                          # 1: into a1 without cryptomode
    jr      a1
stub_load:                          # 2: plain code reads a2
    lw      a3, 0(a2)
    sw      a3, 0(sp)
    ecall
stub_store:                         # 4: plain code writes a3 to a2
    sw      a3, 0(a2)
    ecall
stub_call:                          # 3: a call of the monitor before anything is sealed
    sw      a0, 0(sp)
    ecall
    sw      a0, 4(sp)
    ecall

# retmode comes back here: every register but sp, which is the plain side's own, at once to memory.
returned:
    .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    sw      x\n, 4*\n(sp)
    .endr
    .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sw      x\n, 4*\n(sp)
    .endr
    ecall

# The first of two visits: back in with the plain side's sp moved.
returned_second:
    sw      sp, 0(sp)
    addi    sp, sp, 16
    li      a0, 16
    cryptomode a1

# ---- context 1, encrypted --------------------------------------------------------------------------------------------

    .section .code, "ax"
    .globl landing, not_a_landing, constant
landing:
    cryptoland
not_a_landing:
    nop
    .macro  probe number, label
    li      t0, \number
    beq     a0, t0, \label
    .endm
    probe   10, probe_load
    probe   11, probe_store
    probe   12, probe_secrets
    probe   13, probe_return
    probe   14, probe_jump
    probe   15, probe_stack
    probe   16, probe_stack_again
    probe   17, probe_fill
    probe   18, probe_return_masked
    probe   19, probe_call
    ebreak

    .macro  secrets
    .irp    n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16
    li      x\n, 0x5EC00000 | \n
    .endr
    .irp    n, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    li      x\n, 0x5EC00000 | \n
    .endr
    .endm

probe_load:                         # what stands at a2 goes to the window
    lw      a3, 0(a2)
    la      t0, result
    sw      a3, 0(t0)
    ecall

probe_store:                        # a3 goes to a2
    sw      a3, 0(a2)
    lw      a4, 0(a2)
    la      t0, result
    sw      a4, 0(t0)
    ecall

probe_secrets:                      # a fault with something in every register; a2 is an address outside
    mv      x11, a2
    secrets
    lw      x31, 0(x11)

probe_return:                       # out to a1's neighbour a2 with something in every register: the default mask
    mv      x11, a2
    secrets
    retmode x0, x11, x0

probe_return_masked:                # the same with the mask a3, which stands in x12 then
    mv      x11, a2
    mv      x6, a3
    .irp    n, 1, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    li      x\n, 0x5EC00000 | \n
    .endr
    retmode x0, x11, x6

probe_jump:                         # on to a2, without a word
    jr      a2

probe_stack:                        # the encrypted side's sp at first, and a value for it that must stay
    la      t0, result
    sw      sp, 0(t0)
    la      sp, constant
    retmode x0, a2, x0
probe_stack_again:
    la      t0, result
    sw      sp, 4(t0)
    ecall

probe_call:                         # sealed now: a call, and once more when the monitor lets it
    li      s0, 0x5EC5EC00
    ecall
    la      t0, result
    sw      s0, 0(t0)
    sw      a0, 4(t0)
    ecall

probe_fill:                         # one pattern into both data regions, and back again
    la      t0, pattern
    la      t1, first_data
    la      t2, second_data
    li      t3, 64                  # words: four lines of each
    li      t5, 0
1:  andi    t4, t5, 60
    add     t4, t4, t0
    lw      t4, 0(t4)
    sw      t4, 0(t1)
    sw      t4, 0(t2)
    addi    t1, t1, 4
    addi    t2, t2, 4
    addi    t5, t5, 4
    addi    t3, t3, -1
    bnez    t3, 1b
    la      t1, first_data
    la      t2, second_data
    lw      t3, 100(t1)
    lw      t4, 100(t2)
    not     t3, t3                  # what is shown does not stand in the regions
    not     t4, t4
    la      t0, result
    sw      t3, 0(t0)
    sw      t4, 4(t0)
    ecall

    .balign 64
constant:
    .word   0xC0DE5EA1, 0x9876ABCD
    .globl pattern
    .balign 64
pattern:
    .ascii  "one pattern, two regions, and every cipher makes its own of it.."
    .balign 64

    .section .code2, "ax"
    .globl second_code
second_code:                        # 14 may come here when the key is the same
    la      t0, result
    li      a3, 0x2C0DE002
    sw      a3, 0(t0)
    ecall
    .balign 64

    .data
    .globl first_data
    .balign 64
first_data: .fill 64, 4, 0x11112222
    .section .gap, "aw"
    .globl between
    .balign 64
between:    .ascii "plain memory between two regions, which anyone may read and see."
    .section .data2, "aw", @nobits
    .globl second_data, second_data_end
    .balign 64
second_data: .space 256
second_data_end:

    .section .window, "aw"
    .globl result
    .balign 64
result: .fill 16, 4, 0
