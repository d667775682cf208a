/* Any number of processes of one program meet in one closed area: each writes its part and checks everyone else's.
 *
 * Built small: a process takes two entries of the processor, its code and one more, so that eight fit. */
#include <stdint.h>
#include <string.h>

#include "hakone/closed.h"
#include "hakone/os.h"

enum { MOST = 14, WORDS = 15, TRIES = 20000 };
enum { STEP_ARRIVED, STEP_WRITTEN, STEP_CHECKED, STEPS };

struct table {
    uint32_t steps[STEPS]; /* how many processes have done each */
    uint32_t unused[13];
    struct {
        uint32_t words[WORDS], sum;
    } parts[MOST];
};

static uint32_t value(uint32_t process, uint32_t word)
{
    return (process + 1) * 2654435761u ^ (word + 1) * 40503u * 65537u;
}

/* Count this process in, and wait for the others. 0, or 1 when they do not come. */
static int step(struct table *table, int which, uint32_t processes)
{
    __atomic_fetch_add(&table->steps[which], 1, __ATOMIC_SEQ_CST);
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        if (__atomic_load_n(&table->steps[which], __ATOMIC_SEQ_CST) >= processes) {
            return 0;
        }
        os_yield();
    }
    return 1;
}

static int meet(struct table *table, uint32_t me, uint32_t processes)
{
    if (step(table, STEP_ARRIVED, processes)) {
        return 1;
    }
    for (uint32_t n = 0; n < WORDS; n++) {
        table->parts[me].words[n] = value(me, n);
        table->parts[me].sum += value(me, n);
    }
    if (step(table, STEP_WRITTEN, processes)) {
        return 2;
    }
    for (uint32_t p = 0; p < processes; p++) {
        uint32_t sum = 0;

        for (uint32_t n = 0; n < WORDS; n++) {
            if (table->parts[p].words[n] != value(p, n)) {
                return 3;
            }
            sum += value(p, n);
        }
        if (sum != table->parts[p].sum) {
            return 4;
        }
    }
    return step(table, STEP_CHECKED, processes) ? 5 : 0;
}

int main(void)
{
    uint32_t me = closed_instance();
    struct closed area;

    if (closed_open_mailbox() != CLOSED_OK) {
        return 10;
    }
    uint32_t processes = os_mailbox()->given;
    processes = processes < MOST ? processes : MOST;
    enum closed_error error = closed_open(&area, "gathering", sizeof(struct table), &closed_stored_key,
                                          me ? CLOSED_ATTACH : CLOSED_CREATE);
    closed_close_mailbox();
    struct table *table = error == CLOSED_OK ? closed_wait(&area, TRIES) : NULL;
    int result = table ? meet(table, me, processes) : 20 + (int)area.error;
    uint32_t last = table ? table->parts[processes - 1].sum : 0;
    closed_forget_key(&area);
    if (closed_open_mailbox() != CLOSED_OK) {
        __builtin_trap(); /* nobody can be told */
    }
    os_show(0, &last, sizeof last);
    closed_detach(&area);
    return result;
}
