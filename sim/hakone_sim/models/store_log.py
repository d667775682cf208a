"""Comparison of the stores of two machines byte by byte: every address must see the same values in the same order.

How a machine cuts up a misaligned store, and which part it writes first, therefore does not matter.
"""

import numpy as np

#: One store as the hardware shows it: word address, 32-bit data, byte lanes.
STORE = np.dtype([("address", "<u4"), ("data", "<u4"), ("strobe", "u1")])
_LANES = np.arange(4, dtype=np.uint32)


def _bytes(address: np.ndarray, data: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Flatten stores into rows of address and byte: ``used`` has four columns, for the bytes from ``address`` on."""
    places = (address[:, None] + _LANES)[used]
    values = (data[:, None] >> (8 * _LANES) & 0xFF)[used]
    return np.stack((places, values), axis=1).astype(np.uint32)


class StoreLog:
    """Collects the reference's stores and compares them with those of the hardware.

    Either side may run ahead of the other; what is left over is compared with the next piece.
    """

    def __init__(self) -> None:
        self._mine: list[tuple[int, int, int]] = []
        self._theirs = np.zeros((0, 2), np.uint32)

    def add(self, address: int, size: int, value: int) -> None:
        """A store of ``size`` bytes by the reference."""
        self._mine.append((address, size, value))

    def forget_last(self) -> None:
        """Drop the newest store, which will be made again."""
        if self._mine:
            self._mine.pop()

    def compare(self, stores: np.ndarray) -> tuple[str, str, str] | None:
        """Take the hardware's next stores (dtype ``STORE``). Returns (what, expected, got) of a difference, or None."""
        used = (stores["strobe"][:, None] >> _LANES & 1).astype(bool)
        self._theirs = np.concatenate((self._theirs, _bytes(stores["address"], stores["data"], used)))
        mine = np.array(self._mine, dtype=np.int64).reshape(-1, 3)
        whole = int(np.searchsorted(np.cumsum(mine[:, 1]), len(self._theirs), side="right"))
        del self._mine[:whole]
        mine = mine[:whole]
        ours = _bytes(mine[:, 0].astype(np.uint32), mine[:, 2].astype(np.uint32), mine[:, 1:2] > _LANES)
        theirs, self._theirs = self._theirs[: len(ours)], self._theirs[len(ours) :]
        ours, theirs = (side[np.argsort(side[:, 0], kind="stable")] for side in (ours, theirs))
        differs = (ours != theirs).any(axis=1)
        if not differs.any():
            return None
        n = int(np.argmax(differs))
        shown = [f"{side[n][1]:#04x} at {side[n][0]:#010x}" for side in (ours, theirs)]
        return "a stored byte", shown[0], shown[1]

    @property
    def unmatched(self) -> tuple[int, int]:
        """Stores of the reference and bytes of the hardware that have no partner yet."""
        return len(self._mine), len(self._theirs)
