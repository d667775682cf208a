/* Plain processes of the small operating system: one that never yields, one that sends, one that is sent to, and some
 * that ask for what is not there. What each does its mailbox says. */
#include <stdint.h>
#include <stdio.h>

#include "hakone/os.h"

enum { SPIN, SEND, RECEIVE, WRONG, FAULT };
enum { COUNT = 40 };

static int spin(void)
{
    for (volatile uint32_t n = 0; n < 150000; n++) {
    }
    puts("spun");
    return 0;
}

static int send_all(void)
{
    for (uint32_t n = 0; n < COUNT;) {
        if (os_send(3, n * n) == OS_DONE) {
            n++;
        } else {
            os_yield(); /* the other one has as many as it can hold */
        }
    }
    return 0;
}

static int receive_all(void)
{
    uint32_t message, sum = 0;

    for (uint32_t n = 0; n < COUNT;) {
        if (os_receive(&message) != OS_DONE) {
            os_yield();
        } else if (message != n * n) {
            return 1;
        } else {
            sum += message;
            n++;
        }
    }
    printf("sum %u\n", (unsigned)sum);
    return 0;
}

static int ask_for_nonsense(void)
{
    uint32_t address, answers[6];

    answers[0] = os_call((enum os_service)99, 0, 0);
    answers[1] = os_share("a name that is far too long", 4096, &address);
    answers[2] = os_share("nothing", 0, &address);
    answers[3] = os_share("huge", 0x0F000000, &address);
    answers[4] = os_unshare(0x90000000);
    answers[5] = os_send(9, 1);
    os_show(0, answers, sizeof answers);
    return 0;
}

int main(void)
{
    switch (os_mailbox()->given) {
    case SPIN:
        return spin();
    case SEND:
        return send_all();
    case RECEIVE:
        return receive_all();
    case WRONG:
        return ask_for_nonsense();
    default:
        return *(volatile int *)0x20000000;
    }
}
