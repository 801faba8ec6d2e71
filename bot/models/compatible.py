"""One provider for every server that speaks OpenAI's protocol, driven by its profile.

The openai library carries requests: addresses, authentication, forms, connections. Waiting, trying again, reading
streams and judging answers is done here, because only here is known how long a person should be kept waiting.
"""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson
import structlog

from bot.media import extension, fit_picture, sniff
from bot.messages import Attachment
from bot.models.bodies import chat_body, clean, image_body, messages_of
from bot.models.connection import Connection
from bot.models.errors import BadReply, Empty, ModelError, Refused, Truncated, Unavailable
from bot.models.faults import server_fault
from bot.models.fetch import fetch_picture
from bot.models.listing import Listed, list_models, pick
from bot.models.profiles import Profile
from bot.models.provider import Prompt, Provider, Role, Tool, ToolCall, Transcript, Usage, estimate_tokens
from bot.models.reading import read_texts
from bot.models.speech import ask_for_transcript, read_transcript, ready_sound
from bot.models.stream import Answer, MidStreamError
from bot.models.wire import BrokenOff, Wire, read_whole

__all__ = ["Compatible"]

log = structlog.get_logger(__name__)

_WHOLE_CHAT = 120.0  # seconds
_WHOLE_PICTURE = 300.0
_MOST_ANSWER = 32 * 1024  # bytes of text
_MOST_JSON = 4 * 1024 * 1024
_MOST_PICTURES_JSON = 96 * 1024 * 1024
_MOST_PICTURE = 20 * 1024 * 1024
_PICTURE_SIDE = 1024  # pixels of what is shown to a model
_LIST_SECONDS = 1.0
_LIST_AGAIN = 60.0


