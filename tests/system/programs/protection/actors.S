# Actors: contexts that do what scripts in plain memory say, in plain mode and in encrypted mode, so that a test can play
# an operating system, an owner, a partner and an outsider against each other without a program of its own for each.
#
# A script is a row of commands of four words: operation, x, y, z. Each command that has an answer appends a record of
# four words to its context's log: operation | MARK, and three values. `states` holds, for each context, where its next
# command and its next record stand; it is brought up to date before a command is carried out, so that a context goes on
# behind a command that faulted. Context 0 skips its own faults and records them as FAULT; traps of others come back to
# its command RUN.

#include "gen/hakone.h"

    .option norvc

    .equ    MARK, 0xAC700000
    .equ    OP_END, 0               # context 0: stop the machine; others: call
    .equ    OP_LOAD, 1              # record the word at x
    .equ    OP_STORE, 2             # y to x
    .equ    OP_SETIK, 3             # record the status of the description at x
    .equ    OP_CLRK, 4
    .equ    OP_JUMP, 5
    .equ    OP_CRYPTOMODE, 6
    .equ    OP_RETMODE, 7
    .equ    OP_RETMODE_LINK, 8      # leave to x with a back link
    .equ    OP_CALL, 9              # jalr to x with a return address
    .equ    OP_COPY, 10             # z words from x to y
    .equ    OP_STORE_NOT, 11        # not y to x: so that a secret stands nowhere in a script
    .equ    OP_CTXNEW, 16
    .equ    OP_CTXGET, 17
    .equ    OP_CTXPUT, 18
    .equ    OP_CTXKILL, 19
    .equ    OP_RUN, 20              # run context x until it traps: record cause, rule, who
    .equ    OP_SEGPUT, 21
    .equ    OP_HXCTL, 22
    .equ    OP_HXTCTX, 23
    .equ    OP_FENCE, 24            # fence.i
    .equ    OP_TIMER, 25            # a timer interrupt x ticks from now
    .equ    OP_FAULT, 31            # a fault of context 0: cause, rule, address

# The interpreter, once for every side that has code of its own. a7 is the context's number throughout; s0 its state, s1
# the command, s2 to s5 its words.
    .macro  interpreter side
\side\()_next:
    la      s0, states
    slli    t0, a7, 3
    add     s0, s0, t0
    lw      s1, 0(s0)
    lw      s2, 0(s1)
    lw      s3, 4(s1)
    lw      s4, 8(s1)
    lw      s5, 12(s1)
    addi    s1, s1, 16
    sw      s1, 0(s0)
    li      t0, OP_LOAD
    beq     s2, t0, \side\()_load
    li      t0, OP_STORE
    beq     s2, t0, \side\()_store
    li      t0, OP_SETIK
    beq     s2, t0, \side\()_setik
    li      t0, OP_CLRK
    beq     s2, t0, \side\()_clrk
    li      t0, OP_JUMP
    beq     s2, t0, \side\()_jump
    li      t0, OP_CRYPTOMODE
    beq     s2, t0, \side\()_cryptomode
    li      t0, OP_RETMODE
    beq     s2, t0, \side\()_retmode
    li      t0, OP_RETMODE_LINK
    beq     s2, t0, \side\()_retmode_link
    li      t0, OP_CALL
    beq     s2, t0, \side\()_call
    li      t0, OP_COPY
    beq     s2, t0, \side\()_copy
    li      t0, OP_STORE_NOT
    beq     s2, t0, \side\()_store_not
    j       \side\()_other
\side\()_load:
    lw      a1, 0(s3)
    j       \side\()_record
\side\()_store:
    sw      s4, 0(s3)
    j       \side\()_next
\side\()_store_not:
    not     s4, s4
    sw      s4, 0(s3)
    j       \side\()_next
\side\()_setik:
    setik   a1, s3
    j       \side\()_record
\side\()_clrk:
    clrk    s3
    j       \side\()_next
\side\()_jump:
    jr      s3
\side\()_cryptomode:
    cryptomode s3
\side\()_retmode:
    retmode x0, s3, x0
\side\()_retmode_link:
    retmode ra, s3, x0
    j       \side\()_next
\side\()_call:
    jalr    ra, s3
    j       \side\()_next
\side\()_copy:
    lw      t0, 0(s3)
    sw      t0, 0(s4)
    addi    s3, s3, 4
    addi    s4, s4, 4
    addi    s5, s5, -1
    bnez    s5, \side\()_copy
    j       \side\()_next
# Append operation s2 with a1, a2, a3.
\side\()_record:
    lw      t1, 4(s0)
    li      t0, MARK
    or      t0, t0, s2
    sw      t0, 0(t1)
    sw      a1, 4(t1)
    sw      a2, 8(t1)
    sw      a3, 12(t1)
    addi    t1, t1, 16
    sw      t1, 4(s0)
    j       \side\()_next
    .endm

# ---- context 0 -------------------------------------------------------------------------------------------------------

    .section .monitor.start, "ax"
    .globl _start
