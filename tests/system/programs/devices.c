/* Registers of the UART, the interrupt controller and the timer block, as far as software depends on them. */
#include "rig.h"

static void uart(void) {
    say_value("line status, idle", *byte(UART + 5) & 0x61);
    *byte(UART + 7) = 0xa5;
    say_value("scratch", *byte(UART + 7));
    *byte(UART + 1) = 0;
    say_value("identification, nothing enabled", *byte(UART + 2) & 15);
    *byte(UART + 1) = 2;
    say_value("enable", *byte(UART + 1));
    say_value("identification, transmitter empty", *byte(UART + 2) & 15);
    say_value("identification, after it was read", *byte(UART + 2) & 15);
    *byte(UART + 1) = 0;
    *byte(UART + 3) = 0x83;
    *byte(UART + 0) = 1;
    *byte(UART + 1) = 0;
    say_value("divisor, low", *byte(UART + 0));
    say_value("divisor, high", *byte(UART + 1));
    *byte(UART + 3) = 3;
    say_value("line control", *byte(UART + 3));
    say_value("enable, again", *byte(UART + 1));
}

static void plic(void) {
    /* What earlier steps left behind. */
    *word(PLIC + 40) = 1;
    *word(PLIC + 0x2000) = 1 << 10;
    *word(PLIC + 0x200000) = 0;
    for (uint32_t source; (source = *word(PLIC + 0x200004)) != 0;) *word(PLIC + 0x200004) = source;
    say_value("priority", (*word(PLIC + 40) = 5, *word(PLIC + 40)));
    say_value("enable", (*word(PLIC + 0x2000) = 1 << 10, *word(PLIC + 0x2000)));
    say_value("threshold", (*word(PLIC + 0x200000) = 3, *word(PLIC + 0x200000)));
    say_value("claim, nothing pending", *word(PLIC + 0x200004));
    *word(PLIC + 0x200000) = 0;
    *byte(UART + 1) = 2;
    while (!(*word(PLIC + 0x1000) & 1 << 10)) {
    }
    say_value("pending", *word(PLIC + 0x1000));
    say_value("claim", *word(PLIC + 0x200004));
    say_value("pending, claimed", *word(PLIC + 0x1000));
    say_value("claim, again", *word(PLIC + 0x200004));
    *byte(UART + 1) = 0;
    *word(PLIC + 0x200004) = 10;
    say_value("pending, quiet and completed", *word(PLIC + 0x1000));
    *word(PLIC + 40) = 0;
    *byte(UART + 1) = 2;
    for (int n = 0; n < 100; n++) READ_CSR(mip);
    say_value("claim at priority 0", *word(PLIC + 0x200004));
    *byte(UART + 1) = 0;
}

static void timer(void) {
    *word(CLINT) = 1;
    say_value("msip", *word(CLINT));
    say_value("mip", READ_CSR(mip) & 8);
    *word(CLINT) = 0xfffffffe;
    say_value("msip, even", *word(CLINT));
    *word(CLINT + 0x4000) = 0x11223344;
    *word(CLINT + 0x4004) = 0x55667788;
    say_value("mtimecmp", *word(CLINT + 0x4000));
    say_value("mtimecmp, high", *word(CLINT + 0x4004));
    uint32_t a = *word(CLINT + 0xBFF8);
    while (*word(CLINT + 0xBFF8) == a) {
    }
    say_value("mtime runs", *word(CLINT + 0xBFF8) > a);
}

static void virtio(void) {
    for (uint32_t n = 0; n < 8; n++) {
        uint32_t base = 0x10001000 + 0x1000 * n;
        say_value("virtio magic", *word(base));
        say_value("virtio device", *word(base + 8));
    }
}

int main(void) {
    uart();
    plic();
    timer();
    virtio();
    return 0;
}
