/* Closed memory: a region under a key that only the sharers have, over memory that the operating system shares out. */
#include "hakone/closed.h"

#include <string.h>

#include "gen/hakone.h"
#include "hakone/os.h"

enum { SEGMENT_BYTES_MAX = 1 << 28 };

/* The first line of an area. Under another key, or never created, it decrypts to something else. */
struct head {
    uint8_t seal[32];
    uint32_t bytes;
    uint8_t unused[28];
};

_Static_assert(sizeof(struct head) == HAKONE_LINE_BYTES, "the head is one line");

/* What setik reads. On the stack, which is protected memory; wiped as soon as it was read. */
struct description {
    uint32_t words[REGION_WORDS];
    struct closed_key key;
};

extern const uint32_t mailbox_description[REGION_WORDS];

static void wipe(void *where, size_t count)
{
    for (volatile uint8_t *p = where; count--; p++) {
        *p = 0;
    }
}

static enum closed_error fail(struct closed *area, enum closed_error error)
{
    area->error = error;
    return error;
}

static enum closed_error meaning(uint32_t status)
{
    switch (status) {
    case SETIK_DONE:
        return CLOSED_OK;
    case SETIK_BAD_KEY:
        return CLOSED_BAD_KEY;
    case SETIK_QUOTA:
        return CLOSED_QUOTA;
    case SETIK_NO_ENTRY:
    case SETIK_NO_KEY:
        return CLOSED_FULL;
    default: /* all that is wrong with a place; the rest of the description is ours */
        return CLOSED_BAD_PLACE;
    }
}

/* What stands in the head of an area, and makes its tag: two areas of one key are not taken for each other. */
static void seal_of(uint8_t seal[32], const char *name)
{
    static const char prefix[] = "hakone closed area ";
    char text[sizeof prefix + OS_NAME_BYTES];

    strcpy(text, prefix);
    strcat(text, name);
    closed_sha256(seal, text, strlen(text));
}

void closed_derive(struct closed_key *key, const uint8_t *seed, size_t bytes, const char *name)
{
    uint8_t text[64] = {0}, digest[32];
    size_t length = strlen(name);

    bytes = bytes < 32 ? bytes : 32;
    length = length < 32 ? length : 32;
    memcpy(text, seed, bytes);
    memcpy(text + 32, name, length);
    closed_sha256(digest, text, sizeof text);
    memcpy(key->bytes, digest, sizeof key->bytes);
    wipe(text, sizeof text);
    wipe(digest, sizeof digest);
}

enum closed_error closed_open(struct closed *area, const char *name, size_t bytes, const struct closed_key *key,
                              enum closed_flags flags)
{
    *area = (struct closed){.flags = (uint8_t)flags, .key = *key};
    if (!name[0] || strlen(name) >= OS_NAME_BYTES) {
        return fail(area, CLOSED_BAD_NAME);
    }
    if (!bytes || bytes > SEGMENT_BYTES_MAX - sizeof(struct head) - HAKONE_LINE_BYTES) {
        return fail(area, CLOSED_BAD_SIZE);
    }
    uint32_t whole = CLOSED_WHOLE_BYTES((uint32_t)bytes);
    if (os_share(name, whole, &area->start) != OS_DONE) {
        return fail(area, CLOSED_REFUSED);
    }
    area->bytes = whole;
    seal_of(area->seal, name);
    return fail(area, CLOSED_OK);
}

static enum closed_error install(const struct closed *area)
{
    struct description d = {{0}, area->key};

    d.words[REGION_WORD_KIND] = REGION_MAGIC | ALGORITHM_AES128_XTS << 16 | HAKONE_VERSION >> 16 << 24;
    d.words[REGION_WORD_ACCESS] =
        REGION_READ | REGION_WRITE | CLOSED_KEY_BYTES << 8 | area->start >> SEGMENT_SHIFT << 16;
    d.words[REGION_WORD_START] = area->start;
    d.words[REGION_WORD_BYTES] = area->bytes;
    memcpy(&d.words[REGION_WORD_TAG], area->seal, sizeof d.words[0]);
    enum closed_error error = meaning(hakone_setik((uint32_t)&d));
    wipe(&d, sizeof d);
    return error;
}

void *closed_map(struct closed *area)
{
    struct head *head = (struct head *)area->start;

    if (!area->bytes) {
        fail(area, CLOSED_NOT_OPEN);
        return NULL;
    }
    if (!area->installed) {
        if (fail(area, install(area)) != CLOSED_OK) {
            return NULL;
        }
        area->installed = 1;
    }
    if (area->flags & CLOSED_CREATE) {
        memset(head, 0, area->bytes);
        memcpy(head->seal, area->seal, sizeof area->seal);
        head->bytes = area->bytes;
        area->flags = CLOSED_ATTACH; /* a second closed_map finds it as it is */
    } else if (memcmp(head->seal, area->seal, sizeof area->seal) != 0 || head->bytes != area->bytes) {
        fail(area, CLOSED_NOT_THERE);
        return NULL;
    }
    fail(area, CLOSED_OK);
    return head + 1;
}

void *closed_wait(struct closed *area, uint32_t tries)
{
    void *memory = closed_map(area);

    while (!memory && area->error == CLOSED_NOT_THERE && tries--) {
        os_yield();
        memory = closed_map(area);
    }
    return memory;
}

enum closed_error closed_forget_key(struct closed *area)
{
    if (!area->installed) {
        return fail(area, CLOSED_NOT_OPEN);
    }
    hakone_clrk(area->start);
    area->installed = 0;
    return fail(area, CLOSED_OK);
}

enum closed_error closed_detach(struct closed *area)
{
    if (!area->bytes) {
        return fail(area, CLOSED_NOT_OPEN);
    }
    area->bytes = 0;
    return fail(area, os_unshare(area->start) == OS_DONE ? CLOSED_OK : CLOSED_REFUSED);
}

enum closed_error closed_close(struct closed *area)
{
    if (!area->bytes) {
        return fail(area, CLOSED_NOT_OPEN);
    }
    if (area->installed) {
        closed_forget_key(area);
    }
    wipe(&area->key, sizeof area->key);
    return closed_detach(area);
}

enum closed_error closed_open_mailbox(void)
{
    enum closed_error error = meaning(hakone_setik((uint32_t)mailbox_description));

    if (error == CLOSED_OK) {
        os_begin();
    }
    return error;
}

enum closed_error closed_close_mailbox(void)
{
    hakone_clrk(OS_MAILBOX);
    return CLOSED_OK;
}

const char *closed_text(enum closed_error error)
{
    static const char *const texts[] = {
        [CLOSED_OK] = "done",
        [CLOSED_BAD_NAME] = "the name is empty or too long",
        [CLOSED_BAD_SIZE] = "no such size is possible",
        [CLOSED_REFUSED] = "the operating system refused the memory",
        [CLOSED_BAD_PLACE] = "the operating system gave a place that cannot be used",
        [CLOSED_BAD_KEY] = "both halves of the key are equal",
        [CLOSED_QUOTA] = "this process has as many areas as it may",
        [CLOSED_FULL] = "the chip has no room for another area",
        [CLOSED_NOT_THERE] = "nobody has created it under this key",
        [CLOSED_NOT_OPEN] = "it is not open",
    };

    return (unsigned)error < sizeof texts / sizeof texts[0] ? texts[error] : "unknown error";
}
