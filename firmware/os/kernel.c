/* A small operating system: processes in contexts, pre-emptive round robin, memory by segments, services by ecall.
 *
 * It runs in plain memory and keeps no secret. It decides who runs, when, and with which memory; what a protected
 * process computes it cannot read. */
#include <stdint.h>

#include "kernel.h"

#define TICK_HZ 5000u
#define MIE_TIMER (1u << INTERRUPT_TIMER)
#define CAUSE_INTERRUPT (1u << 31)
#define CLINT_MTIMECMP (HAKONE_CLINT_BASE + 0x4000u)
#define CLINT_MTIME (HAKONE_CLINT_BASE + 0xBFF8u)
#define EXIT_UNHANDLED_TRAP 102u

/* Filled in when the system is put together. In .data, so that there is something to fill in. */
#define IN_IMAGE __attribute__((section(".data.os_plan")))
struct os_program os_programs[PROGRAMS] IN_IMAGE = {{.sealed = 0}};
struct os_start os_starts[PROCESSES] IN_IMAGE = {{.program = 0}};
uint32_t os_start_count IN_IMAGE = 0;

void kernel_main(void) __attribute__((noreturn));
void kernel_failed(uint32_t cause, uint32_t pc, uint32_t rule) __attribute__((noreturn));

static volatile uint32_t *device(uint32_t address)
{
    return (volatile uint32_t *)address;
}

/* The next timer interrupt, one tick from now. The high word first, so that no intermediate value lies in the past. */
static void arm_timer(void)
{
    uint32_t high, low;

    do {
        high = device(CLINT_MTIME)[1];
        low = device(CLINT_MTIME)[0];
    } while (high != device(CLINT_MTIME)[1]);
    uint64_t next = ((uint64_t)high << 32 | low) + HAKONE_TIMEBASE_HZ / TICK_HZ;

    device(CLINT_MTIMECMP)[1] = UINT32_MAX;
    device(CLINT_MTIMECMP)[0] = (uint32_t)next;
    device(CLINT_MTIMECMP)[1] = (uint32_t)(next >> 32);
}

void kernel_failed(uint32_t cause, uint32_t pc, uint32_t rule)
{
    put_text("os: trap in the operating system: cause ");
    put_number(cause);
    put_text(", rule ");
    put_number(rule);
    put_text(", at ");
    put_number(pc);
    put_text("\n");
    finish(EXIT_UNHANDLED_TRAP);
}

/* Our own segments: devices and memory, each at its physical address, for ring 0. */
static void load_own_segments(void)
{
    static const uint32_t segments[] = {0, HAKONE_UART_BASE >> SEGMENT_SHIFT, HAKONE_RAM_BASE >> SEGMENT_SHIFT};

    for (unsigned n = 0; n < sizeof segments / sizeof segments[0]; n++) {
        segment_load(0, segments[n], segments[n] << SEGMENT_SHIFT, LAST_OFFSET + 1,
                     SEGMENT_READ | SEGMENT_WRITE | SEGMENT_EXECUTE);
    }
}

/* A trap that is neither call nor tick ends the process that caused it, and nobody else. */
static void end_by_fault(struct process *p, uint32_t cause)
{
    uint32_t rule = csr_read(CSR_HXSUB);

    record(EVENT_FAULTED, p->context, cause, rule);
    put_text("os: process ");
    put_number(p->context);
    put_text(" ended by cause ");
    put_number(cause);
    put_text(", rule ");
    put_number(rule);
    put_text("\n");
    process_end(p);
}

static void run(struct process *p)
{
    run_context(p->context);
    uint32_t cause = csr_read(CSR_MCAUSE);

    if (cause == (CAUSE_INTERRUPT | INTERRUPT_TIMER)) {
        arm_timer();
    } else if (cause == CAUSE_ECALL_U) {
        if (!(csr_read(CSR_HXCTX) & HXCTX_SEALED)) { /* a sealed one's counter is past the call already */
            uint32_t pc = p->context | REGISTER_PC << 8;

            hakone_ctxput(pc, hakone_ctxget(pc) + 4);
        }
        serve(p);
    } else {
        end_by_fault(p, cause);
    }
}

/* How many processes did not end by themselves with 0. */
static uint32_t failures(void)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < os_event_count; n++) {
        const struct os_event *e = &os_events[n];

        count += e->kind == EVENT_FAULTED || (e->kind == EVENT_EXITED && e->a);
    }
    return count;
}

void kernel_main(void)
{
    csr_write(CSR_HXCTL, HXCTL_ENABLE);
    load_own_segments();
    csr_write(CSR_HXCTL, HXCTL_ENABLE | HXCTL_SEGMENTS);
    csr_write(CSR_MCOUNTEREN, 7); /* processes may read cycle, time and instret */
    csr_set(CSR_MIE, MIE_TIMER);
    for (uint32_t n = 0; n < os_start_count; n++) {
        if (!process_start(&os_starts[n])) {
            put_text("os: no room for a process\n");
            finish(EXIT_UNHANDLED_TRAP);
        }
    }
    arm_timer();
    for (uint32_t alive = 1; alive;) {
        alive = 0;
        for (struct process *p = processes; p < processes + PROCESSES; p++) {
            if (p->state == READY) {
                alive = 1;
                run(p);
            }
        }
    }
    finish(failures());
}
