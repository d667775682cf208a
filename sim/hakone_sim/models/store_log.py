"""Comparison of the stores of two machines as streams of (address, byte), so that it does not matter how each cuts
them up."""

import numpy as np

#: One store as the hardware shows it: word address, 32-bit data, byte lanes.
STORE = np.dtype([("address", "<u4"), ("data", "<u4"), ("strobe", "u1")])


def _bytes(address: np.ndarray, data: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flatten stores: ``used`` has four columns that tell which bytes above ``address`` are written."""
    lane = np.arange(4, dtype=np.uint32)
    places = (address[:, None] + lane)[used]
    values = (data[:, None] >> (8 * lane) & 0xFF)[used]
    return places.astype(np.uint32), values.astype(np.uint8)


class StoreLog:
    """Collects the reference's stores and compares them, in order, with those of the hardware.

    Either side may run ahead of the other by whole pieces; what is left over is compared with the next piece.
    """

    def __init__(self) -> None:
        self._new: list[tuple[int, int, int]] = []
        self._mine = (np.zeros(0, np.uint32), np.zeros(0, np.uint8))
        self._theirs = self._mine

    def add(self, address: int, size: int, value: int) -> None:
        """A store of ``size`` bytes by the reference."""
        self._new.append((address, size, value))

    def forget_last(self) -> None:
        """Drop the newest store, which will be made again."""
        if self._new:
            self._new.pop()

    def compare(self, stores: np.ndarray) -> tuple[str, str, str] | None:
        """Take the hardware's next stores (dtype ``STORE``). Returns (what, expected, got) of the first difference, or
        None."""
        new = np.array(self._new, dtype=np.int64).reshape(-1, 3)
        self._new.clear()
        lanes = np.arange(4)
        mine = _bytes(new[:, 0].astype(np.uint32), new[:, 2].astype(np.uint32), lanes < new[:, 1:2])
        used = (stores["strobe"][:, None] >> lanes & 1).astype(bool)
        theirs = _bytes(stores["address"], stores["data"], used)
        self._mine = tuple(np.concatenate(pair) for pair in zip(self._mine, mine, strict=True))
        self._theirs = tuple(np.concatenate(pair) for pair in zip(self._theirs, theirs, strict=True))
        common = min(len(self._mine[0]), len(self._theirs[0]))
        differs = np.zeros(common, bool)
        for a, b in zip(self._mine, self._theirs, strict=True):
            differs |= a[:common] != b[:common]
        if differs.any():
            n = int(np.argmax(differs))
            shown = [f"{int(side[1][n]):#04x} at {int(side[0][n]):#010x}" for side in (self._mine, self._theirs)]
            return f"stored byte {n} of this piece", shown[0], shown[1]
        self._mine = tuple(a[common:] for a in self._mine)
        self._theirs = tuple(a[common:] for a in self._theirs)
        return None

    @property
    def unmatched(self) -> tuple[int, int]:
        """Bytes stored by the reference and by the hardware that have no partner yet."""
        return len(self._mine[0]), len(self._theirs[0])
