/* The encrypted task: sorts a table that it makes, in its own memory, and shows what is
 * mixed from the result: nothing in the window stands in the table. */
#include <stdint.h>

#define ENTRIES 512u

void secret_task(void);

volatile uint32_t result[16] __attribute__((section(".window"), aligned(64)));
static uint32_t table[ENTRIES];

static void sift(uint32_t root, uint32_t end)
{
    for (uint32_t child; (child = 2 * root + 1) < end; root = child) {
        uint32_t value = table[root];

        if (child + 1 < end && table[child] < table[child + 1]) {
            child++;
        }
        if (value >= table[child]) {
            return;
        }
        table[root] = table[child];
        table[child] = value;
    }
}

void secret_task(void)
{
    uint32_t state = 12345, mix = 0;

    for (uint32_t n = 0; n < ENTRIES; n++) {
        state = state * 1103515245u + 12345u;
        table[n] = state;
    }
    for (uint32_t n = ENTRIES / 2; n-- > 0;) {
        sift(n, ENTRIES);
    }
    for (uint32_t end = ENTRIES - 1; end > 0; end--) {
        uint32_t value = table[0];

        table[0] = table[end];
        table[end] = value;
        sift(0, end);
    }
    for (uint32_t n = 0; n < ENTRIES; n++) {
        mix = mix * 31u + table[n];
    }
    result[0] = mix;
    result[1] = table[0] ^ table[ENTRIES - 1];
}
