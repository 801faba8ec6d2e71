"""Facts about pictures, and small clean copies of them."""

from dataclasses import dataclass
from typing import Any

from bot.errors import UserError
from bot.media.apart import TooLarge, Unreadable, apart
from bot.media.sniffing import extension, sniff
from bot.messages import Attachment

__all__ = ["Barcode", "PictureFacts", "fit_picture", "picture_facts"]

_MOST_BYTES = 10 * 1024 * 1024
_READ_HERE = ("image/png", "image/jpeg", "image/webp", "image/gif")
_LIMITS: dict[str, Any] = {
    "wall": 8.0,
    "thing": "picture",
    "memory": 512 * 1024 * 1024,
    "processor": 5,
    "most_pixels": 25_000_000,
    "most_side": 10_000,
}


@dataclass(frozen=True, slots=True)
class Barcode:
    """A QR code or another barcode that was found in a picture, e.g. kind `QR Code`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is certain about a picture. Width and height in pixels as it is shown; shares of area from 0 to 1.

    `frames` is `None` where an animation is too long to count. `has_place` tells that it carries where it was taken.
    """

    media_type: str
    format: str
    width: int
    height: int
    bytes: int
    animated: bool
    frames: int | None
    transparent: bool
    colours: tuple[tuple[str, float], ...]
    barcodes: tuple[Barcode, ...]
    has_exif: bool
    has_place: bool


async def picture_facts(data: bytes) -> PictureFacts:
    """Look at a picture. Raises `TooLarge` or `Unreadable`."""
    media_type = _admit(data)
    seen, _ = await apart("picture facts", data, **_LIMITS)
    colours = tuple((str(name), float(share)) for name, share in seen.pop("colours"))
    barcodes = tuple(Barcode(code["kind"], code["text"]) for code in seen.pop("barcodes"))
    return PictureFacts(media_type=media_type, bytes=len(data), colours=colours, barcodes=barcodes, **seen)


async def fit_picture(data: bytes, *, side: int = 1024, max_bytes: int = 2 * 1024 * 1024) -> Attachment:
    """An upright PNG or JPEG of the first frame, at most `side` pixels long, without EXIF, place or any other text.

    Raises `TooLarge` or `Unreadable`.
    """
    _admit(data)
    made, picture = await apart("fit picture", data, side=side, most_bytes=max_bytes, **_LIMITS)
    media_type = made["media_type"]
    return Attachment(name=f"picture.{extension(media_type)}", media_type=media_type, data=picture, size=len(picture))


def _admit(data: bytes) -> str:
    if not data:
        raise Unreadable("This picture is empty. Please send it again.")
    media_type = sniff(data)
    if media_type not in _READ_HERE:
        raise _other_kind(media_type)
    if len(data) > _MOST_BYTES:
        raise TooLarge(
            f"This picture is too large for me: {len(data) / 1024 / 1024:.1f} MB; I take up to 10. "
            "Please send a smaller copy."
        )
    return media_type


def _other_kind(media_type: str) -> UserError:
    if media_type.startswith("image/"):
        return Unreadable(
            f"I cannot read {extension(media_type).upper()} pictures. Please send it as PNG, JPEG, WebP or GIF."
        )
    return Unreadable("This is no picture that I can read. Please send a PNG, JPEG, WebP or GIF.")
