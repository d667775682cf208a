/* Key or mapping taken away: the first process makes an area; others read it, give up what their number says, and read
 * again. 0: nothing, 1: the key, 2: the mapping. */
#include <stdint.h>

#include "hakone/closed.h"
#include "hakone/os.h"

enum { WORDS = 64, TRIES = 4000 };
enum { KEEP, FORGET_KEY, DETACH };

struct table {
    volatile uint32_t readers; /* that have read once */
    uint32_t unused[15];
    uint32_t words[WORDS];
};

static uint32_t value(uint32_t n)
{
    return (n + 7) * 2246822519u;
}

static int read_all(const struct table *table)
{
    for (uint32_t n = 0; n < WORDS; n++) {
        if (table->words[n] != value(n)) {
            return 1;
        }
    }
    return 0;
}

static int create(struct closed *area)
{
    struct table *table = closed_map(area);

    if (!table) {
        return 2;
    }
    for (uint32_t n = 0; n < WORDS; n++) {
        table->words[n] = value(n);
    }
    table->readers = 1;
    os_note(1);
    for (uint32_t tries = 0; tries < TRIES && table->readers < 2; tries++) {
        os_yield();
    }
    for (int n = 0; n < 20; n++) { /* the other one does what it does */
        os_yield();
    }
    return read_all(table);
}

static int use(struct closed *area, uint32_t what)
{
    struct table *table = closed_wait(area, TRIES);

    for (uint32_t tries = 0; table && tries < TRIES && !table->readers; tries++) {
        os_yield();
    }
    if (!table || read_all(table)) {
        return 3;
    }
    table->readers = 2;
    os_note(2);
    if (what == FORGET_KEY) {
        closed_forget_key(area);
    } else if (what == DETACH) {
        closed_detach(area);
    }
    os_show(0, table->words, sizeof table->words);
    os_note(3);
    return read_all(table);
}

int main(void)
{
    struct closed area;
    uint32_t what = os_mailbox()->given;

    if (closed_open(&area, "removal", sizeof(struct table), &closed_stored_key,
                    closed_instance() ? CLOSED_ATTACH : CLOSED_CREATE) != CLOSED_OK) {
        return 4;
    }
    return closed_instance() ? use(&area, what) : create(&area);
}
