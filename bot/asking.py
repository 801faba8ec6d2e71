"""The one road to any skill, for people, for other skills and for models that call skills as tools.

Whoever asks, the same things happen in the same order: who answers is chosen, whether they may is asked, the form is
filled, and the turn is put together.
"""

import contextlib
import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.adapter import Adapter
from bot.errors import UserError
from bot.forms import fill
from bot.messages import Attachment, Button, Channel, Keep, Kept, Message, Said
from bot.models import Prompt, Tool, ToolCall, TurnModels
from bot.policy import permit, settings_of
from bot.routing import choose
from bot.skill import Piece, Pieces, Skill, Turn
from bot.tools import asked_in_own_words, converse, tool_of
from bot.turns import Tally
from storage import Store

__all__ = ["CUT_OFF", "Asking", "settings_key"]

HISTORY_LINES = 80
READ_BYTES = 25 * 1024 * 1024

CUT_OFF = "“{}” was switched off because it kept everything else waiting. Whoever runs this bot finds more in the log."
IN_A_CIRCLE = "“{}” ends up asking itself, so I stopped there. Please tell whoever runs this bot."


@dataclass(frozen=True, slots=True)
class _Road:
    """How a skill came to be asked: by which others, and whether models may call tools on the way.

    They may when the person asked in their own words, and not once they are being called as one themselves.
    """

    skills: tuple[str, ...] = ()
    tools: bool = False


class Asking:
    """Asks skills. `cut_off` are the names of those that are switched off until the next start."""

    def __init__(self, store: Store, skills: Mapping[str, Skill[Any, Any]], adapters: Mapping[str, Adapter]) -> None:
        self._store = store
        self._skills = skills
        self._adapters = adapters
        self._tools: dict[str, Tool | None] = {}
        self.cut_off: set[str] = set()

    def pieces(self, message: Message, models: TurnModels, bill: Tally) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer to what a person said."""
        return self._pieces(message, models, bill, _Road(tools=asked_in_own_words(message)))

    async def _pieces(
        self, message: Message, models: TurnModels, bill: Tally, road: _Road
    ) -> AsyncGenerator[Piece, None]:
        history = await self._history(message, HISTORY_LINES)
        message, kept = await self._with_what_it_follows(message, history)
        choice = choose(message, self._skills, follows=kept.skill if kept else "")
        name = choice.skill.name
        bill.skill = bill.skill or name
        chosen = await self._store.chosen(settings_key(message.channel), name)
        permit(choice.skill, chosen)
        if name in self.cut_off:
            raise UserError(CUT_OFF.format(name))
        if name in road.skills:
            raise UserError(IN_A_CIRCLE.format(name))
        further = replace(road, skills=(*road.skills, name))
        adapter = self._adapters[message.channel.platform]
        permitted = await self._permitted(message)

        async def read(attachment: Attachment) -> Attachment:
            return await _read(adapter, message.channel, attachment)

        def ask(skill: str, text: str, request: Mapping[str, Any] | None = None) -> Pieces:
            return self._pieces(_asked(message, skill, text, request), models, bill, further)

        def chat(prompts: Sequence[Prompt]) -> Pieces:
            tools = self._offered(message, permitted, further) if road.tools else {}
            return converse(models, prompts, tools, use)

        def use(call: ToolCall) -> Pieces:
            given = {field: value for field, value in (call.arguments or {}).items() if value is not None}
            asked = replace(message, text="", skill=call.name, request=given)
            return self._pieces(asked, models, bill, replace(further, tools=False))

        async def recall(kept_id: str) -> Kept | None:
            return await self._recall(message.channel, kept_id)

        async def earlier(limit: int, since: datetime | None) -> tuple[Said, ...]:
            read = await adapter.earlier(message.channel, limit, since, message.author)
            return await self._history(message, limit, since) if read is None else read

        turn = Turn(
            message=message,
            settings=settings_of(choice.skill, chosen),
            request=fill(choice.skill.request_type, choice.words, dict(choice.given)),
            history=history,
            models=models,
            skills={skill.name: skill.help for skill in permitted},
            kept=kept,
            _read=read,
            _ask=ask,
            _chat=chat,
            _recall=recall,
            _earlier=earlier,
        )
        async with contextlib.aclosing(choice.skill.reply(turn)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if isinstance(piece, Keep):
                    bill.keep(piece, name)
                elif isinstance(piece, Button) and not piece.skill:
                    piece = replace(piece, skill=name)
                yield piece

    async def _permitted(self, message: Message) -> list[Skill[Any, Any]]:
        """The skills that the author of this message may use here."""
        key = settings_key(message.channel)
        permitted = []
        for name, skill in self._skills.items():
            with contextlib.suppress(UserError):
                permit(skill, await self._store.chosen(key, name))
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

    async def _history(self, message: Message, limit: int, since: datetime | None = None) -> tuple[Said, ...]:
        """What was said before this message, which may have been answered once already."""
        lines = await self._store.history(message.channel.key, limit)
        earlier = [
            Said(line.role, line.text, line.author, line.author_id, line.message_id, line.at)
            for line in itertools.takewhile(lambda line: line.message_id != message.id, lines)
        ]
        said = [*earlier, *message.before][-limit:]
        return tuple(each for each in said if since is None or (each.at is not None and each.at > since))

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


async def _read(adapter: Adapter, channel: Channel, attachment: Attachment) -> Attachment:
    if attachment.data:
        return attachment
    content = await adapter.read(channel, attachment, READ_BYTES)
    return replace(attachment, data=content, size=len(content))


def _asked(message: Message, skill: str, text: str, request: Mapping[str, Any] | None) -> Message:
    """The message as another skill is asked it: its words only, without what has been dealt with already."""
    return Message(
        message.id,
        message.channel,
        message.author,
        text,
        message.sent_at,
        skill=skill,
        request=dict(request or {}),
        private=message.private,
    )
