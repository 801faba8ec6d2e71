"""The one road to any skill, for people, for other skills and for models that call skills as tools.

Whoever asks, the same things happen in the same order: who answers is chosen, whether they may is asked, the form is
filled, and the turn is put together.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from bot.adapter import Adapter
from bot.earlier import Earlier, Found
from bot.errors import UserError
from bot.forms import fill
from bot.looking_back import earlier, search
from bot.media import MOST_RECORDING_BYTES, Document, is_document, read_document
from bot.media.documents import LONGEST
from bot.memory import Memory, Remembered
from bot.messages import Attachment, Button, Channel, Footer, Keep, Kept, Message, Said
from bot.models import Prompt, Tool, ToolCall, TurnModels
from bot.passages import fitted
from bot.policy import permit, settings_of
from bot.prompting import stands_above
from bot.routing import choose
from bot.skill import Piece, Pieces, Skill, Turn
from bot.tools import converse, own_words, tool_of
from bot.translations import translate
from bot.turns import Tally
from storage import Store

__all__ = ["CUT_OFF", "Asking", "settings_key"]

READ = "files read"  # what is kept with an answer about files
MOST_FILES = 4  # that are read for one answer
READ_BYTES = 25 * 1024 * 1024

CUT_OFF = "“{}” was switched off because it kept everything else waiting. Whoever runs this bot finds more in the log."
IN_A_CIRCLE = "“{}” ends up asking itself, so I stopped there. Please tell whoever runs this bot."


@dataclass(frozen=True, slots=True)
class _Road:
    """How a skill came to be asked: by which others, and for which words of the person's own.

    Only for those may models call tools: not for what was quoted, attached or spoken, nor inside a tool.
    """

    skills: tuple[str, ...] = ()
    words: str = ""

    def asked_for(self, text: str) -> "_Road":
        """The road on which another skill is asked for `text`."""
        return self if text.strip() and text.strip() in self.words else replace(self, words="")


class Asking:
    """Asks skills. `cut_off` are the names of those that are switched off until the next start."""

    def __init__(
        self, store: Store, memory: Memory, skills: Mapping[str, Skill[Any, Any]], adapters: Mapping[str, Adapter]
    ) -> None:
        self._store = store
        self._memory = memory
        self._skills = skills
        self._adapters = adapters
        self._tools: dict[str, Tool | None] = {}
        self.cut_off: set[str] = set()

    def pieces(self, message: Message, models: TurnModels, bill: Tally) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer to what a person said."""
        return self._pieces(message, models, bill, _Road(words=own_words(message)))

    async def _pieces(
        self, message: Message, models: TurnModels, bill: Tally, road: _Road
    ) -> AsyncGenerator[Piece, None]:
        remembered = await self._memory.before(message)
        message, kept = await self._with_what_it_follows(message, remembered.said)
        choice = choose(message, self._skills, follows=kept.skill if kept else "")
        name = choice.skill.name
        bill.skill = bill.skill or name
        chosen = await self._store.chosen(settings_key(message.channel), name)
        permit(choice.skill, chosen, message.author, message.channel)
        if name in self.cut_off:
            raise UserError(CUT_OFF.format(name))
        if name in road.skills:
            raise UserError(IN_A_CIRCLE.format(name))
        further = replace(road, skills=(*road.skills, name))
        adapter = self._adapters[message.channel.platform]
        permitted = await self._permitted(message)

        to_keep = list[Document]()

        async def read(attachment: Attachment) -> Attachment:
            return await _read(adapter, message.channel, attachment)

        async def documents() -> tuple[Document, ...]:
            found = await _documents(message, read)
            if not found and kept:  # a reply to an answer about files, or its button
                found = tuple(Document(**each) for each in kept.about.get(READ, ()))
            to_keep[:] = [each for each in found if each.text]
            room = self._memory.document_characters // max(1, len(to_keep))
            found = tuple([await asyncio.to_thread(fitted, each, own_words(message), room) for each in found])
            bill.documents = [each for each in found if each.text and not stands_above(each, remembered)]
            notes.extend(each.limit or f"{each.name}: {each.trouble}" for each in found if each.limit or each.trouble)
            return found

        async def pictures() -> tuple[Attachment, ...]:
            seen = [each for each in _files(message) if each.kind == "image"]
            if seen and not models.serves("vision"):
                notes.append("I cannot look at pictures here")
                return ()
            if len(seen) > MOST_FILES:
                notes.append(f"I looked at the first {MOST_FILES} of {len(seen)} pictures")
            return tuple([await read(each) for each in seen[:MOST_FILES]])

        def ask(skill: str, text: str, request: Mapping[str, Any] | None, attachments: Sequence[Attachment]) -> Pieces:
            asked = _asked(message, skill, text, request, attachments)
            return self._pieces(asked, models, bill, further.asked_for(text))

        def chat(prompts: Sequence[Prompt]) -> Pieces:
            tools = self._offered(message, permitted, further) if road.words else {}
            return converse(models, prompts, tools, use)

        def use(call: ToolCall) -> Pieces:
            given = {field: value for field, value in (call.arguments or {}).items() if value is not None}
            asked = replace(message, text="", skill=call.name, request=given)
            return self._pieces(asked, models, bill, replace(further, words=""))

        async def recall(kept_id: str) -> Kept | None:
            return await self._recall(message.channel, kept_id)

        async def look_back(limit: int, since: datetime | None) -> Earlier:
            return await earlier(self._store, adapter, message, limit, since)

        async def find(query: str, limit: int) -> tuple[Found, ...]:
            return await search(self._store, adapter, models, message, query, limit, name)

        shown, notes = list[str](), list[str]()
        turn = Turn(
            message=message,
            settings=settings_of(choice.skill, chosen),
            request=fill(choice.skill.request_type, choice.words, dict(choice.given), message.author.locale),
            history=remembered.said,
            models=models,
            skills={skill.name: translate(skill.help, message.author.locale) for skill in permitted},
            kept=kept,
            _read=read,
            _documents=documents,
            _pictures=pictures,
            _ask=ask,
            _chat=chat,
            _recall=recall,
            _earlier=look_back,
            _search=find,
            _remembered=remembered,
            _shown=shown,
        )
        async with contextlib.aclosing(choice.skill.reply(turn)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if isinstance(piece, Keep):
                    bill.keep(piece, name)
                    to_keep.clear()
                elif isinstance(piece, Button) and not piece.skill:
                    piece = replace(piece, skill=name)
                yield piece
        if to_keep:  # so that a reply to this answer can go on about them
            keep = Keep({READ: [asdict(document) for document in to_keep]})
            bill.keep(keep, name)
            yield keep
        if remembered.cut and shown:
            notes.append(_limit(remembered))
        for note in notes:
            yield Footer(note)

    async def _permitted(self, message: Message) -> list[Skill[Any, Any]]:
        """The skills that the author of this message may use here."""
        key = settings_key(message.channel)
        permitted = []
        for name, skill in self._skills.items():
            with contextlib.suppress(UserError):
                permit(skill, await self._store.chosen(key, name), message.author, message.channel)
                if name not in self.cut_off:
                    permitted.append(skill)
        return permitted

    def _offered(self, message: Message, permitted: Sequence[Skill[Any, Any]], road: _Road) -> dict[str, Tool]:
        """Those of the permitted skills that a model may call: not one that is at work on this already, nor one that
        works on attachments where there are none.
        """
        quoted = message.quote.attachments if message.quote else ()
        there = {each.kind for each in (*message.attachments, *quoted)}
        offered = {}
        for skill in permitted:
            if not skill.tool or skill.name in road.skills or (skill.takes and there.isdisjoint(skill.takes)):
                continue
            if skill.name not in self._tools:
                self._tools[skill.name] = tool_of(skill)
            if tool := self._tools[skill.name]:
                offered[skill.name] = tool
        return offered

    async def _with_what_it_follows(self, message: Message, history: Sequence[Said]) -> tuple[Message, Kept | None]:
        """The message with the answer that it replies to, or below which it was pressed, and what was kept with it."""
        given = await self._store.given(message.channel.key, message.quote.id) if message.quote else None
        if given is None or message.quote is None:
            return message, None
        if not message.quote.text:
            answer = next((said.text for said in history if said.message_id == f"re:{given.event}"), "")
            message = replace(message, quote=replace(message.quote, text=answer))
        return message, await self._recall(message.channel, str(given.heard)) if given.about is not None else None

    async def _recall(self, channel: Channel, kept_id: str) -> Kept | None:
        given = await self._store.given_to(channel.key, int(kept_id)) if kept_id.isdecimal() else None
        if given is None or given.about is None:
            return None
        files = await self._store.kept_files(given.heard)
        attachments = [
            Attachment(file.name, file.media_type, file.data, len(file.data), alt=file.alt) for file in files
        ]
        return Kept(kept_id, given.skill, given.about, tuple(attachments))


def settings_key(channel: Channel) -> tuple[str, str, str]:
    """Under which key the settings of a channel are kept."""
    return (channel.platform, channel.tenant, channel.settings_id)


def _files(message: Message) -> tuple[Attachment, ...]:
    """What came with a message, then with what it replies to, then with what that replied to."""
    if message.quote is None:
        return message.attachments
    quoted = (message.quote, *message.quote.earlier[::-1])
    return (*message.attachments, *(attachment for quote in quoted for attachment in quote.attachments))


async def _documents(message: Message, read: Callable[[Attachment], Awaitable[Attachment]]) -> tuple[Document, ...]:
    """The documents of a message, read one after the other as long as there is room."""
    found, room = [], LONGEST
    for number, attachment in enumerate(each for each in _files(message) if is_document(each)):
        try:
            if number >= MOST_FILES or room <= 0:
                raise UserError(f"I read {number} files at a time. Please send the others in another message.")
            document = await read_document(await read(attachment), room)
        except UserError as error:
            document = Document(attachment.name, trouble=str(error))
        room -= len(document.text)
        found.append(document)
    return tuple(found)


def _limit(remembered: Remembered) -> str:
    """What of the conversation was not looked at, told to the person."""
    number = len(remembered.said)
    newest = f"I used the newest {number} messages" if number != 1 else "I used the newest message"
    return f"{newest} and a summary of older ones" if remembered.summary else newest


async def _read(adapter: Adapter, channel: Channel, attachment: Attachment) -> Attachment:
    if attachment.data:
        return attachment
    most = MOST_RECORDING_BYTES if attachment.kind in ("audio", "video") else READ_BYTES
    content = await adapter.read(channel, attachment, most)
    return replace(attachment, data=content, size=len(content))


def _asked(
    message: Message, skill: str, text: str, request: Mapping[str, Any] | None, attachments: Sequence[Attachment]
) -> Message:
    """The message as another skill is asked it: its words only, without what has been dealt with already."""
    return Message(
        message.id,
        message.channel,
        message.author,
        text,
        message.sent_at,
        tuple(attachments),
        skill=skill,
        request=dict(request or {}),
        private=message.private,
        before=message.before,
    )
