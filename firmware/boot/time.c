/* Time by the 10 MHz counter of the CLINT. */
#include "boot.h"

#define MTIME_OFFSET 0xBFF8u

uint32_t time_now(void) { return *(const volatile uint32_t *)(HAKONE_CLINT_BASE + MTIME_OFFSET); }

bool time_passed(uint32_t start, uint32_t ticks) { return time_now() - start >= ticks; }
