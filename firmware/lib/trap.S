# Trap entry of a plain program that stays in machine mode: saves every register on the stack in force, calls
# trap_handler(frame) and goes on where the frame says. Layout: struct trap_frame in hakone/trap.h.

#include "gen/hakone.h"

    .equ    FRAME_BYTES, 144        # 35 words, rounded up to the stack's alignment

    .macro save_all
    .irp    n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sw      x\n, 4*\n(sp)
    .endr
    .endm

    .macro restore_all
    .irp    n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    lw      x\n, 4*\n(sp)
    .endr
    .endm

    .section .text.trap_entry, "ax"
    .globl trap_entry
    .balign 4                       # mtvec keeps two bits for its mode
trap_entry:
    addi    sp, sp, -FRAME_BYTES
    save_all
    addi    t0, sp, FRAME_BYTES
    sw      t0, 4*2(sp)
    csrr    t0, mepc
    sw      t0, 0(sp)               # x0's place holds the PC
    csrr    t0, mcause
    sw      t0, 4*32(sp)
    csrr    t0, mtval
    sw      t0, 4*33(sp)
    mv      a0, sp
    call    trap_handler
    lw      t0, 0(sp)
    csrw    mepc, t0
    restore_all
    addi    sp, sp, FRAME_BYTES
    mret
