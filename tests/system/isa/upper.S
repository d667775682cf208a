# lui and auipc.
#include "isa.h"
    program
    lui t0, 0
    check t0, 0
    lui t0, 0xfffff
    check t0, 0xfffff000
    lui t0, 0x7ffff
    srai t0, t0, 12
    check t0, 0x7ffff
    lui x0, 0x12345
    check x0, 0
    la t1, here
    .option push
    .option norelax
here:
    auipc t0, 0
    .option pop
    sub t0, t0, t1
    check t0, 0
    la t1, there
there:
    auipc t0, 0xfffff
    sub t0, t1, t0
    check t0, 0x1000
    j pass
