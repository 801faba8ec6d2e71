"""The first plug: what a skill is.

A skill is a class with a docstring (its help), `Settings` (what moderators may change) and `Request` (what a person may
ask for). It yields pieces of an answer; the bot sends them. There is nothing on a `Turn` to send with, so no skill can
get past a limit, post elsewhere or leave a reply hanging.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from bot.errors import UserError
from bot.messages import Attachment, Button, Footer, Keep, Kept, Message, Preview, Said, Status
from bot.translations import translate

if TYPE_CHECKING:
    from bot.earlier import Earlier, Found
    from bot.media import Document, Look, Recording
    from bot.memory import Remembered
    from bot.models import Prompt, TurnModels

__all__ = ["Piece", "Pieces", "Request", "Settings", "Skill", "Turn"]

Piece = str | Attachment | Footer | Status | Preview | Button | Keep
Pieces = AsyncIterator[Piece]


class Settings(BaseModel):
    """What moderators may change about a skill, channel by channel.

    Fields are bool, int, float, str or Literal, each with a default and a description, numbers with bounds where
    there are any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Request(BaseModel):
    """What a person may ask of a skill. Fields are as in `Settings`; one without a default has to be given.

    The first str field receives the words that were said, when a person used words instead of a form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


S = TypeVar("S", bound=Settings, default=Settings)
R = TypeVar("R", bound=Request, default=Request)


@dataclass(frozen=True, slots=True)
class Turn(Generic[S, R]):
    """One question on its way to its answer.

    `history` is what was visibly said before in this channel, oldest first. `models` are the models of this
    installation; whatever they use is written on the bill of this turn. `skills` are those that its author may use
    here: name → help. `kept` is what a skill kept with the answer that this message replies to, or whose button was
    pressed.
    """

    message: Message
    settings: S
    request: R
    history: tuple[Said, ...]
    models: "TurnModels"
    skills: Mapping[str, str]
    kept: Kept | None
    _read: Callable[[Attachment], Awaitable[Attachment]]
    _documents: "Callable[[], Awaitable[tuple[Document, ...]]]"
    _pictures: Callable[[], Awaitable[tuple[Attachment, ...]]]
    _ask: Callable[[str, str, Mapping[str, Any] | None, Sequence[Attachment]], Pieces]
    _chat: "Callable[[Sequence[Prompt]], Pieces]"
    _recall: Callable[[str], Awaitable[Kept | None]]
    _earlier: "Callable[[int, datetime | None], Awaitable[Earlier]]"
    _search: "Callable[[str, int], Awaitable[tuple[Found, ...]]]"
    _remembered: "Remembered"
    _shown: list[str]

    def attached(self, *kinds: str) -> tuple[Attachment, ...]:
        """The attachments of these kinds (`image`, `audio` …): of the message, else of the one it replies to."""
        own = tuple(each for each in self.message.attachments if each.kind in kinds)
        if own or self.message.quote is None:
            return own
        return tuple(each for each in self.message.quote.attachments if each.kind in kinds)

    async def read(self, attachment: Attachment) -> Attachment:
        """The attachment with its bytes. Raises `UserError` when it is too large or cannot be had any more."""
        return await self._read(attachment)

    def translated(self, text: str) -> str:
        """`text` in the language of who asks, where somebody has translated it (`bot/locales`, or a package's own)."""
        return translate(text, self.message.author.locale)

    async def documents(self) -> "tuple[Document, ...]":
        """What the files say that came with the message or with what it replies to, as far as it is text of any kind:
        PDF, Word, tables, code, mail … One that cannot be read says why in its `trouble`. What was not read is told
        below the answer.
        """
        return await self._documents()

    async def pictures(self) -> tuple[Attachment, ...]:
        """The pictures that came with the message or with what it replies to, at most four, with their bytes; none
        where no model looks at pictures.
        """
        return await self._pictures()

    async def look(self, picture: Attachment, *, side: int = 1024) -> "Look":
        """What is certain about a picture (size, format, colours, barcodes …), and a small clean copy of it, at most
        `side` pixels long: upright, with nothing of where and by what it was taken.

        Raises `UserError` with the remedy for one that cannot be looked at.
        """
        from bot.media import look_at

        return await look_at((await self.read(picture)).data, side=side)

    async def listen(self, sound: Attachment, *, most_seconds: float = 3600.0) -> "Recording":
        """How long a sound lasts, how much of it is speech, and the parts of it that have speech in them: each a few
        minutes long, cut at pauses and ready for `models.transcribe`. What was silent or noise is left out.

        Raises `UserError` with the remedy for one that is too long or cannot be listened to.
        """
        from bot.media import listen

        async def read() -> bytes:
            return (await self.read(sound)).data

        return await listen(read, sound.size, most_seconds=most_seconds)

    async def voiced(self, sound: Attachment) -> Attachment:
        """A sound that has its bytes as a voice message: with its length and its waveform. Raises `UserError`."""
        from bot.media import voice_message

        return await voice_message(sound)

    def ask(
        self,
        skill: str,
        text: str,
        request: Mapping[str, Any] | None = None,
        *,
        attachments: "Sequence[Attachment]" = (),
    ) -> Pieces:
        """What another skill answers to `text`, or to a `request`, about these `attachments`: under the same rules and
        on the same bill.
        """
        return self._ask(skill, text, request, attachments)

    def chat(self, prompts: "Sequence[Prompt]") -> Pieces:
        """What the chat model answers. It may call the other skills that are open to this person here, when their words
        ask for it: under the same rules, on the same bill, and what such a skill shows is shown.

        An answer that is cut off ends with a button to go on.
        """
        return self._chat(prompts)

    async def recall(self, kept_id: str) -> Kept | None:
        """What was kept in this channel under that id, with the bytes of its attachments; `None` when it is gone."""
        return await self._recall(kept_id)

    async def earlier(self, limit: int, since: datetime | None = None) -> "Earlier":
        """The newest `limit` messages of this channel, everybody's, the oldest first: as far as the platform lets the
        bot read them, else those that were said to it. With `since`, only what was said after that. Raises `UserError`
        when somebody has to let the bot read them first.
        """
        return await self._earlier(limit, since)

    async def search(self, query: str, limit: int = 5) -> "tuple[Found, ...]":
        """What was said about something in this channel, the best first: by words, and by meaning where there is a
        model for that.
        """
        return await self._search(query, limit)

    def prompts(
        self,
        system: str,
        *,
        pictures: tuple[Attachment, ...] = (),
        documents: "Sequence[Document]" = (),
        text: str | None = None,
    ) -> "list[Prompt]":
        """The conversation as a chat model wants it: `system`, what was said before, and the question.

        In channels that several people share, each line begins with its author's name. The question comes with what it
        replies to, and with `documents`. Older lines are left out in big steps, so that a model server can reuse what
        it has already read; what they said is there in short, and the answer says so where it is not.
        """
        from bot.prompting import prompts_of

        self._shown.append("prompts")
        return prompts_of(
            self.message,
            self._remembered,
            system,
            text=self.message.text if text is None else text,
            pictures=pictures,
            documents=documents,
        )


class Skill(Generic[S, R]):
    """One thing the bot can do. Subclass it, name it, write `reply`, and register it as an entry point.

    `name` is what people call it by: lower-case letters, digits and `-`, at most 32.
    `takes` names the kinds of attachment it works on (`image`, `audio` …). Such a skill is chosen when one of them
    comes with a message, and never without one.
    `spoken` are the first words that call it, one word to three; by default its name. A skill without any is called by
    name only.
    `menu` is what it is called in the menu of a message, where people can use it on that message; empty for not there.
    `tool` says that the model which chats may call it when somebody's words ask for it.
    `private` says that its answer to a command is for the eyes of its asker only, unless they want otherwise.
    `follows` says that a reply to an answer with which it kept something comes back to it.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = ()
    spoken: ClassVar[tuple[str, ...] | None] = None
    menu: ClassVar[str] = ""
    tool: ClassVar[bool] = True
    private: ClassVar[bool] = False
    follows: ClassVar[bool] = False
    settings_type: ClassVar[type[Settings]] = Settings
    request_type: ClassVar[type[Request]] = Request

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for parent in getattr(cls, "__orig_bases__", ()):
            if isinstance(get_origin(parent), type) and issubclass(get_origin(parent), Skill):
                for argument in get_args(parent):
                    if isinstance(argument, type) and issubclass(argument, Settings):
                        cls.settings_type = argument
                    elif isinstance(argument, type) and issubclass(argument, Request):
                        cls.request_type = argument

    @property
    def help(self) -> str:
        """The first line of the docstring."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def reply(self, turn: Turn[S, R]) -> Pieces:
        """Yield the answer piece by piece: text, attachments, a `Footer`, a `Status`, a `Button`, a `Keep`.

        Raise `UserError` for whatever a person can understand and put right.
        """
        raise UserError(f"The skill “{self.name}” does not answer yet. Its author has to write `reply`.")

    def offers(self, settings: S, answer: str, models: "TurnModels") -> Button | None:
        """A button for below what the chat answers, or `None`: what this skill could do with such an answer here."""
        return None
