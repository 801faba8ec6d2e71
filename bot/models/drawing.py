"""Pictures made and changed: what is asked, by the family of the model, and what comes back."""

import asyncio
import binascii
import math
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import structlog

from bot.media import extension, fit_picture, sniff
from bot.messages import Attachment
from bot.models.bodies import clean
from bot.models.connection import Reply
from bot.models.errors import BadReply, NotConfigured, Refused, Unavailable
from bot.models.faults import server_fault
from bot.models.fetch import fetch_picture
from bot.models.profiles import Profile, picture_family
from bot.models.provider import Usage
from bot.models.stream import EventLines
from bot.models.wire import BrokenOff, Files, Wire, next_block

__all__ = ["checked_picture", "draw", "image_body"]

log = structlog.get_logger(__name__)

_WHOLE = 300.0  # seconds
_MOST_JSON = 96 * 1024 * 1024
_MOST_EVENT = 32 * 1024 * 1024
_MOST_PICTURE = 20 * 1024 * 1024
_EDIT_SIDE = 2048  # pixels of a picture that is to be changed
_MOST_EDITS = 16
_PARTIAL = 2  # unfinished pictures to show

_SQUARE = "1024x1024"
_SIZES: Mapping[str, tuple[str, ...]] = {
    "dall-e-2": ("256x256", "512x512", _SQUARE),
    "dall-e-3": (_SQUARE, "1792x1024", "1024x1792"),
    "gpt-image-1": (_SQUARE, "1536x1024", "1024x1536"),
}
_QUALITIES: Mapping[str, Mapping[str, str]] = {
    "dall-e-3": {"standard": "standard", "hd": "hd", "high": "hd", "max": "hd"},
    "gpt-image": {"standard": "medium", "hd": "high"},
}


async def draw(
    wire: Wire,
    model: str,
    prompt: str,
    *,
    size: str,
    quality: str,
    count: int,
    style: str,
    edits: Sequence[Attachment],
    preview: Callable[[Attachment], None] | None,
) -> tuple[list[Attachment], Usage]:
    """Pictures, and what they used. Raises a `ModelError`."""
    profile, family = wire.profile, picture_family(model)
    if edits and family == "dall-e-3":
        raise NotConfigured(
            f"“{model}” draws, but cannot change a picture. Whoever runs this bot has to set PARLEY_IMAGE_MODEL to one "
            "that can."
        )
    path = "/images/edits" if edits else "/images/generations"
    files = await _files(family, edits)
    at_once = 1 if family == "dall-e-3" else count
    pictures: list[Attachment] = []
    used = Usage(profile.name, model, "image", size=size, quality=quality)
    while len(pictures) < count:
        body = image_body(model, prompt, size=size, quality=quality, count=at_once, style=style)
        if preview and family == "gpt-image" and at_once == 1:
            body |= {"stream": True, "partial_images": _PARTIAL}
        entries, usage = await _ask(wire, path, body, files, preview)
        for entry in entries[:at_once]:
            pictures.append(await _picture(profile, entry, prompt, len(pictures) + 1))
        used = replace(
            used,
            input_tokens=used.input_tokens + _tokens(usage, "input_tokens"),
            output_tokens=used.output_tokens + _tokens(usage, "output_tokens"),
        )
        if at_once == count:
            break
    return pictures, replace(used, pictures=len(pictures))


def image_body(model: str, prompt: str, *, size: str, quality: str, count: int, style: str = "") -> dict[str, Any]:
    """A request for pictures, shaped for the family of the model. What was left open is left to the model."""
    family = picture_family(model)
    body: dict[str, Any] = {"model": model}
    if family == "dall-e-3" and style in ("vivid", "natural"):
        body["style"] = style
    elif style:  # other models take it in words
        prompt = f"{prompt}\n\nStyle: {style}."
    body["prompt"] = clean(prompt)
    if count > 1:
        body["n"] = count
    if size := _size(model, family, size):
        body["size"] = size
    if family in ("dall-e-2", "dall-e-3"):
        body["response_format"] = "b64_json"
    known = _QUALITIES.get(family)
    if known is not None and quality and (wanted := known.get(quality, quality if family == "gpt-image" else "")):
        body["quality"] = wanted
    return body


