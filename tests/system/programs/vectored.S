# Vectored and direct mtvec: each interrupt enters at base + 4 * cause, exceptions at base; logged through rig.c.
    .text
    .globl main
main:
    addi sp, sp, -16
    sw ra, 12(sp)
    li s0, 0x02000000        # timer block: msip
    la t0, table + 1
    csrw mtvec, t0
    csrr t1, mtvec
    sub a1, t1, t0           # the mode bit is kept: zero
    la a0, text_mode
    call say_value
    # exception: to the base
    li s1, 0
    ecall
    mv a1, s1
    la a0, text_exception
    call say_value
    # software interrupt: to base + 12
    li s1, 0
    li t0, 8
    csrw mie, t0
    li t0, 1
    sw t0, 0(s0)
1:  csrr t0, mip
    andi t0, t0, 8
    beqz t0, 1b
    csrsi mstatus, 8
2:  beqz s1, 2b
    csrci mstatus, 8
    mv a1, s1
    la a0, text_software
    call say_value
    # timer interrupt: to base + 28
    li s1, 0
    li t0, 128
    csrw mie, t0
    li t1, 0x02004000
    sw zero, 4(t1)
    sw zero, 0(t1)
    csrsi mstatus, 8
3:  beqz s1, 3b
    csrci mstatus, 8
    mv a1, s1
    la a0, text_timer
    call say_value
    # the same in direct mode
    la t0, table
    csrw mtvec, t0
    li s1, 0
    li t0, 8
    csrw mie, t0
    li t0, 1
    sw t0, 0(s0)
    csrsi mstatus, 8
4:  beqz s1, 4b
    csrci mstatus, 8
    mv a1, s1
    la a0, text_direct
    call say_value
    li a0, 0
    lw ra, 12(sp)
    addi sp, sp, 16
    ret

    .option push
    .option norvc
    .align 8
table:
    j at_base
    j at_1
    j at_2
    j at_3
    j at_4
    j at_5
    j at_6
    j at_7
    .option pop

at_base:
    li s1, 0x100
    csrr t2, mcause
    bltz t2, quiet
    csrr t2, mepc
    addi t2, t2, 4
    csrw mepc, t2
    mret
at_1: at_2: at_4: at_5: at_6:
    li a0, 97
    j finish
at_3:
    li s1, 0x103
    j quiet
at_7:
    li s1, 0x107
quiet:
    sw zero, 0(s0)
    li t2, 0x02004000
    li t1, -1
    sw t1, 4(t2)
    mret

    .section .rodata
text_mode: .asciz "written and read differ by"
text_exception: .asciz "exception"
text_software: .asciz "software"
text_timer: .asciz "timer"
text_direct: .asciz "software, direct"
