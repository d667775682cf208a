"""Pictures side by side: as their owner sees them, under naive block encryption, and as they lie in the memory chip."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_MARGIN, _TITLE = 16, 26
_PAPER, _INK = (250, 250, 248), (40, 40, 44)


def from_pixels(data: bytes, width: int, height: int) -> Image.Image:
    """A picture from four bytes a pixel, the fourth ignored; any bytes do."""
    return Image.frombytes("RGBX", (width, height), data).convert("RGB")


def side_by_side(path: Path, rows: list[list[tuple[str, Image.Image]]], scale: int = 3) -> None:
    """Write rows of titled pictures, enlarged without smoothing. Raises ``OSError`` when the file cannot be written."""
    font = ImageFont.load_default(15)
    cell_width = max(p.width for row in rows for _, p in row) * scale
    heights = [max(p.height for _, p in row) * scale + _TITLE for row in rows]
    columns = max(len(row) for row in rows)
    size = (columns * (cell_width + _MARGIN) + _MARGIN, sum(heights) + _MARGIN * (len(rows) + 1))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for n, (title, picture) in enumerate(row):
            left = _MARGIN + n * (cell_width + _MARGIN)
            draw.text((left, top), title, fill=_INK, font=font)
            large = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
            sheet.paste(large, (left, top + _TITLE))
        top += height + _MARGIN
    sheet.save(path)
