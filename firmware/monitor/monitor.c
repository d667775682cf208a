/* The monitor: plain software in context 0, ring 0, that starts the encrypted program and serves its traps.
 *
 * It is not trusted with any secret, and could not keep one: it runs from plain memory. It can stop the program, and see
 * that it called or faulted and by which rule, but not where or with what. It has its own copy of everything it needs,
 * since it can neither call nor read what is protected; the linker script refuses a reference between the two. */
#include <stdint.h>

#include "gen/hakone.h"
#include "hakone/csr.h"
#include "hakone/mailbox.h"

#define GUEST 1u /* the context of the encrypted program, as the boot records name it */
#define TICK_HZ 1000u
#define MIE_TIMER (1u << INTERRUPT_TIMER)
#define CAUSE_INTERRUPT (1u << 31)
#define REGISTER_PC 0u
#define EXIT_UNHANDLED_TRAP 102u

#define CLINT_MTIMECMP (HAKONE_CLINT_BASE + 0x4000u)
#define CLINT_MTIME (HAKONE_CLINT_BASE + 0xBFF8u)

void run_context(uint32_t context);
void enter_sealed(void);
void monitor_main(void) __attribute__((noreturn));
void monitor_failed(uint32_t cause, uint32_t pc) __attribute__((noreturn));

/* The window that the encrypted program may write; in its own section because it is a whole line of its own. */
volatile struct mailbox mailbox __attribute__((section(".window"), aligned(HAKONE_LINE_BYTES)));

static volatile uint32_t *device(uint32_t address)
{
    return (volatile uint32_t *)address;
}

static void put(char c)
{
    volatile uint8_t *uart = (volatile uint8_t *)HAKONE_UART_BASE;

    while (!(uart[5] & 0x20)) {
    }
    uart[0] = (uint8_t)c;
}

static void put_text(const char *text)
{
    while (*text) {
        put(*text++);
    }
}

static void put_hex(uint32_t value)
{
    put_text("0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[value >> shift & 15]);
    }
}

/* Every dirty line goes to memory (fence.i cleans the data cache), then the machine stops. Without this the memory of a
 * stopped machine would lack the last results; encrypted lines are encrypted on the way as always. */
static void __attribute__((noreturn)) finish(uint32_t code)
{
    __asm__ volatile("fence.i" : : : "memory");
    /* The finisher takes 16 bits: a code that has none of its ones there must not become a pass. */
    uint32_t shown = code && !(code & 0xFFFF) ? 0xFFFF : code;
    *device(HAKONE_FINISHER_BASE) = shown ? shown << 16 | HAKONE_FINISHER_FAIL : HAKONE_FINISHER_PASS;
    for (;;) {
    }
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

static void __attribute__((noreturn)) report_fault(uint32_t cause)
{
    put_text("monitor: context 1 stopped: cause ");
    put_hex(cause);
    put_text(", rule ");
    put_hex(csr_read(CSR_HXSUB));
    put_text(", context ");
    put_hex(csr_read(CSR_HXCTX));
    put('\n');
    finish(EXIT_UNHANDLED_TRAP);
}

void monitor_failed(uint32_t cause, uint32_t pc)
{
    put_text("monitor: trap in the monitor: cause ");
    put_hex(cause);
    put_text(" at ");
    put_hex(pc);
    put('\n');
    finish(EXIT_UNHANDLED_TRAP);
}

void monitor_main(void)
{
    csr_write(CSR_HXCTL, HXCTL_ENABLE);
    csr_write(CSR_MCOUNTEREN, 7); /* the program may read cycle, time and instret */
    hakone_ctxput(GUEST | REGISTER_PC << 8, (uint32_t)enter_sealed);
    arm_timer();
    csr_set(CSR_MIE, MIE_TIMER);
    for (;;) {
        run_context(GUEST);
        uint32_t cause = csr_read(CSR_MCAUSE);

        if (cause == (CAUSE_INTERRUPT | INTERRUPT_TIMER)) {
            arm_timer();
        } else if (cause == CAUSE_ECALL_U && mailbox.event == MAILBOX_EXITED) {
            finish(mailbox.exit_code);
        } else if (cause != CAUSE_ECALL_U) {
            report_fault(cause);
        }
        /* any other call: nothing is asked of the monitor, the program goes on behind it */
    }
}
