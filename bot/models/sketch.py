"""The card that the practice model draws instead of a picture: plainly labelled, with the words it was asked for."""

import hashlib
import io
import random
import unicodedata
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["sketch_card"]

_LABEL = "SKETCH - practice model, not an AI picture"  # only signs that the built-in font has
_MOST_SIDE = 1024
_LEAST_LETTERS = 13  # pixels
_MOST_WORDS = 600  # characters
_PAPER = (253, 250, 243)
_INK = (46, 42, 56)
_PENCIL = (120, 116, 128)
_PALETTES = (
    ((38, 70, 83), (42, 157, 143), (233, 196, 106), (244, 162, 97), (231, 111, 81)),
    ((61, 64, 91), (129, 178, 154), (242, 204, 143), (224, 122, 95), (244, 241, 222)),
    ((29, 53, 87), (69, 123, 157), (168, 218, 220), (241, 250, 238), (230, 57, 70)),
    ((53, 80, 112), (109, 89, 122), (181, 101, 118), (229, 107, 111), (234, 172, 139)),
    ((34, 87, 122), (56, 163, 165), (87, 204, 153), (128, 237, 153), (199, 249, 204)),
)
# Tried where the built-in font lacks a sign; whichever is installed.
_WIDER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "arial.ttf",
)

_PLAIN = str.maketrans({"–": "-", "—": "-", "•": "-", "×": "x", "ß": "ss", "ø": "o", "œ": "oe", "ł": "l", "ı": "i"})

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sketch_card(prompt: str, size: str = "", number: int = 0) -> bytes:
    """A PNG of at most 1024 pixels a side. The same words give the same card; `number` tells several apart."""
    width, height = _measure(size)
    words = " ".join(prompt.split()) or "(nothing was asked for)"
    words = words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS].rstrip() + " ..."
    seed = hashlib.sha256(f"{number} {words}".encode("utf-8", "replace")).digest()
    chance = random.Random(seed)  # noqa: S311 - a card is no secret
    palette = chance.choice(_PALETTES)
    card = _backdrop(width, height, palette, chance)
    _paper(card)
    draw = ImageDraw.Draw(card)
    unit = min(width, height) / 24
    left, right = round(unit * 3), width - round(unit * 3)
    band = round(unit * 1.6)
    bottom = height - round(unit * 2)
    draw.rounded_rectangle(
        (round(unit * 1.5), bottom - band, width - round(unit * 1.5), bottom), round(unit * 0.4), fill=_INK
    )
    label = _fitting(_LABEL, right - left, band * 0.72, _built_in)
    draw.text((width / 2, bottom - band / 2), _LABEL, font=label, fill=_PAPER, anchor="mm")
    _pencil(draw, width - unit * 4.2, unit * 3.9, unit, palette[2])
    _write(draw, words, (left, round(unit * 6.3), right, bottom - band - round(unit)))
    out = io.BytesIO()
    card.save(out, "PNG")
    return out.getvalue()


def _measure(size: str) -> tuple[int, int]:
    """The shape that was asked for, made to fit; 4:3 where none was."""
    across, _, down = size.partition("x")
    if not (across.isdecimal() and down.isdecimal() and int(across) > 0 and int(down) > 0):
        return _MOST_SIDE, _MOST_SIDE * 3 // 4
    ratio = min(max(int(across) / int(down), 0.5), 2.0)
    return (_MOST_SIDE, round(_MOST_SIDE / ratio)) if ratio >= 1 else (round(_MOST_SIDE * ratio), _MOST_SIDE)


