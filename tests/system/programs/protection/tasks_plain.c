/* Two tasks under one scheduler: a round robin by timer over context 1, encrypted, and context 2, plain; and the plain
 * task itself. A task that calls has ended. */
#include <stdint.h>

#include "gen/hakone.h"
#include "hakone/csr.h"

#define SLICE_TICKS 500u /* 50 microseconds */
#define CAUSE_INTERRUPT (1u << 31)

void run_context(uint32_t context);
void enter_secret(void);
void enter_open(void);
void monitor_main(void);
void open_task(void);

uint32_t open_result;
uint32_t switches;
uint32_t order[2]; /* contexts as they ended */

static volatile uint32_t *device(uint32_t address)
{
    return (volatile uint32_t *)address;
}

static void arm_timer(void)
{
    device(HAKONE_CLINT_BASE + 0x4004)[0] = 0;
    device(HAKONE_CLINT_BASE + 0x4000)[0] = device(HAKONE_CLINT_BASE + 0xBFF8)[0] + SLICE_TICKS;
}

static void finish(uint32_t word)
{
    __asm__ volatile("fence.i" : : : "memory");
    *device(HAKONE_FINISHER_BASE) = word;
    for (;;) {
    }
}

void monitor_main(void)
{
    uint32_t ended = 0, running = 1;

    csr_write(CSR_HXCTL, HXCTL_ENABLE);
    hakone_ctxput(1, (uint32_t)enter_secret);
    hakone_ctxput(2, (uint32_t)enter_open);
    csr_set(CSR_MIE, 1u << INTERRUPT_TIMER);
    while (ended != 3) {
        uint32_t cause;

        arm_timer();
        run_context(running);
        cause = csr_read(CSR_MCAUSE);
        switches++;
        if (cause == CAUSE_ECALL_U) {
            order[ended != 0] = running;
            ended |= running;
        } else if (cause != (CAUSE_INTERRUPT | INTERRUPT_TIMER)) {
            finish(cause << 16 | HAKONE_FINISHER_FAIL);
        }
        if (!(ended & (3 - running))) {
            running = 3 - running;
        }
    }
    finish(HAKONE_FINISHER_PASS);
}

/* A checksum (CRC-32, bit by bit) over the numbers 0 to 511, one byte each. */
void open_task(void)
{
    uint32_t crc = UINT32_MAX;

    for (uint32_t n = 0; n < 512; n++) {
        crc ^= n & 255;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    open_result = ~crc;
}
