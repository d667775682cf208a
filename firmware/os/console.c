/* The serial port, the record of events, and the end. */
#include <stdint.h>

#include "hakone/uart.h"
#include "kernel.h"

struct os_event os_events[EVENTS];
uint32_t os_event_count;

void put_text(const char *text)
{
    while (*text) {
        uart_put(*text++);
    }
}

void put_number(uint32_t value)
{
    char digits[10];
    int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n) {
        uart_put(digits[--n]);
    }
}

void record(enum event_kind kind, uint32_t context, uint32_t a, uint32_t b)
{
    if (os_event_count < EVENTS) {
        os_events[os_event_count++] = (struct os_event){kind, context, a, b};
    }
}

/* Every dirty line goes to memory (fence.i cleans the data cache), then the machine stops. */
void finish(uint32_t code)
{
    volatile uint32_t *finisher = (volatile uint32_t *)HAKONE_FINISHER_BASE;

    __asm__ volatile("fence.i" : : : "memory");
    *finisher = code ? code << 16 | HAKONE_FINISHER_FAIL : HAKONE_FINISHER_PASS;
    for (;;) {
    }
}
