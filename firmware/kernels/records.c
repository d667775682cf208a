/* Ordinary application code in small: records copied and compared, strings, calls through pointers, a switch. */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { RECORDS = 16, ROUNDS = 60 };
enum kind { CREATE, RENAME, MOVE, COUNT, KINDS };

struct record {
    enum kind kind;
    int32_t amount;
    char name[24];
    struct record *partner;
};

typedef int32_t (*rule)(const struct record *, int32_t);

static int32_t add(const struct record *r, int32_t to)
{
    return to + r->amount;
}

static int32_t weigh(const struct record *r, int32_t to)
{
    return to * 3 + r->amount / 7;
}

static int32_t fold(const struct record *r, int32_t to)
{
    return to ^ r->amount % 1000;
}

static void act(struct record *r, uint32_t round)
{
    static const char *const names[] = {"ashinoko", "owakudani", "sengokuhara", "moto-hakone"};

    switch (r->kind) {
    case CREATE:
        strcpy(r->name, names[round & 3]);
        break;
    case RENAME:
        if (strcmp(r->name, r->partner->name) < 0) {
            strncpy(r->name, r->partner->name, sizeof r->name - 1);
        }
        break;
    case MOVE:
        *r = *r->partner;
        break;
    default:
        r->amount += (int32_t)strlen(r->partner->name);
        break;
    }
    r->kind = (enum kind)((r->kind + 1 + round) % KINDS);
}

static uint32_t run(void)
{
    static const rule rules[] = {add, weigh, fold};
    struct record *records = calloc(RECORDS, sizeof *records);
    uint32_t random = 1, hash = MIX_START;
    int32_t balance = 0;

    for (uint32_t i = 0; i < RECORDS; i++) {
        records[i].kind = (enum kind)(i % KINDS);
        records[i].amount = (int32_t)(next_random(&random) & 0xFFFF) - 0x8000;
        strcpy(records[i].name, "hakone");
        records[i].partner = &records[(i * 5 + 3) % RECORDS];
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < RECORDS; i++) {
            act(&records[i], round + i);
            balance = rules[(round + i) % 3](&records[i], balance) & 0xFFFFFF;
        }
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        hash = mix(mix(hash, (uint32_t)records[i].amount), (uint32_t)strlen(records[i].name));
    }
    return mix(hash, (uint32_t)balance);
}

const struct kernel kernel = {"records", RECORDS * sizeof(struct record) + 256, 0xE0D83BCC, run};
