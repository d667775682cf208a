/* Log, trap handler and end of the test programs; see rig.h. */
#include "rig.h"

static char text[16384];
static uint32_t used;
static const char *current = "";

volatile uint32_t site, resume, traps, region;

void say(const char *s) {
    while (*s && used < sizeof text) text[used++] = *s++;
}

void say_hex(uint32_t value) {
    char digits[9] = {0};
    for (int n = 7; n >= 0; n--, value >>= 4) digits[n] = "0123456789abcdef"[value & 15];
    say(digits);
}

void say_value(const char *name, uint32_t value) {
    say(name);
    say(" ");
    say_hex(value);
    say("\n");
}

void finish(uint32_t code) {
    for (uint32_t n = 0; n < used; n++) {
        while (!(*byte(UART + 5) & 0x20)) {
        }
        *byte(UART) = text[n];
    }
    *word(FINISHER) = code ? code << 16 | 0x3333 : 0x5555;
    for (;;) {
    }
}

void begin(const char *name) {
    current = name;
    traps = 0;
}

void end(void) {
    if (!traps) {
        say(current);
        say(": no trap\n");
    }
}

__attribute__((weak)) void on_interrupt(uint32_t cause) {
    (void)cause;
    finish(98);
}

/* The value of mtval in words that do not depend on where the program lies. */
static void say_tval(uint32_t tval, uint32_t pc) {
    if (tval && tval == pc) say(" value pc");
    else if (region && tval - region < 64) {
        say(" value region + ");
        say_hex(tval - region);
    } else {
        say(" value ");
        say_hex(tval);
    }
}

void on_trap(struct frame *f) {
    uint32_t cause = READ_CSR(mcause), status = READ_CSR(mstatus), pc = f->x[0];
    if (cause >> 31) {
        on_interrupt(cause & 31);
        return;
    }
    if (cause == 8 && f->x[17] == 0xEE) {
        SET_CSR(mstatus, MSTATUS_MPP);
        f->x[0] = pc + 4;
        return;
    }
    traps++;
    say(current);
    say(": cause ");
    say_hex(cause);
    say_tval(READ_CSR(mtval), pc);
    say(pc == site ? " at the site" : pc == resume ? " at resume" : " elsewhere");
    say(" from level ");
    say_hex(status >> 11 & 3);
    say(status & MSTATUS_MIE ? " MIE" : " -");
    say(status & MSTATUS_MPIE ? " MPIE\n" : " -\n");
    if (resume) f->x[0] = resume;
    else f->x[0] = pc + ((*(volatile uint16_t *)pc & 3) == 3 ? 4 : 2);
    resume = 0;
}
