/* The serial port, by polling, with its FIFOs on: the next bytes of a frame come while one is worked on. */
#include "boot.h"

enum { DATA = 0, FIFO_CONTROL = 2, LINE_STATUS = 5 };
enum { FIFO_ON = 1, RECEIVED = 1 << 0, ROOM = 1 << 5 };

static volatile uint8_t *const registers = (volatile uint8_t *)HAKONE_UART_BASE;

void console_begin(void) { registers[FIFO_CONTROL] = FIFO_ON; }

/* As after reset, once the last byte has gone: turning the FIFOs off drops what they hold. */
void console_end(void)
{
    while (!(registers[LINE_STATUS] & ROOM)) {
    }
    registers[FIFO_CONTROL] = 0;
}

void console_put(uint8_t byte)
{
    while (!(registers[LINE_STATUS] & ROOM)) {
    }
    registers[DATA] = byte;
}

int console_get(void) { return registers[LINE_STATUS] & RECEIVED ? registers[DATA] : -1; }

void print(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            console_put('\r');
        console_put((uint8_t)*text);
    }
}

void print_hex(uint32_t value)
{
    print("0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        const uint32_t digit = value >> shift & 15;
        console_put((uint8_t)(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}

void print_number(uint32_t value)
{
    if (value >= 10)
        print_number(value / 10);
    console_put((uint8_t)('0' + value % 10));
}
