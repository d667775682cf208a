/* A plain program that attaches the owner's area and writes a text of its own there, again and again. */
#include <stdint.h>
#include <stdio.h>

#include "exchange.h"
#include "hakone/os.h"

enum { ROUNDS = 150, PLACE = 1024 };

int main(void)
{
    static const char text[64] = "VANDALISM 0123456789 QWERTZUIOP ASDFGHJKL YXCVBNM 9876543210 #!";
    uint32_t from;

    if (os_share(EXCHANGE_NAME, CLOSED_WHOLE_BYTES(EXCHANGE_BYTES), &from) != OS_DONE) {
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned n = 0; n < sizeof text; n++) {
            ((volatile char *)from)[PLACE + n] = text[n];
        }
        /* Another line each time: the same one twice would be the same noise. */
        ((volatile char *)from)[PLACE + sizeof text - 1] = (char)('A' + round % 26);
        os_yield();
    }
    return 0;
}
