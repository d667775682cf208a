/* What the small operating system and its processes agree on. Both sides are free to lie: a protected program checks
 * whatever it is told here. */
#ifndef HAKONE_OS_H
#define HAKONE_OS_H

#define OS_PAGE_BYTES 4096

/* Addresses of a process. Its code begins in the segment of the memory, where the operating system put it; areas that
 * it shares lie in segments that the operating system chooses. */
#define OS_PRIVATE 0x40000000 /* variables, heap and stack of a protected process */
#define OS_PRIVATE_SEGMENT 4
#define OS_MAILBOX 0x60000000 /* one page of plain memory: struct os_mailbox */
#define OS_MAILBOX_SEGMENT 6

#ifndef __ASSEMBLER__

#include <stdint.h>

/* Services. The registers of a protected process cannot be read, so that number, arguments and answer stand in its
 * mailbox; then it executes ecall. */
enum os_service {
    OS_YIELD,   /* let others run */
    OS_EXIT,    /* end with the code in argument[0] */
    OS_WRITE,   /* show argument[0] characters of text */
    OS_NOTE,    /* argument[0], for the record: how far the process has come */
    OS_SHARE,   /* attach the area of plain memory that is named by text, of argument[0] bytes; value: its address */
    OS_UNSHARE, /* detach the one at address argument[0] */
    OS_SEND,    /* argument[1] to process argument[0] */
    OS_RECEIVE, /* value: the oldest message */
};

/* Answers. */
enum os_status { OS_DONE, OS_NO_SUCH_SERVICE, OS_BAD_ARGUMENT, OS_NO_MEMORY, OS_NO_PLACE, OS_EMPTY };

enum { OS_NAME_BYTES = 24, OS_TEXT_BYTES = 512, OS_OUTPUT_BYTES = 3072 };

struct os_mailbox {
    uint32_t service;
    uint32_t argument[2];
    uint32_t status;
    uint32_t value;
    uint32_t given;      /* a number that whoever started the process gave it */
    uint32_t unused[9];
    uint32_t text_bytes; /* of a line that is being put together */
    char text[OS_TEXT_BYTES];
    uint8_t output[OS_OUTPUT_BYTES]; /* what the process leaves for those who look at it after its end */
};

/* Clear the mailbox but for `given`: the start-up code does it, so that everything that stands there later is either the
 * process's own or an answer. */
void os_begin(void);

/* Carry out a service; the answer's status. value is in the mailbox. */
uint32_t os_call(enum os_service service, uint32_t first, uint32_t second);

/* This process's mailbox. */
static inline volatile struct os_mailbox *os_mailbox(void)
{
    return (volatile struct os_mailbox *)OS_MAILBOX;
}

/* The services by name. os_share puts the address into *address. */
void os_yield(void);
void os_note(uint32_t number);
uint32_t os_share(const char *name, uint32_t bytes, uint32_t *address);
uint32_t os_unshare(uint32_t address);
uint32_t os_send(uint32_t process, uint32_t message);
uint32_t os_receive(uint32_t *message);

/* Leave bytes in the mailbox's output, from offset on; what does not fit is left out. */
void os_show(uint32_t offset, const void *bytes, uint32_t count);

#endif

#endif