_start:
    la      t0, zero_fault
    csrw    mtvec, t0
    la      t0, zero_trapped
    csrw    CSR_HXTVEC, t0
    li      t0, HXCTL_ENABLE
    csrw    CSR_HXCTL, t0
    la      t0, plain_start         # so that the linker keeps it
    li      a7, 0
    interpreter zero
zero_other:
    li      t0, OP_CTXNEW
    beq     s2, t0, zero_ctxnew
    li      t0, OP_CTXGET
    beq     s2, t0, zero_ctxget
    li      t0, OP_CTXPUT
    beq     s2, t0, zero_ctxput
    li      t0, OP_CTXKILL
    beq     s2, t0, zero_ctxkill
    li      t0, OP_RUN
    beq     s2, t0, zero_run
    li      t0, OP_SEGPUT
    beq     s2, t0, zero_segput
    li      t0, OP_HXCTL
    beq     s2, t0, zero_hxctl
    li      t0, OP_HXTCTX
    beq     s2, t0, zero_hxtctx
    li      t0, OP_FENCE
    beq     s2, t0, zero_fence
    li      t0, OP_TIMER
    beq     s2, t0, zero_timer
    la      t0, 1f                  # END: a fault while ending, too, ends
    csrw    mtvec, t0
    fence.i                         # every dirty line to memory
    .balign 4
1:  li      t0, HAKONE_FINISHER_BASE
    li      t1, HAKONE_FINISHER_PASS
    sw      t1, 0(t0)
2:  j       2b
zero_ctxnew:
    ctxnew  a1, s3, s4
    j       zero_record
zero_ctxget:
    ctxget  a1, s3
    j       zero_record
zero_ctxput:
    ctxput  s3, s4
    j       zero_next
zero_ctxkill:
    ctxkill s3
    j       zero_next
zero_segput:
    segput  s3, s4
    j       zero_next
zero_hxctl:
    csrw    CSR_HXCTL, s3
    j       zero_next
zero_hxtctx:
    csrw    CSR_HXTCTX, s3
    j       zero_next
zero_fence:
    fence.i
    j       zero_next
zero_timer:                         # the high word of mtime stays 0 in so short a run
    li      t0, 0x02000000 + 0xBFF8
    lw      t1, 0(t0)
    add     t1, t1, s3
    li      t0, 0x02000000 + 0x4000
    sw      t1, 0(t0)
    sw      x0, 4(t0)
    li      t0, 1 << INTERRUPT_TIMER
    csrs    mie, t0
    j       zero_next
zero_run:
    ctxrun  s3
    .balign 4
zero_trapped:
    csrw    mie, x0
    csrr    a1, mcause
    csrr    a2, CSR_HXSUB
    csrr    a3, CSR_HXCTX
    j       zero_record
    .balign 4
zero_fault:
    csrr    a1, mcause
    csrr    a2, CSR_HXSUB
    csrr    a3, mtval
    la      t0, zero_record
    csrw    mepc, t0
    li      t0, 0x1800              # back to ring 0
    csrs    mstatus, t0
    li      s2, OP_FAULT
    mret

# ---- plain side of the others ----------------------------------------------------------------------------------------

    .section .monitor.stubs, "ax"
    .globl plain_start, plain_next
plain_start:
    interpreter plain
plain_other:                        # END
    ecall                           # unsealed, the manager moves it on to plain_next
    j       plain_next

    .globl planted
planted:                            # plain code that would be taken for the owner's
    cryptoland
    lw      t0, 0(a0)
    la      t1, leaked
    sw      t0, 0(t1)
    ecall

# ---- encrypted sides -------------------------------------------------------------------------------------------------

    .section .code, "ax"
    .globl inside_a, middle_a
inside_a:
    cryptoland
    interpreter a
a_other:
    ecall
    j       a_next
middle_a:                           # a gadget: shows what another would rather not
    nop
    la      t0, secret_a
    lw      t0, 0(t0)
    la      t1, leaked
    sw      t0, 0(t1)
    ecall
    .balign 64
secret_a:
    .word   0x5EC2E7A1
    .balign 64

    .section .code2, "ax"
    .globl inside_b
inside_b:
    cryptoland
    interpreter b
b_other:
    ecall
    j       b_next
    .balign 64

# ---- data ------------------------------------------------------------------------------------------------------------

    .section .gap, "aw"
    .globl notes
    .balign 64
notes:  .fill 256, 4, 0             # for descriptions with their keys, and whatever else nobody is to see

    .section .window, "aw"
    .globl states, scripts, logs, leaked
    .balign 64
states: .set    number, 0
    .rept   16
    .word   scripts + 2048 * number, logs + 1024 * number
    .set    number, number + 1
    .endr
leaked: .fill 16, 4, 0
scripts: .fill 512 * 6, 4, 0        # of contexts 0 to 5
logs:   .fill 256 * 6, 4, 0
    .balign 64
