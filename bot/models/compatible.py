"""One provider for every server that speaks OpenAI's protocol, driven by its profile.

The openai library carries requests: addresses, authentication, forms, connections. Waiting, trying again, reading
streams and judging answers is done here, because only here is known how long a person should be kept waiting.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog

from bot.messages import Attachment
from bot.models.bodies import chat_body, clean, messages_of
from bot.models.connection import Connection, Key, Reply
from bot.models.drawing import draw
from bot.models.errors import BadReply, Empty, ModelError, Refused, Truncated, Unavailable
from bot.models.faults import server_fault
from bot.models.listing import Listed, list_models, pick
from bot.models.moderation import moderate
from bot.models.prices import Prices
from bot.models.profiles import Profile, effort_for, is_loopback
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
from bot.models.reading import Growing, read_texts
from bot.models.responses import ResponsesAnswer, responses_body
from bot.models.shown import Shown
from bot.models.speech import ask_for_transcript, read_transcript, ready_sound
from bot.models.stream import Answer, MidStreamError
from bot.models.voice import speak
from bot.models.wire import BrokenOff, OtherRoad, Wire

__all__ = ["Compatible"]

log = structlog.get_logger(__name__)

_WHOLE_CHAT = 120.0  # seconds
_MOST_ANSWER = 32 * 1024  # bytes of text
_MOST_JSON = 4 * 1024 * 1024
_MOST_VECTORS = 96 * 1024 * 1024
_PICTURE_SIDE = 1024  # pixels of what is shown to a model
_FINE_SIDE = 2048  # of what it is to read
_LIST_SECONDS = 1.0
_LIST_AGAIN = 60.0


class Compatible(Provider):
    """The models of one server. `listed` is its list of models, where that is known already."""

    def __init__(
        self,
        profile: Profile,
        key: Key,
        connection: Connection,
        listed: tuple[Listed, ...] | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.name = profile.name
        self.label = profile.label
        self.profile = profile
        self.free = profile.free or (is_loopback(profile.base_url) and not key)
        self.longest = profile.limit
        self._prices = prices or Prices()
        self._key = key
        self._wire = Wire(profile, key, connection)
        self._pictures = Shown()
        self._listed = listed if profile.lists else ()
        self._list_at = 0.0

    async def prepare(self) -> None:
        await self.learn_models()
        await self._wire.open()

    async def learn_models(self) -> None:
        """Ask the server for its list, if that is not known. What fails is tried again, at most once a minute."""
        now = asyncio.get_running_loop().time()
        if self._listed is not None or now < self._list_at:
            return
        self._list_at = now + _LIST_AGAIN
        try:
            self._listed = await self.offers(_LIST_SECONDS)
        except ValueError as error:  # it answers, but has no such list
            log.info("no list of models", provider=self.name, reason=str(error))
            self._listed = ()
        except OSError as error:
            log.warning("model server does not answer yet", provider=self.name, reason=type(error).__name__)

    async def look(self) -> str:
        try:
            await self.offers(_LIST_SECONDS)
        except ValueError as error:  # it answers; that it has no list is no fault
            refused = str(error) in ("status 401", "status 403")
            return f"it refuses the key ({error})" if refused else ""
        return ""

    async def offers(self, seconds: float) -> tuple[Listed, ...]:
        """The server's list of models as it is now. Raises as `list_models` does."""
        key = self._key if isinstance(self._key, str) else await self._key()
        return await list_models(self.profile.base_url, key, seconds)

    def model_for(self, role: Role) -> str:
        models, listed = self.profile.models, self._listed or ()
        found = pick(role, listed, models)
        if found or (role == "vision" and pick("chat", listed, models)):
            return found
        if self.profile.lists and role in ("voice", "moderate"):  # few servers have these: only what is seen is used
            return ""
        return models.get(role, "")

    def cost(self, usage: Usage) -> int | None:
        return self._prices.cost(usage, free=self.free)

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
        pictures = await self._shown(prompts, detail)
        until = asyncio.get_running_loop().time() + _WHOLE_CHAT
        answer, response, due = await self._begin(model, prompts, pictures, role, max_tokens, tools, until)
        size, full, stalled = 0, False, False
        ending: ModelError | None
        try:
            texts = read_texts(response, answer, due=due, gap=self.profile.gap, until=until)
            async with aclosing(texts):
                async for text in texts:
                    encoded = text.encode("utf-8", "replace")
                    full = size + len(encoded) > _MOST_ANSWER
                    size += len(encoded)
                    yield encoded[: _MOST_ANSWER - size].decode("utf-8", "ignore") if full else text
                    if full:
                        break
                    await asyncio.sleep(0)  # bytes already here would otherwise keep everybody else waiting
            ending = _judge(answer, size, full)
        except MidStreamError as error:
            log.warning("model stopped with an error", provider=self.name, model=model)
            ending = Truncated() if size else server_fault(self.profile, model, role, 0, error.body).error
        except TimeoutError:
            stalled = True
            log.warning("model stalled", provider=self.name, model=model, bytes=size)
            ending = Truncated() if size else Unavailable(self.profile.spoken)
        except ValueError as error:
            log.warning("model sent no answer", provider=self.name, model=model, reason=type(error).__name__)
            ending = Truncated() if size else BadReply()
        except BrokenOff as error:
            log.warning("model broke off", provider=self.name, model=model, reason=str(error), bytes=size)
            ending = Truncated() if size else Unavailable(self.profile.spoken)
        finally:
            await response.aclose()
        if isinstance(ending, Unavailable):
            self._wire.breaker.failed()
        if ending is None:
            for call in answer.calls.finished():
                yield call
        if answer.usage:
            tokens_in, tokens_out, cached = answer.usage
            yield Usage(self.name, model, role, tokens_in, tokens_out, cached_tokens=cached)
        elif stalled:  # it may well have worked all the while
            yield Usage(self.name, model, role, estimate_tokens(prompts), -(-size // 4), estimated=True)
        if ending:
            raise ending

    async def _begin(
        self,
        model: str,
        prompts: Sequence[Prompt],
        pictures: Mapping[int, Sequence[str]],
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool],
        until: float,
    ) -> tuple[Growing, Reply, float]:
        """Ask, on the road that this model wants; the answer to fill, where it comes from, and when it is due."""
        effort = effort_for(model) if self.profile.sends_effort else None
        wire, first = self._wire, self.profile.first
        while True:
            quirks = wire.quirks(model)
            thinks = effort is not None and (quirks.effort or effort) != "none"
            with contextlib.suppress(OtherRoad):
                if quirks.responses or (quirks.responses is None and self.profile.responses and tools and thinks):
                    body = responses_body(
                        self.profile, model, prompts, pictures, max_tokens=max_tokens, effort=effort, tools=tools
                    )
                    response, due = await wire.post("/responses", body, role=role, first=first, until=until)
                    return ResponsesAnswer(), response, due
                messages = messages_of(prompts, pictures)
                body = chat_body(self.profile, model, messages, max_tokens=max_tokens, effort=effort, tools=tools)
                response, due = await wire.post("/chat/completions", body, role=role, first=first, until=until)
                return Answer(), response, due

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
        return await draw(
            self._wire,
            model,
            prompt,
            size=size,
            quality=quality,
            count=count,
            style=style,
            edits=edits,
            preview=preview,
        )

    async def transcribe(
        self, model: str, sound: Attachment, *, language: str, words: str = ""
    ) -> tuple[Transcript, Usage]:
        ready, facts = await ready_sound(sound, self.profile.sounds)
        used = Usage(self.name, model, "speech")
        if facts.level is None:  # nothing to hear: models make words up from silence
            return Transcript("", seconds=facts.seconds), used
        body, response = await self._wire.ask(
            "/audio/transcriptions",
            ask_for_transcript(model, language, words),
            role="speech",
            seconds=_WHOLE_CHAT,
            most=_MOST_JSON,
            files=[("file", (ready.name, ready.data, ready.media_type))],
        )
        transcript, tokens = read_transcript(body, response.headers.get("content-type", ""), facts.seconds)
        return transcript, replace(used, seconds=facts.seconds, input_tokens=tokens[0], output_tokens=tokens[1])

    async def speak(self, model: str, text: str, *, voice: str, language: str) -> tuple[Attachment, Usage]:
        sound = await speak(self._wire, model, text, voice=voice, language=language)
        tokens = estimate_tokens([Prompt("user", text)])
        return sound, Usage(self.name, model, "voice", tokens, estimated=True, characters=len(text))

    async def moderate(self, model: str, text: str, pictures: Sequence[Attachment]) -> tuple[Verdict, Usage]:
        shown = [await self._pictures.uri(picture, _PICTURE_SIDE) for picture in pictures]
        verdict = await moderate(self._wire, model, text, shown)
        tokens = estimate_tokens([Prompt("user", text, tuple(pictures))])
        return verdict, Usage(self.name, model, "moderate", input_tokens=tokens, estimated=True)

    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        body = {"model": model, "input": [clean(text) for text in texts], "encoding_format": "float"}
        answer = await self._wire.ask_object("/embeddings", body, role="embed", seconds=_WHOLE_CHAT, most=_MOST_VECTORS)
        try:
            entries = sorted(answer["data"], key=lambda entry: entry["index"])
            vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
        except (KeyError, TypeError, ValueError):
            raise BadReply from None
        if len(vectors) != len(texts):
            raise BadReply
        tokens, _ = _tokens(answer.get("usage"), "prompt_tokens", "")
        guess = estimate_tokens(Prompt("user", text) for text in texts)
        return vectors, Usage(self.name, model, "embed", input_tokens=tokens or guess, estimated=not tokens)

    async def close(self) -> None:
        """The connections are shared and closed by their owner."""

    async def _shown(self, prompts: Sequence[Prompt], detail: Detail) -> dict[int, list[str]]:
        """The pictures of each prompt, by its index, small and clean."""
        side = _FINE_SIDE if detail == "high" else _PICTURE_SIDE
        return {
            index: [await self._pictures.uri(picture, side) for picture in prompt.pictures]
            for index, prompt in enumerate(prompts)
            if prompt.pictures
        }


def _judge(answer: Growing, size: int, full: bool) -> ModelError | None:
    """What has to be said after an answer that ended by itself; `None` when it is whole."""
    match answer.finish:
        case _ if full:
            return Truncated(limit=True)
        case "content_filter":
            return Refused()
        case _ if answer.refusal and not size:
            return Refused(answer.refusal)
        case "length" | "max_tokens" | "model_length":
            return Truncated(limit=True)
        case "" | "error":
            return Truncated() if size else BadReply()
        case _:
            return None if size or answer.calls else Empty()


def _tokens(usage: Any, first: str, second: str) -> tuple[int, int]:
    if not isinstance(usage, dict):
        return 0, 0
    told = [usage.get(first, 0), usage.get(second, 0)]
    return tuple(number if isinstance(number, int) and number > 0 else 0 for number in told)  # type: ignore[return-value]
