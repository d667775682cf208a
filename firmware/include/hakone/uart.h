/* The serial port, an NS16550A, by polling. */
#ifndef HAKONE_UART_H
#define HAKONE_UART_H

/* Send one byte when the transmitter has room. */
void uart_put(char c);

/* The next byte received, or -1 when there is none. */
int uart_get(void);

#endif
