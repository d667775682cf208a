/* Formatted output. Both destinations, serial port and memory, go through one sink. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "hakone/uart.h"
#include "replaceable.h"

/* Where characters go: to memory while there is room, or to the serial port when `to` is NULL. */
struct sink {
    char *to;
    size_t size;
    size_t count; /* characters given so far */
};

/* One conversion as parsed from the format. */
struct conversion {
    int left;
    char pad;
    char plus; /* "+" or " " before a number that is not negative; 0: nothing */
    int width;
    int precision; /* -1: none */
    int longs;     /* number of 'l' */
};

static void put(struct sink *out, char c)
{
    if (!out->to) {
        uart_put(c);
    } else if (out->count + 1 < out->size) {
        out->to[out->count] = c;
    }
    out->count++;
}

static void put_field(struct sink *out, const struct conversion *c, const char *text, size_t length, char sign)
{
    int fill = c->width - (int)length - (sign != 0);

    if (sign && c->pad == '0') {
        put(out, sign);
    }
    for (; !c->left && fill > 0; fill--) {
        put(out, c->pad);
    }
    if (sign && c->pad != '0') {
        put(out, sign);
    }
    while (length--) {
        put(out, *text++);
    }
    for (; fill > 0; fill--) {
        put(out, ' ');
    }
}

static void put_number(struct sink *out, const struct conversion *c, uint64_t value, unsigned base, const char *digits,
                       char sign)
{
    char text[20]; /* 2^64 has 20 decimal digits */
    char *p = text + sizeof text;

    while (value > UINT32_MAX) { /* the long division is slow on 32 bits: only as long as it is needed */
        *--p = digits[value % base];
        value /= base;
    }
    uint32_t low = (uint32_t)value;
    do {
        *--p = digits[low % base];
        low /= base;
    } while (low);
    put_field(out, c, p, (size_t)(text + sizeof text - p), sign);
}

static uint64_t next_unsigned(va_list *arguments, int longs)
{
    return longs >= 2 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, uint32_t);
}

static void put_signed(struct sink *out, const struct conversion *c, va_list *arguments)
{
    int64_t value = c->longs >= 2 ? va_arg(*arguments, int64_t) : va_arg(*arguments, int32_t);

    put_number(out, c, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, "0123456789", value < 0 ? '-' : c->plus);
}

static int digits_or_star(const char **format, va_list *arguments)
{
    int value = 0;

    if (**format == '*') {
        ++*format;
        return va_arg(*arguments, int);
    }
    for (; **format >= '0' && **format <= '9'; ++*format) {
        value = value * 10 + (**format - '0');
    }
    return value;
}

static struct conversion parse(const char **format, va_list *arguments)
{
    struct conversion c = {.pad = ' ', .precision = -1};

    for (;; ++*format) {
        if (**format == '-') {
            c.left = 1;
        } else if (**format == '0') {
            c.pad = '0';
        } else if (**format == '+' || (**format == ' ' && c.plus != '+')) {
            c.plus = **format;
        } else if (**format == '#') { /* taken, without effect */
        } else {
            break;
        }
    }
    if (c.left) {
        c.pad = ' ';
    }
    c.width = digits_or_star(format, arguments);
    if (**format == '.') {
        ++*format;
        c.precision = digits_or_star(format, arguments);
    }
    for (; **format == 'l' || **format == 'h' || **format == 'z'; ++*format) {
        c.longs += **format == 'l';
    }
    return c;
}

static void convert(struct sink *out, char kind, const struct conversion *c, va_list *arguments)
{
    const char *text;
    char one;

    switch (kind) {
    case 'd':
    case 'i':
        put_signed(out, c, arguments);
        break;
    case 'u':
        put_number(out, c, next_unsigned(arguments, c->longs), 10, "0123456789", 0);
        break;
    case 'p':
    case 'x':
        put_number(out, c, next_unsigned(arguments, c->longs), 16, "0123456789abcdef", 0);
        break;
    case 'X':
        put_number(out, c, next_unsigned(arguments, c->longs), 16, "0123456789ABCDEF", 0);
        break;
    case 'c':
        one = (char)va_arg(*arguments, int);
        put_field(out, c, &one, 1, 0);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        put_field(out, c, text, c->precision < 0 ? strlen(text) : strnlen(text, (size_t)c->precision), 0);
        break;
    default: /* %% and anything unknown: the character itself */
        put(out, kind);
        break;
    }
}

static void format_all(struct sink *out, const char *format, va_list *arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(out, *format);
            continue;
        }
        format++;
        struct conversion c = parse(&format, arguments);
        if (!*format) {
            return;
        }
        convert(out, *format, &c, arguments);
    }
}

REPLACEABLE int vsnprintf(char *to, size_t size, const char *format, va_list arguments)
{
    char nowhere;
    struct sink out = {.to = to ? to : &nowhere, .size = to ? size : 0};
    va_list copy;

    va_copy(copy, arguments);
    format_all(&out, format, &copy);
    va_end(copy);
    if (out.size) {
        to[out.count < size ? out.count : size - 1] = '\0';
    }
    return (int)out.count;
}

REPLACEABLE int vprintf(const char *format, va_list arguments)
{
    struct sink out = {.to = NULL};
    va_list copy;

    va_copy(copy, arguments);
    format_all(&out, format, &copy);
    va_end(copy);
    return (int)out.count;
}

REPLACEABLE int printf(const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vprintf(format, arguments);
    va_end(arguments);
    return count;
}

REPLACEABLE int snprintf(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return count;
}

REPLACEABLE int putchar(int c)
{
    uart_put((char)c);
    return (unsigned char)c;
}

REPLACEABLE int puts(const char *line)
{
    while (*line) {
        uart_put(*line++);
    }
    uart_put('\n');
    return 0;
}
