"""What the demonstration prints for a person."""

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .runs import Owner, Run
from .shared import CONTENT, STRANGER, Sharing

ROW = 16  #: bytes in a row of the hexadecimal view
SHORT_ROW = 12  #: where two more columns stand beside it


@dataclass(frozen=True)
class Place:
    """Bytes to show: what they are, where, how many, and what the program sees there."""

    title: str
    address: int
    plaintext: bytes


def readable(data: bytes) -> str:
    """Printable ASCII as it is, everything else as a dot."""
    return "".join(chr(b) if 32 <= b < 127 else "·" for b in data)


def _cells(data: bytes | None) -> tuple[Text, Text]:
    """Bytes in hexadecimal, and as characters."""
    if data is None:
        return Text("not transferred", style="dim"), Text("")
    return Text(data.hex(" ", 4)), Text(readable(data), style="cyan")


def own_view(console: Console, run: Run) -> None:
    """The program's output."""
    text = Text(run.result.uart.decode(errors="replace").rstrip())
    console.print(Panel(text, title="what the program says (its serial port)", border_style="green", expand=False))


def same_bytes(console: Console, places: list[Place], run: Run) -> None:
    """The same bytes as program, bus and memory chip have them."""
    for place in places:
        table = Table(
            title=place.title, title_justify="left", title_style="bold", box=box.HORIZONTALS, padding=(0, 1, 0, 0)
        )
        for head in ("address", "seen by", "bytes", "characters"):
            table.add_column(head, no_wrap=True)
        for n in range(0, len(place.plaintext), ROW):
            row = place.plaintext[n : n + ROW]
            address = place.address + n
            views = (("program", row), ("bus", run.seen(address, len(row))), ("chip", run.chip(address, len(row))))
            for number, (who, data) in enumerate(views):
                where = f"{address:#010x}" if number == 0 else ""
                table.add_row(where, who, *_cells(data), end_section=number == len(views) - 1)
        console.print(table)


def places(owner: Owner, run: Run, text: bytes, drawing_address: int) -> list[Place]:
    """The owner's text, the program's code, and a part of the drawing that is not blank."""
    symbols = run.program.symbols()
    code, letter = symbols["main"], symbols["owner_text"]
    pixels = owner.read(drawing_address, 4096)
    dark = max(range(0, len(pixels) - 2 * ROW, ROW), key=lambda n: len(set(pixels[n : n + 2 * ROW])))
    return [
        Place("the owner's text", letter, text[: 3 * ROW]),
        Place("the program's code", code, owner.read(code, 2 * ROW)),
        Place("its drawing, on the heap", drawing_address + dark, pixels[dark : dark + 2 * ROW]),
    ]


def cost(console: Console, plain: Run, protected: Run) -> None:
    """Cycles and what they went into."""
    table = Table(title="the cost", title_justify="left", title_style="bold")
    table.add_column("")
    for head in ("plain", "encrypted"):
        table.add_column(head, justify="right")

    def row(title: str, a: int | float, b: int | float) -> None:
        table.add_row(title, *(f"{x:,}" if isinstance(x, int) else f"{x:.3f}" for x in (a, b)))

    p, e = plain.result, protected.result
    row("cycles from reset", p.cycles, e.cycles)
    row("instructions", p.instructions, e.instructions)
    row("  of these encrypted", p.encrypted_instructions, e.encrypted_instructions)
    row("instructions per cycle", p.instructions / p.cycles, e.instructions / e.cycles)
    for title, name in (
        ("instruction cache misses", "icache_miss"),
        ("data cache misses", "dcache_miss"),
        ("lines decrypted", "line_decrypt"),
        ("lines encrypted", "line_encrypt"),
        ("switches of context", "context_switch"),
    ):
        row(title, p.events.get(name, 0), e.events.get(name, 0))
    console.print(table)
    console.print(f"encrypted execution takes [bold]{e.cycles / p.cycles:.3f}[/bold] times as long\n", highlight=False)


def search(console: Console, protected: Run, control: Run) -> None:
    """What the search for plaintext found, with the cipher and without."""
    table = Table(title="the search for eight bytes of plaintext in a row", title_justify="left", title_style="bold")
    table.add_column("")
    for head in ("encrypted", "control: cipher off"):
        table.add_column(head, justify="right")
    a, b = protected.result.snooper, control.result.snooper
    for title, name in (
        ("bytes on the bus", "bus_bytes"),
        ("places searched on the bus", "windows_searched"),
        ("places searched in memory", "ram_windows_searched"),
        ("secrets found on the bus", "bus_plaintext_hits"),
        ("secrets found in memory", "ram_plaintext_hits"),
    ):
        table.add_row(title, f"{a[name]:,}", f"{b[name]:,}")
    console.print(table)


def sharing(console: Console, shared: Sharing) -> None:
    """The beginning of the shared text as everyone has it who has, or takes, the same memory."""
    console.print(
        Panel(
            Text(shared.run.result.uart.decode(errors="replace").rstrip()),
            title="two processes share memory (the serial port of the system)",
            border_style="green",
            expand=False,
        )
    )
    opened, at = shared.opened(), shared.record.area() + CONTENT
    loot = next((piece for piece in shared.loot() if any(piece[CONTENT : CONTENT + SHORT_ROW])), b"")
    haul = shared.haul()[2 * shared.area_bytes :]
    table = Table(title="the same bytes of the shared memory", title_justify="left", title_style="bold")
    for head in ("seen by", "at", "bytes", "characters"):
        table.add_column(head, no_wrap=True)
    addresses = shared.record.addresses()
    for context, who, data in (
        (1, "owner", opened[CONTENT : CONTENT + SHORT_ROW]),
        (2, "partner", opened[CONTENT : CONTENT + SHORT_ROW]),
        (3, "outsider", haul[CONTENT : CONTENT + SHORT_ROW]),
        (STRANGER, "stranger", shared.record.output(STRANGER)[CONTENT : CONTENT + SHORT_ROW]),
        (0, "operating system", loot[CONTENT : CONTENT + SHORT_ROW]),
        (0, "bus", shared.run.seen(at, SHORT_ROW)),
        (0, "memory chip", shared.run.chip(at, SHORT_ROW)),
    ):
        place = addresses.get(context, 0) + CONTENT if context else at
        table.add_row(who, f"{place:#010x}", *_cells(data))
    console.print(table)


def tries(console: Console, shared: Sharing, control: Sharing) -> None:
    """Who tried to read the shared memory, with what success, and what the same got with the cipher off."""
    title = "who tried to read it, and how much of text and picture he got"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("who, and how")
    for head in ("searched", "found", "control: cipher off"):
        table.add_column(head, justify="right")
    opened = control.tries()
    for way, (searched, found) in shared.tries().items():
        table.add_row(way, f"{searched:,}", f"{found:,}", f"{opened[way][1]:,}")
    console.print(table)
    tried, refused = shared.refused()
    console.print(
        f"registers, entries and traps of protected processes: tried {tried} times, refused {refused} times; "
        "`make attacks` lists every attack with its control",
        highlight=False,
        soft_wrap=True,
    )
