"""Model of the bus snooper, written for clarity from its description and sharing nothing with it.

Protected plaintext is searched for in 8-byte windows with five or more different values that stand in no plain
section. Each direction of the bus is searched in beat order, then the bytes last seen around a burst in address order.
Windows from stores are not bounded here.
"""

from collections import Counter

WINDOW = 8


def _windows(data: bytes) -> list[bytes]:
    return [data[i : i + WINDOW] for i in range(len(data) - WINDOW + 1)]


def _varied(window: bytes) -> bool:
    return len(set(window)) >= 5


class SnooperModel:
    """Counts what the snooper counts, over ``size`` bytes of memory from ``base`` on."""

    def __init__(self, base: int, size: int):
        self.base, self.end = base, base + size
        self.plain: set[bytes] = set()
        self.declared: set[bytes] = set()
        self.stored: dict[bytes, int] = {}  # window: cycle of its first store
        self.output: set[bytes] = set()
        self.protected_image: dict[int, int] = {}
        self.output_image: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        self.output_order = b""
        self.plain_stores: dict[int, int] = {}  # address / 8: cycle
        self.streams: dict[bool, list[tuple[int, int]]] = {False: [], True: []}  # last bytes: (address, value)
        self.counters: Counter[str] = Counter()

    def declare_plain(self, data: bytes) -> None:
        """Bytes that anyone may see."""
        self.plain |= {w for w in _windows(data) if _varied(w)}

    def declare_protected(self, addr: int, data: bytes) -> None:
        """Bytes that must never be seen."""
        self.protected_image.update((addr + i, b) for i, b in enumerate(data) if self.base <= addr + i < self.end)
        self.declared |= {w for w in _windows(data) if _varied(w)} - self.plain
        self.counters["declared_windows"] = len(self.declared)

    def _around(self, image: dict[int, int], low: int, high: int) -> list[tuple[int, bytes]]:
        """Known windows that start in [low, high)."""
        starts = (a for a in range(low, high) if all(a + i in image for i in range(WINDOW)))
        return [(a, bytes(image[a + i] for i in range(WINDOW))) for a in starts]

    def store(self, addr: int, data: int, strobe: int, protected: bool, encrypted: bool, cycle: int) -> None:
        """A store of the processor."""
        lanes = [(addr + i, data >> 8 * i & 255) for i in range(4) if strobe >> i & 1]
        inside = self.base <= addr < self.end
        if protected:
            if inside:
                self.protected_image.update(lanes)
                self.plain_stores.pop(addr // 8, None)
                touched = [a for a, _ in lanes]
                for _, w in self._around(self.protected_image, min(touched) - 7, max(touched) + 1):
                    if _varied(w) and w not in self.plain and w not in self.declared:
                        self.stored.setdefault(w, cycle)
                self.counters["stored_windows"] = len(self.stored)
        elif encrypted:
            for a, b in lanes:
                self.output_order = (self.output_order + bytes([b]))[-WINDOW:]
                if len(self.output_order) == WINDOW and _varied(self.output_order):
                    self.output.add(self.output_order)
                if inside:
                    self.output_image[a] = b
            if inside:
                self.output |= {w for _, w in self._around(self.output_image, addr - 7, addr + 4) if _varied(w)}
            self.counters["output_windows"] = len(self.output)
        elif inside:
            self.plain_stores[addr // 8] = cycle

    def _look(self, window: bytes, first: int, last: int, where: str) -> None:
        if window not in self.declared:
            if window not in self.stored:
                return
            earlier = [self.plain_stores.get(a // 8) for a in (first, last)]
            if all(c is not None and c < self.stored[window] for c in earlier):
                self.counters["input_hits"] += 1
                return
        self.counters["output_hits" if window in self.output else where] += 1

    def burst(
        self, write: bool, addr: int, length: int, size: int, kind: int, data: list[int], strobes: list[int], cycle: int
    ) -> None:
        """A burst whose beats crossed the bus in this order."""
        step = 1 << size
        if kind == 2:
            span = step * (length + 1)
            places = [addr // span * span + (addr + n * step) % span for n in range(len(data))]
        else:
            places = [addr if n == 0 else addr // step * step + n * step for n in range(len(data))]
        places = [p // 8 * 8 for p in places]
        self.counters["bus_bytes"] += 8 * len(data)
        for place, word in zip(places, data, strict=True):
            for i, b in enumerate(word.to_bytes(8, "little")):
                self.streams[write] = [*self.streams[write][-7:], (place + i, b)]
                if len(self.streams[write]) == WINDOW:
                    self.counters["windows_searched"] += 1
                    window = bytes(v for _, v in self.streams[write])
                    self._look(window, self.streams[write][0][0], self.streams[write][-1][0], "bus_hits")
        if not all(self.base <= p < self.end for p in places):
            return
        for place, word, lanes in zip(places, data, strobes, strict=True):
            self.seen.update((place + i, word >> 8 * i & 255) for i in range(8) if not write or lanes >> i & 1)
        low, high = min(places), max(places) + 8
        straight = places == list(range(low, high, 8)) and (not write or all(s == 255 for s in strobes))
        for a, w in self._around(self.seen, low - 7, high):
            if not straight or a < low or a + WINDOW > high:
                self.counters["windows_searched"] += 1
                self._look(w, a, a + 7, "bus_hits")

    def search_memory(self, image: bytes, cycle: int) -> None:
        """Search the whole memory."""
        for _, w in self._around(self.protected_image, self.base - 7, self.end):
            if _varied(w) and w not in self.plain and w not in self.declared:
                self.stored.setdefault(w, cycle)
        self.counters["stored_windows"] = len(self.stored)
        for i, w in enumerate(_windows(image)):
            self.counters["ram_windows_searched"] += 1
            self._look(w, self.base + i, self.base + i + 7, "ram_hits")
