/* The picture: its brightness, a small view in characters, and a drawing of its edges. */
#include <stdio.h>
#include <stdlib.h>

#include "album.h"

enum { LEVELS = 8, BAR = 32, VIEW_COLUMNS = 48 };

struct picture *drawing;

/* Brightness 0 to 255, with the weights of ITU-R BT.601 in 256ths. */
static uint32_t brightness(struct pixel p)
{
    return (77u * p.red + 150u * p.green + 29u * p.blue) >> 8;
}

static void print_histogram(const uint8_t *grey, uint32_t count)
{
    uint32_t bins[LEVELS] = {0}, most = 1;

    for (uint32_t i = 0; i < count; i++) {
        bins[grey[i] * LEVELS / 256]++;
    }
    for (int i = 0; i < LEVELS; i++) {
        most = bins[i] > most ? bins[i] : most;
    }
    for (int i = 0; i < LEVELS; i++) {
        printf("  %3d-%3d %6u ", i * 256 / LEVELS, (i + 1) * 256 / LEVELS - 1, (unsigned)bins[i]);
        for (uint32_t n = bins[i] * BAR / most; n; n--) {
            putchar('#');
        }
        putchar('\n');
    }
}

/* Mean brightness of a part of the picture, one part per character; a character is about twice as high as wide. */
static void print_view(const uint8_t *grey, uint32_t width, uint32_t height)
{
    static const char shades[] = " .:-=+*#%@";
    uint32_t columns = width < VIEW_COLUMNS ? width : VIEW_COLUMNS;
    uint32_t rows = height * columns / (2 * width);

    rows = rows ? rows : 1;
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t top = row * height / rows, bottom = (row + 1) * height / rows;

        printf("  ");
        for (uint32_t column = 0; column < columns; column++) {
            uint32_t left = column * width / columns, right = (column + 1) * width / columns, sum = 0;

            for (uint32_t y = top; y < bottom; y++) {
                for (uint32_t x = left; x < right; x++) {
                    sum += grey[y * width + x];
                }
            }
            sum /= (bottom - top) * (right - left);
            putchar(shades[sum * (sizeof shades - 1) / 256]);
        }
        putchar('\n');
    }
}

/* Sobel's operator, dark lines on white paper. The border has no neighbours and stays white. */
static void draw_edges(const uint8_t *grey, struct picture *to)
{
    const struct pixel paper = {255, 255, 255, 0};
    uint32_t w = to->width, h = to->height;

    for (uint32_t i = 0; i < w * h; i++) {
        to->pixels[i] = paper;
    }
    for (uint32_t y = 1; y + 1 < h; y++) {
        for (uint32_t x = 1; x + 1 < w; x++) {
            const uint8_t *a = grey + (y - 1) * w + x, *b = a + w, *c = b + w;
            int across = a[1] + 2 * b[1] + c[1] - a[-1] - 2 * b[-1] - c[-1];
            int down = c[-1] + 2 * c[0] + c[1] - a[-1] - 2 * a[0] - a[1];
            int strength = abs(across) + abs(down);
            uint8_t ink = (uint8_t)(strength > 255 ? 0 : 255 - strength);

            to->pixels[y * w + x] = (struct pixel){ink, ink, ink, 0};
        }
    }
}

int study_picture(const struct picture *picture)
{
    uint32_t count = picture->width * picture->height, sum = 0;
    uint8_t *grey = malloc(count);

    drawing = malloc(sizeof *drawing + count * sizeof drawing->pixels[0]);
    if (!grey || !drawing) {
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        grey[i] = (uint8_t)brightness(picture->pixels[i]);
        sum += grey[i];
    }
    printf("  %u x %u pixels, mean brightness %u\n", (unsigned)picture->width, (unsigned)picture->height,
           (unsigned)(sum / count));
    print_histogram(grey, count);
    print_view(grey, picture->width, picture->height);
    *drawing = (struct picture){.width = picture->width, .height = picture->height};
    draw_edges(grey, drawing);
    printf("  checksum of the picture 0x%08x, of its drawing 0x%08x\n",
           (unsigned)checksum(picture->pixels, count),
           (unsigned)checksum(drawing->pixels, count));
    free(grey);
    return 0;
}
