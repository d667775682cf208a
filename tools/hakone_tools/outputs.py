"""Writing several files so that either all of them appear or none."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .errors import ToolError


def refuse_overwriting(outputs: Iterable[str], inputs: Iterable[str]) -> None:
    """Raise ``ToolError`` when an output is the same file as an input: it would be lost."""
    places = {Path(name).resolve(): name for name in inputs}
    for path in outputs:
        if Path(path).resolve() in places:
            raise ToolError(path, "is an input too and would be overwritten", "name another file to write")


def write_all(files: dict[str, bytes], secret: frozenset[str] = frozenset()) -> None:
    """Write each content to its path; files named in ``secret`` can be read by their owner only.

    Everything is written beside its place first and moved at the end. Raises ``ToolError`` for a path that cannot be
    written, and leaves nothing behind then.
    """
    places: dict[Path, str] = {}
    for path in files:
        place = Path(path).resolve()
        if place in places:
            raise ToolError(path, f"is the same file as {places[place]}", "name different files")
        if place.exists() and not place.is_file():
            raise ToolError(path, "is not an ordinary file", "name a file that can be written")
        places[place] = path
    written: list[tuple[str, Path]] = []
    try:
        for place, path in places.items():
            if place.exists() and not os.access(place, os.W_OK):
                raise ToolError(path, "cannot be written: it is read-only", "name a file that can be written")
            try:
                handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
                written.append((name, place))
                with os.fdopen(handle, "wb") as stream:
                    stream.write(files[path])
                os.chmod(name, 0o600 if path in secret else 0o666 & ~_umask())
            except OSError as e:
                raise ToolError(path, f"cannot be written: {e.strerror}", "name a file that can be written") from None
        for name, place in written:
            os.replace(name, place)
    finally:
        for name, _ in written:
            Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
