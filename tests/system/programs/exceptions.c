/* Every exception that machine and user level can meet, with its cause, mtval, saved level and interrupt enables. */
#include "rig.h"

static uint32_t data[16] __attribute__((aligned(64)));
uint32_t data_address;

static void common(void) {
    TRY("illegal word", ".word 0xffffffff");
    TRY("illegal word, custom-0", ".word 0x0000000b");
    TRY("illegal halfword", ".half 0x0000");
    TRY("illegal shift", ".word 0x02051513");
    TRY("illegal atomic width", ".word 0x0005352f");
    TRY("sret", "sret");
    TRY("ebreak", "ebreak");
    TRY("c.ebreak", "c.ebreak");
    TRY("ecall", "ecall");
    TRY("write to cycle", "csrw cycle, t2");
    TRY("write to mhartid", "csrrw t3, mhartid, t2");
    TRY("missing register", "csrr t2, 0x7c7");
    TRY("read of mstatus", "csrr t2, mstatus");
    TRY_AFTER("lw from nowhere", "li t2, 0x90000000", "lw t2, 4(t2)");
    TRY_AFTER("lh from nowhere", "li t2, 0x90000000", "lh t2, -2(t2)");
    TRY_AFTER("lbu from nowhere", "li t2, 0xf0000001", "lbu t2, 0(t2)");
    TRY_AFTER("sw to nowhere", "li t2, 0x90000000", "sw t2, 4(t2)");
    TRY_AFTER("sh to nowhere", "li t2, 0x90000000", "sh t2, 2(t2)");
    TRY_AFTER("sb to nowhere", "li t2, 0xf0000001", "sb t2, 0(t2)");
    TRY_AFTER("lr.w misaligned", "lw t2, data_address; addi t2, t2, 1", "lr.w t3, (t2)");
    TRY_AFTER("lw misaligned", "lw t2, data_address", "lw t3, 1(t2)");
    TRY_AFTER("sw misaligned", "lw t2, data_address", "sw t3, 3(t2)");
    TRY("jalr to a halfword", "la t2, 2f; jalr t3, 2(t2); 2: c.nop; c.nop");
}

static void machine(void) {
    /* The pc of a failed fetch is its target, where the site cannot be: it is compared with resume's neighbour. */
    begin("fetch from nowhere");
    asm volatile("la t0, 1f\n sw t0, resume, t1\n li t2, 0x90000000\n sw t2, site, t1\n jalr t3, t2\n 1:"
                 ::: "t0", "t1", "t2", "t3", "memory");
    end();
    begin("fetch from nowhere, compressed jump");
    asm volatile("la t0, 1f\n sw t0, resume, t1\n li t2, 0xf0000002\n sw t2, site, t1\n c.jr t2\n 1:"
                 ::: "t0", "t1", "t2", "t3", "memory");
    end();
}

static void user(void) {
    common();
    TRY("mret", "mret");
    TRY("write to mscratch", "csrw mscratch, t2");
    TRY("read of mepc", "csrr t2, mepc");
    TRY("read of cycle, disabled", "csrr t2, cycle");
    TRY("read of time, disabled", "csrr t2, time");
}

static void user_counters(void) {
    TRY("read of cycle, enabled", "csrr t2, cycle");
    TRY("read of time, enabled", "csrr t2, time");
    TRY("read of instreth, enabled", "csrr t2, instreth");
}

int main(void) {
    region = data_address = (uint32_t)data;
    say("-- machine level\n");
    common();
    machine();
    SET_CSR(mstatus, MSTATUS_MIE);
    TRY("ecall with interrupts enabled", "ecall");
    CLEAR_CSR(mstatus, MSTATUS_MIE);
    say("-- user level\n");
    WRITE_CSR(mcounteren, 0);
    CLEAR_CSR(mstatus, MSTATUS_MPIE);
    in_user(user);
    WRITE_CSR(mcounteren, 7);
    SET_CSR(mstatus, MSTATUS_MPIE);
    in_user(user_counters);
    return 0;
}
