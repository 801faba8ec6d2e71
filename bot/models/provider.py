"""The values that go to a model and come back, and what a provider of models can do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.messages import Attachment

__all__ = ["Prompt", "Provider", "Role", "Transcript", "Usage", "estimate_tokens"]

Role = Literal["chat", "vision", "image", "speech", "embed", "moderate"]

_PICTURE_TOKENS = 1000  # of a picture 1024 pixels long
_BETWEEN_TOKENS = 4  # what every message costs besides its text


@dataclass(frozen=True, slots=True)
class Prompt:
    """One message to a chat model. `pictures` are attachments with their bytes; only a user's prompt may have any."""

    role: Literal["system", "user", "assistant"]
    text: str
    pictures: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. `seconds` is the length of a transcribed sound; `estimated` where the server did not say."""

    provider: str
    model: str
    role: Role
    input_tokens: int = 0
    output_tokens: int = 0
    pictures: int = 0
    seconds: float = 0.0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a sound; empty where nothing was. `language` as the model names it, `seconds` its length."""

    text: str
    language: str = ""
    seconds: float | None = None


class Provider(ABC):
    """Somewhere models run. Every method raises a `ModelError` for whatever goes wrong.

    `label` is its name for people: "OpenAI", "Ollama on this machine (127.0.0.1:11434)". `notice`, where there is one,
    is shown under every answer that it had a part in.
    """

    name: str
    label: str
    notice: str = ""

    async def prepare(self) -> None:  # noqa: B027 - most have nothing to find out
        """Find out what has to be known before a call. Called before every call; quick when there is nothing to do."""

    def model_for(self, role: Role) -> str:
        """The model this provider uses for a role when nobody named one; `""` where it has none."""
        return ""

    @abstractmethod
    def chat(
        self, model: str, prompts: Sequence[Prompt], *, role: Role, max_tokens: int | None
    ) -> AsyncGenerator[str | Usage, None]:
        """The answer as pieces of text, in the end one `Usage` if the server told it."""

    @abstractmethod
    async def image(
        self, model: str, prompt: str, *, size: str, quality: str, count: int
    ) -> tuple[list[Attachment], Usage]:
        """Pictures of what `prompt` says. `size` as "1024x1024" and `quality` may be empty: the model's own choice."""

    @abstractmethod
    async def transcribe(self, model: str, sound: Attachment, *, language: str) -> tuple[Transcript, Usage]:
        """What is said in `sound`, which has its bytes. `language` is an ISO 639-1 code or empty."""

    @abstractmethod
    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """One vector for each text."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""


def estimate_tokens(prompts: Iterable[Prompt]) -> int:
    """About how many tokens these are. Bytes of UTF-8 over four is near enough for every script and tokenizer."""
    return sum(
        len(prompt.text.encode("utf-8", "replace")) // 4 + _BETWEEN_TOKENS + _PICTURE_TOKENS * len(prompt.pictures)
        for prompt in prompts
    )
