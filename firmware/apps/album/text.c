/* The text: how many lines and words, and which words come most often. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "album.h"

enum { TABLE = 512, LONGEST = 23, SHOWN = 6 }; /* TABLE is a power of two */

struct word {
    uint32_t count;
    char text[LONGEST + 1];
};

/* A lower-case letter or digit for one that belongs to a word, else 0. Bytes above 127 are parts of letters. */
static char letter(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c + 'a' - 'A');
    }
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c > 127 ? c : 0;
}

/* The place of a word in the table, or NULL when the table is full. */
static struct word *place(struct word *table, const char *text)
{
    uint32_t hash = 5381;

    for (const char *p = text; *p; p++) {
        hash = hash * 33 ^ (uint8_t)*p;
    }
    for (uint32_t n = 0; n < TABLE; n++) {
        struct word *w = &table[(hash + n) & (TABLE - 1)];

        if (!w->count || !strcmp(w->text, text)) {
            return w;
        }
    }
    return NULL;
}

static void print_most_frequent(struct word *table)
{
    for (int shown = 0; shown < SHOWN; shown++) {
        struct word *best = &table[0];

        for (struct word *w = table; w < table + TABLE; w++) {
            if (w->count > best->count || (w->count == best->count && w->count && strcmp(w->text, best->text) < 0)) {
                best = w;
            }
        }
        if (!best->count) {
            return;
        }
        printf("  %-24s %4u\n", best->text, (unsigned)best->count);
        best->count = 0;
    }
}

int study_text(const char *text)
{
    struct word *table = calloc(TABLE, sizeof *table);
    uint32_t lines = 0, words = 0, different = 0, length = 0;
    char word[LONGEST + 1];

    if (!table) {
        return 1;
    }
    for (const char *p = text;; p++) {
        char c = letter(*p);

        if (c && length < LONGEST) {
            word[length++] = c;
        } else if (!c && length) {
            word[length] = '\0';
            length = 0;
            words++;
            struct word *w = place(table, word);
            if (w) {
                different += !w->count;
                w->count++;
                strcpy(w->text, word);
            }
        }
        lines += *p == '\n';
        if (!*p) {
            break;
        }
    }
    printf("  %u lines, %u words, %u of them different\n", (unsigned)lines, (unsigned)words, (unsigned)different);
    print_most_frequent(table);
    printf("  checksum of the text 0x%08x\n", (unsigned)checksum(text, (uint32_t)strlen(text) / 4 + 1));
    free(table);
    return 0;
}
