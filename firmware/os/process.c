/* Processes: a context, its segments, and the memory behind them. */
#include <stdint.h>
#include <string.h>

#include "kernel.h"

enum { QUOTA = 4, CONTEXTS = 15 };
enum { READ_WRITE = SEGMENT_READ | SEGMENT_WRITE, EVERYTHING = READ_WRITE | SEGMENT_EXECUTE };

struct process processes[PROCESSES];

static uint32_t contexts_used = 1; /* context 0 is ours */

/* The limit first: that takes the segment away, so that it is never there with one word new and one old. */
void segment_load(uint32_t context, uint32_t segment, uint32_t base, uint32_t bytes, uint32_t rights)
{
    uint32_t place = context | segment << 8;

    hakone_segput(place | SEGMENT_WORD_LIMIT << 12, bytes - 1);
    hakone_segput(place | SEGMENT_WORD_BASE << 12, base | rights | SEGMENT_PRESENT);
}

void segment_remove(uint32_t context, uint32_t segment)
{
    hakone_segput(context | segment << 8 | SEGMENT_WORD_LIMIT << 12, 0);
}

/* A context for a program: of a sealed one, one that a boot record names; else one that none does. 0: there is none. */
static uint32_t find_context(const struct os_program *program)
{
    uint32_t named = 0;

    for (int n = 0; n < PROGRAMS; n++) {
        named |= os_programs[n].contexts;
    }
    uint32_t possible = (program->sealed ? program->contexts : ~named) & ~contexts_used;
    for (uint32_t c = 1; c < CONTEXTS; c++) {
        if (possible >> c & 1) {
            return c;
        }
    }
    return 0;
}

/* Code of a sealed program stays where it is. Of a plain one every process gets a copy, with its memory behind it. */
static int load_program(struct process *p)
{
    const struct os_program *program = p->program;
    uint32_t segment = HAKONE_RAM_BASE >> SEGMENT_SHIFT;

    if (program->sealed) {
        uint32_t end = program->image + program->image_bytes;

        segment_load(p->context, segment, HAKONE_RAM_BASE, end - HAKONE_RAM_BASE, EVERYTHING | RING_OF_PROCESSES);
        p->memory_bytes = program->memory_bytes;
        p->memory = p->memory_bytes ? frames_take(p->memory_bytes) : 0;
        if (p->memory) {
            segment_load(p->context, OS_PRIVATE_SEGMENT, p->memory, p->memory_bytes, READ_WRITE | RING_OF_PROCESSES);
        }
        return !p->memory_bytes || p->memory;
    }
    p->memory_bytes = program->image_bytes + program->memory_bytes;
    p->memory = frames_take(p->memory_bytes);
    if (!p->memory) {
        return 0;
    }
    memset((void *)p->memory, 0, whole_pages(p->memory_bytes));
    memcpy((void *)p->memory, (const void *)program->image, program->image_bytes);
    __asm__ volatile("fence.i" : : : "memory"); /* what was copied is code */
    segment_load(p->context, segment, p->memory, p->memory_bytes, EVERYTHING | RING_OF_PROCESSES);
    return 1;
}

struct process *process_start(const struct os_start *start)
{
    struct process *p = processes;

    while (p < processes + PROCESSES && p->state != FREE) {
        p++;
    }
    if (p == processes + PROCESSES || start->program >= PROGRAMS) {
        return NULL;
    }
    *p = (struct process){.program = &os_programs[start->program]};
    p->context = find_context(p->program);
    p->mailbox = (volatile struct os_mailbox *)frames_take(OS_PAGE_BYTES);
    if (!p->context || !p->mailbox) {
        return NULL;
    }
    contexts_used |= 1u << p->context;
    memset((void *)p->mailbox, 0, OS_PAGE_BYTES);
    p->mailbox->given = start->given;
    if (!p->program->sealed) {
        hakone_ctxnew(p->context, QUOTA);
    }
    if (!load_program(p)) {
        return NULL;
    }
    segment_load(p->context, OS_MAILBOX_SEGMENT, (uint32_t)p->mailbox, OS_PAGE_BYTES, READ_WRITE | RING_OF_PROCESSES);
    hostile_before(p);
    hakone_ctxput(p->context | REGISTER_PC << 8, p->program->entry);
    p->state = READY;
    record(EVENT_STARTED, p->context, (uint32_t)p->mailbox, p->program->sealed);
    return p;
}

/* The context ends, then its regions: their lines go to memory under their keys, and the frames can be used again. The
 * mailbox is kept for those who look at it afterwards. */
void process_end(struct process *p)
{
    p->state = ENDED;
    hostile_after(p);
    detach_all(p);
    hakone_ctxkill(p->context);
    hakone_clrk(CLRK_CONTEXT | p->context);
    if (p->memory) {
        frames_give(p->memory, p->memory_bytes);
    }
}
