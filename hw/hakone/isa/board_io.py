"""Registers of the devices of a board: SPI controller and GPIO.

SPI: places and fields of SiFive's SPI controller (FU540-C000 Manual v1p0, chapter 19), so that drivers for
``sifive,spi0`` fit; what is fixed here reads as that manual's reset value. GPIO: places as in chapter 17 of the same
manual, of which Hakone has these.
"""

import enum


class Spi(enum.IntEnum):
    """Byte offsets in the window of the SPI controller."""

    SCKDIV = 0x00  #: bits 11..0: half a period of SCLK is that many clock cycles, and one
    SCKMODE = 0x04  #: 0: mode 0 only
    CSID = 0x10  #: 0: there is one chip select
    CSDEF = 0x14  #: bit 0: level of the chip select while nothing is selected
    CSMODE = 0x18  #: 0 automatic: selected during a frame; 2 hold: from the next frame on; 3 off: never
    DELAY0 = 0x28  #: fixed
    DELAY1 = 0x2C  #: fixed
    FMT = 0x40  #: bit 3: received bytes are dropped; bits 19..16: 8 bits a frame, fixed
    TXDATA = 0x48  #: a write sends a byte, unless bit 31 reads 1: the FIFO of 8 is full
    RXDATA = 0x4C  #: a read takes a byte that has come; bit 31: there was none
    TXMARK = 0x50  #: bits 2..0: the first interrupt is for fewer bytes than this in the transmit FIFO
    RXMARK = 0x54  #: bits 2..0: the second is for more bytes than this in the receive FIFO
    FCTRL = 0x60  #: 0: no memory-mapped flash
    IE = 0x70  #: enabled interrupts: bit 0 transmit, bit 1 receive
    IP = 0x74  #: those that are due


SPI_END = 0x78  #: first offset without registers
SPI_DIVIDER_BITS = 12
SPI_FIFO_BYTES = 8
SPI_FIXED = {Spi.SCKMODE: 0, Spi.CSID: 0, Spi.DELAY0: 0x0001_0001, Spi.DELAY1: 1, Spi.FCTRL: 0}
SPI_FORMAT = 8 << 16  #: FMT but for its bit 3
SPI_FORMAT_DROP = 1 << 3
SPI_FLAG = 1 << 31  #: in TXDATA full, in RXDATA empty


class SpiSelect(enum.IntEnum):
    """Values of CSMODE."""

    AUTO = 0
    HOLD = 2
    OFF = 3


class Gpio(enum.IntEnum):
    """Byte offsets in the window of the GPIO. Bit n is LED n, or button n."""

    INPUT_VAL = 0x00  #: buttons
    OUTPUT_VAL = 0x0C  #: LEDs
    RISE_IE = 0x18  #: interrupt when a button goes from 0 to 1
    RISE_IP = 0x1C  #: that has happened; write one to clear
    FALL_IE = 0x20  #: interrupt when a button goes from 1 to 0
    FALL_IP = 0x24  #: that has happened; write one to clear


GPIO_END = 0x28  #: first offset without registers
LEDS = 8
BUTTONS = 8
