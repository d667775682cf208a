/* What owner and partner share: the owner's text and picture, and the partner's answer. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdint.h>

#include "hakone/closed.h"

#ifndef EXCHANGE_BYTES
#define EXCHANGE_BYTES 0x16000 /* of the whole area: the largest text and picture */
#endif

#ifndef EXCHANGE_TRIES
#define EXCHANGE_TRIES 4000 /* how often they let others run while they wait */
#endif

#ifndef EXCHANGE_PAUSE
#define EXCHANGE_PAUSE 0 /* how often the owner lets others run before he passes the turn: time to interfere, in tests */
#endif

#define EXCHANGE_NAME "album"

enum turn { TURN_FILLING, TURN_OF_PARTNER, TURN_OF_OWNER };
enum { NOTE_FILLED = 1, NOTE_ANSWERED, NOTE_READ };
enum { TRIES = EXCHANGE_TRIES, ANSWER_BYTES = 192 };

struct exchange {
    volatile uint32_t turn;
    uint32_t text_bytes, picture_bytes; /* multiples of 4 */
    uint32_t checksum;                  /* of both */
    char answer[ANSWER_BYTES];
    uint8_t content[]; /* text, then picture */
};

struct picture {
    uint32_t width, height;
    uint32_t padding[2];
    uint32_t pixels[];
};

/* The key of the area, in either of two ways: it stands in the program's encrypted constants, or it is computed from a
 * seed there. */
void exchange_key(struct closed_key *key);

/* FNV-1a over 32-bit words. */
uint32_t checksum(const void *words, uint32_t bytes);

/* Every line of a picture from right to left. */
void mirror(struct picture *picture);

/* Let others run until it is `turn`. 0, or 1 when it never is. */
int wait_for(const struct exchange *shared, uint32_t turn);

int owner(void);
int partner(void);

#endif
