# Context 0: start of the operating system, and the few instructions that C cannot express.

#include "gen/hakone.h"

    .section .reset, "ax"
    .globl _start
_start:
    la      sp, __stack_top
    la      t0, kernel_trap
    csrw    mtvec, t0
    la      t0, __bss_start
    la      t1, __bss_end
1:  sw      zero, 0(t0)             # .bss is padded to whole lines
    addi    t0, t0, 4
    bltu    t0, t1, 1b
    la      t0, kernel_main
    jr      t0

    .text
# void run_context(uint32_t context)
# Runs it until it traps. The trap makes context 0 current again with every register as it was here, at hxtvec, which
# is the instruction after ctxrun: to C this is a function that returns when the other context has trapped.
    .globl run_context
    .balign 4
run_context:
    la      t0, 1f
    csrw    CSR_HXTVEC, t0
    ctxrun  a0
    .balign 4
1:  ret

# Functions that try what may fault: each is called by C, uses no stack, and returns 0, or cause << 8 | rule when it
# trapped. The first argument of those with a result is where to put it; it stays unchanged when there is none.
    .globl try_begin
try_begin:
    .globl try_load                 # uint32_t try_load(uint32_t *to, uint32_t address)
try_load:
    lw      t0, 0(a1)
    sw      t0, 0(a0)
    li      a0, 0
    ret
    .globl try_ctxget               # uint32_t try_ctxget(uint32_t *to, uint32_t register_of_context)
try_ctxget:
    ctxget  t0, a1
    sw      t0, 0(a0)
    li      a0, 0
    ret
    .globl try_ctxput               # uint32_t try_ctxput(uint32_t register_of_context, uint32_t value)
try_ctxput:
    ctxput  a0, a1
    li      a0, 0
    ret
    .globl try_ctxnew               # uint32_t try_ctxnew(uint32_t *to, uint32_t context_and_level)
try_ctxnew:
    li      t1, 4
    ctxnew  t0, a1, t1
    sw      t0, 0(a0)
    li      a0, 0
    ret
    .globl try_setik                # uint32_t try_setik(uint32_t *to, uint32_t description)
try_setik:
    setik   t0, a1
    sw      t0, 0(a0)
    li      a0, 0
    ret
    .globl try_clrk                 # uint32_t try_clrk(uint32_t operand)
try_clrk:
    clrk    a0
    li      a0, 0
    ret
    .globl try_end
try_end:

# A trap of the operating system itself: inside a function that tries, its result; else nothing to go back to.
    .balign 4
kernel_trap:
    csrr    t0, mepc
    la      t1, try_begin
    bltu    t0, t1, 1f
    la      t1, try_end
    bgeu    t0, t1, 1f
    csrr    a0, mcause
    slli    a0, a0, 8
    csrr    t0, CSR_HXSUB
    or      a0, a0, t0
    csrw    mepc, ra
    mret
1:  csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, CSR_HXSUB
    la      sp, __stack_top
    call    kernel_failed
