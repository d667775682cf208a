"""``make docs``: the reference pages that are printed from the one live description in ``hakone.isa``, and the
pin tables of boards in ``constraints/``.

The pages carry no dates; a test regenerates them and compares.
"""

import inspect
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from amaranth.hdl import UnusedElaboratable

from hakone.bus import open_checks
from hakone.gen.boards import write_constraints
from hakone.isa import VERSION, cause, csr, encoding, events, formats, platform
from hakone.soc.config import PRESETS, SocConfig

from .docs_board import board_page

ROOT = Path(__file__).resolve().parents[2]
HEADER = "<!-- Printed by `make docs` from hw/hakone/isa; do not edit. -->\n"


def member_comments(owner: type) -> dict[str, str]:
    """The ``#:`` comment behind each member of an enum, as text."""
    pattern = re.compile(r"^[ \t]*(\w+)[ \t]*(?::[^=\n]+)?=[^#\n]*#: (.*)$", re.MULTILINE)
    return dict(pattern.findall(inspect.getsource(owner)))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def instructions_page() -> str:
    """Custom-0 instructions, causes and sub-rules."""
    rows = []
    for i in encoding.CUSTOM_INSTRUCTIONS:
        operands = ", ".join(n for n, used in (("rd", i.rd), ("rs1", i.rs1), ("rs2", i.rs2)) if used)
        word = f"`{i.name} {operands}`".replace(" `", "`")
        rows.append((word, i.group.name.lower(), i.operation, f"`{i.match:#010x}`", f"`{i.mask:#010x}`"))
    out = HEADER + "# Instructions and causes\n\n"
    out += f"Version {VERSION >> 16}.{VERSION & 0xFFFF}. Custom-0 (`{encoding.Opcode.CUSTOM_0.value << 2 | 3:#04x}`): "
    out += "`funct3` is the group, `funct7` the operation; fields that are not listed must be zero.\n\n"
    out += table(("instruction", "group", "funct7", "match", "mask"), rows)
    out += "\n## Causes\n\n`mcause` with bit 31 clear.\n\n"
    out += table(("code", "name"), [(c.value, c.name.lower().replace("_", " ")) for c in cause.Cause])
    out += "\n## Sub-rules\n\nWhat `hxsub` holds after a trap with a custom cause; 0 after any other.\n\n"
    comments = member_comments(cause.Sub)
    out += table(
        ("code", "name", "meaning"), [(f"`{s.value:#04x}`", s.name, comments.get(s.name, "")) for s in cause.Sub]
    )
    return out


def registers_page() -> str:
    """CSRs and the memory map."""
    out = HEADER + "# Registers and memory map\n\n## Control and status registers\n\n"
    out += table(("number", "name"), [(f"`{c.value:#05x}`", c.name.lower()) for c in sorted(csr.Csr)])
    out += "\nThese ranges read zero and ignore writes:\n\n"
    out += table(("first", "last"), [(f"`{a:#05x}`", f"`{b:#05x}`") for a, b in csr.ZERO_RANGES])
    out += (
        "\n## Memory map\n\nAs QEMU's `virt` board for riscv32. Every other address answers with an access fault.\n"
        "SPI and GPIO exist with `board_io` only; without a boot program the mask ROM ends after its first page.\n\n"
    )
    windows = [platform.MASK_ROM, *platform.DEVICES, *platform.BOARD_DEVICES]
    rows = [(w.name, f"`{w.base:#010x}`", f"{w.bytes:#x}", w.interrupt or "") for w in windows]
    rows.append(("memory", f"`{platform.RAM_BASE:#010x}`", "`ram_bytes`", ""))
    out += table(("device", "first byte", "bytes", "interrupt"), rows)
    return out


def _description_section() -> str:
    """What ``setik`` reads and answers."""
    comments = member_comments(formats.RegionStatus)
    words = [
        (formats.REGION_WORD_KIND, f"bits 15..0 `{formats.REGION_MAGIC:#06x}`, 18..16 algorithm, 31..24 major version"),
        (formats.REGION_WORD_ACCESS, "bits 7..0 flags, 15..8 key bytes, 19..16 segment of the start (0: segments off)"),
        (formats.REGION_WORD_START, f"first byte, a multiple of {platform.LINE_BYTES}"),
        (formats.REGION_WORD_BYTES, f"bytes, a multiple of {platform.LINE_BYTES}"),
        (formats.REGION_WORD_TAG, "region tag"),
        (f"{formats.REGION_WORD_TAG + 1} to {formats.REGION_WORDS - 1}", "zero"),
        (f"from {formats.REGION_WORD_KEY}", "key: data key, then tweak key; for a window nothing"),
    ]
    out = (
        "\n## Region description\n\nWhat `setik` reads: words of 32 bits, little-endian. Bits not listed are zero.\n\n"
    )
    out += table(("word", "meaning"), words)
    out += "\n### Status of `setik`\n\n"
    return out + table(
        ("code", "name", "meaning"), [(s.value, s.name, comments.get(s.name, "")) for s in formats.RegionStatus]
    )


