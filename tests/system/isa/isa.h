/* Self-checking programs, one for each group of instructions. Every CHECK has a number; the first that fails is written to
 * `tohost` as (number << 1) | 1, success as 1. A trap that a program does not expect is failure 1000 + cause.
 * gp holds the number of the check, t5 and t6 belong to the macros. */

    .set number, 0

/* The register must hold the value. */
.macro check register, value
    .set number, number + 1
    li gp, number
    li t6, \value
    beq \register, t6, 90001f
    j fail
90001:
.endm

/* The place must never be reached. */
.macro never
    .set number, number + 1
    li gp, number
    j fail
.endm

.macro program
    .section .text.start, "ax"
    .globl _start
_start:
    la t0, unexpected
    csrw mtvec, t0
    csrw mie, zero
    /* Open memory to user level on machines with physical memory protection. */
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    j main
    .align 2
unexpected:
    csrr gp, mcause
    addi gp, gp, 1000
fail:
    slli gp, gp, 1
    ori gp, gp, 1
    la t5, tohost
    sw gp, 0(t5)
    sw zero, 4(t5)
    j .
pass:
    li gp, 1
    la t5, tohost
    sw gp, 0(t5)
    sw zero, 4(t5)
    j .
    .section .tohost, "aw", @progbits
    .align 6
    .globl tohost
tohost: .dword 0
    .globl fromhost
fromhost: .dword 0
    .text
main:
.endm

/* One register instruction on two values: plain, onto each source, onto x0, and with its result used at once. */
.macro binary name, a, b, result
    li t0, \a
    li t1, \b
    \name t2, t0, t1
    check t2, \result
    li t0, \a
    \name t0, t0, t1
    check t0, \result
    li t0, \a
    \name t1, t0, t1
    check t1, \result
    li t1, \b
    \name x0, t0, t1
    check x0, 0
    li t0, \a
    li t1, \b
    \name t2, t0, t1
    xor t3, t2, t1
    xor t3, t3, t1
    check t3, \result
    nop
    li t0, \a
    nop
    li t1, \b
    nop
    \name t2, t0, t1
    nop
    add t3, t2, zero
    check t3, \result
.endm

/* One immediate instruction: plain, onto its source, and with its operand just made. */
.macro immediate name, a, value, result
    li t0, \a
    \name t1, t0, \value
    check t1, \result
    \name t0, t0, \value
    check t0, \result
    li t0, \a
    addi t0, t0, 0
    \name t1, t0, \value
    add t2, t1, zero
    check t2, \result
.endm
