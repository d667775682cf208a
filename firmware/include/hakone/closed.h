/* Closed memory: memory that processes share and nobody else can read, the operating system included.
 *
 * It is used as shm_open and mmap are: processes that name the same area under the same key have the same memory, each
 * at an address of its own.
 *
 *     struct closed area;
 *     if (closed_open(&area, "album", sizeof(struct album), &closed_stored_key, CLOSED_CREATE) == CLOSED_OK) {
 *         struct album *album = closed_map(&area);
 *         ...
 *         closed_close(&area);
 *     }
 *
 * The operating system gives memory and a place for it; the key makes it closed, and the operating system never has it.
 * It can take the memory away, or spoil it, and other processes without the key can spoil it too: the ciphers of this
 * version hide what lies there, they do not tell when it was changed. */
#ifndef HAKONE_CLOSED_H
#define HAKONE_CLOSED_H

#include <stddef.h>
#include <stdint.h>

enum { CLOSED_KEY_BYTES = 32 };

/* Bytes of plain memory that an area of `bytes` takes: whole lines, and one in front. */
#define CLOSED_WHOLE_BYTES(bytes) (((bytes) + 64 + 63) & ~63u)

/* Two AES-128 keys, for AES-128-XTS. They must differ. */
struct closed_key {
    uint8_t bytes[CLOSED_KEY_BYTES];
};

/* The key and the seed that were put into this program when it was sealed. Programs that are to share are sealed with
 * the same ones. */
extern const struct closed_key closed_stored_key;
extern const uint8_t closed_seed[16];

enum closed_error {
    CLOSED_OK,
    CLOSED_BAD_NAME,  /* empty, or 24 characters or more */
    CLOSED_BAD_SIZE,  /* 0 bytes, or more than a segment holds */
    CLOSED_REFUSED,   /* the operating system does not give the memory, or gives another size than was asked for */
    CLOSED_BAD_PLACE, /* the operating system gave an address that cannot be used, or is in use */
    CLOSED_BAD_KEY,   /* both halves of the key are equal */
    CLOSED_QUOTA,     /* this process has as many areas as it may */
    CLOSED_FULL,      /* the chip has no room for another key or area just now */
    CLOSED_NOT_THERE, /* nobody has created this area under this key (yet) */
    CLOSED_NOT_OPEN,  /* closed_open did not succeed, or closed_close was called */
};

enum closed_flags {
    CLOSED_ATTACH = 0, /* somebody else creates the area */
    CLOSED_CREATE = 1, /* it is filled with zeros, whatever was there */
};

/* An open area. Its members are the library's own; the program keeps it in its protected memory. */
struct closed {
    uint32_t start, bytes; /* of the whole region, its first line included */
    enum closed_error error;
    uint8_t flags, installed;
    struct closed_key key;
    uint8_t seal[32]; /* of its name */
};

/* Ask the operating system for the area's memory and remember the key. Nothing is readable yet. */
enum closed_error closed_open(struct closed *area, const char *name, size_t bytes, const struct closed_key *key,
                              enum closed_flags flags);

/* Tie the memory to the key and give its address, which is a multiple of 64; NULL with area->error set when it cannot be
 * used. CLOSED_NOT_THERE may be tried again; the other errors remain. */
void *closed_map(struct closed *area);

/* closed_map that waits, letting others run, until the area was created; at most `tries` times. */
void *closed_wait(struct closed *area, uint32_t tries);

/* Give the key and the memory back, each by itself: from either on, an access faults. */
enum closed_error closed_forget_key(struct closed *area);
enum closed_error closed_detach(struct closed *area);

/* Both. What was written stays there, encrypted, for those who have the key. */
enum closed_error closed_close(struct closed *area);

/* A key out of a seed and a name, always the same: SHA-256 of both. For programs that are to share and hold a seed. */
void closed_derive(struct closed_key *key, const uint8_t *seed, size_t bytes, const char *name);

/* What an error means, in words. */
const char *closed_text(enum closed_error error);

/* The number of this process among those that were started from its program, from 0 on. The processor gave it, not the
 * operating system. */
static inline uint32_t closed_instance(void)
{
    uint32_t number;

    __asm__ volatile("mv %0, tp" : "=r"(number));
    return number;
}

/* SHA-256 (FIPS 180-4). */
void closed_sha256(uint8_t digest[32], const void *bytes, size_t count);

/* For programs built small, which begin without it: the mailbox, which takes an entry of the processor's. */
enum closed_error closed_open_mailbox(void);
enum closed_error closed_close_mailbox(void);

#endif