def _segment_section() -> str:
    """The two words of a segment register."""
    rings = formats.SEGMENT_RING_SHIFT
    bits = {"present": formats.SEGMENT_PRESENT, "read": formats.SEGMENT_READ}
    bits |= {"write": formats.SEGMENT_WRITE, "execute": formats.SEGMENT_EXECUTE}
    listed = ", ".join(f"{bit.bit_length() - 1} {name}" for name, bit in bits.items())
    rows = [
        (formats.SEGMENT_WORD_BASE, f"bits {listed}, {rings + 1}..{rings} ring, 31..12 base, a multiple of 4096"),
        (formats.SEGMENT_WORD_LIMIT, "bits 27..0 offset of the last valid byte"),
    ]
    out = "\n## Segment registers\n\nThe top four bits of an address name its segment. Bits not listed are zero.\n\n"
    return out + table(("word", "meaning"), rows)


def formats_page() -> str:
    """Boot records, flags, algorithms, events and configuration keys."""
    flags = member_comments(formats.RegionFlag)
    status = member_comments(formats.BootStatus)
    words = [
        ("0", "bits 15..0 `0x4b42`, bits 18..16 algorithm, rest zero"),
        ("1", "bits 15..0 set of contexts (bit n: context n, 1 to 14), bits 23..16 flags, bits 31..24 key bytes"),
        ("2", f"first byte of the region, a multiple of {platform.LINE_BYTES}"),
        ("3", f"bytes, a multiple of {platform.LINE_BYTES}"),
        ("4", "region tag"),
        ("5 to 7", "zero"),
        ("8 to 11", "owner id"),
        ("12 to 15", "zero"),
        ("16 to 31", "key: data key, then tweak key, rest zero"),
    ]
    out = HEADER + "# Formats\n\n## Fuse image\n\n"
    out += (
        f'{formats.FUSE_WORDS} words of 32 bits, little-endian: `{formats.FUSE_MAGIC:#x}` ("HAKN"), the version, the '
    )
    out += (
        f"number of records, zero; then {formats.BOOT_RECORDS} boot records of {formats.BOOT_RECORD_WORDS} words.\n\n"
    )
    out += table(("word", "meaning"), words)
    out += "\n### Algorithms\n\n"
    keys = formats.KEY_BYTES
    out += table(
        ("code", "name", "key bytes"),
        [(a.value, a.name, keys.get(a, "not available: refused")) for a in formats.Algorithm],
    )
    out += "\n### Region flags\n\n"
    out += table(
        ("bit", "name", "meaning"),
        [(f.value.bit_length() - 1, f.name, flags.get(str(f.name), "")) for f in formats.RegionFlag],
    )
    out += "\n### Status in `hxboot`\n\nFour bits for each record, record 0 lowest.\n\n"
    out += table(("code", "name", "meaning"), [(s.value, s.name, status.get(s.name, "")) for s in formats.BootStatus])
    out += _description_section() + _segment_section()
    out += "\n## Tweak of a line\n\n"
    out += "16 bytes, little-endian: line number inside the region (8), region tag (4), zero (4).\n"
    out += "\n## Counted events\n\n"
    comments = member_comments(events.Event)
    out += table(
        ("bit", "name", "meaning"), [(e.value, e.name.lower(), comments.get(e.name, "")) for e in events.Event]
    )
    return out


def configuration_page() -> str:
    """Configuration keys with their defaults, and the presets."""
    source = inspect.getsource(SocConfig)
    comments = dict(re.findall(r"^    (\w+): \w+ = [^#]*#: (.*)$", source, re.MULTILINE))
    default = PRESETS["default"]
    out = HEADER + "# Configuration\n\n`hakone generate --set key=value`, or a TOML file with `--config`.\n\n"
    out += table(("key", "default", "meaning"), [(f"`{n}`", getattr(default, n), c) for n, c in comments.items()])
    out += "\n## Presets\n\n"
    rows = []
    for name, preset in PRESETS.items():
        if preset.open_checks:
            continue
        changed = [f"`{n} = {getattr(preset, n)}`" for n in comments if getattr(preset, n) != getattr(default, n)]
        rows.append((name, ", ".join(changed) or "every default", "simulation only" if preset.simulation_only else ""))
    rows.append(("sim_open_*name*", "`open_checks = name`, for each name below", "simulation only"))
    out += table(("preset", "differs in", ""), rows)
    out += "\n## Checks that can be off in simulation\n\nNames for `open_checks`: what is gone.\n\n"
    gone = member_comments(open_checks.OpenCheck)
    return out + table(("name", "meaning"), [(f"`{c.name.lower()}`", gone[c.name]) for c in open_checks.OpenCheck])


PAGES = {
    "docs/reference/instructions.md": instructions_page,
    "docs/reference/registers.md": registers_page,
    "docs/reference/formats.md": formats_page,
    "docs/reference/configuration.md": configuration_page,
    "docs/reference/board.md": lambda: board_page(HEADER),
}


def main() -> int:
    """Write every page that has changed."""
    for name, page in PAGES.items():
        text = page()
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {name}")
    warnings.simplefilter("ignore", UnusedElaboratable)  # pins need the outermost module only
    for path in write_constraints(ROOT / "constraints"):
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