def _backdrop(width: int, height: int, palette: tuple[tuple[int, int, int], ...], chance: random.Random) -> Image.Image:
    """Soft hills of colour, one behind the other."""
    small = Image.new("RGB", (width // 4, height // 4), palette[0])
    draw = ImageDraw.Draw(small)
    for step, colour in enumerate(palette[1:], 1):
        middle = chance.uniform(0, small.width)
        radius = small.width * chance.uniform(0.35, 0.7)
        top = small.height * (0.1 + 0.2 * step)
        draw.ellipse((middle - radius, top, middle + radius, top + radius * 1.6), fill=colour)
    return small.filter(ImageFilter.GaussianBlur(5)).resize((width, height), Image.Resampling.BICUBIC)


def _paper(card: Image.Image) -> None:
    """A sheet with a soft shadow on the backdrop, and a drawn frame on it."""
    unit = min(card.size) / 24
    box = (unit, unit, card.width - unit, card.height - unit)
    shadow = Image.new("L", card.size, 0)
    ImageDraw.Draw(shadow).rounded_rectangle(tuple(side + unit * 0.25 for side in box), unit, fill=120)
    card.paste((20, 18, 30), mask=shadow.filter(ImageFilter.GaussianBlur(unit * 0.4)))
    draw = ImageDraw.Draw(card)
    draw.rounded_rectangle(box, unit, fill=_PAPER)
    inner = unit * 0.5
    frame = (box[0] + inner, box[1] + inner, box[2] - inner, box[3] - inner)
    draw.rounded_rectangle(frame, unit * 0.7, outline=(214, 207, 192), width=max(round(unit / 12), 1))


def _pencil(draw: ImageDraw.ImageDraw, x: float, y: float, unit: float, colour: tuple[int, int, int]) -> None:
    """A pencil that has just drawn a line, as a sign of what kind of picture this is."""

    def along(forward: float, aside: float) -> tuple[float, float]:
        return x + (forward - aside) * unit * 0.5, y - (forward + aside) * unit * 0.5

    draw.polygon([along(-2.6, -0.55), along(2, -0.55), along(2, 0.55), along(-2.6, 0.55)], fill=colour)
    draw.polygon([along(2, -0.55), along(2.8, -0.55), along(2.8, 0.55), along(2, 0.55)], fill=(222, 120, 132))
    draw.polygon([along(-2.6, -0.55), along(-4, 0), along(-2.6, 0.55)], fill=(238, 208, 164))
    draw.polygon([along(-3.55, -0.18), along(-4, 0), along(-3.55, 0.18)], fill=_INK)
    tip_x, tip_y = along(-4, 0)
    line = [(tip_x - unit * 0.45 * step, tip_y + unit * (0.0, 0.22, 0.0, -0.18)[step % 4]) for step in range(9)]
    draw.line(line, fill=_PENCIL, width=max(round(unit / 9), 1), joint="curve")


def _write(draw: ImageDraw.ImageDraw, words: str, box: tuple[int, int, int, int]) -> None:
    """The words as large as they fit into the box, centred; what does not fit at the least size is left out."""
    left, top, right, bottom = box
    words, make = _lettering(words)
    size, lines, step = (bottom - top) / 4, [""], 0.0
    while size > _LEAST_LETTERS:
        size *= 0.92
        font = make(size)
        lines, step = _wrap(words, font, right - left), size * 1.3
        if lines and len(lines) * step <= bottom - top:
            break
    most = max(int((bottom - top) / step), 1)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + " ..."]
    start = top + (bottom - top - len(lines) * step) / 2 + step / 2
    for number, line in enumerate(lines):
        draw.text(((left + right) / 2, start + number * step), line, font=font, fill=_INK, anchor="mm")


def _wrap(words: str, font: _Font, width: float) -> list[str]:
    """Lines no wider than `width`; empty when a single word is. Scripts without blanks are broken between signs."""
    pieces = words.split(" ") if " " in words or words.isascii() else list(words)
    glue = " " if " " in words or words.isascii() else ""
    lines: list[str] = []
    for piece in pieces:
        longer = f"{lines[-1]}{glue}{piece}" if lines else piece
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(piece) > 30 and font.getlength(piece) > width:
            lines.extend(piece[at : at + 30] for at in range(0, len(piece), 30))
        elif font.getlength(piece) > width:
            return []
        else:
            lines.append(piece)
    return lines


def _built_in(size: float) -> _Font:
    return ImageFont.load_default(size)


def _lettering(words: str) -> tuple[str, Callable[[float], _Font]]:
    """The built-in font, or an installed one that has what it lacks; where there is none, the nearest plain letters."""
    if not _lacks(words, _built_in(20)):
        return words, _built_in
    shown = "".join(sign for sign in words if unicodedata.category(sign) not in ("So", "Sk", "Cs", "Co", "Cn", "Cf"))
    for name in _WIDER_FONTS:
        try:
            font = ImageFont.truetype(name, 20)
        except OSError:
            continue
        if not _lacks(shown, font):
            return shown, lambda size, name=name: ImageFont.truetype(name, size)
    plain = unicodedata.normalize("NFKD", shown.translate(_PLAIN))
    return "".join(sign for sign in plain if not unicodedata.combining(sign)), _built_in


def _lacks(words: str, font: _Font) -> bool:
    """Whether the font shows its box for a missing sign instead of one of these."""
    box = bytes(font.getmask("\U0010fffe"))
    return any(bytes(font.getmask(sign)) == box for sign in set(words) if not sign.isspace())


def _fitting(text: str, width: float, size: float, make: Callable[[float], _Font]) -> _Font:
    font = make(size)
    return font if font.getlength(text) <= width else make(size * width / font.getlength(text))
