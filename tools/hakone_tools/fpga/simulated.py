"""The default preset's netlist as a simulation model: synthesis as for a board, then ``hakone_sim.netlist``.

What is tested is what synthesis has made, before place and route. Each step is done once for the same inputs.
"""

import dataclasses
import fcntl
from collections.abc import Sequence
from pathlib import Path

from hakone.gen import verilog
from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.netlist import Fault, Netlist, pair, translate

from ..paths import BUILD
from . import synthesis
from .stage import Processes

LEVEL = "-O1"  #: builds sooner than -O2, and the runs are short
FOLDER = BUILD / "fpga" / "netlist-default"


def netlist() -> Netlist:
    """The default preset, synthesised with the options of every board. Raises ``StageError``."""
    source = verilog.generate_cached(PRESETS["default"], BUILD / "verilog" / "cache").read_text()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # two tests may ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Netlist.read(synthesis.netlist(source, "hakone", FOLDER / "synthesis", Processes()))


def model(faults: Sequence[Fault] = (), shown: str = "") -> Path:
    """The executable: the netlist beside the source's Verilog. Raises ``StageError``, ``NetlistError``,
    ``builder.BuildError``.
    """
    probed = dataclasses.replace(PRESETS["default"], probe=True)
    source = verilog.generate_cached(probed, BUILD / "verilog" / "cache").read_text()
    return builder.build(pair(source, translate(netlist(), faults, shown)), level=LEVEL)
