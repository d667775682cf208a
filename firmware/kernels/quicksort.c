/* Quicksort of random words: compares, swaps, unpredictable branches. More than L1 holds. */
#include <stdlib.h>

#include "kernel.h"

enum { COUNT = 4096, SMALL = 8 };

static void insertion(uint32_t *a, int low, int high)
{
    for (int i = low + 1; i <= high; i++) {
        uint32_t value = a[i];
        int j = i;

        for (; j > low && a[j - 1] > value; j--) {
            a[j] = a[j - 1];
        }
        a[j] = value;
    }
}

static void sort(uint32_t *a, int low, int high)
{
    while (high - low > SMALL) {
        uint32_t pivot = a[low + (high - low) / 2];
        int i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i <= j) {
                uint32_t swap = a[i];
                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        if (j - low < high - i) { /* the smaller part by recursion, so that the stack stays short */
            sort(a, low, j);
            low = i;
        } else {
            sort(a, i, high);
            high = j;
        }
    }
    insertion(a, low, high);
}

static uint32_t run(void)
{
    uint32_t *a = malloc(COUNT * sizeof *a), random = 1, hash = MIX_START;

    for (int i = 0; i < COUNT; i++) {
        a[i] = next_random(&random);
    }
    sort(a, 0, COUNT - 1);
    for (int i = 0; i < COUNT; i++) {
        if (i && a[i - 1] > a[i]) {
            return KERNEL_BROKEN;
        }
        hash = mix(hash, a[i]);
    }
    return hash;
}

const struct kernel kernel = {"quicksort", COUNT * 4, 0x4DD704D7, run};