class Compatible(Provider):
    """The models of one server. `listed` is its list of models, where that is known already."""

    def __init__(
        self, profile: Profile, key: str, connection: Connection, listed: tuple[Listed, ...] | None = None
    ) -> None:
        self.name = profile.name
        self.label = profile.label
        self.profile = profile
        self._key = key
        self._wire = Wire(profile, key, connection)
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
            self._listed = await list_models(self.profile.base_url, self._key, _LIST_SECONDS)
        except ValueError as error:  # it answers, but has no such list
            log.info("no list of models", provider=self.name, reason=str(error))
            self._listed = ()
        except OSError as error:
            log.warning("model server does not answer yet", provider=self.name, reason=type(error).__name__)

    def model_for(self, role: Role) -> str:
        models, listed = self.profile.models, self._listed or ()
        found = pick(role, listed, models)
        if found or (role == "vision" and pick("chat", listed, models)):
            return found
        return models.get(role, "")

    async def chat(
        self,
        model: str,
        prompts: Sequence[Prompt],
        *,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool] = (),
    ) -> AsyncGenerator[str | ToolCall | Usage, None]:
        messages = messages_of(prompts, await _fitted(prompts))
        until = asyncio.get_running_loop().time() + _WHOLE_CHAT
        body = chat_body(self.profile, model, messages, max_tokens)
        response, due = await self._wire.post(
            "/chat/completions", body, role=role, first=self.profile.first, until=until
        )
        answer, size, full, stalled = Answer(), 0, False, False
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
        if answer.usage:
            yield Usage(self.name, model, role, *answer.usage)
        elif stalled:  # it may well have worked all the while
            yield Usage(self.name, model, role, estimate_tokens(prompts), -(-size // 4), estimated=True)
        if ending:
            raise ending

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
        one_by_one = model.lower().startswith("dall-e-3")
        pictures: list[Attachment] = []
        used = Usage(self.name, model, "image")
        for _ in range(count if one_by_one else 1):
            body = image_body(model, prompt, size=size, quality=quality, count=1 if one_by_one else count)
            answer = await self._ask("/images/generations", body, "image", _WHOLE_PICTURE, _MOST_PICTURES_JSON)
            entries = answer.get("data")
            if not isinstance(entries, list):
                raise BadReply
            if not entries:  # this is how some servers say that a filter took it away
                raise Refused
            for entry in entries[:count]:
                pictures.append(await self._picture(entry, prompt, len(pictures) + 1))
            tokens_in, tokens_out = _tokens(answer.get("usage"), "input_tokens", "output_tokens")
            used = replace(
                used, input_tokens=used.input_tokens + tokens_in, output_tokens=used.output_tokens + tokens_out
            )
        return pictures, replace(used, pictures=len(pictures))

    async def transcribe(
        self, model: str, sound: Attachment, *, language: str, words: str = ""
    ) -> tuple[Transcript, Usage]:
        ready, facts = await ready_sound(sound)
        used = Usage(self.name, model, "speech")
        if facts.level is None:  # nothing to hear: models make words up from silence
            return Transcript("", seconds=facts.seconds), used
        until = asyncio.get_running_loop().time() + _WHOLE_CHAT
        response, _ = await self._wire.post(
            "/audio/transcriptions",
            ask_for_transcript(model, language),
            role="speech",
            first=_WHOLE_CHAT,
            until=until,
            files=[("file", (ready.name, ready.data, ready.media_type))],
        )
        body = await self._whole(response, until, _MOST_JSON)
        transcript, tokens = read_transcript(body, response.headers.get("content-type", ""), facts.seconds)
        return transcript, replace(used, seconds=facts.seconds, input_tokens=tokens[0], output_tokens=tokens[1])

    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        body = {"model": model, "input": [clean(text) for text in texts], "encoding_format": "float"}
        answer = await self._ask("/embeddings", body, "embed", _WHOLE_CHAT, _MOST_PICTURES_JSON)
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

    async def _ask(self, path: str, body: dict[str, Any], role: Role, seconds: float, most: int) -> dict[str, Any]:
        until = asyncio.get_running_loop().time() + seconds
        retries = 1 if role == "image" else 2  # a picture may have been painted, and paid, when its server stumbles
        response, _ = await self._wire.post(path, body, role=role, first=seconds, until=until, retries=retries)
        try:
            answer = orjson.loads(await self._whole(response, until, most))
        except ValueError:
            raise BadReply from None
        if not isinstance(answer, dict):
            raise BadReply
        if answer.get("error"):
            raise server_fault(self.profile, str(body["model"]), role, 0, answer).error
        return answer

    async def _whole(self, response: Any, until: float, most: int) -> bytes:
        try:
            return await read_whole(response, until, most)
        except TimeoutError:
            raise Unavailable(self.profile.spoken) from None
        except ValueError:
            raise BadReply from None
        except BrokenOff as error:
            log.warning("model broke off", provider=self.name, reason=str(error))
            raise Unavailable(self.profile.spoken) from None
        finally:
            await response.aclose()

    async def _picture(self, entry: Any, prompt: str, number: int) -> Attachment:
        encoded, url = (entry.get("b64_json"), entry.get("url")) if isinstance(entry, dict) else (None, None)
        try:
            if isinstance(encoded, str) and encoded:
                picture = b64decode(
                    encoded.partition(",")[2] if encoded.startswith("data:") else encoded, validate=True
                )
            elif isinstance(url, str) and url:
                picture = await fetch_picture(url, self.profile.base_url, _MOST_PICTURE)
            else:
                raise BadReply
        except (binascii.Error, OSError, ValueError) as error:
            log.warning("picture not usable", provider=self.name, reason=type(error).__name__)
            raise BadReply from None
        media_type = sniff(picture)
        if media_type not in ("image/png", "image/jpeg", "image/webp", "image/gif") or len(picture) > _MOST_PICTURE:
            log.warning("picture not usable", provider=self.name, media_type=media_type, bytes=len(picture))
            raise BadReply
        name = f"picture{'' if number == 1 else f'-{number}'}.{extension(media_type)}"
        return Attachment(name, media_type, picture, len(picture), alt=prompt[:1000])


async def _fitted(prompts: Sequence[Prompt]) -> dict[int, list[Attachment]]:
    """The pictures of each prompt, by its index, small and clean."""
    return {
        index: [await fit_picture(picture.data, side=_PICTURE_SIDE) for picture in prompt.pictures]
        for index, prompt in enumerate(prompts)
        if prompt.pictures
    }


def _judge(answer: Answer, size: int, full: bool) -> ModelError | None:
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
            return None if size else Empty()


def _tokens(usage: Any, first: str, second: str) -> tuple[int, int]:
    if not isinstance(usage, dict):
        return 0, 0
    told = [usage.get(first, 0), usage.get(second, 0)]
    return tuple(number if isinstance(number, int) and number > 0 else 0 for number in told)  # type: ignore[return-value]
