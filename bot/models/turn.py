"""Which model serves which role, and the metered view of them that one turn gets."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from bot.messages import Attachment, Status
from bot.models.errors import BadReply, Busy, ModelError, NotConfigured, Refused, TooLong, Truncated
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

__all__ = ["Choice", "Models", "TurnModels"]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 20.0  # seconds that a busy model is waited for, once
_UNSAID_WAIT = 2.0  # seconds to wait when it did not say how long
_LONGEST_ANSWER = 4096  # tokens that an answer is reckoned to have at most, where nobody said how many
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of a provider; `model` may be empty: then the provider's own for the role."""

    provider: Provider
    model: str = ""

    def model_for(self, role: Role) -> str:
        return self.model or self.provider.model_for(role)


class Models:
    """The models of this installation, built once per process.

    `roles` lists for each role what to ask, in this order. `off` says of a role that nobody serves why that is and
    which one thing to set.
    """

    def __init__(
        self,
        roles: Mapping[Role, Sequence[Choice]],
        *,
        off: Mapping[Role, str] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._roles = {role: tuple(choices) for role, choices in roles.items()}
        self._off = dict(off or {})
        self._close = close

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Everyone who serves a role, each once."""
        return tuple(dict.fromkeys(choice.provider for choices in self._roles.values() for choice in choices))

    @property
    def notices(self) -> tuple[str, ...]:
        """What has to be said of these models wherever they are used."""
        return tuple(dict.fromkeys(provider.notice for provider in self.providers if provider.notice))

    def serves(self, role: Role) -> bool:
        """Whether somebody serves this role, as far as is known now."""
        return any(choice.model_for(role) for choice in self._roles.get(role, ()))

    def describe(self) -> dict[Role, str]:
        """For each role "label: model", or why it is off and the one thing to set."""
        said: dict[Role, str] = {}
        for role in (*self._roles, *(role for role in self._off if role not in self._roles)):
            named = [f"{c.provider.label}: {c.model_for(role)}" for c in self._roles.get(role, ()) if c.model_for(role)]
            said[role] = ", then ".join(named) if named else self.why_off(role)
        return said

    def why_off(self, role: Role) -> str:
        """Why nobody serves this role, and the one thing to set."""
        return self._off.get(role) or str(NotConfigured())

    def choices(self, role: Role) -> tuple[Choice, ...]:
        return self._roles.get(role, ())

    def cost(self, usage: Usage) -> int | None:
        """What a call has cost, in micro-dollars; `None` where nobody knows."""
        if usage.cost is not None:
            return usage.cost
        return next((each.cost(usage) for each in self.providers if each.name == usage.provider), None)

    def reserve(self, guess: Usage) -> int | None:
        """What a call may cost in micro-dollars, with the dearest model that may be asked; `None` where nobody knows.

        `guess` is what it may use at most.
        """
        costs = [
            choice.provider.cost(replace(guess, provider=choice.provider.name, model=choice.model_for(guess.role)))
            for choice in self.choices(guess.role)
        ]
        known = [cost for cost in costs if cost is not None]
        return max(known, default=0) if len(known) == len(costs) else None

    def for_turn(
        self,
        record: Callable[[Usage], None],
        before: Callable[[Usage], Awaitable[None]],
        waiting: Callable[[Status], None] | None = None,
    ) -> "TurnModels":
        """The models for one turn.

        `before` is awaited before each call, with what that may use at most, and may refuse it by raising; `record` is
        told what each call used; `waiting`, where given, is told what to show while a busy model is waited for.
        """
        return TurnModels(self, record, before, waiting)

    async def warm(self) -> None:
        """Do now what would otherwise make the first question slow. What fails will be tried again at first need."""
        await asyncio.gather(*(provider.prepare() for provider in self.providers))

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()
        if self._close:
            await self._close()


class TurnModels:
    """What a skill may ask of models during one turn. Everything used is recorded, also when a call is cut short."""

    def __init__(
        self,
        models: Models,
        record: Callable[[Usage], None],
        before: Callable[[Usage], Awaitable[None]],
        waiting: Callable[[Status], None] | None = None,
    ) -> None:
        self._models = models
        self._record = record
        self._before = before
        self._waiting = waiting
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
        return self._models.serves(role)

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
            Usage("", "", "image", pictures=count),
        )

    async def transcribe(self, sound: Attachment, *, language: str = "", words: str = "") -> Transcript:
        """What is said in a sound that has its bytes; an empty text where nothing is.

        `words` are names and words that may come up, or what was said just before.
        """
        return await self._once(
            "speech",
            lambda provider, model: provider.transcribe(model, sound, language=language, words=words),
            Usage("", "", "speech", seconds=sound.seconds or 0.0),
        )

    async def speak(self, text: str, *, voice: str = "", language: str = "") -> Attachment:
        """`text` read aloud: a sound with its bytes."""
        return await self._once(
            "voice",
            lambda provider, model: provider.speak(model, text, voice=voice, language=language),
            Usage("", "", "voice", input_tokens=estimate_tokens([Prompt("user", text)])),
        )

    async def moderate(self, text: str, pictures: Sequence[Attachment] = ()) -> Verdict:
        """Whether something should not be shown."""
        return await self._once(
            "moderate",
            lambda provider, model: provider.moderate(model, text, pictures),
            Usage("", "", "moderate", input_tokens=estimate_tokens([Prompt("user", text)])),
        )

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text."""
        tokens = estimate_tokens(Prompt("user", text) for text in texts)
        return await self._once(
            "embed",
            lambda provider, model: provider.embed(model, texts),
            Usage("", "", "embed", input_tokens=tokens),
        )

    async def close(self) -> None:
        """End what a skill left running, so that it is on the bill before the turn is settled."""
        for stream in self._streams:
            await stream.aclose()

    async def _chat(
        self, prompts: Sequence[Prompt], max_tokens: int | None, tools: Sequence[Tool], detail: Detail
    ) -> AsyncGenerator[str | ToolCall, None]:
        role: Role = "vision" if any(prompt.pictures for prompt in prompts) else "chat"
        attempts = _Attempts(role, self._models, self._waiting)
        most = max_tokens or _LONGEST_ANSWER
        await self._before(Usage("", "", role, estimate_tokens(prompts), most, estimated=True))
        shortened = False
        while True:
            said = False
            try:
                provider, model = await attempts.current()
                self._notice(provider)
                async with aclosing(self._metered(provider, model, prompts, role, max_tokens, tools, detail)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
            except ModelError as error:
                if said:
                    raise
                shorter = _shorter(prompts) if isinstance(error, TooLong) and not shortened else prompts
                if len(shorter) < len(prompts):
                    log.info("prompt shortened", left_out=len(prompts) - len(shorter))
                    prompts, shortened = shorter, True
                    continue
                await attempts.after(error)
            else:
                return

    async def _metered(
        self,
        provider: Provider,
        model: str,
        prompts: Sequence[Prompt],
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool],
        detail: Detail,
    ) -> AsyncGenerator[str | ToolCall, None]:
        told, answered, size = False, True, 0
        try:
            answer = provider.chat(model, prompts, role=role, max_tokens=max_tokens, tools=tools, detail=detail)
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Usage):
                        self._note(piece)
                        told = True
                    else:
                        size += len(piece.encode("utf-8", "replace")) if isinstance(piece, str) else 1
                        yield piece
        except Exception as error:
            answered = size > 0 or isinstance(error, (BadReply, Refused, Truncated))
            raise
        finally:
            if answered and not told:
                used = Usage(provider.name, model, role, estimate_tokens(prompts), -(-size // 4), estimated=True)
                self._note(used)

    async def _once(
        self, role: Role, call: Callable[[Provider, str], Awaitable[tuple[_Made, Usage]]], guess: Usage
    ) -> _Made:
        attempts = _Attempts(role, self._models, self._waiting)
        await self._before(guess)
        while True:
            try:
                provider, model = await attempts.current()
                self._notice(provider)
                try:
                    made, usage = await call(provider, model)
                except asyncio.CancelledError:  # the server may have done the work by now
                    self._note(replace(guess, provider=provider.name, model=model, estimated=True))
                    raise
            except ModelError as error:
                await attempts.after(error)
            else:
                self._note(usage)
                return made

    def _note(self, usage: Usage) -> None:
        self._used.append(usage)
        self._record(usage)

    def _notice(self, provider: Provider) -> None:
        if provider.notice:
            self._notices[provider.notice] = None


class _Attempts:
    """What to ask now, and after an error."""

    def __init__(self, role: Role, models: Models, waiting: Callable[[Status], None] | None) -> None:
        self._role = role
        self._choices = models.choices(role)
        self._off = models.why_off(role)
        self._waiting = waiting
        self._at = 0
        self._waited = False

    async def current(self) -> tuple[Provider, str]:
        """Raises `NotConfigured` where this choice cannot serve the role."""
        if not self._choices:
            raise NotConfigured(self._off)
        choice = self._choices[self._at]
        await choice.provider.prepare()
        model = choice.model_for(self._role)
        if not model:
            raise NotConfigured(self._off)
        return choice.provider, model

    async def after(self, error: ModelError) -> None:
        """Go on to the next choice, or wait for a busy model if it is the last; raises `error` where all is done."""
        if not error.passes_on:
            raise error
        if self._at + 1 < len(self._choices):
            self._at += 1
            log.warning("next model", role=self._role, after=type(error).__name__)
            return
        if not isinstance(error, Busy) or self._waited:
            raise error
        wait = _UNSAID_WAIT if error.wait is None else error.wait
        if wait > _LONGEST_WAIT:
            raise error
        self._waited = True
        if self._waiting:
            self._waiting(Status("The model is busy; I am waiting for it …"))
        await asyncio.sleep(wait)


def _shorter(prompts: Sequence[Prompt]) -> Sequence[Prompt]:
    """Without the older half of the conversation; the instructions and the question stay."""
    talk = [index for index, prompt in enumerate(prompts) if prompt.role != "system"][:-1]
    dropped = set(talk[: -(-len(talk) // 2)])
    return [prompt for index, prompt in enumerate(prompts) if index not in dropped]
