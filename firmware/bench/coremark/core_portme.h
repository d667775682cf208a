/* CoreMark's porting interface for Hakone: types, and which of its ways of doing things are used.
 *
 * CoreMark itself is not part of this repository: `make bench COREMARK=FOLDER` compiles a user's unmodified copy
 * against this file. The names are those that its documentation asks a port for.
 *
 * CoreMark calls a run valid that lasts ten seconds. The seconds here are those of a clock of 250 kHz, so that it takes
 * a simulation of seconds, not of hours; what counts is cycles. */
#ifndef CORE_PORTME_H
#define CORE_PORTME_H

#include <stddef.h>
#include <stdint.h>

#define CYCLES_PER_SECOND 250000u

#define HAS_FLOAT 0
#define HAS_TIME_H 0
#define USE_CLOCK 0
#define HAS_STDIO 1
#define HAS_PRINTF 1
#define PRIu32 "u"

#define COMPILER_VERSION __VERSION__
#ifndef COMPILER_FLAGS
#define COMPILER_FLAGS "hakone cc -O3"
#endif
#define MEM_LOCATION "STACK"

#define SEED_METHOD SEED_VOLATILE /* the compiler cannot know what the work is done on */
#define MEM_METHOD MEM_STACK
#define MULTITHREAD 1
#define MAIN_HAS_NOARGC 1
#define MAIN_HAS_NORETURN 0

typedef int16_t ee_s16;
typedef uint16_t ee_u16;
typedef int32_t ee_s32;
typedef uint8_t ee_u8;
typedef uint32_t ee_u32;
typedef uintptr_t ee_ptr_int;
typedef size_t ee_size_t;
typedef uint32_t CORE_TICKS;

/* The next multiple of four. */
#define align_mem(address) ((void *)(((ee_ptr_int)(address) + 3u) & ~(ee_ptr_int)3u))

typedef struct CORE_PORTABLE_S {
    ee_u8 portable_id;
} core_portable;

extern ee_u32 default_num_contexts;

void portable_init(core_portable *p, int *argc, char *argv[]);
void portable_fini(core_portable *p);

#endif
