# Start-up of a protected process under an operating system that it does not trust. Entered by cryptomode with every
# register as the operating system wants it, without stack, and without any memory but its own encrypted code region.
#
# It draws its number among the processes of this program, installs the mailbox and its private memory, and fills the
# latter: what lies in the frames that it was given is of no concern. Where anything is refused it stops (ebreak): there
# is nobody to tell.

#include "gen/hakone.h"
#include "hakone/os.h"

    .equ    DESCRIPTION_BYTES, 4 * REGION_WORDS
    .equ    REGION_KIND, REGION_MAGIC | (HAKONE_VERSION >> 16 << 24)
    .equ    KEYED_BYTES, DESCRIPTION_BYTES + 32

    .section .text.sealed_entry, "ax"
    .globl closed_start
closed_start:
    cryptoland
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      t0, closed_drawn        # my number: nobody else can have it, whatever the operating system says
    li      t1, 1
    amoadd.w tp, t1, (t0)
    lw      t1, closed_processes
    bgeu    tp, t1, stop
#ifdef CLOSED_SMALL
    la      sp, __stacks            # a stack each in the code region, no variables, no mailbox yet
    li      t0, CLOSED_STACK_BYTES
    addi    t1, tp, 1
    mul     t0, t0, t1
    add     sp, sp, t0
#else
    la      a0, mailbox_description
    setik   a0, a0
    bnez    a0, stop
    la      a0, closed_private
    li      t0, KEYED_BYTES
    mul     t0, t0, tp
    add     a0, a0, t0
    setik   a0, a0
    bnez    a0, stop
    la      sp, __stack_top
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    sw      zero, 0(t0)             # padded to whole lines, as .data is
    addi    t0, t0, 4
    j       1b
2:  la      t0, __data_start
    la      t1, __data_end
    la      t2, __data_image
3:  bgeu    t0, t1, 4f
    lw      t3, 0(t2)
    sw      t3, 0(t0)
    addi    t2, t2, 4
    addi    t0, t0, 4
    j       3b
4:  call    os_begin
#endif
    li      a0, 0                   # main(0, NULL)
    li      a1, 0
    call    main
    call    exit
stop:
    ebreak
    j       stop

    .section .rodata.mailbox_description, "a"
    .globl mailbox_description
    .balign 4
mailbox_description:
    .word   REGION_KIND | ALGORITHM_NONE << 16
    .word   REGION_READ | REGION_WRITE | OS_MAILBOX_SEGMENT << 16
    .word   OS_MAILBOX, OS_PAGE_BYTES
    .word   0, 0, 0, 0

# How many processes of this program have begun. A line of its own, in the code region: only there is protected memory
# that they all have from the beginning.
    .section .drawn, "aw"
    .globl closed_drawn
    .balign HAKONE_LINE_BYTES
closed_drawn:
    .word   0
    .balign HAKONE_LINE_BYTES
