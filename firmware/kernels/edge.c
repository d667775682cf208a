/* A 3 x 3 filter over a grey picture: overlapping byte loads, small multiplications. As much as L1 holds. */
#include <stdlib.h>

#include "kernel.h"

enum { SIDE = 64 };

static uint32_t run(void)
{
    uint8_t(*from)[SIDE] = malloc(SIDE * SIDE), (*to)[SIDE] = malloc(SIDE * SIDE);
    uint32_t random = 1, hash = MIX_START;

    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            from[y][x] = (uint8_t)(x * y / 16 + (int)(next_random(&random) & 7));
            to[y][x] = 0;
        }
    }
    for (int y = 1; y < SIDE - 1; y++) {
        for (int x = 1; x < SIDE - 1; x++) {
            int across = from[y - 1][x + 1] + 2 * from[y][x + 1] + from[y + 1][x + 1] - from[y - 1][x - 1] -
                         2 * from[y][x - 1] - from[y + 1][x - 1];
            int down = from[y + 1][x - 1] + 2 * from[y + 1][x] + from[y + 1][x + 1] - from[y - 1][x - 1] -
                       2 * from[y - 1][x] - from[y - 1][x + 1];
            int strength = abs(across) + abs(down);
            to[y][x] = (uint8_t)(strength > 255 ? 255 : strength);
        }
    }
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            hash = mix(hash, to[y][x]);
        }
    }
    return hash;
}

const struct kernel kernel = {"edge", 2 * SIDE * SIDE, 0x0B376DED, run};
