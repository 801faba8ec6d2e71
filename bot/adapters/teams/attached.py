"""What came with a message: where its files and pictures are, and how each is read again.

A picture in a message's HTML is believed only where it is a part of the same conversation: whoever wrote the message
could have named one of any conversation that the bot may read.
"""

import mimetypes
import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import PurePosixPath
from typing import Any

from botbuilder.schema import Attachment as Attached

from bot.adapters.teams.hosts import Hosts, parse
from bot.messages import Attachment

__all__ = ["DOWNLOAD", "GRAPH", "SERVICE", "VOICE", "attachments_of", "files_in", "has_pictures"]

# How an attachment is read again: through the service with the bot's token, from elsewhere without, or from Graph.
SERVICE = "service:"
DOWNLOAD = "download:"
GRAPH = "graph:"
VOICE = "voice:"  # not at all: a voice message of Teams' own

_VOICE_CARD = "application/vnd.microsoft.card.audio"
_VOICE_MARK = "schema.skype.com/InputExtension"
_DOWNLOAD_INFO = "application/vnd.microsoft.teams.file.download.info"
_KEPT_BY_TEAMS = "/v3/attachments/"
_LONGEST_NAME = 80
_MOST_FILES = 10
_LONGEST_BODY = 64 * 1024
_IMG = re.compile(r"""<img\b[^<>]{0,2000}?\bsrc=["'](?P<address>[^"'<>]{1,2000})["']""", re.IGNORECASE)
_SKYPE = ".asm.skype.com"  # where Teams keeps pictures that it gives to no bot
_TYPES = {  # what the standard library does not know everywhere
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
}


def attachments_of(
    attached: Sequence[Attached | None], hosts: Hosts, inside: tuple[str, ...], *, silent: bool
) -> Iterator[Attachment]:
    """The files and pictures of an activity, and its voice message, which may be all there is where it is `silent`.

    What is `inside` the conversation has one of these in its path at Graph, before the message's id.
    """
    pictures = False
    if any(each is not None and each.content_type == _VOICE_CARD for each in attached) or (
        silent and any(_VOICE_MARK in markup for markup in _markup(attached))
    ):
        yield Attachment("voice message", "audio/mp4", source=VOICE)
    for number, each in enumerate(attached, 1):
        found = _attachment(each, number, hosts) if each is not None else None
        if found is not None:
            pictures = pictures or found.kind == "image"
            yield found
    if not pictures:  # in a channel they are only in the HTML
        for markup in _markup(attached):
            yield from _pictures_in(markup, inside)


def has_pictures(attached: Sequence[Attached | None]) -> bool:
    """Whether somebody put pictures into the HTML of an activity. Teams' own, such as its smileys, are none."""
    return any(_is_put_in(picture) for markup in _markup(attached) for picture in _IMG.finditer(markup))


def files_in(body: str, attachments: Any, inside: tuple[str, ...]) -> tuple[Attachment, ...]:
    """The pictures and files of a message as Graph, or its menu, gives it."""
    return (*_pictures_in(body, inside), *_listed(attachments))[:_MOST_FILES]


def _is_put_in(picture: re.Match[str]) -> bool:
    url = parse(unescape(picture["address"]))
    return url is not None and ("/hostedContents/" in url.path or (url.host or "").endswith(_SKYPE))


def _markup(attached: Sequence[Attached | None]) -> Iterator[str]:
    for each in attached:
        if each is not None and each.content_type == "text/html" and isinstance(each.content, str):
            yield each.content[:_LONGEST_BODY]


def _attachment(attached: Attached, number: int, hosts: Hosts) -> Attachment | None:
    kind = str(attached.content_type or "").lower()
    if kind == _DOWNLOAD_INFO:
        content = _dict(attached.content)
        address = content.get("downloadUrl")
        if not isinstance(address, str) or not address:
            return None
        ending = content.get("fileType")
        name = _name(attached.name, f"file-{number}", ending if isinstance(ending, str) else "")
        return Attachment(name, _media_type(name), source=DOWNLOAD + address)
    address = attached.content_url
    if kind == "reference" and isinstance(address, str) and address.startswith("https://"):  # a file in a channel
        name = _name(attached.name, f"file-{number}", "")
        return Attachment(name, _media_type(name), source=GRAPH + address)
    # Cards, and the message itself once more as text/html, are no files.
    if kind in ("", "text/html", "reference") or kind.startswith("application/vnd.microsoft."):
        return None
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        return None
    ending = "" if kind.endswith("/*") else (mimetypes.guess_extension(kind) or "").lstrip(".")
    name = _name(attached.name, f"{kind.partition('/')[0]}-{number}", ending)
    kept = hosts.trusts(address) and _KEPT_BY_TEAMS in address
    return Attachment(name, kind, source=(SERVICE if kept else DOWNLOAD) + address)


def _pictures_in(body: str, inside: tuple[str, ...]) -> Iterator[Attachment]:
    """The pictures that are a part of a message's HTML: only Graph gives them out."""
    for number, picture in enumerate(_IMG.finditer(body[:_LONGEST_BODY]), 1):
        url = parse(unescape(picture["address"]))
        path, _, rest = url.path.partition("/messages/") if url is not None else ("", "", "")
        if "/hostedContents/" in rest and f"{path}/messages/".endswith(inside):
            yield Attachment(f"picture-{number}.png", "image/png", source=f"{GRAPH}{url}")


def _listed(attachments: Any) -> Iterator[Attachment]:
    """The files that were sent with a message: they are in SharePoint."""
    for each in attachments if isinstance(attachments, list) else ():
        address, name = _dict(each).get("contentUrl"), _dict(each).get("name")
        if _dict(each).get("contentType") == "reference" and isinstance(address, str) and address:
            named = _name(name, "file", "")
            yield Attachment(named, _media_type(named), source=GRAPH + address)


def _name(given: Any, otherwise: str, ending: str) -> str:
    text = given if isinstance(given, str) else ""
    name = PurePosixPath("".join(c for c in text if c.isprintable()).replace("\\", "/")).name.strip()[-_LONGEST_NAME:]
    name = name or otherwise
    return f"{name}.{ending}" if ending and ending.isalnum() and not PurePosixPath(name).suffix else name


def _media_type(name: str) -> str:
    known = _TYPES.get(PurePosixPath(name).suffix.lower())
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
