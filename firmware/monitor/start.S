# Context 0: start-up of the monitor, and the few instructions that C cannot express.

#include "gen/hakone.h"

    .section .monitor.start, "ax"
    .globl _start
_start:
    la      sp, __monitor_stack_top
    la      t0, monitor_trap
    csrw    mtvec, t0
    call    monitor_main
1:  j       1b

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

# Where context 1 begins, in plain mode: it goes straight into the encrypted program.
    .globl enter_sealed
    .balign 4
enter_sealed:
    la      t0, __sealed_entry
    cryptomode t0

# A trap of the monitor itself: nothing to go back to.
    .balign 4
monitor_trap:
    csrr    a0, mcause
    csrr    a1, mepc
    call    monitor_failed
