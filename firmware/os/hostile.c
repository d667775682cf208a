/* The hostile build: this operating system tries every door to its processes' secrets, and keeps what it gets.
 *
 * It looks before a process begins, whenever the process notes how far it has come, and after its end. */
#include <stdint.h>
#include <string.h>

#include "hostile.h"
#include "kernel.h"

#define AFTER 0xFFFFFFFFu
#define SPY_SEGMENT 5u

uint32_t try_load(uint32_t *to, uint32_t address);
uint32_t try_ctxget(uint32_t *to, uint32_t register_of_context);
uint32_t try_ctxput(uint32_t register_of_context, uint32_t value);
uint32_t try_ctxnew(uint32_t *to, uint32_t context_and_level);
uint32_t try_setik(uint32_t *to, uint32_t description);
uint32_t try_clrk(uint32_t operand);
extern char spy_begin[], spy_end[];

struct attempt attempts[ATTEMPTS];
uint32_t attempt_count;

static struct attempt *attempt(enum door door, const struct process *p, uint32_t moment, uint32_t source)
{
    static struct attempt spare;
    struct attempt *a = attempt_count < ATTEMPTS ? &attempts[attempt_count++] : &spare;

    *a = (struct attempt){.door = door, .context = p->context, .moment = moment, .source = source};
    return a;
}

/* Copy words from an address of ours, until all are there or one is refused. */
static void loot(struct attempt *a, uint32_t address, uint32_t bytes)
{
    bytes = bytes < LOOT_BYTES ? bytes : LOOT_BYTES;
    a->loot = frames_take(bytes);
    if (!a->loot) {
        return; /* bytes stays 0, and whoever counts the attempts sees it */
    }
    /* At once: whatever else is touched first drives the process's lines out of the cache. */
    while (a->bytes < bytes && !a->result) {
        a->result = try_load((uint32_t *)(a->loot + a->bytes), address + a->bytes);
        a->bytes += a->result ? 0 : 4;
    }
}

/* Memory three times: as it lies there, through a segment of ours, and at the address where the process has it, for
 * which one of our own segments may have to give way. */
static void read_memory(struct process *p, uint32_t moment, uint32_t physical, uint32_t virtual, uint32_t bytes)
{
    uint32_t page = physical & ~(OS_PAGE_BYTES - 1u), offset = physical - page;
    uint32_t segment = virtual >> SEGMENT_SHIFT;

    loot(attempt(DOOR_PHYSICAL, p, moment, physical), physical, bytes);
    segment_load(0, SPY_SEGMENT, page, whole_pages(offset + bytes), SEGMENT_READ | SEGMENT_WRITE);
    loot(attempt(DOOR_OWN_SEGMENT, p, moment, physical), (SPY_SEGMENT << SEGMENT_SHIFT) + offset, bytes);
    segment_remove(0, SPY_SEGMENT);
    if (segment != HAKONE_RAM_BASE >> SEGMENT_SHIFT) { /* there they are the same */
        segment_load(0, segment, page, whole_pages(offset + bytes), SEGMENT_READ | SEGMENT_WRITE);
        loot(attempt(DOOR_SAME_ADDRESS, p, moment, physical), (segment << SEGMENT_SHIFT) + offset, bytes);
        segment_remove(0, segment);
    }
}

static void read_registers(enum door door, struct process *p, uint32_t moment)
{
    for (uint32_t number = 0; number < 32; number++) {
        struct attempt *a = attempt(door, p, moment, number);
        uint32_t value = 0;

        a->result = try_ctxget(&value, p->context | number << 8);
        a->loot = value; /* a register fits into the place of the address */
        a->bytes = a->result ? 0 : 4;
    }
}

static void change_context(struct process *p, uint32_t moment)
{
    uint32_t c = p->context, value = 0;

    struct attempt *a = attempt(DOOR_GENERATION, p, moment, 0);
    a->result = try_ctxget(&value, c | CTXGET_GENERATION);
    a->loot = value;
    csr_write(CSR_HXTCTX, c);
    attempt(DOOR_TRAP_CONTEXT, p, moment, c)->result = csr_read(CSR_HXTCTX);
    csr_write(CSR_HXTCTX, 0);
    attempt(DOOR_SET_COUNTER, p, moment, 0)->result = try_ctxput(c | REGISTER_PC << 8, (uint32_t)spy_begin);
    attempt(DOOR_SET_REGISTER, p, moment, 2)->result = try_ctxput(c | 2 << 8, p->memory);
}

/* A description in plain memory, at a level where nobody runs encrypted; and the keys away, while the process lives. */
static void change_keys(struct process *p, uint32_t moment)
{
    uint32_t description[REGION_WORDS + 8] = {0}, status = NOTHING;
    uint32_t address = p->attachments[0].share ? p->attachments[0].segment << SEGMENT_SHIFT : OS_PRIVATE;

    description[REGION_WORD_KIND] = REGION_MAGIC | ALGORITHM_AES128_XTS << 16 | HAKONE_VERSION >> 16 << 24;
    description[REGION_WORD_ACCESS] = REGION_READ | REGION_PLAIN_ACCESS | 32 << 8 | address >> SEGMENT_SHIFT << 16;
    description[REGION_WORD_START] = address;
    description[REGION_WORD_BYTES] = OS_PAGE_BYTES;
    description[REGION_WORD_KEY] = 1;
    attempt(DOOR_SETIK, p, moment, 0)->result = try_setik(&status, (uint32_t)description);
    attempt(DOOR_CLRK, p, moment, address)->result = try_clrk(address);
    attempt(DOOR_CLRK_CONTEXT, p, moment, p->context)->result = try_clrk(CLRK_CONTEXT | p->context);
}

