"""Published test vectors, from the standards' own pages or out of the package ``cryptography-vectors``."""

import re
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors

FOLDER = Path(cryptography_vectors.__file__).parent / "ciphers" / "AES"
_H = bytes.fromhex

#: FIPS 197, appendix B and appendix C.1: key, plaintext, ciphertext.
FIPS_197 = [
    (
        _H("2b7e151628aed2a6abf7158809cf4f3c"),
        _H("3243f6a8885a308d313198a2e0370734"),
        _H("3925841d02dc09fbdc118597196a0b32"),
    ),
    (
        _H("000102030405060708090a0b0c0d0e0f"),
        _H("00112233445566778899aabbccddeeff"),
        _H("69c4e0d86a7b0430d8cdb78070b4c55a"),
    ),
]
#: SP 800-38A, appendix F.1.1 (ECB-AES128.Encrypt): four blocks under one key.
SP_800_38A = [
    (
        _H("2b7e151628aed2a6abf7158809cf4f3c"),
        _H(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
        ),
        _H(
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
            "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4"
        ),
    )
]
#: IEEE 1619, annex B, vector 4 (XTS-AES-128), the first 64 bytes: key, data unit number, plaintext, ciphertext. The
#: first blocks of a data unit do not depend on its length.
_COUNTING = bytes(range(64))
_KEY_128 = _H("2718281828459045235360287471352631415926535897932384626433832795")
_VECTOR_4 = _H(
    "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c"
    "c78cf7f5e543445f8333d8fa7f56000005279fa5d8b5e4ad40e736ddb4d35412"
)
IEEE_1619 = [(_KEY_128, 0, _COUNTING, _VECTOR_4)]


def records(path: Path, section: str = "ENCRYPT") -> Iterator[dict[str, str]]:
    """Records of a response file: what stands between two empty lines after ``[section]``, keys in capitals."""
    inside, record = False, {}
    for line in [*path.read_text().splitlines(), ""]:
        if header := re.fullmatch(r"\[(.*)\]", line.strip()):
            inside = header[1] == section
        elif "=" in line and inside:
            name, value = line.split("=", 1)
            record[name.strip().upper()] = value.strip()
        elif not line.strip() and record:
            yield record
            record = {}


def validation_suite() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Key, plaintext, ciphertext of the known-answer and multi-block tests of the AES validation suite for AES-128."""
    for name in ("GFSbox", "KeySbox", "VarKey", "VarTxt", "MMT"):
        for r in records(FOLDER / "ECB" / f"ECB{name}128.rsp"):
            yield _H(r["KEY"]), _H(r["PLAINTEXT"]), _H(r["CIPHERTEXT"])


def counter_mode() -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """Key, first counter block, plaintext, ciphertext of RFC 3686 for AES-128."""
    for r in records(FOLDER / "CTR" / "aes-128-ctr.txt"):
        yield _H(r["KEY"]), _H(r["IV"]), _H(r["PLAINTEXT"]), _H(r["CIPHERTEXT"])


def xts_by_number(bits: int) -> Iterator[tuple[bytes, int, bytes, bytes]]:
    """Key, data unit number, plaintext, ciphertext of the XTS validation suite where a data unit is of whole
    blocks, two or three at most; ``bits`` is 128 or 256.
    """
    for r in records(FOLDER / "XTS" / "tweak-dataunitseqno" / f"XTSGenAES{bits}.rsp"):
        if int(r["DATAUNITLEN"]) % 128 == 0:
            yield _H(r["KEY"]), int(r["DATAUNITSEQNUMBER"]), _H(r["PT"]), _H(r["CT"])
