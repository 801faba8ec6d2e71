"""For authors of skills and adapters: rehearse a skill on the whole road, without a platform, a network or a key.

rehearsal = await rehearse(Dice(), "roll 3")
assert rehearsal.text == "[4, 2, 6] = 12"
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from bot.adapter import Adapter, Host, Limits
from bot.budget import Quotas
from bot.config import Config, load_config
from bot.conversation import Conversation
from bot.dispatch import Dispatch
from bot.errors import UserError
from bot.messages import Attachment, Channel, Message, Person, Press, Quote, Reply, Said
from bot.models import Choice, Detail, Models, Prompt, Provider, Role, Tool, ToolCall, Transcript, Usage, Verdict
from bot.skill import Skill
from storage import Store, open_store

__all__ = ["FakeAdapter", "Rehearsal", "ScriptedModel", "models_of", "rehearse"]

_DEADLINE = 10.0


class ScriptedModel(Provider):
    """A model that says what it is told to. `asked` holds every conversation it was shown.

    `says` is what it answers, one after the other, the last one again and again; a function is given the prompts, and
    a `ToolCall` calls a tool. `draws` and `hears` are the bytes of the pictures it draws and the text it hears, or
    a function that is given the sound; `sketches` are its unfinished pictures, and `flags` words that it would not have
    shown. `tools` holds the names of the tools that it was last offered.
    """

    name = "scripted"
    label = "scripted model"

    def __init__(
        self,
        *says: str | ToolCall | Callable[[Sequence[Prompt]], str | ToolCall],
        draws: bytes = b"\x89PNG\r\n\x1a\n",
        hears: str | Callable[[Attachment], str | Transcript] = "hello from a voice note",
        flags: Sequence[str] = (),
        sketches: Sequence[bytes] = (),
        speaks: bytes = b"",
    ) -> None:
        self.says = list(says) or [lambda prompts: f"You said: {prompts[-1].words}"]
        self.draws = draws
        self.hears = hears
        self.flags = tuple(flags)
        self.asked: list[list[Prompt]] = []
        self.tools: tuple[str, ...] = ()
        self.sketches = tuple(sketches)
        self.speaks = speaks
        self.drawn: list[tuple[str, int]] = []  # each prompt for pictures, and how many pictures it was to change
        self.orders: list[dict[str, Any]] = []  # the same, with all that was asked of the pictures
        self.heard: list[Attachment] = []
        self.spoken: list[str] = []

    def model_for(self, role: Role) -> str:
        """It serves every role."""
        return f"{role}-by-script"

    async def chat(
        self,
        model: str,
        prompts: Sequence[Prompt],
        *,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool] = (),
        detail: Detail = "auto",
    ) -> AsyncGenerator[str | ToolCall | Usage, None]:
        """Say the next thing, word by word."""
        self.asked.append(list(prompts))
        self.tools = tuple(tool.name for tool in tools)
        answer = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        text = answer if isinstance(answer, str | ToolCall) else answer(prompts)
        if isinstance(text, ToolCall):
            yield text
            text = ""
        for word in text.split(" ") if text else []:
            yield word if word == text else f"{word} "
            await asyncio.sleep(0)
        yield Usage(self.name, model, role, sum(len(each.text) for each in prompts) // 4, len(text) // 4)

    async def image(
        self,
        model: str,
        prompt: str,
        *,
        size: str,
        quality: str,
        count: int,
        style: str = "",
        edits: Sequence[Attachment] = (),
        preview: Callable[[Attachment], None] | None = None,
    ) -> tuple[list[Attachment], Usage]:
        """`count` times the picture."""
        self.drawn.append((prompt, len(edits)))
        order = {"size": size, "quality": quality, "count": count, "style": style, "edits": tuple(edits)}
        self.orders.append({"prompt": prompt, **order})
        for sketch in self.sketches:
            if preview is None:
                break
            preview(Attachment("unfinished.png", "image/png", sketch, len(sketch)))
            await asyncio.sleep(0)
        pictures = [Attachment(f"picture-{number}.png", "image/png", self.draws, alt=prompt) for number in range(count)]
        return pictures, Usage(self.name, model, "image", pictures=count)

    async def transcribe(
        self, model: str, sound: Attachment, *, language: str, words: str = ""
    ) -> tuple[Transcript, Usage]:
        """What it hears in every recording."""
        self.heard.append(sound)
        said = self.hears if isinstance(self.hears, str) else self.hears(sound)
        heard = said if isinstance(said, Transcript) else Transcript(said, language or "en", 1.0)
        return heard, Usage(self.name, model, "speech", seconds=sound.seconds or 1.0)

    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """A vector for each text: those of texts that share words are alike."""
        vectors = [[0.0] * 64 for _ in texts]
        for vector, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                vector[crc32(word.encode()) % 64] += 1.0
        return vectors, Usage(self.name, model, "embed", input_tokens=sum(len(text) // 4 for text in texts))

    async def speak(self, model: str, text: str, *, voice: str, language: str) -> tuple[Attachment, Usage]:
        """The sound that it speaks with; without one, a sound that holds the text itself."""
        self.spoken.append(text)
        return Attachment("speech.mp3", "audio/mpeg", self.speaks or text.encode()), Usage(self.name, model, "voice")

    async def moderate(self, model: str, text: str, pictures: Sequence[Attachment]) -> tuple[Verdict, Usage]:
        """Flag a text that holds one of the words to flag."""
        found = tuple(word for word in self.flags if word in text)
        return Verdict(bool(found), found), Usage(self.name, model, "moderate")

    async def close(self) -> None:
        """There is nothing to close."""


def models_of(provider: Provider) -> Models:
    """Models of which one provider serves every role."""
    roles: tuple[Role, ...] = ("chat", "vision", "image", "speech", "voice", "embed", "moderate")
    return Models({role: [Choice(provider)] for role in roles})


@dataclass(slots=True)
class Shown:
    """One message of the bot as a person sees it, and every state it was shown in."""

    id: str
    channel: Channel
    answers: str
    states: list[Reply]

    @property
    def reply(self) -> Reply:
        return self.states[-1]


class FakeAdapter(Adapter):
    """A platform in memory: `say` something, and see in `shown` what a person would see."""

    name = "fake"

    def __init__(self, config: Config, store: Store, limits: Limits | None = None, name: str = "fake") -> None:
        super().__init__(config, store)
        self.name = name  # type: ignore[misc]
        self._limits = limits or Limits(pace=0.0, typing=60.0)
        self.shown: dict[str, Shown] = {}
        self.typed: list[Channel] = []
        self.files: dict[str, bytes] = {}
        self.around: tuple[Said, ...] | None = (
            None  # what everybody said in its channels, where it lets the bot read that
        )
        self.failing: list[Exception] = []  # what the next posts and edits raise instead of showing anything
        self._nonces: dict[str, str] = {}
        self._said = 0
        self.changed = asyncio.Condition()

    def limits(self, channel: Channel) -> Limits:
        """The limits it was made with."""
        return self._limits

    async def run(self, host: Host) -> None:
        """There is nobody to listen to but `say`."""
        await asyncio.Event().wait()

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        """Show a message; the same nonce shows it only once where the limits say so."""
        if self.failing:
            raise self.failing.pop(0)
        if self._limits.once and nonce in self._nonces:
            return self._nonces[nonce]
        message_id = f"m{len(self.shown) + 1}"
        self._nonces[nonce] = message_id
        self.shown[message_id] = Shown(message_id, channel, answers, [reply])
        await self._changed()
        return message_id

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Show a message differently."""
        if self.failing:
            raise self.failing.pop(0)
        self.shown[message_id].states.append(reply)
        await self._changed()

    async def typing(self, channel: Channel) -> None:
        """Note that typing was shown."""
        self.typed.append(channel)

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        """The bytes that were said with the message."""
        content = self.files[attachment.source]
        if len(content) > limit:
            raise UserError(f"{attachment.name} is too large for me.")
        return content

    async def earlier(
        self, channel: Channel, limit: int, since: datetime | None, reader: Person
    ) -> tuple[Said, ...] | None:
        """The end of what is `around`."""
        return None if self.around is None else self.around[-limit:]

    def link(self, channel: Channel, message_id: str) -> str:
        """An address that leads nowhere."""
        return f"https://fake.example/{channel.id}/{message_id}"

    def message(
        self,
        text: str,
        *,
        channel: str = "general",
        author: str = "Ada",
        attachments: Sequence[Attachment] = (),
        quote: Quote | None = None,
        kind: Any = "direct",
        tenant: str = "",
        message_id: str = "",
        skill: str = "",
        request: Mapping[str, Any] | None = None,
    ) -> Message:
        """A message as this platform hears it. Attachments are given with their bytes."""
        self._said += 1
        sources = []
        for attachment in attachments:
            source = f"file{len(self.files)}"
            self.files[source] = attachment.data
            sources.append(Attachment(attachment.name, attachment.media_type, size=len(attachment.data), source=source))
        return Message(
            message_id or f"q{self._said}",
            Channel(self.name, channel, tenant, kind, channel),
            Person(author.lower(), author),
            text,
            datetime.now(UTC),
            tuple(sources),
            quote,
            skill,
            dict(request or {}),
        )

    def answers_to(self, message: Message) -> list[Reply]:
        """What is visible by now in answer to a message."""
        return [shown.reply for shown in self.shown.values() if shown.answers == message.id]

    async def _changed(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, true: Callable[[], bool], seconds: float = _DEADLINE) -> None:
        """Wait until something that is visible makes `true` true. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(true)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a person would have seen, and what the model was asked."""

    replies: tuple[Reply, ...]
    asked: tuple[tuple[Prompt, ...], ...] = field(default=())

    @property
    def text(self) -> str:
        """The whole answer."""
        return "\n".join(reply.text for reply in self.replies)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        return tuple(attachment for reply in self.replies for attachment in reply.attachments)

    @property
    def footer(self) -> str:
        return " · ".join(reply.footer for reply in self.replies if reply.footer)

    @property
    def buttons(self) -> tuple[str, ...]:
        """The actions of the buttons below the answer."""
        return tuple(button.action for reply in self.replies for button in reply.buttons)


