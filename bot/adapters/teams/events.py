"""From what Teams sends to what was said: botbuilder's activities in, the bot's values out."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from botbuilder.schema import Activity, ChannelAccount

from bot.adapters.teams.attached import attachments_of, files_in
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.html import plain, quoted
from bot.messages import Channel, Message, Person, Quote

__all__ = [
    "channel_of",
    "concerns_bot",
    "is_addressed",
    "is_from_bot",
    "message_of",
    "named_channel",
    "payload_of",
    "person_of",
    "team_id_of",
    "team_of",
    "tenant_of",
    "tenants_of",
    "text_of",
    "when",
]

_LONGEST_PREVIEW = 2000
_LONGEST_BODY = 64 * 1024
_MOST_ENTITIES = 100
_GENERAL = "General"  # the first channel of a team: it has the team's id, and Teams gives no name for it
_AHEAD = timedelta(minutes=10)  # how far ahead another clock may be
_IN_TEAMS = ("@thread.tacv2", "@thread.skype")


def tenants_of(activity: Activity) -> list[str]:
    """The Microsoft tenants that an activity says it comes from: there are two places for that."""
    named = (_dict(_dict(activity.channel_data).get("tenant")).get("id"), _extra(activity.conversation).get("tenantId"))
    return [each if isinstance(each, str) else "?" for each in named if each]  # "?" is nobody's


def tenant_of(activity: Activity) -> str:
    """The Microsoft tenant an activity comes from, or an empty string."""
    return next(iter(tenants_of(activity)), "")


def channel_of(activity: Activity) -> Channel:
    """The conversation an activity belongs to."""
    conversation = activity.conversation
    parent, _, thread = conversation.id.partition(";messageid=")
    named = _dict(_dict(activity.channel_data).get("channel")).get("name") or conversation.name
    name = named if isinstance(named, str) else ""
    tenant = tenant_of(activity)
    if not name and parent == team_id_of(activity) and parent:
        name = _GENERAL
    said = conversation.conversation_type
    if said == "channel" or (not said and parent.endswith(_IN_TEAMS)):
        if thread:
            return Channel("teams", conversation.id, tenant, "thread", name, parent)
        return Channel("teams", conversation.id, tenant, "channel", name)
    # The chat of two people, in which somebody uses the bot's menu, calls itself personal too, but it is not the bot's.
    if said == "groupChat" or conversation.is_group or parent.startswith("19:"):
        return Channel("teams", conversation.id, tenant, "group", name)
    return Channel("teams", conversation.id, tenant, "direct", name)


def named_channel(activity: Activity) -> str:
    """The id of the channel that an event tells of, or an empty string."""
    named = _dict(_dict(activity.channel_data).get("channel")).get("id")
    return named if isinstance(named, str) else ""


def team_id_of(activity: Activity) -> str:
    """Teams' own id of the team that a channel belongs to, or an empty string."""
    data = _dict(activity.channel_data)
    named = _dict(data.get("team")).get("id") or data.get("teamsTeamId")
    return named if isinstance(named, str) else ""


def team_of(activity: Activity) -> str:
    """The Entra id of the team that a channel belongs to, or an empty string."""
    named = _dict(_dict(activity.channel_data).get("team")).get("aadGroupId")
    return named if isinstance(named, str) else ""


def when(activity: Activity) -> datetime:
    """When it happened: what is said to come from far in the future happened now."""
    now = datetime.now(UTC)
    if activity.timestamp is None or activity.timestamp > now + _AHEAD:
        return now
    return activity.timestamp.astimezone(UTC)  # type: ignore[no-any-return]


def message_of(activity: Activity, hosts: Hosts, *, moderator: bool | None = None) -> Message:
    """What a person said. The bot's mention is left out of the text."""
    channel, text = channel_of(activity), text_of(activity)
    return Message(
        id=activity.id,
        channel=channel,
        author=person_of(activity, moderator=moderator),
        text=text,
        sent_at=when(activity),
        attachments=tuple(attachments_of(activity.attachments or (), hosts, _inside(activity), silent=not text)),
        quote=_quote(activity),
    )


def is_from_bot(activity: Activity) -> bool:
    """Whether a bot wrote this, this one or another."""
    sender = activity.from_property
    if sender is None:
        return False
    own = activity.recipient is not None and sender.id == activity.recipient.id
    return own or str(sender.role or "").lower() in ("bot", "skill") or str(sender.id or "").startswith("28:")


def is_addressed(activity: Activity) -> bool:
    """Whether the bot is spoken to: always in a personal chat, elsewhere when it is mentioned."""
    return channel_of(activity).kind == "direct" or any(_mentions_bot(activity, each) for each in _mentions(activity))


