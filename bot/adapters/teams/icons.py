"""The two pictures of the app package, drawn: it decodes nothing."""

import io

from PIL import Image, ImageDraw

__all__ = ["ACCENT", "color_icon", "outline_icon"]

ACCENT = "#2F5D62"
_FINE = 8  # drawn so many times as large, for smooth edges


def color_icon() -> bytes:
    """192 by 192 points: a speech bubble on the app's colour."""
    return _png(_bubble(192, 40, background=ACCENT, ink="white", inner=ACCENT))


def outline_icon() -> bytes:
    """32 by 32 points: white on nothing, as Teams wants it."""
    return _png(_bubble(32, 1, background=(0, 0, 0, 0), ink="white", inner=(0, 0, 0, 0)))


def _bubble(
    side: int, margin: int, *, background: str | tuple[int, ...], ink: str, inner: str | tuple[int, ...]
) -> Image.Image:
    whole = side * _FINE
    image = Image.new("RGBA", (whole, whole), background)
    draw = ImageDraw.Draw(image)
    left, right = margin * _FINE, whole - margin * _FINE
    width = right - left
    top, bottom = left + width * 0.08, left + width * 0.74
    tail = [(left + width * 0.2, bottom - 2), (left + width * 0.2, right), (left + width * 0.48, bottom - 2)]
    draw.rounded_rectangle((left, top, right, bottom), radius=width * 0.22, fill=ink)
    draw.polygon(tail, fill=ink)
    for share in (0.28, 0.5, 0.72):
        x, y, r = left + width * share, (top + bottom) / 2, width * 0.065
        draw.ellipse((x - r, y - r, x + r, y + r), fill=inner)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
