/* The part of C's stdlib.h that bare-metal programs need. */
#ifndef HAKONE_STDLIB_H
#define HAKONE_STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

/* The heap lies between the linker's __heap_start and __heap_end. Blocks are aligned to 16 bytes. */
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
void free(void *block);

/* End the program: 0 is a pass, 1 to 99 a code of the program's own. */
void exit(int status) __attribute__((noreturn));

static inline int abs(int value)
{
    return value < 0 ? -value : value;
}

#endif
