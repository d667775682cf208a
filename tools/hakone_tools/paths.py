"""Where things lie in a checkout: the folders that the tools read and the one they write to."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
BUILD = ROOT / "build"
