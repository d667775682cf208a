/* Runs the one kernel that the program was linked with. */
#include <stdio.h>

#include "hakone/csr.h"
#include "kernel.h"

int main(void)
{
    uint32_t start = cycles_now();
    uint32_t result = kernel.run();
    uint32_t cycles = cycles_now() - start;

    printf("kernel %s cycles %lu result 0x%08lx\n", kernel.name, (unsigned long)cycles, (unsigned long)result);
    return result == kernel.expected ? 0 : 1;
}
