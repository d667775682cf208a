/* A finite impulse response filter of 32 taps: multiply and add over halfwords, all in L1. */
#include <stdlib.h>

#include "kernel.h"

enum { TAPS = 32, SAMPLES = 1024 };

static uint32_t run(void)
{
    int16_t *tap = malloc(TAPS * sizeof *tap), *in = malloc((SAMPLES + TAPS) * sizeof *in);
    int16_t *out = malloc(SAMPLES * sizeof *out);
    uint32_t random = 1, hash = MIX_START;

    for (int i = 0; i < TAPS; i++) {
        tap[i] = (int16_t)(i < TAPS / 2 ? i * 64 : (TAPS - 1 - i) * 64);
    }
    for (int i = 0; i < SAMPLES + TAPS; i++) {
        in[i] = (int16_t)(next_random(&random) >> 4);
    }
    for (int n = 0; n < SAMPLES; n++) {
        int32_t sum = 0;
        for (int i = 0; i < TAPS; i++) {
            sum += (tap[i] * in[n + i]) >> 6;
        }
        out[n] = (int16_t)(sum >> 9);
    }
    for (int n = 0; n < SAMPLES; n++) {
        hash = mix(hash, (uint16_t)out[n]);
    }
    return hash;
}

const struct kernel kernel = {"fir", (TAPS + 2 * SAMPLES + TAPS) * 2, 0x8C773533, run};
