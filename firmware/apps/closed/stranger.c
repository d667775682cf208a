/* D: a protected program of somebody else, with a key of its own, over the same memory. It shows what it reads. */
#include <stdint.h>
#include <stdio.h>

#include "exchange.h"
#include "hakone/os.h"

int main(void)
{
    struct closed_key key;
    struct closed area;

    exchange_key(&key);
    if (closed_open(&area, EXCHANGE_NAME, EXCHANGE_BYTES, &key, CLOSED_ATTACH) != CLOSED_OK) {
        printf("stranger: no area: %s\n", closed_text(area.error));
        return 1;
    }
    const struct exchange *shared = closed_wait(&area, os_mailbox()->given);
    printf("stranger: %s\n", closed_text(area.error));
    if (shared) {
        wait_for(shared, TURN_OF_PARTNER);
    } else if (area.error != CLOSED_NOT_THERE) {
        return 2;
    }
    os_show(0, (const void *)area.start, OS_OUTPUT_BYTES);
    os_note(NOTE_READ);
    return closed_close(&area) == CLOSED_OK ? 0 : 3;
}
