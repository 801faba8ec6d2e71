"""What was said in a channel or a chat before, as far as the bot and whoever asks may read it."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from bot.adapters.teams.graph import TROUBLE, Absent, Denied, Graph, moment
from bot.adapters.teams.html import plain
from bot.adapters.teams.places import Place
from bot.errors import UserError
from bot.markup import clean, clean_name
from bot.messages import Person, Said

__all__ = ["NOT_FOR_YOU", "NO_PERMISSION", "earlier", "from_when", "is_shown", "text_in"]

log = structlog.get_logger(__name__)

Json = dict[str, Any]

MOST = 500  # messages that are read at once, however many are wanted
_PAGE = 50
_POSTS = 20  # of a channel on a page: each comes with its replies
_MOST_PAGES = 30
_SECONDS = 12.0
_PATIENCE = 5.0  # of them, for a Graph that is busy
_FOR_MEMBERS = 3.0
_LONGEST = 8000
_ENTRA = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FORWARDED = "forwardedMessageReference"

NO_PERMISSION = (
    "Teams does not let me read what was said here. An owner of this team or chat can let me: remove the app here and "
    "add it again, and agree to its permissions (whoever runs me has to have built its package with them)."
)
NOT_FOR_YOU = (
    "I cannot see that you may read what was said here before, so I do not tell you. If you are a member here, please "
    "try again in a minute."
)


async def earlier(
    graph: Graph, place: Place, limit: int, since: datetime | None, reader: Person, own: str
) -> tuple[Said, ...] | None:
    """The newest messages, the oldest first; None where they cannot be had. Raises `UserError` with the remedy.

    `own` is the bot's app id. Of a thread in a channel, its post and the replies; below a post without any, what was
    said in the channel.
    """
    begin = await from_when(graph, place, reader)
    if since is not None:
        begin = max(begin, since)
    newest = _Newest(min(limit, MOST), begin, own.lower())
    try:
        async with asyncio.timeout(_SECONDS):
            await _read(graph, place, newest)
    except Denied:
        raise UserError(NO_PERMISSION) from None
    except (*TROUBLE, Absent, TimeoutError) as error:
        log.info("the history of a conversation could not be read", error=type(error).__name__)
        return newest.said() or None
    return newest.said()


async def from_when(graph: Graph, place: Place, reader: Person) -> datetime:
    """From when on this person may read here, by Graph's word of now. Raises `UserError` when they may not."""
    member = None
    if _ENTRA.fullmatch(reader.id):
        member = await graph.member(place.tenant, place.members, reader.id, patience=_FOR_MEMBERS)
    if member is not None and member.refused:
        raise UserError(NO_PERMISSION)
    if member is None or not member.here:
        raise UserError(NOT_FOR_YOU)
    return member.since or datetime.min.replace(tzinfo=UTC)


async def _read(graph: Graph, place: Place, newest: "_Newest") -> None:
    if place.messages.startswith("chats/"):
        query = f"?$top={_PAGE}&$orderby=createdDateTime%20desc"
        await _collect(graph, place, f"{place.messages}{query}", newest)
        return
    if place.root:
        thread = f"{place.messages}/{place.root}"
        await _collect(graph, place, f"{thread}/replies?$top={_PAGE}", newest)
        if newest.people:
            newest.add([await graph.get(place.tenant, graph.address(thread), patience=_PATIENCE)])
            return
    # Nobody else has said anything below this post: it is about the channel that it stands in.
    posts = f"{place.messages}?$top={_POSTS}"
    try:
        await _collect(graph, place, f"{posts}&$expand=replies", newest)
    except ValueError:  # there are so many replies that not even a page of them can be read
        await _collect(graph, place, posts, newest)


async def _collect(graph: Graph, place: Place, path: str, newest: "_Newest") -> None:
    """Read pages until there is enough. Graph gives the newest first; should it not, everything has to be read."""
    async for page in graph.pages(place.tenant, path, most=_MOST_PAGES, patience=_PATIENCE):
        times = [at for each in page if (at := moment(each.get("createdDateTime"))) is not None]
        newest.add(page)
        descending = not times or times[0] >= times[-1]
        if descending and (newest.full or (times and max(times) <= newest.begin and not newest.added)):
            return


