/* The part of C's stdio.h that bare-metal programs need: formatted output to the serial port or into memory.
 *
 * Conversions: d i u x X c s p f and %%, with flags '-' and '0', width, precision (of strings and f), '*', and
 * h hh l ll z. */
#ifndef HAKONE_STDIO_H
#define HAKONE_STDIO_H

#include <stdarg.h>
#include <stddef.h>

int putchar(int c);
int puts(const char *line);
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments);
int snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t size, const char *format, va_list arguments);

#endif
