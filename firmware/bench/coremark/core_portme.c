/* CoreMark's porting interface for Hakone: time from the cycle counter, output through printf. */
#include "coremark.h"

#include "hakone/csr.h"

#ifndef ITERATIONS
#define ITERATIONS 16 /* a valid run up to 6.4 iterations a million cycles */
#endif

/* The performance run; sizes follow from them. */
volatile ee_s32 seed1_volatile = 0;
volatile ee_s32 seed2_volatile = 0;
volatile ee_s32 seed3_volatile = 0x66;
volatile ee_s32 seed4_volatile = ITERATIONS;
volatile ee_s32 seed5_volatile = 0; /* all three algorithms */

ee_u32 default_num_contexts = 1;

static uint32_t started, stopped;

void start_time(void)
{
    started = cycles_now();
}

void stop_time(void)
{
    stopped = cycles_now();
}

/* Right for less than 2^32 cycles. */
CORE_TICKS get_time(void)
{
    return stopped - started;
}

secs_ret time_in_secs(CORE_TICKS ticks)
{
    return (secs_ret)ticks / CYCLES_PER_SECOND;
}

void portable_init(core_portable *p, int *argc, char *argv[])
{
    (void)argc;
    (void)argv;
    p->portable_id = 1;
}

void portable_fini(core_portable *p)
{
    p->portable_id = 0;
}
