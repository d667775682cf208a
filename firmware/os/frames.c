/* Page frames, from the end of the operating system on: first fit, in a row, because a protected region is in one piece. */
#include <stdint.h>

#include "kernel.h"

enum { FRAMES = 2048 };

extern char __frames[]; /* the linker's: first free page */

static uint8_t used[FRAMES];

uint32_t whole_pages(uint32_t bytes)
{
    return (bytes + OS_PAGE_BYTES - 1) / OS_PAGE_BYTES * OS_PAGE_BYTES;
}

uint32_t frames_take(uint32_t bytes)
{
    uint32_t wanted = whole_pages(bytes) / OS_PAGE_BYTES, run = 0;

    for (uint32_t n = 0; n < FRAMES && wanted; n++) {
        run = used[n] ? 0 : run + 1;
        if (run == wanted) {
            uint32_t first = n + 1 - wanted;

            for (uint32_t i = first; i <= n; i++) {
                used[i] = 1;
            }
            return (uint32_t)__frames + first * OS_PAGE_BYTES;
        }
    }
    return 0;
}

void frames_give(uint32_t physical, uint32_t bytes)
{
    uint32_t first = (physical - (uint32_t)__frames) / OS_PAGE_BYTES;

    for (uint32_t i = 0; i < whole_pages(bytes) / OS_PAGE_BYTES; i++) {
        used[first + i] = 0;
    }
}
