/* A kernel: a piece of work of known size with a known result, timed once from cold caches.
 *
 * kernel_main.c runs it and prints "kernel NAME cycles N result R". What it works on it takes from the heap and makes
 * itself, so that nothing of it is in the caches at first; start-up clears .bss in plain programs only. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdint.h>

struct kernel {
    const char *name;
    uint32_t working_set_bytes; /* of the data, as good as all of it touched */
    uint32_t expected;
    uint32_t (*run)(void); /* a checksum of the result; KERNEL_BROKEN when it finds itself wrong */
};

#define KERNEL_BROKEN 0xDEADu

extern const struct kernel kernel;

/* Pseudo-random numbers, Numerical Recipes' generator; the upper half is the better one. */
static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* FNV-1a, a step per 32-bit word. */
static inline uint32_t mix(uint32_t hash, uint32_t word)
{
    return (hash ^ word) * 16777619u;
}

#define MIX_START 2166136261u

#endif
