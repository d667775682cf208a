# Start-up of an encrypted program: entered by cryptomode, in user mode, with nothing to trust.
# Every register may have been set by whoever started us, and sp is zero the first time, so all that counts is set here.
# The region was sealed as a whole: .bss, heap and stack already hold zeros under the region's key.

#include "gen/hakone.h"

    .section .text.sealed_entry, "ax"
    .globl sealed_start
sealed_start:
    cryptoland
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, __stack_top
    li      tp, 0
    li      a0, 0                   # main(0, NULL)
    li      a1, 0
    call    main
    call    exit