def _size(model: str, family: str, size: str) -> str:
    """The size that the model has which is nearest in shape, then in area; others take any."""
    name = model.lower().rpartition("/")[2]
    sizes = _SIZES.get("gpt-image-1" if name.startswith(("gpt-image-1", "chatgpt-image")) else family)
    if sizes is None or not size or size in sizes:
        return size
    if size == "auto":
        return size if family == "gpt-image" else ""
    try:
        wanted = [int(side) for side in size.split("x")]
        wide, high = wanted
    except ValueError:
        return ""

    def distance(each: str) -> tuple[float, float]:
        width, height = (int(side) for side in each.split("x"))
        return round(abs(math.log(width / height) - math.log(wide / high)), 3), abs(width * height - wide * high)

    return min(sizes, key=distance) if wide > 0 < high else ""


async def _files(family: str, edits: Sequence[Attachment]) -> Files:
    """The pictures to change as files of the form, without anything that a camera wrote into them."""
    fitted = [await fit_picture(edit.data, side=_EDIT_SIDE, max_bytes=4 * 1024 * 1024) for edit in edits[:_MOST_EDITS]]
    field = "image[]" if family == "gpt-image" or len(fitted) > 1 else "image"
    return [(field, (each.name, each.data, each.media_type)) for each in fitted]


async def _ask(
    wire: Wire, path: str, body: dict[str, Any], files: Files, preview: Callable[[Attachment], None] | None
) -> tuple[list[Any], Any]:
    """The pictures as the server describes them, and the usage it tells."""
    until = asyncio.get_running_loop().time() + _WHOLE
    # A picture may have been painted, and paid, when its server stumbles: one more try is enough.
    response, _ = await wire.post(path, body, role="image", first=_WHOLE, until=until, retries=1, files=files)
    if preview and "event-stream" in response.headers.get("content-type", "").lower():
        return await _read_stream(wire, response, body, until, preview)
    answer = wire.object_of(await wire.whole(response, until, _MOST_JSON), str(body["model"]), "image")
    entries = answer.get("data")
    if not isinstance(entries, list):
        raise BadReply
    if not entries:  # this is how some servers say that a filter took it away
        raise Refused
    return entries, answer.get("usage")


async def _read_stream(
    wire: Wire, response: Reply, body: dict[str, Any], until: float, preview: Callable[[Attachment], None]
) -> tuple[list[Any], Any]:
    lines, blocks = EventLines(_MOST_EVENT), response.aiter_bytes()
    try:
        ended = False
        while not ended:
            block = await next_block(blocks, until)
            ended = block is None
            for data in lines.end() if block is None else lines.feed(block):
                if data.startswith(b"[DONE]"):
                    continue
                event = orjson.loads(data)
                kind = str(event.get("type", "")) if isinstance(event, dict) else ""
                if kind == "error" or (isinstance(event, dict) and event.get("error")):
                    raise server_fault(wire.profile, str(body["model"]), "image", 0, event.get("error") or event).error
                if kind.endswith(".partial_image"):
                    preview(await _picture(wire.profile, event, str(body["prompt"]), 1))
                elif kind.endswith(".completed"):
                    return [event], event.get("usage")
    except (TimeoutError, BrokenOff) as error:
        log.warning("model broke off", provider=wire.profile.name, reason=type(error).__name__)
        raise Unavailable(wire.profile.spoken, late=True) from None
    except ValueError:
        raise BadReply from None
    finally:
        await response.aclose()
    raise BadReply


async def _picture(profile: Profile, entry: Any, prompt: str, number: int) -> Attachment:
    encoded, url = (entry.get("b64_json"), entry.get("url")) if isinstance(entry, dict) else (None, None)
    try:
        if isinstance(encoded, str) and encoded:
            picture = b64decode(encoded.partition(",")[2] if encoded.startswith("data:") else encoded, validate=True)
        elif isinstance(url, str) and url:
            picture = await fetch_picture(url, profile.base_url, _MOST_PICTURE)
        else:
            raise BadReply
    except (binascii.Error, OSError, ValueError) as error:
        log.warning("picture not usable", provider=profile.name, reason=type(error).__name__)
        raise BadReply from None
    return checked_picture(picture, prompt, number, profile.name)


def checked_picture(picture: bytes, prompt: str, number: int, provider: str) -> Attachment:
    """An attachment of what a model drew. Raises `BadReply` where that is no picture."""
    media_type = sniff(picture)
    if media_type not in ("image/png", "image/jpeg", "image/webp", "image/gif") or len(picture) > _MOST_PICTURE:
        log.warning("picture not usable", provider=provider, media_type=media_type, bytes=len(picture))
        raise BadReply
    name = f"picture{'' if number == 1 else f'-{number}'}.{extension(media_type)}"
    return Attachment(name, media_type, picture, len(picture), alt=prompt[:1000])


def _tokens(usage: Any, key: str) -> int:
    number = usage.get(key) if isinstance(usage, dict) else 0
    return number if isinstance(number, int) and number > 0 else 0
