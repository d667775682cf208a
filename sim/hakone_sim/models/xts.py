"""Golden model of the line cipher: AES-XTS of whole lines, computed with the package ``cryptography``.

A line is one data unit of IEEE 1619-2018: 64 bytes, four blocks. Its tweak is made of the tag of its region and its
number inside the region (``isa.formats.tweak_bytes``). A key is the data key, then the tweak key: 32 or 64 bytes.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hakone.isa.formats import tweak_bytes
from hakone.isa.platform import LINE_BYTES


def encrypt(key: bytes, tweak: bytes, data: bytes) -> bytes:
    """``data``, one data unit, encrypted under ``tweak`` (16 bytes, as given). ``ValueError`` for impossible sizes."""
    unit = Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor()
    return unit.update(data) + unit.finalize()


def decrypt(key: bytes, tweak: bytes, data: bytes) -> bytes:
    """``data``, one data unit, decrypted under ``tweak`` (16 bytes, as given). ``ValueError`` for impossible sizes."""
    unit = Cipher(algorithms.AES(key), modes.XTS(tweak)).decryptor()
    return unit.update(data) + unit.finalize()


def encrypt_lines(key: bytes, tag: int, data: bytes, first: int = 0) -> bytes:
    """``data``, whole lines from number ``first`` on of the region with ``tag``, encrypted line by line.

    Raises ``ValueError`` for a part of a line.
    """
    return b"".join(encrypt(key, tweak, line) for tweak, line in _lines(tag, data, first))


def decrypt_lines(key: bytes, tag: int, data: bytes, first: int = 0) -> bytes:
    """``data``, whole lines from number ``first`` on of the region with ``tag``, decrypted line by line.

    Raises ``ValueError`` for a part of a line.
    """
    return b"".join(decrypt(key, tweak, line) for tweak, line in _lines(tag, data, first))


def _lines(tag: int, data: bytes, first: int) -> list[tuple[bytes, bytes]]:
    """Tweak and bytes of each line."""
    if len(data) % LINE_BYTES:
        raise ValueError(f"{len(data)} bytes: whole lines of {LINE_BYTES} bytes are needed")
    starts = range(0, len(data), LINE_BYTES)
    return [(tweak_bytes(tag, first + n // LINE_BYTES), data[n : n + LINE_BYTES]) for n in starts]
