"""What the page sends: a form with words and files, read in pieces and never beyond its limits."""

import asyncio
import re
import secrets
from dataclasses import dataclass, field

import orjson
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from bot.adapters.web.access import Refused
from bot.markup import clean, clean_name
from bot.media.sniffing import extension, sniff
from storage import File

__all__ = ["FILES", "FILE_BYTES", "TEXT", "Form", "disposition", "read_form", "read_json"]

FILES = 4
FILE_BYTES = 25 * 1024 * 1024
TEXT = 32_000  # characters in one message
_JSON_BYTES = 64 * 1024  # of which most may be a long text in the settings
_FIELD_BYTES = TEXT * 4 + 1024
_PARTS = 16
_STALL_SECONDS = 15  # without a byte
_WHOLE_SECONDS = 300

_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,100}")
_SHOWN = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/bmp",
        "audio/ogg",
        "audio/mpeg",
        "audio/mp4",
        "audio/wav",
        "audio/webm",
        "audio/flac",
        "audio/aac",
    }
)
# The same first bytes begin a sound and a film; which of them it is, is taken from what was declared.
_CONTAINERS = (
    frozenset({"audio/webm", "video/webm"}),
    frozenset({"audio/mp4", "video/mp4", "audio/x-m4a", "video/quicktime"}),
    frozenset({"audio/ogg", "video/ogg"}),
)


@dataclass(slots=True)
class Form:
    """A form as it was sent: its fields, cleaned, and its files under ids of our own."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)


async def read_form(request: web.Request) -> Form:
    """Read a form. Raises `Refused` for one that is too large, too slow or no form at all."""
    if request.content_type != "multipart/form-data":
        raise Refused(415, "Messages are sent as a form (multipart/form-data).")
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            return await _read_parts(request)
    except TimeoutError:
        raise Refused(408, "The upload came to a standstill. Try again.") from None
    except (ValueError, BadHttpMessage):
        raise Refused(400, "The form could not be read. Try again.") from None


async def _read_parts(request: web.Request) -> Form:
    form = Form()
    reader = await request.multipart()
    for _ in range(_PARTS):
        async with asyncio.timeout(_STALL_SECONDS):
            part = await reader.next()
        if part is None:
            return form
        if not isinstance(part, BodyPartReader):
            raise Refused(400, "The form could not be read. Try again.")
        if part.filename is None:
            content = await _read_part(
                part, _FIELD_BYTES, f"A message may have {TEXT:,} characters. Attach the rest as a file."
            )
            form.fields[part.name or ""] = clean(content.decode("utf-8", "replace"))
            continue
        if len(form.files) == FILES:
            raise Refused(413, f"A message may carry {FILES} files. Send the others with the next one.")
        named = clean_name(part.filename.replace("/", " ").replace("\\", " "))
        content = await _read_part(
            part, FILE_BYTES, f"“{named}” is too large: a file may have {FILE_BYTES // 1024**2} MB."
        )
        if not content:
            raise Refused(400, f"“{named}” is empty. Choose another file.")
        form.files.append(_file(named, part.headers.get("Content-Type", ""), content))
    raise Refused(413, "The form has too many parts.")


async def _read_part(part: BodyPartReader, limit: int, too_large: str) -> bytes:
    content = bytearray()
    while not part.at_eof():
        async with asyncio.timeout(_STALL_SECONDS):
            content += await part.read_chunk(256 * 1024)
        if len(content) > limit:
            raise Refused(413, too_large)
    return bytes(content)


def _file(name: str, declared: str, content: bytes) -> File:
    media_type = _media_type(declared, content)
    return File(f"web-{secrets.token_hex(16)}", name or f"file.{extension(media_type)}", media_type, content)


def _media_type(declared: str, content: bytes) -> str:
    """What it is by its first bytes; what they do not tell is taken from what was declared."""
    declared = declared.partition(";")[0].strip().lower()
    found = sniff(content)
    if found:
        alike = any(found in each and declared in each for each in _CONTAINERS)
        return declared.replace("audio/x-m4a", "audio/mp4") if alike else found
    return declared if _TYPE.fullmatch(declared) else "application/octet-stream"


def disposition(file: File) -> tuple[str, bool]:
    """The media type to serve a file under, and whether a browser may show it: only pictures and sounds that really
    are what they say. Everything else is handed over as bytes to keep.
    """
    found = sniff(file.data)
    really = found == file.media_type or any(found in each and file.media_type in each for each in _CONTAINERS)
    shown = file.media_type in _SHOWN and really
    return (file.media_type if shown else "application/octet-stream"), shown


async def read_json(request: web.Request) -> dict[str, object]:
    """A small JSON object. Raises `Refused` for anything else."""
    try:
        async with asyncio.timeout(5):
            content = await request.content.read(_JSON_BYTES + 1)
            while len(content) <= _JSON_BYTES and (more := await request.content.read(_JSON_BYTES + 1)):
                content += more
    except TimeoutError:
        raise Refused(408, "The request came to a standstill. Try again.") from None
    if len(content) > _JSON_BYTES:
        raise Refused(413, "The request is too large.")
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Refused(400, "The request is not JSON.") from None
    if not isinstance(read, dict):
        raise Refused(400, "The request is not a JSON object.")
    return read
