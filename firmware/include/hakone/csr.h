/* Access to control and status registers by the numbers of gen/hakone.h: csr_read(CSR_MCAUSE). */
#ifndef HAKONE_CSR_H
#define HAKONE_CSR_H

#include <stdint.h>

#include "gen/hakone.h"

#define csr_read(number)                                                            \
    ({                                                                              \
        uint32_t csr_value_;                                                        \
        __asm__ volatile("csrr %0, %1" : "=r"(csr_value_) : "i"(number) : "memory"); \
        csr_value_;                                                                 \
    })
#define csr_write(number, value) __asm__ volatile("csrw %0, %1" : : "i"(number), "r"((uint32_t)(value)) : "memory")
#define csr_set(number, bits) __asm__ volatile("csrs %0, %1" : : "i"(number), "r"((uint32_t)(bits)) : "memory")
#define csr_clear(number, bits) __asm__ volatile("csrc %0, %1" : : "i"(number), "r"((uint32_t)(bits)) : "memory")

/* The low word of the cycle counter, readable in user mode when mcounteren allows it. */
static inline uint32_t cycles_now(void)
{
    return csr_read(CSR_CYCLE);
}

#endif
