"""FuseSoC generator: writes one unit's Verilog and a core file that names it.

FuseSoC calls it with the name of a YAML file (CAPI2, generators): ``parameters.unit`` and ``vlnv`` are read. It needs
the Python packages of this project (``hakone`` on the path, or this repository around this file).
"""

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "hw")]

from hakone.gen import verilog  # noqa: E402
from hakone.soc.config import PRESETS  # noqa: E402


def main(path: str) -> None:
    """Write ``<unit>.v`` and ``<unit>.core`` into the current folder."""
    request = yaml.safe_load(Path(path).read_text())
    unit = request["parameters"]["unit"]
    if unit not in verilog.UNITS:
        raise SystemExit(f"{unit}: no such unit; there are {', '.join(verilog.UNITS)}")
    Path(f"{unit}.v").write_text(verilog.generate(PRESETS["default"], unit))
    core = {
        "name": request["vlnv"],
        "filesets": {"rtl": {"files": [f"{unit}.v"], "file_type": "verilogSource"}},
        "targets": {"default": {"filesets": ["rtl"]}},
    }
    Path(f"{unit}.core").write_text("CAPI=2:\n" + yaml.safe_dump(core, sort_keys=False))


if __name__ == "__main__":
    main(sys.argv[1])
