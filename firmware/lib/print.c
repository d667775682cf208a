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

/* The digits of a number, ending before `end`; returns the first. */
static char *put_digits(char *end, uint64_t value, unsigned base, const char *digits)
{
    while (value > UINT32_MAX) { /* the long division is slow on 32 bits: only as long as it is needed */
        *--end = digits[value % base];
        value /= base;
    }
    uint32_t low = (uint32_t)value;
    do {
        *--end = digits[low % base];
        low /= base;
    } while (low);
    return end;
}

static void put_number(struct sink *out, const struct conversion *c, uint64_t value, unsigned base, const char *digits,
                       char sign)
{
    char text[20]; /* 2^64 has 20 decimal digits */
    char *p = put_digits(text + sizeof text, value, base, digits);

    put_field(out, c, p, (size_t)(text + sizeof text - p), sign);
}

/* A double in fixed notation, without floating-point arithmetic: programs that print none need none linked. Digits are
 * those of the exact value, the last one rounded half up. From 2^64 on it is printed as "inf". */
static void put_double(struct sink *out, const struct conversion *c, double value)
{
    uint64_t bits, whole = 0, part = 0; /* part: what is behind the point, in 2^-64 */
    char text[20 + 1 + 18];             /* digits of 2^64, the point, and as many places as there may be */
    const unsigned places = c->precision < 0 ? 6 : c->precision > 18 ? 18 : (unsigned)c->precision;
    char *const end = text + sizeof text;
    char *p = end - places;

    memcpy(&bits, &value, sizeof bits);
    const char sign = bits >> 63 ? '-' : c->plus;
    const int power = (int)(bits >> 52 & 0x7FF) - 1075; /* of the mantissa's last bit */
    const uint64_t mantissa = (bits & 0xFFFFFFFFFFFFF) | (uint64_t)(power > -1075) << 52;
    if (power > 11) {
        struct conversion word = *c;

        word.pad = ' ';
        put_field(out, &word, power == 972 && bits << 12 ? "nan" : "inf", 3, sign);
        return;
    }
    if (power >= 0) {
        whole = mantissa << power;
    } else if (power > -64) {
        whole = mantissa >> -power;
        part = mantissa << (64 + power);
    } else if (power > -128) {
        part = mantissa >> (-64 - power);
    }
    for (; p < end; p++) { /* times ten; what overflows is the digit */
        const uint64_t low = (part & UINT32_MAX) * 10;
        const uint64_t high = (part >> 32) * 10 + (low >> 32);

        *p = (char)('0' + (high >> 32));
        part = high << 32 | (low & UINT32_MAX);
    }
    unsigned carry = (unsigned)(part >> 63);
    for (p = end; carry && p > end - places;) {
        p--;
        carry = *p == '9';
        *p = carry ? '0' : (char)(*p + 1);
    }
    p = end - places;
    if (places) {
        *--p = '.';
    }
    whole += carry; /* what is as large as 2^64 - 1 has no places to round */
    p = put_digits(p, whole, 10, "0123456789");
    put_field(out, c, p, (size_t)(end - p), sign);
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
    case 'f':
        put_double(out, c, va_arg(*arguments, double));
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
