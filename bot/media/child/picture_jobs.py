"""Jobs on pictures: look at one, or make a small clean copy. Runs in the child only."""

import io
import warnings
from typing import Any

from PIL import Image, ImageOps

from bot.media.child.colours import colours_of
from bot.media.child.refused import Refused

__all__ = ["facts", "fit"]

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_GPS = 0x8825
_LARGE_GIF = 2_000_000  # bytes above which its frames are not counted
_WORTH_PNG = 400_000  # bytes up to which a drawing or a screenshot stays a PNG


def facts(data: bytes, *, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """What can be said of a picture without understanding it."""
    picture = _open(data, most_pixels, most_side)
    animated = bool(getattr(picture, "is_animated", False))
    exif = picture.getexif()
    seen: dict[str, Any] = {
        "format": picture.format,
        "animated": animated,
        "frames": _frames(picture, len(data)) if animated else 1,
        "has_exif": len(exif) > 0,
        "has_place": _GPS in exif,
    }
    seen["width"], seen["height"] = _shown_size(picture, exif)
    _load(picture, 2048)
    flat, seen["transparent"] = _flatten(ImageOps.exif_transpose(_shrink(picture, 2048)))
    seen["colours"] = colours_of(flat)
    seen["barcodes"] = _barcodes(flat)
    return seen, b""


def fit(data: bytes, *, side: int, most_bytes: int, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """A copy of the first frame, upright, at most `side` pixels long, with nothing in it but the picture."""
    picture = _open(data, most_pixels, most_side)
    drawn = picture.format in ("PNG", "GIF")
    _load(picture, side)
    flat, _ = _flatten(ImageOps.exif_transpose(_shrink(picture, side)))
    flat = _shrink(flat, side)
    flat.info.clear()  # colour profiles, comments and texts are left behind as well
    if drawn:
        encoded = _encode(flat, "PNG")
        if len(encoded) <= min(_WORTH_PNG, most_bytes):
            return {"media_type": "image/png", "width": flat.width, "height": flat.height}, encoded
    for quality in (85, 70, 50, 30):
        encoded = _encode(flat, "JPEG", quality=quality, optimize=True)
        if len(encoded) <= most_bytes:
            break
    else:
        raise Refused("memory")
    return {"media_type": "image/jpeg", "width": flat.width, "height": flat.height}, encoded


def _open(data: bytes, most_pixels: int, most_side: int) -> Image.Image:
    """Read the header only, and refuse what would be too much work before any of it is done."""
    Image.MAX_IMAGE_PIXELS = None  # our own limits come next, with the real numbers for the person
    picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    width, height = picture.size
    if max(width, height) > most_side:
        raise Refused("side", width=width, height=height, most=most_side)
    if width * height > most_pixels:
        raise Refused("pixels", megapixels=round(width * height / 1e6), most=round(most_pixels / 1e6))
    Image.MAX_IMAGE_PIXELS = most_pixels  # a frame may be larger than the picture it belongs to
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    return picture


def _load(picture: Image.Image, side: int) -> None:
    """Decode the first frame; of a JPEG only as much as `side` pixels need, which takes a fraction of the time."""
    if picture.format == "JPEG":
        picture.draft("RGB", (side, side))
    picture.load()


def _shrink(picture: Image.Image, side: int) -> Image.Image:
    """Make it `side` pixels long before anything else takes more copies of it. Palettes do not mix: they come later."""
    if picture.mode in ("RGB", "RGBA", "L", "LA", "CMYK"):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _frames(picture: Image.Image, size: int) -> int | None:
    """How many there are. A GIF has to be walked through to count them, which is not done for a large one."""
    if picture.format == "GIF" and size > _LARGE_GIF:
        return None
    count = int(getattr(picture, "n_frames", 1))
    picture.seek(0)
    return count


def _shown_size(picture: Image.Image, exif: Image.Exif) -> tuple[int, int]:
    lies_on_its_side = exif.get(0x0112) in (5, 6, 7, 8)
    return (picture.height, picture.width) if lies_on_its_side else picture.size


def _flatten(picture: Image.Image) -> tuple[Image.Image, bool]:
    """As RGB on white, and whether anything shone through."""
    if picture.mode.startswith("I") or picture.mode == "F":  # more than 8 bits a pixel
        extrema: Any = picture.getextrema()
        scale = 1 / 257 if extrema[1] > 255 else 1.0
        return picture.point(lambda value: value * scale).convert("L").convert("RGB"), False
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        thinnest: Any = layered.getchannel("A").getextrema()
        return Image.alpha_composite(white, layered).convert("RGB"), thinnest[0] < 255
    return picture.convert("RGB"), False


def _encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _barcodes(picture: Image.Image) -> list[dict[str, str]]:
    import zxingcpp

    grey = picture.convert("L")
    grey.thumbnail((2048, 2048))
    return [{"kind": str(code.format), "text": code.text[:1000]} for code in zxingcpp.read_barcodes(grey)[:8]]
