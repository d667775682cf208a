/* What runs first on a board: an image from the SD card, or else one over the serial line, is loaded, checked and
 * started. It runs outside the trust boundary and knows no secret: a sealed program is loaded as any other, and the
 * hardware refuses what is not what its owner sealed. */
#include "boot.h"

static void complain(const char *place, const char *problem)
{
    print("boot: ");
    print(place);
    print(": ");
    print(problem);
    print("\n");
}

/* True when an image stands in memory, whole and sound. Says what is wrong otherwise. */
static bool load_from_card(struct image_header *header, const struct machine *machine)
{
    struct card card;
    uint8_t block[IMAGE_BLOCK_BYTES] __attribute__((aligned(4)));
    const char *problem = card_begin(&card, machine->clock_hz);
    uint32_t sector = IMAGE_SECTOR;
    if (!problem)
        problem = card_read(&card, sector, block);
    if (!problem) {
        *header = *(const struct image_header *)block;
        const uint32_t wrong = image_check(header, machine->ram_bytes);
        problem = wrong == BOOT_PROBLEM_NONE ? NULL : problem_text(wrong);
    }
    if (!problem) {
        uint8_t *to = (uint8_t *)header->words[IMAGE_WORD_LOAD];
        for (uint32_t left = header->words[IMAGE_WORD_BYTES]; left && !problem; left -= IMAGE_BLOCK_BYTES) {
            problem = card_read(&card, ++sector, to);
            to += IMAGE_BLOCK_BYTES;
        }
    }
    card_end();
    if (!problem && image_check_payload(header) != BOOT_PROBLEM_NONE)
        problem = problem_text(BOOT_PROBLEM_PAYLOAD_CRC);
    if (problem)
        complain("card", problem);
    return !problem;
}

_Noreturn void boot(uint32_t hart, uint32_t device_tree, uint32_t ram_bytes, uint32_t clock_hz)
{
    const struct machine machine = {hart, device_tree, ram_bytes, clock_hz};
    struct image_header header;
    console_begin();
    print("\nHakone ");
    print_number(HAKONE_VERSION >> 16);
    print(".");
    print_number(HAKONE_VERSION & 0xFFFF);
    print(", ");
    print_number(ram_bytes >> 10);
    print(" KiB of memory\n");
    if (!load_from_card(&header, &machine)) {
        print("boot: waiting for an upload\n");
        upload(&header, ram_bytes);
    }
    image_start(&header, &machine);
}

/* An exception in the boot program itself: memory that does not answer, for example. */
void fault(uint32_t cause, uint32_t pc, uint32_t value)
{
    print("boot: fault ");
    print_number(cause);
    print(" at ");
    print_hex(pc);
    print(", ");
    print_hex(value);
    print("\n");
}
