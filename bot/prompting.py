"""A turn as a chat model is shown it.

What stays the same from turn to turn comes first and is the same to the byte, so that a model's server finds what it
has read before: the instructions, then what was said, the oldest first. What changes comes last: who asks, and when.
What people quoted and attached is marked as such; it is something to read, and not to obey.
"""

import json
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.earlier import labels_of
from bot.memory import Remembered
from bot.messages import Attachment, Message, Quote
from bot.models import Prompt
from bot.models.provider import NOTE
from bot.routing import FALLBACK

if TYPE_CHECKING:
    from bot.media.documents import Document

__all__ = ["as_said", "prompts_of", "stands_above", "with_marks"]

_MARKS = {"image": "picture", "audio": "voice note", "video": "video"}
_REMEMBERED = 32_000  # characters of files: half of what is shown of a conversation
_QUOTED = 4000  # characters of a quoted message
_KNOWN = 300  # of one that is in sight anyway


def prompts_of(
    message: Message,
    remembered: Remembered,
    system: str,
    *,
    text: str,
    pictures: tuple[Attachment, ...] = (),
    documents: "Sequence[Document]" = (),
) -> list[Prompt]:
    """`system`, what was said before, and the question with all that came with it."""
    shared = message.channel.kind != "direct"
    prompts = [Prompt("system", system)]
    earlier = f"[What was said before that, in short: {remembered.summary}]\n\n" if remembered.summary else ""
    labels: dict[str, str] = {}
    if shared:
        people = [(said.author_id, said.author) for said in remembered.said if said.role == "user"]
        labels = labels_of([*people, (message.author.id, message.author.name)])
    for said in remembered.said:
        named = shared and said.role == "user" and said.author
        prompts.append(
            Prompt(said.role, f"{earlier}{labels[said.author_id]}: {said.text}" if named else earlier + said.text)
        )
        earlier = ""
    blocks = [_quote(quote, remembered, people=labels) for quote in _quotes(message)]
    for document in documents:
        if document.text:
            name = json.dumps(document.name, ensure_ascii=False)
            above = stands_above(document, remembered) and len(document.text) >= document.characters
            blocks.append(f"[file {name}, whose text stands above]" if above else as_data(document))
    words = f"{labels[message.author.id]}: {text}" if shared else text
    asked = "\n\n".join([*(block for block in blocks if block), words])
    prompts.append(Prompt("user", f"{earlier}{asked}{_note(message, named=not shared)}", pictures))
    return prompts


def as_data(document: "Document", most: int = 0) -> str:
    """The text of a file between two lines that it cannot contain itself; with `most`, the first so many characters."""
    mark = document.mark
    kind = f", {document.kind}" if document.kind else ""
    text = f"{document.text[:most]}\n[…]" if 0 < most < len(document.text) else document.text
    return (
        f"[file {json.dumps(document.name, ensure_ascii=False)}{kind}, its text from here to {mark}]\n{text}\n[{mark}]"
    )


def stands_above(document: "Document", remembered: Remembered) -> bool:
    """Whether the text of a file is part of what was said before."""
    return any(f"[{document.mark}]" in said.text for said in remembered.said)


def with_marks(text: str, attachments: Sequence[Attachment]) -> str:
    """What was said, with a mark for each file that came with it, as a reader of the channel sees them."""
    marks = [f"[{_MARKS.get(each.kind, 'file')}: {each.alt or each.name}]" for each in attachments]
    return "\n".join([text, *marks]).strip()


def as_said(message: Message, documents: "Sequence[Document]") -> str:
    """A message as it is remembered: its words, or what was chosen or filled in instead of words; its files; and what
    these say, so that more can be asked about it.
    """
    words = message.text
    if message.skill and not words:
        how = "[pressed]" if message.reply_to else "" if message.skill == FALLBACK else f"/{message.skill}"
        words = " ".join([how, *(str(value) for value in message.request.values())]).strip()
    room = _REMEMBERED
    said = [with_marks(words, message.attachments)]
    for document in documents:
        if room > 0:
            said.append(as_data(document, room))
            room -= len(document.text)
    return "\n".join(said)


def _quotes(message: Message) -> tuple[Quote, ...]:
    return (*message.quote.earlier, message.quote) if message.quote else ()


def _quote(quote: Quote, remembered: Remembered, *, people: dict[str, str]) -> str:
    text = with_marks(quote.text, quote.attachments)
    if not text:
        return ""
    known = any(quote.text[:200] in said.text for said in remembered.said) if quote.text else False
    most = _KNOWN if known else _QUOTED
    if len(text) > most:
        text = f"{text[:most]}…"
    lines = "\n".join(f"> {line}" for line in text.splitlines())
    author = quote.author
    name = people.get(author.id) or next(iter(labels_of([(author.id, author.name)]).values())) if author else ""
    how = "Forwarded" if quote.forwarded else "In reply to"
    link = "from" if quote.forwarded else ""
    return f"{' '.join(part for part in (how, link if name else '', name) if part)}:\n{lines}"


def _note(message: Message, *, named: bool) -> str:
    """Now, and who asks: facts that change, below the question, where they spoil nothing that comes before."""
    now = message.sent_at.astimezone(UTC)
    zone = message.author.timezone
    if zone:
        try:
            now = message.sent_at.astimezone(ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError):
            zone = ""
    told = [f"{_WEEKDAYS[now.weekday()]}, {now.day} {_MONTHS[now.month - 1]} {now.year}, {now:%H:%M} {zone or 'UTC'}"]
    if named and message.author.name:
        told.append(f"from {json.dumps(message.author.name, ensure_ascii=False)}")
    if message.author.locale:
        told.append(f"whose language is set to {json.dumps(message.author.locale)}")
    return f"{NOTE}{', '.join(told)}]"


# Not by strftime, which speaks the language of the machine.
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
