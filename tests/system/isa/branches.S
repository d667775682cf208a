# Every branch, taken and not, forwards and backwards; predicted well and badly.
#include "isa.h"

.macro taken name, a, b
    li t0, \a
    li t1, \b
    \name t0, t1, 2f
    never
1:  j 3f
    never
2:  \name t0, t1, 1b
    never
3:
.endm
.macro passed name, a, b
    li t0, \a
    li t1, \b
    \name t0, t1, 1f
    j 2f
1:  never
2:  \name t0, t1, 1b
.endm

    program
    taken beq, 0, 0
    taken beq, -1, -1
    passed beq, 0, 1
    passed beq, -1, 1
    taken bne, 0, 1
    taken bne, 0x80000000, 0
    passed bne, 7, 7
    taken blt, -1, 0
    taken blt, 0x80000000, 0x7fffffff
    passed blt, 0, 0
    passed blt, 0, -1
    taken bge, 0, 0
    taken bge, 0, -1
    passed bge, -1, 0
    passed bge, 0x80000000, 0x7fffffff
    taken bltu, 0, 0xffffffff
    taken bltu, 0x7fffffff, 0x80000000
    passed bltu, 5, 5
    passed bltu, 0xffffffff, 0
    taken bgeu, 5, 5
    taken bgeu, 0xffffffff, 0
    passed bgeu, 0, 0xffffffff
    passed bgeu, 0x7fffffff, 0x80000000
    # a branch that alternates, and one that follows a pattern of three
    li t0, 60
    li t1, 0
    li t2, 0
    li t3, 0
1:  andi t4, t0, 1
    beqz t4, 2f
    addi t1, t1, 1
2:  addi t3, t3, 1
    li t4, 3
    bne t3, t4, 3f
    li t3, 0
    addi t2, t2, 1
3:  addi t0, t0, -1
    bnez t0, 1b
    check t1, 30
    check t2, 20
    # operands made by the instruction before
    li t0, 5
    addi t0, t0, -5
    bnez t0, 4f
    j 5f
4:  never
5:  la t1, word
    lw t0, 0(t1)
    bnez t0, 6f
    never
6:  lw t0, 4(t1)
    beqz t0, 7f
    never
7:  li t0, 6
    li t1, 7
    mul t0, t0, t1
    li t1, 42
    beq t0, t1, 8f
    never
8:  j pass
    .data
    .align 2
word: .word 1, 0
