/* The trap handler of programs that have none. */
#include "hakone/trap.h"

#include <stdio.h>
#include <stdlib.h>

#include "replaceable.h"

REPLACEABLE void trap_handler(struct trap_frame *frame)
{
    printf("unhandled trap: cause 0x%08lx at 0x%08lx, value 0x%08lx\n", (unsigned long)frame->cause,
           (unsigned long)TRAP_PC(frame), (unsigned long)frame->value);
    exit(EXIT_UNHANDLED_TRAP);
}
