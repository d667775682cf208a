/* An image over the serial line, in frames that are answered one by one; isa/boot_image.py tells their form. */
#include "boot.h"

enum { SILENCE = 20, FRAME_PATIENCE = 200 }; /* milliseconds */

struct frame {
    uint8_t kind;
    uint16_t number;
    uint16_t bytes;
};

/* Where an upload stands. Nothing is stored before `header` has been found good. */
struct progress {
    struct image_header *header;
    uint32_t ram_bytes;
    bool begun;
    uint32_t taken; /* bytes of the payload */
    uint16_t next;  /* number of the next data frame */
};

/* The next byte, or -1 when none comes within `milliseconds`. */
static int next_byte(uint32_t milliseconds)
{
    const uint32_t start = time_now();
    int byte;
    while ((byte = console_get()) < 0)
        if (time_passed(start, MILLISECONDS(milliseconds)))
            break;
    return byte;
}

/* Bytes of a frame, counted into `crc`; kept at `to` if that is not null. */
static bool take(uint8_t *to, uint32_t count, uint32_t *crc)
{
    for (uint32_t n = 0; n < count; n++) {
        const int byte = next_byte(FRAME_PATIENCE);
        if (byte < 0)
            return false;
        const uint8_t value = (uint8_t)byte;
        if (crc)
            *crc = crc32(*crc, &value, 1);
        if (to)
            to[n] = value;
    }
    return true;
}

static bool take_head(struct frame *frame, uint32_t *crc)
{
    uint8_t head[5];
    while (console_get() != FRAME_START) {
    }
    if (!take(head, sizeof head, crc))
        return false;
    frame->kind = head[0];
    frame->number = (uint16_t)(head[1] | head[2] << 8);
    frame->bytes = (uint16_t)(head[3] | head[4] << 8);
    return true;
}

static void answer(uint32_t problem, const struct frame *frame)
{
    const uint8_t middle[4] = {
        (uint8_t)problem, frame->kind, (uint8_t)frame->number, (uint8_t)(frame->number >> 8),
    };
    uint32_t crc = crc32(0, middle, sizeof middle);
    console_put(FRAME_START);
    for (unsigned n = 0; n < sizeof middle; n++)
        console_put(middle[n]);
    for (int n = 0; n < 4; n++, crc >>= 8)
        console_put((uint8_t)crc);
}

/* Bytes that a data frame must have when it is the next one. */
static uint32_t expected_bytes(const struct progress *progress)
{
    const uint32_t left = progress->header->words[IMAGE_WORD_BYTES] - progress->taken;
    return left < FRAME_DATA_BYTES ? left : FRAME_DATA_BYTES;
}

/* The rest of a frame: its payload to where it belongs, and the CRC. False when it is damaged. */
static bool take_rest(const struct frame *frame, uint8_t *to, uint32_t crc)
{
    uint8_t given[4];
    if (!take(to, frame->bytes, &crc) || !take(given, sizeof given, NULL))
        return false;
    return crc == (given[0] | (uint32_t)given[1] << 8 | (uint32_t)given[2] << 16 | (uint32_t)given[3] << 24);
}

static uint32_t take_header(struct progress *progress, const struct frame *frame, uint32_t crc)
{
    struct image_header header;
    if (frame->bytes != sizeof header || !take_rest(frame, (uint8_t *)&header, crc))
        return BOOT_PROBLEM_AGAIN;
    progress->begun = false;
    const uint32_t problem = image_check(&header, progress->ram_bytes);
    if (problem == BOOT_PROBLEM_NONE) {
        *progress->header = header;
        progress->begun = true;
        progress->taken = progress->next = 0;
    }
    return problem;
}

static uint32_t take_data(struct progress *progress, const struct frame *frame, uint32_t crc)
{
    if (frame->bytes > FRAME_DATA_BYTES)
        return BOOT_PROBLEM_AGAIN;
    const bool is_next = progress->begun && frame->number == progress->next;
    const uint32_t bytes = progress->begun ? expected_bytes(progress) : 0;
    if (!is_next || !bytes || frame->bytes != bytes) {
        /* The answer to the frame before was lost: it is here already. Anything else does not belong here. */
        const bool repeated = progress->begun && progress->taken && frame->number == (uint16_t)(progress->next - 1);
        if (!take_rest(frame, NULL, crc))
            return BOOT_PROBLEM_AGAIN;
        return repeated ? BOOT_PROBLEM_NONE : BOOT_PROBLEM_ORDER;
    }
    uint8_t *to = (uint8_t *)(progress->header->words[IMAGE_WORD_LOAD] + progress->taken);
    if (!take_rest(frame, to, crc))
        return BOOT_PROBLEM_AGAIN;
    progress->taken += bytes;
    progress->next++;
    return BOOT_PROBLEM_NONE;
}

/* What became of one frame; `*run` when the image is to be started. */
static uint32_t take_frame(struct progress *progress, struct frame *frame, bool *run)
{
    uint32_t crc = 0;
    if (!take_head(frame, &crc))
        return BOOT_PROBLEM_AGAIN;
    if (frame->kind == FRAME_HEADER)
        return take_header(progress, frame, crc);
    if (frame->kind == FRAME_DATA)
        return take_data(progress, frame, crc);
    if (frame->kind != FRAME_RUN || frame->bytes || !take_rest(frame, NULL, crc))
        return BOOT_PROBLEM_AGAIN;
    if (!progress->begun || expected_bytes(progress))
        return BOOT_PROBLEM_ORDER;
    const uint32_t problem = image_check_payload(progress->header);
    progress->begun = false;
    *run = problem == BOOT_PROBLEM_NONE;
    return problem;
}

void upload(struct image_header *header, uint32_t ram_bytes)
{
    struct progress progress = {.header = header, .ram_bytes = ram_bytes};
    bool run = false;
    while (!run) {
        struct frame frame = {0};
        const uint32_t problem = take_frame(&progress, &frame, &run);
        /* Where a damaged frame ends nobody knows: the next one begins after a silence. */
        while (problem == BOOT_PROBLEM_AGAIN && next_byte(SILENCE) >= 0) {
        }
        answer(problem, &frame);
        if (problem != BOOT_PROBLEM_NONE && problem != BOOT_PROBLEM_AGAIN) {
            print("boot: upload: ");
            print(problem_text(problem));
            print("\n");
        }
    }
}
