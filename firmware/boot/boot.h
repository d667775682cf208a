/* The boot program: what its parts offer each other. It lives in the mask ROM and keeps nothing but its stack in RAM. */
#ifndef HAKONE_BOOT_H
#define HAKONE_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gen/hakone.h"

/* What the reset code tells. */
struct machine {
    uint32_t hart;
    uint32_t device_tree;
    uint32_t ram_bytes;
    uint32_t clock_hz;
};

/* An image's header as it stands in an image: words, see gen/hakone.h. */
struct image_header {
    uint32_t words[IMAGE_HEADER_WORDS];
};

/* console.c: text to the serial line; '\n' becomes both CR and LF. */
void console_begin(void);
void console_end(void);
void console_put(uint8_t byte);
int console_get(void); /* -1: nothing has come */
void print(const char *text);
void print_hex(uint32_t value);
void print_number(uint32_t value);

/* time.c: ticks of 100 ns, and whether `ticks` have passed since `start`. At most seven minutes. */
uint32_t time_now(void);
bool time_passed(uint32_t start, uint32_t ticks);
#define MILLISECONDS(n) ((uint32_t)(n) * (HAKONE_TIMEBASE_HZ / 1000))

/* crc.c: each continues `crc` with `count` bytes. The first value is 0; that of CRC-32 too. */
uint8_t crc7(uint8_t crc, const uint8_t *bytes, size_t count);
uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t count);
uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t count);

/* image.c */
const char *problem_text(uint32_t problem);
uint32_t image_check(const struct image_header *header, uint32_t ram_bytes);
uint32_t image_check_payload(const struct image_header *header);
_Noreturn void image_start(const struct image_header *header, const struct machine *machine);

/* sd.c: null, or what is wrong, in words. Sectors have 512 bytes. */
struct card {
    bool block_addresses;
};
const char *card_begin(struct card *card, uint32_t clock_hz);
const char *card_read(const struct card *card, uint32_t sector, uint8_t *to);
void card_end(void);

/* upload.c: waits until an image has come whole and sound. */
void upload(struct image_header *header, uint32_t ram_bytes);

/* start.S */
_Noreturn void enter(uint32_t hart, uint32_t device_tree, uint32_t zero, uint32_t entry);

#endif
