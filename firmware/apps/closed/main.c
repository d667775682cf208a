/* One program for both roles, or one for each: -DROLE=1 the owner, 2 the partner, 0 the first process the owner and the
 * second the partner. */
#include "exchange.h"

#ifndef ROLE
#define ROLE 0
#endif

int main(void)
{
#if ROLE == 1
    return owner();
#elif ROLE == 2
    return partner();
#else
    return closed_instance() ? partner() : owner();
#endif
}