@dataclass(slots=True)
class _Newest:
    """The newest messages of those that are read, at most `limit`, each once; none that is not after `begin`."""

    limit: int
    begin: datetime
    own: str
    found: dict[tuple[str, str], Said] = field(default_factory=dict)
    added: int = 0  # of the last page

    @property
    def full(self) -> bool:
        return len(self.found) >= self.limit

    @property
    def people(self) -> bool:
        """Whether anybody but the bot is among those that were found."""
        return any(each.role == "user" for each in self.found.values())

    def add(self, page: Iterable[Json]) -> None:
        self.added = 0
        for raw in _with_replies(page):
            said = _said(raw, self.own)
            if said is None or said.at is None or said.at <= self.begin:
                continue
            if (which := (said.message_id, said.author_id)) not in self.found:
                self.found[which] = said
                self.added += 1

    def said(self) -> tuple[Said, ...]:
        ordered = sorted(self.found.values(), key=lambda each: (each.at, len(each.message_id), each.message_id))
        return tuple(ordered[-self.limit :] if self.limit > 0 else ())


def _with_replies(page: Iterable[Json]) -> Iterator[Json]:
    for raw in page:
        yield raw
        replies = raw.get("replies")
        yield from (each for each in replies if isinstance(each, dict)) if isinstance(replies, list) else ()


def _said(raw: Json, own: str) -> Said | None:
    """A message as it is seen; None for one that was deleted, that Teams wrote itself, or that has no words."""
    at, message_id = moment(raw.get("createdDateTime")), raw.get("id")
    if not is_shown(raw):
        return None
    if at is None or not isinstance(message_id, str) or not (text := text_in(raw)):
        return None
    sender = _dict(raw.get("from"))
    user, app = _dict(sender.get("user")), _dict(sender.get("application"))
    who = app if app.get("id") else user
    name, id_ = who.get("displayName"), who.get("id")
    mine = bool(own) and str(app.get("id") or "").lower() == own
    return Said(
        "assistant" if mine else "user",
        text,
        clean_name(name) if isinstance(name, str) else "",
        id_ if isinstance(id_, str) else "",
        message_id,
        at,
    )


def is_shown(raw: Json) -> bool:
    """Whether people see a message that Graph gave: Teams' own are none, nor are those that are deleted or blocked."""
    if raw.get("messageType") != "message" or raw.get("deletedDateTime"):
        return False
    return "block" not in str(_dict(raw.get("policyViolation")).get("dlpAction") or "").lower()


def text_in(raw: Json, *, marks: bool = True) -> str:
    """The words of a message that Graph gave, with its subject and what is forwarded in it; with `marks`, for its files
    too.
    """
    body = _dict(raw.get("body"))
    content = body.get("content") if isinstance(body.get("content"), str) else ""
    assert isinstance(content, str)
    words = content if body.get("contentType") == "text" else plain(content)
    files = ["[picture]"] * content.count("/hostedContents/")
    lines = [raw.get("subject") or "", words]
    attachments = raw.get("attachments")
    for each in attachments if isinstance(attachments, list) else ():
        kind, name = _dict(each).get("contentType"), _dict(each).get("name")
        if kind == "reference" and isinstance(name, str):
            files.append(f"[{clean_name(name)}]")
        elif kind == _FORWARDED and (forwarded := _forwarded(_dict(each).get("content"))):
            lines.append(forwarded)
    lines += files if marks else ()
    whole = "\n".join(line.strip() for line in lines if isinstance(line, str) and line.strip())
    return clean(whole)[:_LONGEST].strip()


def _forwarded(content: Any) -> str:
    try:
        original = _dict(orjson.loads(content)) if isinstance(content, str) else {}
    except ValueError:
        return ""
    words = original.get("originalMessageContent")
    words = plain(words) if isinstance(words, str) else ""
    name = _dict(_dict(original.get("originalMessageSender")).get("user")).get("displayName")
    who = f" from {clean_name(name)}" if isinstance(name, str) and name.strip() else ""
    return f"[forwarded{who}] {words}" if words else ""


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
