"""Which colours a picture is made of, in words."""

import colorsys
from collections import Counter

from PIL import Image

__all__ = ["colour_name", "colours_of"]

_SAMPLE = 96  # points a side
_HUES = (
    (0.03, "red"),
    (0.11, "orange"),
    (0.18, "yellow"),
    (0.24, "lime green"),
    (0.44, "green"),
    (0.53, "turquoise"),
    (0.60, "sky blue"),
    (0.72, "blue"),
    (0.80, "violet"),
    (0.93, "pink"),
    (1.01, "red"),
)


def colours_of(picture: Image.Image, most: int = 4) -> list[tuple[str, float]]:
    """The commonest colours with their share of the area, from 0 to 1; what covers less than 3 % is left out."""
    small = picture.resize((min(_SAMPLE, picture.width), min(_SAMPLE, picture.height)), Image.Resampling.NEAREST)
    raw = small.convert("RGB").tobytes()
    counts = Counter(colour_name(*raw[at : at + 3]) for at in range(0, len(raw), 3))
    total = sum(counts.values())
    return [(name, round(count / total, 3)) for name, count in counts.most_common(most) if count / total >= 0.03]


def colour_name(red: int, green: int, blue: int) -> str:
    """The everyday name of a colour given by three numbers from 0 to 255."""
    hue, lightness, saturation = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    if lightness < 0.10:
        return "black"
    if lightness > 0.94:
        return "white"
    spread = max(red, green, blue) - min(red, green, blue)
    if saturation < 0.12 or spread < 16:
        return "dark grey" if lightness < 0.35 else "grey" if lightness < 0.68 else "light grey"
    name = next(name for end, name in _HUES if hue < end)
    if name in ("orange", "red") and 0.02 < hue < 0.12 and lightness < 0.40:
        return "brown"
    if name in ("orange", "yellow") and lightness > 0.78 and saturation < 0.75:
        return "beige"
    if name == "yellow" and lightness < 0.33:
        return "olive"
    if lightness < 0.25:
        return {"blue": "navy blue"}.get(name, f"dark {name}")
    if lightness > 0.82 and name != "pink":
        return {"red": "pink"}.get(name, f"light {name}")
    return name
