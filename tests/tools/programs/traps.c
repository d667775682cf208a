/* Takes a trap with its own handler, goes on behind it, then takes one that nobody handles. */
#include <stdio.h>

#include "hakone/trap.h"

static int seen;

#ifdef OWN_HANDLER
void trap_handler(struct trap_frame *frame)
{
    seen = (int)frame->cause;
    frame->x[10] = 5;
    TRAP_PC(frame) += 4;
}
#endif

int main(void)
{
    register int a0 __asm__("a0") = 1;

    __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop" : "+r"(a0));
    int result = a0;
    printf("cause %d, a0 %d\n", seen, result);
    return 0;
}
