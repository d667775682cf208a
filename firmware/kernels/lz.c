/* Compression by references to earlier bytes, and back: hashing, byte copies, branches. More than L1 holds.
 *
 * A control byte announces eight items, bit set for a reference: two bytes, distance - 1 in 12 bits and length - 3 in 4. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { BYTES = 8192, HASHES = 1024, SHORTEST = 3, LONGEST = 18, FARTHEST = 4096 };

static uint32_t hash3(const uint8_t *p)
{
    return ((p[0] << 6 ^ p[1] << 3 ^ p[2]) * 37u) & (HASHES - 1);
}

static uint32_t pack(const uint8_t *in, uint8_t *out, uint16_t *newest)
{
    uint8_t *to = out, *control = to++;
    uint32_t at = 0, items = 0;

    memset(newest, 0, HASHES * sizeof *newest);
    *control = 0;
    while (at < BYTES) {
        uint32_t length = 0, distance = 0;

        if (at + SHORTEST <= BYTES) {
            uint16_t *seen = &newest[hash3(in + at)]; /* position + 1, 0 for none */
            distance = *seen ? at + 1 - *seen : 0;
            if (distance && distance <= FARTHEST) {
                while (length < LONGEST && at + length < BYTES && in[at + length] == in[at + length - distance]) {
                    length++;
                }
            }
            *seen = (uint16_t)(at + 1);
        }
        if (items == 8) {
            control = to++;
            *control = 0;
            items = 0;
        }
        if (length >= SHORTEST) {
            *control |= (uint8_t)(1u << items);
            *to++ = (uint8_t)(distance - 1);
            *to++ = (uint8_t)((distance - 1) >> 8 << 4 | (length - SHORTEST));
            at += length;
        } else {
            *to++ = in[at++];
        }
        items++;
    }
    return (uint32_t)(to - out);
}

static void unpack(const uint8_t *from, uint8_t *out)
{
    uint8_t *to = out;

    while (to < out + BYTES) {
        uint32_t control = *from++;

        for (int item = 0; item < 8 && to < out + BYTES; item++, control >>= 1) {
            if (control & 1) {
                uint32_t distance = (from[0] | (uint32_t)from[1] >> 4 << 8) + 1, length = (from[1] & 15) + SHORTEST;

                from += 2;
                for (; length; length--, to++) {
                    *to = to[-(int32_t)distance];
                }
            } else {
                *to++ = *from++;
            }
        }
    }
}

static uint32_t run(void)
{
    uint8_t *plain = malloc(BYTES), *packed = malloc(BYTES + BYTES / 8 + 1), *again = malloc(BYTES);
    uint16_t *newest = malloc(HASHES * sizeof *newest);
    uint32_t random = 1, hash = MIX_START, count;

    for (uint32_t i = 0; i < BYTES;) { /* runs of new bytes, and repeats of old ones */
        uint32_t length = 1 + (next_random(&random) >> 4) % 16, from = i ? (next_random(&random) >> 4) % i : 0;
        int fresh = !i || (next_random(&random) >> 8) % 3 == 0;

        for (; length && i < BYTES; length--, i++, from++) {
            plain[i] = fresh ? (uint8_t)(next_random(&random) >> 8) : plain[from];
        }
    }
    count = pack(plain, packed, newest);
    unpack(packed, again);
    if (memcmp(plain, again, BYTES)) {
        return KERNEL_BROKEN;
    }
    for (uint32_t i = 0; i < count; i++) {
        hash = mix(hash, packed[i]);
    }
    return mix(hash, count);
}

const struct kernel kernel = {"lz", 3 * BYTES + HASHES * 2, 0x9404765F, run};
