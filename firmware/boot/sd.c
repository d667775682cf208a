/* An SD card in SPI mode, for reading: SD Physical Layer Simplified Specification 6.00, chapters 4 and 7. CRCs are on:
 * the card checks our commands, we check its data. Everything that waits gives up after a time. */
#include "boot.h"

enum command {
    GO_IDLE = 0,
    SEND_IF_COND = 8,
    SET_BLOCKLEN = 16,
    READ_SINGLE_BLOCK = 17,
    SD_SEND_OP_COND = 41, /* an application command */
    APP_CMD = 55,
    READ_OCR = 58,
    CRC_ON_OFF = 59,
};

enum { R1_IDLE = 1 << 0, R1_ILLEGAL = 1 << 2, NO_ANSWER = 0xFF };
enum { TOKEN_DATA = 0xFE };

#define SLOW_HZ 400000u /* while the card identifies itself */
#define FAST_HZ 25000000u
#define INTERFACE_CONDITION 0x1AAu /* 2.7 to 3.6 V, and a pattern that comes back */
#define HIGH_CAPACITY (1u << 30) /* in the argument of SD_SEND_OP_COND, and in the OCR */
#define POWERED_UP (1u << 31)    /* in the OCR */

#define READY_TICKS MILLISECONDS(1000) /* section 4.2.3: one second from the first SD_SEND_OP_COND */
#define READ_TICKS MILLISECONDS(100)   /* section 4.6.2.1 */
#define BUSY_TICKS MILLISECONDS(10)
enum { CRC_ATTEMPTS = 3, RESET_ATTEMPTS = 4, ANSWER_BYTES = 9, WAKE_BYTES = 10, SECTOR_BYTES = 512 };

static uint32_t spi_read(uint32_t offset) { return *(volatile uint32_t *)(HAKONE_SPI_BASE + offset); }

static void spi_write(uint32_t offset, uint32_t value) { *(volatile uint32_t *)(HAKONE_SPI_BASE + offset) = value; }

static uint8_t spi_byte(uint8_t out)
{
    spi_write(SPI_TXDATA, out);
    uint32_t in;
    do {
        in = spi_read(SPI_RXDATA);
    } while (in & SPI_FLAG);
    return (uint8_t)in;
}

/* SCLK is at most `hz`. */
static void spi_speed(uint32_t clock_hz, uint32_t hz)
{
    const uint32_t divider = (clock_hz - 1) / (2 * hz);
    spi_write(SPI_SCKDIV, divider < 1u << SPI_DIVIDER_BITS ? divider : (1u << SPI_DIVIDER_BITS) - 1);
}

/* Send a command and give its first answer byte, or NO_ANSWER. */
static uint8_t command(enum command number, uint32_t argument)
{
    const uint32_t start = time_now();
    /* A card that is not there, or still busy, is told by what follows. */
    while (spi_byte(0xFF) != 0xFF && !time_passed(start, BUSY_TICKS)) {
    }
    uint8_t frame[6] = {
        (uint8_t)(0x40 | number), (uint8_t)(argument >> 24), (uint8_t)(argument >> 16),
        (uint8_t)(argument >> 8), (uint8_t)argument,
    };
    frame[5] = (uint8_t)(crc7(0, frame, 5) << 1 | 1);
    for (unsigned n = 0; n < sizeof frame; n++)
        spi_byte(frame[n]);
    uint8_t answer = NO_ANSWER;
    for (unsigned n = 0; n < ANSWER_BYTES && answer & 0x80; n++)
        answer = spi_byte(0xFF);
    return answer & 0x80 ? NO_ANSWER : answer;
}

/* The word that follows some answers. */
static uint32_t answer_word(void)
{
    uint32_t word = 0;
    for (int n = 0; n < 4; n++)
        word = word << 8 | spi_byte(0xFF);
    return word;
}

