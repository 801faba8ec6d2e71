"""The text of documents: what people attach that is neither a picture nor a sound."""

import hashlib
from dataclasses import dataclass
from typing import Any

from bot.markup import clean
from bot.media.apart import TooLarge, apart
from bot.messages import Attachment

__all__ = ["LONGEST", "MOST_CHARACTERS", "Document", "is_document", "read_document"]

LONGEST = 300_000  # characters of a document that are read at all
MOST_CHARACTERS = 48_000  # of it that are shown to a model at once: about 12,000 tokens
_MOST_BYTES = 25 * 1024 * 1024
_MOST_TEXT = 4 * 1024 * 1024  # bytes of a file that is text from end to end
_LIMITS: dict[str, Any] = {
    "wall": 20.0,
    "thing": "file",
    "memory": 512 * 1024 * 1024,
    "processor": 15,
    "most_pages": 50,
    "most_rows": 2000,
}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `limit` says in a sentence how much of it was read, where that is not all; `trouble` why
    nothing was, and what to do about it. `mark` is the same for the same text; `characters` are all that there are.
    """

    name: str
    kind: str = ""
    text: str = ""
    limit: str = ""
    trouble: str = ""
    mark: str = ""
    characters: int = 0


def is_document(attachment: Attachment) -> bool:
    """Whether it is for reading, rather than for looking or listening."""
    return attachment.kind not in ("image", "audio", "video")


async def read_document(attachment: Attachment, most_characters: int = MOST_CHARACTERS) -> Document:
    """Read a file that has its bytes. Raises `TooLarge` or `Unreadable`."""
    content = attachment.data
    if len(content) > _MOST_BYTES:
        raise TooLarge(f"This file is too large for me: {len(content) / 1024 / 1024:.1f} MB; I take up to 25.")
    if not content.startswith((b"%PDF-", b"PK")):
        content = content[:_MOST_TEXT]
    facts, text = await apart(
        "read document", content, name=attachment.name, most_characters=most_characters, **_LIMITS
    )
    limit = ""
    if facts["cut"]:
        of = f"{facts['of']:,} {facts['unit']}"
        limit = f"I read the first {facts['read']:,} of {of} of {attachment.name}"
        if facts["read"] >= facts["of"]:  # of pages, the last one not to its end
            limit = f"I read the first {most_characters:,} characters of {attachment.name}"
    mark = hashlib.sha256(text).hexdigest()[:12]
    characters = facts["of"] if facts["unit"] == "characters" else 0
    return Document(
        attachment.name, facts["kind"], clean(text.decode("utf-8", "replace")), limit, mark=mark, characters=characters
    )
