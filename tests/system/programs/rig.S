# Start-up, trap entry and the way to user level for the programs of this folder.
    .section .text.start, "ax"
    .globl _start
_start:
    la sp, __stack_top
    la t0, trap_entry
    csrw mtvec, t0
    la t0, trap_stack_top
    csrw mscratch, t0
    csrw mie, zero
    # Memory is open to user level on machines with physical memory protection; ours ignores this.
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    call main
    j finish

    .text
    .align 2
    .globl trap_entry
trap_entry:
    csrrw sp, mscratch, sp
    addi sp, sp, -128
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sw x\n, 4*\n(sp)
    .endr
    csrr t0, mscratch
    sw t0, 8(sp)
    csrr t0, mepc
    sw t0, 0(sp)
    mv a0, sp
    call on_trap
    lw t0, 0(sp)
    csrw mepc, t0
    lw t0, 8(sp)
    csrw mscratch, t0
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    lw x\n, 4*\n(sp)
    .endr
    addi sp, sp, 128
    csrrw sp, mscratch, sp
    mret

# void in_user(void (*function)(void)): mret with MPP = 0 to a stub that calls it; ecall with a7 = 0xEE comes back.
    .globl in_user
in_user:
    addi sp, sp, -16
    sw ra, 12(sp)
    li t0, 0x1800
    csrc mstatus, t0
    la t0, 1f
    csrw mepc, t0
    mret
1:  jalr a0
    li a7, 0xEE
    ecall
    lw ra, 12(sp)
    addi sp, sp, 16
    ret

    .bss
    .align 4
    .space 2048
trap_stack_top:
