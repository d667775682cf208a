/* What owner, partner and stranger have in common. */
#include "exchange.h"

#include "hakone/os.h"

void exchange_key(struct closed_key *key)
{
#ifdef DERIVED
    closed_derive(key, closed_seed, sizeof closed_seed, EXCHANGE_NAME);
#else
    *key = closed_stored_key;
#endif
}

uint32_t checksum(const void *words, uint32_t bytes)
{
    uint32_t hash = 2166136261u;

    for (const uint32_t __attribute__((may_alias)) *p = words; bytes; bytes -= 4, p++) {
        hash = (hash ^ *p) * 16777619u;
    }
    return hash;
}

void mirror(struct picture *picture)
{
    for (uint32_t y = 0; y < picture->height; y++) {
        uint32_t *left = picture->pixels + y * picture->width, *right = left + picture->width - 1;

        for (; left < right; left++, right--) {
            uint32_t pixel = *left;

            *left = *right;
            *right = pixel;
        }
    }
}

int wait_for(const struct exchange *shared, uint32_t turn)
{
    for (int tries = 0; tries < TRIES; tries++) {
        if (shared->turn == turn) {
            return 0;
        }
        os_yield();
    }
    return 1;
}
