/* Traps of a plain program. Define trap_handler to take them; the library's own prints what happened and ends. */
#ifndef HAKONE_TRAP_H
#define HAKONE_TRAP_H

#include <stdint.h>

/* What trap.S saves. x[0] holds the PC; the handler may change it and any register but sp. */
struct trap_frame {
    uint32_t x[32];
    uint32_t cause;
    uint32_t value;
};

#define TRAP_PC(frame) ((frame)->x[0])
#define TRAP_IS_INTERRUPT(frame) ((frame)->cause >> 31)

/* Exit status of a program that ends by a trap it has no handler for. */
#define EXIT_UNHANDLED_TRAP 102

void trap_handler(struct trap_frame *frame);

#endif
