# Where a protected process begins, in plain mode, in its own context: straight into its encrypted program.

#include "gen/hakone.h"

    .section .stub, "ax"
    .globl _start
_start:
    la      t0, __closed_entry
    cryptomode t0
