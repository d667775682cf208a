/* A process's side of the operating system's services. Protected and plain programs use the same. */
#include <stdlib.h>
#include <string.h>

#include "hakone/os.h"
#include "hakone/uart.h"

void os_begin(void)
{
    volatile struct os_mailbox *box = os_mailbox();

    box->service = OS_YIELD;
    box->text_bytes = 0;
    for (volatile uint32_t *p = (volatile uint32_t *)box->text; p < (volatile uint32_t *)(box + 1); p++) {
        *p = 0;
    }
}

uint32_t os_call(enum os_service service, uint32_t first, uint32_t second)
{
    volatile struct os_mailbox *box = os_mailbox();

    box->argument[0] = first;
    box->argument[1] = second;
    box->status = OS_NO_SUCH_SERVICE; /* an operating system that does not answer has not done it */
    box->service = service;
    __asm__ volatile("ecall" : : : "memory");
    return box->status;
}

/* Without the mailbox: what it asks for when nothing is written there is just this. */
void os_yield(void)
{
    __asm__ volatile("ecall" : : : "memory");
}

void os_note(uint32_t number)
{
    os_call(OS_NOTE, number, 0);
}

uint32_t os_share(const char *name, uint32_t bytes, uint32_t *address)
{
    volatile struct os_mailbox *box = os_mailbox();

    if (strlen(name) >= OS_NAME_BYTES) {
        return OS_BAD_ARGUMENT;
    }
    for (int n = 0; n < OS_NAME_BYTES; n++) {
        box->text[n] = '\0';
    }
    for (int n = 0; *name; n++) {
        box->text[n] = *name++;
    }
    uint32_t status = os_call(OS_SHARE, bytes, 0);
    *address = box->value;
    return status;
}

uint32_t os_unshare(uint32_t address)
{
    return os_call(OS_UNSHARE, address, 0);
}

uint32_t os_send(uint32_t process, uint32_t message)
{
    return os_call(OS_SEND, process, message);
}

uint32_t os_receive(uint32_t *message)
{
    uint32_t status = os_call(OS_RECEIVE, 0, 0);

    *message = os_mailbox()->value;
    return status;
}

void os_show(uint32_t offset, const void *bytes, uint32_t count)
{
    volatile struct os_mailbox *box = os_mailbox();
    const uint8_t *from = bytes;

    for (uint32_t n = 0; n < count && offset + n < OS_OUTPUT_BYTES; n++) {
        box->output[offset + n] = from[n];
    }
}

/* A line is put together in the mailbox and shown whole, so that lines of different processes do not mix. */
void uart_put(char c)
{
    volatile struct os_mailbox *box = os_mailbox();
    uint32_t n = box->text_bytes;

    if (n < OS_TEXT_BYTES) { /* whoever changes the count in between spoils a line of text, and nothing else */
        box->text[n++] = c;
        box->text_bytes = n;
    }
    if (c == '\n' || n >= OS_TEXT_BYTES) {
        os_call(OS_WRITE, n, 0);
        box->text_bytes = 0;
    }
}

void exit(int status)
{
    for (;;) {
        os_call(OS_EXIT, (uint32_t)status, 0);
    }
}
