"""Hugging Face: its router for chatting and looking at pictures, its inference client for the other tasks.

The client library makes synchronous requests of its own before some calls, and takes a text for a path or an address.
So a model is given to it as an address, which needs no looking up, or the whole call is made in a thread; and what it
is to work on is given as bytes.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import structlog

from bot.media import extension, fit_picture, sniff
from bot.messages import Attachment
from bot.models.bodies import clean
from bot.models.compatible import Compatible
from bot.models.connection import Connection
from bot.models.drawing import checked_picture
from bot.models.errors import BadReply, ModelError, NotConfigured, Unavailable
from bot.models.faults import Fault, connection_fault, server_fault
from bot.models.listing import Listed
from bot.models.prices import Prices
from bot.models.profiles import PROFILES
from bot.models.provider import (
    Detail,
    Prompt,
    Provider,
    Role,
    Segment,
    Tool,
    ToolCall,
    Transcript,
    Usage,
    estimate_tokens,
)
from bot.models.speech import ready_sound

if TYPE_CHECKING:
    pass

__all__ = ["HuggingFace"]

log = structlog.get_logger(__name__)

_SECONDS: Mapping[str, float] = {"image": 300.0, "speech": 120.0, "voice": 120.0, "embed": 60.0}
_PAUSE = 0.5
_MOST_PIXELS = 25_000_000
_MOST_JSON = 32 * 1024 * 1024
_DEFAULTS: Mapping[Role, str] = MappingProxyType(
    {
        "image": "black-forest-labs/FLUX.1-schnell",
        "speech": "openai/whisper-large-v3-turbo",
        "embed": "intfloat/multilingual-e5-large",
    }
)
_Made = TypeVar("_Made")


class HuggingFace(Provider):
    """`url` is the router's. A model is named as on the Hub; one of another inference provider, as `MODEL:PROVIDER`; an
    endpoint of one's own, by its address.
    """

    name = "huggingface"

    def __init__(self, token: str, connection: Connection, url: str, prices: Prices | None = None) -> None:
        self._url = url
        self._token = token
        self.profile = replace(PROFILES["huggingface"], base_url=f"{url}/v1")
        self.label = self.profile.label
        self.longest = self.profile.limit
        self._prices = prices or Prices()
        self._router = Compatible(self.profile, token, connection, prices=self._prices)
        self._warm = False

    async def learn_models(self) -> None:
        """Ask the router for its list of models, if that is not known."""
        await self._router.learn_models()

    async def offers(self, seconds: float) -> tuple[Listed, ...]:
        """The router's list of models as it is now. Raises as `list_models` does."""
        return await self._router.offers(seconds)

    async def prepare(self) -> None:
        await self._router.prepare()
        if not self._warm:
            await asyncio.to_thread(_warm)
            self._warm = True

    def model_for(self, role: Role) -> str:
        return _DEFAULTS.get(role) or self._router.model_for(role)

    def cost(self, usage: Usage) -> int | None:
        return self._prices.cost(usage)

    def chat(
        self,
        model: str,
        prompts: Sequence[Prompt],
        *,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool] = (),
        detail: Detail = "auto",
    ) -> AsyncGenerator[str | ToolCall | Usage, None]:
        return self._router.chat(model, prompts, role=role, max_tokens=max_tokens, tools=tools, detail=detail)

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
        words = clean(f"{prompt}\n\nStyle: {style}." if style else prompt)
        wide, _, high = size.partition("x")
        sides = {"width": int(wide), "height": int(high)} if wide.isdigit() and high.isdigit() else {}
        source = (await fit_picture(edits[0].data)).data if edits else b""
        pictures = []
        for number in range(1, count + 1):
            drawn = await self._call(
                "image",
                model,
                lambda client, at: (
                    client.image_to_image(source, words, model=at)
                    if edits
                    else client.text_to_image(words, model=at, **sides)
                ),
            )
            pictures.append(checked_picture(await asyncio.to_thread(_png, drawn), prompt, number, self.name))
        return pictures, Usage(self.name, model, "image", pictures=len(pictures))

    async def transcribe(
        self, model: str, sound: Attachment, *, language: str, words: str = ""
    ) -> tuple[Transcript, Usage]:
        ready, facts = await ready_sound(sound, self.profile.sounds)
        used = Usage(self.name, model, "speech")
        if facts.level is None:
            return Transcript("", seconds=facts.seconds), used
        heard = await self._call(
            "speech",
            model,
            lambda client, at: client.automatic_speech_recognition(ready.data, model=at),
            headers={"Content-Type": ready.media_type},  # the library would send none
        )
        text = heard.text if isinstance(heard.text, str) else ""
        chunks = [_segment(chunk) for chunk in heard.chunks or ()]
        segments = tuple(segment for segment in chunks if segment)
        return Transcript(text.strip(), "", facts.seconds, segments), replace(used, seconds=facts.seconds)

    async def speak(self, model: str, text: str, *, voice: str, language: str) -> tuple[Attachment, Usage]:
        said = clean(text)
        sound = await self._call("voice", model, lambda client, at: client.text_to_speech(said, model=at))
        media_type = sniff(sound)
        if not media_type.startswith("audio/"):
            raise BadReply
        made = Attachment(f"speech.{extension(media_type)}", media_type, sound, len(sound))
        return made, Usage(self.name, model, "voice", len(text) // 4, estimated=True, characters=len(text))

    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        address = model if _is_address(model) else f"{self._base(model)}/pipeline/feature-extraction"
        told = await self._again(
            "embed", model, lambda: self._post(address, {"inputs": [clean(text) for text in texts]})
        )
        try:
            vectors = [[float(number) for number in vector] for vector in orjson.loads(told)]
        except (TypeError, ValueError):
            raise BadReply from None
        if len(vectors) != len(texts):
            raise BadReply
        tokens = estimate_tokens(Prompt("user", text) for text in texts)
        return vectors, Usage(self.name, model, "embed", input_tokens=tokens, estimated=True)

    async def close(self) -> None:
        """Every call closes what it opened."""

    def _base(self, model: str) -> str:
        return f"{self._url}/hf-inference/models/{model}"

    async def _call(
        self,
        role: Role,
        model: str,
        ask: Callable[[Any, str], Any],
        *,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Let the library make a call, given the client and the name that it is to use for the model."""
        seconds = _SECONDS[role]
        name, _, vendor = model.rpartition(":")

        async def by_address() -> Any:
            from huggingface_hub import AsyncInferenceClient

            at = model if _is_address(model) else self._base(model)
            client: AsyncInferenceClient
            async with AsyncInferenceClient(api_key=self._token, timeout=seconds, headers=headers) as client:
                return await ask(client, at)

        def by_vendor() -> Any:
            from huggingface_hub import InferenceClient

            client: InferenceClient
            given: Any = vendor
            with InferenceClient(provider=given, api_key=self._token, timeout=seconds, headers=headers) as client:
                return ask(client, name)

        if name and not _is_address(model):
            return await self._again(role, model, lambda: asyncio.to_thread(by_vendor))
        return await self._again(role, model, by_address)

    async def _again(self, role: Role, model: str, ask: Callable[[], Awaitable[_Made]]) -> _Made:
        """Ask, and once more where that may help. Raises a `ModelError`."""
        for last in (False, True):
            try:
                async with asyncio.timeout(_SECONDS[role]):
                    return await ask()
            except ModelError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever that library and those below it may raise
                fault = self._fault(role, model, error)
            status, code = fault.status, fault.code
            log.warning("model call failed", provider=self.name, role=role, model=model, status=status, code=code)
            if last or not fault.again:
                raise fault.error
            await asyncio.sleep(_PAUSE)
        raise Unavailable(self.label)

    def _fault(self, role: Role, model: str, error: Exception) -> Fault:
        from huggingface_hub.errors import HfHubHTTPError

        response = getattr(error, "response", None)
        if isinstance(error, HfHubHTTPError) and response is not None:
            try:
                body: Any = orjson.loads(response.content)
            except ValueError:
                body = response.text
            return server_fault(self.profile, model, role, response.status_code, body, response.headers)
        if isinstance(error, _Status):
            return server_fault(self.profile, model, role, error.status, error.body, error.headers)
        unreadable = isinstance(error, ValueError | ImportError | KeyError | AttributeError)
        if unreadable or type(error).__name__ == "UnidentifiedImageError":  # that one is an `OSError`, too
            return Fault(
                NotConfigured(str(error)) if isinstance(error, ImportError) else BadReply(), code=type(error).__name__
            )
        return connection_fault(self.profile, error)

    async def _post(self, address: str, body: dict[str, Any]) -> bytes:
        """A task whose answer the library would only hand out as an array of a library of its own."""
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(trust_env=True) as session,
            session.post(address, data=orjson.dumps(body), headers=headers, allow_redirects=False) as response,
        ):
            told = await response.content.read(_MOST_JSON)
            while more := await response.content.read(_MOST_JSON):
                told += more
                if len(told) > _MOST_JSON:
                    raise ValueError("too long")
            if response.status != 200:
                raise _Status(response.status, told, response.headers)
            return told


class _Status(Exception):
    """Another status than 200."""

    def __init__(self, status: int, told: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        try:
            self.body: Any = orjson.loads(told)
        except ValueError:
            self.body = told.decode("utf-8", "replace")


def _warm() -> None:
    """Load the library, and let it make the one request that it makes by itself before the first call."""
    from huggingface_hub import AsyncInferenceClient, InferenceClient  # noqa: F401 - loading takes a moment
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # it is documented

    build_hf_headers(token=False)


def _png(picture: Any) -> bytes:
    """What the library made of the bytes that came, as a file again. Raises `BadReply` for one beyond measure."""
    wide, high = picture.size
    if wide * high > _MOST_PIXELS:
        raise BadReply
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _segment(chunk: Any) -> Segment | None:
    text, times = getattr(chunk, "text", ""), getattr(chunk, "timestamp", None) or getattr(chunk, "timestamps", None)
    if not isinstance(times, list | tuple) or len(times) != 2 or not isinstance(text, str) or not text.strip():
        return None
    start, end = times
    if not isinstance(start, int | float):
        return None
    return Segment(float(start), float(end) if isinstance(end, int | float) else float(start), text.strip())


def _is_address(model: str) -> bool:
    return model.startswith(("https://", "http://"))
