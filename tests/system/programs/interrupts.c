/* Software, timer and external interrupts: masks, priority, levels, wfi, and what mip shows. Independent of time. */
#include "rig.h"

static uint32_t taken;

static uint64_t now(void) { return *word(CLINT + 0xBFF8) | (uint64_t)*word(CLINT + 0xBFFC) << 32; }

static void set_timer(uint64_t at) {
    *word(CLINT + 0x4004) = 0xffffffff;
    *word(CLINT + 0x4000) = (uint32_t)at;
    *word(CLINT + 0x4004) = at >> 32;
}

void on_interrupt(uint32_t cause) {
    taken++;
    say("  interrupt ");
    say_hex(cause);
    say(" from level ");
    say_hex(READ_CSR(mstatus) >> 11 & 3);
    say(READ_CSR(mtval) ? " with a value\n" : "\n");
    if (cause == SOFTWARE) *word(CLINT) = 0;
    if (cause == TIMER) set_timer(~0ull);
    if (cause == EXTERNAL) {
        uint32_t source = *word(PLIC + 0x200004);
        say_value("  claimed", source);
        say_value("  identification", *byte(UART + 2) & 15);
        *byte(UART + 1) = 0;
        *word(PLIC + 0x200004) = source;
    }
}

static void raise(uint32_t which) {
    if (which & 1 << SOFTWARE) *word(CLINT) = 1;
    if (which & 1 << TIMER) set_timer(0);
    if (which & 1 << EXTERNAL) *byte(UART + 1) = 2;
}

/* Wait until mip shows the bits: a device may need a moment. */
static void settle(uint32_t bits) {
    while ((READ_CSR(mip) & bits) != bits) {
    }
}

static void wait(uint32_t count) {
    while (*(volatile uint32_t *)&taken < count) {
    }
}

static void each(uint32_t cause) {
    uint32_t bit = 1u << cause;
    say_value("source", cause);
    taken = 0;
    WRITE_CSR(mie, 0);
    raise(bit);
    settle(bit);
    say_value(" pending, not enabled", READ_CSR(mip) & 0x888);
    SET_CSR(mstatus, MSTATUS_MIE);
    say_value(" taken while masked by mie", taken);
    CLEAR_CSR(mstatus, MSTATUS_MIE);
    WRITE_CSR(mie, bit);
    say_value(" taken while masked by mstatus", taken);
    SET_CSR(mstatus, MSTATUS_MIE);
    wait(1);
    CLEAR_CSR(mstatus, MSTATUS_MIE);
    while (READ_CSR(mip) & bit) {
    }
    say_value(" pending afterwards", READ_CSR(mip) & 0x888);
}

static void user_code(void) {
    wait(1);
}

static void from_user(uint32_t cause) {
    say_value("into user level with", cause);
    taken = 0;
    WRITE_CSR(mie, 1u << cause);
    CLEAR_CSR(mstatus, MSTATUS_MIE | MSTATUS_MPIE);
    raise(1u << cause);
    settle(1u << cause);
    in_user(user_code);
}

static void waiting(void) {
    say("wfi with interrupts off goes on when one is pending\n");
    taken = 0;
    CLEAR_CSR(mstatus, MSTATUS_MIE);
    WRITE_CSR(mie, 1 << TIMER);
    set_timer(now() + 2000);
    asm volatile("wfi" ::: "memory");
    settle(1 << TIMER);
    say_value(" taken", taken);
    set_timer(~0ull);
    say("wfi with interrupts on ends in the handler\n");
    SET_CSR(mstatus, MSTATUS_MIE);
    set_timer(now() + 2000);
    while (!*(volatile uint32_t *)&taken) asm volatile("wfi" ::: "memory");
    say_value(" taken", taken);
    CLEAR_CSR(mstatus, MSTATUS_MIE);
}

int main(void) {
    set_timer(~0ull);
    *word(PLIC + 4 * 10) = 1;
    *word(PLIC + 0x2000) = 1 << 10;
    *word(PLIC + 0x200000) = 0;
    *byte(UART + 1) = 0;
    each(SOFTWARE);
    each(TIMER);
    each(EXTERNAL);
    from_user(SOFTWARE);
    from_user(TIMER);
    from_user(EXTERNAL);
    waiting();
    say("threshold of the controller\n");
    taken = 0;
    WRITE_CSR(mie, 1 << EXTERNAL);
    *word(PLIC + 0x200000) = 1;
    raise(1 << EXTERNAL);
    for (int n = 0; n < 100; n++) READ_CSR(mip);
    say_value(" pending below the threshold", READ_CSR(mip) >> EXTERNAL & 1);
    *word(PLIC + 0x200000) = 0;
    settle(1 << EXTERNAL);
    SET_CSR(mstatus, MSTATUS_MIE);
    wait(1);
    CLEAR_CSR(mstatus, MSTATUS_MIE);
    return 0;
}