def concerns_bot(members: list[ChannelAccount | None] | None, activity: Activity) -> bool:
    """Whether the bot itself is among members who came or went."""
    bot = activity.recipient.id if activity.recipient else None
    return bool(bot) and any(member is not None and member.id == bot for member in members or ())


def text_of(activity: Activity) -> str:
    """The words of a message, with the bot's mention taken out and other people's written as @name."""
    text = str(activity.text or "")[:_LONGEST_BODY]
    for mention in _mentions(activity):
        written = mention.get("text")
        if not isinstance(written, str) or not written:
            continue  # nothing in the text stands for this mention
        if _mentions_bot(activity, mention):
            text = _cut(text, next((each for each in (written, unescape(written)) if each in text), written))
        else:
            name = _dict(mention.get("mentioned")).get("name")
            name = name if isinstance(name, str) and name else plain(written).lstrip("@")
            text = text.replace(written, f"@{name}", 1)
    for quote in _entities(activity, "quotedReply"):
        place = f'<quoted messageId="{_dict(quote.get("quotedReply")).get("messageId")}"/>'
        text = text.replace(place, "", 1)
    text = _without_quoted(activity, text)
    if activity.text_format == "xml":
        text = plain(text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").strip()


def _without_quoted(activity: Activity, text: str) -> str:
    """The words of a reply without those it replies to, which some clients put before them."""
    for attached in activity.attachments or ():
        if attached is None or attached.content_type != "text/html" or not isinstance(attached.content, str):
            continue
        block = quoted(attached.content) if "<blockquote" in attached.content else None
        if block is None or len(block.text) > _LONGEST_PREVIEW:
            continue
        if plain(str(activity.text or "")).split() == plain(attached.content).split():
            continue
        for said in ([*block.author.split(), *block.text.split()], block.text.split()):
            said = [*said[:-1], said[-1].rstrip(".…")] if said else said
            head = re.match(r"\s*" + r"\s+".join(map(re.escape, said)) + r"[.…]*\s+", text) if said else None
            if head and len(head[0]) < len(text):
                return text[head.end() :]
    return text


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


def person_of(activity: Activity, *, moderator: bool | None = None) -> Person:
    """Who did this, by their Entra id where there is one: the other id is another one for every bot.

    In a chat of one's own with the bot one decides; elsewhere whoever calls this knows.
    """
    sender = activity.from_property or ChannelAccount(id="")
    if moderator is None:
        moderator = channel_of(activity).kind == "direct"
    locale, timezone = activity.locale, activity.local_timezone
    for client in _entities(activity, "clientInfo"):
        locale, timezone = locale or client.get("locale"), timezone or client.get("timezone")
    return Person(
        id=str(sender.aad_object_id or sender.id or ""),
        name=str(sender.name or ""),
        moderator=moderator,
        locale=locale[:35] if isinstance(locale, str) else "",
        timezone=timezone[:60] if isinstance(timezone, str) else "",
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


def payload_of(activity: Activity, value: dict[str, Any]) -> Quote | None:
    """The message on which somebody used an entry of its menu."""
    payload = _dict(value.get("messagePayload"))
    message_id = payload.get("id")
    if not isinstance(message_id, str) or not message_id:
        return None
    body = _dict(payload.get("body")).get("content")
    body = body if isinstance(body, str) else ""
    sender = _dict(payload.get("from"))
    user, app = _dict(sender.get("user")), _dict(sender.get("application"))
    author = _quoted_person(
        activity, app.get("id") or user.get("id"), app.get("displayName") or user.get("displayName")
    )
    if author is not None and app.get("id"):
        author = replace(author, bot=True)
    return Quote(message_id, author, plain(body), files_in(body, payload.get("attachments"), _inside(activity)))


def _inside(activity: Activity) -> tuple[str, ...]:
    """How the paths at Graph begin of what was said in this conversation, after what every path begins with.

    A chat with one person has another name there than Teams says here.
    """
    channel = channel_of(activity)
    if channel.kind in ("channel", "thread"):
        return (f"/channels/{channel.settings_id}/messages/",)
    sender, bot = activity.from_property, activity.recipient
    pair = (str(sender.aad_object_id or "") if sender else "", str(bot.id or "").removeprefix("28:") if bot else "")
    chats = [channel.id, *(f"19:{one}_{two}@unq.gbl.spaces" for one, two in (pair, pair[::-1]) if one and two)]
    return tuple(f"/chats/{each}/messages/" for each in chats)


def _extra(model: Any) -> dict[str, Any]:
    return _dict(getattr(model, "additional_properties", None))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
