/* Loads and stores of every size at every offset around line and page ends, read-modify-write, and code that changes. */
#include "rig.h"

static uint8_t area[8192] __attribute__((aligned(4096)));

static uint32_t sum(uint32_t from, uint32_t count) {
    uint32_t s = 0;
    for (uint32_t n = 0; n < count; n++) s = (s << 5 | s >> 27) ^ area[from + n];
    return s;
}

static void accesses(uint32_t place) {
    uint32_t all = 0;
    for (uint32_t n = 0; n < sizeof area; n++) area[n] = n * 7 + (n >> 8);
    for (uint32_t offset = 0; offset < 12; offset++) {
        uint8_t *p = area + place + offset - 6;
        uint32_t w, h, hu, b;
        asm volatile("lw %0, 0(%4)\n lh %1, 1(%4)\n lhu %2, 3(%4)\n lb %3, 2(%4)"
                     : "=&r"(w), "=&r"(h), "=&r"(hu), "=&r"(b) : "r"(p) : "memory");
        all = (all << 3 | all >> 29) ^ w ^ h * 3 ^ hu * 5 ^ b * 7;
        asm volatile("sw %1, 0(%0)\n sh %2, 5(%0)\n sb %3, 8(%0)" ::"r"(p), "r"(w ^ 0x5a5a5a5a), "r"(h), "r"(hu) : "memory");
        asm volatile("lw %0, -1(%1)" : "=r"(w) : "r"(p) : "memory");
        all += w;
    }
    say_value(" loads", all);
    say_value(" memory", sum(place - 64, 128));
}

static void atomics(void) {
    static uint32_t cell __attribute__((aligned(64)));
    uint32_t old, status;
#define AMO(name, start, operand)                                                                       \
    cell = start;                                                                                       \
    asm volatile("amo" #name ".w %0, %2, (%1)" : "=r"(old) : "r"(&cell), "r"(operand) : "memory");      \
    say_value(" amo" #name " old", old);                                                                \
    say_value(" amo" #name " new", cell);
    AMO(swap, 0x12345678u, 0x9abcdef0u)
    AMO(add, 0xfffffff0u, 0x20u)
    AMO(xor, 0xff00ff00u, 0x0ff00ff0u)
    AMO(and, 0xff00ff00u, 0x0ff00ff0u)
    AMO(or, 0xff00ff00u, 0x0ff00ff0u)
    AMO(min, 0x80000000u, 1u)
    AMO(max, 0x80000000u, 1u)
    AMO(minu, 0x80000000u, 1u)
    AMO(maxu, 0x80000000u, 1u)
    cell = 5;
    asm volatile("1: lr.w %0, (%2)\n addi t0, %0, 1\n sc.w %1, t0, (%2)\n bnez %1, 1b"
                 : "=&r"(old), "=&r"(status) : "r"(&cell) : "t0", "memory");
    say_value(" lr/sc old", old);
    say_value(" lr/sc status", status);
    say_value(" lr/sc new", cell);
    asm volatile("sc.w %0, %1, (%2)" : "=&r"(status) : "r"(99), "r"(&cell) : "memory");
    say_value(" sc without lr", status);
    say_value(" memory", cell);
}

/* addi a0, zero, n; ret, as 32-bit words; then the same with another n. */
static uint32_t code[2] __attribute__((aligned(64)));

static void changing(void) {
    for (uint32_t n = 1; n < 4; n++) {
        code[0] = 0x00000513 | n * 17 << 20;
        code[1] = 0x00008067;
        asm volatile("fence.i" ::: "memory");
        say_value(" changed code returns", ((uint32_t(*)(void))code)());
    }
}

int main(void) {
    say("inside a line\n");
    accesses(64 + 24);
    say("across lines\n");
    accesses(128);
    say("across pages\n");
    accesses(4096);
    say("atomics\n");
    atomics();
    say("code that changes\n");
    changing();
    return 0;
}
