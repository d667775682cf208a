# Start-up of a plain process: its own copy of its program, with its memory behind it.

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, __stack_top
    li      a0, 0                   # main(0, NULL)
    li      a1, 0
    call    main
    call    exit
