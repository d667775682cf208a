# Every compressed instruction, and 32-bit ones across words, lines and pages.
#include "isa.h"
    program
    .option rvc
    la sp, area
    c.addi4spn a0, sp, 1020
    sub a0, a0, sp
    check a0, 1020
    mv s0, sp
    c.addi16sp sp, 496
    sub t0, sp, s0
    check t0, 496
    c.addi16sp sp, -512
    sub t0, sp, s0
    check t0, -16
    mv sp, s0
    li a0, 0x89abcdef
    mv a1, s0
    c.sw a0, 124(a1)
    c.lw a2, 124(a1)
    check a2, 0x89abcdef
    c.swsp a0, 252(sp)
    c.lwsp t1, 252(sp)
    check t1, 0x89abcdef
    c.li t0, -32
    check t0, -32
    c.addi t0, 31
    check t0, -1
    c.lui t0, 0xfffe0
    check t0, 0xfffe0000
    c.lui t0, 31
    check t0, 0x1f000
    li a3, 0x80000010
    c.srli a3, 4
    check a3, 0x08000001
    li a3, 0x80000010
    c.srai a3, 31
    check a3, -1
    li a3, 0x12345678
    c.andi a3, -16
    check a3, 0x12345670
    li a3, 20
    li a4, 6
    c.sub a3, a4
    check a3, 14
    c.xor a3, a4
    check a3, 8
    c.or a3, a4
    check a3, 14
    c.and a3, a4
    check a3, 6
    c.slli a3, 31
    check a3, 0
    c.mv t0, a4
    c.add t0, a4
    check t0, 12
    c.nop
    c.j 1f
    never
1:  li a5, 0
    c.beqz a5, 2f
    never
2:  c.bnez a5, 3f
    c.j 4f
3:  never
4:  li a5, 1
    c.bnez a5, 5f
    never
5:  c.beqz a5, 6f
    c.j 7f
6:  never
7:  la t0, 8f
    c.jr t0
    never
8:  la t0, 9f
    c.jalr t0
link1:
    never
9:  la t0, link1
    sub t0, ra, t0
    check t0, 0
    c.jal 10f
link2:
    never
10: la t0, link2
    sub t0, ra, t0
    check t0, 0
    # a 32-bit instruction in two words, two lines, two pages
    li a0, 0
    .option norvc
    j 11f
    .align 6
    .space 62, 0
11: addi a0, a0, 1
    j 12f
    .align 12
    .space 4094, 0
12: addi a0, a0, 1
    check a0, 2
    j pass
    .data
    .align 6
    .space 64
area: .space 2048
