# Software, timer and external interrupts: enables, priority, vectors, wfi.
#include "isa.h"
    .set clint, 0x02000000
    .set plic, 0x0c000000
    .set uart, 0x10000000
    program
    la t0, vectors + 1
    csrw mtvec, t0
    li s0, clint
    li s1, clint + 0x4000
    li s2, plic
    li s3, uart
    li t0, -1
    sw t0, 4(s1)
    # the serial port's interrupt 10 through the controller
    li t0, 1
    sw t0, 40(s2)
    li t1, plic + 0x2000
    li t0, 1 << 10
    sw t0, 0(t1)
    li t1, plic + 0x200000
    sw x0, 0(t1)
    # all three pending, none taken: masked by mie, then by mstatus
    li s11, 0
    li t0, 1
    sw t0, 0(s0)
    sw x0, 4(s1)
    sw x0, 0(s1)
    li t0, 2
    sb t0, 1(s3)
    li t1, 0x888
1:  csrr t0, mip
    and t0, t0, t1
    bne t0, t1, 1b
    csrsi mstatus, 8
    nop
    csrci mstatus, 8
    check s11, 0
    csrw mie, t1
    nop
    nop
    check s11, 0
    # taken in the order external, software, timer
    li s10, 0
    csrsi mstatus, 8
2:  li t0, 3
    bne s11, t0, 2b
    csrci mstatus, 8
    check s10, 0xb37
    # wfi goes on when an interrupt is pending that mstatus holds back
    li s11, 0
    li t0, 1
    sw t0, 0(s0)
    wfi
    check s11, 0
    csrsi mstatus, 8
3:  beqz s11, 3b
    csrci mstatus, 8
    check s11, 1
    # at user level they are taken whatever mstatus says
    li s11, 0
    la t0, user
    csrw mepc, t0
    li t0, 0x1880
    csrc mstatus, t0
    mret
user:
    li t0, 1
    sw t0, 0(s0)
4:  beqz s11, 4b
    j pass

    .option norvc
    .align 8
vectors:
    j unexpected
    j bad
    j bad
    j software
    j bad
    j bad
    j bad
    j timer
    j bad
    j bad
    j bad
    j external
    j bad
bad:
    never
software:
    sw x0, 0(s0)
    li t5, 3
    j done
timer:
    li t5, -1
    sw t5, 4(s1)
    li t5, 7
    j done
external:
    li t6, plic + 0x200004
    lw t5, 0(t6)
    li t4, 10
    bne t5, t4, bad
    sb x0, 1(s3)
    sw t5, 0(t6)
    li t5, 11
done:
    slli s10, s10, 4
    or s10, s10, t5
    addi s11, s11, 1
    mret
