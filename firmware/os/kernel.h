/* The inside of the operating system: plain software in context 0, ring 0. No protected program trusts it. */
#ifndef HAKONE_KERNEL_H
#define HAKONE_KERNEL_H

#include <stdint.h>

#include "gen/hakone.h"
#include "hakone/csr.h"
#include "hakone/os.h"

enum { PROGRAMS = 6, PROCESSES = 14, SHARES = 4, MESSAGES = 8, EVENTS = 512 };

#define REGISTER_PC 0u
#define RING_OF_PROCESSES (3u << SEGMENT_RING_SHIFT)
#define LAST_OFFSET 0x0FFFFFFFu
#define NOTHING 0xFFFFFFFFu

/* A program, filled in when the system is put together. */
struct os_program {
    uint32_t sealed;       /* 1: its code stays where it lies, for its key knows the place */
    uint32_t entry;        /* address where it begins, in plain mode */
    uint32_t image;        /* physical address of its code and constants */
    uint32_t image_bytes;
    uint32_t memory_bytes; /* of variables, heap and stack; for a plain program behind its image */
    uint32_t contexts;     /* bit n: a boot record names context n for it */
};

/* A process that is started at the beginning. */
struct os_start {
    uint32_t program; /* number in os_programs */
    uint32_t given;   /* for its mailbox */
};

enum event_kind { EVENT_STARTED = 1, EVENT_EXITED, EVENT_FAULTED, EVENT_NOTED, EVENT_SHARED, EVENT_UNSHARED };

/* What happened, in order, for whoever looks at the memory afterwards. */
struct os_event {
    uint32_t kind;
    uint32_t context;
    uint32_t a; /* started: the mailbox's physical address; exited: code; faulted: cause; noted: number; shared: address */
    uint32_t b; /* faulted: rule; shared: physical address; exited: cycles since reset */
};

enum process_state { FREE, READY, ENDED };

/* Memory that processes share under a name. */
struct share {
    char name[OS_NAME_BYTES];
    uint32_t physical, bytes; /* whole pages */
    uint32_t users;
};

struct attachment {
    struct share *share;
    uint32_t segment;
};

struct process {
    enum process_state state;
    uint32_t context;
    const struct os_program *program;
    volatile struct os_mailbox *mailbox;
    uint32_t memory; /* physical address of what it alone uses */
    uint32_t memory_bytes;
    struct attachment attachments[SHARES];
    uint32_t messages[MESSAGES];
    uint32_t message_count;
};

extern struct os_program os_programs[PROGRAMS];
extern struct os_start os_starts[PROCESSES];
extern uint32_t os_start_count;
extern struct os_event os_events[EVENTS];
extern uint32_t os_event_count;
extern struct process processes[PROCESSES];
extern struct share shares[SHARES];

/* start.S */
void run_context(uint32_t context); /* returns when the context has trapped */

/* frames.c: page frames. 0 when there are not so many in a row. */
uint32_t frames_take(uint32_t bytes);
void frames_give(uint32_t physical, uint32_t bytes);
uint32_t whole_pages(uint32_t bytes);

/* process.c */
void segment_load(uint32_t context, uint32_t segment, uint32_t base, uint32_t bytes, uint32_t rights);
void segment_remove(uint32_t context, uint32_t segment);
struct process *process_start(const struct os_start *start);
void process_end(struct process *p);

/* services.c */
void serve(struct process *p);
void detach_all(struct process *p);

/* console.c */
void put_text(const char *text);
void put_number(uint32_t value);
void record(enum event_kind kind, uint32_t context, uint32_t a, uint32_t b);
void finish(uint32_t code) __attribute__((noreturn));

/* hostile.c, or nothing */
#ifdef HOSTILE
void hostile_before(struct process *p);
void hostile_at_note(struct process *p, uint32_t number);
void hostile_after(struct process *p);
uint32_t hostile_frames(const struct process *p, const struct share *s); /* what it has in the place of a share */
#else
static inline void hostile_before(struct process *p)
{
    (void)p;
}
static inline void hostile_at_note(struct process *p, uint32_t number)
{
    (void)p;
    (void)number;
}
static inline void hostile_after(struct process *p)
{
    (void)p;
}
static inline uint32_t hostile_frames(const struct process *p, const struct share *s)
{
    (void)p;
    return s->physical;
}
#endif

#endif