/* Until the card has found out about itself. */
static const char *wait_ready(bool second_version)
{
    const uint32_t start = time_now();
    for (;;) {
        if (command(APP_CMD, 0) != R1_IDLE)
            return "the card refuses APP_CMD";
        const uint8_t answer = command(SD_SEND_OP_COND, second_version ? HIGH_CAPACITY : 0);
        if (answer == 0)
            return NULL;
        if (answer != R1_IDLE)
            return "not an SD card";
        if (time_passed(start, READY_TICKS))
            return "the card does not get ready";
    }
}

static const char *identify(struct card *card)
{
    uint8_t answer = NO_ANSWER;
    for (int n = 0; n < RESET_ATTEMPTS && answer != R1_IDLE; n++)
        answer = command(GO_IDLE, 0);
    if (answer == NO_ANSWER)
        return "no card";
    if (answer != R1_IDLE)
        return "the card does not reset";
    answer = command(SEND_IF_COND, INTERFACE_CONDITION);
    const bool second_version = answer == R1_IDLE;
    if (second_version && (answer_word() & 0xFFF) != INTERFACE_CONDITION)
        return "the card does not take 3.3 V";
    if (!second_version && !(answer & R1_ILLEGAL))
        return "the card refuses SEND_IF_COND";
    if (answer == NO_ANSWER)
        return "the card does not answer";
    if (command(CRC_ON_OFF, 1) != R1_IDLE)
        return "the card refuses CRC_ON_OFF";
    const char *problem = wait_ready(second_version);
    if (problem)
        return problem;
    if (command(READ_OCR, 0) != 0)
        return "the card refuses READ_OCR";
    const uint32_t conditions = answer_word();
    if (!(conditions & POWERED_UP))
        return "the card does not get ready";
    card->block_addresses = second_version && conditions & HIGH_CAPACITY;
    if (!card->block_addresses && command(SET_BLOCKLEN, SECTOR_BYTES) != 0)
        return "the card refuses SET_BLOCKLEN";
    return NULL;
}

const char *card_begin(struct card *card, uint32_t clock_hz)
{
    spi_speed(clock_hz, SLOW_HZ);
    spi_write(SPI_CSMODE, SPI_SELECT_OFF);
    for (int n = 0; n < WAKE_BYTES; n++)
        spi_byte(0xFF);
    spi_write(SPI_CSMODE, SPI_SELECT_HOLD);
    const char *problem = identify(card);
    if (!problem)
        spi_speed(clock_hz, FAST_HZ);
    return problem;
}

static const char *read_once(const struct card *card, uint32_t sector, uint8_t *to, bool *damaged)
{
    *damaged = false;
    if (command(READ_SINGLE_BLOCK, card->block_addresses ? sector : sector * SECTOR_BYTES) != 0)
        return "the card refuses to read";
    const uint32_t start = time_now();
    uint8_t token;
    while ((token = spi_byte(0xFF)) == 0xFF)
        if (time_passed(start, READ_TICKS))
            return "the card does not answer";
    if (token != TOKEN_DATA)
        return "the card cannot read";
    for (unsigned n = 0; n < SECTOR_BYTES; n++)
        to[n] = spi_byte(0xFF);
    uint32_t crc = (uint32_t)spi_byte(0xFF) << 8;
    crc |= spi_byte(0xFF);
    *damaged = crc != crc16(0, to, SECTOR_BYTES);
    return *damaged ? "wrong CRC from the card" : NULL;
}

const char *card_read(const struct card *card, uint32_t sector, uint8_t *to)
{
    const char *problem = NULL;
    bool damaged = true;
    for (int n = 0; n < CRC_ATTEMPTS && damaged; n++)
        problem = read_once(card, sector, to, &damaged);
    return problem;
}

/* Let go of the bus; the card needs eight clocks more. */
void card_end(void)
{
    spi_write(SPI_CSMODE, SPI_SELECT_OFF);
    spi_byte(0xFF);
    spi_write(SPI_CSMODE, SPI_SELECT_AUTO);
}