async def rehearse(
    skill: Skill[Any, Any],
    *says: str,
    attachments: Sequence[Attachment] = (),
    model: Provider | None = None,
    settings: Mapping[str, Any] | None = None,
    request: Mapping[str, Any] | None = None,
    quote: Quote | None = None,
    replies: bool = False,
    press: str = "",
    others: Sequence[Skill[Any, Any]] = (),
) -> Rehearsal:
    """Say something to a skill, one message after the other, and return what is seen in answer to the last.

    The message goes the whole road: routing, forms, settings, delivery, storage (an SQLite file in a temporary folder).
    `attachments` come with the last message, which quotes `quote`, or with `replies` the answer before it. `press` is
    the action of a button below the answer that is pressed then; `others` are skills that are there besides. Without
    `model`, a `ScriptedModel` answers.
    """
    provider = model or ScriptedModel()
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(folder=Path(folder), probe=False, database_url=f"sqlite:///{folder}/rehearsal.db")
        store = await open_store(config.database)
        adapter = FakeAdapter(config, store, Limits(pace=0.0, typing=60.0, buttons=25))
        models = models_of(provider)
        plenty = Quotas(turns_per_minute=len(says) + 3, turns_per_day=len(says) + 3, pictures_per_day=1000)
        skills = {each.name: each for each in (skill, *others)}
        dispatch = Dispatch(store, Conversation(store, skills, models, {"fake": adapter}, plenty))
        try:
            await store.choose(("fake", "", "general"), skill.name, dict(settings or {}))
            *before, last = says or ("",)
            for text in before:
                await dispatch.heard(adapter.message(text))
                await dispatch.idle()
            if replies and adapter.shown:
                answer = list(adapter.shown.values())[-1]
                quote = Quote(answer.id, text=answer.reply.text)
            named = skill.name if request is not None else ""
            message = adapter.message(last, attachments=attachments, skill=named, request=request, quote=quote)
            await dispatch.heard(message)
            await dispatch.idle()
            seen = adapter.answers_to(message)
            if press:
                shown = [each for each in adapter.shown.values() if each.answers == message.id][-1]
                asked = Press("press", message.channel, message.author, shown.id, press, datetime.now(UTC))
                said = await dispatch.pressed(asked)
                await dispatch.idle()
                pressed = [each.reply for each in adapter.shown.values() if each.answers == shown.id]
                seen = [Reply(said)] if said else pressed or adapter.answers_to(message)
            asked_of = (
                tuple(tuple(prompts) for prompts in provider.asked) if isinstance(provider, ScriptedModel) else ()
            )
            return Rehearsal(tuple(seen), asked_of)
        finally:
            await models.close()
            await store.close()
