# Plain code that the hostile build runs in a process's context: copies a2 bytes from a0 to a1, then calls. What is left
# to copy stands in a2 whenever it is stopped.

    .text
    .globl spy_begin
    .balign 4
spy_begin:
    .option norvc
1:  lw      t0, 0(a0)
    sw      t0, 0(a1)
    addi    a0, a0, 4
    addi    a1, a1, 4
    addi    a2, a2, -4
    bnez    a2, 1b
2:  ecall
    j       2b
    .globl spy_end
spy_end:
