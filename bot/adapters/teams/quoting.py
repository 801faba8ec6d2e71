"""What a message is about besides its own words: the message it replies to, with its pictures and files.

Teams says of it little more than its id. What the bot was asked with is in storage; anything else is asked of Graph,
for whoever may read it.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

import structlog

from bot.adapters.teams.addresses import Addresses
from bot.adapters.teams.attached import GRAPH, files_in
from bot.adapters.teams.files import below_name
from bot.adapters.teams.graph import TROUBLE, Absent, Denied, Graph, moment
from bot.adapters.teams.history import from_when, is_shown, text_in
from bot.adapters.teams.places import Place, Places
from bot.errors import UserError
from bot.messages import Attachment, Message, Person, Quote
from bot.turns import unpacked

if TYPE_CHECKING:
    from bot.adapters.teams.graph import Json
    from storage import Store

__all__ = ["Quoting"]

log = structlog.get_logger(__name__)

_LONGEST = 4000  # characters of an answer that is quoted whole; of a longer one its beginning has to do
_SECONDS = 2.5  # for all of it: who asked is waiting


class Quoting:
    """Completes messages; where that cannot be done, or not soon, they stay as they are. `own` is the bot's app id."""

    def __init__(self, graph: Graph | None, places: Places, addresses: Addresses, store: "Store", own: str) -> None:
        self._graph = graph
        self._places = places
        self._addresses = addresses
        self._store = store
        self._own = own.lower()

    async def complete(self, message: Message, *, pictures: bool) -> Message:
        """The message with what it replies to; with its own pictures, where it has `pictures` that Teams leaves out."""
        try:
            async with asyncio.timeout(_SECONDS):
                message = await self._complete(message, pictures=pictures)
        except (*TROUBLE, TimeoutError, Absent, Denied, UserError) as error:
            log.info("what a message replies to could not be read", error=type(error).__name__)
        if pictures and not message.attachments:  # whoever put it in is told what to do
            message = replace(message, attachments=(Attachment("picture.png", "image/png", source=GRAPH),))
        return message

    async def _complete(self, message: Message, *, pictures: bool) -> Message:
        channel, quote = message.channel, message.quote
        if quote is not None and quote.id and not quote.attachments:
            message = replace(message, quote=await self._quoted(message, quote))
        elif quote is None and channel.kind == "thread" and not message.attachments and not pictures:
            message = replace(message, quote=await self._root(message))
        if pictures and (place := await self._place(message)) is not None:
            message = replace(message, attachments=_files(await self._fetch(place, message.id), place))
        return message

    async def _quoted(self, message: Message, quote: Quote) -> Quote:
        key = message.channel.key
        answer = await self._store.noted("teams", below_name(message.channel, quote.id))
        if answer is not None:  # a picture that was shown below an answer: it is that answer which is meant
            quote = replace(quote, id=str(answer.get("answer", "")), text="")
        if (given := await self._store.given(key, quote.id)) is not None:  # an answer of the bot's own
            said = await self._store.answer_to(key, given.event)
            return replace(quote, text=said) if 0 < len(said) <= _LONGEST else quote
        return await self._asked(message, quote) or await self._read(message, quote)

    async def _asked(self, message: Message, quote: Quote) -> Quote | None:
        """What the bot was asked with the quoted message, as it is kept."""
        question = await self._store.asked(message.channel.key, quote.id)
        if question is None:
            return None
        asked = unpacked(question)
        return replace(quote, author=asked.author, text=asked.text or quote.text, attachments=asked.attachments)

    async def _read(self, message: Message, quote: Quote) -> Quote:
        """The quoted message as Graph has it; as it was where Graph cannot be asked."""
        place = await self._place(message)
        return (await self._quote(place, quote.id, message.author)) or quote if place is not None else quote

    async def _root(self, message: Message) -> Quote | None:
        """The post below which somebody asks, when it is the first question there."""
        if message.channel.id.endswith(f";messageid={message.id}"):
            return None  # this is the post
        known = await self._store.all_lines(message.channel.key, 3)
        if any(each.line.message_id.removeprefix("re:") != message.id for each in known):
            return None  # what was asked there before has told of it
        place = await self._place(message)
        if place is None or not place.root:
            return None
        return await self._quote(place, place.root, message.author)

    async def _place(self, message: Message) -> Place | None:
        address = await self._addresses.find(message.channel)
        if self._graph is None or address is None:
            return None
        return await self._places.find(message.channel, address)

    async def _quote(self, place: Place, message_id: str, reader: Person) -> Quote | None:
        assert self._graph is not None
        begin: datetime = await from_when(self._graph, place, reader)
        raw = await self._fetch(place, message_id)
        at = moment(raw.get("createdDateTime"))
        if at is None or at <= begin or not is_shown(raw):
            return None
        return Quote(message_id, _author(raw, self._own), text_in(raw, marks=False), _files(raw, place))

    async def _fetch(self, place: Place, message_id: str) -> "Json":
        assert self._graph is not None
        if not message_id.isdecimal():
            raise Absent
        below = f"{place.messages}/{message_id}"
        if place.root and place.root != message_id:
            below = f"{place.messages}/{place.root}/replies/{message_id}"
        return await self._graph.get(place.tenant, self._graph.address(below))


def _files(raw: "Json", place: Place) -> tuple[Attachment, ...]:
    body = raw.get("body")
    content = body.get("content") if isinstance(body, dict) else ""
    inside = f"/{unquote(place.messages)}/"
    return files_in(content if isinstance(content, str) else "", raw.get("attachments"), (inside,))


def _author(raw: "Json", own: str) -> Person | None:
    sender = raw.get("from")
    sender = sender if isinstance(sender, dict) else {}
    user, app = sender.get("user"), sender.get("application")
    who = app if isinstance(app, dict) and app.get("id") else user
    if not isinstance(who, dict) or not isinstance(who.get("id"), str):
        return None
    name = who.get("displayName")
    return Person(who["id"], name if isinstance(name, str) else "", bot=who is app or who["id"].lower() == own)
