"""From what Teams sends to what was said: botbuilder's activities in, the bot's values out."""

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from botbuilder.schema import Activity, ChannelAccount
from botbuilder.schema import Attachment as Attached

from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.html import plain, quoted
from bot.messages import Attachment, Channel, Message, Person, Quote

__all__ = [
    "DOWNLOAD",
    "SERVICE",
    "channel_of",
    "concerns_bot",
    "is_addressed",
    "is_from_bot",
    "message_of",
    "tenant_of",
    "text_of",
]

# How an attachment is read again: through the service with the bot's token, or from elsewhere without.
SERVICE = "service:"
DOWNLOAD = "download:"

_DOWNLOAD_INFO = "application/vnd.microsoft.teams.file.download.info"
_LONGEST_NAME = 80
_MOST_ENTITIES = 100
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


def tenant_of(activity: Activity) -> str:
    """The Microsoft tenant an activity comes from, or an empty string."""
    named = _dict(_dict(activity.channel_data).get("tenant")).get("id")
    if not named:
        named = _extra(activity.conversation).get("tenantId")
    return named if isinstance(named, str) else ""


def channel_of(activity: Activity) -> Channel:
    """The conversation an activity belongs to."""
    conversation = activity.conversation
    parent, _, thread = conversation.id.partition(";messageid=")
    named = _dict(_dict(activity.channel_data).get("channel")).get("name") or conversation.name
    name = named if isinstance(named, str) else ""
    tenant = tenant_of(activity)
    if conversation.conversation_type == "channel":
        if thread:
            return Channel("teams", conversation.id, tenant, "thread", name, parent)
        return Channel("teams", conversation.id, tenant, "channel", name)
    if conversation.conversation_type == "groupChat" or conversation.is_group:
        return Channel("teams", conversation.id, tenant, "group", name)
    return Channel("teams", conversation.id, tenant, "direct", name)


def message_of(activity: Activity, hosts: Hosts) -> Message:
    """What a person said. The bot's mention is left out of the text."""
    channel = channel_of(activity)
    return Message(
        id=activity.id,
        channel=channel,
        author=_person(activity, channel),
        text=text_of(activity),
        sent_at=activity.timestamp.astimezone(UTC) if activity.timestamp else datetime.now(UTC),
        attachments=tuple(_attachments(activity, hosts)),
        quote=_quote(activity),
    )


def is_from_bot(activity: Activity) -> bool:
    """Whether a bot wrote this, this one or another."""
    sender = activity.from_property
    if sender is None:
        return False
    own = activity.recipient is not None and sender.id == activity.recipient.id
    return own or sender.role == "bot" or str(sender.id or "").startswith("28:")


def is_addressed(activity: Activity) -> bool:
    """Whether the bot is spoken to: always in a personal chat, elsewhere when it is mentioned."""
    return channel_of(activity).kind == "direct" or any(_mentions_bot(activity, each) for each in _mentions(activity))


def concerns_bot(members: list[ChannelAccount | None] | None, activity: Activity) -> bool:
    """Whether the bot itself is among members who came or went."""
    bot = activity.recipient.id if activity.recipient else None
    return any(member is not None and member.id == bot for member in members or ())


