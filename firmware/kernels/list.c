/* A linked list whose order in memory is random: every step waits for a load, and nearly every one misses L1. */
#include <stdlib.h>

#include "kernel.h"

enum { NODES = 1024, PASSES = 4 };

struct node {
    struct node *next;
    uint32_t value;
    uint32_t unused[6]; /* half a line each */
};

static uint32_t run(void)
{
    struct node *nodes = malloc(NODES * sizeof *nodes), *head;
    uint16_t *order = malloc(NODES * sizeof *order);
    uint32_t random = 1, hash = MIX_START;

    for (uint32_t i = 0; i < NODES; i++) { /* a random order, by Fisher and Yates, inside out */
        uint32_t j = (next_random(&random) >> 4) % (i + 1);
        order[i] = order[j];
        order[j] = (uint16_t)i;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[order[i]].next = i + 1 < NODES ? &nodes[order[i + 1]] : NULL;
        nodes[order[i]].value = i;
    }
    head = &nodes[order[0]];
    for (int pass = 0; pass < PASSES; pass++) {
        struct node *reversed = NULL;

        while (head) { /* read each value, and turn the list round */
            struct node *next = head->next;
            hash = mix(hash, head->value);
            head->next = reversed;
            reversed = head;
            head = next;
        }
        head = reversed;
    }
    return hash;
}

const struct kernel kernel = {"list", NODES * sizeof(struct node) + NODES * 2, 0xF1FD75C5, run};
