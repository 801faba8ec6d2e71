"""The metered view of models that one turn gets."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import structlog

from bot.messages import Attachment, Status
from bot.models.attempts import Attempts, shorter
from bot.models.errors import BadReply, ModelError, Refused, TooLong, Truncated
from bot.models.prices import likely_usage
from bot.models.provider import (
    Detail,
    Prompt,
    Provider,
    Role,
    Tool,
    ToolCall,
    Transcript,
    Usage,
    Verdict,
    estimate_tokens,
)
from bot.models.roles import Choice, Chosen, Models

__all__ = ["Choice", "Models", "TurnModels"]

log = structlog.get_logger(__name__)

_SOUND_BYTES = 2000  # of a second of a voice note, where nobody says how long it is
_Made = TypeVar("_Made")


class TurnModels:
    """What a skill may ask of models during one turn. Everything used is recorded, also when a call is cut short."""

    def __init__(
        self,
        models: Models,
        record: Callable[[Usage], None],
        before: Callable[[Usage], Awaitable[None]],
        waiting: Callable[[Status], None] | None = None,
        *,
        chosen: Chosen = MappingProxyType({}),
    ) -> None:
        self._models = models
        self._record = record
        self._before = before
        self._waiting = waiting
        self._chosen = chosen
        self._streams: list[AsyncGenerator[str | ToolCall, None]] = []
        self._used: list[Usage] = []
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """What the providers that were used in this turn want said under the answer."""
        return tuple(self._notices)

    @property
    def used(self) -> tuple[Usage, ...]:
        """What the calls of this turn have used so far, in order."""
        return tuple(self._used)

    def serves(self, role: Role) -> bool:
        """Whether there is a model for this role."""
        return any(choice.model_for(role) for choice in self._models.choices(role, self._chosen))

    def count(self, prompts: Sequence[Prompt]) -> int:
        """About how many tokens these are for the model that would be asked, as far as it has been seen counting."""
        choice = self._first("vision" if any(prompt.pictures for prompt in prompts) else "chat")
        estimate = estimate_tokens(prompts)
        return (
            self._models.tokens.count(choice.provider.name, choice.model_for("chat"), estimate) if choice else estimate
        )

    def estimate(
        self,
        role: Role,
        *,
        prompts: Sequence[Prompt] = (),
        tools: Sequence[Tool] = (),
        max_tokens: int | None = None,
        text: str = "",
        seconds: float = 0.0,
        count: int = 1,
        size: str = "",
        quality: str = "",
    ) -> int | None:
        """What a call may cost at most, in micro-dollars, with the dearest model that may be asked; `None` where a
        price is not known. Give what the call will be given: `prompts`, `tools` and `max_tokens` to chat, `text` to
        draw, read aloud, screen or embed, `seconds` of a sound, `count`, `size` and `quality` of pictures.
        """
        guess = likely_usage(
            role,
            prompts=prompts,
            tools=tools,
            max_tokens=max_tokens or self._longest(role),
            text=text,
            seconds=seconds,
            count=count,
            size=size,
            quality=quality,
        )
        return self._models.reserve(guess, self._chosen)

    async def chat(
        self, prompts: Sequence[Prompt], *, max_tokens: int | None = None, detail: Detail = "auto"
    ) -> AsyncGenerator[str, None]:
        """The answer, piece by piece. With pictures among the prompts, from the model that looks at pictures.

        `detail="high"` shows them four times as large, for small print. Raises a `ModelError`; after some text a
        `Truncated` or a `Refused`, and the text stays.
        """
        async with aclosing(self.converse(prompts, max_tokens=max_tokens, detail=detail)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece

    def converse(
        self,
        prompts: Sequence[Prompt],
        *,
        tools: Sequence[Tool] = (),
        max_tokens: int | None = None,
        detail: Detail = "auto",
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The same as `chat`, with tools that the model may call. Who asks has to run them and ask again."""
        stream = self._chat(prompts, max_tokens, tools, detail)
        self._streams.append(stream)
        return stream

    async def image(
        self,
        prompt: str,
        *,
        size: str = "",
        quality: str = "",
        count: int = 1,
        style: str = "",
        edits: Sequence[Attachment] = (),
        preview: Callable[[Attachment], None] | None = None,
    ) -> list[Attachment]:
        """Pictures of what `prompt` says, as attachments with bytes. `size` as "1024x1024".

        With `edits`, which have their bytes, those pictures as `prompt` wants them changed. `preview` is told of
        unfinished pictures, where the server shows any.
        """
        return await self._once(
            "image",
            lambda provider, model: provider.image(
                model, prompt, size=size, quality=quality, count=count, style=style, edits=edits, preview=preview
            ),
            likely_usage("image", text=prompt, count=count, size=size, quality=quality, edits=len(edits)),
        )

    async def transcribe(self, sound: Attachment, *, language: str = "", words: str = "") -> Transcript:
        """What is said in a sound that has its bytes; an empty text where nothing is.

        `words` are names and words that may come up, or what was said just before.
        """
        return await self._once(
            "speech",
            lambda provider, model: provider.transcribe(model, sound, language=language, words=words),
            likely_usage("speech", seconds=sound.seconds or len(sound.data) / _SOUND_BYTES),
        )

    async def speak(self, text: str, *, voice: str = "", language: str = "") -> Attachment:
        """`text` read aloud: a sound with its bytes."""
        return await self._once(
            "voice",
            lambda provider, model: provider.speak(model, text, voice=voice, language=language),
            likely_usage("voice", text=text),
        )

    async def moderate(self, text: str, pictures: Sequence[Attachment] = ()) -> Verdict:
        """Whether something should not be shown."""
        return await self._once(
            "moderate",
            lambda provider, model: provider.moderate(model, text, pictures),
            likely_usage("moderate", text=text),
        )

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text."""
        return await self._once(
            "embed",
            lambda provider, model: provider.embed(model, texts),
            likely_usage("embed", text="".join(texts)),
        )

    async def close(self) -> None:
        """End what a skill left running, so that it is on the bill before the turn is settled."""
        for stream in self._streams:
            await stream.aclose()

    async def _chat(
        self, prompts: Sequence[Prompt], max_tokens: int | None, tools: Sequence[Tool], detail: Detail
    ) -> AsyncGenerator[str | ToolCall, None]:
        role: Role = "vision" if any(prompt.pictures for prompt in prompts) else "chat"
        attempts = Attempts(role, self._models, self._chosen, self._waiting)
        read = estimate_tokens(prompts)  # once: a conversation may be long
        most = max_tokens or self._longest(role)
        await self._leave(likely_usage(role, prompts=prompts, tools=tools, max_tokens=most, detail=detail, read=read))
        shortened = False
        while True:
            said = False
            try:
                provider, model = await attempts.current()
                self._notice(provider)
                async with aclosing(
                    self._metered(provider, model, prompts, read, role, max_tokens, tools, detail)
                ) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
            except ModelError as error:
                if said:
                    raise
                fewer = shorter(prompts) if isinstance(error, TooLong) and not shortened else prompts
                if len(fewer) < len(prompts):
                    log.info("prompt shortened", left_out=len(prompts) - len(fewer))
                    prompts, read, shortened = fewer, estimate_tokens(fewer), True
                    continue
                await attempts.after(error)
            else:
                return

    async def _metered(
        self,
        provider: Provider,
        model: str,
        prompts: Sequence[Prompt],
        read: int,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool],
        detail: Detail,
    ) -> AsyncGenerator[str | ToolCall, None]:
        told, answered, size = False, True, 0
        try:
            more: dict[str, Any] = {} if detail == "auto" else {"detail": detail}  # a provider may not know of it
            answer = provider.chat(model, prompts, role=role, max_tokens=max_tokens, tools=tools, **more)
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Usage):
                        self._note(provider, piece)
                        told = True
                        if not (piece.estimated or tools or role == "vision"):  # these are counted in other ways
                            self._models.tokens.learn(provider.name, model, read, piece.input_tokens)
                    else:
                        size += len(piece.encode("utf-8", "replace")) if isinstance(piece, str) else 1
                        yield piece
        except Exception as error:
            answered = size > 0 or isinstance(error, (BadReply, Refused, Truncated))
            raise
        finally:
            if answered and not told:
                tokens = self._models.tokens.count(provider.name, model, read)
                self._note(provider, Usage(provider.name, model, role, tokens, -(-size // 4), estimated=True))

    async def _once(
        self,
        role: Role,
        call: Callable[[Provider, str], Awaitable[tuple[_Made, Usage]]],
        guess: Usage,
    ) -> _Made:
        attempts = Attempts(role, self._models, self._chosen, self._waiting)
        await self._leave(guess)
        while True:
            try:
                provider, model = await attempts.current()
                self._notice(provider)
                try:
                    made, usage = await call(provider, model)
                except (asyncio.CancelledError, ModelError) as error:
                    if isinstance(error, ModelError) and not error.late:
                        raise
                    # The server may have done the work by now.
                    self._note(provider, replace(guess, provider=provider.name, model=model, estimated=True))
                    raise
            except ModelError as error:
                await attempts.after(error)
            else:
                self._note(provider, usage)
                return made

    def _note(self, provider: Provider, usage: Usage) -> None:
        if usage.cost is None:
            usage = replace(usage, cost=provider.cost(usage))
        self._used.append(usage)
        self._record(usage)

    def _first(self, role: Role) -> Choice | None:
        return next((each for each in self._models.choices(role, self._chosen) if each.model_for(role)), None)

    def _longest(self, role: Role) -> int | None:
        first = self._first(role)
        return first.provider.longest if first else None

    async def _leave(self, guess: Usage) -> None:
        """What has to be done before a call that may cost something."""
        await self._models.know_prices()
        await self._before(guess)

    def _notice(self, provider: Provider) -> None:
        if provider.notice:
            self._notices[provider.notice] = None
