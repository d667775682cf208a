/* The smallest program: one line on the serial port. */
#include <stdio.h>

int main(void)
{
    puts("Hello from Hakone.");
    return 0;
}
