/* What an access costs in memory that is shared, and in memory that is not: one program, two processes.
 *
 * The first process has two areas of the same size under two keys; the second has joined one of them. The first reads
 * both, a word from every line, cold and then again. Every figure is the least of several rounds, so that a tick of the
 * operating system between two readings of the clock does not count. */
#include <stdint.h>
#include <stdio.h>

#include "hakone/closed.h"
#include "hakone/os.h"

enum { AREA_BYTES = 2048, STEP_WORDS = 16, EVICT_WORDS = 6144, ROUNDS = 6, TRIES = 20000 };

struct meeting {
    uint32_t joined, done;
    uint32_t words[AREA_BYTES / 4];
};

static volatile uint32_t elsewhere[EVICT_WORDS];

static uint32_t cycles(void)
{
    uint32_t now;

    __asm__ volatile("rdcycle %0" : "=r"(now) : : "memory");
    return now;
}

/* Cycles of one load from every line of the area. */
static uint32_t walk(const volatile uint32_t *words)
{
    uint32_t start = cycles();

    for (uint32_t n = 0; n < AREA_BYTES / 4; n += STEP_WORDS) {
        (void)words[n];
    }
    return cycles() - start;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void measure(const char *name, const volatile uint32_t *words)
{
    uint32_t cold = UINT32_MAX, warm = UINT32_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t n = 0; n < EVICT_WORDS; n += STEP_WORDS) {
            (void)elsewhere[n];
        }
        cold = smaller(cold, walk(words));
        warm = smaller(warm, walk(words));
    }
    printf("%s cold %u warm %u accesses %u\n", name, (unsigned)cold, (unsigned)warm,
           (unsigned)(AREA_BYTES / 4 / STEP_WORDS));
}

static int first(struct meeting *shared)
{
    struct closed_key key = closed_stored_key;
    struct closed area;

    key.bytes[0] ^= 1;
    if (closed_open(&area, "private", sizeof(struct meeting), &key, CLOSED_CREATE) != CLOSED_OK) {
        return 2;
    }
    struct meeting *private = closed_map(&area);

    if (!private) {
        return 3;
    }
    for (int tries = 0; !*(volatile uint32_t *)&shared->joined; tries++) {
        if (tries == TRIES) {
            return 4;
        }
        os_yield();
    }
    measure("private", private->words);
    measure("shared", shared->words);
    *(volatile uint32_t *)&shared->done = 1;
    return 0;
}

static int second(struct meeting *shared)
{
    uint32_t sum = 0;

    for (uint32_t n = 0; n < AREA_BYTES / 4; n++) {
        sum += shared->words[n];
    }
    *(volatile uint32_t *)&shared->joined = 1;
    while (!*(volatile uint32_t *)&shared->done) {
        os_yield();
    }
    return sum ? 5 : 0;
}

int main(void)
{
    uint32_t me = closed_instance();
    struct closed area;

    if (closed_open(&area, "shared", sizeof(struct meeting), &closed_stored_key, me ? CLOSED_ATTACH : CLOSED_CREATE)
        != CLOSED_OK) {
        return 1;
    }
    struct meeting *shared = closed_wait(&area, TRIES);

    if (!shared) {
        return 6;
    }
    return me ? second(shared) : first(shared);
}
