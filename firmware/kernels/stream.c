/* Fill, copy and add over long arrays: nothing but memory bandwidth, read and written. Far more than L1 holds. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { WORDS = 5120 };

static uint32_t run(void)
{
    uint32_t *a = malloc(WORDS * sizeof *a), *b = malloc(WORDS * sizeof *b), hash = MIX_START;

    for (uint32_t i = 0; i < WORDS; i++) {
        a[i] = i * 2654435761u;
    }
    memcpy(b, a, WORDS * sizeof *b);
    for (uint32_t i = 0; i < WORDS; i++) {
        a[i] += b[WORDS - 1 - i];
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        hash = mix(hash, a[i]);
    }
    return hash;
}

const struct kernel kernel = {"stream", 2 * WORDS * 4, 0xCBF221C5, run};
