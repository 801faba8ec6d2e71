"""The values that go to a model and come back, and what a provider of models can do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.messages import Attachment
from bot.models.errors import NotConfigured

__all__ = [
    "Detail",
    "Prompt",
    "Provider",
    "Role",
    "Segment",
    "Tool",
    "ToolCall",
    "Transcript",
    "Usage",
    "Verdict",
    "estimate_tokens",
]

Role = Literal["chat", "vision", "image", "speech", "voice", "embed", "moderate"]
Detail = Literal["auto", "high"]  # how large pictures are shown to a model: "high" for small print

NOTE = "\n\n[Now: "
_PICTURE_TOKENS = 1000  # of a picture 1024 pixels long
_BETWEEN_TOKENS = 4  # what every message costs besides its text


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a chat model may call. `schema` is the JSON Schema of its arguments, an object."""

    name: str
    help: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A chat model calls a tool. `arguments` is `None` where what it wrote is no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One message to a chat model. `pictures` are attachments with their bytes; only a user's prompt may have any.

    `calls` are the tools that an assistant's prompt called; a prompt of the role `tool` holds what came of the call
    whose id is `call`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    pictures: tuple[Attachment, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call: str = ""

    @property
    def words(self) -> str:
        """The text without the note about now that may stand below it."""
        return self.text.partition(NOTE)[0]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. `seconds` is the length of a sound that was transcribed; `cached_tokens` are those of the
    input that the server had read before; `estimated` where the server did not say. `cost` is in micro-dollars, `None`
    where the price is not known. `characters` are those read aloud; `size` and `quality` are those of the pictures.
    """

    provider: str
    model: str
    role: Role
    input_tokens: int = 0
    output_tokens: int = 0
    pictures: int = 0
    seconds: float = 0.0
    estimated: bool = False
    cached_tokens: int = 0
    cost: int | None = None
    characters: int = 0
    size: str = ""
    quality: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a transcript: from `start` to `end`, in seconds from the beginning of the sound."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a sound; empty where nothing was. `language` as the model names it, `seconds` its length.

    `segments` are its parts in order, where the model tells when each was said.
    """

    text: str
    language: str = ""
    seconds: float | None = None
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a screening model thinks of something; `categories` name what it found."""

    flagged: bool
    categories: tuple[str, ...] = ()


class Provider(ABC):
    """Somewhere models run. Every method raises a `ModelError` for whatever goes wrong.

    `label` is its name for people: "OpenAI", "Ollama on this machine (127.0.0.1:11434)". `notice`, where there is one,
    is shown under every answer that it had a part in. `free` says that calls cost nothing, `longest` how many tokens an
    answer may have when nobody sets a limit, `None` where only the model itself does.
    """

    name: str
    label: str
    notice: str = ""
    free: bool = False
    longest: int | None = None

    async def prepare(self) -> None:  # noqa: B027 - most have nothing to find out
        """Find out what has to be known before a call. Called before every call; quick when there is nothing to do."""

    def model_for(self, role: Role) -> str:
        """The model this provider uses for a role when nobody named one; `""` where it has none."""
        return ""

    async def look(self) -> str:
        """Why it does not answer just now; empty when it does. Costs nothing; raises `OSError` when nobody is there."""
        return ""

    def cost(self, usage: Usage) -> int | None:
        """What this use of one of its models costs, in micro-dollars; `None` where it does, but nobody knows how much.

        Nothing, unless a provider says otherwise: a model that runs on one's own machine is not paid for by the call.
        """
        return 0

    @abstractmethod
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
        """The answer as pieces of text and, with `tools`, calls of them; in the end one `Usage` if it was told."""

    @abstractmethod
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
        """Pictures of what `prompt` says. `size` as "1024x1024", `quality` and `style` may be empty: the model's own.

        With `edits`, which have their bytes, those pictures as `prompt` wants them changed. `preview` is told of
        unfinished pictures, where the server shows any.
        """

    @abstractmethod
    async def transcribe(
        self, model: str, sound: Attachment, *, language: str, words: str = ""
    ) -> tuple[Transcript, Usage]:
        """What is said in `sound`, which has its bytes. `language` is an ISO 639-1 code or empty; `words` are names and
        words that may come up, or what was said just before.
        """

    @abstractmethod
    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """One vector for each text."""

    async def speak(self, model: str, text: str, *, voice: str, language: str) -> tuple[Attachment, Usage]:
        """`text` read aloud, as a sound. `voice` and `language` may be empty: the model's own."""
        raise NotConfigured(f"{self.label} cannot speak.")

    async def moderate(self, model: str, text: str, pictures: Sequence[Attachment]) -> tuple[Verdict, Usage]:
        """Whether `text` or any of the pictures, which have their bytes, is something that should not be shown."""
        raise NotConfigured(f"{self.label} cannot screen.")

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""


def estimate_tokens(prompts: Iterable[Prompt]) -> int:
    """About how many tokens these are. Bytes of UTF-8 over four is near enough for every script and tokenizer."""
    tokens = 0
    for prompt in prompts:
        text = prompt.text
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        tokens += size // 4 + _BETWEEN_TOKENS + _PICTURE_TOKENS * len(prompt.pictures)
    return tokens
