# Context 0 of the two tasks: what C cannot express, and where each task begins.

#include "gen/hakone.h"

    .section .monitor.start, "ax"
    .globl _start, run_context, enter_secret, enter_open
_start:
    la      sp, __monitor_stack_top
    la      t0, failed
    csrw    mtvec, t0
    call    monitor_main
    .balign 4
failed:
    li      t0, HAKONE_FINISHER_BASE
    li      t1, 9 << 16 | HAKONE_FINISHER_FAIL
    sw      t1, 0(t0)
1:  j       1b

# void run_context(uint32_t context): a trap of the context comes back here, with context 0's registers as they were.
    .balign 4
run_context:
    la      t0, 1f
    csrw    CSR_HXTVEC, t0
    ctxrun  a0
    .balign 4
1:  ret

    .balign 4
enter_secret:                       # context 1
    la      t0, secret_entry
    cryptomode t0

    .balign 4
enter_open:                         # context 2
    la      sp, __task_stack_top
    call    open_task
    ecall

    .section .code, "ax"
secret_entry:
    cryptoland
    la      sp, __stack_top
    call    secret_task
    ecall
