"""Builds a fast model of one unit: the unit's Verilog and a C++ main of its own, once for each distinct input.

Like ``builder``, whose cache and runtime it uses, but without the harness of the whole system. The main includes
``V<top>.h`` and drives the unit as it likes.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hakone.gen import verilog
from hakone.soc.config import SocConfig

from . import builder, toolchain

OPTIONS = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", *builder.WAIVED)


def generate(name: str, make: Callable, source: Path) -> str:
    """Verilog of the component that ``make()`` returns, as module ``name``. ``source`` is the file that defines it.

    Made anew only when that file or any hardware source has changed.
    """
    own = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
    cached = builder.ROOT / "build" / "verilog" / "cache" / f"{name}-{own}-{verilog.fingerprint(SocConfig(), name)}.v"
    if not cached.exists():
        verilog._use_packaged_yosys()
        text = verilog.verilog.convert(make(), name=name, emit_src=False, strip_internal_attrs=True)
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=cached.parent, suffix=".tmp", delete=False) as part:
            part.write(text)
        os.replace(part.name, cached)
    return cached.read_text()


def build(text: str, top: str, main: Path) -> Path:
    """The executable of module ``top`` in the Verilog ``text`` with ``main``. Raises ``builder.BuildError`` or
    ``toolchain.MissingTool``.
    """
    tools = toolchain.find()
    archive = builder.runtime()
    key = builder._digest(text, top, main.read_bytes(), tools.versions, archive.name, *OPTIONS)

    def make(folder: Path, tell: Callable[[str], None]) -> None:
        (folder / f"{top}.v").write_text(text)
        (folder / main.name).write_bytes(main.read_bytes())
        command = [*tools.verilator, *OPTIONS, "--prefix", f"V{top}", "--top-module", top, "--Mdir", ".", f"{top}.v"]
        builder._run(command, folder, "Verilator")
        compiler = [*builder._compiler(False), builder.FAST, "-c"]
        sources = sorted(folder.glob("*.cpp"))
        builder._compile_all([([*compiler, s.name, "-o", f"{s.stem}.o"], s.name) for s in sources], folder, tell)
        objects = [f"{s.stem}.o" for s in sources]
        link = [tools.compiler, "-o", "model", *objects, str(archive / "libruntime.a"), "-ldl", "-pthread"]
        builder._run(link, folder, "linking")
        for path in folder.iterdir():
            if path.name not in ("model", f"{top}.v"):
                path.unlink()

    return builder._once(builder.BUILDS / f"{top}-{key}", f"building the model of {top}", make) / "model"
