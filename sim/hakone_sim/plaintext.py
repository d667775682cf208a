"""What the bus snooper looks for: plaintext of protected regions, and the plain sections that anyone may see.

``hakone seal --plaintext-out`` writes them as JSON (``{"protected": [{"start", "data"}], "plain": [...]}``, data in
hexadecimal); the simulator reads a flat file, which ``write`` makes: "HKNPLAIN", version 1, number of sections, then
for each kind (0 plain, 1 protected), address, bytes, data; all numbers 32 bits, little-endian.
"""

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

_REMEDY = "name the file that `hakone seal --plaintext-out` wrote"


@dataclass(frozen=True)
class Plaintext:
    """Bytes from physical address ``start`` on; ``protected`` ones must never be seen, plain ones may be."""

    start: int
    data: bytes
    protected: bool = True


def read(path: Path | str) -> list[Plaintext]:
    """Sections from the sealing tool's file. Raises ``InputError``."""
    try:
        document = json.loads(Path(path).read_text())
        return [
            Plaintext(int(row["start"]), bytes.fromhex(row["data"]), kind == "protected")
            for kind in ("protected", "plain")
            for row in document[kind]
        ]
    except OSError as e:
        raise InputError(path, f"cannot be read ({e.strerror})", _REMEDY) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(path, "not a list of plaintexts", _REMEDY) from None


def write(path: Path, sections: Iterable[Plaintext]) -> None:
    """The flat file for the simulator."""
    rows = list(sections)
    parts = [b"HKNPLAIN", struct.pack("<II", 1, len(rows))]
    for s in rows:
        parts += [struct.pack("<III", int(s.protected), s.start, len(s.data)), s.data]
    path.write_bytes(b"".join(parts))
