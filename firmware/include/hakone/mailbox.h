/* The plain window between an encrypted program and the monitor: all that the program says about its end. */
#ifndef HAKONE_MAILBOX_H
#define HAKONE_MAILBOX_H

#include <stdint.h>

#define MAILBOX_EXITED 0x54495845u /* "EXIT" */

struct mailbox {
    uint32_t event;     /* MAILBOX_EXITED when the program has ended */
    uint32_t exit_code; /* what main returned or exit was given */
};

extern volatile struct mailbox mailbox;

#endif
