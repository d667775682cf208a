/* A: makes the closed area, puts its text and its picture there, and reads the partner's answer. */
#include <stdio.h>
#include <string.h>

#include "exchange.h"
#include "hakone/os.h"

/* Put in by the owner when the program is built: part of its encrypted constants. */
extern const struct picture owner_picture;
extern const char owner_text[]; /* ends with a zero byte, and more up to a whole word */

static uint32_t picture_bytes(void)
{
    return (uint32_t)sizeof owner_picture + 4 * owner_picture.width * owner_picture.height;
}

static int fill(struct exchange *shared)
{
    uint32_t text = ((uint32_t)strlen(owner_text) / 4 + 1) * 4, picture = picture_bytes();

    if (sizeof *shared + text + picture > EXCHANGE_BYTES) {
        return 1;
    }
    shared->text_bytes = text;
    shared->picture_bytes = picture;
    memcpy(shared->content, owner_text, text);
    memcpy(shared->content + text, &owner_picture, picture);
    shared->checksum = checksum(shared->content, text + picture);
    for (int pause = 0; pause < EXCHANGE_PAUSE; pause++) {
        os_yield();
    }
    shared->turn = TURN_OF_PARTNER;
    return 0;
}

/* The partner was to send the picture back from right to left. */
static int answer_is_right(const struct exchange *shared)
{
    struct picture *back = (struct picture *)(shared->content + shared->text_bytes);

    mirror(back);
    return shared->picture_bytes == picture_bytes() && !memcmp(back, &owner_picture, picture_bytes());
}

int owner(void)
{
    struct closed_key key;
    struct closed area;

    exchange_key(&key);
    enum closed_error error = closed_open(&area, EXCHANGE_NAME, EXCHANGE_BYTES, &key, CLOSED_CREATE);
    struct exchange *shared = error == CLOSED_OK ? closed_map(&area) : NULL;
    if (!shared) {
        printf("owner: no area: %s\n", closed_text(area.error));
        return 1;
    }
    if (fill(shared)) {
        puts("owner: text and picture are larger than the area");
        return 2;
    }
    printf("owner: filled at 0x%08x, checksum 0x%08x\n", (unsigned)shared, (unsigned)shared->checksum);
    os_note(NOTE_FILLED);
    if (wait_for(shared, TURN_OF_OWNER)) {
        puts("owner: nobody answers");
        return 3;
    }
    shared->answer[ANSWER_BYTES - 1] = '\0';
    int right = answer_is_right(shared);
    printf("owner: the answer is %s: %s\n", right ? "right" : "WRONG", shared->answer);
    os_note(NOTE_READ);
    error = closed_close(&area);
    return right && error == CLOSED_OK ? 0 : 4;
}
