/* Product of two square matrices: multiply and add, one operand read down its columns. More than L1 holds. */
#include <stdlib.h>

#include "kernel.h"

enum { N = 40 };

static uint32_t run(void)
{
    int32_t(*a)[N] = malloc(sizeof(int32_t[N][N])), (*b)[N] = malloc(sizeof(int32_t[N][N]));
    int32_t(*c)[N] = malloc(sizeof(int32_t[N][N]));
    uint32_t random = 1, hash = MIX_START;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (int32_t)(next_random(&random) & 0xFFF) - 2048;
            b[i][j] = (int32_t)(next_random(&random) & 0xFFF) - 2048;
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            hash = mix(hash, (uint32_t)c[i][j]);
        }
    }
    return hash;
}

const struct kernel kernel = {"matmul", 3 * N * N * 4, 0x4453F4C6, run};
