"""What each kernel in ``firmware/kernels`` must compute, said again in Python, by its own library where it has one."""

import hashlib
import re
import zlib

MASK = 0xFFFF_FFFF
MIX_START = 2166136261


class Random:
    """The kernels' generator."""

    def __init__(self):
        self.state = 1

    def __call__(self) -> int:
        self.state = (self.state * 1664525 + 1013904223) & MASK
        return self.state >> 8


def mix(words) -> int:
    """FNV-1a over 32-bit words."""
    out = MIX_START
    for w in words:
        out = ((out ^ (w & MASK)) * 16777619) & MASK
    return out


def random_bytes(count: int) -> bytes:
    """The first ``count`` low bytes of the generator."""
    random = Random()
    return bytes(random() & 255 for _ in range(count))


def crc32() -> int:
    """Four times the same 4096 bytes."""
    return zlib.crc32(random_bytes(4096) * 4)


def sha256() -> int:
    """First word of the digest."""
    return int.from_bytes(hashlib.sha256(random_bytes(4096)).digest()[:4], "big")


def matmul() -> int:
    """40 x 40, elements of 12 bits."""
    random, n = Random(), 40
    pairs = [[((random() & 0xFFF) - 2048, (random() & 0xFFF) - 2048) for _ in range(n)] for _ in range(n)]
    columns = [[row[j][1] for row in pairs] for j in range(n)]
    return mix(sum(p[0] * b for p, b in zip(row, column, strict=True)) for row in pairs for column in columns)


def quicksort() -> int:
    """4096 numbers of 24 bits."""
    random = Random()
    return mix(sorted(random() for _ in range(4096)))


def strsearch() -> int:
    """Twelve words of six letters, overlapping occurrences included."""
    random = Random()
    text = bytes(97 + (random() >> 8) % 6 for _ in range(12288))
    words = [text[w * 1000 : w * 1000 + 6] for w in range(12)]
    return mix(len(re.findall(b"(?=" + word + b")", text)) for word in words)


def list_() -> int:
    """Values forwards and backwards in turn: the order in memory has no say."""
    passes = [range(1024), range(1023, -1, -1)] * 2
    return mix(v for p in passes for v in p)


def records() -> int:
    """Sixteen records, sixty rounds; a record is a list of kind, amount, name and partner's number."""
    random, n, kinds = Random(), 16, 4
    names = ["ashinoko", "owakudani", "sengokuhara", "moto-hakone"]
    table = [[i % kinds, (random() & 0xFFFF) - 0x8000, "hakone", (i * 5 + 3) % n] for i in range(n)]
    balance = 0
    for turn in range(60):
        for i in range(n):
            r, step = table[i], turn + i
            partner = table[r[3]]
            if r[0] == 0:
                r[2] = names[step & 3]
            elif r[0] == 1:
                r[2] = max(r[2], partner[2])
            elif r[0] == 2:
                r[:] = list(partner)
            else:
                r[1] += len(partner[2])
            r[0] = (r[0] + 1 + step) % kinds
            truncated = abs(r[1]) // 7 * (1 if r[1] >= 0 else -1), abs(r[1]) % 1000 * (1 if r[1] >= 0 else -1)
            balance = (balance + r[1], balance * 3 + truncated[0], balance ^ truncated[1])[step % 3] & 0xFFFFFF
    return mix([w for r in table for w in (r[1], len(r[2]))] + [balance])


def edge() -> int:
    """Sobel on 64 x 64."""
    random, n = Random(), 64
    g = [[(x * y // 16 + (random() & 7)) & 255 for x in range(n)] for y in range(n)]
    out = [[0] * n for _ in range(n)]
    weights = ((-1, 1), (0, 2), (1, 1))
    for y in range(1, n - 1):
        for x in range(1, n - 1):
            across = sum(w * (g[y + d][x + 1] - g[y + d][x - 1]) for d, w in weights)
            down = sum(w * (g[y + 1][x + d] - g[y - 1][x + d]) for d, w in weights)
            out[y][x] = min(255, abs(across) + abs(down))
    return mix(v for row in out for v in row)


def fir() -> int:
    """32 triangular taps over 1024 samples, each product shifted down by itself."""
    random = Random()
    tap = [64 * min(i, 31 - i) for i in range(32)]
    signed = [((random() >> 4) + 0x8000 & 0xFFFF) - 0x8000 for _ in range(1024 + 32)]
    sums = (sum(t * s >> 6 for t, s in zip(tap, signed[n : n + 32], strict=True)) for n in range(1024))
    return mix((s >> 9) & 0xFFFF for s in sums)


def _lz_text() -> bytes:
    random, out = Random(), bytearray()
    while len(out) < 8192:
        length = 1 + (random() >> 4) % 16
        start = (random() >> 4) % len(out) if out else 0
        fresh = not out or (random() >> 8) % 3 == 0
        for n in range(length):
            if len(out) < 8192:
                out.append(random() >> 8 & 255 if fresh else out[start + n])
    return bytes(out)


def lz() -> int:
    """Greedy references to the newest place with the same hash."""
    text, newest, items, at = _lz_text(), {}, [], 0
    while at < len(text):
        length = distance = 0
        if at + 3 <= len(text):
            a, b, c = text[at : at + 3]
            key = ((a << 6 ^ b << 3 ^ c) * 37) & 1023
            if key in newest and at - newest[key] <= 4096:
                distance = at - newest[key]
                while length < 18 and at + length < len(text) and text[at + length] == text[at + length - distance]:
                    length += 1
            newest[key] = at
        if length >= 3:
            items.append(bytes([(distance - 1) & 255, (distance - 1) >> 8 << 4 | (length - 3)]))
            at += length
        else:
            items.append(text[at : at + 1])
            at += 1
    packed = b""
    for n in range(0, len(items), 8):
        group = items[n : n + 8]
        packed += bytes([sum(1 << i for i, item in enumerate(group) if len(item) == 2)]) + b"".join(group)
    return mix([*packed, len(packed)])


def stream() -> int:
    """Each word and its mirror image, added."""
    a = [i * 2654435761 for i in range(5120)]
    return mix(x + y for x, y in zip(a, reversed(a), strict=True))


MODELS = {
    "crc32": crc32,
    "sha256": sha256,
    "matmul": matmul,
    "quicksort": quicksort,
    "strsearch": strsearch,
    "list": list_,
    "records": records,
    "edge": edge,
    "fir": fir,
    "lz": lz,
    "stream": stream,
}
