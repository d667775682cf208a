/* Reads a picture and a text that only their owner may see, and prints a summary on the serial port.
 *
 * The same sources make a plain program and an encrypted one; nothing here knows which it is. */
#include <stdio.h>

#include "album.h"

uint32_t checksum(const void *words, uint32_t count)
{
    uint32_t hash = 2166136261u;

    for (const uint32_t __attribute__((may_alias)) *p = words; count--; p++) {
        hash = (hash ^ *p) * 16777619u;
    }
    return hash;
}

int main(void)
{
    puts("album: the picture");
    if (study_picture(&owner_picture)) {
        puts("album: no room for the drawing");
        return 1;
    }
    puts("album: the text");
    if (study_text(owner_text)) {
        puts("album: no room for the words");
        return 2;
    }
    puts("album: done");
    return 0;
}
