/* Is this an image that may be loaded and started? Every word of a header is somebody else's. */
#include "boot.h"

const char *problem_text(uint32_t problem)
{
    static const char *const texts[] = {BOOT_PROBLEM_TEXTS};
    return problem < sizeof texts / sizeof *texts ? texts[problem] : "?";
}

static bool version_fits(uint32_t version)
{
    return version >> 16 == HAKONE_VERSION >> 16 && (version & 0xFFFF) <= (HAKONE_VERSION & 0xFFFF);
}

/* No sums, which could wrap. A place below memory, or an entry below the image, is a difference that is too large. */
uint32_t image_check(const struct image_header *header, uint32_t ram_bytes)
{
    const uint32_t *word = header->words;
    const uint32_t load = word[IMAGE_WORD_LOAD], bytes = word[IMAGE_WORD_BYTES], entry = word[IMAGE_WORD_ENTRY];
    if (word[IMAGE_WORD_MAGIC] != IMAGE_MAGIC)
        return BOOT_PROBLEM_MAGIC;
    if (word[IMAGE_WORD_HEADER_CRC] != crc32(0, (const uint8_t *)word, 4 * IMAGE_WORD_HEADER_CRC))
        return BOOT_PROBLEM_HEADER_CRC;
    if (!version_fits(word[IMAGE_WORD_VERSION]))
        return BOOT_PROBLEM_VERSION;
    if (word[IMAGE_WORD_RESERVED])
        return BOOT_PROBLEM_RESERVED;
    if (!bytes || bytes % IMAGE_BLOCK_BYTES)
        return BOOT_PROBLEM_LENGTH;
    if (load % HAKONE_LINE_BYTES || bytes > ram_bytes || load - HAKONE_RAM_BASE > ram_bytes - bytes)
        return BOOT_PROBLEM_ADDRESS;
    if (bytes > ram_bytes - LOADER_BYTES || load - HAKONE_RAM_BASE > ram_bytes - LOADER_BYTES - bytes)
        return BOOT_PROBLEM_LOADER;
    if (entry % 2 || entry - load >= bytes)
        return BOOT_PROBLEM_ENTRY;
    return BOOT_PROBLEM_NONE;
}

/* The payload as it stands in memory, not as it came. */
uint32_t image_check_payload(const struct image_header *header)
{
    const uint32_t *word = header->words;
    const uint32_t crc = crc32(0, (const uint8_t *)word[IMAGE_WORD_LOAD], word[IMAGE_WORD_BYTES]);
    return crc == word[IMAGE_WORD_PAYLOAD_CRC] ? BOOT_PROBLEM_NONE : BOOT_PROBLEM_PAYLOAD_CRC;
}

void image_start(const struct image_header *header, const struct machine *machine)
{
    print("boot: starting at ");
    print_hex(header->words[IMAGE_WORD_ENTRY]);
    print("\n");
    console_end();
    enter(machine->hart, machine->device_tree, 0, header->words[IMAGE_WORD_ENTRY]);
}
