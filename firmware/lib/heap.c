/* A small heap: one list of blocks in order of address, first fit, neighbours joined when a block is freed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replaceable.h"

#define ALIGNMENT 16u

/* Head of a block; the payload follows, so the head is as long as the alignment. */
struct block {
    size_t bytes; /* of the payload */
    uint32_t used;
    struct block *next;
    uint32_t unused;
};

extern char __heap_start[], __heap_end[];

static struct block *first;

static struct block *head_of(void *payload)
{
    return (struct block *)payload - 1;
}

static void join_with_next(struct block *b)
{
    while (b->next && !b->next->used) {
        b->bytes += sizeof *b + b->next->bytes;
        b->next = b->next->next;
    }
}

static void split(struct block *b, size_t bytes)
{
    if (b->bytes >= bytes + sizeof *b + ALIGNMENT) {
        struct block *rest = (struct block *)((char *)(b + 1) + bytes);

        rest->bytes = b->bytes - bytes - sizeof *b;
        rest->used = 0;
        rest->next = b->next;
        b->bytes = bytes;
        b->next = rest;
    }
}

REPLACEABLE void *malloc(size_t bytes)
{
    if (bytes > (size_t)(__heap_end - __heap_start)) {
        return NULL;
    }
    if (!first) {
        first = (struct block *)__heap_start;
        first->bytes = (size_t)(__heap_end - __heap_start) - sizeof *first;
        first->used = 0;
        first->next = NULL;
    }
    bytes = bytes ? (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1) : ALIGNMENT;
    for (struct block *b = first; b; b = b->next) {
        if (!b->used && b->bytes >= bytes) {
            split(b, bytes);
            b->used = 1;
            return b + 1;
        }
    }
    return NULL;
}

REPLACEABLE void *calloc(size_t count, size_t bytes)
{
    void *block = bytes && count > SIZE_MAX / bytes ? NULL : malloc(count * bytes);

    return block ? memset(block, 0, count * bytes) : NULL;
}

REPLACEABLE void *realloc(void *block, size_t bytes)
{
    void *other;

    if (block && head_of(block)->bytes >= bytes) {
        return block;
    }
    other = malloc(bytes);
    if (block && other) {
        memcpy(other, block, head_of(block)->bytes);
        free(block);
    }
    return other;
}

REPLACEABLE void free(void *block)
{
    if (!block) {
        return;
    }
    head_of(block)->used = 0;
    for (struct block *b = first; b; b = b->next) {
        if (!b->used) {
            join_with_next(b);
        }
    }
}
