/* Search for words in a text by Horspool's method: strided byte loads and a skip table. More than L1 holds. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { BYTES = 12288, WORDS = 12, WORD = 6 };

static uint32_t occurrences(const uint8_t *text, const uint8_t *word, uint8_t *skip)
{
    uint32_t count = 0;

    memset(skip, WORD, 256);
    for (int i = 0; i < WORD - 1; i++) {
        skip[word[i]] = (uint8_t)(WORD - 1 - i);
    }
    for (uint32_t at = 0; at + WORD <= BYTES; at += skip[text[at + WORD - 1]]) {
        if (text[at + WORD - 1] == word[WORD - 1] && !memcmp(text + at, word, WORD - 1)) {
            count++;
        }
    }
    return count;
}

static uint32_t run(void)
{
    uint8_t *text = malloc(BYTES), *skip = malloc(256);
    uint32_t random = 1, hash = MIX_START;

    for (int i = 0; i < BYTES; i++) {
        text[i] = (uint8_t)('a' + (next_random(&random) >> 8) % 6);
    }
    for (int w = 0; w < WORDS; w++) {
        hash = mix(hash, occurrences(text, text + w * 1000, skip));
    }
    return hash;
}

const struct kernel kernel = {"strsearch", BYTES + 256, 0xCD707640, run};
