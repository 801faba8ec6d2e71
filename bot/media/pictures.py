"""Facts about pictures, and small clean copies of them."""

from dataclasses import dataclass
from typing import Any

from bot.errors import UserError
from bot.media.apart import TooLarge, Unreadable, apart
from bot.media.sniffing import extension, sniff
from bot.messages import Attachment

__all__ = ["Barcode", "Look", "PictureFacts", "fit_picture", "look_at", "picture_facts", "shrink_picture"]

_MOST_BYTES = 10 * 1024 * 1024
_READ_HERE = tuple(f"image/{kind}" for kind in ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic"))
_HOW_TO = {
    "svg": "It is a drawing made of lines: please export it as PNG, JPEG, WebP or GIF, or send me a screenshot of it.",
    "psd": "Please export it from your editor as PNG, JPEG, WebP or GIF.",
}
_LIMITS: dict[str, Any] = {
    "wall": 8.0,
    "thing": "picture",
    "memory": 512 * 1024 * 1024,
    "processor": 5,
    "most_pixels": 25_000_000,
    "most_side": 10_000,
}
_SHRINKING = _LIMITS | {"wall": 20.0, "processor": 15}  # our own pictures, encoded several times


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


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that was looked at: what is certain about it, and a small clean copy of it with its bytes.

    `moments` is how many frames of an animation the copy shows, beside each other in the order they are read.
    """

    facts: PictureFacts
    small: Attachment
    moments: int = 1


async def picture_facts(data: bytes) -> PictureFacts:
    """What is certain about a picture. Raises `TooLarge` or `Unreadable`."""
    media_type = _admit(data)
    seen, _ = await apart("picture facts", data, **_LIMITS)
    return _facts(seen, media_type, len(data))


async def look_at(data: bytes, *, side: int = 1024, max_bytes: int = 2 * 1024 * 1024) -> Look:
    """What `picture_facts` and `fit_picture` tell, in one go. Raises as they do."""
    media_type = _admit(data)
    seen, picture = await apart("look at picture", data, side=side, most_bytes=max_bytes, **_LIMITS)
    moments = seen["facts"].pop("moments")
    return Look(_facts(seen["facts"], media_type, len(data)), _attachment(seen["media_type"], picture), moments)


async def shrink_picture(picture: Attachment, max_bytes: int) -> Attachment:
    """The same picture in at most `max_bytes`, as JPEG, or as WebP where something shines through.

    Raises `TooLarge` or `Unreadable`, also for an animation.
    """
    made, smaller = await apart("shrink picture", picture.data, most_bytes=max_bytes, **_SHRINKING)
    name = f"{picture.name.rpartition('.')[0] or picture.name}.{extension(made['media_type'])}"
    return Attachment(name, made["media_type"], smaller, len(smaller), alt=picture.alt)


async def fit_picture(data: bytes, *, side: int = 1024, max_bytes: int = 2 * 1024 * 1024) -> Attachment:
    """An upright PNG or JPEG of the first frame, at most `side` pixels long, without EXIF, place or any other text.

    Raises `TooLarge` or `Unreadable`.
    """
    _admit(data)
    made, picture = await apart("fit picture", data, side=side, most_bytes=max_bytes, **_LIMITS)
    return _attachment(made["media_type"], picture)


def _attachment(media_type: str, picture: bytes) -> Attachment:
    return Attachment(f"picture.{extension(media_type)}", media_type, picture, len(picture))


def _facts(seen: dict[str, Any], media_type: str, size: int) -> PictureFacts:
    colours = tuple((str(name), float(share)) for name, share in seen.pop("colours"))
    barcodes = tuple(Barcode(code["kind"], code["text"]) for code in seen.pop("barcodes"))
    return PictureFacts(media_type=media_type, bytes=size, colours=colours, barcodes=barcodes, **seen)


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
        kind = extension(media_type)
        how = _HOW_TO.get(kind, "Please send it as PNG, JPEG, WebP or GIF.")
        return Unreadable(f"I cannot read {kind.upper()} pictures. {how}")
    return Unreadable("This is no picture that I can read. Please send a PNG, JPEG, WebP or GIF.")
