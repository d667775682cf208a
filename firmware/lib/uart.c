/* The serial port. It needs no setting up on the machines we run on; the divisor latch stays as reset left it. */
#include "hakone/uart.h"

#include <stdint.h>

#include "gen/hakone.h"
#include "replaceable.h"

enum { UART_DATA = 0, UART_LINE_STATUS = 5 };
enum { STATUS_RECEIVED = 1 << 0, STATUS_ROOM = 1 << 5 };

static volatile uint8_t *const registers = (volatile uint8_t *)HAKONE_UART_BASE;

REPLACEABLE void uart_put(char c)
{
    while (!(registers[UART_LINE_STATUS] & STATUS_ROOM)) {
    }
    registers[UART_DATA] = (uint8_t)c;
}

REPLACEABLE int uart_get(void)
{
    return registers[UART_LINE_STATUS] & STATUS_RECEIVED ? registers[UART_DATA] : -1;
}
