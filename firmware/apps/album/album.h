/* The owner's picture and text, and what the program makes of them. */
#ifndef ALBUM_H
#define ALBUM_H

#include <stdint.h>

/* Four bytes a pixel, so that one load fetches one. The fourth is not used. */
struct pixel {
    uint8_t red, green, blue, unused;
};

struct picture {
    uint32_t width, height;
    uint32_t padding[2]; /* pixels begin at a multiple of the cipher's block, as they would in any picture file */
    struct pixel pixels[];
};

/* Put in by the owner when the program is built (inputs.S): part of the protected data. */
extern const struct picture owner_picture;
extern const char owner_text[]; /* ends with a zero byte, and more up to a whole word */

/* The drawing that study_picture makes, on the protected heap. */
extern struct picture *drawing;

/* Print what is in the picture and make the drawing. 0, or 1 when the heap is too small. */
int study_picture(const struct picture *picture);

/* Print what is in the text. 0, or 1 when the heap is too small. */
int study_text(const char *text);

/* FNV-1a over 32-bit words: enough to compare two runs, and quick. */
uint32_t checksum(const void *words, uint32_t count);

#endif
