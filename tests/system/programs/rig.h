/* What the bare-metal test programs share: a log in memory that is printed at the end, traps that are logged and
 * skipped, and a way to run a function at user level. Runs on QEMU's riscv32 virt board and on Hakone alike. */
#pragma once

#include <stdint.h>

#define CLINT 0x02000000u
#define PLIC 0x0C000000u
#define UART 0x10000000u
#define FINISHER 0x00100000u

#define MSTATUS_MIE 0x8u
#define MSTATUS_MPIE 0x80u
#define MSTATUS_MPP 0x1800u
#define SOFTWARE 3
#define TIMER 7
#define EXTERNAL 11

#define READ_CSR(name)                                  \
    ({                                                  \
        uint32_t value_;                                \
        asm volatile("csrr %0, " #name : "=r"(value_)); \
        value_;                                         \
    })
#define WRITE_CSR(name, value) asm volatile("csrw " #name ", %0" ::"r"(value) : "memory")
#define SET_CSR(name, bits) asm volatile("csrs " #name ", %0" ::"r"(bits) : "memory")
#define CLEAR_CSR(name, bits) asm volatile("csrc " #name ", %0" ::"r"(bits) : "memory")

static inline volatile uint32_t *word(uint32_t address) { return (volatile uint32_t *)address; }
static inline volatile uint8_t *byte(uint32_t address) { return (volatile uint8_t *)address; }

/* Registers at a trap: x[0] holds mepc. */
struct frame {
    uint32_t x[32];
};

void say(const char *text);
void say_hex(uint32_t value);
void say_value(const char *name, uint32_t value);
void finish(uint32_t code) __attribute__((noreturn));

/* Address of the instruction that is expected to trap, and where to go on after a trap whose pc is no place to go on. */
extern volatile uint32_t site, resume;
extern volatile uint32_t traps;
/* An address: values of mtval in the 64 bytes behind it are logged relative to it. */
extern volatile uint32_t region;

/* A program that uses interrupts defines it: called in the handler, must make the interrupt go away. */
void on_interrupt(uint32_t cause);

void begin(const char *name);
void end(void);
/* Run `function` at user level and come back at machine level. */
void in_user(void (*function)(void));

/* One instruction that may trap. It may use t2 to t6. */
#define TRY(name, ...)                                               \
    do {                                                             \
        begin(name);                                                 \
        asm volatile("la t0, 1f\n sw t0, site, t1\n 1: " __VA_ARGS__ \
                     ::: "t0", "t1", "t2", "t3", "t4", "t5", "t6", "ra", "memory"); \
        end();                                                       \
    } while (0)
/* The same with code before the instruction. */
#define TRY_AFTER(name, before, ...)                                        \
    do {                                                                    \
        begin(name);                                                        \
        asm volatile(before "\n la t0, 1f\n sw t0, site, t1\n 1: " __VA_ARGS__ \
                     ::: "t0", "t1", "t2", "t3", "t4", "t5", "t6", "ra", "memory"); \
        end();                                                              \
    } while (0)
