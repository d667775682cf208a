/* Cyclic redundancy checks of SD cards (Physical Layer Simplified Specification, section 4.5) and of images. */
#include "boot.h"

/* x^7 + x^3 + 1, most significant bit first. */
uint8_t crc7(uint8_t crc, const uint8_t *bytes, size_t count)
{
    while (count--) {
        uint32_t rest = (uint32_t)crc << 1 ^ *bytes++;
        for (int bit = 0; bit < 8; bit++)
            rest = rest & 0x80 ? rest << 1 ^ 0x12 : rest << 1;
        crc = (uint8_t)(rest >> 1 & 0x7F);
    }
    return crc;
}

/* x^16 + x^12 + x^5 + 1, most significant bit first: a byte at a time. */
uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t count)
{
    while (count--) {
        uint32_t x = (uint32_t)crc >> 8 ^ *bytes++;
        x ^= x >> 4;
        crc = (uint16_t)((uint32_t)crc << 8 ^ x << 12 ^ x << 5 ^ x);
    }
    return crc;
}

/* Reflected 0x04C11DB7: four bits at a time. */
uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t rows[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    crc = ~crc;
    while (count--) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ rows[crc & 15];
        crc = crc >> 4 ^ rows[crc & 15];
    }
    return ~crc;
}
