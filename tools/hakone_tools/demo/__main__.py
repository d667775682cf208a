"""``python -m hakone_tools.demo``: builds, seals, runs three times, shows, and writes ``build/demo.json``.

Exit status 0 when everything that the demonstration claims held in these runs, 1 when something did not, 2 for bad
input.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from hakone.soc.config import PRESETS
from hakone_sim import builder
from hakone_sim.errors import InputError

from ..paths import BUILD
from . import inputs, pictures, runs, shared, show

T = TypeVar("T")
FOLDER = BUILD / "demo"


def step(console: Console, what: str, work: Callable[[], T]) -> T:
    """Do ``work`` under a line that says what and, at the end, how long it took."""
    console.print(f"  {what} … ", highlight=False, soft_wrap=True, end="" if console.is_terminal else "\n")
    start = time.monotonic()
    value = work()
    console.print(f"  {time.monotonic() - start:.1f} s", highlight=False, style="dim")
    return value


def write_pictures(owner: runs.Owner, run: runs.Run) -> tuple[Path, runs.Picture]:
    """The picture and the drawing, three ways, as one file; also gives the drawing's place."""
    source = runs.picture_at(run.program.symbols()["owner_picture"], owner.read)
    drawing = runs.drawing_of(run.program, owner.read)
    rows = []
    for name, p in (("picture", source), ("drawing", drawing)):
        plain = owner.read(p.address, p.bytes)
        views = (
            (f"the {name}, as its owner sees it", plain),
            ("naive block encryption, same key", owner.naive(p.address, plain)),
            ("in the memory chip", run.chip(p.address, p.bytes)),
        )
        rows.append([(title, pictures.from_pixels(data, p.width, p.height)) for title, data in views])
    path = FOLDER / "pictures.png"
    pictures.side_by_side(path, rows)
    for kind, (_, picture) in zip(("owner", "naive", "chip"), rows[0], strict=True):
        picture.save(FOLDER / f"picture_{kind}.png")
    return path, drawing


def claims(owner: runs.Owner, protected: runs.Run, plain: runs.Run, control: runs.Run) -> dict[str, bool]:
    """What the demonstration says, each with whether these runs bear it out."""
    e, c = protected.result, control.result
    theirs, ours = (runs.drawing_of(r.program, read) for r, read in ((plain, plain.chip), (protected, owner.read)))
    return {
        "the encrypted program says what the plain one says": e.uart == plain.result.uart and len(e.uart) > 100,
        "so does the control run": c.uart == e.uart,
        "nearly everything ran encrypted": e.encrypted_instructions > 0.9 * e.instructions,
        "its memory holds, under the owner's key, the drawing that the plain run made": owner.read(
            ours.address, ours.bytes
        )
        == plain.chip(theirs.address, theirs.bytes),
        "the search looked at more than a thousand places": e.snooper["windows_searched"] > 1000,
        "it found no secret on the bus": e.snooper["bus_plaintext_hits"] == 0,
        "it found no secret in memory": e.snooper["ram_plaintext_hits"] == 0,
        "with the cipher off it finds them": c.snooper["bus_plaintext_hits"] > 0,
    }


def report(protected: runs.Run, plain: runs.Run, control: runs.Run) -> dict[str, int]:
    """The figures that machines read."""
    e, c = protected.result, control.result
    return {
        "bus_bytes": e.snooper["bus_bytes"],
        "windows_searched": e.snooper["windows_searched"],
        "bus_plaintext_hits": e.snooper["bus_plaintext_hits"],
        "ram_plaintext_hits": e.snooper["ram_plaintext_hits"],
        "control_plaintext_hits": c.snooper["bus_plaintext_hits"] + c.snooper["ram_plaintext_hits"],
        "cycles_plain": plain.result.cycles,
        "cycles_protected": e.cycles,
        "sim_cycles_per_second": round(e.cycles_per_second),
    }


def share(console: Console, source: Path, text: bytes) -> tuple[shared.Sharing, shared.Sharing]:
    """The second part: the run with the cipher and the one without."""
    picture = (FOLDER / "picture.bin").read_bytes()
    size = len(picture) + len(text) + 4
    systems = step(
        console, "compiling four programs and a hostile operating system", lambda: shared.build(FOLDER, source, size)
    )
    jobs = (
        ("shared", "default", "running them: two share memory, the others try to read it"),
        ("shared-control", "sim_open_cipher", "the control run: the same with the cipher off"),
    )
    first, second = (
        step(console, what, partial(shared.share, system, preset, FOLDER, name, picture, text))
        for system, (name, preset, what) in zip(systems, jobs, strict=True)
    )
    return first, second


def demonstrate(console: Console) -> int:
    """Everything; the exit status. Raises ``InputError`` and ``builder.BuildError``."""
    picture, text = inputs.from_environment()
    (BUILD / "demo.json").unlink(missing_ok=True)
    console.print("[bold]Hakone: an encrypted program runs, and the bus shows nothing[/bold]")
    source = inputs.write_inputs(FOLDER, picture, text)
    built = step(console, "compiling the program and sealing it for a chip", lambda: runs.build(FOLDER, source))
    for what, preset in (("the chip", "default"), ("a chip without cipher, for the control run", "sim_open_cipher")):
        step(console, f"building {what}: about a minute the first time", partial(builder.model, PRESETS[preset]))
    jobs = (
        ("encrypted", "default", "running the encrypted program, searching every byte on the bus"),
        ("plain", "default", "running the same sources as a plain program"),
        ("control", "sim_open_cipher", "the control run: the encrypted program with the cipher off"),
    )
    ended = [
        step(console, what, partial(runs.run, program, preset, FOLDER, name))
        for program, (name, preset, what) in zip(built, jobs, strict=True)
    ]
    protected, plain, control = ended
    owner = runs.Owner(protected)
    path, drawing = write_pictures(owner, protected)
    sharing, sharing_control = share(console, source, text)
    held = claims(owner, protected, plain, control) | shared.claims(sharing, sharing_control)
    figures = {**report(protected, plain, control), **shared.report(sharing, sharing_control)}
    (BUILD / "demo.json").write_text(json.dumps(figures, indent=1) + "\n")
    show.own_view(console, protected)
    show.same_bytes(console, show.places(owner, protected, text, drawing.address), protected)
    show.cost(console, plain, protected)
    show.search(console, protected, control)
    show.sharing(console, sharing)
    show.tries(console, sharing, sharing_control)
    for claim, true in held.items():
        answer = "[green]yes[/green]" if true else "[red]NO[/red] "
        console.print(f"  {answer}  {claim}", highlight=False, soft_wrap=True)
    console.print(f"\n  pictures: {path}\n  figures:  {BUILD / 'demo.json'}", highlight=False, soft_wrap=True)
    return 0 if all(held.values()) else 1


def main() -> int:
    """Run it; bad input and failed builds are one line."""
    console = Console()
    try:
        return demonstrate(console)
    except (InputError, builder.BuildError) as e:
        lines = str(e).strip().splitlines()
        print(f"demo: {lines[0] if lines else type(e).__name__}", *lines[1:], sep="\n", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output went away, perhaps before the runs had ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as e:
        print(f"demo: {e.filename}: {e.strerror}; make room for it or change the rights", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
