/* Fills protected memory, twice what the data cache holds, with a marker; keeps another marker in the locals of a
 * function; says so while both are alive; and reads everything back. No instruction here has to do with encryption. */
#include <stdint.h>
#include <stdio.h>

#define VAULT_WORDS 4096u
#define LOCAL_WORDS 64u

uint32_t vault[VAULT_WORDS] __attribute__((aligned(64)));
uint32_t *volatile local_place; /* where the locals stand, for whoever has the key */

static const char vault_marker[17] __attribute__((aligned(4))) = "VAULT<marker>#42";
static const char local_marker[17] __attribute__((aligned(4))) = "local{Marker}:17";

static uint32_t word_of(const char *marker, uint32_t n)
{
    const volatile uint32_t *words = (const volatile uint32_t *)marker;

    return words[n % 4];
}

static uint32_t wrong_in_vault(void)
{
    uint32_t wrong = 0;

    for (uint32_t n = 0; n < VAULT_WORDS; n++) {
        wrong += ((volatile uint32_t *)vault)[n] != word_of(vault_marker, n);
    }
    return wrong;
}

static __attribute__((noinline)) uint32_t with_locals(void)
{
    volatile uint32_t locals[LOCAL_WORDS] __attribute__((aligned(64)));
    uint32_t wrong;

    local_place = (uint32_t *)locals;
    for (uint32_t n = 0; n < LOCAL_WORDS; n++) {
        locals[n] = word_of(local_marker, n);
    }
    wrong = wrong_in_vault(); /* reading all of it pushes the locals out of the cache */
    puts("alive");
    for (uint32_t n = 0; n < LOCAL_WORDS; n++) {
        wrong += locals[n] != word_of(local_marker, n);
    }
    return wrong;
}

int main(void)
{
    uint32_t wrong;

    for (uint32_t n = 0; n < VAULT_WORDS; n++) {
        ((volatile uint32_t *)vault)[n] = word_of(vault_marker, n);
    }
    wrong = with_locals();
    wrong += wrong_in_vault();
    printf("wrong words: %lu\n", (unsigned long)wrong);
    return wrong != 0;
}
