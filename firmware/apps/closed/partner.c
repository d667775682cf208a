/* B: finds the area under the same key at an address of its own, reads it, and answers in it. */
#include <stdio.h>
#include <string.h>

#include "exchange.h"
#include "hakone/os.h"

static uint32_t count_words(const char *text)
{
    uint32_t words = 0;
    int inside = 0;

    for (; *text; text++) {
        int letter = (unsigned char)*text > ' ';

        words += letter && !inside;
        inside = letter;
    }
    return words;
}

static void answer(struct exchange *shared)
{
    struct picture *picture = (struct picture *)(shared->content + shared->text_bytes);
    const char *text = (const char *)shared->content;

    mirror(picture);
    snprintf(shared->answer, sizeof shared->answer, "%u words, %u x %u pixels, mirrored", (unsigned)count_words(text),
             (unsigned)picture->width, (unsigned)picture->height);
    shared->turn = TURN_OF_OWNER;
}

int partner(void)
{
    struct closed_key key;
    struct closed area;

    exchange_key(&key);
    enum closed_error error = closed_open(&area, EXCHANGE_NAME, EXCHANGE_BYTES, &key, CLOSED_ATTACH);
    struct exchange *shared = error == CLOSED_OK ? closed_wait(&area, TRIES) : NULL;
    if (!shared) {
        printf("partner: no area: %s\n", closed_text(area.error));
        return 1;
    }
    if (wait_for(shared, TURN_OF_PARTNER)) {
        puts("partner: nothing was sent");
        return 2;
    }
    uint32_t bytes = shared->text_bytes + shared->picture_bytes;
    if (bytes > EXCHANGE_BYTES || checksum(shared->content, bytes) != shared->checksum) {
        puts("partner: the area was changed by somebody without the key");
        return 3;
    }
    printf("partner: read at 0x%08x, checksum 0x%08x\n", (unsigned)shared, (unsigned)shared->checksum);
    answer(shared);
    os_note(NOTE_ANSWERED);
    return closed_close(&area) == CLOSED_OK ? 0 : 4;
}
