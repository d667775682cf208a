# Start-up of a plain program: machine mode, from the reset code with a0 = hart and a1 = device tree.
# Sets gp, sp and the trap vector, clears .bss, calls main and ends with its result.

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, __stack_top
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, __bss_start
    la      t1, __bss_end
    beq     t0, t1, 2f
1:  sw      zero, 0(t0)             # .bss is padded to whole lines
    addi    t0, t0, 4
    bltu    t0, t1, 1b
2:  li      a0, 0                   # main(0, NULL)
    li      a1, 0
    call    main
    call    exit
