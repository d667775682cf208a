/* string.h. Copies and fills go word by word where both ends allow it.
 *
 * Compiled with -fno-builtin: a compiler that recognises these loops would turn memcpy into a call of itself. */
#include <string.h>

#include <stdint.h>

#include "replaceable.h"

#define WORD sizeof(uint32_t)

/* A word that may stand for any type: the copied bytes belong to objects of other types. */
typedef uint32_t __attribute__((may_alias)) word_t;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & (WORD - 1)) == 0;
}

REPLACEABLE void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    unsigned char *d = to;
    const unsigned char *s = from;

    if (aligned(d, s)) {
        for (; count >= 4 * WORD; count -= 4 * WORD, d += 4 * WORD, s += 4 * WORD) {
            word_t a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
            word_t c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];
            ((word_t *)d)[0] = a;
            ((word_t *)d)[1] = b;
            ((word_t *)d)[2] = c;
            ((word_t *)d)[3] = e;
        }
        for (; count >= WORD; count -= WORD, d += WORD, s += WORD) {
            *(word_t *)d = *(const word_t *)s;
        }
    }
    while (count--) {
        *d++ = *s++;
    }
    return to;
}

REPLACEABLE void *memmove(void *to, const void *from, size_t count)
{
    unsigned char *d = to;
    const unsigned char *s = from;

    if ((uintptr_t)d - (uintptr_t)s >= count) { /* also when d lies before s: the difference wraps */
        return memcpy(to, from, count);
    }
    while (count--) {
        d[count] = s[count];
    }
    return to;
}

REPLACEABLE void *memset(void *to, int value, size_t count)
{
    unsigned char *d = to;
    uint32_t word = (unsigned char)value * 0x01010101u;

    for (; count && ((uintptr_t)d & (WORD - 1)); count--) {
        *d++ = (unsigned char)value;
    }
    for (; count >= WORD; count -= WORD, d += WORD) {
        *(word_t *)d = word;
    }
    while (count--) {
        *d++ = (unsigned char)value;
    }
    return to;
}

REPLACEABLE int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;

    for (; count; count--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

REPLACEABLE void *memchr(const void *where, int value, size_t count)
{
    const unsigned char *s = where;

    for (; count; count--, s++) {
        if (*s == (unsigned char)value) {
            return (void *)(uintptr_t)s;
        }
    }
    return NULL;
}

REPLACEABLE size_t strlen(const char *s)
{
    const char *end = s;

    while (*end) {
        end++;
    }
    return (size_t)(end - s);
}

REPLACEABLE size_t strnlen(const char *s, size_t limit)
{
    size_t n = 0;

    while (n < limit && s[n]) {
        n++;
    }
    return n;
}

REPLACEABLE int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
    }
    return (unsigned char)*a - (unsigned char)*b;
}

REPLACEABLE int strncmp(const char *a, const char *b, size_t count)
{
    for (; count && *a && *a == *b; count--, a++, b++) {
    }
    return count ? (unsigned char)*a - (unsigned char)*b : 0;
}

REPLACEABLE char *strcpy(char *restrict to, const char *restrict from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

REPLACEABLE char *strncpy(char *restrict to, const char *restrict from, size_t count)
{
    size_t n = strnlen(from, count);

    memcpy(to, from, n);
    memset(to + n, 0, count - n);
    return to;
}

REPLACEABLE char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

REPLACEABLE char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        if (!*s) {
            return NULL;
        }
    }
    return (char *)(uintptr_t)s;
}

REPLACEABLE char *strrchr(const char *s, int c)
{
    for (const char *p = s + strlen(s) + 1; p-- != s;) {
        if (*p == (char)c) {
            return (char *)(uintptr_t)p;
        }
    }
    return NULL;
}

REPLACEABLE char *strstr(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);

    for (; strnlen(haystack, n) == n; haystack++) {
        if (!memcmp(haystack, needle, n)) {
            return (char *)(uintptr_t)haystack;
        }
    }
    return NULL;
}
