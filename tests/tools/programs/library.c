/* Exercises the library; the test knows what must be printed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned random_state = 1;

static unsigned next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Many blocks of changing size, each filled with its own pattern: none may touch another's, and all must come back. */
static int heap_is_sound(void)
{
    enum { BLOCKS = 32 };
    unsigned char *block[BLOCKS] = {0};
    size_t size[BLOCKS] = {0};

    for (int round = 0; round < 300; round++) {
        unsigned n = next_random() % BLOCKS;

        for (size_t i = 0; i < size[n]; i++) {
            if (block[n][i] != (unsigned char)(n + i)) {
                return 0;
            }
        }
        free(block[n]);
        size[n] = next_random() % 300;
        block[n] = malloc(size[n]);
        if (!block[n] || ((size_t)block[n] & 15)) {
            return 0;
        }
        for (size_t i = 0; i < size[n]; i++) {
            block[n][i] = (unsigned char)(n + i);
        }
    }
    for (int n = 0; n < BLOCKS; n++) {
        free(block[n]);
    }
    void *all = malloc(65536 - 64); /* only when everything has been joined again */
    free(all);
    return all != NULL && malloc(1u << 20) == NULL && calloc(0x10000, 0x10001) == NULL;
}

/* memmove and memset at every alignment, each byte of the buffer compared with what it must be. */
static int copies_are_sound(void)
{
    unsigned char a[48];

    for (unsigned from = 0; from < 8; from++) {
        for (unsigned to = 0; to < 8; to++) {
            for (unsigned n = 0; n < 40; n += 7) {
                for (unsigned i = 0; i < sizeof a; i++) {
                    a[i] = (unsigned char)(i + 1);
                }
                memmove(a + to, a + from, n);
                memset(a + to, 0x1FF, n / 2);
                for (unsigned i = 0; i < sizeof a; i++) {
                    unsigned expected = i + 1;

                    if (i >= to && i < to + n) {
                        expected = i < to + n / 2 ? 0xFF : i - to + from + 1;
                    }
                    if (a[i] != expected) {
                        return 0;
                    }
                }
            }
        }
    }
    return 1;
}

static int strings_are_sound(void)
{
    char a[64], b[64];

    strcpy(a, "kana");
    strcat(a, "gawa");
    strncpy(b, a, 4);
    b[4] = '\0';
    return !strcmp(a, "kanagawa") && !strcmp(b, "kana") && strcmp("a", "b") < 0 && strncmp("abc", "abd", 2) == 0 &&
           strchr(a, 'g') == a + 4 && strrchr(a, 'a') == a + 7 && strstr(a, "gaw") == a + 4 && !strstr(a, "x") &&
           memchr(a, 'n', 8) == a + 2 && memcmp("\x80", "\x01", 1) > 0 && strnlen(a, 3) == 3;
}

int main(void)
{
    char small[8];

    printf("[%d] [%5d] [%-5d] [%05d] [%i]\n", -1, 42, 42, -42, 2147483647);
    printf("[%u] [%x] [%X] [%08lx] [%llu]\n", 4294967295u, 0xbeefu, 0xbeefu, 0xcafeul, 18446744073709551615ull);
    printf("[%lld] [%c] [%s] [%8s] [%-8s] [%.3s] [%*d] [%%]\n", -9223372036854775807ll - 1, 'x', "text", "right", "left",
           "cut off", 4, 7);
    volatile double zero = 0, third = 1.0 / 3, large = 1e19, small_one = 1e-30; /* not known to the compiler */
    printf("[%f] [%f] [%.3f] [%.0f] [%.0f]\n", zero, third, -third, third * 3 / 2, 2.5);
    printf("[%8.2f] [%-8.2f] [%08.2f] [%+.1f] [%.1f]\n", 3.14159, 3.14159, -3.14159, 9.95, 9.94);
    printf("[%f] [%f] [%.18f] [%f] [%f] %s\n", large, small_one, 0.1, 1e300 * 1e300, 18446744073709551616.0, "behind");
    double whole, part = modf(-3.25 - zero, &whole);
    printf("[%.2f] [%.2f] [%.2f] [%.2f] [%.4f]\n", whole, part, floor(-0.5 - zero), fmod(7.5 + zero, 2), sqrt(2 + zero));
    printf("%d %s\n", snprintf(small, sizeof small, "%s", "longer than that"), small);
    printf("heap %s\n", heap_is_sound() ? "ok" : "BROKEN");
    printf("copies %s\n", copies_are_sound() ? "ok" : "BROKEN");
    printf("strings %s\n", strings_are_sound() ? "ok" : "BROKEN");
    return 7;
}
