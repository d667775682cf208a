"""Tables of AES, computed from their definition. No hardware, no clock.

Source: FIPS 197, sections 4.1 and 4.2 (multiplication in GF(2^8)), 5.1.1 and 5.3.2 (S-box and its inverse).
"""

_POLYNOMIAL = 0x11B  # x^8 + x^4 + x^3 + x + 1


def multiply(a: int, b: int) -> int:
    """Product of two bytes in the field of AES."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _POLYNOMIAL
        b >>= 1
    return product


def _substitute(byte: int) -> int:
    """The multiplicative inverse (0 stays 0), then the affine map of section 5.1.1."""
    inverse = 1
    for _ in range(254):  # a^254 is the inverse, as the group has 255 elements
        inverse = multiply(inverse, byte)
    result = 0x63
    for turn in range(5):
        result ^= (inverse << turn | inverse >> (8 - turn)) & 0xFF
    return result


SBOX: tuple[int, ...] = tuple(_substitute(byte) for byte in range(256))  #: SubBytes
INVERSE_SBOX: tuple[int, ...] = tuple(SBOX.index(byte) for byte in range(256))  #: InvSubBytes
