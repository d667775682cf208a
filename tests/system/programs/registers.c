/* Control and status registers: the six instructions, fields that exist, read-only ones, and mret's bookkeeping. */
#include "rig.h"

static void forms(void) {
    uint32_t a, b, c, d, e, f;
    WRITE_CSR(mscratch, 0x0f0f1234);
    uint32_t scratch = READ_CSR(mscratch);
    asm volatile("csrrw %0, mtval, %1" : "=r"(a) : "r"(0x12345678));
    asm volatile("csrrs %0, mtval, %1" : "=r"(b) : "r"(0x80000001));
    asm volatile("csrrc %0, mtval, %1" : "=r"(c) : "r"(0x00005678));
    asm volatile("csrrwi %0, mtval, 31" : "=r"(d));
    asm volatile("csrrsi %0, mtval, 0" : "=r"(e));
    asm volatile("csrrci %0, mtval, 21" : "=r"(f));
    say_value("csrrw", a == 0 ? 0 : 1); /* what an earlier trap left is not fixed: only that it is readable */
    say_value("csrrs", b);
    say_value("csrrc", c);
    say_value("csrrwi", d);
    say_value("csrrsi", e);
    say_value("csrrci", f);
    say_value("after", READ_CSR(mtval));
    say_value("mscratch", scratch);
}

static void status(void) {
    WRITE_CSR(mstatus, 0);
    say_value("mstatus after 0", READ_CSR(mstatus) & 0x1888);
    SET_CSR(mstatus, MSTATUS_MPP | MSTATUS_MPIE);
    say_value("mstatus with MPP, MPIE", READ_CSR(mstatus) & 0x1888);
    CLEAR_CSR(mstatus, MSTATUS_MPP);
    say_value("mstatus without MPP", READ_CSR(mstatus) & 0x1888);
    /* mret: MIE from MPIE, MPIE becomes 1, MPP the least level */
    asm volatile(
        "li t0, 0x1800\n csrs mstatus, t0\n li t0, 0x80\n csrc mstatus, t0\n la t0, 1f\n csrw mepc, t0\n mret\n 1:"
        ::: "t0", "memory");
    say_value("mstatus after mret, MPIE was 0", READ_CSR(mstatus) & 0x1888);
    asm volatile("li t0, 0x1880\n csrs mstatus, t0\n la t0, 1f\n csrw mepc, t0\n mret\n 1:" ::: "t0", "memory");
    say_value("mstatus after mret, MPIE was 1", READ_CSR(mstatus) & 0x1888);
    CLEAR_CSR(mstatus, MSTATUS_MIE);
}

static void fields(void) {
    uint32_t old = READ_CSR(mtvec);
    WRITE_CSR(mtvec, 0x80000100);
    uint32_t direct = READ_CSR(mtvec);
    WRITE_CSR(mtvec, 0x80000101);
    uint32_t vectored = READ_CSR(mtvec);
    WRITE_CSR(mtvec, old);
    say_value("mtvec direct", direct);
    say_value("mtvec vectored", vectored);
    WRITE_CSR(mepc, 0x80000002);
    say_value("mepc at a halfword", READ_CSR(mepc));
    WRITE_CSR(mie, 0x888);
    say_value("mie", READ_CSR(mie) & 0x888);
    WRITE_CSR(mie, 0);
    WRITE_CSR(mcause, 0x80000007);
    say_value("mcause", READ_CSR(mcause));
    WRITE_CSR(mcause, 2);
    say_value("mcause", READ_CSR(mcause));
    WRITE_CSR(mcounteren, 5);
    say_value("mcounteren", READ_CSR(mcounteren) & 7);
    say_value("mhartid", READ_CSR(mhartid));
    say_value("misa: width, A, C, I, M, U", READ_CSR(misa) & 0xC0101105);
    WRITE_CSR(misa, 0);
    say_value("misa after a write", READ_CSR(misa) & 0xC0101105);
}

static void counters(void) {
    uint32_t a = READ_CSR(cycle), b = READ_CSR(cycle);
    say_value("cycle runs", b > a);
    a = READ_CSR(minstret), b = READ_CSR(minstret);
    say_value("instret runs", b > a);
    a = READ_CSR(time);
    while (READ_CSR(time) == a) {
    }
    say_value("time runs and agrees with mtime", *word(CLINT + 0xBFF8) - READ_CSR(time) + 1000 < 2000);
    WRITE_CSR(mcountinhibit, 5);
    say_value("mcountinhibit", READ_CSR(mcountinhibit) & 5);
    a = READ_CSR(mcycle);
    b = READ_CSR(mcycle);
    say_value("inhibited mcycle stands", a == b);
    a = READ_CSR(minstret);
    b = READ_CSR(minstret);
    say_value("inhibited minstret stands", a == b);
    WRITE_CSR(mcountinhibit, 0);
    WRITE_CSR(mcycleh, 7);
    say_value("mcycleh", READ_CSR(mcycleh));
    WRITE_CSR(minstreth, 9);
    say_value("minstreth", READ_CSR(minstreth));
}

int main(void) {
    forms();
    status();
    fields();
    counters();
    return 0;
}