/* Plain code of ours in the process's context: loads from `address` on until it is refused or done, into a page of ours
 * where the process has its mailbox. */
static void run_spy(enum door door, struct process *p, uint32_t moment, uint32_t physical, uint32_t address)
{
    struct attempt *a = attempt(door, p, moment, physical);
    uint32_t segment = HAKONE_RAM_BASE >> SEGMENT_SHIFT, bytes = OS_PAGE_BYTES, cause;
    uint32_t rights = SEGMENT_READ | SEGMENT_WRITE | SEGMENT_EXECUTE | RING_OF_PROCESSES;

    a->loot = frames_take(OS_PAGE_BYTES);
    if (!a->loot) {
        return;
    }
    memset((void *)a->loot, 0, OS_PAGE_BYTES);
    segment_load(p->context, segment, HAKONE_RAM_BASE, LAST_OFFSET + 1, rights);
    segment_load(p->context, OS_MAILBOX_SEGMENT, a->loot, OS_PAGE_BYTES, rights);
    const uint32_t registers[] = {(uint32_t)spy_begin, address, OS_MAILBOX, bytes};
    const uint32_t places[] = {REGISTER_PC, 10, 11, 12};
    for (int n = 0; n < 4; n++) {
        hakone_ctxput(p->context | places[n] << 8, registers[n]);
    }
    csr_clear(CSR_MIE, 1u << INTERRUPT_TIMER); /* it may be due already, and nobody would arm it again here */
    run_context(p->context);
    cause = csr_read(CSR_MCAUSE);
    csr_set(CSR_MIE, 1u << INTERRUPT_TIMER);
    if (cause != CAUSE_ECALL_U) {
        a->result = cause << 8 | csr_read(CSR_HXSUB);
    }
    a->bytes = bytes - hakone_ctxget(p->context | 12 << 8);
}

void hostile_before(struct process *p)
{
    if (p->program->sealed) {
        run_spy(DOOR_STUB_BEFORE, p, 0, p->program->image, p->program->image + OS_PAGE_BYTES);
        uint32_t end = p->program->image + p->program->image_bytes;
        segment_load(p->context, HAKONE_RAM_BASE >> SEGMENT_SHIFT, HAKONE_RAM_BASE, end - HAKONE_RAM_BASE,
                     SEGMENT_READ | SEGMENT_WRITE | SEGMENT_EXECUTE | RING_OF_PROCESSES);
        segment_load(p->context, OS_MAILBOX_SEGMENT, (uint32_t)p->mailbox, OS_PAGE_BYTES,
                     SEGMENT_READ | SEGMENT_WRITE | RING_OF_PROCESSES);
    }
}

uint32_t hostile_frames(const struct process *p, const struct share *s)
{
    return p->mailbox->given & HOSTILE_CHEATS ? frames_take(s->bytes) : s->physical;
}

void hostile_at_note(struct process *p, uint32_t number)
{
    if (!p->program->sealed) {
        return;
    }
    const struct attachment *a = &p->attachments[0];

    if (a->share) {
        read_memory(p, number, a->share->physical, a->segment << SEGMENT_SHIFT, a->share->bytes);
    }
    if (p->memory) {
        uint32_t bytes = p->memory_bytes < LOOT_BYTES ? p->memory_bytes : LOOT_BYTES;
        uint32_t skipped = p->memory_bytes - bytes; /* the stack is at the end */

        read_memory(p, number, p->memory + skipped, OS_PRIVATE + skipped, bytes);
    }
    read_memory(p, number, p->program->image + OS_PAGE_BYTES, p->program->image, LOOT_BYTES);
    read_registers(DOOR_REGISTERS, p, number);
    change_context(p, number);
    change_keys(p, number);
    if (p->mailbox->given & HOSTILE_MOVES) {
        segment_load(p->context, OS_PRIVATE_SEGMENT, frames_take(p->memory_bytes), p->memory_bytes,
                     SEGMENT_READ | SEGMENT_WRITE | RING_OF_PROCESSES);
    }
}

/* Plain code in the context, with frames of the life before it in a segment. */
static void run_spy_over(struct process *p, uint32_t segment, uint32_t physical)
{
    segment_load(p->context, segment, physical, OS_PAGE_BYTES, SEGMENT_READ | SEGMENT_WRITE | RING_OF_PROCESSES);
    run_spy(DOOR_STUB_AFTER, p, AFTER, physical, segment << SEGMENT_SHIFT);
}

/* The context's next life: it is a plain one, and has the number, the segments and the frames of the one before. */
void hostile_after(struct process *p)
{
    uint32_t generation = 0;

    if (!p->program->sealed) {
        return;
    }
    hakone_ctxkill(p->context);
    attempt(DOOR_NEW_LIFE, p, AFTER, 0)->result = try_ctxnew(&generation, p->context);
    hakone_clrk(CLRK_CONTEXT | p->context);
    attempt(DOOR_NEW_LIFE, p, AFTER, 1)->result = try_ctxnew(&generation, p->context);
    read_registers(DOOR_OLD_REGISTERS, p, AFTER);
    for (uint32_t n = 0; n < os_event_count; n++) { /* it may have detached its areas */
        const struct os_event *e = &os_events[n];

        if (e->kind == EVENT_SHARED && e->context == p->context) {
            run_spy_over(p, e->a >> SEGMENT_SHIFT, e->b);
        }
    }
    if (p->memory) { /* the stack is at the end */
        run_spy_over(p, OS_PRIVATE_SEGMENT, p->memory + p->memory_bytes - OS_PAGE_BYTES);
    }
}
