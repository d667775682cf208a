/* Services of the operating system. Everything in a mailbox is read once: the process may change it at any time. */
#include <stdint.h>
#include <string.h>

#include "hakone/uart.h"
#include "kernel.h"

enum { FIRST_SHARE_SEGMENT = 9, SHARE_SEGMENTS = 7 };

/* What a process asks for, as read once from its mailbox. */
struct request {
    uint32_t bytes;
    char name[OS_NAME_BYTES];
};

struct share shares[SHARES];

/* The share asked for; a new one when there is none. NULL: no memory, or not the size it has. */
static struct share *find_share(const struct request *r)
{
    struct share *empty = NULL;

    for (struct share *s = shares; s < shares + SHARES; s++) {
        if (s->physical && !strcmp(s->name, r->name)) {
            return s->bytes == whole_pages(r->bytes) ? s : NULL;
        }
        empty = s->physical ? empty : s;
    }
    if (!empty) {
        return NULL;
    }
    strcpy(empty->name, r->name);
    empty->bytes = whole_pages(r->bytes);
    empty->physical = frames_take(r->bytes);
    empty->users = 0;
    return empty->physical ? empty : NULL;
}

/* Processes get different segments, so that nobody can rely on addresses that another one has. */
static uint32_t free_segment(const struct process *p)
{
    uint32_t taken = 0;

    for (int n = 0; n < SHARES; n++) {
        taken |= p->attachments[n].share ? 1u << p->attachments[n].segment : 0;
    }
    for (uint32_t n = 0; n < SHARE_SEGMENTS; n++) {
        uint32_t segment = FIRST_SHARE_SEGMENT + (p->context + n) % SHARE_SEGMENTS;

        if (!(taken >> segment & 1)) {
            return segment;
        }
    }
    return 0;
}

static uint32_t attach(struct process *p, uint32_t bytes, uint32_t *address)
{
    struct attachment *a = p->attachments;
    static struct request r; /* not on the stack, where an address before a name is what others have, too */

    r = (struct request){.bytes = bytes};
    for (int n = 0; n < OS_NAME_BYTES - 1; n++) {
        r.name[n] = p->mailbox->text[n];
    }
    while (a < p->attachments + SHARES && a->share) {
        a++;
    }
    if (!r.name[0] || !bytes || bytes > LAST_OFFSET) {
        return OS_BAD_ARGUMENT;
    }
    if (a == p->attachments + SHARES) {
        return OS_NO_PLACE;
    }
    struct share *s = find_share(&r);
    if (!s) {
        return OS_NO_MEMORY;
    }
    *a = (struct attachment){s, free_segment(p)};
    s->users++;
    segment_load(p->context, a->segment, hostile_frames(p, s), s->bytes, SEGMENT_READ | SEGMENT_WRITE | RING_OF_PROCESSES);
    *address = a->segment << SEGMENT_SHIFT;
    record(EVENT_SHARED, p->context, *address, s->physical);
    return OS_DONE;
}

static void drop(struct process *p, struct attachment *a)
{
    segment_remove(p->context, a->segment);
    record(EVENT_UNSHARED, p->context, a->segment << SEGMENT_SHIFT, a->share->physical);
    a->share->users--; /* the memory stays under its name, as that of shm_open does */
    a->share = NULL;
}

static uint32_t detach(struct process *p, uint32_t address)
{
    for (struct attachment *a = p->attachments; a < p->attachments + SHARES; a++) {
        if (a->share && a->segment << SEGMENT_SHIFT == address) {
            drop(p, a);
            return OS_DONE;
        }
    }
    return OS_BAD_ARGUMENT;
}

void detach_all(struct process *p)
{
    for (struct attachment *a = p->attachments; a < p->attachments + SHARES; a++) {
        if (a->share) {
            drop(p, a);
        }
    }
}

static uint32_t send(uint32_t to, uint32_t message)
{
    for (struct process *p = processes; p < processes + PROCESSES; p++) {
        if (p->state == READY && p->context == to) {
            if (p->message_count == MESSAGES) {
                return OS_NO_PLACE;
            }
            p->messages[p->message_count++] = message;
            return OS_DONE;
        }
    }
    return OS_BAD_ARGUMENT;
}

static uint32_t receive(struct process *p, uint32_t *message)
{
    if (!p->message_count) {
        return OS_EMPTY;
    }
    *message = p->messages[0];
    p->message_count--;
    memmove(p->messages, p->messages + 1, p->message_count * sizeof p->messages[0]);
    return OS_DONE;
}

static uint32_t show(struct process *p, uint32_t bytes)
{
    if (bytes > OS_TEXT_BYTES) {
        return OS_BAD_ARGUMENT;
    }
    for (uint32_t n = 0; n < bytes; n++) {
        uart_put(p->mailbox->text[n]);
    }
    return OS_DONE;
}

void serve(struct process *p)
{
    volatile struct os_mailbox *box = p->mailbox;
    uint32_t service = box->service, first = box->argument[0], second = box->argument[1];
    uint32_t status = OS_DONE, value = 0;

    switch (service) {
    case OS_YIELD:
        return; /* also what a process does that has no mailbox just now: nothing is written there */
    case OS_EXIT:
        record(EVENT_EXITED, p->context, first, csr_read(CSR_CYCLE));
        process_end(p);
        return;
    case OS_WRITE:
        status = show(p, first);
        break;
    case OS_NOTE:
        record(EVENT_NOTED, p->context, first, 0);
        hostile_at_note(p, first);
        break;
    case OS_SHARE:
        status = attach(p, first, &value);
        break;
    case OS_UNSHARE:
        status = detach(p, first);
        break;
    case OS_SEND:
        status = send(first, second);
        break;
    case OS_RECEIVE:
        status = receive(p, &value);
        break;
    default:
        status = OS_NO_SUCH_SERVICE;
    }
    box->value = value;
    box->status = status;
    box->service = OS_YIELD;
}