def text_of(activity: Activity) -> str:
    """The words of a message, with the bot's mention taken out and other people's written as @name."""
    text = str(activity.text or "")
    for mention in _mentions(activity):
        written = mention.get("text")
        if not isinstance(written, str) or not written:
            continue  # nothing in the text stands for this mention
        if _mentions_bot(activity, mention):
            text = _cut(text, written)
        else:
            name = _dict(mention.get("mentioned")).get("name")
            text = text.replace(written, f"@{name if isinstance(name, str) and name else plain(written)}", 1)
    for quote in _entities(activity, "quotedReply"):
        place = f'<quoted messageId="{_dict(quote.get("quotedReply")).get("messageId")}"/>'
        text = text.replace(place, "", 1)
    if activity.text_format == "xml":
        text = plain(text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").strip()


def _cut(text: str, piece: str) -> str:
    """`text` without the first `piece`, and without the gap that would be left."""
    before, found, after = text.partition(piece)
    if not found:
        return text
    for gap in ("&nbsp;", "\xa0"):
        after = f" {after.removeprefix(gap)}" if after.startswith(gap) else after
    if before[-1:].isspace() or not before:
        after = after.removeprefix(" ")
    return before + after


def _mentions(activity: Activity) -> list[dict[str, Any]]:
    return list(_entities(activity, "mention"))


def _mentions_bot(activity: Activity, mention: dict[str, Any]) -> bool:
    bot = activity.recipient.id if activity.recipient else None
    return bool(bot) and _dict(mention.get("mentioned")).get("id") == bot


def _entities(activity: Activity, kind: str) -> Iterator[dict[str, Any]]:
    for entity in (activity.entities or ())[:_MOST_ENTITIES]:
        if entity is not None and str(entity.type or "").lower() == kind.lower():
            yield _extra(entity)


def _person(activity: Activity, channel: Channel) -> Person:
    sender = activity.from_property
    locale = activity.locale
    for client in _entities(activity, "clientInfo"):
        locale = locale or client.get("locale")
    return Person(
        id=sender.aad_object_id or sender.id,
        name=str(sender.name or ""),
        moderator=channel.kind == "direct",
        locale=locale if isinstance(locale, str) else "",
    )


def _quote(activity: Activity) -> Quote | None:
    for entity in _entities(activity, "quotedReply"):
        reply = _dict(entity.get("quotedReply"))
        author = _quoted_person(activity, reply.get("senderId"), reply.get("senderName"))
        return Quote(str(reply.get("messageId") or ""), author, plain(str(reply.get("preview") or "")))
    for attached in activity.attachments or ():
        if attached is not None and attached.content_type == "text/html" and isinstance(attached.content, str):
            block = quoted(attached.content)
            if block is not None:
                return Quote(block.id, _quoted_person(activity, block.author_id, block.author), block.text)
    return None


def _quoted_person(activity: Activity, id_: Any, name: Any) -> Person | None:
    if not isinstance(id_, str) or not id_:
        return None
    own = activity.recipient is not None and id_ == activity.recipient.id
    return Person(
        id=id_.removeprefix("8:orgid:"), name=name if isinstance(name, str) else "", bot=own or id_.startswith("28:")
    )


def _attachments(activity: Activity, hosts: Hosts) -> Iterator[Attachment]:
    for number, attached in enumerate(activity.attachments or (), 1):
        found = _attachment(attached, number, hosts) if attached is not None else None
        if found is not None:
            yield found


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
    # Cards, and the message itself once more as text/html, are no files.
    if kind in ("", "text/html", "reference") or kind.startswith("application/vnd.microsoft."):
        return None
    address = attached.content_url
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        return None
    ending = "" if kind.endswith("/*") else (mimetypes.guess_extension(kind) or "").lstrip(".")
    name = _name(attached.name, f"{kind.partition('/')[0]}-{number}", ending)
    return Attachment(name, kind, source=(SERVICE if hosts.trusts(address) else DOWNLOAD) + address)


def _name(given: Any, otherwise: str, ending: str) -> str:
    text = given if isinstance(given, str) else ""
    name = PurePosixPath("".join(c for c in text if c.isprintable()).replace("\\", "/")).name.strip()[-_LONGEST_NAME:]
    name = name or otherwise
    return f"{name}.{ending}" if ending and ending.isalnum() and not PurePosixPath(name).suffix else name


def _media_type(name: str) -> str:
    known = _TYPES.get(PurePosixPath(name).suffix.lower())
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _extra(model: Any) -> dict[str, Any]:
    return _dict(getattr(model, "additional_properties", None))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
