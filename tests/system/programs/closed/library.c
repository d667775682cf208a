/* What the library for closed memory answers, and whether a protected process has its variables: every answer is shown. */
#include <stdlib.h>
#include <string.h>

#include "hakone/closed.h"
#include "hakone/os.h"

static uint32_t initialised[3] = {0x11111111, 0x22222222, 0x33333333};
static uint32_t zero[40];
static uint32_t shown;

static void show(uint32_t value)
{
    os_show(shown, &value, sizeof value);
    shown += sizeof value;
}

static void show_variables(void)
{
    uint32_t sum = 0;
    uint8_t digest[32];
    uint8_t *block = malloc(1000);

    for (int n = 0; n < 40; n++) {
        sum |= zero[n];
    }
    show(initialised[0] + initialised[1] + initialised[2]);
    show(sum);
    show(block != NULL);
    memset(block, 'a', 1000);
    closed_sha256(digest, "abc", 3);
    os_show(shown, digest, sizeof digest);
    shown += sizeof digest;
    closed_sha256(digest, block, 1000);
    os_show(shown, digest, sizeof digest);
    shown += sizeof digest;
    show(closed_instance());
}

static void show_errors(void)
{
    struct closed first, second, third, wrong = {0};
    struct closed_key equal;

    memset(&equal, 7, sizeof equal);
    show(closed_open(&first, "", 64, &closed_stored_key, CLOSED_CREATE));
    show(closed_open(&first, "a name of 24 characters!", 64, &closed_stored_key, CLOSED_CREATE));
    show(closed_open(&first, "empty", 0, &closed_stored_key, CLOSED_CREATE));
    show(closed_open(&first, "huge", 0x0FFFFFFF, &closed_stored_key, CLOSED_CREATE));
    show(closed_open(&first, "more than there is", 0x0F000000, &closed_stored_key, CLOSED_CREATE));
    show(closed_map(&wrong) == NULL ? wrong.error : 99);
    show(closed_close(&wrong));

    show(closed_open(&first, "first", 4000, &closed_stored_key, CLOSED_ATTACH));
    show(closed_open(&second, "first", 400000, &closed_stored_key, CLOSED_ATTACH)); /* not the size it has */
    show(closed_map(&first) == NULL ? first.error : 99); /* nobody has created it */
    show(closed_close(&first));

    show(closed_open(&second, "second", 100, &equal, CLOSED_CREATE));
    show(closed_map(&second) == NULL ? second.error : 99);
    show(closed_close(&second));

    closed_open(&first, "first", 4000, &closed_stored_key, CLOSED_CREATE);
    uint32_t place = first.start;
    first.start = OS_PRIVATE; /* as if the operating system had said so */
    show(closed_map(&first) == NULL ? first.error : 99);
    first.start = place + 4;
    show(closed_map(&first) == NULL ? first.error : 99);
    first.start = place;
    show(closed_map(&first) != NULL ? first.error : 99);
    closed_open(&second, "second", 100, &closed_stored_key, CLOSED_CREATE);
    show(closed_map(&second) != NULL ? second.error : 99);
    closed_open(&third, "third", 100, &closed_stored_key, CLOSED_CREATE);
    show(closed_map(&third) == NULL ? third.error : 99);
    closed_close(&second);
    show(closed_map(&third) != NULL ? third.error : 99);
    show(closed_close(&third));
    show(closed_close(&first));
    show(closed_close(&first));
}

int main(void)
{
    show_variables();
    show_errors();
    initialised[0]++; /* another process of the program has its own */
    return 0;
}
