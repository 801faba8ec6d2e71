"""Jobs on pictures: look at one, or make a small clean copy. Runs in the child only."""

import io
import warnings
from typing import Any

from PIL import Image, ImageOps

from bot.media.child.colours import colours_of
from bot.media.child.refused import Refused

__all__ = ["facts", "fit", "look", "shrink"]

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_NAMES = {"MPO": "JPEG", "HEIF": "HEIC"}  # phones put a second picture behind the first
_MOVING = ("PNG", "WEBP", "GIF", "AVIF")
_DRAWN = ("PNG", "GIF", "BMP")
_FACTS_SIDE = 2048
_MOST_MOVING_PIXELS = 100_000_000  # of all frames together, above which only the first is looked at
_GPS = 0x8825
_LARGE_GIF = 2_000_000  # bytes above which its frames are not counted
_WORTH_PNG = 400_000  # bytes up to which a drawing or a screenshot stays a PNG


def facts(data: bytes, *, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """What can be said of a picture without understanding it."""
    picture = _open(data, most_pixels, most_side)
    seen = _header(picture, len(data))
    _see(_upright(picture, _FACTS_SIDE), seen)
    return seen, b""


def fit(data: bytes, *, side: int, most_bytes: int, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """A copy of the first frame, upright, at most `side` pixels long, with nothing in it but the picture."""
    picture = _open(data, most_pixels, most_side)
    drawn = picture.format in _DRAWN
    flat, _ = _flatten(_upright(picture, side))
    return _small(flat, side, most_bytes, drawn=drawn)


def look(data: bytes, *, side: int, most_bytes: int, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """`facts` and `fit` at once. Of an animation, up to four moments are shown beside each other."""
    picture = _open(data, most_pixels, most_side)
    seen = _header(picture, len(data))
    moments = _moments(picture, seen["frames"], side)
    flat = _see(_upright(picture, max(side, _FACTS_SIDE)) if len(moments) < 2 else moments[0], seen)
    seen["moments"] = max(1, len(moments))
    shown = _beside(moments) if len(moments) > 1 else flat
    made, small = _small(shown, side, most_bytes, drawn=picture.format in _DRAWN)
    return {"facts": seen, "media_type": made["media_type"]}, small


def shrink(data: bytes, *, most_bytes: int, most_pixels: int, most_side: int) -> tuple[dict[str, Any], bytes]:
    """The same picture in at most so many bytes: encoded more tightly, and made smaller only if that is not enough."""
    picture = _open(data, most_pixels, most_side)
    if getattr(picture, "is_animated", False):
        raise Refused("animated")
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    clear = upright.has_transparency_data
    shown = upright.convert("RGBA") if clear else _flatten(upright)[0]
    shown.info.clear()
    kind, media_type = ("WEBP", "image/webp") if clear else ("JPEG", "image/jpeg")
    while max(shown.size) >= 64:
        for quality in (92, 85, 75):
            encoded = _encode(shown, kind, quality=quality)
            if len(encoded) <= most_bytes:
                return {"media_type": media_type}, encoded
        shown = shown.resize((max(1, shown.width * 3 // 4), max(1, shown.height * 3 // 4)), Image.Resampling.LANCZOS)
    raise Refused("memory")


def _header(picture: Image.Image, size: int) -> dict[str, Any]:
    animated = bool(getattr(picture, "is_animated", False))
    exif = picture.getexif()
    width, height = _shown_size(picture, exif)
    return {
        "format": _NAMES.get(picture.format or "", picture.format),
        "width": width,
        "height": height,
        "animated": animated and picture.format in _MOVING,
        "frames": _frames(picture, size) if animated and picture.format in _MOVING else 1,
        "has_exif": len(exif) > 0,
        "has_place": _GPS in exif,
    }


def _see(upright: Image.Image, seen: dict[str, Any]) -> Image.Image:
    """Add what the picture itself shows, and return it as RGB on white."""
    flat, seen["transparent"] = _flatten(upright)
    seen["colours"] = colours_of(flat)
    seen["barcodes"] = _barcodes(flat)
    return flat


def _upright(picture: Image.Image, side: int) -> Image.Image:
    """The first frame, not much longer than `side` pixels, the right way up."""
    _load(picture, side)
    return ImageOps.exif_transpose(_shrink(picture, side))


def _small(flat: Image.Image, side: int, most_bytes: int, *, drawn: bool) -> tuple[dict[str, Any], bytes]:
    flat = _shrink(flat, side)
    flat.info.clear()  # colour profiles, comments and texts are left behind as well
    if drawn:
        encoded = _encode(flat, "PNG")
        if len(encoded) <= min(_WORTH_PNG, most_bytes):
            return {"media_type": "image/png", "width": flat.width, "height": flat.height}, encoded
    for quality in (85, 70, 50, 30):
        encoded = _encode(flat, "JPEG", quality=quality, optimize=True)
        if len(encoded) <= most_bytes:
            return {"media_type": "image/jpeg", "width": flat.width, "height": flat.height}, encoded
    raise Refused("memory")


def _moments(picture: Image.Image, frames: int | None, side: int) -> list[Image.Image]:
    """Up to four frames of a short animation, evenly spread over it, as RGB; none of one that is long or still."""
    if not frames or frames < 2 or frames * picture.width * picture.height > _MOST_MOVING_PIXELS:
        return []
    wanted = sorted({number * (frames - 1) // 3 for number in range(4)})
    seen: list[Image.Image] = []
    for number in wanted:
        picture.seek(number)
        flat, _ = _flatten(picture.convert("RGBA"))
        flat.thumbnail((side // 2, side // 2))
        seen.append(flat)
    picture.seek(0)
    return seen


def _beside(moments: list[Image.Image]) -> Image.Image:
    """Frames in rows of two, in the order they are read, with a white line between them."""
    width, height = moments[0].width + 4, moments[0].height + 4
    sheet = Image.new("RGB", (width * 2, height * -(-len(moments) // 2)), "white")
    for number, frame in enumerate(moments):
        sheet.paste(frame, (number % 2 * width, number // 2 * height))
    return sheet


def _open(data: bytes, most_pixels: int, most_side: int) -> Image.Image:
    """Read the header only, and refuse what would be too much work before any of it is done."""
    Image.MAX_IMAGE_PIXELS = None  # our own limits come next, with the real numbers for the person
    formats = (*_FORMATS, *_heif()) if data[4:8] == b"ftyp" else _FORMATS
    picture = Image.open(io.BytesIO(data), formats=formats)
    width, height = picture.size
    if max(width, height) > most_side:
        raise Refused("side", width=width, height=height, most=most_side)
    if width * height > most_pixels:
        raise Refused("pixels", megapixels=round(width * height / 1e6), most=round(most_pixels / 1e6))
    Image.MAX_IMAGE_PIXELS = most_pixels  # a frame may be larger than the picture it belongs to
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    return picture


def _heif() -> tuple[str, ...]:
    """What else can be read where the library for the photos of iPhones is installed."""
    try:
        import pi_heif
    except ImportError:
        return ()
    pi_heif.options.DECODE_THREADS = 1
    pi_heif.register_heif_opener()
    return ("HEIF",)


def _load(picture: Image.Image, side: int) -> None:
    """Decode the first frame; of a JPEG only as much as `side` pixels need, which takes a fraction of the time."""
    if picture.format in ("JPEG", "MPO"):
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
