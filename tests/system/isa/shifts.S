# Shifts by registers, of which five bits count, and by immediates.
#include "isa.h"
    program
    binary sll, 0x00000001, 0x00000000, 0x00000001
    binary sll, 0x80000001, 0x00000001, 0x00000002
    binary sll, 0x80000001, 0x0000001f, 0x80000000
    binary sll, 0x12345678, 0x00000004, 0x23456780
    binary sll, 0xdeadbeef, 0x00000020, 0xdeadbeef
    binary sll, 0xdeadbeef, 0xffffffe5, 0xd5b7dde0
    binary srl, 0x00000001, 0x00000000, 0x00000001
    binary srl, 0x80000001, 0x00000001, 0x40000000
    binary srl, 0x80000001, 0x0000001f, 0x00000001
    binary srl, 0x12345678, 0x00000004, 0x01234567
    binary srl, 0xdeadbeef, 0x00000020, 0xdeadbeef
    binary srl, 0xdeadbeef, 0xffffffe5, 0x06f56df7
    binary sra, 0x00000001, 0x00000000, 0x00000001
    binary sra, 0x80000001, 0x00000001, 0xc0000000
    binary sra, 0x80000001, 0x0000001f, 0xffffffff
    binary sra, 0x12345678, 0x00000004, 0x01234567
    binary sra, 0xdeadbeef, 0x00000020, 0xdeadbeef
    binary sra, 0xdeadbeef, 0xffffffe5, 0xfef56df7
    immediate slli, 0x00000001, 0, 0x00000001
    immediate slli, 0x80000001, 1, 0x00000002
    immediate slli, 0x80000001, 31, 0x80000000
    immediate slli, 0x12345678, 16, 0x56780000
    immediate srli, 0x00000001, 0, 0x00000001
    immediate srli, 0x80000001, 1, 0x40000000
    immediate srli, 0x80000001, 31, 0x00000001
    immediate srli, 0x12345678, 16, 0x00001234
    immediate srai, 0x00000001, 0, 0x00000001
    immediate srai, 0x80000001, 1, 0xc0000000
    immediate srai, 0x80000001, 31, 0xffffffff
    immediate srai, 0x12345678, 16, 0x00001234
    j pass
