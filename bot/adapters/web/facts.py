"""Rooms, messages and files as the page is told of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bot.messages import Button
from storage import File, Room, RoomMessage
from storage.rooms import FileFacts

__all__ = ["button_facts", "excerpt", "file_facts", "files_of", "message_facts", "room_facts", "stored_facts"]

_EXCERPT = 140  # characters of a message that are shown where somebody replied to it
_MARKS = re.compile(r"```\w*|[*_`#>|~]{1,6}(?=\S)|(?<=\S)[*_`|~]{1,6}|^[#>\-\s]+", re.MULTILINE)


def room_facts(room: Room) -> dict[str, Any]:
    """A room as the page lists it."""
    return {"id": room.id, "title": room.title, "at": room.updated_at.isoformat()}


def stored_facts(file: File) -> FileFacts:
    """What there is to say of a file that is at hand."""
    return FileFacts(file.id, file.name, file.media_type, file.alt, len(file.data))


def file_facts(facts: FileFacts) -> dict[str, Any]:
    """A file as the page shows it."""
    return {"id": facts.id, "name": facts.name, "type": facts.media_type, "alt": facts.alt, "size": facts.size}


def files_of(message: RoomMessage, known: Mapping[str, FileFacts]) -> list[dict[str, Any]]:
    """The files of a message that are still there."""
    return [file_facts(known[file]) for file in message.files if file in known]


def button_facts(buttons: Iterable[Button]) -> tuple[dict[str, Any], ...]:
    """The buttons that stand below an answer. What pressing one asks for is the core's to know."""
    return tuple({"action": each.action, "label": each.label} for each in buttons if each.action != "stop")


def excerpt(message: RoomMessage, known: Mapping[str, FileFacts]) -> dict[str, Any]:
    """The beginning of a message, and its first file, for whoever replies to it."""
    text = _MARKS.sub("", message.text[: 4 * _EXCERPT]) if message.role == "assistant" else message.text
    line = " ".join(text.split())
    if len(line) > _EXCERPT:
        line = line[: _EXCERPT - 1].rstrip() + "…"
    files = files_of(message, known)
    return {"id": message.id, "role": message.role, "text": line, "file": files[0] if files else None}


def message_facts(
    message: RoomMessage, known: Mapping[str, FileFacts], replied_to: RoomMessage | None
) -> dict[str, Any]:
    """A message as the page shows it, but for the blocks of an answer."""
    return {
        "id": message.id,
        "role": message.role,
        "at": message.at.isoformat(),
        "text": message.text,
        "files": files_of(message, known),
        "footer": message.footer,
        "answers": message.answers,
        "running": message.running,
        "buttons": list(message.buttons),
        "replies": excerpt(replied_to, known) if replied_to else None,
    }
